"""Synthetic Faces High Quality (SFHQ): one picture each of people who do not exist.

python data_scripts/sfhq.py --path FOLDER
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset
from nbnet_lib.data.benchmarks.layouts import Layout, Tally, entries
from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.errors import NbnetError

COUNTS = {
    "part 1": Count(89_785),
    "part 2": Count(91_361),
    "part 3": Count(118_358),
    "part 4": Count(125_754),
}


def look(folder: Path) -> Layout:
    parts, folders = {}, []
    places = [folder] if _number(folder.name) else []
    places += [Path(entry.path) for entry in entries(folder) if entry.is_dir()]
    for place in places:
        number = _number(place.name)
        images = next((p for p in (place / "images/images", place / "images") if p.is_dir()), None)
        if number is None or images is None:
            continue
        tally = Tally(known_people=False)
        for entry in entries(images):
            if is_picture_name(entry.name):
                tally.add(Path(entry.path), size=entry.stat().st_size)
        if not tally.pictures:
            raise NbnetError(f"{images} holds no pictures: unpack the archive again")
        if f"part {number}" in parts:
            raise NbnetError(f"{folder} holds part {number} twice, once as {place}: keep one")
        parts[f"part {number}"] = tally
        folders.append(images)
    if not parts:
        raise NbnetError(
            f"{folder} holds no SFHQ_part1/images/ or the like: unpack each part to a folder whose "
            "name ends with part1, part2, ..., and give the folder of those"
        )
    return Layout(folder, parts, folders=folders)


def _number(name: str) -> str | None:
    match = re.search("part[ _-]?([1-4])$", name, re.IGNORECASE)
    return match[1] if match else None


DATASET = Dataset(
    name="sfhq",
    title="Synthetic Faces High Quality, SFHQ (Beniaguev, 2022)",
    home="https://github.com/SelfishGene/SFHQ-dataset",
    licence="The repository is under the MIT licence, and the author asks for no more.",
    forbids="The pictures come from StyleGAN2, which learnt from photographs of people: a face may "
    "resemble somebody.",
    obtain="it is on Kaggle, in four parts, for those with an account there (links on "
    "https://github.com/SelfishGene/SFHQ-dataset)",
    access="request",
    layout="SFHQ_part1/images/*.jpg (1024x1024), four parts",
    look=look,
    counts=COUNTS,
    size=(1024, 1024),
    notes=(
        "One picture of each face: good to train a decoder on, useless for type-II attacks and for "
        "comparisons of people.",
    ),
    sources="counts and layout: the README and explore_dataset.py of SFHQ-dataset",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
