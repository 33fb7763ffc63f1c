"""A manifest: the list of a set's pictures with their people, as one Parquet file.

    image                              identity        split   width  height
    Synth_Person_0007/..._0001.png     Synth_Person_0007  train   112     112

The pictures stay where they are: below one folder (``root``), within tar shards there, or nowhere
at all (SynthFaces draws them when they are read). `nbnet_lib.data.listing` makes manifests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nbnet_lib.data.people import people_digest
from nbnet_lib.data.text import inside
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing
from nbnet_lib.files import atomic_path, require_writable_folder

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image", "identity", "split", "width", "height")
SPLITS = ("train", "evaluation", "")
METADATA = b"nbnet"  # key in the Parquet file
VERSION = 1
# What `inside` may change or refuse; all other paths are plain, and there may be millions.
ODD_PATH = r"\\|:|//|^/|/$|(?:^|/)\.{1,2}(?:/|$)"


@dataclass(frozen=True)
class Drawn:
    """The recipe of pictures that SynthFaces draws: they are stored in no file.

    Attributes:
        renderer_version: of the renderer that the manifest was made with.
        difficulty: see `nbnet_lib.faces.SynthFaces`.
    """

    renderer_version: int
    difficulty: float = 1.0


@dataclass(frozen=True, eq=False)
class Manifest:
    """The pictures of a set, one row each.

    Attributes:
        table: columns ``image`` (path below ``root`` with forward slashes; within a tar shard
            ``shard.tar/member.png``; of drawn pictures ``0000007-003.png``), ``identity`` (text, ""
            where it is not known), ``split`` ("train", "evaluation" or ""), ``width`` and
            ``height`` (pixels, 0 where not known).
        root: folder of the pictures.
        source: what the set is called in reports.
        framing: how the faces are cut out; None where that is not known.
        size: side of the pictures in pixels, where all are squares of one size; else None.
        drawn: where SynthFaces draws the pictures; None for pictures in files.
        numbered: whether identities are numbers of SynthFaces.
        notes: what was left out when it was made, and what looks wrong; not written to the file.

    Raises:
        NbnetError: no picture, a picture that is listed twice or is outside ``root``, an unknown
            split, or a person on both sides of it.
    """

    table: pd.DataFrame
    root: Path
    source: str
    framing: Framing | None = None
    size: int | None = None
    drawn: Drawn | None = None
    numbered: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.table):
            raise NbnetError(f"{self.source} holds no pictures: at least one was expected")
        images, people, split = (self.table[name] for name in COLUMNS[:3])
        for image in images[images.str.contains(ODD_PATH)]:
            if (path := inside(image, self.source)) != image:
                raise NbnetError(f"{self.source}: write the path {image!r} as {path!r}")
        if not images.is_unique:
            again = images[images.duplicated()].iloc[0]
            raise NbnetError(f"{self.source} lists {again} twice: keep one")
        if self.numbered and not people.str.fullmatch(r"\d+").all():
            raise NbnetError(f"{self.source}: an identity is not a number, as of SynthFaces")
        if unknown := set(split) - set(SPLITS):
            raise NbnetError(
                f"{self.source}: split is {min(unknown)!r}: expected train, evaluation or nothing"
            )
        # The one rule that no set may break: nobody both trains and tests.
        both = set(people[split == "train"]) & set(people[split == "evaluation"]) - {""}
        if both:
            raise NbnetError(
                f"{self.source}: {min(both)!r} is in train and in evaluation ({len(both):,} such): "
                "leave the split out, and divide the set with `nbnet data split`"
            )

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The path of each picture below ``root``."""
        return tuple(self.table["image"])

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """Who is on each picture, "" where it is not known."""
        return tuple(self.table["identity"])

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The side that each picture is on, "" where the set is not divided."""
        return tuple(self.table["split"])

    @property
    def numbers(self) -> np.ndarray | None:
        """int64 [N], the SynthFaces identity of each picture; None for other people."""
        return self.table["identity"].to_numpy(np.int64) if self.numbered else None

    def people_digest(self) -> list[str]:
        """Return short digests of all people; see `nbnet_lib.data.people.people_digest`."""
        return people_digest(self.table["identity"].unique())

    def select(self, keep: np.ndarray | Sequence[int]) -> Manifest:
        """Return the pictures that ``keep`` (bool [N], or rows) chooses, in that order."""
        keep = np.asarray(keep)
        rows = np.flatnonzero(keep) if keep.dtype == bool else keep
        return replace(self, table=self.table.iloc[rows].reset_index(drop=True))

    def part(self, split: str) -> Manifest:
        """Return the pictures of one side of a split.

        Raises:
            NbnetError: the manifest has no such side.
        """
        keep = (self.table["split"] == split).to_numpy()
        if not keep.any():
            raise NbnetError(
                f"{self.source} has no pictures in the split {split!r}: make one with "
                "`nbnet data split`"
            )
        return self.select(keep)

    def counts(self) -> dict[str, int]:
        """Return how many pictures, people, and of both in each split."""
        found = {"pictures": len(self), "identities": _people(self.table)}
        for split in ("train", "evaluation"):
            part = self.table[self.table["split"] == split]
            if len(part):
                found[f"{split}_pictures"], found[f"{split}_identities"] = len(part), _people(part)
        unknown = int((self.table["identity"] == "").sum())
        return found | ({"without_identity": unknown} if unknown else {})

    def __str__(self) -> str:
        return f"{self.source}: {counted(len(self), _people(self.table))}"


def counted(pictures: int, people: int) -> str:
    """Return "12 pictures of 6 people"."""
    return (
        f"{pictures:,} {'picture' if pictures == 1 else 'pictures'} of "
        f"{people:,} {'person' if people == 1 else 'people'}"
    )


def _people(table: pd.DataFrame) -> int:
    return len(set(table["identity"]) - {""})


def save_manifest(manifest: Manifest, path: str | os.PathLike[str]) -> Path:
    """Write a manifest as a Parquet file; the folder of the pictures is noted relative to it.

    Raises:
        NbnetError: another ending than .parquet, or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = manifest_path(path)
    framing = manifest.framing
    about = {
        "version": VERSION,
        "source": manifest.source,
        "root": "" if manifest.drawn else _relative(manifest.root, path.parent),
        "framing": None if framing is None else framing.to_card(),
        "size": manifest.size,
        "drawn": None if manifest.drawn is None else vars(manifest.drawn),
        "numbered": manifest.numbered,
    }
    types = dict(zip(COLUMNS, [pa.string()] * 3 + [pa.int32()] * 2, strict=True))
    columns = {name: pa.array(manifest.table[name], kind) for name, kind in types.items()}
    table = pa.table(columns).replace_schema_metadata({METADATA: json.dumps(about).encode()})
    # An open file: pyarrow takes no path that is not UTF-8.
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        pq.write_table(table, file)
    return path


