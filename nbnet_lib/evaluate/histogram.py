"""Counts in place of scores: what is kept of ten thousand million impostor comparisons.

An array of that many float32 scores takes 40 GB, their histogram 8 MB, whatever their number. The
bins are so fine (2 ** -19, 1.9e-6 of the cosine by default) that a rate read from them at a
threshold on the grid is exact, and a threshold at a FAR is off by less than one step, never to the
system's advantage.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from nbnet_lib.errors import NbnetError

# Cosines of float32 vectors leave [-1, 1] by rounding; so far outside is still taken as the end.
ROUNDING = 1e-4

# No `fastmath`: it would let the compiler assume that there is no NaN to look for.
compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@compiled
def count_scores(scores, low, high, scale, zero, last, counts, weight):
    """Add ``weight`` to the bin of every score; bin j holds those in (edge j - 1, edge j].

    A product with a power of two, its ceiling and whole numbers up to 2 ** 24 are exact in
    floating point: no score lands on the wrong side of an edge.

    Args:
        scores: float32 or float64 [n], contiguous.
        low: lowest value accepted, ``high`` the highest (the ends of the grid and some rounding).
        scale: bins per unit, a power of two.
        zero: the bin of the score 0.
        last: the last bin; like all arguments above of the type of the scores.
        counts: int32 or int64 [bins + 1], written.
        weight: 1 to add the scores, -1 to take them away again, of the type of the counts.

    Returns:
        How many scores were counted. Less than n: there is NaN or a score out of range among the
        next 256.
    """
    first = last - last
    bins = np.empty(256, np.int32)
    for start in range(0, scores.shape[0], 256):
        part = scores[start : start + 256]
        refused = 0
        # A loop of its own, over a slice from 0: so the compiler makes vector instructions of it.
        for i in range(part.shape[0]):
            s = part[i]
            refused += np.int32(not ((s >= low) & (s <= high)))
            bins[i] = np.int32(min(max(np.ceil(s * scale) + zero, first), last))
        if refused:
            return start
        for i in range(part.shape[0]):
            counts[bins[i]] += weight
    return scores.shape[0]


class ScoreHistogram:
    """Scores counted on a fine, even grid; stands in for an array of impostor scores.

    The grid has ``bins`` + 1 edges from ``low`` to ``high``, one step apart (2 ** -19, 1.9e-6, by
    default). A score counts as the edge at or next above it. So ``count_above(t)`` is exactly the
    number of scores > t for every edge t, and for a t between two edges it counts the scores
    between the lower edge and t as accepted too: an error rate is rounded up, never down.

    Args:
        low: lower end; a score may lie 1e-4 below (rounding of cosines) and counts as ``low``.
        high: upper end, likewise.
        bins: how many steps. Steps per unit, bins / (high - low), must be a power of two and
            ``low`` a whole number of steps, so that every edge is an exact float32.

    Attributes:
        counts: int64 [bins + 1], how many scores count as each edge.

    Raises:
        NbnetError: a grid whose edges are not exact.
    """

    def __init__(self, low: float = -1.0, high: float = 1.0, bins: int = 2**20) -> None:
        width = high - low
        scale = bins / width if bins >= 1 and math.isfinite(width) and width > 0 else 0.0
        exact = (
            scale > 0
            and math.frexp(scale)[0] == 0.5
            and (low * scale).is_integer()
            and max(abs(low), abs(high), width) * scale <= 2**24
        )
        if not exact:
            raise NbnetError(
                f"a histogram of {bins} bins from {low:g} to {high:g} has edges that are not exact "
                "in float32: choose bins / (high - low) a power of two, as with -1, 1 and 2**20"
            )
        self.low, self.high, self.bins = float(low), float(high), int(bins)
        self._scale = scale
        self.counts = np.zeros(bins + 1, np.int64)

    @property
    def step(self) -> float:
        """Distance of two edges."""
        return 1 / self._scale

    @property
    def total(self) -> int:
        """How many scores were added."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        return self.total

    def __repr__(self) -> str:
        return f"ScoreHistogram({self.total:,} scores, {self.low:g} to {self.high:g})"

    def add(self, scores: np.ndarray) -> None:
        """Count ``scores``, floats of any shape; nothing is added when one of them is refused.

        Raises:
            NbnetError: NaN, infinity, or a score outside the grid.
        """
        flat = np.ascontiguousarray(scores).reshape(-1)
        if flat.dtype not in (np.float32, np.float64):
            flat = flat.astype(np.float64)
        self.count_into(self.counts, flat)

    def count_into(self, counts: np.ndarray, flat: np.ndarray, weight: int = 1) -> None:
        """Count float32 or float64 [n] ``weight`` times into ``counts``, not into this histogram.

        For threads that count on their own: int32 [bins + 1] counts go through the processor's
        cache faster; add them to `counts` before one of them can reach 2 ** 31.

        Raises:
            NbnetError: as `add`.
        """
        kind = flat.dtype.type
        low, high = kind(self.low - ROUNDING), kind(self.high + ROUNDING)
        scale, zero, last = kind(self._scale), kind(-self.low * self._scale), kind(self.bins)
        times = counts.dtype.type(weight)
        counted = count_scores(flat, low, high, scale, zero, last, counts, times)
        if counted == len(flat):
            return
        count_scores(flat[:counted], low, high, scale, zero, last, counts, -times)
        near = flat[counted : counted + 256]
        bad = counted + int(np.argmin((near >= low) & (near <= high)))
        raise NbnetError(
            f"score {bad} is {flat[bad]:g}: a histogram from {self.low:g} to {self.high:g} takes "
            "finite scores of that range"
        )

    def count_above(self, threshold: float | np.ndarray) -> int | np.ndarray:
        """Return how many scores lie above: an int, or int64 of the shape of ``threshold``.

        Raises:
            NbnetError: a threshold that is NaN.
        """
        asked = np.asarray(threshold, np.float64)
        if np.isnan(asked).any():
            raise NbnetError("a threshold is NaN: give a number")
        above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)  # of this bin and all after it
        # The first edge that lies above the threshold.
        steps = np.clip((asked - self.low) * self._scale, -1, self.bins)
        result = above[np.floor(steps).astype(np.int64) + 1]
        return int(result) if result.ndim == 0 else result

    def merge(self, other: ScoreHistogram) -> None:
        """Add what ``other``, of the same grid, has counted.

        Raises:
            NbnetError: another grid.
        """
        mine, its = (self.low, self.high, self.bins), (other.low, other.high, other.bins)
        if mine != its:
            raise NbnetError(
                f"histograms of (low, high, bins) {mine} and {its} do not add up: use one grid"
            )
        self.counts += other.counts

    def thresholds(self) -> np.ndarray:
        """Return the edges that scores count as, rising, float64: the distinct values there are."""
        return self.low + np.flatnonzero(self.counts) * self.step
