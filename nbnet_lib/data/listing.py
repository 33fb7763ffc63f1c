"""One way into every set of pictures: `open_source` lists whatever it is given as a manifest.

Folders of identity folders, folders whose file names say who is shown, lists (CSV, or two columns
of text as CelebA has them), WebDataset shards, and SynthFaces, which needs no files.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nbnet_lib.data.alignment_file import TABLE, Alignment, read_alignment
from nbnet_lib.data.manifest import COLUMNS, SPLITS, Drawn, Manifest, load_manifest
from nbnet_lib.data.people import spelled
from nbnet_lib.data.pictures import ENDINGS, is_hidden, is_picture_name, walk
from nbnet_lib.data.reading import drawn_name, in_threads, members
from nbnet_lib.data.text import (
    inside,
    one_form,
    other_form,
    read_csv,
    read_fields,
    refuse,
    require_utf8,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.faces.splits import FIRST_TRAINING_IDENTITY
from synthfaces import RENDERER_VERSION
from synthfaces.checks import check_difficulty, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

# What holds folders of these names is divided already, and they are not people.
DIVISIONS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "evaluation"), "evaluation"),
}
PARTITIONS = {"0": "train", "1": "evaluation", "2": "evaluation"}  # as in CelebA's list
INDEX = "shards.json"


def open_source(source: str | os.PathLike[str] | Manifest) -> Manifest:
    """Return the manifest of a set of pictures.

    Args:
        source: a manifest or its ``.parquet`` file; a list (``.csv``, ``.txt``) next to its
            pictures; a folder with tar shards; or a folder of identity folders.

    Raises:
        NbnetError: nothing of this kind, or what its reader refuses.
    """
    if isinstance(source, Manifest):
        return source
    path = Path(source)
    kind = path.suffix.lower()
    if kind == ".parquet":
        return load_manifest(path)
    if path.is_dir():
        return from_shards(path) if any(path.glob("*.tar")) else from_folder(path)
    if kind in (".csv", ".txt") and path.is_file():
        return from_list(path)
    raise NbnetError(
        f"there is no {path}, or it is not a set of pictures: give a folder of identity folders, a "
        "folder of tar shards, a manifest (.parquet) or a list (.csv, .txt)"
    )


def from_folder(
    folder: str | os.PathLike[str], identity_from: str = "folder", level: int = 1
) -> Manifest:
    """List the pictures below a folder. Pictures are found, not opened.

    Files that are not pictures by their ending, names that begin with "." and linked folders are
    skipped and counted in the notes.

    Args:
        folder: the folder.
        identity_from: "folder": the folder below ``folder`` names the person, at whatever depth the
            pictures are in it; "prefix": the file name up to the first "_" or "-" does; "picture":
            everybody has one picture; "none": nobody is known.
        level: with "folder", which folder it is: 2 for ``train/Name/1.png``. Where the folders
            above are called train, test and the like, they divide the set, unless somebody is in
            both.

    Raises:
        NbnetError: no folder, no pictures, or a picture that names nobody.
    """
    root = Path(folder)
    namers = {
        "folder": rf"(?:[^/]+/){{{level - 1}}}([^/]+)/.+",
        "prefix": r"(?:.+/)?([^/_-]+)[_-][^/]*",
        "picture": "(.+)",
        "none": "().+",
    }
    if identity_from not in namers:
        raise NbnetError(f"identity_from is {identity_from!r}: expected one of {', '.join(namers)}")
    images, notes = _pictures_below(root)
    people = []
    for image in images:
        match = re.fullmatch(namers[identity_from], image)
        if match is None:
            missing = {
                "folder": "is in no folder that is named after a person",
                "prefix": "has no '_' or '-' after the name of a person",
            }
            raise NbnetError(
                f"{root / image} {missing[identity_from]}: move it, or say where the names are "
                "(--identity-from, --identity-level or --list)"
            )
        people.append(spelled(match[1]))
    splits = None
    if identity_from == "folder":
        splits, more = _divided(root, images, people, level)
        notes += more
    return manifest_of(root, images, people, splits, notes)


def from_synthfaces(
    identities: Iterable[int], samples: int | Iterable[int] = 6, difficulty: float = 1.0
) -> Manifest:
    """List pictures that SynthFaces draws when they are read.

    People up to 9,999 are in the split "evaluation", those from 10,000 on in "train".

    Raises:
        NbnetError: no identity or one twice, no sample, or a number out of range.
    """
    people = whole_numbers(identities, "identity")
    numbers = whole_numbers(range(samples) if isinstance(samples, int) else samples, "sample")
    pairs = [(person, number) for person in people.tolist() for number in numbers.tolist()]
    table = table_of(
        [drawn_name(person, number) for person, number in pairs],
        [str(person) for person, _ in pairs],
        ["train" if person >= FIRST_TRAINING_IDENTITY else "evaluation" for person, _ in pairs],
    )
    return Manifest(
        table,
        Path(),
        f"SynthFaces, renderer {RENDERER_VERSION}",
        FRAMINGS["synthfaces"],
        drawn=Drawn(RENDERER_VERSION, check_difficulty(difficulty)),
        numbered=True,
    )


def manifest_of(
    root: Path,
    images: list[str],
    people: list[str],
    splits: list[str] | None = None,
    notes: Iterable[str] = (),
) -> Manifest:
    """Return the manifest of pictures in files, with framing and size from alignment.json.

    Raises:
        NbnetError: see `Manifest`, or an alignment.json that cannot be used.
    """
    aligned = read_alignment(root)
    side = 0 if aligned is None or aligned.size is None else aligned.size
    return Manifest(
        table_of(images, people, splits, side),
        root,
        root.resolve().name,
        None if aligned is None else aligned.framing,
        side or None,
        notes=(*notes, *_failures(aligned)),
    )


def table_of(
    images: list[str], people: list[str], splits: list[str] | None = None, side: int = 0
) -> pd.DataFrame:
    """Return the table of a manifest; ``side`` is that of square pictures, 0 if not known."""
    import pandas as pd

    require_utf8(images, "the path of the picture")
    require_utf8(people, "the name of the person")
    columns = (images, people, splits or [""] * len(images), side, side)
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return table.astype({"image": str, "identity": str, "split": str})


def _pictures_below(root: Path) -> tuple[list[str], list[str]]:
    """Return (paths of all pictures below a folder, relative to it and in order; notes)."""
    if not root.is_dir():
        raise NbnetError(f"{root} is not a folder: give the folder of the pictures")
    images: list[str] = []
    skipped: Counter[str] = Counter()
    for name, is_link in walk(root):
        if is_hidden(name) or name.startswith("alignment."):
            continue
        if is_link:
            skipped["linked folders"] += 1
        elif is_picture_name(name):
            images.append(name)
        else:
            skipped[f"{os.path.splitext(name)[1].lower() or 'unnamed'} files"] += 1
    if not images:
        raise NbnetError(f"{root} holds no pictures: give the folder of the pictures")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(skipped.items()))
    return images, [f"passed over in {root.name}: {kinds}"] if kinds else []


def _divided(
    root: Path, images: list[str], people: list[str], level: int
) -> tuple[list[str] | None, list[str]]:
    """Return (the split of each picture where the first folders give it, notes).

    Raises:
        NbnetError: the folders that should name people are one for all, or train and test.
    """
    deeper = any(image.count("/") > level for image in images)
    names = set(people)
    if deeper and len(names) == 1:
        raise NbnetError(
            f"all {len(images):,} pictures are in the one folder {root / people[0]}, which would "
            f"make them one person: give {root / people[0]} itself"
        )
    if (deeper or len(names) > 1) and {name.lower() for name in names} <= DIVISIONS.keys():
        raise NbnetError(
            f"the folders in {root} are {', '.join(sorted(names))}, which are not people: give one "
            f"of them, or say where the names of people are (--identity-level {level + 1}, "
            "--identity-from prefix, or --list)"
        )
    tops = [image.split("/")[0].lower() for image in images]
    if level < 2 or not set(tops) <= DIVISIONS.keys():
        return None, []
    splits = [DIVISIONS[top] for top in tops]
    sides = defaultdict(set)
    for person, split in zip(people, splits, strict=True):
        sides[person].add(split)
    if both := [person for person in sides if len(sides[person]) > 1]:
        shared = f"{', '.join(sorted(set(tops)))} share people ({len(both):,}, such as {both[0]})"
        return None, [f"the folders {shared} and do not divide them: `nbnet data split` does"]
    return splits, []


def _failures(aligned: Alignment | None) -> list[str]:
    """Return notes on what the alignment did not find."""
    kinds = {
        "failed": "pictures that could not be aligned",
        "centred": "pictures without a face that was found, of which the middle was taken",
        "doubtful": "pictures that may lie on their side",
    }
    return [
        f"{kind}: {aligned.counts[name]:,} ({aligned.folder / TABLE} says why)"
        for name, kind in kinds.items()
        if aligned is not None and aligned.counts.get(name)
    ]


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
            ``list_eval_partition.txt``; or Kaggle's ``.csv`` of it, ``image_id,partition``.

    Raises:
        NbnetError: a list that cannot be read (with file:line), a picture that is listed twice or
            is not there, no pictures, or a partition that leaves out a picture or has a person
            on both sides.
    """
    path = Path(path)
    is_csv = path.suffix.lower() == ".csv"
    table = _csv_rows(path) if is_csv else _two_columns(path, "identity", "7.jpg 2880")
    if partition is not None:
        table["split"] = _partition(table, Path(partition))
    folder = path.parent if root is None else Path(root)
    there, notes = _pictures_below(folder)
    exact, by_stem = {one_form(image): image for image in there}, defaultdict(list)
    exact |= {image: image for image in there}
    for image in there:
        by_stem[_stem(image)].append(image)
    files, spelled_otherwise = [], 0
    for place, image in table["image"].items():
        name = inside(image, str(place))
        known = exact.get(name, exact.get(one_form(name)))
        same = by_stem[_stem(name)] if known is None else [known]
        if len(same) > 1:
            raise NbnetError(
                f"{place}: {name} is not in {folder}, but {' and '.join(same[:2])} are: keep one"
            )
        files.append(same[0] if same else "")
        if same and (one_form(same[0]) == same[0]) != (one_form(name) == name):
            spelled_otherwise += 1
    table["file"] = files
    if spelled_otherwise:
        notes.append(other_form(spelled_otherwise, folder))
    found = table[table["file"] != ""]
    refuse(found, found["file"].duplicated(), "{file} is listed twice: keep one")
    notes += _explain_lost(folder, table[table["file"] == ""], len(table), leave_out_missing)
    if len(found) < len(there):
        notes.append(f"pictures that are not on the list: {len(there) - len(found):,}")
    if found.empty:
        raise NbnetError(f"none of the pictures that {path} lists is in {folder}: name its folder")
    people = [spelled(person) for person in found["identity"]]
    return manifest_of(folder, list(found["file"]), people, list(found["split"]), notes)


