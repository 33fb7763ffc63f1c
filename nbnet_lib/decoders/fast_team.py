"""A team of threads that walk through one compiled kernel together (for fast.py).

Each layer of NbNet needs the statistics of the whole batch before the next may begin: the threads
meet after every layer, some 130 times per training step. Python would need 30 microseconds for each
meeting, torch's and numba's own thread pools fight for the cores (each keeps its idle threads
spinning). So the whole network is one call per thread, and the threads meet inside it, at a counter
in memory. A thread that waits lets others run (`sched_yield`): it costs little on a busy machine.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from nbnet_lib.decoders.fast_vector import intrinsic

_INT = ir.IntType(64)


@intrinsic
def _arrive(typing, address):
    """Add 1 to the int64 at ``address``, at once for all threads."""

    def generate(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], _INT.as_pointer())
        builder.atomic_rmw("add", pointer, _INT(1), "seq_cst")
        return context.get_dummy_value()

    return types.void(types.intp), generate


@intrinsic
def _arrived(typing, address):
    """Read the int64 at ``address`` as the other threads see it."""

    def generate(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], _INT.as_pointer())
        return builder.load_atomic(pointer, "seq_cst", align=8)

    return types.int64(types.intp), generate


@intrinsic
def _call(typing, address):
    """Call the C function without arguments at ``address``."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.intp), generate


@numba.njit("void(i8[::1], i8, i8)", nogil=True, cache=True)
def meet(counter, meeting, size):
    """Wait until all ``size`` threads have come to meeting number ``meeting`` (1, 2, ...).

    Args:
        counter: int64 [3]: arrivals so far, address of the system's "let others run", and 1 when a
            thread has failed: then nobody waits any more, and the results are thrown away.
    """
    if size == 1:
        return
    _arrive(counter.ctypes.data)
    tries = 0
    while _arrived(counter.ctypes.data) < meeting * size:
        if _arrived(counter.ctypes.data + 16) != 0:
            return
        tries += 1
        if tries > 1000 and counter[1] != 0:
            _call(counter[1])


def _yield_address() -> int:
    try:
        library = ctypes.WinDLL("kernel32") if os.name == "nt" else ctypes.CDLL(None)  # type: ignore[attr-defined]
        function = library.SwitchToThread if os.name == "nt" else library.sched_yield
    except (OSError, AttributeError):
        return 0  # waiting threads spin
    return ctypes.cast(function, ctypes.c_void_p).value or 0


_YIELD = _yield_address()


class _Team:
    """The calling thread and its helpers, which wait for work from then on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # one kernel at a time: two would wait for each other
        self.inboxes: list[SimpleQueue[Any]] = []
        self.outbox: SimpleQueue[BaseException | None] = SimpleQueue()

    def _help(self, inbox: SimpleQueue[Any]) -> None:
        while True:
            kernel, arguments = inbox.get()
            error: BaseException | None = None
            try:
                kernel(*arguments)
            except BaseException as caught:
                error = caught
                arguments[2][2] = 1
            del kernel, arguments  # they hold large arrays
            self.outbox.put(error)

    def run(self, kernel: Callable[..., None], size: int, *arguments: Any) -> None:
        with self.lock:
            while len(self.inboxes) < size - 1:
                inbox: SimpleQueue[Any] = SimpleQueue()
                threading.Thread(target=self._help, args=(inbox,), daemon=True).start()
                self.inboxes.append(inbox)
            counter = np.array([0, _YIELD, 0], dtype=np.int64)
            for member in range(1, size):
                self.inboxes[member - 1].put((kernel, (member, size, counter, *arguments)))
            errors: list[BaseException] = []
            try:
                kernel(0, size, counter, *arguments)
            except BaseException:  # Ctrl-C while numba compiles, for example
                counter[2] = 1
                raise
            finally:  # also at Ctrl-C: nobody may still write when the arrays are given back
                waiting = size - 1
                while waiting:
                    try:
                        error = self.outbox.get()
                    except KeyboardInterrupt as interrupt:
                        errors.append(interrupt)
                        continue
                    waiting -= 1
                    if error is not None:
                        errors.append(error)
            if errors:
                raise errors[0]


_team = _Team()


def _after_fork() -> None:
    global _team
    _team = _Team()  # threads do not survive a fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_team(kernel: Callable[..., None], size: int, *arguments: Any) -> None:
    """Call ``kernel(member, size, counter, *arguments)`` in ``size`` threads at once.

    The kernel is compiled with ``nogil=True`` and passes ``counter`` to `meet`.
    """
    _team.run(kernel, size, *arguments)
