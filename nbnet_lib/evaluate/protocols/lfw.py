"""Labeled Faces in the Wild: view 2 (10 folds of pairs) and BLUFR (random trials on all of it).

Layout, from the README of the data set (Huang, Ramesh, Berg, Learned-Miller, UMass Amherst TR
07-49, 2007): one folder per person with pictures ``Name/Name_0001.jpg``; ``pairs.txt`` begins with
the number of folds and of pairs of either kind, and then holds, fold by fold, genuine pairs
``Name n1 n2`` and impostor pairs ``Name1 n1 Name2 n2``, separated by tabs. Kaggle's copy has the
same lines as ``pairs.csv`` and the people in ``lfw-deepfunneled/lfw-deepfunneled``; it is read too.

BLUFR: Liao, Lei, Yi, Li, "A Benchmark Study of Large-scale Unconstrained Face Recognition", IJCB
2014. In each of 10 trials 1,500 of the 5,749 people are for training and the other 4,249 for the
test, where every picture is compared with every other; 1,000 test people are enrolled with one
picture each and all other test pictures are probes, with or without a mate in the gallery. Trials
share people, so their standard deviation is not a standard error; the authors rank by mean minus
standard deviation. With the authors' ``blufr_lfw_config.mat`` its trials are used. Without it,
random trials are drawn in the same proportions, from whatever people the folder holds:
*BLUFR-style*, whose numbers may be set beside published ones only with that remark.

The pictures themselves are not part of this project: they show real people.
"""

from __future__ import annotations

import os
import re
import zlib
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from nbnet_lib.data.pictures import ENDINGS
from nbnet_lib.data.text import existing_folder, one_form, other_form, read_fields
from nbnet_lib.errors import NbnetError, note_or_warn
from nbnet_lib.evaluate.protocols.csv_lists import pair_protocol
from nbnet_lib.evaluate.protocols.pictures import Folder, Pictures, pictures_of
from nbnet_lib.evaluate.protocols.types import Protocol, Trial

BLUFR_LISTS = "blufr_lfw_config.mat"
BLUFR_VARIABLES = ("imageList", "trainIndex", "testIndex", "galIndex", "probIndex")
PEOPLE, TRAIN, GALLERY = 5749, 1500, 1000  # of LFW: the proportions that trials are drawn in


