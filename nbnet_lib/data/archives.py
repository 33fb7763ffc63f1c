"""Unpack an archive that somebody else made: all of it or nothing, and only inside its folder.

    unpack("downloads/lfw.tgz", "data/lfw")

The members are written to a hidden folder next to the target, which gets its name when everything
is there. `tarfile` (filter "data") and `zipfile` refuse or disarm paths, links and devices that
lead outside.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_writable_folder

# What the readers raise for archives that are damaged, encrypted or packed in an unknown way.
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
)


def unpack(
    archive: str | Path, folder: str | Path, progress: bool = True, flatten: bool = False
) -> Path:
    """Unpack a zip or tar (.gz, .bz2, .xz) archive as ``folder`` and return its path.

    Args:
        archive: the file; its kind is seen from its bytes.
        folder: what to make: not there yet, or empty. Its parent folders are made.
        progress: show a bar on stderr.
        flatten: where all of the archive is in one folder, make that one ``folder``: the
            lfw/Name/... of lfw.tgz becomes ``folder``/Name/...

    Raises:
        NbnetError: the archive is missing, damaged or cut short, encrypted or of another kind, or
            holds paths outside the folder; the folder holds something already; or the disk is full.
            Nothing is left then.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise NbnetError(f"there is no archive {archive}: download it, or correct the path")
    parent = require_writable_folder(folder.parent)
    temporary = parent / f".{folder.name}.unpacking"
    bar: dict[str, Any] = {"unit": "file", "delay": 0.3, "disable": not progress}
    with FileLock(parent / f".{folder.name}.lock"):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise NbnetError(
                f"{folder} is not empty: move it away, or choose a new folder for {archive}"
            )
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        try:
            temporary.mkdir()
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as packed:
                    for member in tqdm(packed.infolist(), archive.name, **bar):
                        packed.extract(member, temporary)  # disarms paths that lead outside
            else:
                with tarfile.open(archive) as tar:
                    for entry in tqdm(tar, archive.name, **bar):
                        tar.extract(entry, temporary, filter="data")  # refuses them
                    # To the end of the file: the checksum of a compressed archive comes last.
                    while tar.fileobj.read(1 << 20):  # type: ignore[union-attr]
                        pass
            inside = list(temporary.iterdir())
            if not inside:
                raise EOFError("it holds no files")
            only = flatten and len(inside) == 1 and inside[0].is_dir()
            if folder.exists():
                folder.rmdir()
            os.rename(inside[0] if only else temporary, folder)
        except UNREADABLE as error:
            raise NbnetError(
                f"cannot unpack {archive} to {folder} ({error}): download it again if it is "
                "damaged, make room if the disk is full, or unpack it yourself and give the folder"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder
