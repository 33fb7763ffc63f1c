"""Drawing many faces on all cores: what is drawn (`Recipe`), and how it is shared out.

The first people are drawn by threads, which start at once; who wants more gets processes, which
need a second or two to start and are faster from then on. Measured on two idle cores minutes apart,
pictures per second at 64, 112 and 160 px: threads 150, 105 and 76, processes 178, 124 and 82. (The
compiled kernels let go of the interpreter's lock, but what is between them needs it, and threads
also share one heap.) The processes end with their parent, however it ends. Each core gets one
worker, and torch's own threads are left alone.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import joblib
import numpy as np
import psutil

from nbnet_lib.errors import NbnetError
from synthfaces import RENDERER_VERSION, make_identity, make_sample
from synthfaces.checks import check_number, check_size
from synthfaces.geometry import build_person
from synthfaces.identity import check_difficulty
from synthfaces.portrait import PORTRAIT, portrait_sample
from synthfaces.render import render_person

FEW = 16  # people that threads have drawn before a process could have started
IDLE_SECONDS = 20  # a drawing process that has had nothing to do for so long ends

_processes_used = -math.inf  # when; soon after, they still wait for work and take all of it

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Recipe:
    """What is drawn of every person, checked: a set is this and a list of identities.

    Args:
        samples: how many pictures of each person (0 to n - 1), or their numbers; or "portrait",
            the one of `synth.portrait`, which counts as sample -1.
        size: side in pixels.
        difficulty: 0.25 (people differ more, pictures of one less) to 2; 1 is the default set.

    Raises:
        NbnetError: no sample, a negative one, or a size or difficulty out of range.
    """

    samples: tuple[int, ...]
    size: int
    difficulty: float

    def __init__(self, samples: int | Iterable[int] | str, size: int, difficulty: float = 1.0):
        if isinstance(samples, str):
            if samples != "portrait":
                raise NbnetError(f"samples are {samples!r}: give a number, numbers, or 'portrait'")
            chosen: tuple[int, ...] = (PORTRAIT,)
        else:
            if isinstance(samples, int | np.integer):
                samples = range(samples)
            chosen = tuple(whole_numbers(samples, "sample").tolist())
        object.__setattr__(self, "samples", chosen)
        object.__setattr__(self, "size", check_size(size))
        object.__setattr__(self, "difficulty", check_difficulty(difficulty))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of one person's pictures: [samples, height, width, 3]."""
        return (len(self.samples), self.size, self.size, 3)

    @property
    def nbytes(self) -> int:
        """Bytes of one person's pictures."""
        return int(np.prod(self.shape))

    def key(self) -> str:
        """Return all that the pixels depend on beside the identity, as one line of text."""
        return json.dumps([RENDERER_VERSION, self.size, self.difficulty, self.samples])

    def draw(self, identity: int) -> np.ndarray:
        """Return one person's pictures, uint8 [samples, size, size, 3].

        The same bytes as `render`. Its store of the last few people is left alone: here all
        pictures of a person are drawn at once, and nobody comes back.
        """
        person = build_person(make_identity(identity, self.difficulty))
        pictures = np.empty(self.shape, np.uint8)
        for picture, number in zip(pictures, self.samples, strict=True):
            if number == PORTRAIT:
                sample = portrait_sample(identity)
            else:
                sample = make_sample(identity, number, self.difficulty)
            picture[:] = render_person(person, sample, self.size)
        return pictures


def whole_numbers(values: Iterable[int], name: str) -> np.ndarray:
    """Return values as int64 [N].

    Raises:
        NbnetError: no list, none at all, or one that is not a whole number from 0 up.
    """
    if not isinstance(values, Iterable):
        raise NbnetError(f"{name} numbers are {values}: expected several, such as range(10)")
    numbers = np.asarray(values if isinstance(values, range | np.ndarray) else list(values))
    if numbers.size == 0:
        raise NbnetError(f"no {name} is given: expected at least one {name}")
    if numbers.dtype == object:  # larger than 64 bits, or no numbers
        numbers = np.array([check_number(name, number) for number in numbers])
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
        raise NbnetError(f"{name} numbers are {numbers.dtype}: expected whole numbers from 0 up")
    check_number(name, numbers.min())
    check_number(name, numbers.max())
    return numbers.astype(np.int64)


def cores(workers: int | None) -> int:
    """Return ``workers``, or the cores that this process may use (affinity, container limits).

    Raises:
        NbnetError: fewer than one worker.
    """
    if workers is None:
        return joblib.cpu_count()
    if workers < 1:
        raise NbnetError(f"workers is {workers}: expected 1 or more, or None for one per core")
    return workers


def in_parallel(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, few: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` in the order of the items, computed by so many workers.

    The items are taken one by one in the calling thread, and only a few results wait at a time,
    however many there are: memory stays bounded. An exception, Ctrl-C or ``close()`` drops what
    has not begun. The first ``few`` (`FEW`) are done by threads, the rest by processes.
    """
    if workers == 1:
        yield from map(function, items)
        return
    global _processes_used
    few = FEW if few is None else few
    if time.monotonic() - _processes_used < IDLE_SECONDS / 2:
        few = 0
    waiting: deque[Future[Result]] = deque()
    with ExitStack() as stack:
        pool: Executor = stack.enter_context(ThreadPoolExecutor(workers))
        stack.callback(lambda: [future.cancel() for future in waiting])
        for count, item in enumerate(items):
            if count == few:
                pool = joblib.externals.loky.get_reusable_executor(
                    workers, timeout=IDLE_SECONDS, initializer=_end_with, initargs=(os.getpid(),)
                )
            if count >= few:
                _processes_used = time.monotonic()
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _end_with(parent: int) -> None:
    """Let this process end when its parent has: one that was killed cannot tell it to."""
    above = os.getppid()  # on Unix another one takes over from a dead one, reaped or not

    def watch() -> None:
        while os.getppid() == above and psutil.pid_exists(parent):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
