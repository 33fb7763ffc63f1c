"""Running a notebook: papermill on this very interpreter, and what is removed before storing."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CELL_TIMEOUT = 1800  # seconds; the longest cell of the paper profile is far below it
SAMPLED = 0.1  # seconds between two looks at the memory


@dataclass(frozen=True)
class Run:
    """An executed notebook.

    Attributes:
        notebook: with outputs, up to the failing cell where there is one.
        seconds: wall time, the start of the kernel included.
        error: one line naming the cell and the exception, or None.
        peak_mb: most memory that the kernel and its children held at once, in MB of 10^6 bytes.
    """

    notebook: nbformat.NotebookNode
    seconds: float
    error: str | None
    peak_mb: int = 0


class _Memory:
    """Looks at the processes that this one starts, until the block ends."""

    def __enter__(self) -> _Memory:
        self.peak = 0  # bytes
        self._this = psutil.Process()
        self._before = set(self._this.children(recursive=True))
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLED):
            total = 0
            try:
                for process in set(self._this.children(recursive=True)) - self._before:
                    total += process.memory_info().rss
            except psutil.Error:  # one has just ended: the next look tells
                continue
            self.peak = max(self.peak, total)


@contextmanager
def this_interpreter_kernel() -> Iterator[None]:
    """Make "python3" mean this interpreter, whatever kernels the user has installed.

    A kernel of that name in the user's own Jupyter folder may belong to another environment.
    """
    before = os.environ.get("JUPYTER_PATH")
    with tempfile.TemporaryDirectory(prefix="nbnet-kernel-") as folder:
        spec = Path(folder) / "kernels" / "python3"
        spec.mkdir(parents=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        # Newer kernels warn at every start that loopback TCP is not encrypted: noise here.
        command.append("--IPKernelApp.log_level=40")
        (spec / "kernel.json").write_text(
            json.dumps(
                {
                    "argv": command,
                    "display_name": "Python 3",
                    "language": "python",
                    "env": {"NBNET_PROGRESS": "off"},  # what a machine runs is nobody's progress
                }
            ),
            encoding="utf-8",
        )
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, before]))
        try:
            yield
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def execute(notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> Run:
    """Run a notebook from top to bottom through papermill; the given one is left as it is.

    The result is without the cell that papermill injects for the parameters and without widget
    state. An error of a cell does not raise: it is told in ``Run.error``.
    """
    # Both are slow to import, and a reader of a chapter does not need them.
    import papermill
    from papermill.exceptions import PapermillExecutionError

    started = time.perf_counter()
    error = None
    # Windows may hold a file of the kernel that just ended: leaving it is better than failing.
    scratch = tempfile.TemporaryDirectory(prefix="nbnet-run-", ignore_cleanup_errors=True)
    with scratch as folder, this_interpreter_kernel(), _Memory() as memory:
        source, result = Path(folder) / "source.ipynb", Path(folder) / "result.ipynb"
        nbformat.write(notebook, source)
        try:
            papermill.execute_notebook(
                str(source),
                str(result),
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                cwd=folder,
                execution_timeout=CELL_TIMEOUT,
            )
        except PapermillExecutionError as failure:
            error = _told(failure)
        except Exception as failure:  # a kernel that died or hung: the other notebooks go on
            error = f"{type(failure).__name__}: {(str(failure).splitlines() or ['no message'])[0]}"
        done = result if result.is_file() else source
        executed = nbformat.read(done, as_version=4)
    executed.cells = [
        cell
        for cell in executed.cells
        if not {"injected-parameters", "papermill-error-cell-tag"}
        & set(cell.metadata.get("tags", []))
    ]
    for cell in executed.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    executed.metadata.pop("papermill", None)
    executed.metadata.pop("widgets", None)
    return Run(executed, time.perf_counter() - started, error, round(memory.peak / 1e6))


def _told(failure: Any) -> str:
    first = next((line for line in str(failure.source).splitlines() if line.strip()), "")
    return (
        f"cell {failure.exec_count} (it begins `{first.strip()[:70]}`) stopped with "
        f"{failure.ename}: {(str(failure.evalue).splitlines() or [''])[0]}"
    )


def drop_widgets(notebook: nbformat.NotebookNode) -> None:
    """Take stored widget views and their state out, in place; pictures and text stay."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})]


def first_heading(notebook: nbformat.NotebookNode) -> str:
    """Return the text of the first heading, or "" where there is none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            match = re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE)
            if match:
                return match.group(1).strip()
    return ""
