"""Unpack an archive that somebody else made: all of it or nothing, and only inside its folder.

    unpack("downloads/lfw.tgz", "data/lfw")

The members are written to a hidden folder beside the target, which gets its name when everything is
there. The archive is read with the suspicion that a file from the net deserves: see archives.py for
what is no plain file, member_names.py for names, and `Limits` for bombs (a few kB that unpack to
petabytes). An archive inside an archive stays packed.

The folder gets a note, `.nbnet-unpacked.json`, of which archive it came from, so that a second call
does nothing. The note vouches for a process that was killed, not for a power cut.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nbnet_lib.data.fetch.archives import Archive, Damaged, Member, open_archive
from nbnet_lib.data.fetch.locks import alone
from nbnet_lib.data.fetch.member_names import Names, Refused
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_free_space, require_writable_folder, sha256_file

NOTE = ".nbnet-unpacked.json"
BLOCK = 1 << 20
CLUSTER = 4096  # bytes that a file takes on the disk at least
LOOK = 64 << 20  # bytes written between two looks at the free space
# Below this, an archive may be packed as tightly as it likes: lists of zeros are, too.
RATIO_FROM = 64 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to; the defaults leave room for sets of millions of pictures.

    Attributes:
        bytes: of all files together.
        members: entries of the archive, and folders that they lie in.
        ratio: bytes of all files per byte of the archive, counted from 64 MiB on. Pictures stay
            near 1 and text near 10; deflate cannot go beyond 1,032.
    """

    bytes: int = 500 * 10**9
    members: int = 10_000_000
    ratio: float = 100.0


