"""The pictures of a set as one array on disk: what training reads, whatever the set came from.

Pictures are decoded and brought to one size once; after that an epoch reads bytes. The array lies
in the cache folder under a name that depends on every picture's path, length and time, so a picture
that changes makes another array; who is on the pictures may change without reading them again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from nbnet_lib.data.people import people_digest
from nbnet_lib.data.sets.manifest import Manifest
from nbnet_lib.data.sets.reading import Reader, in_threads
from nbnet_lib.data.sets.sources import open_source
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import cores
from nbnet_lib.faces.framing import Framing
from nbnet_lib.files import (
    atomic_path,
    cache_dir,
    require_free_space,
    require_writable_folder,
    sha256_file,
)

VERSION = 1  # of the way pictures are read and resized: a change makes all arrays anew
MAX_SIZE = 1024
CHUNK = 32 << 20  # bytes between two notes of how far the work has come


@dataclass(frozen=True, eq=False)
class PictureArray:
    """All pictures of a set at one size.

    Attributes:
        images: uint8 [N, S, S, 3], RGB; a read-only memory map.
        identities: who is on each picture, "" where it is not known.
        names: the path of each picture within its set.
        framing: how the faces are cut out; None where that is not known.
        source: what the set is, for cards: its name and counts, no path of this machine.
        numbers: int64 [N], SynthFaces identities; None for other people.
        key: hexadecimal digest of what was read and how.
    """

    images: np.ndarray = field(repr=False)
    identities: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    framing: Framing | None
    source: str
    numbers: np.ndarray | None = field(default=None, repr=False)
    key: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of the pictures, pixels."""
        return int(self.images.shape[1])

    def people_digest(self) -> list[str]:
        """Return short digests of all people, for the card of what is trained on them."""
        return people_digest(self.identities)


