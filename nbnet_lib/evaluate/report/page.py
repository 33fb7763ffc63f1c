"""One self-contained HTML file: no network, no scripts, images inside, light, dark and on paper.

>>> from nbnet_lib.evaluate.report import Facts, Figure, Paragraph, Section, Table, write_page
>>> write_page(
...     "report.html",
...     "Attack on synth",
...     [
...         Section(
...             "Verification",
...             [
...                 Paragraph("Thresholds come from originals."),
...                 Table(frame, "TAR in %, 95 % interval in brackets."),
...                 Figure(axes.figure, alt="ROC curves ...", caption="ROC."),
...             ],
...         )
...     ],
...     subtitle="300 identities that neither side was trained on",
...     facts={"Encoder": "synth", "Protocol": "synthfaces"},
...     command="nbnet evaluate --save report.html",
...     attachments={"result.json": json_text},
... )

The template is `page.html.jinja` with autoescape: a decoder named ``<script>`` is text. On top, the
page's own content security policy allows nothing but its inline style and its embedded images.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from nbnet_lib import __version__
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.report.blocks import Block, Figure, Row, Section, Table
from nbnet_lib.files import atomic_path

# Terms in the order in which a reader meets them.
GLOSSARY = {
    "Template": "What a recogniser keeps of a face picture: a list of numbers of length 1. The "
    "score of two templates is their cosine, −1 to 1; higher means more alike.",
    "Genuine, impostor": "A comparison of two pictures of one person; of two persons.",
    "FAR (FMR)": "False acceptance rate: the share of impostor comparisons whose score lies above "
    "the threshold. It sets the threshold; an impostor exactly at the threshold is refused.",
    "TAR (TMR)": "True acceptance rate: the share of genuine comparisons accepted at that same "
    "threshold. FNMR is 1\u00a0−\u00a0TAR.",
    "Original": "Other pictures of the person, as an honest user would show: the rate that the "
    "attacks are to be compared with.",
    "Type-I": "The attack: a face is reconstructed from a leaked template and compared with the "
    "very picture that the template came from.",
    "Type-II": "The same reconstruction, compared with other pictures of the same person (SAR in "
    "newer work).",
    "Judge, gap": "A recogniser that took no part in the training and looks at the same "
    "reconstructions, at thresholds of its own; the target's TAR less the judge's: what of the "
    "attack does not carry over.",
    "EER": "Equal error rate: FMR and FNMR where they are equal.",
    "ROC, DET": "TAR over FAR for all thresholds; the two errors over each other, on axes where "
    "normally distributed scores give a straight line.",
    "Rank-k, CMC": "The share of probes whose person is among the k most alike in a gallery; this "
    "share over k.",
    "95 % interval": "How far the number could move with other people of the same kind: identities "
    "are drawn anew, each with all of its comparisons. Comparisons that share a person are not "
    "independent, so an interval over single comparisons would be too narrow.",
}


def write_page(
    path: str | os.PathLike[str], title: str, sections: Sequence[Section], **parts: Any
) -> Path:
    """Write the page of `render_page`, whole or not at all, and return its path.

    Args:
        path: the ``.html`` file to make or replace.
        title: of the page.
        sections: what it holds.
        parts: the other arguments of `render_page`.

    Raises:
        NbnetError: the folder cannot be written to, or a block is of no known kind.
    """
    # A file name may hold half a surrogate pair.
    html = render_page(title, sections, **parts).encode("utf-8", "replace")
    with atomic_path(path, needed=len(html)) as temporary:
        temporary.write_bytes(html)
    return Path(path)


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    facts: Mapping[str, Any] | None = None,
    command: str = "",
    glossary: Mapping[str, str] | None = GLOSSARY,
    attachments: Mapping[str, str] | None = None,
) -> str:
    """Return the HTML that `write_page` writes; the same input gives the same text.

    Args:
        title: of the page.
        sections: what it holds, see `nbnet_lib.evaluate.report.blocks`.
        subtitle: a line below the title.
        facts: names and values below it.
        command: what made the report; printed at the end.
        glossary: {term: meaning}, printed at the end as "How to read this report"; None for none.
        attachments: {file name: text} that a reader can save from the page, such as the JSON.

    Raises:
        NbnetError: a block is of no known kind.
    """
    from jinja2 import Environment, StrictUndefined  # only a report needs it
    from markupsafe import Markup

    folder = resources.files(__package__)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(prose=_prose, ident=id)
    template = environment.from_string((folder / "page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        subtitle=subtitle,
        facts=dict(facts or {}),
        sections=[_numbered(section, i) for i, section in enumerate(sections, start=1)],
        numbers=_numbers(sections),
        command=command,
        glossary=dict(glossary or {}),
        attachments={
            name: "data:application/octet-stream;base64," + base64.b64encode(text.encode()).decode()
            for name, text in (attachments or {}).items()
        },
        style=Markup((folder / "page.css").read_text(encoding="utf-8")),
        version=__version__,
    )


def _numbered(section: Section, number: int) -> dict[str, Any]:
    return {"title": section.title, "anchor": f"part-{number}", "blocks": section.blocks}


def _numbers(sections: Sequence[Section]) -> dict[int, int]:
    """Number tables and figures through the page: {id of the block: number}."""
    numbers: dict[int, int] = {}
    counts = {Table: 0, Figure: 0}

    def walk(blocks: Sequence[Block]) -> None:
        for block in blocks:
            if isinstance(block, Row):
                walk(block.blocks)
            elif isinstance(block, Table | Figure):
                counts[type(block)] += 1
                numbers[id(block)] = counts[type(block)]
            elif not isinstance(block, Block):
                raise NbnetError(
                    f"a {type(block).__name__} is no part of a report: wrap it in a block such as "
                    "Paragraph, Table or Figure"
                )

    for section in sections:
        walk(section.blocks)
    return numbers


def _prose(text: str) -> Any:
    """Return text as HTML: escaped, with `backticks` as code."""
    from markupsafe import Markup, escape

    parts = re.split(r"`([^`]+)`", str(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
