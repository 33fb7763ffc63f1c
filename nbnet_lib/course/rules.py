"""What every stored chapter must keep: one small function a rule, each able to complain.

``nbnet build --check`` and the tests ask them. A rule takes a `Chapter` and yields a sentence for
each thing it finds; a rule that finds nothing yields nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_checks import load_all
from nbnet_lib.course.notebooks import WIDGET_VIEW
from nbnet_lib.course.source import BEGIN, END, METADATA, UNFINISHED, read_source, to_text
from nbnet_lib.errors import NbnetError

MOST_BYTES = 1_500_000
LEAST_SLIDES = 8
SLIDE_TAGS = {"slide", "subslide", "fragment", "notes"}
HEADINGS = (
    "## What can go wrong",
    "## For those who defend",
    "## Stretch",
    "## Quiz",
    "## Summary",
    "## References",
)
_SHORT = 16  # characters; a shorter line of a solution may stand elsewhere by chance
_MACHINE = r"/(?:ho" + r"me|ro" + r"ot|wo" + r"rk|tmp|Us" + r"ers)/[\w.]|\b[A-Z]:\\\\"


@dataclass
class Chapter:
    """A chapter as it lies on disk.

    Attributes:
        name: such as ``"02_verifying_and_identifying"``.
        plain: its source as a notebook without outputs.
        solution: the stored solution.
        starter: the stored starter.
        folder: root of the course, for links.
    """

    name: str
    plain: nbformat.NotebookNode
    solution: nbformat.NotebookNode
    starter: nbformat.NotebookNode
    folder: Path

    @property
    def number(self) -> str:
        """The two digits."""
        return self.name[:2]

    @property
    def prose(self) -> str:
        """All Markdown of the source, a blank line between cells."""
        return "\n\n".join(c.source for c in self.plain.cells if c.cell_type == "markdown")

    @property
    def code(self) -> str:
        """All code of the source."""
        return "\n\n".join(c.source for c in code_cells(self.plain))


RULES: dict[str, Callable[[Chapter], Iterator[str]]] = {}


def rule(fn: Callable[[Chapter], Iterator[str]]) -> Callable[[Chapter], Iterator[str]]:
    """Register a rule under its name."""
    RULES[fn.__name__] = fn
    return fn


def read_chapter(source: Path) -> Chapter:
    """Read a chapter from ``solutions/NN_title.py`` and the two notebooks beside it.

    Raises:
        NbnetError: one of them is missing or no notebook.
    """
    root = source.parents[1]
    stored = []
    for folder in ("solutions", "chapters"):
        path = root / folder / f"{source.stem}.ipynb"
        try:
            stored.append(nbformat.read(path, as_version=4))
        except FileNotFoundError as error:
            raise NbnetError(f"{folder}/{path.name} is missing: run `nbnet build`") from error
        except (ValueError, nbformat.ValidationError) as error:
            raise NbnetError(
                f"{folder}/{path.name} is not a notebook: run `nbnet build`"
            ) from error
    return Chapter(source.stem, read_source(source), stored[0], stored[1], root)


def complaints(chapter: Chapter) -> list[str]:
    """Return what all rules find, each with the name of the chapter and the rule."""
    return [f"{chapter.name}, {name}: {text}" for name, fn in RULES.items() for text in fn(chapter)]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def without_code(prose: str) -> str:
    """Return Markdown without its code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", prose, flags=re.M | re.S))


@rule
def executed(chapter: Chapter) -> Iterator[str]:
    """The solution ran from top to bottom in the laptop profile, without an error."""
    cells = code_cells(chapter.solution)
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(cells)}"
    outputs = [output for cell in cells for output in cell.outputs]
    if any(output.output_type == "error" for output in outputs):
        yield "a cell of the solution stored an error"
    if any(output.get("name") == "stderr" for output in outputs):
        yield "text printed to stderr is stored"
    if "profile laptop" not in _printed(chapter):
        yield "it was not built in the laptop profile"


