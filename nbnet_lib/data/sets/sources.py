"""One way into every set of pictures: `open_source` lists whatever it is given as a manifest.

Folders of identity folders, folders whose file names say who is shown, lists (CSV, or two columns
of text as CelebA has them), WebDataset shards, and SynthFaces, which needs no files.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from nbnet_lib.data.alignment.aligned import Alignment, read_alignment
from nbnet_lib.data.people import spelled
from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.data.sets.manifest import COLUMNS, Drawn, Manifest, load_manifest
from nbnet_lib.data.text import require_utf8
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import whole_numbers
from nbnet_lib.faces.framing import FRAMINGS
from nbnet_lib.faces.splits import FIRST_TRAINING_IDENTITY
from synthfaces import RENDERER_VERSION
from synthfaces.identity import check_difficulty

if TYPE_CHECKING:
    import pandas as pd

# What holds folders of these names is divided already, and they are not people.
DIVISIONS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "evaluation"), "evaluation"),
}


def open_source(source: str | os.PathLike[str] | Manifest) -> Manifest:
    """Return the manifest of a set of pictures.

    Args:
        source: a manifest or its ``.parquet`` file; a list (``.csv``, ``.txt``) beside its
            pictures; a folder with tar shards; or a folder of identity folders.

    Raises:
        NbnetError: nothing of this kind, or what its reader refuses.
    """
    from nbnet_lib.data.sets.lists import from_list
    from nbnet_lib.data.sets.packed import from_shards

    if isinstance(source, Manifest):
        return source
    path = Path(source)
    kind = path.suffix.lower()
    if kind == ".parquet":
        return load_manifest(path)
    if path.is_dir():
        return from_shards(path) if any(path.glob("*.tar")) else from_folder(path)
    if not path.is_file():
        raise NbnetError(
            f"there is no {path}: give a folder of identity folders, a folder of tar shards, a "
            "manifest (.parquet) or a list (.csv, .txt)"
        )
    if kind in (".csv", ".txt"):
        return from_list(path)
    raise NbnetError(
        f"{path} is no set of pictures: give a folder, a manifest (.parquet) or a list (.csv, .txt)"
    )


def from_folder(
    folder: str | os.PathLike[str], identity_from: str = "folder", level: int = 1
) -> Manifest:
    """List the pictures below a folder. Pictures are found, not opened.

    Files that are no pictures by their ending, names that begin with "." and linked folders are
    passed over and counted in the notes.

    Args:
        folder: the folder.
        identity_from: "folder": the folder below ``folder`` names the person, however deep the
            pictures lie in it; "prefix": the file name up to the first "_" or "-" does; "picture":
            everybody has one picture; "none": nobody is known.
        level: with "folder", which folder it is: 2 for ``train/Name/1.png``. Where the folders
            above are called train, test and the like, they divide the set, unless somebody is in
            both.

    Raises:
        NbnetError: no folder, no pictures, or a picture that names nobody.
    """
    namers: dict[str, Callable[[str], str]] = {
        "folder": lambda image: _folder_name(root, image, level),
        "prefix": lambda image: _prefix(root, image),
        "picture": lambda image: str(PurePosixPath(image)),
        "none": lambda image: "",
    }
    if identity_from not in namers:
        raise NbnetError(f"identity_from is {identity_from!r}: expected one of {', '.join(namers)}")
    root = Path(folder)
    images, notes = pictures_below(root)
    name = namers[identity_from]
    people = [spelled(name(image)) for image in images]
    if identity_from == "folder":
        _refuse_divisions(root, images, people, level)
    splits, more = _divided(images, people, level)
    return manifest_of(root, images, people, splits, notes + more)


def from_synthfaces(
    identities: Iterable[int], samples: int | Iterable[int] = 6, difficulty: float = 1.0
) -> Manifest:
    """List pictures that SynthFaces draws when they are read.

    People up to 9,999 are in the split "evaluation", those from 10,000 on in "train".

    Raises:
        NbnetError: no identity or one twice, no sample, or a number out of range.
    """
    from nbnet_lib.data.sets.reading import drawn_name

    people = whole_numbers(identities, "identity")
    if len(np.unique(people)) < len(people):
        raise NbnetError("an identity is named twice: give each identity once")
    numbers = whole_numbers(range(samples) if isinstance(samples, int) else samples, "sample")
    who, which = np.repeat(people, len(numbers)), np.tile(numbers, len(people))
    table = table_of(
        [drawn_name(w, n) for w, n in zip(who.tolist(), which.tolist(), strict=True)],
        [str(w) for w in who.tolist()],
        ["train" if w >= FIRST_TRAINING_IDENTITY else "evaluation" for w in who.tolist()],
    )
    return Manifest(
        table,
        Path(),
        f"SynthFaces, renderer {RENDERER_VERSION}",
        FRAMINGS["synthfaces"],
        drawn=Drawn(RENDERER_VERSION, check_difficulty(difficulty)),
        numbered=True,
    )


def manifest_of(
    root: Path,
    images: list[str],
    people: list[str],
    splits: list[str] | None = None,
    notes: Iterable[str] = (),
) -> Manifest:
    """Return the manifest of pictures in files; alignment.json tells framing and size.

    Raises:
        NbnetError: see `Manifest`, or an alignment.json that cannot be used.
    """
    notes = list(notes)
    aligned = read_alignment(root)
    if aligned is not None:
        notes += _failures(aligned)
    side = 0 if aligned is None or aligned.size is None else aligned.size
    return Manifest(
        table_of(images, people, splits, side),
        root,
        root.resolve().name,
        None if aligned is None else aligned.framing,
        side or None,
        notes=tuple(notes + _same_but_for_case(images)),
    )


def table_of(
    images: list[str], people: list[str], splits: list[str] | None = None, side: int = 0
) -> pd.DataFrame:
    """Return the table of a manifest.

    Raises:
        NbnetError: a name that is not UTF-8, which no table can hold.
    """
    import pandas as pd

    require_utf8(images, "the path of the picture")
    require_utf8(people, "the name of the person")
    columns = (images, people, splits or [""] * len(images), side, side)
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return table.astype({"image": str, "identity": str, "split": str})


def pictures_below(root: Path) -> tuple[list[str], list[str]]:
    """Return (paths of all pictures below a folder, relative to it and in order; notes).

    Raises:
        NbnetError: no folder, one that cannot be read, or no pictures in it.
    """
    if not root.is_dir():
        raise NbnetError(f"{root} is not a folder: give the folder of the pictures")
    images: list[str] = []
    passed: Counter[str] = Counter()
    for place, name, is_link in _walk(root):
        if is_link:
            passed["linked folders"] += 1
        elif not is_picture_name(name):
            passed[f"{os.path.splitext(name)[1].lower() or 'unnamed'} files"] += 1
        else:
            images.append(f"{place}{name}")
    if not images:
        raise NbnetError(f"{root} holds no pictures: give the folder that the pictures lie in")
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(passed.items()))
    return images, [f"passed over in {root.name}: {told}"] if told else []


def _walk(root: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield ("folder/", file name, False) and ("folder/", name of a linked folder, True)."""

    def fail(error: OSError) -> None:
        raise NbnetError(
            f"the folder {error.filename} cannot be read ({error.strerror}): give yourself access"
        ) from error

    for at, folders, files in os.walk(root, onerror=fail):
        inner = Path(at).relative_to(root).as_posix()
        place = "" if inner == "." else f"{inner}/"
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if os.path.islink(os.path.join(at, name)):
                yield place, name, True
        for name in sorted(files):
            if not name.startswith(".") and not (place == "" and name.startswith("alignment.")):
                yield place, name, False