def manifest_path(path: str | os.PathLike[str]) -> Path:
    """Return where a manifest can be written; ask before long work.

    Raises:
        NbnetError: another ending than .parquet, or a folder that cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise NbnetError(f"a manifest is a Parquet file: name it {path.name}.parquet, or the like")
    require_writable_folder(path.parent)
    return path


def load_manifest(
    path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> Manifest:
    """Read a manifest.

    Args:
        path: the Parquet file.
        root: folder of the pictures, where it is another than the file says.

    Raises:
        NbnetError: the file is missing, damaged or not a manifest, or the folder of the pictures
            is not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise NbnetError(f"there is no manifest {path}: make one with `nbnet data manifest`")
    try:
        with open(path, "rb") as file:
            read = pq.read_table(file)
        about = json.loads((read.schema.metadata or {}).get(METADATA, b"{}"))
        version = int(about.get("version", VERSION))
        table = read.to_pandas()[list(COLUMNS)]
        framing, drawn = about.get("framing"), about.get("drawn")
        framing = None if framing is None else Framing.from_card(framing)
        drawn = None if drawn is None else Drawn(**drawn)
        if table.isna().any(axis=None):
            raise ValueError("it has empty cells")
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NbnetError(
            f"{path} is not a manifest with the columns {', '.join(COLUMNS)}, or is damaged "
            f"({error}): make it again with `nbnet data manifest`"
        ) from error
    if version > VERSION:
        raise NbnetError(f"{path} was written by a newer version of this library: update it")
    folder = Path(os.path.normpath(path.resolve().parent / about.get("root", ".")))
    folder = folder if root is None else Path(root)
    if drawn is None and not folder.is_dir():
        raise NbnetError(
            f"the pictures of {path} should be in {folder}, which is not there: bring them back, "
            "or name their folder"
        )
    source, numbered = str(about.get("source", path.stem)), bool(about.get("numbered", False))
    try:
        return Manifest(table, folder, source, framing, about.get("size"), drawn, numbered)
    except NbnetError as error:
        raise NbnetError(f"{path} cannot be used: {error}") from error


def _relative(root: Path, folder: Path) -> str:
    """Return ``root`` as seen from ``folder``; both may then be moved together."""
    try:
        return Path(os.path.relpath(root.resolve(), folder.resolve())).as_posix()
    except ValueError:  # two drives of Windows
        return root.resolve().as_posix()
