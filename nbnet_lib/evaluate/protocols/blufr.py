"""BLUFR: random trials on all of LFW, with an open-set identification in each.

Protocol: Liao, Lei, Yi, Li, "A Benchmark Study of Large-scale Unconstrained Face Recognition",
IJCB 2014. In each of 10 trials 1,500 of the 5,749 people are for training and the other 4,249 for
the test, where every picture is compared with every other; 1,000 test people are enrolled with one
picture each and all other test pictures are probes, with or without a mate in the gallery. Trials
share people, so their standard deviation is not a standard error; the authors rank by mean minus
standard deviation.

With the authors' ``blufr_lfw_config.mat`` its trials are used. Without it, trials of our own are
drawn in the same proportions, from whatever people the folder holds: *BLUFR-style*, whose numbers
may be set beside published ones only with that remark.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from nbnet_lib.data.text import existing_folder
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.lfw import find_list, lfw_files
from nbnet_lib.evaluate.protocols.pictures import Folder, Pictures
from nbnet_lib.evaluate.protocols.types import Protocol, Trial

CONFIG = "blufr_lfw_config.mat"
PEOPLE, TRAIN, GALLERY = 5749, 1500, 1000  # of LFW: the proportions that trials are drawn in


def lfw_blufr(
    root: str | os.PathLike[str],
    seed: int = 0,
    trials: int = 10,
    config: str | os.PathLike[str] | None = None,
) -> Protocol:
    """Return random trials over all pictures of an LFW folder.

    Args:
        root: folder with one folder per person, ``Name/Name_0001.jpg``.
        seed: of our own trials.
        trials: how many of our own.
        config: the authors' list; ``blufr_lfw_config.mat`` in ``root`` or beside it by default,
            and our own trials where there is none.

    Raises:
        NbnetError: no such folder, too few people, or lists that contradict themselves or name
            pictures that are not there.
    """
    root = existing_folder(Path(root), "LFW")
    path = find_list(root, CONFIG) if config is None else Path(config)
    files = lfw_files(root)
    if path is not None:
        return _official(root, files, path)
    if trials < 1:
        raise NbnetError(f"{trials} trials: draw at least one")
    pictures = _pictures(root, list(files), files)
    chosen = tuple(_draw(pictures, np.random.default_rng([seed, t]), root) for t in range(trials))
    return Protocol(
        "lfw-blufr-style",
        pictures,
        chosen,
        "trials" if trials > 1 else "bootstrap",
        f"BLUFR-style, not the authors' lists: {trials} random trials (seed {seed}) over "
        f"{len(pictures)} pictures of {len(pictures.people)} people",
    )


def _pictures(root: Path, stems: list[str], files: dict[str, str]) -> Pictures:
    people, codes = np.unique([stem[:-5] for stem in stems], return_inverse=True)
    ordered = tuple(files[stem] for stem in stems)
    return Pictures(ordered, codes.astype(np.int64), tuple(people.tolist()), Folder(root, ordered))


def _draw(pictures: Pictures, rng: np.random.Generator, root: Path) -> Trial:
    who, n = pictures.identities, len(pictures.people)
    count = np.bincount(who, minlength=n)
    people = rng.permutation(n)
    train, test = np.split(people, [max(1, round(n * TRAIN / PEOPLE))])
    # Enrolled is who has a picture left for a probe; otherwise there would be few mated probes.
    enrolled = test[count[test] >= 2][: max(1, round(n * GALLERY / PEOPLE))]
    if not len(enrolled) or len(enrolled) == len(test):
        raise NbnetError(
            f"{root} holds {len(pictures)} pictures of {n} people: too few for a random trial, "
            "which needs some people with two pictures and some outside the gallery"
        )
    by_person = np.argsort(who, kind="stable")
    start = np.cumsum(count) - count
    gallery = np.sort(by_person[start[enrolled] + rng.integers(count[enrolled])])
    rows = np.flatnonzero(np.isin(who, test))
    return Trial(
        rows,
        gallery=gallery,
        probes={"others": np.setdiff1d(rows, gallery)},
        train=np.flatnonzero(np.isin(who, train)),
    )


def _official(root: Path, files: dict[str, str], path: Path) -> Protocol:
    """Read ``imageList``, ``labels`` and, one cell per trial, four lists of 1-based indices."""
    cells = _load(path)
    names = ["".join(name.astype(str)) for name in cells["imageList"]]
    stems = [os.path.splitext(name)[0] for name in names]
    missing = [name for name, stem in zip(names, stems, strict=True) if stem not in files]
    if missing:
        raise NbnetError(
            f"{path} names {len(names)} pictures, of which {len(missing)} are not in {root} "
            f"({missing[0]} first): complete the folder"
        )
    if len(set(stems)) < len(stems):
        raise NbnetError(f"{path} names a picture twice in imageList: take the authors' file")
    pictures = _pictures(root, stems, files)
    labels = np.concatenate(cells["labels"])
    if len(labels) == len(stems):  # one label per name and the reverse: as many as pairs of them
        both = np.unique(np.column_stack([labels, pictures.identities]), axis=0)
        fits = len(np.unique(labels)) == len(pictures.people) == len(both)
    if len(labels) != len(stems) or not fits:
        raise NbnetError(
            f"{path}: labels do not fit the names in imageList: take the authors' file"
        )
    keys = ("trainIndex", "testIndex", "galIndex", "probIndex")
    if len({len(cells[key]) for key in keys}) > 1:
        raise NbnetError(f"{path}: lists of different numbers of trials: take the authors' file")
    trials = []
    for t, lists in enumerate(zip(*(cells[key] for key in keys), strict=True), 1):
        for key, numbers in zip(keys, lists, strict=True):
            if len(numbers) and not (1 <= numbers.min() and numbers.max() <= len(stems)):
                raise NbnetError(f"{path}, trial {t}: {key} points outside of imageList")
        train, test, gallery, probes = (numbers.astype(np.int64) - 1 for numbers in lists)
        if not np.array_equal(np.sort(np.concatenate([gallery, probes])), np.sort(test)):
            raise NbnetError(
                f"{path}, trial {t}: gallery and probes together are not the test set, each "
                "picture once: take the authors' file"
            )
        trials.append(Trial(np.sort(test), gallery=gallery, probes={"others": probes}, train=train))
    return Protocol(
        "lfw-blufr",
        pictures,
        tuple(trials),
        "trials" if len(trials) > 1 else "bootstrap",
        f"{path.name}: {len(trials)} trials over {len(stems)} pictures",
    )


def _load(path: Path) -> dict[str, list[np.ndarray]]:
    """Return {variable: list of one-dimensional arrays} of a MATLAB file up to version 7.2."""
    from zlib import error as ZlibError

    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content: dict[str, Any] = loadmat(path)
    except (
        OSError,
        ValueError,
        TypeError,
        NotImplementedError,  # version 7.3
        MatReadError,
        ZlibError,
    ) as error:
        raise NbnetError(
            f"{path} cannot be read as a MATLAB file ({error}): take the authors' file"
        ) from error
    wanted = ("imageList", "labels", "trainIndex", "testIndex", "galIndex", "probIndex")
    for name in wanted:
        if name not in content:
            raise NbnetError(f"{path} holds no variable {name}: take the authors' file")
    return {name: [np.asarray(c).ravel() for c in content[name].ravel()] for name in wanted}
