"""The pictures of a set as one array on disk: what training reads, whatever the set came from.

Pictures are decoded and brought to one size once; after that an epoch reads bytes. The array is
stored in the cache folder under a name that depends on every picture's path, length and time, so a
picture that changes makes another array; who is on the pictures may change without reading them
again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nbnet_lib.array_cache import cached_array
from nbnet_lib.data.listing import open_source
from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.people import people_digest
from nbnet_lib.data.reading import Reader, in_threads
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing
from nbnet_lib.files import cache_dir

VERSION = 1  # of the way pictures are read and resized: a change makes all arrays anew
MAX_SIZE = 1024
BLOCK = 32 << 20  # bytes between two notes of how far the work has come


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

    An interrupted call resumes. Memory holds a block of pictures at a time. A second process that
    asks for the same array waits for the first one.

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
    if not 1 <= size <= MAX_SIZE:
        raise NbnetError(f"size is {size}: expected whole pixels from 1 to {MAX_SIZE}")
    manifest = open_source(source)
    if split is not None:
        manifest = manifest.part(split)
    reader = Reader(manifest)
    count, key = len(manifest), _key(manifest, reader, size)
    bar_options = {"desc": "reading pictures", "unit": "image", "delay": 0.3}

    def read(start: int) -> Iterator[np.ndarray]:
        reader.prepare(size, progress)
        pictures = in_threads(lambda row: reader.read(row, size), range(start, count), workers)
        bar = tqdm(pictures, total=count, initial=start, disable=not progress, **bar_options)
        rest = iter(bar)
        with closing(pictures):
            while block := list(islice(rest, max(1, BLOCK // (3 * size**2)))):
                yield np.stack(block)

    folder = cache_dir() / "pictures" if cache is None else Path(cache)
    path = folder / f"{size}px-{key[:16]}.npy"
    return PictureArray(
        cached_array(path, (count, size, size, 3), np.uint8, {"pictures": key}, read),
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