def lfw_view2(
    root: str | os.PathLike[str], pairs_file: str | os.PathLike[str] | None = None
) -> Protocol:
    """Return the folds of ``pairs.txt``; each takes its thresholds from all other folds.

    Results are reported as the mean over folds with its standard error, as LFW asks. (The folds
    share no people, but the thresholds of any two share most of their pairs.)

    Args:
        root: folder with one folder per person; pictures may also be PNG.
        pairs_file: the list; ``pairs.txt`` in ``root`` or beside it by default.

    Raises:
        NbnetError: no such folder or list, a line that does not fit the format, counts other than
            the header's, a picture that is missing, paired with itself or twice with the same, a
            person in two folds. With file:line where one line is to blame.
    """
    root = _people_folder(root)
    path = Path(pairs_file) if pairs_file is not None else None
    path = path or _list_beside(root, "pairs.txt") or _list_beside(root, "pairs.csv")
    if path is None:
        raise NbnetError(
            f"there is no pairs.txt in {root} or beside it: put the list of view 2 there, or name "
            "it (--list)"
        )
    (place, header), *lines = _kaggle(path) if path.suffix == ".csv" else read_fields(path)
    if len(header) != 2 or not all(re.fullmatch("[1-9][0-9]{0,5}", text) for text in header):
        raise NbnetError(
            f"{place}: the header is {' '.join(header)!r}, but the list of view 2 begins with the "
            "number of folds and of pairs, such as '10 300'"
        )
    folds, per_fold = map(int, header)
    if len(lines) != 2 * folds * per_fold:
        raise NbnetError(
            f"{path} holds {len(lines)} pairs, but its header announces {folds} x 2 x {per_fold} = "
            f"{2 * folds * per_fold}: take the complete list of view 2"
        )
    files = lfw_files(root)
    rows = {}
    for index, (place, fields) in enumerate(lines):
        fold, within = divmod(index, 2 * per_fold)
        (a, first), (b, second) = _pair(place, fields, genuine=within < per_fold)
        for person, stem in ((a, first), (b, second)):
            if stem not in files:
                raise NbnetError(
                    f"{place}: the picture {person}/{stem}.jpg (or .png) is not in {root}: put it "
                    "there"
                )
        rows[place] = (files[first], files[second], a, b, str(fold + 1))
    columns = ["first", "second", "identity_first", "identity_second", "fold"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    where = Folder(root, tuple(sorted({*table["first"], *table["second"]})))
    if count := sum(one_form(file) != file for file in where.files):
        note_or_warn(other_form(count, root))
    source = f"{path.name}: {folds} folds x {per_fold} genuine and {per_fold} impostor pairs"
    return pair_protocol("lfw", table, where, source)


def _people_folder(root: str | os.PathLike[str]) -> Path:
    """Return the folder of the people's folders: the one given, or the one in it that LFW makes."""
    root = existing_folder(Path(root), "LFW")
    names = ("lfw-deepfunneled", "lfw_funneled", "lfw")
    while inner := next((root / name for name in names if (root / name).is_dir()), None):
        root = inner
    return root


def _kaggle(path: Path) -> list[tuple[str, list[str]]]:
    """Return the lines of a pairs.csv as those of pairs.txt: a header, then pairs with their place.

    It has no numbers of folds and pairs: each fold is a run of genuine and one of impostor pairs.

    Raises:
        NbnetError: it cannot be read, is not such a list, or its runs differ in length.
    """
    (place, header), *rows = read_fields(path, ",")
    rows = [(place, [field for field in fields if field]) for place, fields in rows]
    runs = [len(list(run)) for _, run in groupby(rows, key=lambda row: len(row[1]))]
    if header[:3] != ["name", "imagenum1", "imagenum2"] or len(set(runs)) != 1 or len(runs) % 2:
        raise NbnetError(
            f"{path} does not hold folds of as many genuine as impostor pairs under the header "
            "name,imagenum1,imagenum2: give pairs.csv, the list of view 2 (those called "
            "DevTest and DevTrain are of view 1)"
        )
    return [(place, [str(len(runs) // 2), str(runs[0])]), *rows]


def _pair(place: str, fields: list[str], genuine: bool) -> list[tuple[str, str]]:
    """Return (person, stem of the picture) of both sides of a line."""
    match fields:
        case [name, a, b] if genuine:
            sides = [(name, a), (name, b)]
        case [name, a, other, b] if not genuine and name != other:
            sides = [(name, a), (other, b)]
        case _:
            sides = [("", "")]
    if not all(re.fullmatch("0{0,3}[1-9][0-9]{0,3}", number) for _, number in sides):
        kind = "genuine pair, 'Name n1 n2'" if genuine else "impostor pair, 'Name1 n1 Name2 n2'"
        raise NbnetError(f"{place}: {' '.join(fields)!r}, but this line must hold a {kind}")
    sides = [(one_form(person), number) for person, number in sides]
    return [(person, f"{person}_{int(number):04d}") for person, number in sides]


def _list_beside(root: Path, name: str) -> Path | None:
    """Return ``name`` in the folder of pictures or beside it (or its twin around it), or None."""
    places = [root, root.parent, *[root.parent.parent] * (root.parent.name == root.name)]
    return next((p / name for p in places if (p / name).is_file()), None)


def lfw_files(root: Path) -> dict[str, str]:
    """Return {"Name_0001": "Name/Name_0001.jpg"}, in order of names and numbers.

    The keys are in Unicode NFC, the paths as on the disk. Files that are not pictures are passed
    over.

    Raises:
        NbnetError: a picture whose name does not fit its folder, one that is there in two formats,
            or no picture at all.
    """
    files: dict[str, str] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        person = one_form(folder.name)
        for name in sorted(os.listdir(folder)):
            stem, ending = os.path.splitext(one_form(name))
            if ending.lower() not in ENDINGS or name.startswith("."):
                continue
            if not re.fullmatch(re.escape(person) + "_[0-9]{4}", stem):
                raise NbnetError(
                    f"{folder / name} is not named {person}_0001{ending} or the like, "
                    "as LFW does: rename it or remove it"
                )
            if stem in files:
                raise NbnetError(f"{folder} holds both {Path(files[stem]).name} and {name}")
            files[stem] = f"{folder.name}/{name}"
    if not files:
        raise NbnetError(
            f"{root} holds no pictures in folders named after people (Name/Name_0001.jpg): "
            "give the folder that LFW unpacks to"
        )
    return files


def lfw_blufr(
    root: str | os.PathLike[str],
    seed: int = 0,
    trials: int = 10,
    config: str | os.PathLike[str] | None = None,
) -> Protocol:
    """Return random trials over all pictures of an LFW folder.

    Args:
        root: folder with one folder per person, ``Name/Name_0001.jpg``.
        seed: of trials that are drawn here.
        trials: how many are drawn here.
        config: the authors' list; ``blufr_lfw_config.mat`` in ``root`` or beside it by default.
            Trials are drawn here where there is none.

    Raises:
        NbnetError: no such folder, too few people, or lists that contradict themselves or name
            pictures that are not there.
    """
    root = _people_folder(root)
    path = _list_beside(root, BLUFR_LISTS) if config is None else Path(config)
    files = lfw_files(root)
    if path is not None:
        name = "lfw-blufr"
        pictures, chosen = _authors_trials(root, files, path)
        source = f"{path.name}: {len(chosen)} trials over {len(pictures)} pictures"
    else:
        name = "lfw-blufr-style"
        pictures = _pictures(root, list(files), files)
        chosen = [_draw(pictures, np.random.default_rng([seed, t]), root) for t in range(trials)]
        source = (
            f"BLUFR-style, not the authors' lists: {trials} random trials (seed {seed}) over "
            f"{len(pictures)} pictures of {len(pictures.people)} people"
        )
    spread = "bootstrap" if len(chosen) == 1 else "trials"
    return Protocol(name, pictures, tuple(chosen), spread, source)


def _pictures(root: Path, stems: list[str], files: dict[str, str]) -> Pictures:
    where = Folder(root, tuple(files[stem] for stem in stems))
    return pictures_of([stem[:-5] for stem in stems], where)


def _draw(pictures: Pictures, rng: np.random.Generator, root: Path) -> Trial:
    codes, n = pictures.identities, len(pictures.people)
    count = np.bincount(codes, minlength=n)
    people = rng.permutation(n)
    train, test = np.split(people, [max(1, round(n * TRAIN / PEOPLE))])
    # People with a picture left for a probe are enrolled: otherwise few probes would have a mate.
    enrolled = test[count[test] >= 2][: max(1, round(n * GALLERY / PEOPLE))]
    if not len(enrolled) or len(enrolled) == len(test):
        raise NbnetError(
            f"{root} holds {len(pictures)} pictures of {n} people: too few for a random trial, "
            "which needs some people with two pictures and some outside the gallery"
        )
    by_person = np.argsort(codes, kind="stable")
    start = np.cumsum(count) - count
    gallery = np.sort(by_person[start[enrolled] + rng.integers(count[enrolled])])
    rows = np.flatnonzero(np.isin(codes, test))
    return Trial(
        rows,
        gallery=gallery,
        probes={"others": np.setdiff1d(rows, gallery)},
        train=np.flatnonzero(np.isin(codes, train)),
    )


def _authors_trials(root: Path, files: dict[str, str], path: Path) -> tuple[Pictures, list[Trial]]:
    """Read ``imageList`` and, one cell per trial, four lists of 1-based indices."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
        names, *lists = (
            [np.asarray(cell).ravel() for cell in content[key].ravel()] for key in BLUFR_VARIABLES
        )
        index_lists = list(zip(*lists, strict=True))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MatReadError, zlib.error) as e:
        raise NbnetError(
            f"{path} cannot be read as the lists of BLUFR ({e}): take the authors' file"
        ) from e
    stems = [one_form(os.path.splitext("".join(name.astype(str)))[0]) for name in names]
    missing = [stem for stem in stems if stem not in files]
    if missing:
        raise NbnetError(
            f"{path} names {len(names)} pictures, of which {len(missing)} are not in {root} "
            f"({missing[0]} first): complete the folder"
        )
    pictures = _pictures(root, stems, files)
    trials = []
    for number, lists_of_trial in enumerate(index_lists, 1):
        train, test, gallery, probes = (
            np.asarray(rows).astype(np.int64) - 1 for rows in lists_of_trial
        )
        if not np.array_equal(np.sort(np.concatenate([gallery, probes])), np.sort(test)):
            raise NbnetError(
                f"{path}, trial {number}: gallery and probes together are not the test set, each "
                "picture once: take the authors' file"
            )
        trials.append(Trial(np.sort(test), gallery=gallery, probes={"others": probes}, train=train))
    return pictures, trials
