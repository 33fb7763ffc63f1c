"""Color FERET.

python data_scripts/color_feret.py --path colorferet
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset
from nbnet_lib.data.benchmarks.layouts import (
    Layout,
    Tally,
    add_files,
    entries,
    find_folder,
    find_lists,
)
from nbnet_lib.data.text import read_fields
from nbnet_lib.errors import NbnetError

EXAMPLE = "00002/00002_931230_fa.ppm.bz2"
FILE = r"([0-9]{5})_[0-9]{6}_[a-z]{2}(_[a-z])?\.ppm(\.bz2)?"
DISCS = ("dvd1", "dvd2")


def look(folder: Path) -> Layout:
    if any((folder / disc).is_dir() for disc in DISCS):
        root, places = folder, [folder / disc for disc in DISCS if (folder / disc).is_dir()]
    elif (folder / "data" / "images").is_dir():
        root, places = folder, [folder]
    else:
        root = find_folder(folder, ("colorferet",), "dvd1/ and dvd2/")
        return look(root)
    tally, folders = Tally(), []
    stems: dict[str, Path] = {}
    for place in places:
        images = find_folder(place, ("data/images",), "the pictures of one disc")
        folders.append(images)
        for entry in entries(images):
            if not entry.is_dir():
                continue
            if not re.fullmatch("[0-9]{5}", entry.name):
                raise NbnetError(
                    f"{entry.path} is not named after a subject ({EXAMPLE}): give the folder as "
                    "NIST gave it out"
                )
            _subject(tally, stems, Path(entry.path))
    if not tally.pictures:
        raise NbnetError(f"{root} holds no pictures in data/images ({EXAMPLE})")
    lists = find_lists([place / "doc" / "partitions" for place in places], ("fa.txt", "fb.txt"))
    notes = []
    for name, path in lists.items():
        missing = [line for line in read_fields(path) if _stem(line[1][-1]) not in stems]
        if missing and len(places) == len(DISCS):
            raise NbnetError(
                f"{missing[0][0]}: {missing[0][1][-1]} is not in data/images of {root}: copy the "
                "disc again"
            )
        notes.append(f"{name}: {len(read_fields(path)):,} pictures")
    if len(lists) < 2:
        notes.append("fa.txt and fb.txt are not both there: fa and fb are taken from file names")
    if root == folder and len(places) == 1 and places[0] != folder:
        notes.append(f"only {places[0].name} is there: the other disc holds the other subjects")
    notes.append("align data/images only: data/smaller and data/thumbnails show the same pictures")
    return Layout(root, {"": tally}, lists, notes, folders)


def _stem(name: str) -> str:
    return name.removesuffix(".bz2").removesuffix(".ppm")


def _subject(tally: Tally, stems: dict[str, Path], folder: Path) -> None:
    add_files(tally, folder, FILE, EXAMPLE, folder.name)
    for entry in entries(folder):
        stem = _stem(entry.name)
        if not stem.startswith(folder.name):
            raise NbnetError(f"{entry.path} lies in the folder of another subject: move it")
        if stem in stems:
            raise NbnetError(
                f"{entry.path} is there a second time, as {stems[stem]}: keep the packed or the "
                "unpacked files"
            )
        stems[stem] = Path(entry.path)


DATASET = Dataset(
    name="color-feret",
    title="Color FERET (Phillips, Moon, Rizvi, Rauss, 2000; colour release by NIST, 2003)",
    home="https://www.nist.gov/itl/products-and-services/color-feret-database",
    licence="Given out by NIST for research on face recognition, under a release agreement.",
    forbids="No copies to others; what of it may be printed is in the agreement.",
    obtain="NIST gives it out on request (https://www.nist.gov/itl/products-and-services/"
    "color-feret-database) to those who accept its release agreement",
    access="request",
    layout="colorferet/dvd1 and dvd2, each with data/images/00002/00002_931230_fa.ppm.bz2 "
    "(512x768) and doc/partitions/fa.txt, fb.txt",
    look=look,
    counts={"": Count(11_338, 994)},
    size=(512, 768),
    notes=(
        "Pictures stay packed: `nbnet data align` reads .ppm.bz2.",
        "Thirteen poses are there; the protocol `feret` uses the frontal ones, fa and fb.",
    ),
    sources="counts: the description on Papers with Code, which cites the data set's papers; NIST "
    "publishes no checksum that was found",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
