"""Reading the pictures of a manifest: from files, out of tar shards, or drawn by SynthFaces.

Shards are read by a table of where each member begins (`members`), as training needs any picture at
any time; the `webdataset` package reads them from their beginning to their end only.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from PIL import Image
from tqdm import tqdm

from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.pictures import read_picture
from nbnet_lib.errors import NbnetError
from nbnet_lib.parallel import cores
from synthfaces import RENDERER_VERSION

DRAWN_NAME = re.compile(r"(\d{7,})-(\d{3,})\.png")
WITHIN = re.compile(r"(.+?\.tar)/(.+)", re.IGNORECASE)  # shard, member


def drawn_name(identity: int, sample: int) -> str:
    """Return what a picture of SynthFaces is called in a manifest and in shards."""
    return f"{identity:07d}-{sample:03d}.png"


class Reader:
    """Reads single pictures of a manifest. Safe to use from many threads.

    Args:
        manifest: the list of the pictures.

    Raises:
        NbnetError: drawn pictures of another version of the renderer.
    """

    def __init__(self, manifest: Manifest):
        self.root, self.images, self.drawn = manifest.root, manifest.images, manifest.drawn
        self._shards: dict[Path, dict[str, tuple[int, int]]] = {}
        self._sets: dict[int, Any] = {}
        self._lock = threading.Lock()
        if self.drawn is None:
            return
        if self.drawn.renderer_version != RENDERER_VERSION:
            raise NbnetError(
                f"the manifest lists faces of renderer {self.drawn.renderer_version}, this library "
                f"draws with {RENDERER_VERSION}: make it again with `nbnet data manifest`"
            )
        matches = [DRAWN_NAME.fullmatch(image) for image in self.images]
        if None in matches:
            raise NbnetError(
                f"{self.images[matches.index(None)]!r} names no drawn picture: expected "
                f"{drawn_name(7, 3)} for picture 3 of identity 7"
            )
        pairs = np.array([match.groups() for match in matches if match], np.int64)
        self.numbers, self.samples = pairs.T  # of each picture
        self._people, person = np.unique(self.numbers, return_inverse=True)
        self._samples, sample = np.unique(self.samples, return_inverse=True)
        self._rows = person * len(self._samples) + sample

    def prepare(self, size: int, progress: bool = False) -> None:
        """Draw what is not in the cache yet, on all cores; nothing to do for pictures in files."""
        if self.drawn is not None:
            faces = self._faces(size)
            faces.progress = progress
            faces.build()

    def _faces(self, size: int) -> Any:
        from nbnet_lib.faces.sets import SynthFaces  # brings torch along

        assert self.drawn is not None
        with self._lock:
            if size not in self._sets:
                difficulty = self.drawn.difficulty
                self._sets[size] = SynthFaces(self._people, self._samples, size, difficulty)
            return self._sets[size]

    def read(self, row: int, size: int | None = None) -> np.ndarray:
        """Return one picture, uint8 [H, W, 3], RGB; as a square of ``size`` pixels where given.

        Made smaller or larger as the evaluation does it: antialiased, bilinear.

        Raises:
            NbnetError: a picture that is missing, damaged or, where a size is asked for, not
                square.
        """
        if self.drawn is not None:
            if size is None:
                raise NbnetError("drawn pictures have no size of their own: name one")
            return self._faces(size).pixels(int(self._rows[row]))
        path, content = self.root / self.images[row], self.content(row)
        is_npy = path.suffix == ".npy"
        picture = _read_npy(path, content) if is_npy else read_picture(path, content=content).image
        return picture if size is None else as_square(picture, size, path)

    def content(self, row: int) -> bytes:
        """Return the bytes of a picture's file.

        Raises:
            NbnetError: the file, the shard or its member is missing or cannot be read.
        """
        path, begin, length = self._place(row)
        with _readable(path), open(path, "rb") as file:
            file.seek(begin)
            return file.read(length)

    def stamp(self, row: int) -> str:
        """Return what changes when a picture does: length and time of its file, or its recipe.

        Raises:
            NbnetError: the file is missing.
        """
        if self.drawn is not None:
            return f"{self.drawn.renderer_version} {self.drawn.difficulty}"
        match = WITHIN.fullmatch(self.images[row])
        path = self.root / (match[1] if match else self.images[row])
        with _readable(path):
            stat = path.stat()
            return f"{stat.st_size} {stat.st_mtime_ns}"

    def length(self, row: int) -> int:
        """Return how many bytes a picture's file has.

        Raises:
            NbnetError: the file or the shard's member is missing.
        """
        return self._place(row)[2]

    def _place(self, row: int) -> tuple[Path, int, int]:
        """Return the file that holds a picture, where in it the picture begins, and its length."""
        match = WITHIN.fullmatch(self.images[row])
        if match is None:
            path = self.root / self.images[row]
            with _readable(path):
                return path, 0, path.stat().st_size
        path, member = self.root / match[1], match[2]
        with self._lock:
            if path not in self._shards:
                self._shards[path] = members(path)
            known = self._shards[path]
        if member not in known:
            raise NbnetError(
                f"{path} has no member {member}: make the manifest again with `nbnet data manifest`"
            )
        return path, *known[member]


def as_square(picture: np.ndarray, size: int, path: Path) -> np.ndarray:
    """Return a picture (uint8 [S, S, 3]) at ``size`` pixels: antialiased, bilinear.

    Raises:
        NbnetError: it is not square.
    """
    height, width = picture.shape[:2]
    if height != width:
        raise NbnetError(
            f"{path} is {width}x{height} pixels: cut the faces to squares first, with "
            "`nbnet data align`"
        )
    if width == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into one sentence."""
    try:
        yield
    except OSError as error:
        raise NbnetError(
            f"{path} cannot be read ({error.strerror or error}): put it there, or make the "
            "manifest again"
        ) from error