def _folder_name(root: Path, image: str, level: int) -> str:
    parts = image.split("/")
    if len(parts) <= level:
        raise NbnetError(
            f"{root / image} lies in no folder that is named after a person: give the folder of "
            "the identity folders, take that picture away, or say where the names are "
            "(--identity-from prefix, or --list)"
        )
    return parts[level - 1]


def _prefix(root: Path, image: str) -> str:
    name = PurePosixPath(image).name
    match = re.match(r"([^_-]+)[_-]", name)
    if match is None:
        raise NbnetError(
            f"{root / image} has no '_' or '-' after the name of a person: rename it, or give a "
            "list of who is on which picture"
        )
    return match[1]


def _refuse_divisions(root: Path, images: list[str], people: list[str], level: int) -> None:
    """Refuse folders that are no people: one for all, or train and test."""
    deeper = sum(image.count("/") > level for image in images)
    names = set(people)
    if deeper and len(names) == 1:
        raise NbnetError(
            f"all {len(images):,} pictures lie in the one folder {root / people[0]}, which would "
            f"make them one person: give {root / people[0]} itself"
        )
    if (deeper or len(names) > 1) and {name.lower() for name in names} <= DIVISIONS.keys():
        how = (
            f"name people by the next folder (--identity-level {level + 1})"
            if deeper
            else "say where the names of people are (--identity-from prefix, or --list)"
        )
        raise NbnetError(
            f"the folders in {root} are {', '.join(sorted(names))}, which are no people: give one "
            f"of them, or {how}"
        )


def _divided(
    images: list[str], people: list[str], level: int
) -> tuple[list[str] | None, list[str]]:
    """Return (the split of each picture where the first folders tell it, notes)."""
    tops = [image.split("/")[0].lower() for image in images]
    if level < 2 or not set(tops) <= DIVISIONS.keys():
        return None, []
    splits = [DIVISIONS[top] for top in tops]
    sides: dict[str, set[str]] = {}
    for person, split in zip(people, splits, strict=True):
        sides.setdefault(person, set()).add(split)
    both = [person for person, found in sides.items() if len(found) > 1]
    if both:
        told = f"{', '.join(sorted(set(tops)))} share people ({len(both):,}, for example {both[0]})"
        return None, [f"the folders {told} and do not divide them: `nbnet data split` does"]
    return splits, []


def _failures(aligned: Alignment) -> list[str]:
    """Return notes on what the alignment did not find."""
    table = aligned.folder / "alignment.parquet"
    kinds = {
        "failed": "pictures that could not be aligned",
        "centred": "pictures without a face that was found, of which the middle was taken",
    }
    counts = {told: aligned.counts.get(kind) for kind, told in kinds.items()}
    return [f"{told}: {count:,} ({table} says why)" for told, count in counts.items() if count]


def _same_but_for_case(images: list[str]) -> list[str]:
    """Return a note on names that Windows and macOS take for one."""
    seen: dict[str, str] = {}
    both = [
        (seen[low], image)
        for image in images
        if seen.setdefault(low := spelled(image).casefold(), image) != image
    ]
    if not both:
        return []
    return [
        "names that differ from another by case only, of which Windows and macOS hold one: "
        f"{len(both):,} (for example {' and '.join(both[0])})"
    ]
