"""Counts in place of scores: what is kept of ten thousand million impostor comparisons.

An array of that many float32 scores takes 40 GB, their histogram 8 MB, whatever their number. The
bins are so fine (2 ** -19, 1.9e-6 of the cosine by default) that a rate read from them at a
threshold on the grid is exact, and a threshold at a FAR is off by less than one step, never to the
system's advantage.
"""

from __future__ import annotations

import numba
import numpy as np

from nbnet_lib.errors import NbnetError

# Cosines of float32 vectors leave [-1, 1] by rounding; so far outside is still taken as the end.
ROUNDING = 1e-4

# No `fastmath`: it would let the compiler assume that there is no NaN to look for.
compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@compiled
def count_scores(scores, end, scale, last, counts, weight):
    """Add ``weight`` to the bin of every score; bin j holds those in (edge j - 1, edge j].

    A product with a power of two, its ceiling and whole numbers up to 2 ** 24 are exact in
    floating point: no score lands on the wrong side of an edge.

    Args:
        scores: float32 or float64 [n], contiguous.
        end: highest value accepted, ``-end`` the lowest: 1 and some rounding.
        scale: bins per unit, a power of two; the score 0 is in this bin.
        last: the last bin; like all arguments above of the type of the scores.
        counts: int32 or int64 [bins + 1], written.
        weight: 1 to add the scores, -1 to take them away again, of the type of the counts.

    Returns:
        How many scores were counted. If fewer than n: there is NaN or a score out of range among
        the next 256.
    """
    first = last - last
    bins = np.empty(256, np.int32)
    for start in range(0, scores.shape[0], 256):
        part = scores[start : start + 256]
        refused = 0
        # A loop of its own, over a slice from 0: so the compiler makes vector instructions of it.
        for i in range(part.shape[0]):
            s = part[i]
            refused += np.int32(not ((s >= -end) & (s <= end)))
            bins[i] = np.int32(min(max(np.ceil(s * scale) + scale, first), last))
        if refused:
            return start
        for i in range(part.shape[0]):
            counts[bins[i]] += weight
    return scores.shape[0]


class ScoreHistogram:
    """Cosines counted on a fine, even grid; stands in for an array of impostor scores.

    The grid has ``bins`` + 1 edges from -1 to 1, one step apart (2 ** -19, 1.9e-6, by default). A
    score counts as the edge at or next above it. So ``count_above(t)`` is exactly the number of
    scores > t for every edge t, and for a t between two edges it counts the scores between the
    lower edge and t as accepted too: an error rate is rounded up, never down.

    Args:
        bins: how many steps: a power of two, so that every edge is an exact float32.

    Attributes:
        counts: int64 [bins + 1], how many scores count as each edge.
    """

    def __init__(self, bins: int = 2**20) -> None:
        if not 2 <= bins <= 2**24 or bins & (bins - 1):
            raise NbnetError(
                f"the edges of {bins} bins are not exact: give a power of two, 2 to 2**24"
            )
        self.bins = bins
        self.counts = np.zeros(bins + 1, np.int64)

    @property
    def step(self) -> float:
        """Distance of two edges."""
        return 2 / self.bins

    @property
    def total(self) -> int:
        """How many scores were added."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        return self.total

    def __repr__(self) -> str:
        return f"ScoreHistogram({self.total:,} scores)"

    def add(self, scores: np.ndarray) -> None:
        """Count ``scores``, floats of any shape; nothing is added when one of them is refused.

        Raises:
            NbnetError: NaN, or a score outside -1 to 1 by more than rounding.
        """
        flat = np.ascontiguousarray(scores).reshape(-1)
        if flat.dtype not in (np.float32, np.float64):
            flat = flat.astype(np.float64)
        self.count_into(self.counts, flat)

    def count_into(self, counts: np.ndarray, flat: np.ndarray, weight: int = 1) -> None:
        """Count float32 or float64 [n] ``weight`` times into ``counts``, not into this histogram.

        For threads that count on their own: int32 [bins + 1] counts go through the processor's
        cache faster; add them to `counts` before one of them can reach 2 ** 31.
        """
        kind = flat.dtype.type
        grid = kind(1 + ROUNDING), kind(self.bins // 2), kind(self.bins)
        times = counts.dtype.type(weight)
        counted = count_scores(flat, *grid, counts, times)
        if counted == len(flat):
            return
        count_scores(flat[:counted], *grid, counts, -times)
        bad = counted + int(np.argmin(np.abs(flat[counted : counted + 256]) <= grid[0]))
        raise NbnetError(f"score {bad} is {flat[bad]:g}: a cosine is between -1 and 1")

    def count_above(self, threshold: float | np.ndarray) -> int | np.ndarray:
        """Return how many scores are above: an int, or int64 of the shape of ``threshold``."""
        limits = np.asarray(threshold, np.float64)
        if np.isnan(limits).any():
            raise NbnetError("a threshold is NaN: give a number")
        above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)  # of this bin and all after it
        # The first edge above the threshold.
        steps = np.clip((limits + 1) / self.step, -1, self.bins)
        result = above[np.floor(steps).astype(np.int64) + 1]
        return int(result) if result.ndim == 0 else result

    def thresholds(self) -> np.ndarray:
        """Return the edges that scores count as, rising, float64: the distinct values there are."""
        return np.flatnonzero(self.counts) * self.step - 1
