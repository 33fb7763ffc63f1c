"""Who may be used for what: identities 0-9,999 evaluate, 10,000 and up train. No exception.

An attack that is scored on people it was trained with measures memory, not leakage.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nbnet_lib.errors import NbnetError

FIRST_TRAINING_IDENTITY = 10_000


def _numbers(identities: Iterable[int]) -> np.ndarray:
    numbers = np.asarray(
        identities if isinstance(identities, np.ndarray) else list(identities), np.int64
    )
    if numbers.size == 0:
        raise NbnetError("no identities were given: expected at least one identity number")
    return numbers


def require_training(identities: Iterable[int]) -> None:
    """Raise unless every identity is for training.

    Raises:
        NbnetError: an identity below 10,000, or none at all.
    """
    lowest = int(_numbers(identities).min())
    if lowest < FIRST_TRAINING_IDENTITY:
        raise NbnetError(
            f"identity {lowest} is kept for evaluation: train on identities "
            f"{FIRST_TRAINING_IDENTITY} and up"
        )


def require_evaluation(identities: Iterable[int]) -> None:
    """Raise unless every identity is for evaluation.

    Raises:
        NbnetError: an identity outside 0 to 9,999, or none at all.
    """
    numbers = _numbers(identities)
    wrong = numbers[(numbers < 0) | (numbers >= FIRST_TRAINING_IDENTITY)]
    if wrong.size:
        raise NbnetError(
            f"identity {int(wrong[0])} is not for evaluation: evaluate on identities 0 to "
            f"{FIRST_TRAINING_IDENTITY - 1}"
        )
