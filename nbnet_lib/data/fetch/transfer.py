"""One request for one file: start it or go on with it, and notice whatever can go wrong.

Three outcomes: the part has all the bytes that the server said there are; `TryAgain`, when the same
mirror may well do better in a moment (cut, stalled, overloaded); `MirrorFailed`, when it will not
(not found, a login page, another file). `fetch` in download.py decides what happens then.
"""

from __future__ import annotations

import email.utils
import http
import re
import time
from typing import Any, NoReturn
from urllib.parse import urljoin

from nbnet_lib.data.fetch.partial import Origin, Partial
from nbnet_lib.data.fetch.remote import RemoteFile, is_https
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_free_space

BLOCK = 1 << 16
MOST_REDIRECTIONS = 10
SLOWEST = 1024  # bytes per second: below it a line counts as stalled
# What a server answers when it may do better later (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4).
BUSY = (408, 425, 429, 500, 502, 503, 504)
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait


class TryAgain(Exception):
    """The same mirror may do better: why it did not, and the seconds it asked to wait."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


class MirrorFailed(Exception):
    """This mirror does not give the file: why."""


def transfer(
    session: Any, file: RemoteFile, url: str, partial: Partial, bar: Any, timeout: float
) -> None:
    """Ask ``url`` for what is missing of ``file`` and append it to ``partial``.

    Args:
        session: a `requests.Session`.
        file: what is wanted. Its checksum is for the caller to compare.
        url: one of its mirrors.
        partial: what is there; started anew where it does not fit what the server has.
        bar: a tqdm bar of bytes.
        timeout: seconds to wait for a connection, and for more bytes.

    Raises:
        TryAgain: cut, stalled, overloaded, or the part did not fit and was dropped.
        MirrorFailed: asking this mirror again is of no use.
        NbnetError: the disk is full.
    """
    start = _usable(file, url, partial)
    headers = {}
    origin = partial.origin()
    if start:
        headers["Range"] = f"bytes={start}-"
        if origin and origin.url == url and origin.version:
            headers["If-Range"] = origin.version
    with _request(session, file, url, headers, timeout) as response:
        body = _Body(response, timeout)
        if response.status_code == 206:
            start, new = _rest(response, file, url, start, partial)
            first = b""
        elif response.status_code == 416 and start:
            _require_all_here(response, file, partial)
            return
        else:
            _require_ok(response)
            start, new = 0, Origin(url, _version(response), _length(response))
            first = body.start()
            # All of this before the old part goes: a login page is no reason to lose it.
            _refuse_page(response, file, first)
            _refuse_length(response, file, new.total)
        # What is here is gone on with, or makes room.
        require_free_space(partial.path.parent, (new.total or file.bytes or 0) - partial.size)
        if start:
            partial.go_on(new, start)
        else:
            partial.begin(new)
        bar.total = new.total or file.bytes
        bar.n = start
        _write(body, first, file, new, partial, bar)


def _usable(file: RemoteFile, url: str, partial: Partial) -> int:
    """Return how many of the bytes that are here can be kept.

    With a checksum all of them, from whichever mirror: a wrong one is noticed at the end. Without
    one, only those of this address, and only if it can tell that it still has the same version.
    """
    if file.bytes is not None and partial.size >= file.bytes:
        return 0  # `fetch` has looked at it already: it is wrong
    origin = partial.origin()
    same = origin is not None and origin.url == url and bool(origin.version)
    return partial.size if file.has_checksum or same else 0


def _request(session: Any, file: RemoteFile, url: str, headers: dict, timeout: float) -> Any:
    """Return the answer to a GET, its body unread, after redirections that are safe to follow."""
    import requests

    address = url
    for _ in range(MOST_REDIRECTIONS):
        try:
            response = session.get(
                address, headers=headers, stream=True, allow_redirects=False, timeout=timeout
            )
        except requests.exceptions.SSLError as error:
            raise MirrorFailed(f"its certificate is refused ({plain(error)})") from error
        except requests.exceptions.Timeout as error:
            raise TryAgain(f"no answer for {timeout:g} s") from error
        except requests.exceptions.ConnectionError as error:
            raise TryAgain(f"no connection ({plain(error)})") from error
        except requests.exceptions.RequestException as error:
            raise MirrorFailed(f"it cannot be asked ({plain(error)})") from error
        if not response.is_redirect:
            return response
        response.close()
        address = next_address(file, address, response.headers["Location"])
    raise MirrorFailed(f"more than {MOST_REDIRECTIONS} redirections")


def next_address(file: RemoteFile, address: str, location: str) -> str:
    """Return where a redirection leads.

    Raises:
        MirrorFailed: from https to http, or to an address that ``file`` may not be taken from.
    """
    target = urljoin(address, location)
    if is_https(address) and not is_https(target):
        raise MirrorFailed(f"it leads from https to {target}, which is not encrypted")
    try:
        file.check_address(target)
    except NbnetError as error:
        raise MirrorFailed(f"it leads elsewhere: {error}") from error
    return target


def _require_ok(response: Any) -> None:
    code = response.status_code
    if code == 200:
        return
    reason = f"HTTP {code} {_phrase(code)}".strip()
    if code in BUSY:
        raise TryAgain(reason, _retry_after(response.headers.get("Retry-After", "")))
    raise MirrorFailed(reason)


def _require_all_here(response: Any, file: RemoteFile, partial: Partial) -> None:
    """Judge an answer that there is nothing behind the part: it is the whole file, or another."""
    given = response.headers.get("Content-Range", "").strip()
    if not file.has_checksum or given != f"bytes */{partial.size}":
        _changed(partial)


def _phrase(code: int) -> str:
    try:
        return http.HTTPStatus(code).phrase
    except ValueError:
        return ""


def _retry_after(value: str) -> float:
    """Return the seconds that a server asks to wait; 0 if it does not say."""
    if value.isdecimal():
        return min(float(value), LONGEST_WAIT)
    try:
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _rest(
    response: Any, file: RemoteFile, url: str, start: int, partial: Partial
) -> tuple[int, Origin]:
    """Return where the rest of a file begins, and its origin; check that it is the rest of this.

    It may begin before the byte that was asked for: caches keep blocks (RFC 9110, 15.3.7).
    """
    given = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", given.strip())
    total = int(match[3]) if match and match[3] != "*" else None
    if total is not None:
        _refuse_length(response, file, total)
    old = partial.origin()
    version = _version(response)
    begin = int(match[1]) if match else -1
    fits = 0 <= begin <= start
    if old and old.url == url and old.version and version:
        fits = fits and version == old.version
    if old and old.total is not None and total is not None:
        fits = fits and total == old.total
    if not fits:
        _changed(partial)
    if old and old.url == url:
        version = version or old.version
    if total is None and old:
        total = old.total
    _refuse_length(response, file, total)
    return begin, Origin(url, version, total)


def _changed(partial: Partial) -> NoReturn:
    partial.discard()
    raise TryAgain("the file there is not the one that the download began with")


def _refuse_length(response: Any, file: RemoteFile, total: int | None) -> None:
    if file.bytes is not None and total is not None and total != file.bytes:
        raise MirrorFailed(f"it offers {total:,} bytes, expected {file.bytes:,}")
    if total is None and file.bytes is None and not file.has_checksum:
        if "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
            raise MirrorFailed(
                "it does not say how long the file is, and no checksum is known, so a cut could "
                "not be noticed"
            )


def _refuse_page(response: Any, file: RemoteFile, first: bytes) -> None:
    """Refuse a login, licence or error page that comes in place of the file."""
    if file.name.lower().endswith((".html", ".htm", ".xml", ".svg")):
        return
    text = first[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    stated = response.headers.get("Content-Type", "").lower()
    marked = text.startswith((b"<!doctype html", b"<html", b"<head"))
    if marked or (("html" in stated) and text.startswith(b"<")):
        title = re.search(rb"<title[^>]*>\s*(.{1,60}?)\s*</title>", first[:65536], re.I | re.S)
        named = f" titled {title[1].decode('utf-8', 'replace')!r}" if title else ""
        raise MirrorFailed(
            f"it sends a web page{named} instead of the file (a login or a licence may be asked "
            "for there)"
        )
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    # Some servers say "x-gzip" of a file that is a .tgz itself; those bytes are the file's own.
    if encoding != "identity" and not ("gzip" in encoding and file.name.endswith(("gz", "gzip"))):
        raise MirrorFailed(f"it packs the file on its way ({encoding}) though asked not to")


def _version(response: Any) -> str:
    """Return the name of the version that a server has: fit for If-Range, or ""."""
    tag = response.headers.get("ETag", "").strip()
    # A weak tag ("W/...") says that the content means the same, not that it is the same bytes.
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "").strip()


def _length(response: Any) -> int | None:
    if response.headers.get("Transfer-Encoding"):
        return None  # it comes in chunks, the last of which is marked
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


class _Body:
    """The bytes of an answer as they come, with an end to waiting."""

    def __init__(self, response: Any, timeout: float):
        # read1 gives what is there; plain read would wait until a whole block has come.
        self._read = getattr(response.raw, "read1", response.raw.read)
        self.timeout = timeout
        self.since, self.came = time.monotonic(), 0

    def start(self, enough: int = 512) -> bytes:
        """Return the first bytes: enough to see what it is, less only if there are no more."""
        start = block = self.read()
        while block and len(start) < enough:
            block = self.read()
            start += block
        return start

    def read(self) -> bytes:
        """Return the next bytes, b"" at the end.

        Raises:
            TryAgain: the line was cut, or nothing (or next to nothing) came for ``timeout`` s.
        """
        import urllib3

        try:
            block = self._read(BLOCK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise TryAgain(f"no bytes came for {self.timeout:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TryAgain("the line was cut") from error
        self.came += len(block)
        passed = time.monotonic() - self.since
        if passed >= self.timeout:
            if block and self.came < SLOWEST * passed:
                raise TryAgain(f"only {self.came:,} bytes came in {passed:.3g} s")
            self.since, self.came = time.monotonic(), 0
        return block


def _write(
    body: _Body, first: bytes, file: RemoteFile, new: Origin, partial: Partial, bar: Any
) -> None:
    """Append the body to the part, up to the length that was stated."""
    total = file.bytes if file.bytes is not None else new.total
    of = "" if total is None else f" of {total:,}"
    try:
        block = first or body.read()
        with open(partial.path, "ab") as part:
            while block:
                part.write(block)
                bar.update(len(block))
                if total is not None and part.tell() > total:
                    raise MirrorFailed(f"it sends more than the {total:,} bytes of the file")
                block = body.read()
    except MirrorFailed:
        partial.discard()
        raise
    except TryAgain as error:
        raise TryAgain(f"{error} after {partial.size:,}{of} bytes") from error
    except OSError as error:
        raise NbnetError(
            f"cannot write to {partial.path} ({error.strerror or error}): make room there and run "
            "it again; it goes on with what has come"
        ) from error
    if total is not None and partial.size < total:
        raise TryAgain(f"the line was cut after {partial.size:,}{of} bytes")


def plain(error: BaseException) -> str:
    """Return the operating system's word for what is behind an error of the network layers."""
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        one = todo.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            todo += [one.__cause__, getattr(one, "reason", None), *one.args, one.__context__]
    for one in reversed(seen):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return str(seen[-1]) or type(seen[-1]).__name__
