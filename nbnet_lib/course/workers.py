"""Running several notebooks at the same time, each in a process of its own.

papermill is not made for threads, and a process can be ended together with its kernel. A worker
watches its standard input: when the parent ends, however that happens, it closes, and the worker
goes too, and its kernel with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import nbformat
import psutil

from nbnet_lib.course.notebooks import Run, execute
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path

# The package is found where this one was, whatever the working folder.
START = (
    f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); "
    "from nbnet_lib.course.workers import main; main(*sys.argv[1:])"
)
# Ctrl-C is for the parent, which then ends the workers in order.
_OWN_GROUP: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.platform == "win32"
    else {"start_new_session": True}
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_settings(jobs: int) -> dict[str, str]:
    """Return the environment that shares the cores out among ``jobs`` kernels.

    One kernel takes what it likes; a number of threads that the user has set is kept.
    """
    if jobs == 1:
        return {}
    share = str(max(1, cores() // jobs))
    return {name: share for name in THREADS if not os.environ.get(name)}


def run_all(
    notebooks: Sequence[nbformat.NotebookNode],
    parameters: dict[str, Any],
    jobs: int = 1,
    started: Callable[[int], None] = lambda index: None,
) -> Iterator[tuple[int, Run]]:
    """Run notebooks, ``jobs`` at a time, and yield (index, its `Run`) as they end.

    One that fails, or whose process dies, is told in ``Run.error``; the others go on. When the
    caller stops early or is interrupted, every worker and every kernel is ended.

    Args:
        notebooks: to run; left as they are.
        parameters: handed to each.
        jobs: how many at once.
        started: called with the index of each notebook that begins, perhaps in another thread.

    Raises:
        NbnetError: ``jobs`` is less than 1.
    """
    if jobs < 1:
        raise NbnetError(f"jobs is {jobs}: at least one notebook must run at a time")
    environment = {**os.environ, **thread_settings(min(jobs, len(notebooks)))}
    crew = _Crew(environment, parameters)

    def one(index: int) -> Run:
        if not crew.closed:
            started(index)
        return crew.run(notebooks[index])

    if jobs == 1:  # here, so that the end of one is told before the next begins
        try:
            for index in range(len(notebooks)):
                yield index, one(index)
        finally:
            crew.close()
        return
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(one, index): index for index in range(len(notebooks))}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        crew.close()
        pool.shutdown(wait=True, cancel_futures=True)


class _Crew:
    """The worker processes that run now."""

    def __init__(self, environment: dict[str, str], parameters: dict[str, Any]) -> None:
        self.environment = environment
        self.parameters = parameters
        self.closed = False
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()

    def run(self, notebook: nbformat.NotebookNode) -> Run:
        """Run a notebook in a new process and wait for it."""
        began = time.perf_counter()
        # All that a worker and its kernel leave lies here, also when they are killed.
        with TemporaryDirectory(prefix="nbnet-job-", ignore_cleanup_errors=True) as folder:
            job, result, said = (Path(folder) / n for n in ("job.json", "result.json", "said.txt"))
            told = {"notebook": notebook, "parameters": self.parameters}
            job.write_text(json.dumps(told), encoding="utf-8")
            with open(said, "w", encoding="utf-8") as errors:
                status = self._wait_for([str(job), str(result)], folder, errors)
            if result.is_file():
                answer = json.loads(result.read_text(encoding="utf-8"))
                return Run(**{**answer, "notebook": nbformat.from_dict(answer["notebook"])})
            last = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        reason = "; ".join([f"exit status {status}", *last])
        return Run(notebook, time.perf_counter() - began, f"its process ended early ({reason})")

    def _wait_for(self, arguments: list[str], folder: str, errors: IO[str]) -> int | None:
        temporary = {name: folder for name in ("TMPDIR", "TEMP", "TMP")}
        with self._lock:
            if self.closed:
                return None
            process = subprocess.Popen(
                [sys.executable, "-c", START, *arguments],
                env={**self.environment, **temporary},
                stdin=subprocess.PIPE,  # nothing is written: it closes when this process ends
                stdout=errors,
                stderr=errors,
                **_OWN_GROUP,
            )
            self._processes.add(process)
        try:
            return process.wait()
        finally:
            with self._lock:
                self._processes.discard(process)
            if process.stdin:
                process.stdin.close()

    def close(self) -> None:
        """End all workers and their kernels, and let none begin."""
        with self._lock:
            self.closed = True
            for process in self._processes:
                end_tree(process.pid)


def end_tree(pid: int) -> None:
    """End a process and all that it started, the youngest last."""
    try:
        top = psutil.Process(pid)
        tree = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(tree, timeout=5)


def main(job: str, result: str) -> None:
    """Be a worker: run one notebook and write what came of it."""

    def leave_with_the_parent() -> None:
        sys.stdin.buffer.read()
        end_tree(os.getpid())

    threading.Thread(target=leave_with_the_parent, daemon=True).start()
    told = json.loads(Path(job).read_text(encoding="utf-8"))
    run = execute(nbformat.from_dict(told["notebook"]), told["parameters"])
    with atomic_path(result) as temporary:
        temporary.write_text(json.dumps(vars(run)), encoding="utf-8")
    # Not by way of the interpreter's end: it would wait for the thread that reads.
    os._exit(0)
