"""One way into every set of pictures: `open_source` lists whatever it is given as a manifest.

Folders of identity folders, folders whose file names say who is shown, lists (CSV, or two columns
of text as CelebA has them), WebDataset shards, and SynthFaces, which needs no files.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nbnet_lib.data.alignment_file import TABLE, Alignment, read_alignment
from nbnet_lib.data.manifest import COLUMNS, SPLITS, Drawn, Manifest, load_manifest
from nbnet_lib.data.people import spelled
from nbnet_lib.data.pictures import ENDINGS, is_picture_name, walk
from nbnet_lib.data.reading import drawn_name, in_threads, members
from nbnet_lib.data.text import check_columns, inside, read_fields, read_table, require_utf8
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

ListRow = tuple[str, str, str, str]  # place (file:line), image, person, split


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
        "folder": lambda image: _folder_name(root, image, level),
        "prefix": lambda image: _prefix(root, image),
        "picture": lambda image: image,
        "none": lambda image: "",
    }
    if identity_from not in namers:
        raise NbnetError(f"identity_from is {identity_from!r}: expected one of {', '.join(namers)}")
    images, notes = _pictures_below(root)
    people = [spelled(namers[identity_from](image)) for image in images]
    if identity_from == "folder":
        _refuse_divisions(root, images, people, level)
    splits, more = _divided(images, people, level)
    return manifest_of(root, images, people, splits, notes + more)


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
        notes=(*notes, *_failures(aligned), *_same_but_for_case(images)),
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
    for place, folders, files in walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        skipped["linked folders"] += sum((root / place / name).is_symlink() for name in folders)
        for name in sorted(files):
            if name.startswith(".") or (not place and name.startswith("alignment.")):
                continue
            if is_picture_name(name):
                images.append(f"{place}{name}")
            else:
                skipped[f"{os.path.splitext(name)[1].lower() or 'unnamed'} files"] += 1
    if not images:
        raise NbnetError(f"{root} holds no pictures: give the folder of the pictures")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted((+skipped).items()))
    return images, [f"passed over in {root.name}: {kinds}"] if kinds else []


def _folder_name(root: Path, image: str, level: int) -> str:
    parts = image.split("/")
    if len(parts) <= level:
        raise NbnetError(
            f"{root / image} is in no folder that is named after a person: give the folder of the "
            "identity folders, take that picture away, or say where the names are "
            "(--identity-from prefix, or --list)"
        )
    return parts[level - 1]


def _prefix(root: Path, image: str) -> str:
    match = re.match(r"([^_-]+)[_-]", PurePosixPath(image).name)
    if match is None:
        raise NbnetError(
            f"{root / image} has no '_' or '-' after the name of a person: rename it, or give a "
            "list of who is on which picture"
        )
    return match[1]


def _refuse_divisions(root: Path, images: list[str], people: list[str], level: int) -> None:
    """Refuse folders that are not people: one for all, or train and test."""
    deeper = any(image.count("/") > level for image in images)
    names = set(people)
    if deeper and len(names) == 1:
        raise NbnetError(
            f"all {len(images):,} pictures are in the one folder {root / people[0]}, which would "
            f"make them one person: give {root / people[0]} itself"
        )
    if (deeper or len(names) > 1) and {name.lower() for name in names} <= DIVISIONS.keys():
        how = (
            f"name people by the next folder (--identity-level {level + 1})"
            if deeper
            else "say where the names of people are (--identity-from prefix, or --list)"
        )
        raise NbnetError(
            f"the folders in {root} are {', '.join(sorted(names))}, which are not people: give one "
            f"of them, or {how}"
        )


def _divided(
    images: list[str], people: list[str], level: int
) -> tuple[list[str] | None, list[str]]:
    """Return (the split of each picture where the first folders give it, notes)."""
    tops = [image.split("/")[0].lower() for image in images]
    if level < 2 or not set(tops) <= DIVISIONS.keys():
        return None, []
    splits = [DIVISIONS[top] for top in tops]
    sides: dict[str, set[str]] = {}
    for person, split in zip(people, splits, strict=True):
        sides.setdefault(person, set()).add(split)
    both = [person for person, found in sides.items() if len(found) > 1]
    if both:
        shared = (
            f"{', '.join(sorted(set(tops)))} share people ({len(both):,}, for example {both[0]})"
        )
        return None, [f"the folders {shared} and do not divide them: `nbnet data split` does"]
    return splits, []


def _failures(aligned: Alignment | None) -> list[str]:
    """Return notes on what the alignment did not find."""
    kinds = {
        "failed": "pictures that could not be aligned",
        "centred": "pictures without a face that was found, of which the middle was taken",
    }
    return [
        f"{kind}: {aligned.counts[name]:,} ({aligned.folder / TABLE} says why)"
        for name, kind in kinds.items()
        if aligned is not None and aligned.counts.get(name)
    ]


def _same_but_for_case(images: list[str]) -> list[str]:
    """Return a note on names that Windows and macOS take for one."""
    seen: dict[str, str] = {}
    both = [
        (seen[low], image)
        for image in images
        if seen.setdefault(low := spelled(image).casefold(), image) != image
    ]
    if not both:
        return []
    return [
        "names that differ from another by case only, of which Windows and macOS hold one: "
        f"{len(both):,} (for example {' and '.join(both[0])})"
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
            ``list_eval_partition.txt``.

    Raises:
        NbnetError: a list that cannot be read (with file:line), a picture that is listed twice or
            is not there, no pictures, or a partition that leaves out a picture or has a person
            on both sides.
    """
    path = Path(path)
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _text_rows(path, "7.jpg 2880")
    if partition is not None:
        rows = _partitioned(rows, Path(partition))
    folder = path.parent if root is None else Path(root)
    there, notes = _pictures_below(folder)
    exact = set(there)
    by_stem: dict[str, list[str]] = {}
    for image in there:
        by_stem.setdefault(_stem(image), []).append(image)
    found: dict[str, tuple[str, str, str]] = {}  # {file: place, person, split}
    lost: list[tuple[str, str]] = []
    for place, image, person, split in rows:
        name = inside(image, place)
        files = [name] if name in exact else by_stem.get(_stem(name), [])
        if len(files) > 1:
            raise NbnetError(
                f"{place}: {name} is not in {folder}, but {' and '.join(files[:2])} are: keep one"
            )
        if not files:
            lost.append((place, name))
        elif files[0] in found:
            raise NbnetError(f"{place}: {files[0]} is listed in {found[files[0]][0]} already")
        else:
            found[files[0]] = (place, spelled(person), split)
    notes += _explain_lost(folder, lost, len(rows), leave_out_missing)
    if len(found) < len(there):
        notes.append(f"pictures that are not on the list: {len(there) - len(found):,}")
    if not found:
        raise NbnetError(f"none of the pictures that {path} lists is in {folder}: name its folder")
    people = [person for _, person, _ in found.values()]
    return manifest_of(folder, list(found), people, [s for _, _, s in found.values()], notes)


