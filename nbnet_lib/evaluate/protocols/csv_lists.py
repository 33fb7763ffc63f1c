"""Lists of pairs, and a user's own lists as CSV: of pictures with their people, or of pairs."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nbnet_lib.data.pictures import walk
from nbnet_lib.data.text import existing_folder, inside, one_form, other_form, read_csv, refuse
from nbnet_lib.errors import NbnetError, note_or_warn
from nbnet_lib.evaluate.protocols.pictures import Folder, pictures_of
from nbnet_lib.evaluate.protocols.types import Pairs, Protocol, Trial

PICTURE_COLUMNS = {"image", "identity", "set", "fold"}
PAIR_COLUMNS = {"first", "second", "same", "fold", "identity_first", "identity_second"}
SETS = ("gallery", "probe", "train", "test")
SAME = {
    **dict.fromkeys(("1", "true", "yes", "same", "genuine"), True),
    **dict.fromkeys(("0", "false", "no", "different", "impostor"), False),
}


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
            missing image; an image, a pair or a person where it must not be. With file:line where
            one line is to blame.
    """
    path = Path(path)
    _refuse_lfw(path)
    table = read_csv(path)
    root = existing_folder(path.parent if root is None else Path(root), "listed")
    columns = set(table.columns)
    one_side = len(columns & {"identity_first", "identity_second"}) == 1
    if {"first", "second", "same"} <= columns <= PAIR_COLUMNS and not one_side:
        return _pairs(path, root, table)
    if {"image", "identity"} <= columns <= PICTURE_COLUMNS:
        return _pictures(path, root, table)
    raise NbnetError(
        f"{path}:1: the columns are {', '.join(table.columns)}: expected image,identity and "
        "perhaps set or fold (a list of pictures), or first,second,same and perhaps fold, "
        "identity_first,identity_second (a list of pairs), separated by commas"
    )


