"""Face Recognition Grand Challenge, version 2.0.

python data_scripts/frgc.py --path FRGC-2.0-dist
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset
from nbnet_lib.data.benchmarks.layouts import Layout, Tally, find_folder, find_lists
from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.errors import NbnetError

EXPERIMENTS = "BEE_DIST/FRGC2.0/signature_sets/experiments"
LISTS = (
    "FRGC_Exp_2.0.1_Training.xml",
    "FRGC_Exp_2.0.1_Target.xml",
    "FRGC_Exp_2.0.4_Target.xml",
    "FRGC_Exp_2.0.4_Query.xml",
)
NAME = r"([0-9]{5})d[0-9]+\.(jpg|JPG|ppm|ppm\.bz2)"  # 02463d453.jpg: subject, recording


def look(folder: Path) -> Layout:
    root = folder
    if not (folder / "nd1").is_dir():
        root = find_folder(folder, ("FRGC-2.0-dist",), "nd1/ and BEE_DIST/")
    images = find_folder(root, ("nd1",), "the recordings")
    tally = Tally()
    for path in sorted(images.rglob("*")):
        if not is_picture_name(path.name) or path.name.startswith("."):
            continue  # three-dimensional recordings (.abs.gz) are not for this project
        match = re.fullmatch(NAME, path.name)
        if not match:
            raise NbnetError(
                f"{path} is not named as published (02463d453.jpg): copy the disc again, without "
                "renaming"
            )
        tally.add(path, match[1])
    if not tally.pictures:
        raise NbnetError(f"{images} holds no pictures (Fall2003/02463d453.jpg)")
    lists = find_lists([root / EXPERIMENTS], LISTS)
    notes = []
    for name, path in lists.items():
        notes.append(f"{name}: {_check_list(root, path):,} pictures")
    if not lists:
        notes.append(f"no lists in {EXPERIMENTS}: experiments 1 and 4 need them")
    return Layout(images, {"": tally}, lists, notes)


def _check_list(root: Path, path: Path) -> int:
    try:
        tree = ElementTree.parse(path)
    except ElementTree.ParseError as error:
        raise NbnetError(f"{path} is not XML ({error}): copy the disc again") from error
    count = 0
    for element in tree.iter():
        name = element.get("file-name")
        if not element.tag.endswith("presentation") or name is None:
            continue
        # In the lists some endings are small letters that are capital ones on the disc.
        stem = root / Path(name.replace("\\", "/")).with_suffix("")
        if not any(stem.with_suffix(ending).is_file() for ending in (".jpg", ".JPG")):
            raise NbnetError(f"{path} names {name}, which is not in {root}: copy the disc again")
        count += 1
    if not count:
        raise NbnetError(f"{path} names no pictures: copy the disc again")
    return count


DATASET = Dataset(
    name="frgc",
    title="Face Recognition Grand Challenge 2.0 (Phillips et al., 2005)",
    home="https://www.nist.gov/programs-projects/face-recognition-grand-challenge-frgc",
    licence="Given out by the University of Notre Dame for research, under a signed agreement.",
    forbids="No copies to others, and no commercial use.",
    obtain="the University of Notre Dame gives it out on a signed request (see "
    "https://cvrl.nd.edu/projects/data/)",
    access="request",
    layout="nd1/Fall2003/02463d453.jpg and the like, "
    "BEE_DIST/FRGC2.0/signature_sets/experiments/*.xml",
    look=look,
    counts={"": Count(None)},
    notes=(
        "50,000 recordings in all, the three-dimensional ones included: how many pictures that is "
        "was not found published, so it is not checked.",
    ),
    sources="layout: bob.db.frgc; recordings: the page of FRGC on the BEAT platform, Idiap",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
