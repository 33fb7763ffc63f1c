"""Rehearsals: SynthFaces written exactly as a benchmark's files are stored.

Those with no right to a benchmark's pictures, or who wait for them, can run every command on people
who do not exist; and the tests run on the layouts that users will bring. Nobody real is named:
people are called ``Synth_Person_0007`` after their number. A file ``rehearsal.json`` at the top
says what the folder is, so that nobody takes its results for the benchmark's.

    lfw             lfw/Synth_Person_0007/Synth_Person_0007_0001.jpg; pairs.txt and four other lists
    vggface2        train/n010007/0001_01.jpg, test/n000007/0001_01.jpg
    casia-webface   CASIA-WebFace/0010007/001.jpg
    digiface-1m     subjects_0-1999_72_imgs/7/0.png (identity 10,007 is number 7 there)
    folder          people/Synth_Person_0007/0001.jpg

People who are kept for evaluation (below 10,000) are in what a benchmark is evaluated on, the
others in what is for training. SynthFaces are drawn aligned, filling the picture; these pictures
are drawn from the same parameters with the camera further back, so that the face has to be found.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.splits import FIRST_TRAINING_IDENTITY, require_attack, require_evaluation
from nbnet_lib.files import atomic_path, require_free_space, require_writable_folder
from nbnet_lib.parallel import cores, in_parallel
from synthfaces import RENDERER_VERSION, Sample, make_identity, make_sample
from synthfaces.drawing import render_person
from synthfaces.geometry import Person, build_person

STAMP = "rehearsal.json"
JPEG_QUALITY = 95
BYTES_PER_PIXEL = 3  # for the free space: as if nothing were packed

Paths = dict[tuple[int, int], str]  # {(identity, sample): path of the picture}
Lists = dict[str, list[str]]  # {path of the list: lines}


@dataclass(frozen=True)
class View:
    """How a benchmark's pictures show people.

    Attributes:
        width: pixels.
        height: pixels.
        share: how large the head is, as a share of its size in an aligned SynthFaces picture whose
            side is the longer side of this one; 0.6 shows the shoulders, below 0.5 the bust ends.
        wander: how far from the middle the face may be, as a share of the longer side.
    """

    width: int
    height: int
    share: float = 0.6
    wander: float = 0.03

    def aim(self, identity: int, sample: int) -> Sample:
        """Return the parameters of a picture, with the camera further back."""
        parameters = make_sample(identity, sample)
        dice = np.random.default_rng([53, identity, sample])
        right, down = parameters.shift + self.wander * dice.uniform(-1, 1, 2)
        size = self.share * dice.uniform(0.93, 1.07) * (1 + parameters.zoom)
        return replace(parameters, zoom=size - 1, shift=(float(right), float(down)))

    def photograph(self, person: Person, identity: int, sample: int) -> np.ndarray:
        """Return uint8 [height, width, 3], RGB; ``person`` is that of `build_person`."""
        side = max(self.width, self.height)
        square = render_person(person, self.aim(identity, sample), side)
        left, top = (side - self.width) // 2, (side - self.height) // 2
        return square[top : top + self.height, left : left + self.width]


@dataclass(frozen=True)
class Plan:
    """What a benchmark's rehearsal consists of.

    Attributes:
        root: the folder of the pictures.
        path: where a picture is written, with what `paths` fills in.
        view: how the pictures are taken.
        identities: who by default.
        require: refuses identities that must not be in it.
        folders: parts of the root that hold pictures and nothing else; none: the root.
    """

    root: str
    path: str
    view: View
    identities: Sequence[int]
    require: Callable[[list[int]], None] = lambda _: None
    folders: tuple[str, ...] = ()

    def paths(self, people: list[int], samples: int) -> Paths:
        """Return where each picture is written."""
        return {
            (person, sample): self.path.format(
                person=person,
                name=synth_name(person),
                number=person - FIRST_TRAINING_IDENTITY,
                side="train" if person >= FIRST_TRAINING_IDENTITY else "test",
                sample=sample,
                picture=sample + 1,
            )
            for person in people
            for sample in range(samples)
        }


@dataclass(frozen=True)
class Rehearsal:
    """What was written.

    Attributes:
        name: of the benchmark, as `nbnet data list` has it.
        folder: give it to `nbnet data check`.
        root: the folder of the pictures inside it.
        people: how many.
        pictures: how many.
        lists: the text files, relative to ``folder``.
        folders: those that hold pictures and nothing else: give each to `nbnet data align`.
    """

    name: str
    folder: Path
    root: Path
    people: int
    pictures: int
    lists: tuple[str, ...]
    folders: tuple[Path, ...]


def rehearse(
    name: str,
    folder: str | Path,
    identities: Iterable[int] | None = None,
    samples: int = 6,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as a benchmark is stored; pictures that are there already are kept.

    Args:
        name: one of `PLANS`.
        folder: empty, missing, or an earlier run with the same settings, which is completed.
        identities: who; None for some 40 that fit the benchmark's purpose.
        samples: pictures of each person.
        seed: of the pairs that are drawn by lot.
        workers: how many draw at once; None for one per core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: no rehearsal of that name, people or pictures that the benchmark has no place
            for, a folder that holds something else, or no room.
    """
    if name not in PLANS:
        raise NbnetError(f"there is no rehearsal of {name!r}: choose one of {', '.join(PLANS)}")
    plan, folder = PLANS[name], Path(folder)
    given = list(plan.identities if identities is None else identities)
    people = sorted({index(identity) for identity in given})
    if not people or people[0] < 0 or len(people) < len(given) or samples < 1:
        raise NbnetError(
            f"{samples} pictures of {len(given)} identities: give identities from 0, each once, "
            "and at least one picture"
        )
    plan.require(people)
    if name == "digiface-1m" and (people[-1] > LAST_OF_DIGIFACE or samples > 72):
        raise NbnetError(
            f"identities up to {people[-1]} with {samples} pictures each: a part of DigiFace-1M "
            f"holds 2,000 people with 72 pictures: give identities up to {LAST_OF_DIGIFACE}"
        )
    paths = plan.paths(people, samples)
    lists = _lfw_lists(people, samples, seed) if name == "lfw" else {}
    needed = len(paths) * plan.view.width * plan.view.height * BYTES_PER_PIXEL
    _open(folder, name, people, samples, seed, needed)
    _draw(folder, paths, plan.view, workers, progress)
    for path, lines in lists.items():
        with atomic_path(folder / path) as temporary:
            temporary.write_bytes("".join(f"{line}\n" for line in lines).encode())
    root = folder / plan.root
    folders = [root / part for part in plan.folders if (root / part).is_dir()] or [root]
    return Rehearsal(name, folder, root, len(people), len(paths), tuple(lists), tuple(folders))


