"""Files that are either whole or not there: atomic writes, disk space, checksums, the cache."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nbnet_lib.errors import NbnetError

# What a write answers when there is no room: disk full, quota used up, file size limit.
_NO_ROOM = {getattr(errno, n) for n in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, n)}


@contextmanager
def atomic_path(path: str | os.PathLike[str], needed: int = 0) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it when the block ends well.

    A reader sees the old file or the new one, never half of one; a block that raises (or a process
    that dies) leaves ``path`` as it was.

    Args:
        path: the file to make or replace.
        needed: its bytes, where known: the free space is checked before anything is written.

    Raises:
        NbnetError: the folder of ``path`` cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    require_writable_folder(path.parent)
    require_free_space(path.parent, needed)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with room_for(path.parent, needed):
        try:
            # The mode of an ordinary new file: the system applies the umask.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            with open(temporary, "rb+") as file:  # onto the disk before the name points at it
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def room_for(folder: Path, needed: int = 0) -> Iterator[None]:
    """Turn "no space left" while writing into ``folder`` into one sentence.

    Raises:
        NbnetError: the disk is full, or a quota is used up.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(folder, needed, error.strerror or str(error)) from error
        raise


@contextmanager
def only_writer(folder: Path, doing: str) -> Iterator[None]:
    """Keep other processes from writing to ``folder`` at the same time.

    Raises:
        NbnetError: one does already; ``doing`` says what ("aligning into").
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise NbnetError(
            f"another process is {doing} {folder}: wait for it or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def require_writable_folder(folder: str | os.PathLike[str]) -> Path:
    """Make ``folder`` if needed and return it.

    Raises:
        NbnetError: it cannot be made, is a file, or cannot be written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NbnetError(
            f"cannot write to the folder {folder} ({error.strerror or error}): "
            "choose another folder or give yourself write access to this one"
        ) from error
    return folder


def require_free_space(folder: str | os.PathLike[str], needed: int) -> None:
    """Raise unless ``needed`` bytes are free on the disk of ``folder``, which must exist.

    Raises:
        NbnetError: they are not; it names the folder, what is needed and what is free.
    """
    if needed and shutil.disk_usage(folder).free < needed:
        raise _no_room(Path(folder), needed, "the disk is full")


def _no_room(folder: Path, needed: int, reason: str) -> NbnetError:
    amount = f"{needed / 1e6:,.1f} MB" if needed else "a file"
    free = shutil.disk_usage(folder).free / 1e6
    return NbnetError(
        f"cannot write {amount} to the folder {folder} ({reason}; {free:,.1f} MB are free): "
        "make room there or choose another folder"
    )


def sha256_file(*paths: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, or of several one behind the other: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def cache_dir() -> Path:
    """Return the folder for things that can be made again (``$NBNET_CACHE`` overrides it)."""
    override = os.environ.get("NBNET_CACHE")
    return Path(override) if override else user_dir("Caches", "XDG_CACHE_HOME", ".cache")


def data_dir() -> Path:
    """Return the folder for what cannot be made again, such as a learner's progress."""
    return user_dir("Application Support", "XDG_DATA_HOME", ".local/share")


def user_dir(mac: str, variable: str, linux: str) -> Path:
    """Return the library's folder in this person's home, where the system wants things to be.

    Where there is no home that can be written to it is among the temporary files, with a note.

    Args:
        mac: folder in ``~/Library``; Windows has one for all.
        variable: environment variable that names the folder on Linux.
        linux: the folder in the home folder, where the variable is not set.
    """
    home = Path(os.path.expanduser("~"))  # Path.home() raises where nobody knows it
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / mac
    else:
        base = Path(os.environ.get(variable) or home / linux)
    existing = next((p for p in (base / "nbnet", *base.parents) if p.is_dir()), base)
    try:
        with tempfile.TemporaryFile(dir=existing):
            return base / "nbnet"
    except OSError:
        from synthfaces.places import temporary_home  # slow to import, and seldom needed

        return temporary_home()
