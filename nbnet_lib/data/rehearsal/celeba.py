"""A rehearsal of CelebA, the aligned pictures.

    img_align_celeba/000001.jpg          178 x 218, numbered from 1
    identity_CelebA.txt                  "000001.jpg 10007"
    list_eval_partition.txt              "000001.jpg 0": 0 training, 1 validation, 2 test
    list_landmarks_align_celeba.txt      five points of each picture, with a header of two lines

As in CelebA, the partitions follow each other in the numbering and share no people, and within one
the people are mixed. Identities that this project keeps for evaluation are the test partition; the
others are for training, and every tenth of them for validation.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nbnet_lib.data.rehearsal.photographs import View, face_points
from nbnet_lib.data.rehearsal.rehearse import (
    Album,
    Rehearsal,
    open_rehearsal,
    people_of,
    write_lines,
    write_pictures,
)
from nbnet_lib.faces.splits import FIRST_TRAINING_IDENTITY
from synthfaces import make_identity
from synthfaces.geometry import build_person

VIEW = View(178, 218, share=0.6, wander=0.01)
BYTES = 20_000  # of a picture, at most about
TRAINING, VALIDATION, TEST = 0, 1, 2
LANDMARKS = "list_landmarks_align_celeba.txt"
LISTS = ("identity_CelebA.txt", "list_eval_partition.txt", LANDMARKS)
POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")


def write_celeba(
    folder: str | Path,
    identities: Iterable[int] = (*range(30, 40), *range(10_000, 10_030)),
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as CelebA lies on disk; pictures that are there already are kept.

    Args:
        folder: where; ``folder/img_align_celeba`` will hold the pictures.
        identities: who.
        samples: pictures of each person.
        seed: of the order of the pictures; an interrupted rehearsal goes on with the same one.
        workers: how many draw at once; None for one per core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: no people or pictures, a folder that holds something else, or no room.
    """
    people = people_of(identities)
    folder = open_rehearsal(
        Path(folder), "celeba", people, samples, len(people) * samples * BYTES, seed
    )
    root = folder / "img_align_celeba"
    rows = _order(people, samples, np.random.default_rng([67, seed]))
    names = [f"{number:06d}.jpg" for number in range(1, len(rows) + 1)]
    albums: dict[int, Album] = {who: {} for who in people}
    for name, (_, who, sample) in zip(names, rows, strict=True):
        albums[who][sample] = root / name
    write_pictures(albums, VIEW, workers, progress)

    numbered = list(zip(names, rows, strict=True))
    write_lines(folder / LISTS[0], (f"{name} {who}" for name, (_, who, _) in numbered))
    write_lines(folder / LISTS[1], (f"{name} {part}" for name, (part, _, _) in numbered))
    points = {}
    for who, album in albums.items():
        person = build_person(make_identity(who))
        for sample, path in album.items():
            points[path.name] = face_points(person, VIEW.aim(who, sample), VIEW)
    header = [str(len(names)), " ".join(f"{p}_{axis}" for p in POINTS for axis in "xy")]
    lines = (
        f"{name} " + " ".join(f"{round(float(v)):4d}" for v in points[name].ravel())
        for name in names
    )
    write_lines(folder / LANDMARKS, [*header, *lines])
    return Rehearsal("celeba", folder, root, len(people), len(names), LISTS)


def _order(people: list[int], samples: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Return (partition, identity, sample) of each picture in the order of their numbers."""
    training = [who for who in people if who >= FIRST_TRAINING_IDENTITY]
    part_of = dict.fromkeys(people, TEST) | dict.fromkeys(training, TRAINING)
    part_of |= dict.fromkeys(training[9::10], VALIDATION)
    rows = []
    for part in (TRAINING, VALIDATION, TEST):
        members = [who for who in people if part_of[who] == part]
        pictures = [(part, who, sample) for who in members for sample in range(samples)]
        rows += [pictures[i] for i in rng.permutation(len(pictures))]
    return rows