def _stem(name: str) -> str:
    """Return a picture's path without what the file is packed and encoded as."""
    plain = name[:-4] if name.lower().endswith(".bz2") else name
    base, ending = os.path.splitext(plain)
    return base if ending.lower() in ENDINGS else plain


def _csv_rows(path: Path) -> list[ListRow]:
    columns, table = read_table(path)
    check_columns(path, columns, ("image", "identity", "split"))
    if not {"image", "identity"} <= set(columns):
        raise NbnetError(
            f"{path}:1: the columns are {', '.join(columns)}: expected image,identity and perhaps "
            "split"
        )
    return [(place, row["image"], row["identity"], row.get("split", "")) for place, row in table]


def _text_rows(path: Path, example: str) -> list[ListRow]:
    rows = []
    for place, fields in read_fields(path):
        if len(fields) != 2 or not all(fields):
            raise NbnetError(
                f"{place}: {len(fields)} fields, but a line must hold two, such as {example!r} "
                "(with a tab between them where names hold spaces)"
            )
        rows.append((place, fields[0], fields[1], ""))
    return rows


def _partitioned(rows: list[ListRow], path: Path) -> list[ListRow]:
    """Return the rows with the split that a partition list gives them."""
    sides: dict[str, str] = {}
    for place, image, part, _ in _text_rows(path, "7.jpg 0"):
        if part not in PARTITIONS or image in sides:
            raise NbnetError(
                f"{place}: {image} {part} is there twice, or is not 0 (train), 1 or 2 (evaluation)"
            )
        sides[image] = PARTITIONS[part]
    for place, image, _, _ in rows:
        if image not in sides:
            raise NbnetError(f"{place}: {image} is not in {path}: take the complete list")
    return [(place, image, person, sides[image]) for place, image, person, _ in rows]


def _explain_lost(
    folder: Path, lost: list[tuple[str, str]], listed: int, leave_out: bool
) -> list[str]:
    """Return notes on listed pictures that are not there, or refuse them."""
    failed = _failed_stems(folder) if lost else set()
    unexplained = [(place, name) for place, name in lost if _stem(name) not in failed]
    notes = []
    if count := len(lost) - len(unexplained):
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
    unknown = sum(not identity for _, identity, _ in rows)
    if unknown:
        notes.append(f"pictures without identity (.json or .cls): {unknown:,} of {len(rows):,}")
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
        listed = {entry["file"] for entry in index["shards"]}
        fault = f"{index['missing']} were not written yet" if index.get("missing") else ""
        if different := listed ^ set(shards):
            fault = fault or f"{min(different)} is in one of them only"
    except (ValueError, KeyError, TypeError) as error:
        fault = f"it is damaged: {error}"
    if fault:
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
        for group in groups.values():
            pictures = [m for m in group.values() if is_picture_name(m) or m.endswith(".npy")]
            if len(pictures) > 1:
                raise NbnetError(
                    f"{path}: {' and '.join(pictures[:2])} have one key: keep one picture for each"
                )
            if not pictures:
                without += 1
                continue
            texts = {}
            for ending in group.keys() & {"json", "cls"}:
                begin, length = places[group[ending]]
                file.seek(begin)
                texts[ending] = file.read(length)
            try:
                about = json.loads(texts.get("json", b"{}"))
                person, split = about.get("identity"), about.get("split", "")
                person = texts.get("cls", b"").decode() if person is None else str(person)
            except (ValueError, AttributeError) as error:
                raise NbnetError(
                    f"{path}: what is beside {pictures[0]} is not a JSON object or a class number "
                    f"({error}): write the shard again"
                ) from error
            rows.append(
                (f"{name}/{pictures[0]}", spelled(person), split if split in SPLITS else "")
            )
    return rows, without
