"""Rehearsals: SynthFaces written exactly as a benchmark lies on disk.

Whoever has no right to a benchmark's pictures, or waits for them, can run every command on people
who do not exist; and the tests run on the layouts that users will bring. Nobody real is named:
people are called ``Synth_Person_0007`` after their number. A file ``rehearsal.json`` at the top
says what the folder is, so that nobody takes its results for the benchmark's.
"""

from __future__ import annotations

import bz2
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from nbnet_lib.data.rehearsal.photographs import View, photograph
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import cores, in_parallel, whole_numbers
from nbnet_lib.files import atomic_path, require_free_space, require_writable_folder
from synthfaces import RENDERER_VERSION, make_identity
from synthfaces.geometry import build_person

STAMP = "rehearsal.json"
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Rehearsal:
    """What was written.

    Attributes:
        name: of the benchmark, as `nbnet data list` has it.
        folder: what was asked for; give it to `nbnet data check`.
        root: the folder of the pictures inside it.
        people: how many.
        pictures: how many.
        lists: the text files, relative to ``folder``.
        folders: those in ``root`` that hold pictures and nothing else, ``root`` itself where there
            is nothing else: give each to `nbnet data align`.
    """

    name: str
    folder: Path
    root: Path
    people: int
    pictures: int
    lists: tuple[str, ...]
    folders: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "folders", self.folders or (self.root,))


def synth_name(identity: int) -> str:
    """Return what a synthetic person is called: ``Synth_Person_0007``."""
    return f"Synth_Person_{identity:04d}"


def people_of(identities: Iterable[int]) -> list[int]:
    """Return identity numbers, sorted.

    Raises:
        NbnetError: none, one that is not a whole number from 0 up, or one twice.
    """
    numbers = whole_numbers(identities, "identity")
    if len(np.unique(numbers)) < len(numbers):
        raise NbnetError("an identity is given twice: name each once")
    return np.sort(numbers).tolist()


def open_rehearsal(
    folder: Path, name: str, identities: Sequence[int], samples: int, needed: int, seed: int = 0
) -> Path:
    """Make the folder and put its stamp there, or find that it is the same rehearsal.

    Args:
        folder: where; empty, missing, or an earlier run with the same settings.
        name: of the benchmark.
        identities: who.
        samples: pictures of each.
        needed: bytes of all pictures, about.
        seed: what the files and lists were shuffled with.

    Raises:
        NbnetError: fewer than one sample, a folder that holds something else, cannot be written to,
            or has no room.
    """
    if samples < 1:
        raise NbnetError(f"samples is {samples}: expected at least one picture of each person")
    stamp = {
        "rehearsal_of": name,
        "people": "synthetic: nobody on these pictures exists",
        "identities": list(identities),
        "samples": samples,
        "seed": seed,
        "renderer_version": RENDERER_VERSION,
    }
    require_writable_folder(folder)
    path = folder / STAMP
    if path.is_file():
        if read_stamp(folder) != stamp:
            raise NbnetError(
                f"{folder} holds another rehearsal (see {path.name}): choose another folder, or "
                "give the same benchmark, identities, samples and seed to complete it"
            )
    elif any(folder.iterdir()):
        raise NbnetError(
            f"{folder} is not empty and holds no {STAMP}: choose an empty folder, so that nothing "
            "synthetic is mixed with what is there"
        )
    require_free_space(folder, needed)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    return folder


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
    except (OSError, ValueError) as error:
        raise NbnetError(f"{path} cannot be read ({error}): delete it and rehearse again") from None
    if not isinstance(stamp, dict) or "rehearsal_of" not in stamp:
        raise NbnetError(
            f"{path} is not the stamp of a rehearsal: it must name what it is a rehearsal_of"
        )
    return stamp


Album = dict[int, Path]  # the pictures of a person: {sample: file}


def write_pictures(
    albums: Mapping[int, Album], view: View, workers: int | None = None, progress: bool = True
) -> int:
    """Draw and write pictures, on all cores; those that are there already are kept.

    Each file appears whole or not at all, so an interrupted rehearsal is completed by the same
    command.

    Args:
        albums: {identity: {sample: file}}; the ending says the format: .jpg, .png or .ppm.bz2.
        view: how they are taken.
        workers: None for one per core.
        progress: show a bar on stderr.

    Returns:
        How many were drawn now.

    Raises:
        NbnetError: no room, no right to write, or another ending.
    """
    for path in (path for album in albums.values() for path in album.values()):
        if _ending(path) not in _WRITERS:
            raise NbnetError(f"{path} has the ending of no format here: .jpg, .png or .ppm.bz2")
    total = sum(map(len, albums.values()))
    drawn = 0
    bar = tqdm(total=total, desc="drawing", unit="image", delay=0.3, disable=not progress)
    work = in_parallel(partial(_write_person, view=view), albums.items(), cores(workers))
    with bar, closing(work):
        for (_, album), count in zip(albums.items(), work, strict=True):
            drawn += count
            bar.update(len(album))
    return drawn


def _write_person(item: tuple[int, Album], view: View) -> int:
    identity, album = item
    missing = {sample: path for sample, path in album.items() if not path.is_file()}
    if missing:
        person = build_person(make_identity(identity))
        for sample, path in missing.items():
            image = photograph(person, view.aim(identity, sample), view)
            data = _WRITERS[_ending(path)](Image.fromarray(image))
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)
    return len(missing)


def _ending(path: Path) -> str:
    return "".join(path.suffixes[-2:]) if path.suffix == ".bz2" else path.suffix


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


_WRITERS = {
    ".jpg": lambda image: _encoded(image, "JPEG", quality=JPEG_QUALITY),
    ".png": lambda image: _encoded(image, "PNG"),
    ".ppm.bz2": lambda image: bz2.compress(_encoded(image, "PPM")),
}


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a list as UTF-8 with line feeds, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode())
