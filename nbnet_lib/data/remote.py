"""Download one file from the first of its mirrors that gives it, whole and verified.

    download(RemoteFile("lfw.tgz", ("https://...",), sha256="..."), "downloads")

A cut line is the usual case with files of many GB, so where a checksum vouches for the result, what
has come is kept as ``NAME.part`` and the rest is asked for (RFC 9110, section 14: Range). `pooch`
would do all this but for the resuming: it begins with the first byte each time.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder, sha256_file

BLOCK = 1 << 16  # bytes; of a line that is cut, at most so many are lost
BUSY = (408, 429, 500, 502, 503, 504)  # HTTP statuses after which asking again may help
WAIT = 0.5  # seconds, doubled with each try
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


def as_first_seen(file: RemoteFile, folder: Path) -> RemoteFile:
    """Return ``file`` with the checksum that ``NAME.sha256`` beside it holds, where none is known.

    `download` records there what came first, so that another file later is noticed.
    """
    record = folder / f"{file.name}.sha256"
    if file.checksum or not record.is_file():
        return file
    found = re.match("[0-9a-f]{64}(?= )", record.read_text(encoding="utf-8", errors="replace"))
    return replace(file, sha256=found[0]) if found else file


def _record(file: RemoteFile, path: Path) -> None:
    """Keep the checksum of a file of which nobody publishes one, and say so."""
    digest = sha256_file(path)
    with atomic_path(path.with_name(f"{path.name}.sha256")) as temporary:
        temporary.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
    print(
        f"note: nobody publishes a checksum of {file.name}: that of what came, SHA-256 {digest}, "
        f"is kept in {path.name}.sha256 and compared from now on",
        file=sys.stderr,
    )


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
    published, file = file, as_first_seen(file, folder)
    which = "the published file" if published.checksum else f"what {file.name}.sha256 says"
    path, part = folder / file.name, folder / f"{file.name}.part"
    with FileLock(folder / f".{file.name}.lock"):
        if path.exists():
            if fault := file.fault(path):
                raise NbnetError(
                    f"{path} is there, but it is not {which} ({fault}): move it away to "
                    "download it, or replace it with the right one"
                )
            return path
        answers = []
        for url in file.urls:
            fault = _from_mirror(url, file, part, progress, timeout, attempts)
            if fault is None:
                os.replace(part, path)
                if not file.checksum:
                    _record(file, path)
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

    fault = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(WAIT * 2**attempt)
        # Without a checksum nothing vouches for the bytes of two answers.
        resumes = part.exists() and bool(file.checksum)
        if not resumes:
            part.unlink(missing_ok=True)
        elif file.fault(part) is None:
            return None
        try:
            _transfer(url, file, part, progress, timeout)
            fault = file.fault(part)
            if fault is None:
                return None
            part.unlink()
            fault = f"it sent another file: {fault}"
            if not resumes:  # otherwise the old part may be to blame: once more, from its start
                return fault
        except requests.RequestException as error:
            fault = str(error)
            status = error.response.status_code if error.response is not None else None
            if status == 416:  # the part is longer than the file
                part.unlink()
            elif status is not None and status not in BUSY:
                return fault
        except OSError as error:
            raise NbnetError(
                f"cannot write to {part} ({error.strerror or error}): make room there and run it "
                "again; it resumes"
            ) from error
    return fault


def _transfer(url: str, file: RemoteFile, part: Path, progress: bool, timeout: float) -> None:
    """Append to ``part`` what is missing."""
    import requests

    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # the file's own bytes
    headers |= {"Range": f"bytes={start}-"} if start else {}
    _require_safe(url, file)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        _require_safe(response.url, file)
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            message = "it sent a web page instead of the file"
            raise requests.HTTPError(message, response=response)
        start = start if response.status_code == 206 else 0
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
        with bar, open(part, "ab" if start else "wb") as out:
            for block in response.iter_content(BLOCK):
                out.write(block)
                bar.update(len(block))


def _require_safe(url: str, file: RemoteFile) -> None:
    """Refuse an address on which anybody on the way could exchange the bytes unseen."""
    address = urlsplit(url)
    safe = address.scheme == "https" or address.hostname in THIS_MACHINE
    if not safe and not file.checksum:
        raise NbnetError(
            f"{url} of {file.name} is not encrypted, and no checksum is known: give its sha256 or "
            "an https address"
        )
