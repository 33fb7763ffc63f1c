"""A manifest: the list of a set's pictures with their people, as one Parquet file.

    image                              identity        split   width  height
    Synth_Person_0007/..._0001.png     Synth_Person_0007  train   112     112

The pictures stay where they are: below one folder (``root``), within tar shards there, or nowhere
at all (SynthFaces draws them when they are read). `nbnet_lib.data.sets.sources` makes manifests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """The recipe of pictures that SynthFaces draws: they lie in no file.

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
        NbnetError: columns that are missing, no picture, a picture that is listed twice or lies
            outside ``root``, an unknown split, or a person on both sides of it.
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
        missing = [name for name in COLUMNS if name not in self.table.columns]
        if missing:
            raise NbnetError(
                f"the list of {self.source} has no column {missing[0]!r}: a manifest has "
                f"{', '.join(COLUMNS)}"
            )
        if not len(self.table):
            raise NbnetError(f"{self.source} holds no pictures: at least one was expected")
        images = self.table["image"]
        for image in images[images.str.contains(ODD_PATH)]:
            if inside(image, self.source) != image:
                raise NbnetError(
                    f"{self.source}: the path {image!r} is not written plainly: write "
                    f"{inside(image, self.source)!r}"
                )
        if not images.is_unique:
            again = images[images.duplicated()].iloc[0]
            raise NbnetError(f"{self.source} lists {again} twice: keep one")
        if self.numbered and not self.table["identity"].str.fullmatch(r"\d+").all():
            raise NbnetError(f"{self.source}: an identity is no number, as those of SynthFaces are")
        strange = set(self.table["split"]) - set(SPLITS)
        if strange:
            raise NbnetError(
                f"{self.source}: split is {min(strange)!r}: expected train, evaluation or nothing"
            )
        self._refuse_both_sides()

    def _refuse_both_sides(self) -> None:
        people, split = self.table["identity"], self.table["split"]
        trained = people[split == "train"].unique()
        tested = people[(split == "evaluation") & (people != "") & people.isin(trained)]
        if many := tested.nunique():
            raise NbnetError(
                f"{self.source}: {tested.iloc[0]!r} is in train and in evaluation ({many:,} such): "
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
        """Return the pictures that ``keep`` (bool [N], or rows) chooses, in that order.

        Raises:
            NbnetError: no picture is left.
        """
        return replace(self, table=self.table.iloc[_rows(keep)].reset_index(drop=True))

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


def _rows(keep: np.ndarray | Sequence[int]) -> np.ndarray:
    keep = np.asarray(keep)
    return np.flatnonzero(keep) if keep.dtype == bool else keep


def _people(table: pd.DataFrame) -> int:
    return int(table.loc[table["identity"] != "", "identity"].nunique())


def save_manifest(manifest: Manifest, path: str | os.PathLike[str]) -> Path:
    """Write a manifest as a Parquet file; the folder of the pictures is noted relative to it.

    Raises:
        NbnetError: another ending than .parquet, or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = manifest_path(path)
    framing = manifest.framing
    told = {
        "version": VERSION,
        "source": manifest.source,
        "root": "" if manifest.drawn else _relative(manifest.root, path.parent),
        "framing": None if framing is None else framing.to_card(),
        "size": manifest.size,
        "drawn": None if manifest.drawn is None else vars(manifest.drawn),
        "numbered": manifest.numbered,
    }
    table = pa.table(
        {
            "image": pa.array(manifest.table["image"], pa.string()),
            "identity": pa.array(manifest.table["identity"], pa.string()),
            "split": pa.array(manifest.table["split"], pa.string()),
            "width": pa.array(manifest.table["width"], pa.int32()),
            "height": pa.array(manifest.table["height"], pa.int32()),
        }
    ).replace_schema_metadata({METADATA: json.dumps(told).encode()})
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
        root: folder of the pictures, where they lie elsewhere than the file says.

    Raises:
        NbnetError: the file is missing, damaged or no manifest, or the folder of the pictures is
            not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise NbnetError(
            f"there is no manifest {path}: make one with `nbnet data manifest` or "
            "`nbnet data split`"
        )
    try:
        with open(path, "rb") as file:
            read = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise NbnetError(
            f"{path} is not a Parquet file, or damaged ({error}): make it again with "
            "`nbnet data manifest`"
        ) from error
    told = _metadata(path, read.schema.metadata or {})
    table = read.to_pandas()
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise NbnetError(
            f"{path} has no column {missing[0]!r}: a manifest has {', '.join(COLUMNS)}"
        )
    table = table[list(COLUMNS)]
    if table.isna().any(axis=None):
        raise NbnetError(f"{path} has empty cells: make it again with `nbnet data manifest`")
    drawn = told.get("drawn")
    if root is not None:
        folder = Path(root)
    else:
        folder = Path(os.path.normpath(path.resolve().parent / told.get("root", ".")))
    if drawn is None and not folder.is_dir():
        raise NbnetError(
            f"the pictures of {path} lie in {folder}, which is not there: bring them back, or name "
            "their folder"
        )
    try:
        framing = told.get("framing")
        return Manifest(
            table,
            folder,
            str(told.get("source", path.stem)),
            None if framing is None else Framing.from_card(framing),
            told.get("size"),
            None if drawn is None else Drawn(**drawn),
            bool(told.get("numbered", False)),
        )
    except (TypeError, NbnetError) as error:
        raise NbnetError(f"{path} cannot be used: {error}") from error


def _metadata(path: Path, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Return what the file says about itself; a table made elsewhere says nothing."""
    if METADATA not in metadata:
        return {}
    try:
        told = dict(json.loads(metadata[METADATA]))
        version = int(told["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise NbnetError(
            f"{path}: its description is damaged ({error}): make it again with "
            "`nbnet data manifest`"
        ) from error
    if version > VERSION:
        raise NbnetError(f"{path} was written by a newer version of this library: update it")
    return told


def _relative(root: Path, folder: Path) -> str:
    """Return ``root`` as seen from ``folder``; both may then be moved together."""
    try:
        return Path(os.path.relpath(root.resolve(), folder.resolve())).as_posix()
    except ValueError:  # two drives of Windows
        return root.resolve().as_posix()
