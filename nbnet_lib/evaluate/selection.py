"""Which pictures are shown: chosen by score, never by hand."""

from __future__ import annotations

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.verification import as_scores


def select_by_score(scores: np.ndarray, each: int = 3) -> dict[str, np.ndarray]:
    """Return the rows of the ``each`` best, most median and worst scores (never hand-picked).

    Raises:
        NbnetError: fewer than 3 x ``each`` scores, or NaN.
    """
    scores = as_scores(scores, "selection")
    if each < 1 or len(scores) < 3 * each:
        raise NbnetError(
            f"{len(scores)} scores are too few to pick 3 x {each}: choose a smaller each"
        )
    order = np.argsort(-scores, kind="stable")
    middle = (len(order) - each) // 2
    return {
        "best": order[:each],
        "median": order[middle : middle + each],
        "worst": order[len(order) - each :],
    }
