"""Where the pictures of a protocol come from: drawn (SynthFaces) or read from files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nbnet_lib.data.alignment_file import read_alignment
from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.pictures import read_picture
from nbnet_lib.data.reading import Reader, as_square, in_threads
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import SynthFaces, require_evaluation
from nbnet_lib.faces.framing import FRAMINGS, Framing


@dataclass(frozen=True, eq=False)
class Drawn:
    """The source of pictures that SynthFaces draws: who and which picture each row is.

    Attributes:
        numbers: int64 [N], SynthFaces identity of each row, 0 to 9,999.
        samples: int64 [N], picture of that identity.
    """

    numbers: np.ndarray = field(repr=False)
    samples: np.ndarray = field(repr=False)

    framing = FRAMINGS["synthfaces"]
    _sets: dict[int, SynthFaces] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        require_evaluation(self.numbers)

    def _set(self, size: int) -> SynthFaces:
        # Of all people at once: blocks on disk belong to the set that they were drawn for.
        if size not in self._sets:
            self._sets[size] = SynthFaces(np.unique(self.numbers), np.unique(self.samples), size)
        return self._sets[size]

    def read(self, rows: np.ndarray, size: int) -> np.ndarray:
        """Return uint8 [n, size, size, 3]; what is drawn stays in the cache for next time."""
        faces = self._set(size)
        samples = np.unique(self.samples)
        person = np.searchsorted(np.unique(self.numbers), self.numbers[rows])
        index = person * len(samples) + np.searchsorted(samples, self.samples[rows])
        return np.stack([faces.pixels(int(at)) for at in index])

    def prepare(self, size: int, progress: bool) -> None:
        """Draw everything that is not in the cache yet, on all cores."""
        faces = self._set(size)
        faces.progress = progress
        faces.build()

    def __str__(self) -> str:
        return "SynthFaces"


@dataclass(frozen=True, eq=False)
class Folder:
    """The source of pictures that are stored in files.

    Attributes:
        path: the folder.
        files: the file of each row, relative to ``path``.
        known_framing: how the faces were cut out, where the list of the pictures says it.
    """

    path: Path
    files: tuple[str, ...] = field(repr=False)
    known_framing: Framing | None = None

    @cached_property
    def framing(self) -> Framing | None:
        """How the faces were cut out: as listed, or by alignment.json; None if neither says.

        Raises:
            NbnetError: an alignment.json that cannot be used.
        """
        aligned = None if self.known_framing else read_alignment(self.path)
        return self.known_framing or (aligned.framing if aligned else None)

    def read(self, rows: np.ndarray, size: int) -> np.ndarray:
        """Return uint8 [n, size, size, 3]."""
        images = list(in_threads(lambda row: self.read_one(int(row), size), rows))
        return np.stack(images) if images else np.empty((0, size, size, 3), np.uint8)

    def read_one(self, row: int, size: int) -> np.ndarray:
        """Return uint8 [size, size, 3]."""
        return read_square(self.path / self.files[row], size)

    def prepare(self, size: int, progress: bool) -> None:
        """Nothing to do: files are read when they are needed."""

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, eq=False)
class Packed(Folder):
    """The source of pictures that are stored in tar shards; `path` is the folder of the shards."""

    manifest: Manifest = field(kw_only=True, repr=False)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.manifest)

    @property
    def framing(self) -> Framing | None:  # type: ignore[override]  # no file beside the shards
        """How the faces are cut out; None where the shards do not say."""
        return self.known_framing

    def read_one(self, row: int, size: int) -> np.ndarray:
        """Return uint8 [size, size, 3]."""
        path = self.path / self.files[row]
        if path.suffix == ".npy":  # of 8 bits, always
            return self._reader.read(row, size)
        return read_square(path, size, self._reader.content(row))


@dataclass(frozen=True, eq=False)
class Pictures:
    """All pictures of a protocol; a row is one picture.

    Attributes:
        names: what each picture is called in reports, N of them, no two alike.
        identities: int64 [N], who is on it: an index into ``people``.
        people: the name of each identity.
        where: what draws or reads them.

    Raises:
        NbnetError: no pictures, one that is named twice, lengths that differ, or an identity
            without a name.
    """

    names: tuple[str, ...] = field(repr=False)
    identities: np.ndarray = field(repr=False)
    people: tuple[str, ...] = field(repr=False)
    where: Drawn | Folder

    def __post_init__(self) -> None:
        n = len(self.names)
        inside = (self.identities >= 0) & (self.identities < len(self.people))
        if not n or self.identities.shape != (n,) or not inside.all():
            raise NbnetError(
                f"{n} pictures with identities of shape {list(self.identities.shape)}: give at "
                f"least one picture, and for each an index into the {len(self.people)} people"
            )
        if len(set(self.names)) < n:
            again = next(name for name in self.names if self.names.count(name) > 1)
            raise NbnetError(f"the picture {again} is listed twice: remove one")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def framing(self) -> Framing | None:
        """How the faces are cut out; None where that is not known."""
        return self.where.framing

    def read(self, rows: np.ndarray, size: int) -> np.ndarray:
        """Return the pictures of ``rows`` as uint8 [n, size, size, 3], RGB.

        Raises:
            NbnetError: a file that is missing, not a picture or not square.
        """
        return self.where.read(np.asarray(rows, np.int64), size)

    def of_rows(self, rows: np.ndarray) -> Pictures:
        """Return some of drawn pictures, in the order of ``rows``."""
        assert isinstance(self.where, Drawn)
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            identities=self.identities[rows],
            where=Drawn(self.where.numbers[rows], self.where.samples[rows]),
        )

    def batches(
        self, size: int, at_once: int = 256, progress: bool = False
    ) -> Iterator[np.ndarray]:
        """Yield all pictures in order as uint8 [n <= at_once, size, size, 3].

        No more than one batch is in memory. Drawn pictures are drawn before the first batch, on
        all cores, where they are not in the cache.

        Raises:
            NbnetError: see `read`.
        """
        self.where.prepare(size, progress)
        with tqdm(
            total=len(self), desc="pictures", unit="image", delay=0.3, disable=not progress
        ) as bar:
            for start in range(0, len(self), at_once):
                batch = self.read(np.arange(start, min(start + at_once, len(self))), size)
                yield batch
                bar.update(len(batch))


def pictures_of(people: list[str], where: Folder) -> Pictures:
    """Return the pictures of a folder, with the person on each."""
    names, codes = np.unique(people, return_inverse=True)
    return Pictures(where.files, codes.astype(np.int64), tuple(names.tolist()), where)


def read_square(path: Path, size: int, content: bytes | None = None) -> np.ndarray:
    """Read one picture file as uint8 [size, size, 3], RGB, turned upright as its EXIF says.

    ``content`` holds its bytes where they are stored in a shard.

    Raises:
        NbnetError: the file is missing, not a picture, of more than 8 bits (how bright it should
            be is a guess, which training may make and a measurement may not), or not square.
    """
    picture = read_picture(path, content=content)
    if "16-bit" in picture.notes:
        raise NbnetError(
            f"{path} holds more than 8 bits a channel: save it as an 8-bit picture, "
            "or align it with nbnet data align"
        )
    return as_square(picture.image, size, path)