def _refuse_lfw(path: Path) -> None:
    """Raise if a list is one of LFW's in Kaggle's form, which has a reader of its own."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            header = file.readline()
    except (OSError, UnicodeDecodeError):
        return  # the reader says what is wrong
    if header.startswith("name,imagenum1,"):
        kind = "the pairs" if path.name == "pairs.csv" else "a half of the development pairs"
        raise NbnetError(
            f"{path} holds {kind} of LFW as Kaggle has them: results are measured on pairs.csv, "
            "with `--protocol lfw --data FOLDER` (the folder with lfw-deepfunneled and pairs.csv)"
        )


def _existing(root: Path, images: pd.Series) -> pd.Series:
    """Return the images with forward slashes, spelled as on the disk."""
    images = pd.Series(
        {place: _aligned(root, inside(image, place)) for place, image in images.items()}
    )
    missing = images.map(lambda image: not (root / image).is_file())
    if missing.any():
        there = {one_form(name): name for name, _ in walk(root)}
        found = images.where(~missing, images.map(lambda image: there.get(one_form(image), image)))
        missing = found.map(lambda image: not (root / image).is_file())
        if count := int((found != images).sum()):
            note_or_warn(other_form(count, root))
        images = found
    named = images.to_frame("image").assign(root=root)
    refuse(named, missing, "the image {image} is not in {root}: put it there")
    return images


def _aligned(root: Path, image: str) -> str:
    """Return the .png file that `nbnet data align` made of an image, where only that is there."""
    made = str(PurePosixPath(image).with_suffix(".png"))
    return made if not (root / image).is_file() and (root / made).is_file() else image


def _pictures(path: Path, root: Path, table: pd.DataFrame) -> Protocol:
    if {"set", "fold"} <= set(table.columns):
        raise NbnetError(f"{path}:1: both 'set' and 'fold': split the pictures by one of them")
    table["image"] = _existing(root, table["image"])
    refuse(table, table["image"].duplicated(), "{image} is listed twice: remove one")
    files = tuple(table["image"])
    pictures = pictures_of(list(table["identity"]), Folder(root, files))
    source = f"{path.name}: {len(files)} pictures"
    if "fold" in table.columns:
        folds = table["fold"].to_numpy()
        members = [np.flatnonzero(folds == name) for name in dict.fromkeys(folds)]
        first, second = np.concatenate(
            [rows[np.stack(np.triu_indices(len(rows), 1))] for rows in members], axis=1
        )
        pairs = Pairs(first, second, pictures.identities[first] == pictures.identities[second])
        return Protocol(path.stem, pictures, *split_pairs(pairs, folds[first]), source)
    trial = Trial(np.arange(len(files)))
    if "set" in table.columns:
        trial = _sets(table)
    return Protocol(path.stem, pictures, (trial,), "bootstrap", source)


def _sets(table: pd.DataFrame) -> Trial:
    refuse(table, ~table["set"].isin(SETS), f"set is {{set!r}}: expected one of {', '.join(SETS)}")
    rows = {name: np.flatnonzero(table["set"] == name) for name in SETS}
    return Trial(
        np.flatnonzero(table["set"] != "train"),
        gallery=rows["gallery"] if len(rows["gallery"]) else None,
        probes={"probe": rows["probe"]} if len(rows["probe"]) else {},
        train=rows["train"] if len(rows["train"]) else None,
    )


def _pairs(path: Path, root: Path, table: pd.DataFrame) -> Protocol:
    same = table["same"].str.lower().map(SAME)
    refuse(table, same.isna(), "same is {same!r}: expected 1 or 0")
    same = same.astype(bool)
    for side in ("first", "second"):
        table[side] = _existing(root, table[side])
    reason = "{identity_first!r} and {identity_second!r} are named"
    if "identity_first" not in table.columns:
        person = _connected(table, same)
        table = table.assign(
            identity_first=table["first"].map(person), identity_second=table["second"].map(person)
        )
        reason = "genuine pairs of this list connect the two pictures"
    contradictory = (table["identity_first"] == table["identity_second"]) != same
    refuse(
        table,
        contradictory & (table["first"] != table["second"]),
        f"same is {{same}}, but {reason}: correct one of them",
    )
    files = tuple(pd.unique(table[["first", "second"]].to_numpy().ravel()))
    return pair_protocol(path.stem, table, Folder(root, files), f"{path.name}: {len(table)} pairs")


def _connected(table: pd.DataFrame, same: pd.Series) -> dict[str, str]:
    """Return {picture: person}, where genuine pairs connect the pictures of a person."""
    codes, files = pd.factorize(table[["first", "second"]].to_numpy().ravel())
    first, second = codes.reshape(-1, 2)[same.to_numpy()].T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(files), len(files)))
    component = connected_components(graph, directed=False)[1]
    names = files[np.unique(component, return_index=True)[1]]  # the first picture of each
    return dict(zip(files, names[component], strict=True))


def pair_protocol(name: str, table: pd.DataFrame, where: Folder, source: str) -> Protocol:
    """Return one trial, or with folds one trial each, with thresholds from the other folds.

    Args:
        name: of the protocol.
        table: a row per pair, all text: ``first`` and ``second`` (files), ``identity_first`` and
            ``identity_second``, perhaps ``fold``; the index says where in the list it is.
        where: the folder of the pictures; its ``files`` are the pictures in order.
        source: for reports.

    Raises:
        NbnetError: a picture of two people, a pair of one picture or one that occurs twice, a
            person in two folds, a single fold.
    """
    refuse(table, table["first"] == table["second"], "{first} is paired with itself: remove it")
    person_of = dict(zip(table["second"], table["identity_second"], strict=True))
    person_of |= dict(zip(table["first"], table["identity_first"], strict=True))
    for side in ("first", "second"):
        refuse(
            table,
            table[f"identity_{side}"] != table[side].map(person_of),
            f"{{{side}}} shows {{identity_{side}!r}}, but somebody else in another line: keep "
            "the right one",
        )
    ordered = pd.DataFrame(np.sort(table[["first", "second"]].to_numpy(str), axis=1))
    refuse(table, ordered.duplicated(), "the pair {first} and {second} occurs twice: remove one")
    row_of = {file: row for row, file in enumerate(where.files)}
    pairs = Pairs(
        table["first"].map(row_of).to_numpy(np.int64),
        table["second"].map(row_of).to_numpy(np.int64),
        (table["identity_first"] == table["identity_second"]).to_numpy(),
    )
    folds = table["fold"].to_numpy() if "fold" in table.columns else None
    pictures = pictures_of([person_of[file] for file in where.files], where)
    return Protocol(name, pictures, *split_pairs(pairs, folds), source)


def split_pairs(pairs: Pairs, folds: np.ndarray | None) -> tuple[tuple[Trial, ...], str]:
    """Return (trials, spread): one trial, or one per fold with thresholds from all other folds."""
    if folds is None:
        return (Trial(pairs.rows, pairs),), "bootstrap"
    trials = []
    for name in dict.fromkeys(folds):
        tested, others = pairs.select(folds == name), pairs.select(folds != name)
        trials.append(Trial(tested.rows, tested, threshold_pairs=others))
    return tuple(trials), "folds"
