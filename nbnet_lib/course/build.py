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
from pathlib import Path
from typing import Any

import nbformat

from nbnet_lib.course.notebooks import drop_widgets, execute
from nbnet_lib.course.source import (
    METADATA,
    chapter_sources,
    course_root,
    make_chapter,
    read_source,
    to_text,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path

EXECUTE_PROFILE = "laptop"


def clean(executed: nbformat.NotebookNode, plain: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return ``plain`` with the outputs of ``executed`` and nothing else that varies.

    Widget outputs go: a stored view without its state is "Invalid notebook" to some readers.
    Text printed to stderr (progress bars, warnings of a machine) goes too, and counts run from 1.
    """
    result = nbformat.from_dict(json.loads(json.dumps(plain)))
    outputs = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    count = 0
    for cell in result.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = []
        for output in nbformat.from_dict(json.loads(json.dumps(outputs[cell.id].outputs))):
            if output.output_type == "stream" and output.name == "stderr":
                continue
            if output.output_type == "execute_result":
                output.execution_count = count
            last = cell.outputs[-1] if cell.outputs else None
            if output.output_type == "stream" and last and last.output_type == "stream":
                last.text += output.text  # where the kernel split a print is chance
                continue
            cell.outputs.append(output)
    drop_widgets(result)
    return result


def build_all(
    only: str | list[str] | tuple[str, ...] | None = None,
    check: bool = False,
    execute: bool = True,
    root: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Make the notebooks of all chapters, or compare them with their sources.

    Args:
        only: numbers or names of chapters; None for all.
        check: write nothing; compare what is on disk with what the sources give.
        execute: run the solutions in the laptop profile; False keeps the stored outputs, which is
            an error where code changed (prose may).
        root: folder that holds ``solutions/`` and ``chapters/``; found where it is None.
        progress: say on stderr which notebook is being run.

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
        starter = to_text(make_chapter(plain, source.name))
        starter_path = base / "chapters" / f"{source.stem}.ipynb"
        solution_path = source.with_suffix(".ipynb")
        if check:
            drift += _differences(starter_path, solution_path, starter, plain, base)
            report["checked"] += [_relative(p, base) for p in (solution_path, starter_path)]
            continue
        if execute:
            executed = _run_solution(plain, source.name, progress)
        else:
            executed = _stored_solution(solution_path, plain, base)
        _write(solution_path, to_text(clean(executed, plain)))
        report["written"].append(_relative(solution_path, base))
        _write(starter_path, starter)
        report["written"].append(_relative(starter_path, base))
    if not only:
        stale = _strays(base)
        drift += [f"{name} has no source in solutions/" for name in stale]
    if drift:
        raise NbnetError("; ".join(drift) + ": run `nbnet build` and commit what it writes")
    return report


def _run_solution(plain: nbformat.NotebookNode, name: str, progress: bool) -> nbformat.NotebookNode:
    if progress:
        print(f"{name}: running it ... ", end="", flush=True, file=sys.stderr)
    run = execute(plain, {"profile": EXECUTE_PROFILE, "device": "cpu"})
    if progress:
        print(f"{run.seconds:.1f} s", file=sys.stderr)
    if run.error is not None:
        raise NbnetError(f"{name}: {run.error}")
    return run.notebook


def _stored_solution(path: Path, plain: nbformat.NotebookNode, base: Path) -> nbformat.NotebookNode:
    """Return the solution on disk, whose outputs still belong to the code of the source."""
    name = _relative(path, base)
    if not path.is_file():
        raise NbnetError(f"{name} is missing: build with execution")
    stored = nbformat.read(path, as_version=4)

    def code(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
        return [(cell.id, cell.source) for cell in notebook.cells if cell.cell_type == "code"]

    if code(stored) != code(plain):
        raise NbnetError(f"the code of {name} differs from its source: build with execution")
    return stored


def _differences(
    starter_path: Path, solution_path: Path, starter: str, plain: nbformat.NotebookNode, base: Path
) -> list[str]:
    found = []
    if not starter_path.is_file():
        found.append(f"{_relative(starter_path, base)} is missing")
    elif starter_path.read_text(encoding="utf-8") != starter:
        found.append(f"{_relative(starter_path, base)} differs from its source")
    reason = _solution_drift(solution_path, plain)
    if reason:
        found.append(f"{_relative(solution_path, base)} {reason}")
    return found


def _solution_drift(path: Path, plain: nbformat.NotebookNode) -> str:
    """Say how a stored solution differs from its source; "" where it does not."""
    if not path.is_file():
        return "is missing"
    try:
        stored = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        return f"is not a notebook ({str(error).splitlines()[0]})"
    if dict(stored.metadata) != METADATA:
        return "has other metadata than the generator writes"

    def key(cell: nbformat.NotebookNode) -> tuple[Any, ...]:
        return cell.cell_type, cell.source, cell.get("id"), json.dumps(cell.metadata)

    if len(stored.cells) != len(plain.cells):
        return f"has {len(stored.cells)} cells, its source {len(plain.cells)}"
    for number, (old, new) in enumerate(zip(stored.cells, plain.cells, strict=True), 1):
        if key(old) != key(new):
            return f"differs from its source in cell {number}"
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    if counts != list(range(1, len(counts) + 1)):
        return "was not executed from top to bottom"
    return ""


def _strays(base: Path) -> list[str]:
    known = {source.stem for source in chapter_sources(base)}
    return [
        _relative(path, base)
        for folder in ("solutions", "chapters")
        for path in sorted((base / folder).glob("*.ipynb"))
        if path.stem not in known
    ]


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()
