"""CelebFaces Attributes (CelebA).

python data_scripts/celeba.py --path DOWNLOADS --out data/celeba
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset, Part
from nbnet_lib.data.benchmarks.layouts import Layout, Tally, add_files, find_folder, find_lists
from nbnet_lib.data.fetch.remote import RemoteFile
from nbnet_lib.data.text import read_fields
from nbnet_lib.errors import NbnetError

IDENTITIES, PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
EXAMPLE = "000001.jpg"


def look(folder: Path) -> Layout:
    names = ("img_align_celeba", "Img/img_align_celeba", "img_celeba", "Img/img_celeba")
    root = find_folder(folder, names, "the pictures and lists of CelebA")
    if (root / root.name).is_dir():  # some programs unpack a folder into one of its name
        root = root / root.name
    pictures = Tally(known_people=False)
    add_files(pictures, root, r"[0-9]{6}\.(jpg|png)", EXAMPLE)
    places = (folder, folder / "Anno", folder / "Eval")
    lists = find_lists(places, (IDENTITIES, PARTITION, LANDMARKS))
    if IDENTITIES not in lists:
        raise NbnetError(
            f"{folder} holds no {IDENTITIES} (nor Anno/{IDENTITIES}): download that list too, it "
            "says who is on the pictures"
        )
    tally, files = Tally(), {path.name: path for path in root.iterdir()}
    for name, person in _rows(lists[IDENTITIES], r"[0-9]+", "000001.jpg 2880").items():
        if name not in files:
            raise NbnetError(f"{lists[IDENTITIES]} names {name}, which is not in {root}: unpack "
                             "img_align_celeba.zip again")  # fmt: skip
        tally.add(files[name], person)
    if tally.pictures < pictures.pictures:
        raise NbnetError(
            f"{lists[IDENTITIES]} names {tally.pictures:,} of {pictures.pictures:,} pictures in "
            f"{root}: take the complete list"
        )
    notes = []
    if PARTITION in lists:
        part_of = _rows(lists[PARTITION], "[012]", "000001.jpg 0")
        sizes = [sum(value == part for value in part_of.values()) for part in "012"]
        notes.append(f"{sizes[0]:,} training, {sizes[1]:,} validation, {sizes[2]:,} test pictures")
    else:
        notes.append(f"no {PARTITION}: the published division is not known, make one by people")
    return Layout(root, {"": tally}, lists, notes)


def _rows(path: Path, value: str, example: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for place, fields in read_fields(path):
        if len(fields) != 2 or not re.fullmatch(value, fields[1]):
            raise NbnetError(f"{place}: {' '.join(fields)!r} is no line such as {example!r}")
        if fields[0] in rows:
            raise NbnetError(f"{place}: {fields[0]} stands in the list already: take the original")
        rows[fields[0]] = fields[1]
    return rows


DATASET = Dataset(
    name="celeba",
    title="CelebFaces Attributes, CelebA (Liu, Luo, Wang, Tang, 2015)",
    home="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="For non-commercial research only, under the agreement on its page.",
    forbids="No commercial use, and no copies of the pictures to others.",
    obtain="read the agreement on https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and download "
    "img_align_celeba.zip, identity_CelebA.txt and list_eval_partition.txt from there",
    access="request",
    layout="img_align_celeba/000001.jpg (178x218); identity_CelebA.txt and list_eval_partition.txt "
    "beside it, or in Anno/ and Eval/",
    look=look,
    parts=(
        Part(
            RemoteFile("img_align_celeba.zip", md5="00d2c5bc6d35e252742224ab0c1e8fcb"),
            folder="img_align_celeba",
        ),
        Part(RemoteFile(IDENTITIES, md5="32bd1bd63d3c78cd57e08160ec5ed1e2")),
        Part(RemoteFile(PARTITION, md5="d32c9cbf5e040fd4025c592c306e6668"), needed=False),
        Part(RemoteFile(LANDMARKS, md5="cc24ecafdb5b50baae59b03474781f8c"), needed=False),
    ),
    counts={"": Count(202_599, 10_177)},
    notes=(
        "img_align_celeba holds faces that the authors cut to 178x218; align them again for a "
        "recogniser's own framing.",
        "img_celeba, the pictures as they were found, comes in parts of a .7z archive: unpack it "
        "with 7-Zip and give the folder.",
    ),
    sources="counts: the page of CelebA; MD5: torchvision's datasets/celeba.py",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