@rule
def passed(chapter: Chapter) -> Iterator[str]:
    """Every check of the solution passed."""
    text, asked = _printed(chapter), len(_asked(chapter))
    if text.count("[PASS]") != asked:
        yield f"{asked} checks, but {text.count('[PASS]')} times [PASS]"
    if "[FAIL]" in text or "[----] " in re.sub(r"\[----\] quiz.*", "", text):
        yield "a check of the solution did not pass"


@rule
def starter_is_empty(chapter: Chapter) -> Iterator[str]:
    """The starter has no outputs and no counts."""
    for cell in code_cells(chapter.starter):
        if cell.outputs or cell.execution_count is not None:
            yield f"a cell of the starter was run: {cell.source.splitlines()[:1]}"


@rule
def no_solution_in_starter(chapter: Chapter) -> Iterator[str]:
    """No line of a solution stands in the starter; every exercise is left open."""
    starter = "\n".join(cell.source for cell in chapter.starter.cells)
    if BEGIN in starter or END in starter:
        yield "the starter holds a marker of a solution"
    solutions = re.findall(f"{BEGIN}\n(.*?){END}", chapter.code, re.DOTALL)
    if not solutions or UNFINISHED not in starter:
        yield "nothing is left open"
    lines = set(starter.splitlines())
    for line in {line for text in solutions for line in text.splitlines()} & lines:
        if len(line.strip()) > _SHORT:
            yield f"the starter holds a line of a solution: {line.strip()}"


@rule
def pictures_have_alternatives(chapter: Chapter) -> Iterator[str]:
    """Every picture says in words what it shows, and there are enough of them."""
    found = 0
    for cell in code_cells(chapter.solution):
        for output in cell.outputs:
            if {"image/png", "image/jpeg", "image/svg+xml"} & set(output.get("data", {})):
                found += 1
                about = output.metadata.get("image/png", {})
                if not str(about.get("alt", "")).strip():
                    yield f"a picture lacks alternative text, after {cell.source.splitlines()[:1]}"
    if re.search(r"!\[\s*\]\(", chapter.prose) or re.search(
        r"<img(?![^>]*\balt=.\w)", chapter.prose
    ):
        yield "a picture in the text lacks alternative text"
    least = 2 if chapter.number == "00" else 4
    if found < least:
        yield f"{found} pictures, at least {least} are wanted"


@rule
def no_widget_data(chapter: Chapter) -> Iterator[str]:
    """No stored widget: a view without its state is "Invalid notebook" to some readers."""
    for notebook in (chapter.solution, chapter.starter):
        if WIDGET_VIEW in to_text(notebook) or "widgets" in notebook.metadata:
            yield "widget data is stored"


@rule
def small(chapter: Chapter) -> Iterator[str]:
    """A notebook that is too large is not shown on code-hosting pages."""
    for notebook in (chapter.solution, chapter.starter):
        size = len(to_text(notebook).encode("utf-8"))
        if size > MOST_BYTES:
            yield f"{size:,} bytes, at most {MOST_BYTES:,} are wanted"


@rule
def same_on_every_machine(chapter: Chapter) -> Iterator[str]:
    """No paths, kernel names or versions of the machine it was built on; ids are unique."""
    for notebook in (chapter.solution, chapter.starter):
        ids = [cell.id for cell in notebook.cells]
        if len(set(ids)) < len(ids):
            yield "two cells have the same id"
        if dict(notebook.metadata) != METADATA:
            yield "other metadata than the generator writes"
        found = re.search(_MACHINE, to_text(notebook))
        if found:
            yield f"a path of a machine: {found.group()}..."


