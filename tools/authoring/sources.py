"""A chapter's source and what is stored of it: finding, reading, and cutting the solutions out.

The source is a jupytext percent script, ``solutions/NN_title.py``. What stands between
``### BEGIN SOLUTION`` and ``### END SOLUTION`` is the answer to an exercise.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat

from nbnet_lib.errors import NbnetError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
UNFINISHED = "# your code"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

_SOLUTION = re.compile(
    rf"^(?P<indent>[ \t]*){BEGIN}\n(?P<body>.*?)^[ \t]*{END}$", re.MULTILINE | re.DOTALL
)

# The same on every machine: neither the Python version nor the name of an environment.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def course_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds ``solutions/`` and ``chapters/``.

    That is ``root`` where given, else the working folder, else the clone that this file is in.

    Raises:
        NbnetError: none of them has chapter sources.
    """
    places = [Path(root)] if root else [Path.cwd(), Path(__file__).parents[2]]
    for place in places:
        if any((place / "solutions").glob("[0-9][0-9]_*.py")):
            return place
    raise NbnetError(
        f"no solutions/NN_title.py found in {places[0].resolve()}: run this in the root of a clone "
        "of the course repository"
    )


def chapter_sources(root: Path, only: Sequence[str] | None = None) -> list[Path]:
    """Return the chapter sources in order; ``only`` picks by number or name ("01", "1", "03_...").

    Raises:
        NbnetError: ``only`` names a chapter that does not exist.
    """
    sources = sorted((root / "solutions").glob("[0-9][0-9]_*.py"))
    chosen = set()
    for name in only or ():
        number = name.zfill(2) if name.isdigit() else name
        found = {s for s in sources if number in (s.stem[:2], s.stem)}
        if not found:
            known = ", ".join(s.stem for s in sources)
            raise NbnetError(f"there is no chapter {name!r}: the chapters are {known}")
        chosen |= found
    return [s for s in sources if s in chosen or not only]


def read_source(source: Path) -> nbformat.NotebookNode:
    """Read a chapter's source as a notebook without outputs, with ids that follow its contents.

    Raises:
        NbnetError: no cell is tagged ``parameters``.
    """
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":  # remarks to the linter are not for readers
            cell.source = re.sub(r"[ \t]*# noqa\b.*$", "", cell.source, flags=re.MULTILINE)
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": list(tags)} if tags else {})
        # An id made from the text: inserting a cell leaves the ids of all others as they are.
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    if not any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells):
        raise NbnetError(f"{source.name} has no cell tagged 'parameters'")
    return notebook


def read_stored(path: Path) -> nbformat.NotebookNode:
    """Read a notebook that `nbnet build` wrote.

    Raises:
        NbnetError: it is missing, or not a notebook.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise NbnetError(f"{name} is missing: run `nbnet build` to make it") from error
    except (ValueError, nbformat.ValidationError) as error:
        raise NbnetError(f"{name} is not a notebook: run `nbnet build`") from error


def copy_of(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook that can be changed without changing this one."""
    return nbformat.from_dict(json.loads(json.dumps(notebook)))


def first_heading(notebook: nbformat.NotebookNode) -> str:
    """Return the text of the first heading, or "" where there is none."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^#\s+(.+)$", prose, re.MULTILINE)
    return heading.group(1).strip() if heading else ""


def heading_above(cells: Sequence[nbformat.NotebookNode], index: int) -> str:
    """Return the text of the last heading at or above a cell, or "" where there is none."""
    prose = "\n".join(cell.source for cell in cells[: index + 1] if cell.cell_type == "markdown")
    return (re.findall(r"^#+\s+(.+)$", prose, re.MULTILINE) or [""])[-1].strip()


def drop_widgets(notebook: nbformat.NotebookNode) -> None:
    """Remove stored widget views and their state, in place; pictures and text stay.

    A stored view without its state is "Invalid notebook" to some readers.
    """
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})]


def make_chapter(solution: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return the starter of a solution notebook: exercise bodies cut, no outputs.

    Raises:
        NbnetError: markers that do not pair.
    """
    chapter = copy_of(solution)
    for index, cell in enumerate(chapter.cells):
        if cell.cell_type != "code":
            continue
        cell.source = cut_solution(cell.source, f"{name}, cell {index + 1}")
        cell.outputs, cell.execution_count = [], None
    return chapter


def cut_solution(text: str, where: str) -> str:
    """Replace each marked solution by an unfinished line.

    Within a function the line is ``return None  # your code``; outside, every name that the
    solution assigns is set: ``name = None  # your code``.

    Raises:
        NbnetError: markers that do not pair, or nothing to set.
    """
    if BEGIN not in text and END not in text:
        return text
    result = _SOLUTION.sub(lambda found: _unfinished(found["indent"], found["body"], where), text)
    if BEGIN in result or END in result:
        raise NbnetError(f"{where}: each {BEGIN} needs one {END} below it")
    return result


def _unfinished(indent: str, solution: str, where: str) -> str:
    if BEGIN in solution:
        raise NbnetError(f"{where}: each {BEGIN} needs one {END} below it")
    if indent:
        return f"{indent}return None  {UNFINISHED}"
    names = [
        target.id
        for node in ast.parse(solution).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    if not names:
        raise NbnetError(f"{where}: the solution assigns no name, so nothing can be left open")
    return "\n".join(f"{name} = None  {UNFINISHED}" for name in dict.fromkeys(names))


def to_text(notebook: nbformat.NotebookNode) -> str:
    """Write a notebook as JSON, the same bytes for the same notebook.

    Raises:
        nbformat.ValidationError: it is not a valid notebook.
    """
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
