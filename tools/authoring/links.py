"""Checking the pages: every link and anchor leads somewhere, and nothing is fetched from elsewhere.

Links to other sites are only looked at, never followed: the pages are made without the network.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bs4 import BeautifulSoup

_FAR = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", re.IGNORECASE)
_HTTP = re.compile(r"https?://[\w-]+(\.[\w-]+)+(:\d+)?([/?#]\S*)?", re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^@\s]+@[^@\s]+\.\w+", re.IGNORECASE)
LOADING = ("src", "srcset", "data", "poster")  # attributes that make a browser fetch something


def check_pages(folder: Path, may_load: str = "") -> list[str]:
    """Return a sentence for everything that is wrong with the pages of a folder.

    Args:
        folder: with ``*.html`` files that link to each other.
        may_load: the beginning of addresses elsewhere that may be loaded; "" for none.
    """
    pages: dict[str, Any] = {
        path.name: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(folder.glob("*.html"))
    }
    ids = {name: Counter(t["id"] for t in page.find_all(id=True)) for name, page in pages.items()}
    found = []
    for name, page in pages.items():
        if not page.find("html", lang=True):
            found.append(f"{name} does not say its language")
        without_alt = sum(not image.get("alt", "").strip() for image in page.find_all("img"))
        if without_alt:
            found.append(f"{name} has {without_alt} pictures without alternative text")
        found += [f"{name} has the anchor #{i} twice" for i, n in ids[name].items() if n > 1]
        for target in _loaded(page):
            if target.startswith("data:") or (may_load and target.startswith(may_load)):
                continue
            if _FAR.match(target):
                found.append(f"{name} loads {target} from elsewhere")
            elif not (folder / unquote(target)).is_file():
                found.append(f"{name} loads {target}, which is not there")
        for link in (tag["href"] for tag in page.find_all("a", href=True)):
            if _FAR.match(link):
                if not (_HTTP.fullmatch(link) or _MAIL.fullmatch(link)):
                    found.append(f"{name} links to {link}, which is not an address")
                continue
            path, _, anchor = unquote(link).partition("#")
            if (path or name) not in pages and not (folder / path).is_file():
                found.append(f"{name} links to {link}, which is not there")
            elif anchor and anchor not in ids.get(path or name, ()):
                found.append(f"{name} links to {link}, and there is no #{anchor}")
    return found


def _loaded(page: Any) -> list[str]:
    """Return everything that a browser fetches to show a page."""
    loaded = [tag["href"] for tag in page.find_all("link", href=True)]
    loaded += [tag[name] for name in LOADING for tag in page.find_all(attrs={name: True})]
    styles = [tag.get_text() for tag in page.find_all("style")]
    styles += [tag["style"] for tag in page.find_all(style=True)]
    return loaded + [a or b for style in styles for a, b in _IN_STYLE.findall(style)]
