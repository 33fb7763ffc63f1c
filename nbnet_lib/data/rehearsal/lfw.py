"""A rehearsal of Labeled Faces in the Wild.

    lfw/Synth_Person_0007/Synth_Person_0007_0001.jpg    250 x 250, the face in the middle
    pairs.txt                                           view 2: folds of genuine and impostor pairs
    pairsDevTrain.txt, pairsDevTest.txt                 view 1
    people.txt, lfw-names.txt                           who has how many pictures

The lists have the lengths that the people allow: 10 folds of 300 + 300 pairs need some hundred
people; with fewer there are fewer pairs, and below 20 people fewer folds. Nobody is in two folds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nbnet_lib.data.rehearsal.photographs import View
from nbnet_lib.data.rehearsal.rehearse import (
    Rehearsal,
    open_rehearsal,
    people_of,
    synth_name,
    write_lines,
    write_pictures,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.splits import require_evaluation

VIEW = View(250, 250, share=0.6)
BYTES = 26_000  # of a picture, at most about
FOLDS, PER_FOLD = 10, 300  # of view 2
LISTS = ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt", "people.txt", "lfw-names.txt")

Genuine = tuple[int, int, int]  # identity, picture number, picture number
Impostor = tuple[int, int, int, int]


def write_lfw(
    folder: str | Path,
    identities: Iterable[int] = range(40),
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as LFW lies on disk; pictures that are there already are kept.

    Args:
        folder: where; ``folder/lfw`` will hold the pictures.
        identities: who; at least 4, for evaluation.
        samples: pictures of each person, at least 2.
        seed: of the pairs.
        workers: how many draw at once; None for one per core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: too few people or pictures for pairs, identities kept for training, a folder
            that holds something else, or no room.
    """
    people = people_of(identities)
    require_evaluation(people)
    if len(people) < 4 or samples < 2:
        raise NbnetError(
            f"{len(people)} identities with {samples} pictures each: the pairs of LFW need at "
            "least 4 identities with 2 pictures each"
        )
    folder = open_rehearsal(
        Path(folder), "lfw", people, samples, len(people) * samples * BYTES, seed
    )
    root = folder / "lfw"
    albums = {
        who: {
            sample: root / synth_name(who) / f"{synth_name(who)}_{sample + 1:04d}.jpg"
            for sample in range(samples)
        }
        for who in people
    }
    write_pictures(albums, VIEW, workers, progress)
    _write_lists(folder, people, samples, np.random.default_rng([61, seed]))
    return Rehearsal("lfw", folder, root, len(people), len(people) * samples, LISTS)


def _write_lists(
    folder: Path, people: Sequence[int], samples: int, rng: np.random.Generator
) -> None:
    shuffled = rng.permutation(people).tolist()
    folds = min(FOLDS, len(people) // 2)
    groups = [sorted(group) for group in (shuffled[f::folds] for f in range(folds))]
    pairs = [_pairs(group, samples, rng) for group in groups]
    # The header of the list holds one number for all folds and both kinds.
    count = min(len(kind) for both in pairs for kind in both)
    lines = [f"{folds}\t{count}"]
    for genuine, impostor in pairs:
        lines += _lines(genuine[:count], impostor[:count])
    write_lines(folder / "pairs.txt", lines)

    development = (shuffled[: len(people) // 2], shuffled[len(people) // 2 :])
    for name, group in zip(("Train", "Test"), development, strict=True):
        genuine, impostor = _pairs(sorted(group), samples, rng)
        count = min(len(genuine), len(impostor))
        lines = [str(count), *_lines(genuine[:count], impostor[:count])]
        write_lines(folder / f"pairsDev{name}.txt", lines)

    counts = [(synth_name(who), samples) for who in people]
    write_lines(folder / "lfw-names.txt", (f"{name}\t{number}" for name, number in counts))
    lines = [str(folds)]
    for group in groups:
        lines += [str(len(group)), *(f"{synth_name(who)}\t{samples}" for who in group)]
    write_lines(folder / "people.txt", lines)


def _pairs(
    group: Sequence[int], samples: int, rng: np.random.Generator
) -> tuple[list[Genuine], list[Impostor]]:
    """Return different pairs among people, drawn at random, up to 300 of each kind."""
    own = list(itertools.combinations(range(1, samples + 1), 2))
    drawn = rng.choice(len(group) * len(own), min(PER_FOLD, len(group) * len(own)), replace=False)
    genuine = [(group[i // len(own)], *own[i % len(own)]) for i in drawn.tolist()]
    others = list(itertools.combinations(group, 2))
    total = len(others) * samples**2
    impostor = []
    for i in rng.choice(total, min(PER_FOLD, total), replace=False).tolist():
        (a, b), cell = others[i // samples**2], i % samples**2
        impostor.append((a, cell // samples + 1, b, cell % samples + 1))
    return genuine, impostor


def _lines(genuine: list[Genuine], impostor: list[Impostor]) -> list[str]:
    return [
        *(f"{synth_name(who)}\t{i}\t{j}" for who, i, j in sorted(genuine)),
        *(f"{synth_name(a)}\t{i}\t{synth_name(b)}\t{j}" for a, i, b, j in sorted(impostor)),
    ]