def unpack(
    archive: str | Path,
    folder: str | Path,
    limits: Limits | None = None,
    progress: bool = True,
    needed: int = 0,
    flatten: bool = False,
) -> Path:
    """Unpack a zip or tar (.gz, .bz2, .xz) archive as ``folder`` and return its path.

    Args:
        archive: the file; its kind is seen from its bytes.
        folder: what to make: not there yet, empty, or made from the same archive before (then
            nothing is done). Its parent folders are made.
        limits: bounds against bombs; None for `Limits()`.
        progress: show a bar on stderr.
        needed: bytes of all files, where known beforehand, for the free space on the disk. A zip
            says so itself; of a compressed tar it is looked at while writing.
        flatten: where all of the archive lies in one folder, make that one ``folder``: the
            lfw/Name/... of lfw.tgz becomes ``folder``/Name/...

    Raises:
        NbnetError: the archive is missing, damaged or cut short, encrypted or of another kind;
            holds paths outside the folder, links, devices or names that clash on some systems; is
            over a limit; the folder holds something else; or the disk is full. Nothing is left.
    """
    archive, shown = Path(archive), Path(folder)
    if not archive.is_file():
        raise NbnetError(f"there is no archive {archive}: download it, or correct the path")
    target = Path(os.path.realpath(shown))
    if target.exists() and not target.is_dir():
        raise NbnetError(f"{shown} is a file: choose another folder to unpack {archive} to")
    parent = require_writable_folder(target.parent)
    with alone(parent, target.name, "unpacking", progress):
        if _is_done(archive, target):
            return shown
        temporary = parent / f".{target.name}.unpacking"
        try:
            _remove(temporary)  # of a process that was killed
            temporary.mkdir()
            require_free_space(parent, max(needed, archive.stat().st_size))
            note = _Unpacking(archive, temporary, limits or Limits(), progress).run()
            made = _only_folder(temporary) if flatten else temporary
            (made / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
            if target.exists():
                target.rmdir()  # it is empty
            os.rename(made, target)
        except Refused as error:
            raise NbnetError(
                f"{archive} is not unpacked: {error}: get the published file, or unpack it "
                "yourself and give the folder"
            ) from error
        except Damaged as error:
            raise NbnetError(
                f"{archive} is damaged or cut short ({error}): download it again"
            ) from error
        except OSError as error:
            raise NbnetError(
                f"cannot unpack {archive} to {shown} ({error.strerror or error}): make room there "
                "or choose another folder"
            ) from error
        finally:
            _remove(temporary)
    return shown


def unpacked_from(folder: str | Path) -> dict[str, Any] | None:
    """Return the note that `unpack` left in a folder, or None.

    Its keys: archive (file name), sha256 and bytes of the archive, modified (its time in ns),
    files and unpacked_bytes.
    """
    try:
        note = json.loads((Path(folder) / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _is_done(archive: Path, target: Path) -> bool:
    """Tell whether the folder is there, made from this archive."""
    if not target.exists():
        return False
    note = unpacked_from(target)
    if note:
        status = archive.stat()
        if (note.get("bytes"), note.get("modified")) == (status.st_size, status.st_mtime_ns):
            return True
        if note.get("sha256") == sha256_file(archive):
            return True
        raise NbnetError(
            f"{target} was unpacked from another archive ({note.get('archive')}): choose another "
            f"folder for {archive} or delete this one"
        )
    if any(target.iterdir()):
        raise NbnetError(
            f"{target} is not empty: choose a new folder to unpack {archive} to, or delete this one"
        )
    return False


def _only_folder(folder: Path) -> Path:
    """Return the folder that is all that ``folder`` holds, or ``folder`` where it holds more."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


class _Unpacking:
    """One archive on its way into one folder, which is empty at the start."""

    def __init__(self, path: Path, folder: Path, limits: Limits, progress: bool):
        self.path, self.folder, self.limits, self.progress = path, folder, limits, progress
        self.status = path.stat()
        self.most = min(limits.bytes, max(RATIO_FROM, int(limits.ratio * self.status.st_size)))
        self.bytes = self.files = self.count = 0
        self.unlooked = 0  # bytes since the last look at the free space

    def run(self) -> dict[str, Any]:
        """Write all files and return the note."""
        names, made = Names(), {self.folder}
        with open_archive(self.path) as archive, self._bar() as bar:
            self._require(archive)
            for member in archive.members():
                self._count_member()
                before = names.folders
                path = self.folder / names.add(member.name, member.is_folder)
                self._count_folders(names.folders, names.folders - before)
                holder = path if member.is_folder else path.parent
                if holder not in made:
                    holder.mkdir(parents=True, exist_ok=True)
                    made.add(holder)
                if not member.is_folder:
                    self._write(member, path)
                bar.update(archive.position - bar.n)
            bar.update(self.status.st_size - bar.n)
        if not self.files:
            raise Damaged("it holds no files")
        return {
            "archive": self.path.name,
            "sha256": sha256_file(self.path),
            "bytes": self.status.st_size,
            "modified": self.status.st_mtime_ns,
            "files": self.files,
            "unpacked_bytes": self.bytes,
        }

    def _require(self, archive: Archive) -> None:
        """Check what the archive says of itself before anything is written."""
        if archive.total is None:
            return
        size, members = archive.total
        if size > self.most:
            raise self._too_much()
        if members > self.limits.members:
            raise self._too_many()
        require_free_space(self.folder, size + CLUSTER * members)

    def _write(self, member: Member, path: Path) -> None:
        if self.bytes + member.size > self.most:
            raise self._too_much()
        self.files += 1
        self._look(CLUSTER)
        length = 0
        with open(path, "xb") as file:
            while block := member.read(BLOCK):
                length += len(block)
                if length > member.size:
                    raise Damaged(f"{member.name!r} is longer than stated")
                self._look(len(block))
                file.write(block)
        self.bytes += length
        if length < member.size:
            raise Damaged(f"{member.name!r} is shorter than stated")

    def _look(self, coming: int) -> None:
        """Look at the free space now and then, before ``coming`` bytes are written."""
        self.unlooked += coming
        if self.unlooked > LOOK:
            require_free_space(self.folder, LOOK)
            self.unlooked = 0

    def _count_member(self) -> None:
        self.count += 1
        if self.count > self.limits.members:
            raise self._too_many()

    def _count_folders(self, count: int, new: int) -> None:
        """A name of 4 kB may stand for 2,000 folders, each of which takes room."""
        if count > self.limits.members:
            raise self._too_many()
        self._look(new * CLUSTER)

    def _too_much(self) -> Refused:
        return Refused(
            f"it unpacks to more than {self.most:,} bytes (a bomb; the limits are "
            f"{self.limits.bytes:,} bytes and {self.limits.ratio:g} times its length)"
        )

    def _too_many(self) -> Refused:
        return Refused(f"it holds more than {self.limits.members:,} files and folders (a bomb)")

    def _bar(self) -> tqdm:
        return tqdm(
            desc=f"unpacking {self.path.name}",
            total=self.status.st_size,
            unit="B",
            unit_scale=True,
            delay=0.3,
            disable=not self.progress,
        )