@rule
def has_its_parts(chapter: Chapter) -> Iterator[str]:
    """The parts that a reader finds in every chapter."""
    prose = chapter.prose
    if not re.match(rf"# {chapter.number} \S", prose):
        yield f"it does not begin with `# {chapter.number} Title`"
    for part in ("What you will learn", "| Time |", "| You need |", "| Exercises |"):
        if part not in prose:
            yield f"{part!r} is missing"
    for heading in HEADINGS:
        if not re.search(rf"^{heading}\b", prose, re.MULTILINE):
            yield f"the heading {heading!r} is missing"
    if "explore(" not in chapter.code:
        yield "it has no explore(...)"
    if f'quiz("{chapter.number}")' not in chapter.code:
        yield f'it has no quiz("{chapter.number}")'
    of_cells = [tag for cell in chapter.plain.cells for tag in tags(cell)]
    if of_cells.count("nbval-check-output") < 1:
        yield "no cell is tagged nbval-check-output"


@rule
def parameters_are_the_same(chapter: Chapter) -> Iterator[str]:
    """One cell of parameters, with the same three values in all chapters."""
    cells = [cell for cell in chapter.plain.cells if "parameters" in tags(cell)]
    lines = [line.partition("#")[0].strip() for cell in cells for line in cell.source.splitlines()]
    if len(cells) != 1 or lines != ['profile = "auto"', "seed = 7", 'device = "auto"']:
        yield f"the parameters are {lines}"


@rule
def enough_slides(chapter: Chapter) -> Iterator[str]:
    """Cells tagged for the slides, the first of them the title."""
    tagged = [cell for cell in chapter.plain.cells if tags(cell) & SLIDE_TAGS]
    if len(tagged) < LEAST_SLIDES:
        yield f"{len(tagged)} cells are tagged for slides, at least {LEAST_SLIDES} are wanted"
    if tagged and (tagged[0] is not chapter.plain.cells[0] or "slide" not in tags(tagged[0])):
        yield "the title cell is not the first slide"


@rule
def plain_text(chapter: Chapter) -> Iterator[str]:
    """No LaTeX (pages are read offline), no long dashes, no emojis."""
    text = without_code(chapter.prose)
    for found in re.findall(r".{0,20}\$.{0,20}", text)[:1]:
        yield f"a dollar sign would be read as LaTeX: {found.strip()!r}"
    for found in re.findall(r".{0,20}[\u2013\u2014\U0001f000-\U0001ffff].{0,20}", text)[:1]:
        yield f"a long dash or an emoji: {found.strip()!r}"


@rule
def links_lead_somewhere(chapter: Chapter) -> Iterator[str]:
    """Links to files resolve from both folders, and each chapter leads to the next."""
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(chapter.prose))
    for link in links:
        path = link.partition("#")[0]
        if "://" in link or not path:
            continue
        for folder in ("solutions", "chapters"):
            if not (chapter.folder / folder / path).exists():
                yield f"a link leads nowhere from {folder}: {link}"
    following = f"{int(chapter.number) + 1:02d}_"
    exists = list((chapter.folder / "solutions").glob(f"{following}*.py"))
    if exists and f"{exists[0].stem}.ipynb" not in links:
        yield f"no link to the next chapter, {exists[0].stem}.ipynb"


@rule
def exercises_are_as_registered(chapter: Chapter) -> Iterator[str]:
    """Headings have the stars and titles of the checks; each exercise is asked once, in order."""
    wanted = {
        number: f"### Exercise {number} {'★' * exercise.stars} {exercise.title}"
        for number, exercise in load_all().items()
        if int(number.partition(".")[0]) == int(chapter.number)
    }
    headings = re.findall(r"^### Exercise .*$", chapter.prose, re.MULTILINE)
    for found, expected in zip(headings, wanted.values(), strict=False):
        if found.strip() != expected:
            yield f"expected {expected!r}, got {found!r}"
    if len(headings) != len(wanted):
        yield f"{len(headings)} headings of exercises, {len(wanted)} registered"
    if _asked(chapter) != list(wanted):
        yield f"checks for {_asked(chapter)}, registered are {list(wanted)}"


def _asked(chapter: Chapter) -> list[str]:
    return re.findall(r'^(?:\w+ = )?check\(\s*"([\d.]+)"', chapter.code, re.MULTILINE)


def _printed(chapter: Chapter) -> str:
    outputs = [output for cell in code_cells(chapter.solution) for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")
