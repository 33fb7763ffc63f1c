"""What every stored chapter must keep: one small function a rule, each able to complain.

``nbnet build --check`` and the tests ask them. A rule takes a `Chapter` and yields a sentence for
each thing it finds; a rule that finds nothing yields nothing. That the notebooks are what the
source gives (`authoring.build`) is known before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from authoring.sources import (
    BEGIN,
    END,
    UNFINISHED,
    WIDGET_VIEW,
    make_chapter,
    read_source,
    read_stored,
    to_text,
)
from course_checks import CHAPTERS, load_all

MAX_BYTES = 1_500_000
MIN_SLIDES = 8
SLIDE_TAGS = {"slide", "subslide", "fragment", "notes"}
HEADINGS = (
    "## What can go wrong",
    "## For those who defend",
    "## Stretch",
    "## Quiz",
    "## Summary",
    "## References",
)
PARTS = ("What you will learn", "| Time |", "| You need |", "| Exercises |")
_SHORT = 16  # characters; a shorter line of a solution may occur elsewhere by chance
_MACHINE = r"/(?:ho" + r"me|ro" + r"ot|wo" + r"rk|tmp|Us" + r"ers)/[\w.]|\b[A-Z]:\\\\"


@dataclass
class Chapter:
    """A chapter as it is stored.

    Attributes:
        name: such as ``"02_verifying_and_identifying"``.
        plain: its source as a notebook without outputs.
        solution: the stored solution.
        folder: root of the course, for links.
    """

    name: str
    plain: nbformat.NotebookNode
    solution: nbformat.NotebookNode
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
        return "\n\n".join(c.source for c in self.plain.cells if c.cell_type == "code")

    @property
    def outputs(self) -> list[nbformat.NotebookNode]:
        """All outputs of the solution."""
        return [output for cell in self.solution.cells for output in cell.get("outputs", [])]

    @property
    def printed(self) -> str:
        """What the solution printed."""
        return "".join(o.text for o in self.outputs if o.output_type == "stream")

    @property
    def checked(self) -> list[str]:
        """The numbers of the exercises, as the code checks them."""
        return re.findall(r'^(?:\w+ = )?check\(\s*"([\d.]+)"', self.code, re.MULTILINE)


Rule = Callable[[Chapter], Iterator[str]]
RULES: dict[str, Rule] = {}


def rule(fn: Rule) -> Rule:
    """Register a rule under its name."""
    RULES[fn.__name__] = fn
    return fn


def read_chapter(source: Path) -> Chapter:
    """Read a chapter from ``solutions/NN_title.py`` and the notebook beside it.

    Raises:
        NbnetError: the notebook is missing, or not one.
    """
    stored = read_stored(source.with_suffix(".ipynb"))
    return Chapter(source.stem, read_source(source), stored, source.parents[1])


def complaints(chapter: Chapter) -> list[str]:
    """Return what all rules find, each with the name of the chapter and the rule."""
    return [f"{chapter.name}, {name}: {text}" for name, fn in RULES.items() for text in fn(chapter)]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def without_code(prose: str) -> str:
    """Return Markdown without its code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", prose, flags=re.M | re.S))


@rule
def executed(chapter: Chapter) -> Iterator[str]:
    """The solution ran in the laptop profile, without an error."""
    if any(output.output_type == "error" for output in chapter.outputs):
        yield "a cell of the solution stored an error"
    if any(output.get("name") == "stderr" for output in chapter.outputs):
        yield "text printed to stderr is stored"
    if "profile laptop" not in chapter.printed:
        yield "it was not built in the laptop profile"


@rule
def passed(chapter: Chapter) -> Iterator[str]:
    """Every check of the solution passed."""
    passes = chapter.printed.count("[PASS]")
    if passes != len(chapter.checked):
        yield f"{len(chapter.checked)} checks, but {passes} times [PASS]"
    unanswered_quiz = r"\[----\] quiz.*"
    if re.search(r"\[FAIL\]|\[----\] ", re.sub(unanswered_quiz, "", chapter.printed)):
        yield "a check of the solution did not pass"


