"""A chapter's source: finding it, reading it as a notebook, and cutting the solutions out.

The source is a jupytext percent script, ``solutions/NN_title.py``. What stands between
``### BEGIN SOLUTION`` and ``### END SOLUTION`` is the answer to an exercise.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import textwrap
from pathlib import Path

import jupytext
import nbformat

from nbnet_lib.errors import NbnetError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
UNFINISHED = "# your code"

# The same on every machine: neither the Python version nor the name of an environment.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def course_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds ``solutions/`` and ``chapters/``.

    Looks in ``root`` where given, else in the working folder, else beside the package (a clone
    that was installed in place).

    Raises:
        NbnetError: there is no ``solutions/`` with chapter sources in any of them.
    """
    places = [Path(root)] if root else [Path.cwd(), Path(__file__).parents[2]]
    for place in places:
        if any((place / "solutions").glob("[0-9][0-9]_*.py")):
            return place
    raise NbnetError(
        f"no solutions/NN_title.py found in {places[0].resolve()}: run this in the root of a clone "
        "of the course repository"
    )


def chapter_sources(
    root: Path, only: str | list[str] | tuple[str, ...] | None = None
) -> list[Path]:
    """Return the chapter sources in order; ``only`` picks by number or name ("01", "1", "03_...").

    Raises:
        NbnetError: ``only`` names a chapter that does not exist.
    """
    sources = sorted((root / "solutions").glob("[0-9][0-9]_*.py"))
    if not only:
        return sources
    wanted = re.split(r"[,\s]+", only.strip()) if isinstance(only, str) else [str(o) for o in only]
    chosen = []
    for name in wanted:
        number = name.zfill(2) if name.isdigit() else name
        found = [s for s in sources if s.stem[:2] == number or s.stem == number]
        if not found:
            known = ", ".join(s.stem for s in sources)
            raise NbnetError(f"there is no chapter {name!r}: the chapters are {known}")
        chosen += found
    return [s for s in sources if s in chosen]


def read_source(source: Path) -> nbformat.NotebookNode:
    """Read a chapter's source as a notebook without outputs, with ids that follow its contents.

    Raises:
        NbnetError: the file cannot be read, or has no cell tagged ``parameters``.
    """
    try:
        notebook = jupytext.read(source, fmt="py:percent")
    except (OSError, ValueError, SyntaxError) as error:
        raise NbnetError(f"cannot read the chapter source {source}: {error}") from error
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


def make_chapter(solution: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return the starter of a solution notebook: exercise bodies cut, no outputs.

    Raises:
        NbnetError: markers that do not pair, or a cell that is no Python after the cut.
    """
    chapter = nbformat.from_dict(json.loads(json.dumps(solution)))
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
        NbnetError: markers that do not pair, nothing to set, or no Python after the cut.
    """
    if BEGIN not in text and END not in text:
        return text
    kept: list[str] = []
    solution: list[str] | None = None
    for line in text.splitlines():
        if line.strip() == BEGIN:
            if solution is not None:
                raise NbnetError(f"{where}: {BEGIN} within a solution")
            solution = []
            indent = line[: len(line) - len(line.lstrip())]
        elif line.strip() == END:
            if solution is None:
                raise NbnetError(f"{where}: {END} without {BEGIN}")
            kept += _unfinished(solution, indent, where)
            solution = None
        elif solution is not None:
            solution.append(line)
        else:
            kept.append(line)
    if solution is not None:
        raise NbnetError(f"{where}: {BEGIN} without {END}")
    result = "\n".join(kept)
    try:
        ast.parse(result)
    except SyntaxError as error:
        raise NbnetError(f"{where}: not Python once the solution is cut ({error})") from error
    return result


def _unfinished(solution: list[str], indent: str, where: str) -> list[str]:
    if indent:
        return [f"{indent}return None  {UNFINISHED}"]
    tree = ast.parse(textwrap.dedent("\n".join(solution)))
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    if not names:
        raise NbnetError(
            f"{where}: the solution assigns no name, so there is nothing to leave open"
        )
    return [f"{name} = None  {UNFINISHED}" for name in dict.fromkeys(names)]


def to_text(notebook: nbformat.NotebookNode) -> str:
    """Write a notebook as JSON, the same bytes for the same notebook.

    Raises:
        NbnetError: it is not a valid notebook.
    """
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise NbnetError(f"not a valid notebook: {str(error).splitlines()[0]}") from error
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