def picture_array(
    source: str | os.PathLike[str] | Manifest,
    size: int,
    progress: bool = True,
    *,
    split: str | None = None,
    cache: str | Path | None = None,
    workers: int | None = None,
) -> PictureArray:
    """Return the pictures of a set at one size, from the cache where they were read before.

    An interrupted call goes on where it stopped. Memory holds a few pictures at a time. A second
    process that asks for the same array waits for the first one.

    Args:
        source: what `open_source` opens: a folder, a manifest, a folder of shards.
        size: side in pixels, 1 to 1,024; pictures of another size are resized, antialiased.
        progress: show a bar on stderr.
        split: read only this side of the set, "train" or "evaluation"; None for all of it.
        cache: folder to keep arrays in; below `nbnet_lib.files.cache_dir` by default.
        workers: how many pictures are read at once; None for one per CPU core.

    Raises:
        NbnetError: a source that cannot be opened, a picture that is missing, damaged or not
            square, a size out of range, or a disk without enough room (found before reading).
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_SIZE:
        raise NbnetError(f"size is {size}: expected whole pixels from 1 to {MAX_SIZE}")
    manifest = open_source(source)
    if split is not None:
        manifest = manifest.part(split)
    reader = Reader(manifest)
    key = _key(manifest, reader, size)
    base = cache_dir() / "pictures" if cache is None else Path(cache)
    folder = require_writable_folder(base / f"{size}px-{key[:16]}")
    store = _Store(folder, (len(manifest), size, size, 3), key)
    # Another process that reads the same pictures does our work: waiting is the shorter way.
    with FileLock(folder / ".lock"):
        if not store.is_whole():
            reader.prepare(size, progress)
            store.build(reader, cores(workers), progress)
    return PictureArray(
        store.open(),
        manifest.identities,
        manifest.images,
        manifest.framing,
        str(manifest) + (f", split {split}" if split else ""),
        manifest.numbers,
        key,
    )


def _key(manifest: Manifest, reader: Reader, size: int) -> str:
    """Return a digest of all that the pixels depend on."""
    root = "" if manifest.drawn else str(manifest.root.resolve())
    digest = hashlib.sha256(json.dumps([VERSION, size, root]).encode())
    for row, image in enumerate(manifest.images):
        digest.update(json.dumps([image, reader.stamp(row)]).encode())
    return digest.hexdigest()


class _Store:
    """One array in its folder: ``images.u8`` with ``index.json`` when whole, else what is done.

    ``index.json`` holds length, time and SHA-256 of the pixels. A file of that length and time is
    taken as it is (reading all of it would take minutes for large sets); one that was touched is
    checked, and made again if it does not fit.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], key: str):
        self.folder, self.shape, self.key = folder, shape, key
        self.pixels, self.index = folder / "images.u8", folder / "index.json"
        self.part, self.done = folder / "images.part", folder / "done.json"
        self.each = int(np.prod(shape[1:]))  # bytes of a picture

    @property
    def nbytes(self) -> int:
        return self.shape[0] * self.each

    def open(self) -> np.ndarray:
        """Return the array, memory-mapped."""
        return np.memmap(self.pixels, np.uint8, "r", shape=self.shape)

    def is_whole(self) -> bool:
        """Tell whether the array is there as it was written."""
        told = _read_json(self.index)
        try:
            stat = self.pixels.stat()
        except FileNotFoundError:
            return False
        if told.get("key") != self.key or stat.st_size != self.nbytes:
            return False
        if told.get("mtime_ns") == stat.st_mtime_ns:
            return True
        if told.get("sha256") != sha256_file(self.pixels):
            return False
        self._note(self.index, {**told, "mtime_ns": stat.st_mtime_ns})
        return True

    def build(self, reader: Reader, workers: int, progress: bool) -> None:
        """Read all pictures that are not done yet, note each chunk when it is on the disk."""
        for old in (self.index, self.pixels):
            old.unlink(missing_ok=True)
        rows, digest = self._resume()
        require_free_space(self.folder, self.nbytes - rows * self.each)
        per_chunk = max(1, CHUNK // self.each)
        size = self.shape[1]
        with (
            tqdm(
                total=self.shape[0],
                initial=rows,
                desc="reading pictures",
                unit="image",
                delay=0.3,
                disable=not progress,
            ) as bar,
            open(self.part, "r+b" if self.part.exists() else "w+b") as file,
            closing(
                in_threads(lambda r: reader.read(r, size), range(rows, self.shape[0]), workers)
            ) as pictures,
        ):
            file.truncate(rows * self.each)
            file.seek(rows * self.each)
            for chunk in _chunks(rows, self.shape[0], per_chunk):
                for _ in chunk:
                    content = np.ascontiguousarray(next(pictures)).tobytes()
                    digest.update(content)
                    self._write(file, content)
                    bar.update()
                self._write(file, b"", to_disk=True)  # what is noted as done must be there
                self._note(self.done, {"rows": chunk.stop, "sha256": digest.hexdigest()})
        os.replace(self.part, self.pixels)
        stat = self.pixels.stat()
        self._note(
            self.index,
            {
                "key": self.key,
                "mtime_ns": stat.st_mtime_ns,
                "sha256": digest.hexdigest(),
            },
        )
        self.done.unlink(missing_ok=True)

    def _write(self, file: BinaryIO, content: bytes, to_disk: bool = False) -> None:
        try:
            file.write(content)
            if to_disk:
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NbnetError(
                f"cannot write pictures to {self.folder} ({error.strerror or error}): make room "
                "there, the same call then goes on"
            ) from error

    def _resume(self) -> tuple[int, Any]:
        """Return how many pictures an interrupted run left whole, and the digest of their bytes."""
        told = _read_json(self.done)
        rows = told.get("rows", 0)
        digest = hashlib.sha256()
        if not isinstance(rows, int) or not 0 < rows <= self.shape[0] or not self.part.exists():
            return 0, digest
        left = rows * self.each
        with open(self.part, "rb") as file:
            while left and (block := file.read(min(left, 1 << 20))):
                digest.update(block)
                left -= len(block)
        if left or digest.hexdigest() != told.get("sha256"):
            return 0, hashlib.sha256()
        return rows, digest

    def _note(self, path: Path, told: dict[str, Any]) -> None:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")


def _chunks(start: int, stop: int, each: int) -> Iterator[range]:
    for first in range(start, stop, each):
        yield range(first, min(first + each, stop))


def _read_json(path: Path) -> dict[str, Any]:
    """Return what a note holds; nothing if it is not there or damaged, so the work begins anew."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
