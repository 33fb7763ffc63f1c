"""Checking the pages: every link and anchor leads somewhere, and nothing is fetched from elsewhere.

Links to other sites are only looked at, never followed: the pages are made without the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FAR = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", re.IGNORECASE)


@dataclass
class _Page(HTMLParser):
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    without_alt: int = 0
    lang: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._style = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        if "id" in told:
            self.ids.append(told["id"])
        if tag == "html":
            self.lang = told.get("lang", "")
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag == "link" and "href" in told:
            self.loaded.append(told["href"])
        self.loaded += [told[name] for name in ("src", "srcset", "data", "poster") if name in told]
        if tag == "img" and not told.get("alt", "").strip():
            self.without_alt += 1
        self._style = tag == "style"
        self.loaded += _loaded_by(told.get("style", ""))

    def handle_data(self, text: str) -> None:
        if self._style:
            self.loaded += _loaded_by(text)

    def handle_endtag(self, tag: str) -> None:
        self._style = False


def _loaded_by(style: str) -> list[str]:
    return [first or second for first, second in _IN_STYLE.findall(style)]


def check_pages(folder: Path, may_load: str = "") -> list[str]:
    """Return a sentence for everything that is wrong with the pages of a folder.

    Args:
        folder: with ``*.html`` files that link to each other.
        may_load: the beginning of addresses elsewhere that may be loaded; "" for none.
    """
    pages = {}
    for path in sorted(folder.glob("*.html")):
        page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
        page.close()
        pages[path.name] = page
    return [text for name in pages for text in _wrong(name, pages, folder, may_load)]


def _wrong(name: str, pages: dict[str, _Page], folder: Path, may_load: str) -> list[str]:
    page = pages[name]
    found = []
    if not page.lang:
        found.append(f"{name} does not say its language")
    if page.without_alt:
        found.append(f"{name} has {page.without_alt} pictures without alternative text")
    for twice in sorted({i for i in page.ids if page.ids.count(i) > 1}):
        found.append(f"{name} has the anchor #{twice} twice")
    for target in page.loaded:
        if target.startswith("data:") or (may_load and target.startswith(may_load)):
            continue
        if _FAR.match(target):
            found.append(f"{name} loads {target} from elsewhere")
        elif not (folder / unquote(target)).is_file():
            found.append(f"{name} loads {target}, which is not there")
    for link in page.links:
        if _FAR.match(link):
            if not _is_address(link):
                found.append(f"{name} links to {link}, which is no address")
            continue
        path, _, anchor = unquote(link).partition("#")
        target_page = pages.get(path or name)
        if target_page is None and not (folder / path).is_file():
            found.append(f"{name} links to {link}, which is not there")
        elif anchor and (target_page is None or anchor not in target_page.ids):
            found.append(f"{name} links to {link}, and there is no #{anchor}")
    return found


def _is_address(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", parts.path) is not None
    host = parts.hostname or ""
    return (
        parts.scheme in ("http", "https")
        and re.fullmatch(r"[\w-]+(\.[\w-]+)+", host) is not None
        and " " not in link
    )
