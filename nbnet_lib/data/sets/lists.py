"""Who is on which picture, from a list: CSV, or lines of two columns as CelebA has them."""

from __future__ import annotations

import os
from pathlib import Path

from nbnet_lib.data.alignment.aligned import Alignment, read_alignment
from nbnet_lib.data.people import spelled
from nbnet_lib.data.pictures import ENDINGS
from nbnet_lib.data.sets.manifest import SPLITS, Manifest
from nbnet_lib.data.sets.sources import manifest_of, pictures_below
from nbnet_lib.data.text import check_columns, inside, read_fields, read_table
from nbnet_lib.errors import NbnetError

LIST_COLUMNS = ("image", "identity", "split")
PARTITIONS = {"0": "train", "1": "evaluation", "2": "evaluation"}

Row = tuple[str, str, str, str]  # place, image, person, split


def from_list(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    leave_out_missing: bool = False,
    partition: str | os.PathLike[str] | None = None,
) -> Manifest:
    """List the pictures that a file names.

    A ``.csv`` file has the columns ``image,identity`` and perhaps ``split`` (train or evaluation).
    Any other is text of two columns, picture and person, without a header: CelebA's
    ``identity_CelebA.txt`` is one. Where a picture is there with another ending (aligned pictures
    are PNG files), that one is taken.

    Args:
        path: the list, UTF-8.
        root: folder of the pictures; the folder of the list by default.
        leave_out_missing: whether pictures that are not there are left out, with a note, instead
            of refused. Those that the alignment of the folder failed on always are.
        partition: text of two columns, picture and 0 (train), 1 or 2 (evaluation), as CelebA's
            ``list_eval_partition.txt``.

    Raises:
        NbnetError: a list that cannot be read (with file:line), a picture that is listed twice or
            is not there, no pictures, or a partition that leaves out a picture or has a person
            on both sides.
    """
    path = Path(path)
    rows = _csv(path) if path.suffix.lower() == ".csv" else _columns(path)
    if partition is not None:
        rows = _partitioned(rows, Path(partition))
    folder = path.parent if root is None else Path(root)
    there, notes = pictures_below(folder)
    exact, by_stem = set(there), _by_stem(there)
    found: list[tuple[str, str, str]] = []
    lost: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    for place, image, person, split in rows:
        name = inside(image, place)
        same = by_stem.get(stem(name), [])
        if name not in exact and len(same) > 1:
            raise NbnetError(
                f"{place}: {name} is not in {folder}, but {' and '.join(same[:2])} are: keep one"
            )
        if name not in exact and not same:
            lost.append((place, name))
            continue
        file = name if name in exact else same[0]
        if file in seen:
            raise NbnetError(f"{place}: {file} stands already in {seen[file]}: remove one")
        seen[file] = place
        found.append((file, spelled(person), split))
    aligned = read_alignment(folder)
    notes += _explain(folder, lost, len(rows), leave_out_missing, aligned)
    if len(found) < len(there):
        notes.append(f"pictures that are not on the list: {len(there) - len(found):,}")
    if not found:
        raise NbnetError(f"none of the pictures that {path} lists is in {folder}: name its folder")
    images, people, splits = (list(column) for column in zip(*found, strict=True))
    return manifest_of(folder, images, people, splits, notes)


def stem(name: str) -> str:
    """Return a picture's path without what the file is packed and encoded as."""
    plain = name[:-4] if name.lower().endswith(".bz2") else name
    base, ending = os.path.splitext(plain)
    return base if ending.lower() in ENDINGS else plain


def _by_stem(images: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for image in images:
        found.setdefault(stem(image), []).append(image)
    return found


def _csv(path: Path) -> list[Row]:
    columns, table = read_table(path)
    check_columns(path, columns, LIST_COLUMNS)
    if not {"image", "identity"} <= set(columns):
        raise NbnetError(
            f"{path}:1: the columns are {', '.join(columns)}: expected image,identity and perhaps "
            "split"
        )
    rows = []
    for place, row in table:
        split = row.get("split", "")
        if split not in SPLITS:
            raise NbnetError(f"{place}: split is {split!r}: expected train or evaluation")
        rows.append((place, row["image"], row["identity"], split))
    return rows


def _columns(path: Path) -> list[Row]:
    rows = []
    for place, fields in read_fields(path):
        if len(fields) != 2 or not all(fields):
            raise NbnetError(
                f"{place}: {len(fields)} fields, but a line must hold a picture and a person, "
                "such as '000001.jpg 2880' (with a tab between them where names hold spaces)"
            )
        rows.append((place, fields[0], fields[1], ""))
    return rows


def _partitioned(rows: list[Row], path: Path) -> list[Row]:
    """Return the rows with their sides as a partition tells them."""
    sides: dict[str, tuple[str, str]] = {}  # picture: side, place
    for place, fields in read_fields(path):
        if len(fields) != 2 or fields[1] not in PARTITIONS:
            raise NbnetError(
                f"{place}: expected a picture and 0 (train), 1 or 2 (evaluation), such as "
                f"'000001.jpg 0', not {' '.join(fields)!r}"
            )
        sides[fields[0]] = PARTITIONS[fields[1]], place
    side_of: dict[str, str] = {}
    divided = []
    for place, image, person, _ in rows:
        if image not in sides:
            raise NbnetError(f"{place}: {image} is not in {path}: take the partition of this set")
        side, there = sides[image]
        if side_of.setdefault(person, side) != side:
            raise NbnetError(
                f"{there}: {image} shows {person!r}, who is on the other side, too: divide the "
                "people with `nbnet data split` instead"
            )
        divided.append((place, image, person, side))
    return divided


def _explain(
    folder: Path,
    lost: list[tuple[str, str]],
    listed: int,
    leave_out: bool,
    aligned: Alignment | None,
) -> list[str]:
    """Return notes on listed pictures that are not there, or refuse them."""
    failed = set() if aligned is None or not lost else _failed(aligned, folder)
    unexplained = [(place, name) for place, name in lost if stem(name) not in failed]
    notes = []
    if len(unexplained) < len(lost):
        count = len(lost) - len(unexplained)
        notes.append(f"listed pictures that could not be aligned: {count:,} of {listed:,}")
    if unexplained and not leave_out:
        place, name = unexplained[0]
        raise NbnetError(
            f"{place}: {name} is not in {folder}, as {len(unexplained):,} of {listed:,} listed "
            "pictures: put them there, name their folder, or leave them out (--leave-out-missing)"
        )
    if unexplained:
        notes.append(f"listed pictures that are not there: {len(unexplained):,} of {listed:,}")
    return notes


def _failed(aligned: Alignment, folder: Path) -> set[str]:
    """Return what the alignment failed on, as stems relative to ``folder``."""
    import pandas as pd

    path = aligned.folder / "alignment.parquet"
    try:
        table = pd.read_parquet(path, columns=["image", "status"])
    except (OSError, ValueError, KeyError) as error:
        raise NbnetError(
            f"{path} does not tell which pictures failed ({error}): run `nbnet data align` again"
        ) from error
    below = folder.absolute().relative_to(aligned.folder).as_posix()
    place = "" if below == "." else f"{below}/"
    names = table.loc[table["status"] == "failed", "image"]
    return {stem(name.removeprefix(place)) for name in names if name.startswith(place)}
