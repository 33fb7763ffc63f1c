"""Verification measured: thresholds, TAR at FAR, ROC, EER and d' (chapter 2).

A comparison is accepted when its score is *above* the threshold. FAR is the share of impostor
comparisons accepted, TAR the share of genuine ones.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from nbnet_lib.errors import NbnetError


def as_scores(scores: np.ndarray, what: str) -> np.ndarray:
    """Return a one-dimensional float array.

    Raises:
        NbnetError: empty, not one-dimensional, or with NaN in it.
    """
    array = np.asarray(scores)
    if not np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float64)
    if array.ndim != 1 or not len(array):
        raise NbnetError(f"{what} scores have shape {array.shape}: give a list of at least one")
    if np.isnan(array).any():
        raise NbnetError(f"{what} score {int(np.isnan(array).argmax())} is NaN: compare again")
    return array


def threshold_at_far(impostor: np.ndarray, far: float) -> float:
    """Return the lowest impostor score at which at most ``far`` of the impostors are accepted.

    With k = floor(far * n) false acceptances allowed among n impostors, the threshold is the
    (k + 1)-th largest score: at most k lie above it, and an impostor exactly at it is refused.

    Warns:
        UserWarning: n is too small for this FAR (far * n < 1); the largest impostor score is
            returned, so that none is accepted.

    Raises:
        NbnetError: no scores, NaN, or a FAR outside (0, 1).
    """
    scores = as_scores(impostor, "impostor")
    if not 0 < far < 1:
        raise NbnetError(f"far={far} must lie between 0 and 1 (0.001 means 0.1 %)")
    n = len(scores)
    k = math.floor(far * n + 1e-9)  # 0.29 * 100 is 28.999999999999996 in floating point
    if k < 1:
        warnings.warn(
            f"{n} impostor comparisons cannot show a FAR of {far:g}: at least "
            f"{math.ceil(1 / far - 1e-9)} are needed; the threshold is the largest impostor score",
            UserWarning,
            stacklevel=2,
        )
    return float(np.partition(scores, n - 1 - k)[n - 1 - k])


def tar_at(genuine: np.ndarray, threshold: float) -> float:
    """Return the share of scores above the threshold (FAR, if impostor scores are given)."""
    return float((as_scores(genuine, "genuine") > threshold).mean())


def roc(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (far, tar, thresholds), one point per distinct score, from (0, 0) to (1, 1).

    The thresholds fall; the last is -inf, where everything is accepted.
    """
    genuine, impostor = as_scores(genuine, "genuine"), as_scores(impostor, "impostor")
    thresholds = np.append(np.unique(np.concatenate([genuine, impostor]))[::-1], -np.inf)
    far = _share_above(impostor, thresholds)
    tar = _share_above(genuine, thresholds)
    return far, tar, thresholds


def _share_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return 1 - np.searchsorted(np.sort(scores), thresholds, side="right") / len(scores)


def eer(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Return the equal error rate: where FAR meets the false refusal rate 1 - TAR.

    The ROC has steps; between the two points around the crossing it is taken as a straight line.
    """
    far, tar, _ = roc(genuine, impostor)
    gap = far - (1 - tar)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1  # gap[0] is -1, so after >= 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def d_prime(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Return d' = (mean genuine - mean impostor) / sqrt of the mean of the two variances."""
    genuine = as_scores(genuine, "genuine").astype(np.float64)
    impostor = as_scores(impostor, "impostor").astype(np.float64)
    spread = math.sqrt((genuine.var() + impostor.var()) / 2)
    if spread == 0:
        raise NbnetError("all scores of each kind are equal: d' is not defined without spread")
    return float((genuine.mean() - impostor.mean()) / spread)
