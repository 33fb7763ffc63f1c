"""The whole course as pages to read: ``nbnet html`` and ``make html``.

Made from the stored solutions without running anything. The pages load nothing from elsewhere, so
they can be read from a folder with the network cut; every link and anchor in them is checked.
"""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from course_checks import load_all
from nbnet_lib.course.links import check_pages
from nbnet_lib.course.notebooks import first_heading
from nbnet_lib.course.pages import TEMPLATES, Article, article, with_contents
from nbnet_lib.course.quiz import as_html
from nbnet_lib.course.source import chapter_sources, course_root
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

COURSE = "NbNet: what a face template gives away"
_ANCHOR = re.compile(r'<a ([^>]*)href="([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)
_PICTURE = re.compile(r'<img ([^>]*)src="([^"]*)"')


@dataclass
class Page:
    """A page of the course.

    Attributes:
        file: its name, ``"02_title.html"``.
        title: as in its heading.
        source: the file it was made from.
        article: its text.
        facts: of a chapter: question, time and exercises.
    """

    file: str
    title: str
    source: Path
    article: Article
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
    pages = [*chapters, *guides]
    pictures: set[Path] = set()
    for page in pages:
        page.article = _linked(page, pages, base, pictures)
    first = Page("index.html", "The course", base, _index(chapters, guides))
    everything = [first, *pages]
    for number, page in enumerate(everything):
        text = _render(
            "page.html.jinja",
            title=COURSE if page is first else page.title,
            file=page.file,
            pages=everything,
            body=page.article.html,
            contents=page.article.contents,
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
    files = [folder / page.file for page in everything]
    return {
        "index": str(folder / first.file),
        "pages": [page.file for page in everything],
        "pictures": sorted(picture.name for picture in pictures),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
    }


def single_page(notebook: nbformat.NotebookNode, title: str) -> str:
    """Return a notebook as a page that stands alone, without the course around it."""
    text = article(notebook, title)
    return _render(
        "page.html.jinja",
        title=title,
        file="",
        pages=[],
        body=text.html,
        contents=text.contents,
        before=None,
        after=None,
    )


def _chapter(source: Path) -> Page:
    notebook = read_solution(source)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    text = article(notebook, source.name)
    question = re.search(r"\*\*(.+?)\*\*", prose, re.DOTALL)
    time = re.search(r"^\|\s*Time\s*\|\s*(.+?)\s*\|", prose, re.MULTILINE)
    exercises = [
        {"number": number, "title": e.title, "stars": e.stars, "anchor": anchor}
        for number, e in load_all().items()
        for _, anchor, heading in text.contents
        if heading.startswith(f"Exercise {number} ")
    ]
    facts = {
        "question": as_html(" ".join(question.group(1).split())) if question else "",
        "time": as_html(time.group(1)) if time else "",
        "exercises": exercises,
    }
    title = first_heading(notebook) or source.stem
    return Page(f"{source.stem}.html", title, source, text, facts)


def _guide(path: Path) -> Page:
    from nbconvert.filters import markdown2html

    text = path.read_text(encoding="utf-8")
    title = re.search(r"^#\s+(.+)$", text, re.MULTILINE)
    body = f'<div class="text">{markdown2html(text)}</div>'
    name = title.group(1).strip() if title else path.stem
    return Page(f"{path.stem}.html", name, path, with_contents(body))


def read_solution(source: Path) -> nbformat.NotebookNode:
    """Read the stored solution of a chapter.

    Raises:
        NbnetError: it is missing or no notebook.
    """
    path = source.with_suffix(".ipynb")
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise NbnetError(f"{path} is missing: run `nbnet build` to make it") from error
    except (ValueError, nbformat.ValidationError) as error:
        raise NbnetError(f"{path} is not a notebook: run `nbnet build`") from error


def _linked(page: Page, pages: list[Page], base: Path, pictures: set[Path]) -> Article:
    """Lead links to notebooks and guides to their pages, and collect the pictures.

    What else is in the repository is not on the site: its name stays, without a link. What is
    nowhere stays a link, which the check of the pages then names.
    """
    known = {other.source.with_suffix("").resolve(): other.file for other in pages}

    def link(match: re.Match[str]) -> str:
        left, target, right, text = match.groups()
        path, mark, anchor = html.unescape(target).partition("#")
        if not path or ":" in path:
            return match.group()
        place = (page.source.parent / path).resolve()
        # A chapter links to the notebook beside it, in whichever of the two folders it is read.
        named = known.get(place.with_suffix(""))
        if named and place.suffix in (".ipynb", ".md", ".py"):
            return f'<a {left}href="{html.escape(named + mark + anchor)}"{right}>{text}</a>'
        if place.is_relative_to(base.resolve()) and place.exists():
            return text
        return match.group()

    def picture(match: re.Match[str]) -> str:
        left, target = match.groups()
        place = (page.source.parent / html.unescape(target)).resolve()
        if target.startswith("data:") or not place.is_file():
            return match.group()
        pictures.add(place)
        return f'<img {left}src="pictures/{html.escape(place.name)}"'

    return Article(
        _PICTURE.sub(picture, _ANCHOR.sub(link, page.article.html)), page.article.contents
    )


def _index(chapters: list[Page], guides: list[Page]) -> Article:
    rows = [{"file": page.file, "title": page.title, **page.facts} for page in chapters]
    body = _render(
        "index.html.jinja",
        chapters=rows,
        guides=guides,
        exercises=sum(len(row["exercises"]) for row in rows),
    )
    return Article(body, [])


def style(name: str) -> str:
    """Return one of our style sheets, with the colours of code; slides are always light."""
    own, code = ((TEMPLATES / n).read_text(encoding="utf-8") for n in (name, "code.css"))
    return own + (code if name == "site.css" else code.partition("@media")[0])


def _render(template: str, **values: Any) -> str:
    """Fill a template; ``body`` is HTML already, and so are a chapter's facts."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    values.update(css=Markup(style("site.css")), course=COURSE)
    if "body" in values:
        values["body"] = Markup(values["body"])
    for row in values.get("chapters", []):
        row["question"], row["time"] = Markup(row["question"]), Markup(row["time"])
    return environment.get_template(template).render(**values)