def _stem(name: str) -> str:
    """Return a picture's path without what the file is packed and encoded as, in Unicode NFC."""
    name = one_form(name)
    plain = name[:-4] if name.lower().endswith(".bz2") else name
    base, ending = os.path.splitext(plain)
    return base if ending.lower() in ENDINGS else plain


def _csv_rows(path: Path) -> pd.DataFrame:
    table = read_csv(path).rename(columns={"image_id": "image"})  # so in Kaggle's copy of CelebA
    columns = set(table.columns)
    if columns == {"image", "partition"}:
        raise NbnetError(
            f"{path} says which picture is for training, not who is on it: add "
            f"--list identity_CelebA.txt, and give this list as --partition {path}"
        )
    if not {"image", "identity"} <= columns <= {"image", "identity", "split"}:
        raise NbnetError(
            f"{path}:1: the columns are {', '.join(table.columns)}: expected image,identity and "
            "perhaps split, separated by commas"
        )
    return table if "split" in columns else table.assign(split="")


def _two_columns(path: Path, column: str, example: str) -> pd.DataFrame:
    """Return the columns image, ``column`` and split of a text file; the index is the place."""
    import pandas as pd

    rows = read_fields(path)
    for place, fields in rows:
        if len(fields) != 2 or not all(fields):
            raise NbnetError(
                f"{place}: {len(fields)} fields, but a line must hold two, such as {example!r} "
                "(with a tab between them where names hold spaces)"
            )
    table = pd.DataFrame.from_dict(dict(rows), orient="index", columns=["image", column])
    return table.assign(split="")


