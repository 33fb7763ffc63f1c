"""Labeled Faces in the Wild, view 2: 10 folds of 300 genuine and 300 impostor pairs.

Layout, from the README of the data set (Huang, Ramesh, Berg, Learned-Miller, UMass Amherst TR
07-49, 2007): one folder per person with pictures ``Name/Name_0001.jpg``; ``pairs.txt`` begins with
the number of folds and of pairs of either kind, and then holds, fold by fold, genuine pairs
``Name n1 n2`` and impostor pairs ``Name1 n1 Name2 n2``, separated by tabs.

The pictures themselves are not part of this project: they show real people.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from nbnet_lib.data.pictures import ENDINGS
from nbnet_lib.data.text import existing_folder, read_fields
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pair_lists import PairRow, pair_protocol
from nbnet_lib.evaluate.protocols.pictures import Folder
from nbnet_lib.evaluate.protocols.types import Protocol


def lfw_view2(
    root: str | os.PathLike[str], pairs_file: str | os.PathLike[str] | None = None
) -> Protocol:
    """Return the folds of ``pairs.txt``; each takes its thresholds from all other folds.

    Results are told as the mean over folds with its standard error, as LFW asks. (The folds share
    no people, but the thresholds of any two share most of their pairs.)

    Args:
        root: folder with one folder per person; pictures may also be PNG.
        pairs_file: the list; ``pairs.txt`` in ``root`` or beside it by default.

    Raises:
        NbnetError: no such folder or list, a line that does not fit the format, counts other than
            the header's, a picture that is missing, paired with itself or twice with the same, a
            person in two folds; with file:line.
    """
    root = existing_folder(Path(root), "LFW")
    path = find_list(root, "pairs.txt") if pairs_file is None else Path(pairs_file)
    if path is None:
        raise NbnetError(
            f"there is no pairs.txt in {root} or beside it: put the list of view 2 there, or name "
            "it (--list)"
        )
    lines = read_fields(path)
    folds, per_fold = _header(*lines[0])
    expected = 2 * folds * per_fold
    if len(lines) - 1 != expected:
        raise NbnetError(
            f"{lines[-1][0]}: the list ends after {len(lines) - 1} pairs, but its header announces "
            f"{folds} x 2 x {per_fold} = {expected}: take the complete list of view 2"
        )
    files = lfw_files(root)
    rows = []
    for index, (place, fields) in enumerate(lines[1:]):
        fold, within = divmod(index, 2 * per_fold)
        people, numbers = _pair(place, fields, genuine=within < per_fold)
        found = [_picture(files, root, place, p, n) for p, n in zip(people, numbers, strict=True)]
        rows.append(PairRow(place, (found[0], found[1]), people, str(fold + 1)))
    used = sorted({file for row in rows for file in row.files})
    source = f"{path.name}: {folds} folds x {per_fold} genuine and {per_fold} impostor pairs"
    return pair_protocol("lfw", rows, Folder(root, tuple(used)), source)


def find_list(root: Path, name: str) -> Path | None:
    """Return ``name`` in the folder of pictures or beside it, or None."""
    for path in (root / name, root.parent / name):
        if path.is_file():
            return path
    return None


def _header(place: str, fields: list[str]) -> tuple[int, int]:
    if len(fields) != 2 or not all(re.fullmatch("[1-9][0-9]{0,5}", f) for f in fields):
        raise NbnetError(
            f"{place}: the header is {' '.join(fields)!r}, but the list of view 2 begins with the "
            "number of folds and of pairs, such as '10 300'"
        )
    if fields[0] == "1":
        raise NbnetError(f"{place}: one fold, but thresholds come from other folds: give two")
    return int(fields[0]), int(fields[1])


def _pair(place: str, fields: list[str], genuine: bool) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return (people, picture numbers) of a line."""
    if len(fields) != (3 if genuine else 4):
        kind = "genuine pair, 'Name n1 n2'" if genuine else "impostor pair, 'Name1 n1 Name2 n2'"
        raise NbnetError(f"{place}: {len(fields)} fields, but this line must hold a {kind}")
    if genuine:
        people, numbers = (fields[0], fields[0]), (fields[1], fields[2])
    else:
        people, numbers = (fields[0], fields[2]), (fields[1], fields[3])
    for number in numbers:
        if not re.fullmatch("0{0,3}[1-9][0-9]{0,3}", number):
            raise NbnetError(f"{place}: {number!r} is not a picture number: expected 1, 2, ...")
    if not genuine and people[0] == people[1]:
        raise NbnetError(
            f"{place}: both sides of an impostor pair are {people[0]!r}: give two people"
        )
    return people, numbers


def _picture(files: dict[str, str], root: Path, place: str, person: str, number: str) -> str:
    stem = f"{person}_{int(number):04d}"
    if stem not in files:
        raise NbnetError(
            f"{place}: the picture {person}/{stem}.jpg (or .png) is not in {root}: put it there"
        )
    return files[stem]


def lfw_files(root: Path) -> dict[str, str]:
    """Return {"Name_0001": "Name/Name_0001.jpg"}, in order of names and numbers.

    Files that are not pictures are passed over.

    Raises:
        NbnetError: a picture whose name does not fit its folder, one that lies there in two
            formats, or no picture at all.
    """
    files: dict[str, str] = {}
    with os.scandir(root) as entries:
        people = sorted(entry.name for entry in entries if entry.is_dir())
    for person in people:
        for name in sorted(os.listdir(root / person)):
            stem, ending = os.path.splitext(name)
            if ending.lower() not in ENDINGS or name.startswith("."):
                continue
            if not re.fullmatch(re.escape(person) + "_[0-9]{4}", stem):
                raise NbnetError(
                    f"{root / person / name} is not named {person}_0001{ending} or the like, "
                    "as LFW does: rename it or take it away"
                )
            if stem in files:
                raise NbnetError(
                    f"{root / person} holds both {Path(files[stem]).name} and {name}: keep one"
                )
            files[stem] = f"{person}/{name}"
    if not files:
        raise NbnetError(
            f"{root} holds no pictures in folders named after people (Name/Name_0001.jpg): "
            "give the folder that LFW unpacks to"
        )
    return files
