"""Fetch one file from the first of its mirrors that gives it, whole and verified.

    fetch(RemoteFile("lfw.tgz", ("https://...",), sha256="..."), "downloads")

A download that stops (a cut line, Ctrl-C, a killed process, a full disk) goes on where it was when
it is asked for again; the file gets its name only when its length and its checksum are right. When
no mirror gives it, the error says what each one answered and how to put the file there by hand.

Why not `pooch` (1.9): it compares checksums and tries again, but knows one address for a file and
always begins with the first byte, and a cut is the usual case with files of many GB. `requests`
does the work below (certificates, proxies from the environment, redirections one by one).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nbnet_lib.data.fetch.locks import alone
from nbnet_lib.data.fetch.partial import Partial
from nbnet_lib.data.fetch.remote import RemoteFile, is_https
from nbnet_lib.data.fetch.transfer import MirrorFailed, TryAgain, transfer
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_free_space, require_writable_folder

__all__ = ["RemoteFile", "fetch"]

STEP = 1 << 20  # bytes that must have come for a mirror to get all its attempts anew
LONGEST_PAUSE = 30.0  # seconds between two attempts


def fetch(
    file: RemoteFile,
    folder: str | Path,
    progress: bool = True,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> Path:
    """Return the path of ``file`` in ``folder``; download it unless it is there and right.

    Mirrors are asked in the order of ``file.urls``, https before http. A mirror that is cut, stalls
    or is overloaded is asked again, after a pause that doubles; one that has no such file, sends a
    web page or another file is not. Calls for the same file in other processes wait for this one.
    Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY).

    Args:
        file: what is wanted.
        folder: where it is put; made if needed. ``NAME.part`` there is what has come so far.
        progress: show a bar, and what goes wrong on the way, on stderr.
        timeout: seconds to wait for a connection, and for more bytes.
        attempts: how often a mirror is asked without a megabyte more having come, 1 or more.
        pause: seconds before the second attempt.

    Raises:
        NbnetError: the file in the folder is another one (it is left as it is), no mirror gives it,
            it is only given on request (no ``urls``), or the disk is full.
    """
    if attempts < 1 or timeout <= 0 or pause < 0:
        raise NbnetError(
            f"attempts={attempts}, timeout={timeout}, pause={pause}: expected 1 or more attempts, "
            "more than 0 seconds to wait and no negative pause"
        )
    folder = require_writable_folder(folder)
    path = folder / file.name
    with alone(folder, file.name, "downloading", progress):
        if path.exists():
            return _taken(file, path, progress)
        if not file.urls:
            raise NbnetError(f"{file.name} cannot be downloaded: {_by_hand(file, path)}")
        partial = Partial(folder, file.name)
        if file.bytes is not None:
            require_free_space(folder, file.bytes - min(partial.size, file.bytes))
        if _whole(file, partial):  # killed just before it got its name
            partial.finish(path)
            return path
        _Download(file, partial, progress, timeout, attempts, pause).run(path)
    return path


class _Download:
    """One download: the mirrors one after the other, each as often as it makes sense."""

    def __init__(
        self,
        file: RemoteFile,
        partial: Partial,
        progress: bool,
        timeout: float,
        attempts: int,
        pause: float,
    ):
        self.file, self.partial, self.progress = file, partial, progress
        self.timeout, self.attempts, self.pause = timeout, attempts, pause

    def run(self, path: Path) -> None:
        import requests

        import nbnet_lib

        answers = []
        with requests.Session() as session, self._bar() as bar:
            session.headers["User-Agent"] = f"nbnet/{nbnet_lib.__version__}"
            session.headers["Accept-Encoding"] = "identity"  # the file's own bytes, to count them
            for url in sorted(self.file.urls, key=lambda url: not is_https(url)):
                try:
                    self._from_mirror(session, url, bar)
                except MirrorFailed as error:
                    answers.append(f"{url}: {error}")
                    self._tell(bar, answers[-1])
                else:
                    self.partial.finish(path)
                    return
        kept = self.partial.size
        raise NbnetError(
            f"could not download {self.file.name}: {'; '.join(answers)}"
            + (f"; {kept:,} bytes have come and are kept for the next try" if kept else "")
            + f": try again later, or {_by_hand(self.file, path)}"
        )

    def _from_mirror(self, session: Any, url: str, bar: Any) -> None:
        """Bring the part to its full length, verified, or raise MirrorFailed."""
        left, pause, best = self.attempts, self.pause, self.partial.size
        inherited = best > 0  # from another mirror, or another day
        while True:
            try:
                transfer(session, self.file, url, self.partial, bar, self.timeout)
            except TryAgain as error:
                # Each megabyte that was never here before earns all attempts again; a server that
                # is cut at the same byte each time does not.
                if self.partial.size >= best + STEP:
                    left, pause, best = self.attempts, self.pause, self.partial.size
                left -= 1
                if not left:
                    raise MirrorFailed(f"{error} (the last of {self.attempts} tries)") from error
                self._tell(bar, f"{url}: {error}; trying again")
                time.sleep(max(pause, error.wait))
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            fault = self.file.fault(self.partial.path, self.progress)
            if fault is None:
                return
            self.partial.discard()
            if not inherited:
                raise MirrorFailed(f"it sent another file: {fault}")
            inherited = False
            self._tell(bar, f"{url}: {fault}, with a part that was here before; starting anew")

    def _bar(self) -> tqdm:
        return tqdm(
            desc=self.file.name,
            initial=self.partial.size,
            total=self.file.bytes,
            unit="B",
            unit_scale=True,
            delay=0.3,
            disable=not self.progress,
        )

    def _tell(self, bar: tqdm, text: str) -> None:
        if self.progress:
            bar.write(text, file=sys.stderr)


def _taken(file: RemoteFile, path: Path, progress: bool) -> Path:
    """Return the file that is in the folder already, if it is the right one."""
    fault = "it is no file" if not path.is_file() else file.fault(path, progress)
    if fault:
        raise NbnetError(
            f"{path} is there, but it is not the published file ({fault}): move it away to "
            "download it, or replace it with the right one"
        )
    return path


def _whole(file: RemoteFile, partial: Partial) -> bool:
    """Tell whether the part has all its bytes; drop it if it has them and they are wrong."""
    total = file.bytes
    if total is None and (origin := partial.origin()):
        total = origin.total
    if total is None or partial.size < total:
        return False
    if partial.size == total and file.fault(partial.path) is None:
        return True
    partial.discard()
    return False


def _by_hand(file: RemoteFile, path: Path) -> str:
    verify = f" ({file.checksum})" if file.has_checksum else ""
    return f"put the file{verify} there by hand: {path}"
