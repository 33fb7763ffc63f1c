"""A rehearsal of color FERET.

    colorferet/dvd1/data/images/00007/00007_940101_fa.ppm.bz2    512 x 768
    colorferet/dvd1/data/smaller/00007/00007_940101_fa.ppm.bz2   256 x 384, the same pictures
    colorferet/dvd1/doc/partitions/fa.txt, fb.txt                "00007 00007_940101_fa.ppm"

Subjects are numbers there and here. As on NIST's discs, those below 740 are on dvd1 and the others
on dvd2. Each session is one fa picture (regular expression) and one fb picture (another one); the
lists hold each person's first session. SynthFaces are not asked to smile for fb: the expression of
either picture is whatever the sample number gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nbnet_lib.data.rehearsal.photographs import View
from nbnet_lib.data.rehearsal.rehearse import (
    Album,
    Rehearsal,
    open_rehearsal,
    people_of,
    write_lines,
    write_pictures,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.splits import require_evaluation

SIZES = {"images": View(512, 768, share=0.62), "smaller": View(256, 384, share=0.62)}
BYTES = 1_100_000  # of both pictures, packed, at most about
FIRST_ON_DVD2 = 740
MOST_SESSIONS = 12 * 28  # a month has 28 days here
LISTS = ("colorferet/dvd1/doc/partitions/fa.txt", "colorferet/dvd1/doc/partitions/fb.txt")


def write_feret(
    folder: str | Path,
    identities: Iterable[int] = range(40),
    samples: int = 2,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as color FERET lies on disk; pictures that are there already are kept.

    Args:
        folder: where; ``folder/colorferet`` will hold everything.
        identities: who; for evaluation.
        samples: pictures of each person, an even number: fa and fb of each session.
        seed: not used, as nothing is drawn by lot here.
        workers: how many draw at once; None for one per core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: an odd number of pictures or too many, identities kept for training, a folder
            that holds something else, or no room.
    """
    people = people_of(identities)
    require_evaluation(people)
    if samples < 2 or samples % 2 or samples > 2 * MOST_SESSIONS:
        raise NbnetError(
            f"samples is {samples}: color FERET has two pictures, fa and fb, of each session: give "
            f"an even number from 2 to {2 * MOST_SESSIONS}"
        )
    folder = open_rehearsal(
        Path(folder), "color-feret", people, samples, len(people) * samples * BYTES
    )
    root = folder / "colorferet"
    names = {who: [_name(who, sample) for sample in range(samples)] for who in people}
    for kind, view in SIZES.items():
        albums: dict[int, Album] = {}
        for who, files in names.items():
            place = root / _disc(who) / "data" / kind / f"{who:05d}"
            albums[who] = {sample: place / f"{name}.bz2" for sample, name in enumerate(files)}
        write_pictures(albums, view, workers, progress)
    for row, path in enumerate(LISTS):
        write_lines(folder / path, (f"{who:05d} {files[row]}" for who, files in names.items()))
    folders = tuple(root / disc / "data/images" for disc in dict.fromkeys(map(_disc, people)))
    total = len(people) * samples
    return Rehearsal("color-feret", folder, root, len(people), total, LISTS, folders)


def _disc(identity: int) -> str:
    return "dvd1" if identity < FIRST_ON_DVD2 else "dvd2"


def _name(identity: int, sample: int) -> str:
    session, pose = sample // 2, ("fa", "fb")[sample % 2]
    return f"{identity:05d}_94{session // 28 + 1:02d}{session % 28 + 1:02d}_{pose}.ppm"
