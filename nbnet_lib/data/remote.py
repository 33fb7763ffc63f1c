"""Download one file from the first of its mirrors that gives it, whole and verified.

    download(RemoteFile("lfw.tgz", ("https://...",), sha256="..."), "downloads")

A cut line is the usual case with files of many GB, so what has come is kept as ``NAME.part`` and
the rest is asked for (RFC 9110, section 14: Range). Bytes of two days or two servers are only put
together where a checksum vouches for the result. `pooch` would do all this but for the resuming: it
begins with the first byte each time.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_writable_folder

BLOCK = 1 << 16  # bytes; of a line that is cut, at most so many are lost
BUSY = (408, 429, 500, 502, 503, 504)  # HTTP statuses after which asking again may help
THIS_MACHINE = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        name: what the file is called in the user's folder.
        urls: where it is served, in the order of preference. Empty for what is only given on
            request: `download` then takes the copy in the folder.
        sha256: its SHA-256 in lower-case hexadecimal digits, or None where none is published.
        md5: its MD5, likewise. Older data sets publish only this one.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    md5: str | None = None

    @property
    def checksum(self) -> str:
        """The checksum as users compare it: "SHA-256 ab12...", "MD5 cd34..." or "" if unknown."""
        if self.sha256:
            return f"SHA-256 {self.sha256}"
        return f"MD5 {self.md5}" if self.md5 else ""

    def fault(self, path: str | os.PathLike[str]) -> str | None:
        """Return what is wrong with a copy of this file as a clause, or None when it is right."""
        if not self.checksum:
            return None
        kind, expected = self.checksum.split()
        with open(path, "rb") as file:
            digest = hashlib.new(kind.replace("-", ""), usedforsecurity=False)
            while block := file.read(BLOCK):
                digest.update(block)
        if digest.hexdigest() == expected:
            return None
        return f"its {kind} is {digest.hexdigest()}, expected {expected}"


def download(
    file: RemoteFile,
    folder: str | Path,
    progress: bool = True,
    timeout: float = 30.0,
    attempts: int = 4,
) -> Path:
    """Return the path of ``file`` in ``folder``; download it unless it is there and right.

    Args:
        file: what is wanted.
        folder: where it is put; made if needed.
        progress: show a bar on stderr.
        timeout: seconds to wait for a connection, and for more bytes.
        attempts: how often a mirror that is busy, or a line that is cut, is tried.

    Raises:
        NbnetError: the file in the folder is another one (it is left as it is), no mirror gives it,
            it is only given on request (no ``urls``), or the disk is full.
    """
    folder = require_writable_folder(folder)
    path, part = folder / file.name, folder / f"{file.name}.part"
    with FileLock(folder / f".{file.name}.lock"):
        if path.exists():
            if fault := file.fault(path):
                raise NbnetError(
                    f"{path} is there, but it is not the published file ({fault}): move it away to "
                    "download it, or replace it with the right one"
                )
            return path
        answers = []
        for url in file.urls:
            fault = _from_mirror(url, file, part, progress, timeout, attempts)
            if fault is None:
                os.replace(part, path)
                return path
            answers.append(f"{url}: {fault}")
    raise NbnetError(
        f"could not download {file.name}: {'; '.join(answers) or 'it is given on request only'}: "
        f"try again later, or put the file ({file.checksum or 'no published checksum'}) there by "
        f"hand: {path}"
    )


def _from_mirror(
    url: str, file: RemoteFile, part: Path, progress: bool, timeout: float, attempts: int
) -> str | None:
    """Fill ``part`` from one address; return what went wrong, or None when it is whole."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(attempts - 1, backoff_factor=0.5, status_forcelist=BUSY, raise_on_status=False)
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"  # the file's own bytes
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        while True:
            # Without a checksum nothing vouches for the bytes of an earlier call.
            resumes = bool(file.checksum) and part.exists()
            if not resumes:
                part.unlink(missing_ok=True)
            elif file.fault(part) is None:
                return None
            try:
                _transfer(session, url, file, part, progress, timeout, attempts)
            except requests.RequestException as error:
                return str(error)
            except OSError as error:
                raise NbnetError(
                    f"cannot write to {part} ({error.strerror or error}): make room there and run "
                    "it again; it resumes"
                ) from error
            fault = file.fault(part)
            if fault is None:
                return None
            part.unlink()
            if not resumes:  # otherwise the old part may be to blame: once more, from its start
                return f"it sent another file: {fault}"


def _transfer(
    session: Any,
    url: str,
    file: RemoteFile,
    part: Path,
    progress: bool,
    timeout: float,
    attempts: int,
) -> None:
    """Append to ``part`` what is missing; a cut line is tried again, with the rest only."""
    import requests

    version = ""  # entity tag: the server must still have the same bytes (RFC 9110, 13.1.5)
    for left in reversed(range(attempts)):
        start = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={start}-"} if start and (version or file.checksum) else {}
        if headers and version:
            headers["If-Range"] = version
        _require_safe(url, file)
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            _require_safe(response.url, file)
            if response.status_code == 416:  # the part is longer than the file
                part.unlink()
                continue
            response.raise_for_status()
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise requests.RequestException("it sent a web page instead of the file")
            resumed = response.status_code == 206
            if resumed and not response.headers["Content-Range"].startswith(f"bytes {start}-"):
                raise requests.RequestException("it sent another part of the file than asked for")
            tag = response.headers.get("ETag", "")
            version = tag if tag.startswith('"') else ""  # not a weak one: those allow other bytes
            start = start if resumed else 0
            length = response.headers.get("Content-Length")
            bar = tqdm(
                desc=file.name,
                initial=start,
                total=start + int(length) if length else None,
                unit="B",
                unit_scale=True,
                delay=0.3,
                disable=not progress,
            )
            try:
                with bar, open(part, "ab" if resumed else "wb") as out:
                    for block in response.iter_content(BLOCK):
                        out.write(block)
                        bar.update(len(block))
                return
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                if not left:
                    raise
    raise requests.RequestException("it has no such part of the file")


def _require_safe(url: str, file: RemoteFile) -> None:
    """Refuse an address on which anybody on the way could exchange the bytes unseen."""
    address = urlsplit(url)
    safe = address.scheme == "https" or address.hostname in THIS_MACHINE
    if not safe and not file.checksum:
        raise NbnetError(
            f"{url} of {file.name} is not encrypted, and no checksum is known: give its sha256 or "
            "an https address"
        )
