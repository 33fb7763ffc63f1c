"""Running notebooks, several at a time: each in a kernel of its own, watched over by a thread.

A kernel ends by itself when this process is gone, however that happens.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from authoring.sources import copy_of, heading_above
from nbnet_lib.parallel import cores

CELL_TIMEOUT = 1800  # seconds; the longest cell of the paper profile is far below it
SAMPLED = 0.1  # seconds between two looks at the memory
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class Run:
    """An executed notebook.

    Attributes:
        notebook: with outputs, up to the failing cell where there is one.
        seconds: wall time, the start of the kernel included.
        error: one line naming the cell and the exception, or None.
        peak_mb: most memory that the kernel and its children held at once, in MB of 10^6 bytes.
    """

    notebook: nbformat.NotebookNode
    seconds: float = 0.0
    error: str | None = None
    peak_mb: int = 0


def execute(
    notebook: nbformat.NotebookNode,
    parameters: dict[str, Any],
    environment: dict[str, str] | None = None,
    at: Callable[[int, int, str], None] = lambda cell, cells, section: None,
) -> Run:
    """Run a notebook from top to bottom; the given one is left as it is.

    An error of a cell does not raise: it is reported in ``Run.error``.

    Args:
        notebook: to run.
        parameters: assigned below the cell tagged ``parameters``.
        environment: variables that its kernel gets on top of this process's.
        at: called as a cell begins, with its number from 1, the number of cells, and the heading
            that it is under.
    """
    run = Run(copy_of(notebook))
    cells = run.notebook.cells
    tagged = [i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", [])]
    assignments = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cells.insert(tagged[0] + 1 if tagged else 0, nbformat.v4.new_code_cell(assignments))
    injected = cells[tagged[0] + 1 if tagged else 0]
    started = time.perf_counter()

    def begins(cell: nbformat.NotebookNode, cell_index: int) -> None:
        at(cell_index + 1, len(cells), heading_above(cells, cell_index))

    # Windows may hold a file of the kernel that just ended: leaving it is better than failing.
    with TemporaryDirectory(prefix="nbnet-run-", ignore_cleanup_errors=True) as folder:
        client = NotebookClient(
            run.notebook,
            # Without folders to search, "python3" is this interpreter, whatever kernels of that
            # name are installed on the machine.
            km=AsyncKernelManager(
                kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
            ),
            timeout=CELL_TIMEOUT,
            # Newer kernels warn at every start that loopback TCP is not encrypted: noise here.
            extra_arguments=["--IPKernelApp.log_level=40"],
            store_widget_state=False,
            on_cell_execute=begins,
        )
        # What a machine runs is nobody's progress.
        kernel = {**os.environ, "NBNET_PROGRESS": "off", **(environment or {})}
        with _memory_watched(run, client):
            try:
                client.execute(cleanup_kc=True, env=kernel, cwd=folder)
            except CellExecutionError as failure:
                run.error = _message(run.notebook, failure)
            except Exception as failure:  # a kernel that died or hung: the others continue
                lines = str(failure).splitlines() or ["no message"]
                run.error = f"{type(failure).__name__}: {lines[0]}"
    run.notebook.cells = [cell for cell in cells if cell is not injected]
    run.seconds = time.perf_counter() - started
    return run


def _message(notebook: nbformat.NotebookNode, failure: CellExecutionError) -> str:
    cell = next(
        cell
        for cell in notebook.cells
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    )
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return (
        f"cell {cell.execution_count} (it begins `{first.strip()[:70]}`) stopped with "
        f"{failure.ename}: {(failure.evalue.splitlines() or [''])[0]}"
    )


@contextmanager
def _memory_watched(run: Run, client: NotebookClient) -> Iterator[None]:
    """Look at the kernel's memory until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLED):
            try:  # the kernel may not be there yet, or no longer
                manager: Any = client.km
                kernel = psutil.Process(manager.provisioner.pid)
                family = [kernel, *kernel.children(recursive=True)]
                held = sum(process.memory_info().rss for process in family)
            except (psutil.Error, AttributeError):
                continue
            run.peak_mb = max(run.peak_mb, round(held / 1e6))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def thread_settings(jobs: int) -> dict[str, str]:
    """Return the environment that shares the cores out among ``jobs`` kernels.

    One kernel takes what it likes; a number of threads that the user has set is kept.
    """
    share = str(max(1, cores(None) // jobs))
    return {} if jobs == 1 else {name: share for name in THREADS if not os.environ.get(name)}


def run_all(
    notebooks: Sequence[nbformat.NotebookNode],
    parameters: dict[str, Any],
    jobs: int = 1,
    at: Callable[[int, int, int, str], None] = lambda index, cell, cells, section: None,
) -> Iterator[tuple[int, Run]]:
    """Run notebooks, ``jobs`` at a time, and yield (index, its `Run`) as they end.

    One that fails, or whose kernel dies, is reported in ``Run.error``; the others continue. When
    the caller stops early or is interrupted, every kernel is ended.

    Args:
        notebooks: to run; left as they are.
        parameters: handed to each.
        jobs: how many at once.
        at: called with the index of a notebook as it begins, and as each of its cells does; see
            `execute`.
    """
    environment = thread_settings(min(jobs, max(1, len(notebooks))))
    before = set(psutil.Process().children(recursive=True))
    pool = ThreadPoolExecutor(jobs)
    waiting = iter(range(len(notebooks)))
    running: dict[Future[Run], int] = {}
    try:
        while True:
            for index in islice(waiting, jobs - len(running)):
                at(index, 0, len(notebooks[index].cells), "its kernel starts")
                future = pool.submit(
                    execute, notebooks[index], parameters, environment, partial(at, index)
                )
                running[future] = index
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        while not all(future.done() for future in running):
            end_kernels(set(psutil.Process().children(recursive=True)) - before)
            wait(running, timeout=0.2)
        pool.shutdown()


def end_kernels(processes: set[psutil.Process]) -> None:
    """End kernels and whatever they started."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
