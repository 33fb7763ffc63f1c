"""One source for each chapter: ``solutions/NN_title.py`` makes the solution and the starter.

The source is a jupytext percent script, so that changes can be reviewed. `build_all` writes

- ``solutions/NN_title.ipynb``: executed in the laptop profile, with outputs;
- ``chapters/NN_title.ipynb``: what stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION``
  is replaced by an unfinished line that still runs, and there are no outputs.

With ``check=True`` nothing is written: the notebooks on disk are compared with what would be made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat

from authoring.running import execute
from authoring.sources import (
    chapter_sources,
    copy_of,
    course_root,
    drop_widgets,
    make_chapter,
    read_source,
    read_stored,
    to_text,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path

EXECUTE_PROFILE = "laptop"


def clean(executed: nbformat.NotebookNode, plain: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return ``plain`` with the outputs of ``executed`` and nothing else that varies.

    Widget outputs go, and so does text printed to stderr (progress bars, warnings of a machine);
    counts run from 1.
    """
    result = copy_of(plain)
    outputs = {cell.id: cell.outputs for cell in executed.cells if cell.cell_type == "code"}
    code = [cell for cell in result.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.execution_count, cell.outputs = count, []
        for output in nbformat.from_dict(json.loads(json.dumps(outputs[cell.id]))):
            if output.output_type == "stream" and output.name == "stderr":
                continue
            if output.output_type == "execute_result":
                output.execution_count = count
            last = cell.outputs[-1] if cell.outputs else None
            if output.output_type == "stream" and last and last.output_type == "stream":
                last.text += output.text  # where the kernel split a print is chance
            else:
                cell.outputs.append(output)
    drop_widgets(result)
    return result


def build_all(
    only: Sequence[str] | None = None,
    check: bool = False,
    execute: bool = True,
    root: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Make the notebooks of all chapters, or compare them with their sources.

    Args:
        only: numbers or names of chapters; None for all.
        check: write nothing; compare what is on disk with what the sources give.
        execute: run the solutions in the laptop profile; False keeps the stored outputs, which is
            an error where code changed (prose may).
        root: folder that holds ``solutions/`` and ``chapters/``; found where it is None.

    Returns:
        {"written": [...], "checked": [...]}, paths relative to the root.

    Raises:
        NbnetError: a notebook that differs from its source (named), or a cell that fails.
    """
    base = course_root(root)
    report: dict[str, Any] = {"written": [], "checked": []}
    drift: list[str] = []
    for source in chapter_sources(base, only):
        plain = read_source(source)
        paths = source.with_suffix(".ipynb"), base / "chapters" / f"{source.stem}.ipynb"
        names = [path.relative_to(base).as_posix() for path in paths]
        starter = to_text(make_chapter(plain, source.name))
        if check:
            reasons = _solution_drift(paths[0], plain), _starter_drift(paths[1], starter)
            drift += [f"{n} {why}" for n, why in zip(names, reasons, strict=True) if why]
            report["checked"] += names
            continue
        executed = _run(plain, source.name) if execute else _stored(paths[0], plain)
        for path, text in zip(paths, (to_text(clean(executed, plain)), starter), strict=True):
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="\n")
        report["written"] += names
    if not only:
        known = {source.stem for source in chapter_sources(base)}
        notebooks = [p for f in ("solutions", "chapters") for p in (base / f).glob("*.ipynb")]
        drift += [
            f"{path.relative_to(base).as_posix()} has no source in solutions/"
            for path in sorted(notebooks)
            if path.stem not in known
        ]
    if drift:
        raise NbnetError("; ".join(drift) + ": run `nbnet build` and commit what it writes")
    return report


def _run(plain: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    print(f"{name}: running it ... ", end="", flush=True, file=sys.stderr)
    run = execute(plain, {"profile": EXECUTE_PROFILE, "device": "cpu"})
    print(f"{run.seconds:.1f} s", file=sys.stderr)
    if run.error is not None:
        raise NbnetError(f"{name}: {run.error}")
    return run.notebook


def _stored(path: Path, plain: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the solution on disk, whose outputs still belong to the code of the source."""
    stored = read_stored(path)
    old, new = (
        [cell for cell in notebook.cells if cell.cell_type == "code"]
        for notebook in (stored, plain)
    )
    if [cell.source for cell in old] != [cell.source for cell in new]:
        raise NbnetError(f"the code of {path.name} differs from its source: build with execution")
    for stored_cell, cell in zip(old, new, strict=True):
        stored_cell.id = cell.id
    return stored


def _starter_drift(path: Path, starter: str) -> str:
    if not path.is_file():
        return "is missing"
    return "" if path.read_text(encoding="utf-8") == starter else "differs from its source"


def _solution_drift(path: Path, plain: nbformat.NotebookNode) -> str:
    """Return how a stored solution differs from its source; "" where it does not."""
    try:
        stored = read_stored(path)
    except NbnetError as error:
        return str(error).partition(" ")[2]
    ids, wanted = ([cell.get("id") for cell in n.cells] for n in (stored, plain))  # of the contents
    for number, (found, expected) in enumerate(zip_longest(ids, wanted), 1):
        if found != expected:
            return f"differs from its source in cell {number}"
    if path.read_text(encoding="utf-8") != to_text(clean(stored, plain)):
        return "is not what `nbnet build` wrote, or was not executed"
    return ""
