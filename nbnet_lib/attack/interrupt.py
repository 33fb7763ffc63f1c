"""Ctrl-C as a wish, not as an accident: the update in progress is finished first (chapter 9)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# SIGTERM is what a cluster sends when the time is up, and `torchrun` when it is stopped itself.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def delayed_interrupt() -> Iterator[threading.Event]:
    """Turn the first SIGINT (Ctrl-C) or SIGTERM into a flag; a second one stops at once."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may set handlers
        return

    def handle(number: int, frame: Any) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, so Python cannot put it back
                signal.signal(number, handler)
