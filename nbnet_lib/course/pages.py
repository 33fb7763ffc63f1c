"""A chapter as a page: nbconvert with templates of our own, solutions and answers folded.

The stored solution is what is shown; nothing is run. `article` gives the text of the page, and
`nbnet_lib.course.site` puts a frame around it.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import nbformat

from nbnet_lib.course.quiz import as_html, load_quiz, question_html
from nbnet_lib.course.source import BEGIN, END, cut_solution

TEMPLATES = Path(__file__).parent / "templates"
# Lines that only help where there is a kernel.
_LIVE = re.compile(r"^(Move the controls below|Click a letter for each).*\n?", re.MULTILINE)
_HEADING = re.compile(r'<h([1-4]) id="([^"]*)">(.*?)<a class="anchor-link"[^>]*>.*?</a>', re.DOTALL)


@dataclass(frozen=True)
class Article:
    """The text of a page.

    Attributes:
        html: without a frame.
        contents: its headings of level 2 and 3, as (level, anchor, text).
    """

    html: str
    contents: list[tuple[int, str, str]]


def exporter(template: str) -> Any:
    """Return an nbconvert exporter that uses one of our templates."""
    from nbconvert import HTMLExporter

    return HTMLExporter(
        template_name=template, extra_template_basedirs=[str(TEMPLATES / "nbconvert")]
    )


def article(notebook: nbformat.NotebookNode, name: str) -> Article:
    """Return a solution notebook as the text of a page; the notebook is left as it is."""
    body, _ = exporter("nbnet_page").from_notebook_node(folded(notebook, name))
    return with_contents(body)


def folded(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return a copy for readers without a kernel: solutions apart, quizzes with their answers."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        if cell.cell_type != "code":
            continue
        if BEGIN in cell.source:
            cell.metadata["solution"] = "\n".join(
                line for line in cell.source.splitlines() if line.strip() not in (BEGIN, END)
            )
            cell.source = cut_solution(cell.source, name)
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = _LIVE.sub("", output.text)
        asked = re.search(r'^quiz\(\s*"(\d\d)"\s*\)', cell.source, re.MULTILINE)
        if asked:
            told = {"text/html": _quiz(asked.group(1))}
            cell.outputs = [nbformat.v4.new_output("display_data", told)]
        cell.outputs = [o for o in cell.outputs if o.get("text", "-").strip()]
    return copy


def with_contents(body: str) -> Article:
    """Make the anchors of headings unique, the stars readable aloud, and list the headings."""
    seen: dict[str, int] = {}
    contents = []

    def heading(match: re.Match[str]) -> str:
        level, anchor, text = int(match.group(1)), unquote(html.unescape(match.group(2))), match[3]
        plain = html.unescape(re.sub(r"<[^>]+>", "", text)).strip()
        seen[anchor] = seen.get(anchor, 0) + 1
        if seen[anchor] > 1:
            anchor = f"{anchor}-{seen[anchor]}"
        if level in (2, 3):
            contents.append((level, anchor, plain))
        link = (
            f'<a class="anchor-link" href="#{quote(anchor)}" aria-label="Link to this part">#</a>'
        )
        return f'<h{level} id="{html.escape(anchor)}">{_stars(text)}{link}'

    return Article(_HEADING.sub(heading, body), contents)


def _stars(text: str) -> str:
    def told(match: re.Match[str]) -> str:
        count = len(match.group())
        label = f"{count} star{'s' if count > 1 else ''}"
        return f'<span class="stars" role="img" aria-label="{label}">{match.group()}</span>'

    return re.sub("★+", told, text)


def _quiz(chapter: str) -> str:
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
