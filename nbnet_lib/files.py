"""Files that are either whole or not there: atomic writes, checksums, the cache folder."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbnet_lib.errors import NbnetError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it when the block ends well.

    A reader sees the old file or the new one, never half of one; a block that raises (or a process
    that dies) leaves ``path`` as it was.

    Raises:
        NbnetError: the folder of ``path`` cannot be made or written to.
    """
    path = Path(path)
    require_writable_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:  # onto the disk before the name points at it
            os.fsync(file.fileno())
        # mkstemp makes private files; give the result the mode of an ordinary new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_dir() -> Path:
    """Return the folder for things that can be made again (``$NBNET_CACHE`` overrides it)."""
    override = os.environ.get("NBNET_CACHE")
    if override:
        return Path(override)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "nbnet"
