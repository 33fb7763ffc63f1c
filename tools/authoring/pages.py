"""The course as pages to read: ``nbnet html`` and ``make html``.

Made from the stored solutions without running anything, by nbconvert with templates of our own;
solutions and answers are folded. The pages load nothing from elsewhere, so they can be read from a
folder with the network cut; every link and anchor in them is checked.
"""

from __future__ import annotations

import html
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jinja2
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from pygments.formatters import HtmlFormatter

from authoring.links import check_pages
from authoring.sources import (
    BEGIN,
    END,
    chapter_sources,
    copy_of,
    course_root,
    cut_solution,
    first_heading,
    read_stored,
)
from course_checks import load_all
from nbnet_lib.course.quizzes import as_html, load_quiz, question_html
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

COURSE = "NbNet: what a face template gives away"
TEMPLATES = Path(__file__).parent / "templates"
# Lines that only help where there is a kernel.
_LIVE = re.compile(r"^(Move the controls below|Click a letter for each).*\n?", re.MULTILINE)
_HEADING = re.compile(r'<h([1-4]) id="([^"]*)">(.*?)<a class="anchor-link"[^>]*>.*?</a>', re.DOTALL)
_LINK = re.compile(r'<a ([^>]*)href="([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)
_PICTURE = re.compile(r'<img ([^>]*)src="([^"]*)"')


@dataclass
class Page:
    """A page of the course.

    Attributes:
        file: its name, ``"02_title.html"``.
        title: as in its heading.
        source: the file it was made from.
        body: its text as HTML, without a frame.
        contents: its headings of level 2 and 3, as (level, anchor, text).
        facts: of a chapter: question, time and exercises.
    """

    file: str
    title: str
    source: Path
    body: str
    contents: list[tuple[int, str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def build_site(
    output: str | Path = Path("build/html"), root: str | Path | None = None
) -> dict[str, Any]:
    """Write the course as HTML.

    Args:
        output: folder for the pages; pages of an earlier run there are replaced.
        root: folder that holds ``solutions/`` and ``guides/``; found where it is None.

    Returns:
        {"index": path of the first page, "pages": names, "pictures": names, "megabytes": size}.

    Raises:
        NbnetError: a solution that is missing, a folder that cannot be written, or links that lead
            nowhere: each is named with its page.
    """
    base = course_root(root)
    folder = require_writable_folder(output)
    for old in folder.glob("*.html"):
        old.unlink()
    chapters = [_chapter(source) for source in chapter_sources(base)]
    guides = [_guide(path) for path in sorted((base / "guides").glob("*.md"))]
    index = _render(
        "index.html.jinja",
        chapters=[{"file": page.file, "title": page.title, **page.facts} for page in chapters],
        guides=guides,
        exercises=sum(len(page.facts["exercises"]) for page in chapters),
    )
    first = Page("index.html", COURSE, base, index)
    everything = [first, *chapters, *guides]
    pictures: set[Path] = set()
    for number, page in enumerate(everything):
        page.body = _linked(page, everything[1:], base, pictures)
        text = _render(
            "page.html.jinja",
            page=page,
            pages=everything,
            # The guides stand beside the course, not in its row.
            before=everything[number - 1] if page in chapters else None,
            after=everything[number + 1] if page is first or page in chapters[:-1] else None,
        )
        with atomic_path(folder / page.file) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    for picture in pictures:
        (folder / "pictures").mkdir(exist_ok=True)
        shutil.copyfile(picture, folder / "pictures" / picture.name)
    wrong = check_pages(folder)
    if wrong:
        raise NbnetError("; ".join(wrong))
    return {
        "index": str(folder / first.file),
        "pages": [page.file for page in everything],
        "pictures": sorted(picture.name for picture in pictures),
        "megabytes": round(sum((folder / p.file).stat().st_size for p in everything) / 1e6, 1),
    }


def single_page(notebook: nbformat.NotebookNode, title: str) -> str:
    """Return a notebook as a page that stands alone, without the course around it."""
    page = Page("", title, Path(), *_article(notebook, title))
    return _render("page.html.jinja", page=page, pages=[], before=None, after=None)


def exporter(template: str) -> HTMLExporter:
    """Return an nbconvert exporter that uses one of our templates."""
    return HTMLExporter(
        template_name=template, extra_template_basedirs=[str(TEMPLATES / "nbconvert")]
    )


def folded(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return a copy for readers without a kernel: solutions apart, quizzes with their answers."""
    copy = copy_of(notebook)
    for cell in copy.cells:
        if cell.cell_type != "code":
            continue
        if BEGIN in cell.source:
            lines = cell.source.splitlines()
            cell.metadata["solution"] = "\n".join(x for x in lines if x.strip() not in (BEGIN, END))
            cell.source = cut_solution(cell.source, name)
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = _LIVE.sub("", output.text)
        chapter = re.search(r'^quiz\(\s*"(\d\d)"\s*\)', cell.source, re.MULTILINE)
        if chapter:
            answered = {"text/html": _answered_quiz(chapter.group(1))}
            cell.outputs = [nbformat.v4.new_output("display_data", answered)]
        cell.outputs = [o for o in cell.outputs if o.get("text", "-").strip()]
    return copy


def _answered_quiz(chapter: str) -> str:
    parts = []
    for number, question in enumerate(load_quiz(chapter), 1):
        right = next(option for option in question.options if option.right)
        others = "".join(
            f"<li>{as_html(o.text)} <em>{as_html(o.why)}</em></li>"
            for o in question.options
            if not o.right
        )
        parts.append(
            f"{question_html(number, question)}"
            f'<details class="answer"><summary>Show the answer to {number}</summary>'
            f"<p><b>{question.right}.</b> {as_html(right.text)} {as_html(right.why)}</p>"
            f"<p>Why not the others:</p><ul>{others}</ul></details>"
        )
    return "".join(parts)


def with_contents(body: str) -> tuple[str, list[tuple[int, str, str]]]:
    """Make the anchors of headings unique, the stars readable aloud, and list the headings."""
    seen: Counter[str] = Counter()
    contents = []

    def heading(match: re.Match[str]) -> str:
        level, anchor, text = int(match.group(1)), unquote(html.unescape(match.group(2))), match[3]
        seen[anchor] += 1
        if seen[anchor] > 1:
            anchor = f"{anchor}-{seen[anchor]}"
        if level in (2, 3):
            plain = html.unescape(re.sub(r"<[^>]+>", "", text)).strip()
            contents.append((level, anchor, plain))
        link = (
            f'<a class="anchor-link" href="#{quote(anchor)}" aria-label="Link to this part">#</a>'
        )
        return f'<h{level} id="{html.escape(anchor)}">{re.sub("★+", stars, text)}{link}'

    def stars(match: re.Match[str]) -> str:
        count = len(match.group())
        label = f"{count} star{'s' if count > 1 else ''}"
        return f'<span class="stars" role="img" aria-label="{label}">{match.group()}</span>'

    return _HEADING.sub(heading, body), contents


def _article(notebook: nbformat.NotebookNode, name: str) -> tuple[str, list[tuple[int, str, str]]]:
    return with_contents(exporter("nbnet_page").from_notebook_node(folded(notebook, name))[0])


def _chapter(source: Path) -> Page:
    notebook = read_stored(source.with_suffix(".ipynb"))
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    body, contents = _article(notebook, source.name)
    question = re.search(r"\*\*(.+?)\*\*", prose, re.DOTALL)
    time = re.search(r"^\|\s*Time\s*\|\s*(.+?)\s*\|", prose, re.MULTILINE)
    exercises = [
        {"number": number, "title": e.title, "stars": e.stars, "anchor": anchor}
        for number, e in load_all().items()
        for _, anchor, heading in contents
        if heading.startswith(f"Exercise {number} ")
    ]
    facts = {
        "question": as_html(" ".join(question.group(1).split())) if question else "",
        "time": as_html(time.group(1)) if time else "",
        "exercises": exercises,
    }
    title = first_heading(notebook) or source.stem
    return Page(f"{source.stem}.html", title, source, body, contents, facts)


def _guide(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    title = re.search(r"^#\s+(.+)$", text, re.MULTILINE)
    name = title.group(1).strip() if title else path.stem
    body, contents = with_contents(f'<div class="text">{markdown2html(text)}</div>')
    return Page(f"{path.stem}.html", name, path, body, contents)


def _linked(page: Page, pages: list[Page], base: Path, pictures: set[Path]) -> str:
    """Lead links to notebooks and guides to their pages, and collect the pictures.

    What else is in the repository is not on the site: its name stays, without a link. What is
    nowhere stays a link, which the check of the pages then names.
    """
    files = {other.source.with_suffix("").resolve(): other.file for other in pages}

    def link(match: re.Match[str]) -> str:
        left, target, right, text = match.groups()
        path, mark, anchor = html.unescape(target).partition("#")
        if not path or ":" in path:
            return match.group()
        place = (page.source.parent / path).resolve()
        # A chapter links to the notebook beside it, in whichever of the two folders it is read.
        file = files.get(place.with_suffix(""))
        if file and place.suffix in (".ipynb", ".md", ".py"):
            return f'<a {left}href="{html.escape(file + mark + anchor)}"{right}>{text}</a>'
        return text if place.is_relative_to(base.resolve()) and place.exists() else match.group()

    def picture(match: re.Match[str]) -> str:
        left, target = match.groups()
        place = (page.source.parent / html.unescape(target)).resolve()
        if target.startswith("data:") or not place.is_file():
            return match.group()
        pictures.add(place)
        return f'<img {left}src="pictures/{html.escape(place.name)}"'

    return _PICTURE.sub(picture, _LINK.sub(link, page.body))


def style(name: str) -> str:
    """Return one of our style sheets with the colours of code; slides are always light."""
    own = (TEMPLATES / name).read_text(encoding="utf-8")
    light, dark = (
        "\n".join(HtmlFormatter(style=colours).get_token_style_defs(".highlight"))
        for colours in ("default", "monokai")
    )
    night = f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}" if name == "site.css" else ""
    return "\n".join([own, ".highlight { background: var(--panel, #f4f5f7); }", light, night])


def _render(template: str, **values: Any) -> str:
    """Fill a template; the style sheet, the text of a page and a chapter's facts are HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    css = style("site.css")
    return environment.get_template(template).render(css=css, course=COURSE, **values)
