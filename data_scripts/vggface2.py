"""VGGFace2.

python data_scripts/vggface2.py --path FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset, Part
from nbnet_lib.data.benchmarks.layouts import Layout, find_folder, people_folders
from nbnet_lib.data.fetch.remote import RemoteFile
from nbnet_lib.errors import NbnetError

EXAMPLE = "n000002/0001_01.jpg"


def look(folder: Path) -> Layout:
    root = folder
    if not any((folder / part).is_dir() for part in ("train", "test")):
        root = find_folder(folder, ("data", "VGGFace2", "VGG-Face2/data"), "train/ and test/")
    parts = {
        part: people_folders(root / part, "n[0-9]{6}", r"[0-9]{4}_[0-9]{2}\.(jpg|png)", EXAMPLE)
        for part in ("train", "test")
        if (root / part).is_dir()
    }
    if not parts:
        raise NbnetError(f"{root} holds neither train/ nor test/: give the folder of one of them")
    both = set.intersection(*(tally.people or set() for tally in parts.values()))
    if len(parts) == 2 and both:
        raise NbnetError(
            f"{min(both)} is in train/ and in test/ of {root}: nobody may be in both, unpack the "
            "archives again"
        )
    return Layout(root, parts, folders=[root / part for part in parts])


DATASET = Dataset(
    name="vggface2",
    title="VGGFace2 (Cao, Shen, Xie, Parkhi, Zisserman, 2018)",
    home="https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/",
    licence="Under the terms that came with the copy you received from the Visual Geometry Group, "
    "Oxford; the pictures themselves were found on the web and belong to others.",
    forbids="The University of Oxford took it off line in 2020, waiting for its lawyers: use only "
    "a copy that its authors gave you.",
    obtain="its authors (https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/) gave it out to those "
    "who registered, until 2020",
    access="request",
    layout="train/n000002/0001_01.jpg, test/n000001/0001_01.jpg, of many sizes",
    look=look,
    parts=(
        Part(RemoteFile("vggface2_train.tar.gz"), folder="train"),
        Part(RemoteFile("vggface2_test.tar.gz"), folder="test"),
    ),
    counts={"train": Count(3_141_890, 8_631), "test": Count(169_396, 500)},
    notes=("The faces are cut out loosely: align them for the recogniser.",),
    sources="counts: the catalogue of TensorFlow Datasets and the README of ox-vgg/vgg_face2; "
    "taken off line: its issue 50; no checksum was found published",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