def _partition(table: pd.DataFrame, path: Path) -> pd.Series:
    """Return the split of each row of a list, as a partition list gives it."""
    if path.suffix.lower() == ".csv":  # Kaggle's copy of CelebA
        parts = read_csv(path).rename(columns={"image_id": "image", "partition": "part"})
        if set(parts.columns) != {"image", "part"}:
            raise NbnetError(
                f"{path}:1: the columns are {', '.join(parts.columns)}: expected image_id,partition"
            )
    else:
        parts = _two_columns(path, "part", "7.jpg 0")
    refuse(parts, parts["image"].duplicated(), "{image} is listed twice: take the original")
    refuse(
        parts,
        ~parts["part"].isin(list(PARTITIONS)),
        "{image} {part}: expected 0 (train), 1 or 2 (evaluation)",
    )
    split = table["image"].map(parts.set_index("image")["part"].map(PARTITIONS))
    refuse(table, split.isna(), f"{{image}} is not in {path}: take the complete list")
    return split


def _explain_lost(folder: Path, lost: pd.DataFrame, listed: int, leave_out: bool) -> list[str]:
    """Return notes on listed pictures that are not there, or refuse them."""
    if lost.empty:
        return []
    unexplained = lost[~lost["image"].map(_stem).isin(_failed_stems(folder))]
    notes = []
    if count := len(lost) - len(unexplained):
        notes.append(f"listed pictures that could not be aligned: {count:,} of {listed:,}")
    if len(unexplained) and not leave_out:
        raise NbnetError(
            f"{unexplained.index[0]}: {unexplained['image'].iloc[0]} is not in {folder}, as "
            f"{len(unexplained):,} of {listed:,} listed pictures: put them there, name their "
            "folder, or leave them out (--leave-out-missing)"
        )
    if len(unexplained):
        notes.append(f"listed pictures that are not there: {len(unexplained):,} of {listed:,}")
    return notes


