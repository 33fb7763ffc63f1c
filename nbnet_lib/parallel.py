"""Work shared out over the cores, by joblib."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import joblib
import psutil

from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import numpy as np

    import synthfaces

IDLE_SECONDS = 60  # a process with nothing to do for so long ends
FEW = 500  # pictures that threads have drawn before processes would have started

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores(workers: int | None) -> int:
    """Return ``workers``, or the cores that this process may use (affinity, container limits)."""
    if workers is None:
        return joblib.cpu_count()
    if workers < 1:
        raise NbnetError(f"workers is {workers}: expected 1 or more, or None for one per core")
    return workers


def in_parallel(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    threads: bool = False,
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` in the order of the items.

    Args:
        function: what to do; it must be picklable unless ``threads`` is set.
        items: taken a few at a time.
        workers: how many work at the same time; 1 works in this thread.
        threads: threads instead of processes, which take a second or two to start.
    """
    if workers == 1:
        yield from map(function, items)
        return
    if threads:
        pool = joblib.Parallel(workers, backend="threading", return_as="generator")
    else:
        pool = joblib.Parallel(
            workers,
            backend="loky",
            return_as="generator",
            max_nbytes=None,  # no arrays through files
            idle_worker_timeout=IDLE_SECONDS,
            initializer=_end_with,
            initargs=(os.getpid(),),
        )
    yield from pool(joblib.delayed(function)(item) for item in items)


def _end_with(parent: int) -> None:
    """Let this process end when its parent does: one that was killed cannot stop loky's."""
    above = os.getppid()  # on Unix another process takes over the children of a dead one

    def watch() -> None:
        while os.getppid() == above and psutil.pid_exists(parent):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def draw_each(
    draw: Callable[[Item], np.ndarray], items: Sequence[Item], pictures: int, workers: int
) -> Generator[np.ndarray, None, None]:
    """Yield what ``draw`` makes of each item, in order; ``pictures`` of each."""
    threads = len(items) * pictures <= FEW
    if not threads:  # here first, so that the processes find the renderer compiled
        yield draw(items[0])
        items = items[1:]
    yield from in_parallel(draw, items, workers, threads)


def draw_people(
    recipe: synthfaces.Recipe, people: list[int], workers: int
) -> Generator[np.ndarray, None, None]:
    """Yield the pictures of each person, uint8 [samples, size, size, 3], in order."""
    return draw_each(recipe.draw, people, len(recipe.samples), workers)
