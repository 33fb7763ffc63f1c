"""Own lists as CSV: of pictures with their people, or of pairs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from nbnet_lib.data.text import check_columns, existing_folder, inside, read_table
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pair_lists import PairRow, pair_protocol, split_pairs
from nbnet_lib.evaluate.protocols.pictures import Folder, Pictures
from nbnet_lib.evaluate.protocols.types import Pairs, Protocol, Trial

PICTURE_COLUMNS = ("image", "identity", "set", "fold")
PAIR_COLUMNS = ("first", "second", "same", "fold", "identity_first", "identity_second")
SETS = ("gallery", "probe", "train", "test")
SAME = {
    **dict.fromkeys(("1", "true", "yes", "same", "genuine"), True),
    **dict.fromkeys(("0", "false", "no", "different", "impostor"), False),
}
MOST_PAIRS = 2_000_000  # that are listed for folds of pictures

Table = list[tuple[str, dict[str, str]]]


def from_csv(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Protocol:
    """Read a protocol from a CSV file whose first row names the columns.

    *Pictures*: ``image,identity`` and perhaps ``set`` or ``fold``. Every picture is compared with
    every other. ``set`` is gallery or probe (identification; both also take part in verification),
    test (verification only) or train (left out of all comparisons). With ``fold``, pictures are
    compared within their fold, and thresholds come from the other folds.

    *Pairs*: ``first,second,same`` and perhaps ``fold``, and ``identity_first,identity_second``.
    Only these pairs are compared. Without the identities, pictures that genuine pairs connect are
    one person, named after the first of these pictures. A person whose pictures no genuine pair
    connects then counts as several, which makes the intervals too narrow: give identities where you
    know them.

    Images are paths inside ``root``, with slashes or backslashes. ``same`` is 1 or 0, true or
    false, yes or no.

    Args:
        path: the list, UTF-8.
        root: folder of the pictures; the folder of the list by default.

    Raises:
        NbnetError: a file that cannot be read, is empty or not CSV; an unknown column or value; a
            missing image; an image, a pair or a person where it must not be; with file:line.
    """
    path = Path(path)
    columns, table = read_table(path)
    root = existing_folder(path.parent if root is None else Path(root), "listed")
    if {"first", "second", "same"} <= set(columns):
        check_columns(path, columns, PAIR_COLUMNS)
        return _pairs(path, root, columns, table)
    if {"image", "identity"} <= set(columns):
        check_columns(path, columns, PICTURE_COLUMNS)
        return _pictures(path, root, columns, table)
    raise NbnetError(
        f"{path}:1: the columns are {', '.join(columns)}: expected image,identity (a list of "
        "pictures) or first,second,same (a list of pairs), separated by commas"
    )


def _existing(root: Path, name: str, place: str) -> str:
    file = inside(name, place)
    if not (root / file).is_file():
        raise NbnetError(f"{place}: the image {file} is not in {root}: put it there")
    return file


def _pictures(path: Path, root: Path, columns: list[str], table: Table) -> Protocol:
    if {"set", "fold"} <= set(columns):
        raise NbnetError(f"{path}:1: both 'set' and 'fold': split the pictures by one of them")
    split = "set" if "set" in columns else "fold" if "fold" in columns else ""
    seen: dict[str, str] = {}
    side_of: dict[str, tuple[str, str]] = {}
    for place, row in table:
        file = _existing(root, row["image"], place)
        if file in seen:
            raise NbnetError(f"{place}: {file} stands already in {seen[file]}: remove one")
        seen[file] = place
        if split == "set" and row["set"] not in SETS:
            raise NbnetError(f"{place}: set is {row['set']!r}: expected one of {', '.join(SETS)}")
        if split:
            # Of the sets only training is a side of its own: gallery and probe share people.
            value = row[split]
            side = value if split == "fold" or value == "train" else "test"
            known, where = side_of.setdefault(row["identity"], (side, place))
            if known != side:
                raise NbnetError(
                    f"{place}: {row['identity']!r} is in {split} {value!r} and, by {where}, on "
                    "another side of the split: keep each person on one side"
                )
    people, codes = np.unique([row["identity"] for _, row in table], return_inverse=True)
    files = tuple(seen)
    pictures = Pictures(files, codes.astype(np.int64), tuple(people.tolist()), Folder(root, files))
    values = [row[split] if split else "" for _, row in table]
    trials, spread = (
        _folds(path, pictures, values)
        if split == "fold"
        else ((_sets(path, np.array(values)),), "bootstrap")
    )
    return Protocol(path.stem, pictures, trials, spread, f"{path.name}: {len(files)} pictures")


def _sets(path: Path, sets: np.ndarray) -> Trial:
    def rows(name: str) -> np.ndarray | None:
        found = np.flatnonzero(sets == name)
        return found if len(found) else None

    gallery, probes = rows("gallery"), rows("probe")
    if gallery is None or probes is None:
        if gallery is not None or probes is not None:
            has, lacks = ("gallery", "probe") if probes is None else ("probe", "gallery")
            raise NbnetError(
                f"{path} lists {has} pictures and no {lacks} pictures: an identification needs both"
            )
    tested = np.flatnonzero(sets != "train")
    if not len(tested):
        raise NbnetError(f"{path} lists training pictures only: add test pictures")
    return Trial(
        tested,
        gallery=gallery,
        probes={} if probes is None else {"probe": probes},
        train=rows("train"),
    )


def _folds(path: Path, pictures: Pictures, folds: list[str]) -> tuple[tuple[Trial, ...], str]:
    names = list(dict.fromkeys(folds))
    if len(names) < 2:
        raise NbnetError(
            f"{path}: all pictures are in fold {names[0]!r}, but thresholds come from other folds: "
            "give at least two folds, or none"
        )
    fold = np.array(folds)
    members = [np.flatnonzero(fold == name) for name in names]
    total = sum(len(rows) * (len(rows) - 1) // 2 for rows in members)
    if total > MOST_PAIRS:
        raise NbnetError(
            f"{path}: the folds make {total:,} pairs, more than {MOST_PAIRS:,}: "
            "choose pairs and list those"
        )
    first, second, labels = [], [], []
    for name, rows in zip(names, members, strict=True):
        i, j = np.triu_indices(len(rows), 1)
        first.append(rows[i])
        second.append(rows[j])
        labels += [name] * len(i)
    a, b = np.concatenate(first), np.concatenate(second)
    same = pictures.identities[a] == pictures.identities[b]
    return split_pairs(Pairs(a, b, same), labels)


def _pairs(path: Path, root: Path, columns: list[str], table: Table) -> Protocol:
    named = [c for c in ("identity_first", "identity_second") if c in columns]
    if len(named) == 1:
        raise NbnetError(f"{path}:1: {named[0]} alone: give identities of both sides, or of none")
    same, files = [], []
    for place, row in table:
        value = SAME.get(row["same"].lower())
        if value is None:
            raise NbnetError(f"{place}: same is {row['same']!r}: expected 1 or 0")
        same.append(value)
        files.append((_existing(root, row["first"], place), _existing(root, row["second"], place)))
    ordered = tuple(dict.fromkeys(file for pair in files for file in pair))
    if named:
        people = [(row["identity_first"], row["identity_second"]) for _, row in table]
    else:
        person = _connected(ordered, files, same)
        people = [(person[a], person[b]) for a, b in files]
    rows = []
    for (place, row), pair, who, genuine in zip(table, files, people, same, strict=True):
        if pair[0] != pair[1] and (who[0] == who[1]) != genuine:
            reason = (
                f"names {who[0]!r} and {who[1]!r}"
                if named
                else "genuine pairs of this list connect the two pictures"
            )
            raise NbnetError(f"{place}: same is {row['same']}, but {reason}: correct one of them")
        rows.append(PairRow(place, pair, who, row.get("fold", "")))
    return pair_protocol(path.stem, rows, Folder(root, ordered), f"{path.name}: {len(rows)} pairs")


def _connected(
    ordered: tuple[str, ...], files: list[tuple[str, str]], same: list[bool]
) -> dict[str, str]:
    """Return {picture: person}, where genuine pairs connect the pictures of a person."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {file: i for i, file in enumerate(ordered)}
    links = [(number[a], number[b]) for (a, b), s in zip(files, same, strict=True) if s]
    i, j = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(ordered), len(ordered)))
    component = connected_components(graph, directed=False)[1]
    first_of: dict[int, str] = {}
    return {
        file: first_of.setdefault(int(c), file) for file, c in zip(ordered, component, strict=True)
    }