def _failed_stems(folder: Path) -> set[str]:
    """Return what the alignment of a folder failed on, as stems relative to it."""
    import pandas as pd

    aligned = read_alignment(folder)
    if aligned is None:
        return set()
    path = aligned.folder / TABLE
    try:
        table = pd.read_parquet(path, columns=["image", "status"])
    except (OSError, ValueError) as error:
        raise NbnetError(
            f"{path} cannot be read ({error}): run `nbnet data align` again"
        ) from error
    below = folder.absolute().relative_to(aligned.folder).as_posix()
    place = "" if below == "." else f"{below}/"
    names = table.loc[table["status"] == "failed", "image"]
    return {_stem(name.removeprefix(place)) for name in names if name.startswith(place)}


def from_shards(folder: str | os.PathLike[str]) -> Manifest:
    """List the pictures in the WebDataset shards of a folder: tar files, unpacked nowhere.

        0000012.png  0000012.json       {"identity": "Synth_Person_0007", ...}

    Members of one key belong together. The shards that this library writes say who is shown in the
    JSON; of others ``.cls`` (a class number) is read, too.

    Raises:
        NbnetError: no shards, one that is damaged or cut short, an index that does not fit them,
            or a member that cannot be read.
    """
    root = Path(folder)
    shards = sorted(path.name for path in root.glob("*.tar"))
    if not shards:
        raise NbnetError(f"{root} holds no tar files: give the folder of the shards")
    index = _index(root, shards)
    rows: list[tuple[str, str, str]] = []  # image, identity, split
    notes: list[str] = []
    without = 0
    for found, left_out in in_threads(lambda name: _shard_rows(root, name), shards):
        rows += found
        without += left_out
    if not rows:
        raise NbnetError(f"the shards in {root} hold no pictures: give those of pictures")
    if without:
        notes.append(f"keys without a picture, passed over: {without:,}")
    images, people, splits = (list(column) for column in zip(*rows, strict=True))
    synthetic = "renderer_version" in index
    size = index.get("size")
    framing = FRAMINGS["synthfaces"] if synthetic else None
    if index.get("framing") is not None:
        framing = Framing.from_card(index["framing"])
    return Manifest(
        table_of(images, people, splits, size or 0),
        root,
        str(index.get("source", root.resolve().name)),
        framing,
        size,
        numbered=bool(index.get("numbered", synthetic)),
        notes=tuple(notes),
    )