def _read_npy(path: Path, content: bytes) -> np.ndarray:
    """Return a picture that a shard holds as numbers."""
    try:
        picture = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise NbnetError(f"{path} is not a .npy file ({error}): replace the file") from error
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise NbnetError(
            f"{path} holds {picture.dtype} {list(picture.shape)}: a picture is uint8 [H, W, 3]"
        )
    return picture


def members(path: Path) -> dict[str, tuple[int, int]]:
    """Return {name: (begin, length)} of the files in a tar that is not compressed, in order.

    Only the headers are read. Nothing is unpacked, so links and paths that lead outside do no harm;
    what is not an ordinary file is skipped.

    Raises:
        NbnetError: not such a tar, one that is cut short, or one that names a file twice.
    """
    found: dict[str, tuple[int, int]] = {}
    end = 0
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                end = info.offset_data
                if not info.isreg():
                    continue
                end += -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if info.name in found:
                    raise tarfile.ReadError(f"it holds {info.name} twice")
                found[info.name] = (info.offset_data, info.size)
        # At a damaged header the reader stops as if all were well; a whole tar ends with zeros.
        with open(path, "rb") as file:
            file.seek(end)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"it is cut short after {len(found):,} members")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise NbnetError(
            f"{path} is not a whole, uncompressed tar file ({error}): get the shard again"
        ) from error
    return found


def in_threads(
    function: Callable[[Any], Any], items: Iterable[Any], workers: int | None = None
) -> Generator[Any, None, None]:
    """Yield ``function(item)`` in the order of the items; an error comes in its turn.

    Reading and decoding pictures lets go of the interpreter's lock, so threads share that work.
    """
    failed = threading.Event()

    def attempt(item: Any) -> tuple[Any, Exception | None]:
        try:
            return function(item), None
        except Exception as error:  # joblib would raise it before the results of earlier items
            failed.set()
            return None, error

    parallel = joblib.Parallel(cores(workers), backend="threading", return_as="generator")
    started = takewhile(lambda _: not failed.is_set(), items)
    with closing(parallel(joblib.delayed(attempt)(item) for item in started)) as results:
        first = None
        for result, error in results:
            first = first or error
            if first is None:
                yield result
    if first is not None:
        raise first


def identical_files(manifest: Manifest, progress: bool = True) -> list[list[int]]:
    """Return the rows that hold the same bytes, in lists of two and more.

    Only files of equal length are read. Pictures that SynthFaces draws are never the same.

    Raises:
        NbnetError: a file that cannot be read.
    """
    if manifest.drawn is not None:
        return []
    reader = Reader(manifest)
    by_length: dict[int, list[int]] = {}
    for row in range(len(manifest)):
        by_length.setdefault(reader.length(row), []).append(row)
    rows = [row for same in by_length.values() if len(same) > 1 for row in same]
    by_content: dict[bytes, list[int]] = {}
    digests = in_threads(lambda row: hashlib.sha256(reader.content(row)).digest(), rows)
    bar = tqdm(rows, "comparing files", unit="file", delay=0.3, leave=False, disable=not progress)
    for row, digest in zip(bar, digests, strict=True):
        by_content.setdefault(digest, []).append(row)
    return sorted(same for same in by_content.values() if len(same) > 1)
