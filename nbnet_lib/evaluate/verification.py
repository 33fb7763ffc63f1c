"""Verification measured: thresholds, TAR at FAR, ROC, DET, EER, AUC and d' (chapter 2).

A comparison is accepted when its score is *above* the threshold; one exactly at it is refused. FAR
is the share of impostor comparisons accepted, TAR the share of genuine ones. The field has other
names for them:

- FMR, false match rate, for FAR; TMR, true match rate, or GAR, for TAR;
- FNMR, false non-match rate, or FRR, false rejection rate, for 1 - TAR.

ISO/IEC 19795-1 keeps them apart: FMR and FNMR are errors of the comparison alone, FAR and FRR those
of a transaction, which also fails when no template can be made of a picture. With a failure to
acquire rate FTA and one attempt, FAR = FMR (1 - FTA) and FRR = FTA + FNMR (1 - FTA). Here every
picture gives a template, so the two are one number. Enter failures with the score -inf, which no
threshold accepts: then these functions return FAR and 1 - FRR.

`Scores` are float arrays, +-inf allowed and NaN refused, or a `ScoreHistogram`, whose scores all
count as the upper edge of their bin (see there).
"""

from __future__ import annotations

import math

import numpy as np

from nbnet_lib.errors import NbnetError, note_or_warn
from nbnet_lib.evaluate.histogram import ScoreHistogram

Scores = np.ndarray | ScoreHistogram


def as_scores(scores: np.ndarray, what: str) -> np.ndarray:
    """Return a one-dimensional float array; NaN, which every comparison refuses, is an error."""
    array = np.asarray(scores)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    if array.ndim != 1 or not len(array):
        raise NbnetError(f"{what} scores have shape {array.shape}: give a list of at least one")
    if np.isnan(array).any():
        raise NbnetError(f"{what} score {int(np.isnan(array).argmax())} is NaN: compare again")
    return array


class Steps:
    """Distinct values of scores, rising, and how many scores lie above each."""

    def __init__(self, scores: Scores, what: str) -> None:
        if isinstance(scores, ScoreHistogram):
            if not scores.total:
                raise NbnetError(f"the histogram of {what} scores is empty: add at least one")
            self.values = scores.thresholds()
            self.counts = scores.counts[scores.counts > 0]
        else:
            self.values, self.counts = np.unique(as_scores(scores, what), return_counts=True)
        self._above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        self.total = int(self._above[0])

    def share_above(self, thresholds: np.ndarray) -> np.ndarray:
        """Return the share of scores above each threshold, float64."""
        return self._above[np.searchsorted(self.values, thresholds, side="right")] / self.total


def threshold_at_far(impostor: Scores, far: float, notes: list[str] | None = None) -> float:
    """Return the lowest impostor score at which at most ``far`` of the impostors are accepted.

    With k = floor(far * n) false acceptances allowed among n impostors, the threshold is the
    (k + 1)-th largest score: at most k lie above it, and an impostor exactly at it is refused.
    Scores that tie with it are refused together, so the FAR reached may be lower than ``far``. From
    a `ScoreHistogram` the threshold is an edge of its grid: less than one step higher.

    Where n is too small for this FAR (far * n < 1) it is the largest impostor score, so that none
    is accepted, and a sentence says so: in ``notes``, or as an `NbnetWarning` without them.
    """
    check_far(far)
    n = len(impostor)
    if n and not allowed_false_accepts(far, n):
        note_or_warn(
            f"{n} impostor comparisons cannot show a FAR of {far:g}: at least "
            f"{math.ceil(1 / far - 1e-9)} are needed; the threshold is the largest impostor score",
            notes,
        )
    if isinstance(impostor, ScoreHistogram):
        steps = Steps(impostor, "impostor")
        place = n - int(allowed_false_accepts(far, n))
        return float(steps.values[np.searchsorted(np.cumsum(steps.counts), place)])
    scores = as_scores(impostor, "impostor")
    place = n - 1 - int(allowed_false_accepts(far, n))
    return float(np.partition(scores, place)[place])


def check_far(far: float) -> None:
    """Refuse percent, and shares at which everybody or nobody passes."""
    if not 0 < far < 1:
        raise NbnetError(f"far={far} must be between 0 and 1 (0.001 means 0.1 %)")


def allowed_false_accepts(far: float, n: int | np.ndarray) -> np.ndarray:
    """Return k, int64 of the shape of ``n``: how many of n impostors may be accepted at a FAR.

    The one rule of all thresholds, those of the bootstrap's draws too: floor(far * n), but never
    all n of them.
    """
    k = np.floor(far * np.asarray(n) + 1e-9)  # 0.29 * 100 is 28.999999999999996 in floating point
    return np.minimum(k, np.asarray(n) - 1).astype(np.int64)


