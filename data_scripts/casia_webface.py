"""CASIA-WebFace.

python data_scripts/casia_webface.py --path FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset
from nbnet_lib.data.benchmarks.layouts import Layout, find_folder, people_folders
from nbnet_lib.errors import NbnetError


def look(folder: Path) -> Layout:
    if any((folder / name).is_file() for name in ("train.rec", "train.idx")):
        raise NbnetError(
            f"{folder} holds MXNet records (train.rec), a cut-out version for another program: "
            "give a folder of pictures, 0000045/001.jpg"
        )
    root = folder
    if not any(folder.glob("[0-9]" * 7)):
        root = find_folder(folder, ("CASIA-WebFace", "casia-webface"), "0000045/001.jpg")
    tally = people_folders(root, "[0-9]{7}", r"[0-9]{3,8}\.(jpg|png)", "0000045/001.jpg")
    return Layout(root, {"": tally})


DATASET = Dataset(
    name="casia-webface",
    title="CASIA-WebFace (Yi, Lei, Liao, Li, 2014)",
    home="https://arxiv.org/abs/1411.7923",
    licence="Given out by the Institute of Automation, Chinese Academy of Sciences, for "
    "non-commercial research, under a signed agreement.",
    forbids="No commercial use, and no copies to others.",
    obtain="its authors give it out on a signed request (see https://arxiv.org/abs/1411.7923; "
    "their page, http://www.cbsr.ia.ac.cn/english/CASIA-WebFace-Database.html, has been away)",
    access="request",
    layout="0000045/001.jpg (250x250), one folder for each person",
    look=look,
    counts={"": Count(494_414, 10_575)},
    notes=(
        "Copies that circulate were cleaned or cut out by others and hold fewer pictures: say in a "
        "report which one you used.",
    ),
    sources="counts: Yi et al., arXiv 1411.7923; no checksum was found published",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