def synth_name(identity: int) -> str:
    """Return what a synthetic person is called: ``Synth_Person_0007``."""
    return f"Synth_Person_{identity:04d}"


def _open(folder: Path, name: str, people: list[int], samples: int, seed: int, needed: int) -> None:
    """Make the folder and put its stamp there, or find that it is the same rehearsal."""
    stamp = {
        "rehearsal_of": name,
        "people": "synthetic: nobody on these pictures exists",
        "identities": people,
        "samples": samples,
        "seed": seed,
        "renderer_version": RENDERER_VERSION,
    }
    require_writable_folder(folder)
    if any(folder.iterdir()) and read_stamp(folder) != stamp:
        raise NbnetError(
            f"{folder} holds something else, or another rehearsal: choose an empty folder, or give "
            "the same benchmark, identities, samples and seed to complete it"
        )
    require_free_space(folder, needed)
    with atomic_path(folder / STAMP) as temporary:
        temporary.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def read_stamp(folder: Path) -> dict[str, Any] | None:
    """Return what ``rehearsal.json`` in a folder says, or None where there is none.

    Raises:
        NbnetError: the file is there and is not such a stamp.
    """
    path = folder / STAMP
    if not path.is_file():
        return None
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
        stamp["rehearsal_of"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NbnetError(
            f"{path} cannot be read ({error!r}): delete it and rehearse again"
        ) from None
    return stamp


def _draw(folder: Path, paths: Paths, view: View, workers: int | None, progress: bool) -> None:
    """Draw and write the pictures that are not there, each file whole or not at all."""
    albums: dict[int, dict[int, Path]] = {}
    for (person, sample), path in paths.items():
        albums.setdefault(person, {})[sample] = folder / path
    bar = tqdm(total=len(paths), desc="drawing", unit="image", delay=0.3, disable=not progress)
    work = in_parallel(partial(_draw_person, view=view), albums.items(), cores(workers))
    with bar, closing(work):
        for count in work:
            bar.update(count)


def _draw_person(item: tuple[int, dict[int, Path]], view: View) -> int:
    identity, album = item
    missing = {sample: path for sample, path in album.items() if not path.is_file()}
    if missing:
        person = build_person(make_identity(identity))
        for sample, path in missing.items():
            image = Image.fromarray(view.photograph(person, identity, sample))
            buffer = io.BytesIO()
            image.save(buffer, Image.registered_extensions()[path.suffix], quality=JPEG_QUALITY)
            with atomic_path(path) as temporary:
                temporary.write_bytes(buffer.getvalue())
    return len(album)


FOLDS, PER_FOLD = 10, 300  # of LFW's view 2

Genuine = tuple[int, int, int]  # identity, picture number, picture number
Impostor = tuple[int, int, int, int]


def _lfw_lists(people: list[int], samples: int, seed: int) -> Lists:
    """Return the lists, as long as the people allow.

    10 folds of 300 + 300 pairs need some hundred people; with fewer there are fewer pairs, and
    below 20 people fewer folds. Nobody is in two folds.
    """
    if len(people) < 4 or samples < 2:
        raise NbnetError(
            f"{len(people)} identities with {samples} pictures each: the pairs of LFW need at "
            "least 4 identities with 2 pictures each"
        )
    rng = np.random.default_rng([61, seed])
    shuffled = rng.permutation(people).tolist()
    folds = min(FOLDS, len(people) // 2)
    groups = [sorted(group) for group in (shuffled[f::folds] for f in range(folds))]
    pairs = [_lfw_pairs(group, samples, rng) for group in groups]
    # The header of the list holds one number for all folds and both kinds.
    count = min(len(kind) for both in pairs for kind in both)
    lists = {"pairs.txt": [f"{folds}\t{count}"]}
    for both in pairs:
        lists["pairs.txt"] += _lfw_lines(*both, count)
    development = (shuffled[: len(people) // 2], shuffled[len(people) // 2 :])
    for name, group in zip(("Train", "Test"), development, strict=True):
        genuine, impostor = _lfw_pairs(sorted(group), samples, rng)
        count = min(len(genuine), len(impostor))
        lists[f"pairsDev{name}.txt"] = [str(count), *_lfw_lines(genuine, impostor, count)]
    lists["people.txt"] = [str(folds)]
    for group in groups:
        names = [f"{synth_name(person)}\t{samples}" for person in group]
        lists["people.txt"] += [str(len(group)), *names]
    lists["lfw-names.txt"] = [f"{synth_name(person)}\t{samples}" for person in people]
    return lists


def _lfw_pairs(
    group: Sequence[int], samples: int, rng: np.random.Generator
) -> tuple[list[Genuine], list[Impostor]]:
    """Return different pairs among people, drawn at random, up to 300 of each kind."""
    two = list(itertools.combinations(range(1, samples + 1), 2))  # pictures of one person
    drawn = rng.choice(len(group) * len(two), min(PER_FOLD, len(group) * len(two)), replace=False)
    genuine = [(group[i // len(two)], *two[i % len(two)]) for i in drawn.tolist()]
    others = list(itertools.combinations(group, 2))
    total = len(others) * samples**2
    impostor = []
    for i in rng.choice(total, min(PER_FOLD, total), replace=False).tolist():
        (a, b), cell = others[i // samples**2], i % samples**2
        impostor.append((a, cell // samples + 1, b, cell % samples + 1))
    return genuine, impostor


def _lfw_lines(genuine: list[Genuine], impostor: list[Impostor], count: int) -> list[str]:
    return [
        *(f"{synth_name(a)}\t{i}\t{j}" for a, i, j in sorted(genuine[:count])),
        *(f"{synth_name(a)}\t{i}\t{synth_name(b)}\t{j}" for a, i, b, j in sorted(impostor[:count])),
    ]


TRAINING = range(FIRST_TRAINING_IDENTITY, FIRST_TRAINING_IDENTITY + 40)
LAST_OF_DIGIFACE = FIRST_TRAINING_IDENTITY + 1999  # of its first part
PLANS = {
    "lfw": Plan(
        "lfw",
        "lfw/{name}/{name}_{picture:04d}.jpg",
        View(250, 250),
        range(40),
        require_evaluation,
    ),
    "vggface2": Plan(
        "",
        "{side}/n{person:06d}/{picture:04d}_01.jpg",
        View(210, 256),
        (*range(30, 40), *TRAINING[:30]),
        folders=("test", "train"),
    ),
    "casia-webface": Plan(
        "CASIA-WebFace",
        "CASIA-WebFace/{person:07d}/{picture:03d}.jpg",
        View(250, 250),
        TRAINING,
        require_attack,
    ),
    "digiface-1m": Plan(
        "subjects_0-1999_72_imgs",
        "subjects_0-1999_72_imgs/{number}/{sample}.png",
        View(112, 112, share=0.8),
        TRAINING,
        require_attack,
    ),
    "folder": Plan("people", "people/{name}/{picture:04d}.jpg", View(320, 240), range(40)),
}
