"""All probes against a whole gallery, block by block, on all cores: what any scale rests on.

The cosines of a block are used while they are in a core's cache and then overwritten by the next;
10,000 probes against a gallery of 1,000,000 would otherwise need 40 GB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

# Cosines of one core at a time: 512 x 2,048 float32 are 4 MB, and larger blocks are no faster.
PROBES_AT_ONCE, GALLERY_AT_ONCE = 512, 2048


class Mates:
    """Which gallery rows show the person of each probe.

    Attributes:
        order: int64 [G], the gallery rows sorted by identity.
        starts: int64 [P + 1]: the genuine pairs of probe p are number starts[p] to starts[p + 1].
    """

    def __init__(self, who: np.ndarray, whose: np.ndarray) -> None:
        self.order = np.argsort(whose, kind="stable")
        ranked = whose[self.order]
        self._first = np.searchsorted(ranked, who, side="left")
        number = np.searchsorted(ranked, who, side="right") - self._first
        self.starts = np.concatenate([[0], np.cumsum(number)])

    def of(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (probe, gallery row) of each genuine pair of the probes ``start`` to ``stop``."""
        number = np.diff(self.starts[start : stop + 1])
        probe = np.repeat(np.arange(start, stop), number)
        place = np.arange(len(probe)) + self.starts[start] - self.starts[probe]
        return probe, self.order[self._first[probe] + place]


def score_blocks(
    probes: np.ndarray, gallery: np.ndarray, at_once: int, order: np.ndarray | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (start, cosines with gallery[start : start + at_once]), float32 [P, at_once or less].

    Each block overwrites the one before. ``order`` walks the gallery's rows in another order.
    """
    memory = np.empty(len(probes) * min(at_once, len(gallery)), np.float32)
    for start in range(0, len(gallery), at_once):
        rows = slice(start, start + at_once)
        part = gallery[rows] if order is None else gallery[order[rows]]
        score = memory[: len(probes) * len(part)].reshape(len(probes), len(part))
        yield start, np.matmul(probes, part.T, out=score)


def on_all_cores(n: int, work: Callable[[int, int], None], progress: bool, what: str) -> None:
    """Call ``work(start, stop)`` for stripes of 0 to n, one thread per core.

    Meanwhile BLAS keeps to the thread that calls it: a stripe is multiplied and counted by one core
    in its own cache, and no core waits for another.
    """
    workers = joblib.cpu_count()
    rows = min(PROBES_AT_ONCE, math.ceil(n / workers))
    stripes = [(start, min(start + rows, n)) for start in range(0, n, rows)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        try:
            jobs = pool.map(lambda stripe: work(*stripe), stripes)
            for _ in tqdm(jobs, what, total=len(stripes), disable=not progress):
                pass
        except BaseException:  # Ctrl-C too: drop what has not begun
            pool.shutdown(cancel_futures=True)
            raise