def tar_at(genuine: Scores, threshold: float) -> float:
    """Return the share of genuine scores above the threshold, 0 to 1 (TAR, TMR, GAR)."""
    return _accepted(genuine, threshold, "genuine")


def far_at(impostor: Scores, threshold: float) -> float:
    """Return the share of impostor scores above the threshold, 0 to 1 (FAR, FMR)."""
    return _accepted(impostor, threshold, "impostor")


def _accepted(scores: Scores, threshold: float, what: str) -> float:
    if math.isnan(threshold):
        raise NbnetError("the threshold is NaN: give a number, such as threshold_at_far returns")
    if isinstance(scores, ScoreHistogram):
        return float(Steps(scores, what).share_above(np.array([threshold]))[0])
    # As a float64 array element: a Python float would be rounded to the type of float32 scores.
    return float((as_scores(scores, what) > np.float64(threshold)).mean())


def accuracy_threshold(genuine: Scores, impostor: Scores) -> float:
    """Return the threshold with the most right decisions, genuine and impostor counted alike.

    As LFW's view 2 chooses it on nine folds for the tenth. It is one of the scores, or -inf; of
    several that do equally well the highest, which accepts the fewest impostors.
    """
    far, tar, thresholds = roc(genuine, impostor)
    n, m = Steps(genuine, "genuine").total, Steps(impostor, "impostor").total
    right = np.rint(tar * n) + np.rint((1 - far) * m)  # whole numbers: equal ones must be equal
    return float(thresholds[np.argmax(right)])


def roc(genuine: Scores, impostor: Scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (far, tar, thresholds), one point per distinct score, from (0, 0) to (1, 1).

    The thresholds fall; the last is -inf, where everything is accepted. Scores of -inf are not, and
    with them the curve ends before (1, 1).
    """
    points = Steps(genuine, "genuine"), Steps(impostor, "impostor")
    values = np.unique(np.concatenate([p.values.astype(np.float64) for p in points]))[::-1]
    thresholds = values if values[-1] == -np.inf else np.append(values, -np.inf)
    tar, far = (p.share_above(thresholds) for p in points)
    return far, tar, thresholds


def det(genuine: Scores, impostor: Scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (fmr, fnmr, thresholds): the ROC's points as two errors, for a DET plot."""
    far, tar, thresholds = roc(genuine, impostor)
    return far, 1 - tar, thresholds


def eer(genuine: Scores, impostor: Scores) -> float:
    """Return the equal error rate: where FAR meets the false refusal rate 1 - TAR.

    The ROC has steps; between the two points around the crossing it is taken as a straight line.
    (The convention of FVC2000, which `pyeer` follows, instead takes the mean of FMR and FNMR at
    the better of the two points. Both lie between the errors at these points.)
    """
    far, tar, _ = roc(genuine, impostor)
    gap = far - (1 - tar)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    if gap[after] < 0:
        raise NbnetError(
            f"{1 - tar[-1]:.0%} of the genuine and {1 - far[-1]:.0%} of the impostor scores are "
            "-inf, so FAR stays below the false refusal rate: there is no equal error rate"
        )
    before = after - 1  # gap[0] is -1, so after >= 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def auc(genuine: Scores, impostor: Scores) -> float:
    """Return the area under the ROC: how often a genuine score exceeds an impostor one, 0 to 1.

    The Mann-Whitney statistic over all pairs of a genuine and an impostor score; ties count one
    half, also those of -inf with -inf.
    """
    mated, other = Steps(genuine, "genuine"), Steps(impostor, "impostor")
    below = np.concatenate([[0], np.cumsum(other.counts, dtype=np.float64)])
    left = below[np.searchsorted(other.values, mated.values, side="left")]
    right = below[np.searchsorted(other.values, mated.values, side="right")]
    return float(mated.counts @ (left + right) / 2 / mated.total / other.total)


def d_prime(genuine: Scores, impostor: Scores) -> float:
    """Return d' = (mean genuine - mean impostor) / sqrt of the mean of the two variances."""
    mean, variance = _moments(genuine, "genuine")
    other_mean, other_variance = _moments(impostor, "impostor")
    spread = math.sqrt((variance + other_variance) / 2)
    if spread == 0:
        raise NbnetError("all scores of each kind are equal: d' is not defined without spread")
    return (mean - other_mean) / spread


def _moments(scores: Scores, what: str) -> tuple[float, float]:
    """Return mean and variance."""
    if isinstance(scores, ScoreHistogram):
        steps = Steps(scores, what)
        mean = float(np.average(steps.values, weights=steps.counts))
        return mean, float(np.average((steps.values - mean) ** 2, weights=steps.counts))
    values = as_scores(scores, what).astype(np.float64)
    if not np.isfinite(values).all():
        raise NbnetError(f"some {what} scores are infinite: d' is defined for finite scores only")
    return float(values.mean()), float(values.var())
