"""Slides of each chapter for teaching: ``nbnet slides`` and ``make slides``.

A cell tagged ``slide``, ``subslide``, ``fragment`` or ``notes`` is on the slides, every other is
not. Of a code cell only the output is shown, unless it is tagged ``show-code`` too. They are shown
by reveal.js, which is loaded from the network or from a folder (``npm pack reveal.js@4``).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from authoring.links import check_pages
from authoring.pages import exporter, folded, style, with_contents
from authoring.sources import chapter_sources, course_root, first_heading, read_stored
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

REVEAL = "https://unpkg.com/reveal.js@4.6.1"
KINDS = ("slide", "subslide", "fragment", "notes")
_PARTS = ("dist/reveal.css", "dist/reveal.js", "dist/theme/white.css", "plugin/notes/notes.js")


def build_slides(
    output: str | Path = Path("build/slides"),
    reveal: str = REVEAL,
    only: Sequence[str] | None = None,
    root: str | Path | None = None,
) -> dict[str, Any]:
    """Write the slides of each chapter as ``NN_title.slides.html``.

    Args:
        output: folder for them.
        reveal: where reveal.js 4 is: an address, or a folder (that of an unpacked ``npm pack
            reveal.js``), which is copied beside the slides: they then work without the network.
        only: numbers or names of chapters; None for all.
        root: folder that holds ``solutions/``; found where it is None.

    Returns:
        {"folder": path, "slides": {file: how many}}.

    Raises:
        NbnetError: no reveal.js in the folder, a chapter without slides, or a folder that cannot be
            written.
    """
    folder = require_writable_folder(output)
    address = _reveal_for(reveal, folder)
    made = {}
    for source in chapter_sources(course_root(root), only):
        notebook = on_slides(read_stored(source.with_suffix(".ipynb")), source.name)
        title = first_heading(notebook) or source.stem
        frame = {"title": title, "reveal": address, "css": style("slides.css")}
        text, _ = exporter("nbnet_slides").from_notebook_node(notebook, resources={"slides": frame})
        name = f"{source.stem}.slides.html"
        with atomic_path(folder / name) as temporary:
            temporary.write_text(_alone(text), encoding="utf-8", newline="\n")
        made[name] = sum(cell.metadata.slide.begins_below for cell in notebook.cells)
    wrong = check_pages(folder, may_load=address)
    if wrong:
        raise NbnetError("; ".join(wrong))
    return {"folder": str(folder), "slides": made}


def on_slides(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return a copy with the cells of the slides only; each knows which slide it begins and ends.

    A slide may have others below it: reveal.js wants a section for the column and one for each.

    Raises:
        NbnetError: there are none.
    """
    copy = folded(notebook, name)
    kept: list[nbformat.NotebookNode] = []
    for cell in copy.cells:
        tags = cell.metadata.get("tags", [])
        kind = next((kind for kind in KINDS if kind in tags), None)
        if kind is None:
            continue
        first = not kept
        cell.metadata["slide"] = {
            "kind": kind,
            "begins": first or kind == "slide",
            "begins_below": first or kind in ("slide", "subslide"),
        }
        if cell.cell_type == "code" and "show-code" not in tags:
            cell.metadata["transient"] = {"remove_source": True}
        cell.metadata.pop("solution", None)  # the code that the room is to write
        kept.append(cell)
    if not kept:
        raise NbnetError(f"{name} has no cell tagged {', '.join(KINDS)}: there are no slides")
    for cell, after in zip(kept, [*kept[1:], None], strict=True):
        cell.metadata.slide["ends"] = after is None or after.metadata.slide.begins
        cell.metadata.slide["ends_below"] = after is None or after.metadata.slide.begins_below
    copy.cells = kept
    return copy


def _alone(text: str) -> str:
    """Leave only links to other sites: what a chapter links to is not on its slides."""
    text = re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', "", with_contents(text)[0])
    return re.sub(r'<a [^>]*href="(?!https?://)[^"]*"[^>]*>(.*?)</a>', r"\1", text, flags=re.DOTALL)


def _reveal_for(reveal: str, folder: Path) -> str:
    """Return where the slides find reveal.js; a folder is copied beside them."""
    if "://" in reveal:
        return reveal.rstrip("/")
    source = Path(reveal)
    missing = [part for part in _PARTS if not (source / part).is_file()]
    if missing:
        raise NbnetError(
            f"{reveal} holds no reveal.js 4 ({missing[0]} is missing): give the folder that "
            "`npm pack reveal.js@4` and unpacking make, or an address"
        )
    target = folder / "reveal.js"
    for part in ("dist", "plugin/notes"):
        shutil.copytree(source / part, target / part, dirs_exist_ok=True)
    return target.name
