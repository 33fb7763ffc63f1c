"""Rehearsals of the benchmarks that are folders of people and nothing else.

    VGGFace2        train/n010007/0001_01.jpg, test/n000007/0001_01.jpg
    CASIA-WebFace   CASIA-WebFace/0010007/001.jpg
    DigiFace-1M     subjects_0-1999_72_imgs/7/0.png
    your own        Synth_Person_0007/0001.jpg

CASIA-WebFace and DigiFace-1M are for training: so are the identities. In VGGFace2 those that this
project keeps for evaluation are the test part. The people of DigiFace-1M are numbered from 0, so
that identity 10,007 is number 7 there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from nbnet_lib.data.rehearsal.photographs import View
from nbnet_lib.data.rehearsal.rehearse import (
    Rehearsal,
    open_rehearsal,
    people_of,
    synth_name,
    write_pictures,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.splits import FIRST_TRAINING_IDENTITY, require_training

TRAINING = range(FIRST_TRAINING_IDENTITY, FIRST_TRAINING_IDENTITY + 40)
BYTES = 40_000  # of a picture, at most about
DIGIFACE_PEOPLE = 2000  # in one of its parts


def write_vggface2(
    folder: str | Path,
    identities: Iterable[int] = (*range(30, 40), *TRAINING[:30]),
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as VGGFace2 lies on disk; see `write_folder` for the arguments."""

    def place(who: int, sample: int) -> str:
        part = "train" if who >= FIRST_TRAINING_IDENTITY else "test"
        return f"{part}/n{who:06d}/{sample + 1:04d}_01.jpg"

    people = people_of(identities)
    view = View(210, 256)
    return _write("vggface2", Path(folder), "", people, samples, view, place, workers, progress)


def write_casia(
    folder: str | Path,
    identities: Iterable[int] = TRAINING,
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as CASIA-WebFace lies on disk; see `write_folder` for the arguments.

    Raises:
        NbnetError: also for identities that are kept for evaluation.
    """

    def place(who: int, sample: int) -> str:
        return f"{who:07d}/{sample + 1:03d}.jpg"

    people = people_of(identities)
    require_training(people)
    return _write(
        "casia-webface",
        Path(folder),
        "CASIA-WebFace",
        people,
        samples,
        View(250, 250),
        place,
        workers,
        progress,
    )


def write_digiface(
    folder: str | Path,
    identities: Iterable[int] = TRAINING,
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as a part of DigiFace-1M lies on disk; see `write_folder` for the arguments.

    Raises:
        NbnetError: also for identities that are kept for evaluation, or beyond 11,999: a part holds
            2,000 people.
    """

    def place(who: int, sample: int) -> str:
        return f"{who - FIRST_TRAINING_IDENTITY}/{sample}.png"

    people = people_of(identities)
    require_training(people)
    last = FIRST_TRAINING_IDENTITY + DIGIFACE_PEOPLE - 1
    if people[-1] > last or samples > 72:
        raise NbnetError(
            f"identities up to {people[-1]} with {samples} pictures each: a part of DigiFace-1M "
            f"holds 2,000 people with 72 pictures: give identities up to {last}, 72 pictures each"
        )
    return _write(
        "digiface-1m",
        Path(folder),
        "subjects_0-1999_72_imgs",
        people,
        samples,
        View(112, 112, share=0.8),
        place,
        workers,
        progress,
    )


def write_folder(
    folder: str | Path,
    identities: Iterable[int] = range(40),
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as one folder for each person; pictures that are there already are kept.

    Args:
        folder: where.
        identities: who.
        samples: pictures of each person.
        seed: not used, as nothing is drawn by lot here.
        workers: how many draw at once; None for one per core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: no people or pictures, a folder that holds something else, or no room.
    """

    def place(who: int, sample: int) -> str:
        return f"{synth_name(who)}/{sample + 1:04d}.jpg"

    people = people_of(identities)
    view = View(320, 240)
    return _write("folder", Path(folder), "people", people, samples, view, place, workers, progress)


def _write(
    name: str,
    folder: Path,
    top: str,
    people: list[int],
    samples: int,
    view: View,
    place: Callable[[int, int], str],
    workers: int | None,
    progress: bool,
) -> Rehearsal:
    """Write the pictures to ``folder/top/place(identity, sample)``."""
    open_rehearsal(folder, name, people, samples, len(people) * samples * BYTES)
    root = folder / top
    albums = {
        who: {sample: root / place(who, sample) for sample in range(samples)} for who in people
    }
    write_pictures(albums, view, workers, progress)
    # The first folder of a place is a person's, or a part of the benchmark that holds people.
    parts = {str(Path(place(who, 0)).parents[-2]) for who in people if place(who, 0).count("/") > 1}
    folders = tuple(root / part for part in sorted(parts))
    return Rehearsal(name, folder, root, len(people), len(people) * samples, (), folders)
