"""Originals above their reconstructions, chosen by score and never by hand."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.selection import select_by_score
from nbnet_lib.evaluate.verification import as_scores
from nbnet_lib.faces import to_uint8


def reconstruction_strip(
    originals: np.ndarray | Tensor,
    reconstructions: np.ndarray | Tensor,
    scores: Sequence[float] | np.ndarray,
    each: int = 3,
    threshold: float | None = None,
) -> Figure:
    """Draw originals above their reconstructions: best, median and worst by type-I score.

    Args:
        originals: uint8 array [N, H, W, 3] or float32 tensor [N, 3, H, W] in [-1, 1].
        reconstructions: likewise, row by row (the edge may differ).
        scores: type-I score of each row, printed below it.
        each: how many of each group.
        threshold: if given, scores above it are printed bold ("accepted").

    Raises:
        NbnetError: lengths that differ or too few rows.
    """
    scores = as_scores(np.asarray(scores), "type-I")
    if not len(originals) == len(reconstructions) == len(scores):
        raise NbnetError(
            f"{len(originals)} originals, {len(reconstructions)} reconstructions and {len(scores)} "
            "scores: give as many of each"
        )
    groups = select_by_score(scores, each)
    figure = plt.figure(figsize=(3 * each * 0.95 + 0.6, 2.35), layout="constrained")
    figure.get_layout_engine().set(hspace=0, h_pad=0.02)  # type: ignore[union-attr, call-arg]
    # The first group also holds the names of the two rows; its pictures are as large as the others.
    widths = [each + 0.25, each, each]
    parts = list(
        np.ravel(figure.subfigures(1, 3, wspace=0.03, width_ratios=widths))  # type: ignore[arg-type]
    )
    for part, (name, rows) in zip(parts, groups.items(), strict=True):
        part.suptitle(name, fontsize=10)
        grid = part.subplots(2, each, squeeze=False)
        for column, row in enumerate(rows):
            for axes, pictures in zip(grid[:, column], (originals, reconstructions), strict=True):
                axes.imshow(_picture(pictures[int(row)]))
                axes.set(xticks=[], yticks=[])
                sns.despine(ax=axes, left=True, bottom=True)
            accepted = threshold is not None and scores[row] > threshold
            grid[1, column].set_xlabel(
                f"{scores[row]:.2f}", fontsize=9, fontweight="bold" if accepted else "normal"
            )
        if part is parts[0]:
            grid[0, 0].set_ylabel("original", fontsize=9)
            grid[1, 0].set_ylabel("reconstruction", fontsize=9)
    return figure


def _picture(image: np.ndarray | Tensor) -> np.ndarray:
    """Return uint8 [H, W, 3]."""
    return to_uint8(image[None])[0] if isinstance(image, Tensor) else image
