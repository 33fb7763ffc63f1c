"""Read zip and tar archives member by member, trusting nothing that they say.

`open_archive` looks at the bytes, not at the name, and gives one `Member` after the other. Links,
devices, sparse and encrypted members raise `Refused`; an archive that ends too early, or whose
checksums do not fit, raises `Damaged`, also when only its last bytes are missing.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nbnet_lib.data.fetch.member_names import Refused
from nbnet_lib.errors import NbnetError

# The first bytes of what people name .zip or .tgz.
_MAGIC = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without members
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
_OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open, "tar": open}
# A name in a tar archive may lie in a header of its own, which tarfile reads as a whole.
_LARGEST_READ = 4 << 20
_BLOCK = 512  # bytes of a tar header


class Damaged(NbnetError):
    """An archive is cut short or altered: what was seen, as a clause."""


@dataclass
class Member:
    """One file or folder of an archive.

    Attributes:
        name: as the archive has it; not safe to use as a path.
        is_folder: whether it is a folder.
        size: bytes of the file, as the archive states them.
        stream: the open file; None for a folder.
    """

    name: str
    is_folder: bool
    size: int
    stream: IO[bytes] | None = None

    def read(self, count: int) -> bytes:
        """Return the next bytes of the file, at most ``count``; b"" at the end."""
        assert self.stream is not None
        with _telling_damage():
            return self.stream.read(count)


class Archive(ABC):
    """An open archive; close it with `with`.

    Attributes:
        total: bytes and number of all files, where the archive says so at the start, else None.
    """

    total: tuple[int, int] | None = None

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """Give the members in their order; the stream of each is good until the next."""

    @property
    @abstractmethod
    def position(self) -> int:
        """Bytes of the archive file that have been read."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_archive(path: Path) -> Archive:
    """Open a zip or a (compressed) tar archive.

    Raises:
        Refused: it is of another kind.
        Damaged: it is cut short.
    """
    with open(path, "rb") as file:
        start = file.read(_BLOCK)
    if not start:
        raise Damaged("it is empty")
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "tar")
    with _telling_damage():
        if kind == "zip":
            return _Zip(path)
        if kind in _OPENERS:
            return _Tar(path, kind, start)
    raise Refused(f"it is a {kind} archive, which cannot be read here")


class _Zip(Archive):
    """The list of members is at the end of the file, so all of it is checked first."""

    def __init__(self, path: Path):
        self._file = zipfile.ZipFile(path)
        self._done = 0
        try:
            self._check(path.stat().st_size)
        except BaseException:
            self._file.close()
            raise

    def _check(self, length: int) -> None:
        infos = self._file.infolist()
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where a zip comes from Windows
            if kind == stat.S_IFLNK:
                raise Refused(f"it holds {info.filename!r}, a link")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused(f"it holds {info.filename!r}, a device or the like")
            if info.flag_bits & 1:
                raise Refused(f"it is encrypted ({info.filename!r} needs a password)")
            if info.orig_filename.replace("\\", "/") != info.filename.replace("\\", "/"):
                raise Refused(f"it holds the name {info.orig_filename!r}, with a zero byte")
        if sum(info.compress_size for info in infos) > length:
            raise Refused("its members overlap, which only a bomb needs")
        self.total = sum(info.file_size for info in infos), len(infos)

    def members(self) -> Iterator[Member]:
        for info in self._file.infolist():
            # Its own separators are kept in orig_filename; "\" is refused with the names.
            name, size = info.orig_filename, info.file_size
            if info.is_dir():
                yield Member(name, True, 0)
                continue
            with _telling_damage():
                stream = self._file.open(info)
            with stream:
                yield Member(name, False, size, stream)
            self._done += info.compress_size

    @property
    def position(self) -> int:
        return self._done

    def close(self) -> None:
        self._file.close()


class _Tar(Archive):
    """The members follow each other, so each is seen for the first time when its turn comes."""

    def __init__(self, path: Path, kind: str, start: bytes):
        if kind == "tar" and not _is_tar_header(start):
            page = start.lstrip().lower().startswith((b"<!doctype", b"<html"))
            raise Refused("it is a web page, no archive" if page else "it is no zip or tar archive")
        self._raw = open(path, "rb")
        try:
            self._stream = self._raw if kind == "tar" else _OPENERS[kind](self._raw)
            # As much as a bzip2 block, whose checksum tells wrong bytes from another kind of file.
            if not _is_tar_header(self._stream.read(1 << 20)[:_BLOCK]):
                raise Refused(f"it is a {kind} file, with no tar archive inside")
            self._stream.seek(0)
            self._bounded = _Bounded(self._stream)
            self._tar: Any = tarfile.open(fileobj=self._bounded, mode="r:")  # type: ignore[call-overload]
        except BaseException:
            self._raw.close()
            raise

    def members(self) -> Iterator[Member]:
        while True:
            with _telling_damage():
                info = self._tar.next()
                self._tar.members.clear()  # tarfile keeps all, 1 kB each; there may be millions
                if info is None:
                    break
            if info.issym() or info.islnk():
                raise Refused(f"it holds {info.name!r}, a link to {info.linkname!r}")
            if info.isdir():
                yield Member(info.name, True, 0)
            elif info.isreg() and not info.issparse():
                with _telling_damage():
                    stream = self._tar.extractfile(info)
                yield Member(info.name, False, info.size, stream)
            else:
                raise Refused(f"it holds {info.name!r}, a device, a pipe or a file with holes")
        with _telling_damage():
            self._check_end()

    def _check_end(self) -> None:
        """Require the zeros that end an archive; tarfile ends quietly at whatever is no header."""
        if self._bounded.last != bytes(_BLOCK):
            raise Damaged("its end is missing")
        while self._stream.read(1 << 20):  # a compressed file's checksum comes last
            pass

    @property
    def position(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._tar.close()
        self._stream.close()
        self._raw.close()


class _Bounded:
    """A file that does not let tarfile read a header of any length into memory.

    ``last`` is what was read last: where tarfile stops, it is the block that is no header.
    """

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self.last = b""

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= _LARGEST_READ:
            raise Refused("it holds a name of more than 4 MB, which only a bomb needs")
        self.last = self._stream.read(count)
        return self.last


def _is_tar_header(block: bytes) -> bool:
    """Tell whether a block begins a tar archive, by the checksum that each header holds."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


@contextmanager
def _telling_damage() -> Iterator[None]:
    """Turn what the readers raise for wrong bytes into `Damaged`."""
    try:
        yield
    except (NbnetError, MemoryError):
        raise
    except NotImplementedError as error:
        raise Refused(f"it is packed in a way that cannot be read here ({error})") from error
    except OSError as error:
        if error.errno is not None:  # the disk's error, not the archive's
            raise
        raise Damaged(_sentence(error)) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        EOFError,
        ValueError,
    ) as error:
        raise Damaged(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__
