"""Color FERET, fa against fb: the gallery is one regular picture (fa) of each person.

Names of the colour release (NIST): ``NNNNN_YYMMDD_fa.ppm``, subject, day, pose; ``_a`` and the like
at the end tell sessions of one day apart; on disk ``data/images/NNNNN/`` with each file packed by
bzip2. Its lists, ``doc/partitions/fa.txt`` and ``fb.txt``, have a subject and a file name in each
line. The FERET evaluation (Phillips, Moon, Rizvi, Rauss, IEEE TPAMI 22(10), 2000) enrols one fa
picture per person and takes the fb picture, with another expression, as the probe.

The pictures are NIST's to give out, and 512 x 768: crop and align them first.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from nbnet_lib.data.pictures import ENDINGS
from nbnet_lib.data.text import existing_folder, read_fields
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pictures import Folder, pictures_of
from nbnet_lib.evaluate.protocols.types import Protocol, Trial

NAME = re.compile(r"(?P<person>[0-9]{5})_(?P<session>[0-9]{6})_(?P<pose>fa|fb)(?P<letter>_[a-z])?")
LIST_FOLDERS = ("", "doc/partitions", "dvd1/doc/partitions")  # where fa.txt and fb.txt may be


def feret(
    root: str | os.PathLike[str],
    fa_list: str | os.PathLike[str] | None = None,
    fb_list: str | os.PathLike[str] | None = None,
) -> Protocol:
    """Return one trial: gallery fa; probe sets "fa" (the same pictures) and "fb".

    The probe set "fa" means something for reconstructions only: an original would be compared with
    itself. Verification compares all pictures of both kinds.

    Args:
        root: folder of pictures, in subfolders or not.
        fa_list: file with one fa picture per person; ``fa.txt`` where NIST puts it, if there.
        fb_list: the same for fb. Without lists, the fa picture of each person's first session
            that has one is taken, and the fb picture of the same session.

    Raises:
        NbnetError: no such folder, no fa or no fb pictures, one list without the other, a line
            that does not fit, a person twice in a list or in fb only, a picture that is missing or
            is there twice. With file:line where one line is to blame.
    """
    root = existing_folder(Path(root), "FERET")
    if (fa_list is None) != (fb_list is None):
        raise NbnetError("one list without the other: give both the fa and the fb list, or neither")
    files = _scan(root)
    for folder in LIST_FOLDERS:
        lists = root / folder / "fa.txt", root / folder / "fb.txt"
        if fa_list is None and all(path.is_file() for path in lists):
            fa_list, fb_list = lists
    if fa_list is not None and fb_list is not None:
        fa = _read(Path(fa_list), "fa", files, root)
        fb = _read(Path(fb_list), "fb", files, root)
        for person in fb.keys() - fa.keys():
            raise NbnetError(
                f"{fb_list}: {person} is in fb but not in fa: a probe of a closed set needs "
                "its person in the gallery"
            )
        source = f"{Path(fa_list).name} and {Path(fb_list).name}"
    else:
        fa, fb = _first_sessions(files)
        source = "file names: each person's first fa picture and the fb picture of that session"
    if not fa or not fb:
        raise NbnetError(
            f"{root} holds {len(fa)} fa and {len(fb)} fb pictures (NNNNN_YYMMDD_fa.ppm and the "
            "like): both are needed"
        )
    people = [*sorted(fa), *sorted(fb)]
    stems = [fa[person] for person in sorted(fa)] + [fb[person] for person in sorted(fb)]
    pictures = pictures_of(people, Folder(root, tuple(files[stem] for stem in stems)))
    rows = np.arange(len(pictures))
    gallery, others = rows[: len(fa)], rows[len(fa) :]
    trial = Trial(rows, gallery=gallery, probes={"fa": gallery, "fb": others})
    about = f"{source}: {len(gallery)} fa and {len(others)} fb pictures"
    return Protocol("feret", pictures, (trial,), "bootstrap", about)


def _stem(name: str) -> str:
    """Return a file name without ``.bz2`` and the ending of a picture; "" if it has none."""
    stem, ending = os.path.splitext(name.removesuffix(".bz2"))
    return stem if ending.lower() in ENDINGS else ""


def _scan(root: Path) -> dict[str, str]:
    """Return {stem: path relative to root} of all fa and fb pictures, by name."""
    files: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        stem, inner = _stem(path.name), path.relative_to(root).as_posix()
        if NAME.fullmatch(stem) and files.setdefault(stem, inner) != inner:
            raise NbnetError(
                f"{root} holds {stem} twice, as {files[stem]} and as {inner}: "
                "give the folder of one size and one format"
            )
    return dict(sorted(files.items()))


def _read(path: Path, pose: str, files: dict[str, str], root: Path) -> dict[str, str]:
    """Return {person: stem} of a list."""
    found: dict[str, str] = {}
    for place, fields in read_fields(path):
        stem = _stem(fields[-1].replace("\\", "/").rpartition("/")[2])
        match = NAME.fullmatch(stem)
        person = match["person"] if match and match["pose"] == pose else ""
        if not person or fields[:-1] not in ([], [person]):
            raise NbnetError(
                f"{place}: {' '.join(fields)!r} is not a line of the {pose} list: expected "
                f"'NNNNN NNNNN_YYMMDD_{pose}.ppm' or the file name alone"
            )
        if person in found:
            raise NbnetError(
                f"{place}: {person} has a picture in this list already, {found[person]}: "
                "give one picture per person"
            )
        if stem not in files:
            raise NbnetError(f"{place}: the picture {stem} is not in {root}: put it there")
        found[person] = stem
    return found


def _first_sessions(files: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return {person: stem} of fa and of fb.

    ``files`` are in order of names, so a person's sessions are in order of days (1993 to 1996).
    """
    fa: dict[str, str] = {}
    fb: dict[str, str] = {}
    for match in map(NAME.fullmatch, files):
        if match and match["pose"] == "fa":
            fa.setdefault(match["person"], match[0])
    for person, stem in fa.items():
        partner = stem.replace("_fa", "_fb")
        if partner in files:
            fb[person] = partner
    return fa, fb
