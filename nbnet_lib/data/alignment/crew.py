"""Work in processes of which one may die, without losing the rest or the name of the culprit.

`concurrent.futures` gives up altogether when one of its processes is killed (by the system, when
memory runs out, or by a picture that makes a C library crash), and does not tell at which item.
Here each process has its own pipe, so it is known what it was busy with: that item is tried again
at the end, alone, with all memory for itself, and reported if the process dies again.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from nbnet_lib.errors import NbnetError

AHEAD = 2  # items that a process has at hand: it never waits for the next one
DEATHS_IN_A_ROW = 10  # then it is not the pictures


@dataclass(frozen=True)
class Died:
    """In place of a result: the process ended while it worked on the item, twice.

    Attributes:
        code: exit status; negative, the signal that ended it (-9: killed, often for its memory).
    """

    code: int | None


@dataclass(eq=False)
class _Worker:
    process: Any
    pipe: Connection
    ready: bool = False
    at_hand: deque[Any] = field(default_factory=deque)  # the first one is what it is busy with


def in_processes(
    prepare: Callable[[], Callable[[Any], Any]], items: Iterable[Any], workers: int
) -> Generator[tuple[Any, Any], None, None]:
    """Yield (item, result) as they are done, in no particular order.

    The processes are started afresh ("spawn"), ignore Ctrl-C, which is for this one to handle, and
    end with this one, however it ends.

    Args:
        prepare: called once in each process; returns the function from an item to its result. It
            must be picklable, as items and results must be.
        items: one after the other, taken when a process needs one.
        workers: how many processes.

    Yields:
        The item with its result, or with `Died`.

    Raises:
        NbnetError: raised by the work itself; processes that do not start, or that die one after
            the other.
        RuntimeError: any other error of the work, with its traceback.
    """
    crew = _Crew(prepare, items)
    try:
        yield from crew.run(workers)
        crew.dismiss(patient=True)
    finally:
        crew.dismiss(patient=False)


class _Crew:
    def __init__(self, prepare: Callable[[], Callable[[Any], Any]], items: Iterable[Any]):
        self.prepare, self.items = prepare, iter(items)
        self.returned: deque[Any] = deque()  # items of a process that died before their turn
        self.suspects: deque[Any] = deque()  # items at which a process died
        self.workers: list[_Worker] = []
        self.exhausted = False  # no item is left that nobody has begun
        self.deaths = 0  # since the last result
        self.alone = False  # the second round: suspects, one at a time

    def run(self, workers: int) -> Generator[tuple[Any, Any], None, None]:
        for _ in range(workers):
            self._hire()
        while True:
            self._hand_out()
            busy = any(worker.at_hand for worker in self.workers)
            if self.exhausted and not self.returned and not busy:
                if not self.suspects:
                    return
                if not self.alone:
                    self.alone = True
                    self.dismiss(patient=True)
                    self._hire()
            pipes = {worker.pipe: worker for worker in self.workers}
            for pipe in wait(list(pipes)):
                worker = pipes[pipe]  # type: ignore[index]
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._bury(worker)
                    continue
                if kind == "ready":
                    worker.ready = True
                elif kind == "done":
                    self.deaths = 0
                    yield worker.at_hand.popleft(), content
                else:
                    raise NbnetError(content) if kind == "refused" else RuntimeError(content)

    def _hand_out(self) -> None:
        for worker in self.workers:
            while worker.ready and len(worker.at_hand) < (1 if self.alone else AHEAD):
                source = self.suspects if self.alone else self.returned
                if source:
                    item = source.popleft()
                elif self.alone:
                    return
                else:
                    try:
                        item = next(self.items)
                    except StopIteration:
                        self.exhausted = True
                        return
                worker.at_hand.append(item)
                try:
                    worker.pipe.send(item)
                except OSError:  # it has died, as its pipe will tell when it is read
                    worker.at_hand.pop()
                    source.appendleft(item)
                    break

    def _bury(self, worker: _Worker) -> Generator[tuple[Any, Any], None, None]:
        """Find out what a dead process was busy with, and put another one in its place."""
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        code = worker.process.exitcode
        if not worker.ready:
            raise NbnetError(
                f"a worker process ended before it could begin (exit status {code}): call this "
                'from a file, below `if __name__ == "__main__":`, or with workers=1'
            )
        self.deaths += 1
        if self.deaths >= DEATHS_IN_A_ROW:
            raise NbnetError(
                f"{self.deaths} worker processes died one after the other (the last with exit "
                f"status {code}): memory may be short, try again with fewer workers"
            )
        if worker.at_hand:
            item = worker.at_hand.popleft()
            if self.alone:
                yield item, Died(code)
            else:
                self.suspects.append(item)
            self.returned.extend(worker.at_hand)
        self._hire()

    def _hire(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.prepare), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.workers.append(_Worker(process, ours))

    def dismiss(self, patient: bool) -> None:
        """End the processes; what they are busy with is dropped unless ``patient``."""
        for worker in self.workers:
            worker.pipe.close()
        for worker in self.workers:
            if patient:
                worker.process.join(10)
            if worker.process.is_alive():
                worker.process.terminate()
            worker.process.join()
        self.workers = []


def _work(pipe: Connection, prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """Do what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            function = prepare()
            pipe.send(("ready", None))
            while True:
                try:
                    item = pipe.recv()
                except (EOFError, OSError):
                    return
                pipe.send(("done", function(item)))
        except NbnetError as error:
            pipe.send(("refused", str(error)))
        except Exception:
            pipe.send(("failed", "in a worker process:\n" + traceback.format_exc()))
    except OSError:
        return  # nobody listens any more