def _index(root: Path, shards: list[str]) -> dict[str, Any]:
    """Return what shards.json says; nothing where somebody else wrote the shards."""
    path = root / INDEX
    if not path.is_file():
        return {}
    try:
        index = dict(json.loads(path.read_text(encoding="utf-8")))
        different = {entry["file"] for entry in index["shards"]} ^ set(shards)
    except (ValueError, KeyError, TypeError) as error:
        raise NbnetError(f"{path} is damaged ({error}): write the shards again") from error
    if different or index.get("missing"):
        missing = f"{index.get('missing')} were not written yet"
        fault = missing if index.get("missing") else f"{min(different)} is in one of them only"
        raise NbnetError(
            f"{path} does not fit the shards beside it ({fault}): give the command that wrote them "
            "again, the whole ones are kept"
        )
    return index


def _shard_rows(root: Path, name: str) -> tuple[list[tuple[str, str, str]], int]:
    """Return (image, identity, split) of the pictures of one shard, and how many keys have none."""
    path = root / name
    places = members(path)
    groups: dict[str, dict[str, str]] = {}  # key: {ending: member}
    for member in places:
        base = PurePosixPath(member).name
        key, dot, ending = base.partition(".")
        if dot and key:
            groups.setdefault(member[: len(member) - len(base)] + key, {})[ending.lower()] = member
    rows, without = [], 0
    with open(path, "rb") as file:

        def text_of(member: str | None) -> bytes:
            begin, length = places[member] if member else (0, 0)
            file.seek(begin)
            return file.read(length)

        for group in groups.values():
            pictures = [m for m in group.values() if is_picture_name(m) or m.endswith(".npy")]
            if len(pictures) > 1:
                raise NbnetError(
                    f"{path}: {' and '.join(pictures[:2])} have one key: keep one picture for each"
                )
            if not pictures:
                without += 1
                continue
            try:
                about = json.loads(text_of(group.get("json")) or b"{}")
                person, split = about.get("identity"), about.get("split", "")
                person = text_of(group.get("cls")).decode() if person is None else str(person)
            except (ValueError, AttributeError) as error:
                raise NbnetError(
                    f"{path}: what is beside {pictures[0]} is not a JSON object or a class number "
                    f"({error}): write the shard again"
                ) from error
            split = split if split in SPLITS else ""
            rows.append((f"{name}/{pictures[0]}", spelled(person), split))
    return rows, without