@rule
def no_solution_in_starter(chapter: Chapter) -> Iterator[str]:
    """No line of a solution occurs in the starter; something is left open."""
    starter = "\n".join(cell.source for cell in make_chapter(chapter.plain, chapter.name).cells)
    if UNFINISHED not in starter:
        yield "nothing is left open"
    solutions = re.findall(f"{BEGIN}\n(.*?){END}", chapter.code, re.DOTALL)
    solved = {line for text in solutions for line in text.splitlines()}
    for line in sorted(solved & set(starter.splitlines())):
        if len(line.strip()) > _SHORT:
            yield f"the starter holds a line of a solution: {line.strip()}"


@rule
def pictures_have_alternatives(chapter: Chapter) -> Iterator[str]:
    """Every picture says in words what it shows, and there are enough of them."""
    kinds = {"image/png", "image/jpeg", "image/svg+xml"}
    pictures = [output for output in chapter.outputs if kinds & set(output.get("data", {}))]
    alternatives = [p.metadata.get("image/png", {}).get("alt", "").strip() for p in pictures]
    if not all(alternatives):
        yield f"{alternatives.count('')} pictures lack alternative text"
    if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=.\w)", chapter.prose):
        yield "a picture in the text lacks alternative text"
    wanted = 2 if chapter.number == "00" else 4
    if len(pictures) < wanted:
        yield f"{len(pictures)} pictures, at least {wanted} are wanted"


@rule
def no_widget_data(chapter: Chapter) -> Iterator[str]:
    """No stored widget: a view without its state is "Invalid notebook" to some readers."""
    if WIDGET_VIEW in to_text(chapter.solution):
        yield "widget data is stored"


@rule
def small(chapter: Chapter) -> Iterator[str]:
    """A notebook that is too large is not shown on code-hosting pages."""
    size = len(to_text(chapter.solution).encode("utf-8"))
    if size > MAX_BYTES:
        yield f"{size:,} bytes, at most {MAX_BYTES:,} are wanted"


@rule
def same_on_every_machine(chapter: Chapter) -> Iterator[str]:
    """No paths of the machine it was built on."""
    found = re.search(_MACHINE, to_text(chapter.solution))
    if found:
        yield f"a path of a machine: {found.group()}..."


@rule
def has_its_parts(chapter: Chapter) -> Iterator[str]:
    """The parts that a reader finds in every chapter."""
    title = f"# {chapter.number} {CHAPTERS.get(int(chapter.number), 'no title')}"
    if chapter.prose.partition("\n")[0].strip() != title:
        yield f"it does not begin with {title!r}, as in course_checks/__init__.py"
    for part in PARTS:
        if part not in chapter.prose:
            yield f"{part!r} is missing"
    for heading in HEADINGS:
        if not re.search(rf"^{heading}\b", chapter.prose, re.MULTILINE):
            yield f"the heading {heading!r} is missing"
    for call in ("explore(", f'quiz("{chapter.number}")'):
        if call not in chapter.code:
            yield f"it has no {call}"
    if not any("nbval-check-output" in tags(cell) for cell in chapter.plain.cells):
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
    if len(tagged) < MIN_SLIDES:
        yield f"{len(tagged)} cells are tagged for slides, at least {MIN_SLIDES} are wanted"
    if "slide" not in tags(chapter.plain.cells[0]):
        yield "the title cell is not the first slide"


@rule
def plain_text(chapter: Chapter) -> Iterator[str]:
    """No LaTeX (pages are read offline), no long dashes, no emojis."""
    text = without_code(chapter.prose)
    signs = {"LaTeX": r"\$", "a long dash or an emoji": "[\u2013\u2014\U0001f000-\U0001ffff]"}
    for what, sign in signs.items():
        found = re.search(f".{{0,20}}{sign}.{{0,20}}", text)
        if found:
            yield f"{what}: {found.group().strip()!r}"


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
    """Headings have the stars and titles of the checks; each exercise is checked once, in order."""
    exercises = [e for e in load_all().values() if e.chapter == int(chapter.number)]
    wanted = [f"### Exercise {e.number} {'★' * e.stars} {e.title}" for e in exercises]
    headings = re.findall(r"^### Exercise .*$", chapter.prose, re.MULTILINE)
    for found, expected in zip(headings, wanted, strict=False):
        if found.strip() != expected:
            yield f"expected {expected!r}, got {found!r}"
    if len(headings) != len(wanted):
        yield f"{len(headings)} headings of exercises, {len(wanted)} registered"
    if chapter.checked != [e.number for e in exercises]:
        yield f"checks for {chapter.checked}, registered are {[e.number for e in exercises]}"
