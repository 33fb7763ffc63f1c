"""One process at a time, for work whose result all of them can use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(folder: Path, name: str, doing: str, progress: bool) -> Iterator[None]:
    """Hold the lock of ``name`` in ``folder``; wait for another process that has it.

    The lock is the operating system's: it goes with the process that held it, however that ended.
    ``doing`` and ``progress``: what is said on stderr while waiting ("downloading"), and whether.
    """
    lock = FileLock(folder / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            print(f"another process is {doing} {name}: waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
