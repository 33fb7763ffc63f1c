"""How fast SynthFaces draws on this machine, beside a fixed piece of work timed in the same run.

Rates are all-in: of people who were never drawn before, so that mesh, skin, hair and shadows of
each are made once per 6 pictures, on all cores, with caches off. Divide by the reference to compare
machines, or busy moments of one machine: both see the same cores under the same load.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np
import psutil
from numba import njit

from nbnet_lib.parallel import cores, in_parallel
from synthfaces import Recipe, render

SIZES = (64, 112, 160)
SAMPLES = 6
FIRST_IDENTITY = 9_000_000  # far from the people whose pictures or parameters are in use
EVERYTHING = {
    "beard": "full",
    "glasses": "square",
    "wears_glasses": True,
    "headwear": "cap",
    "scarf": True,
    "foreground": True,
    "rim_strength": 0.5,
    "motion_blur": 2,
    "defocus": 1,
    "jpeg_quality": 50,
}
REFERENCE_STEPS = 50_000_000
REFERENCE_TABLE = 1 << 16  # float32: 256 kB, more than the nearest cache holds


@njit(cache=True, nogil=True)
def _walk(table: np.ndarray, steps: int) -> np.float32:
    """Do the reference work on ``table``, float32 [2**n]; return a number that depends on it all.

    Each step is an integer product that leads to a random place in the table, a read, a chain of
    three float operations and a write: arithmetic that waits for itself and memory out of order,
    the two things that drawing spends its time on.
    """
    place, total = np.uint64(1), np.float32(0)
    mask = np.uint64(len(table) - 1)
    for _ in range(steps):
        place = place * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        index = (place >> np.uint64(33)) & mask
        value = table[index]
        total = total * np.float32(0.999) + value
        table[index] = value * np.float32(0.5) + total * np.float32(1e-4)
    return total


def reference_seconds(workers: int) -> float:
    """Return the seconds in which every worker does the fixed work once, all at the same time."""
    tables = [np.ones(REFERENCE_TABLE, np.float32) for _ in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        list(pool.map(_walk, tables, repeat(REFERENCE_STEPS)))
        return time.perf_counter() - started


def bench(seconds: float = 6.0, workers: int | None = None) -> dict[str, Any]:
    """Measure the drawing rate at 64, 112 and 160 px.

    Args:
        seconds: how long to draw at each size (and to finish what was begun).
        workers: how many draw at the same time; None for one per CPU core.

    Returns:
        By size ("64" and so on): images_per_second, images, and cpu_ms_per_image, which hardly
        depends on what else the machine does; reference_seconds, the median of the reference work
        before, between and after the sizes; samples of a person, workers, cores and the machine.
    """
    workers = cores(workers)
    warm_up(workers)
    reference = [reference_seconds(workers)]
    result: dict[str, Any] = {}
    for number, size in enumerate(SIZES):
        first = FIRST_IDENTITY + 100_000 * (number + 1)
        result[str(size)] = _rate(Recipe(SAMPLES, size), first, seconds, workers)
        reference.append(reference_seconds(workers))
    return result | {
        "reference_seconds": round(statistics.median(reference), 4),
        "samples": SAMPLES,
        "workers": workers,
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def warm_up(workers: int) -> None:
    """Load compiled code, static arrays and processes (if any), or compile what never was.

    A picture with everything on it, and enough people that each kind of hair is among them.
    """
    _walk(np.ones(2, np.float32), 1)
    render(0, 0, 32, changes=EVERYTHING)
    # So many that the processes are started, and warm, before the clock is.
    people = range(FIRST_IDENTITY, FIRST_IDENTITY + max(32, 8 * workers))
    for _ in in_parallel(Recipe(1, 32).draw, people, workers):
        pass


def _rate(recipe: Recipe, first: int, seconds: float, workers: int) -> dict[str, float]:
    started, used = time.perf_counter(), _cpu_seconds()

    def people() -> Iterator[int]:
        identity = first
        while identity < first + 2 * workers or time.perf_counter() - started < seconds:
            yield identity
            identity += 1

    images = sum(len(p) for p in in_parallel(recipe.draw, people(), workers))
    return {
        "images_per_second": round(images / (time.perf_counter() - started), 1),
        "images": images,
        "cpu_ms_per_image": round(1000 * (_cpu_seconds() - used) / images, 2),
    }


def _cpu_seconds() -> float:
    """Return the processor time of this process and of those that draw for it."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(p.cpu_times()[:2]) for p in processes)
