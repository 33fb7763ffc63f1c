"""Labeled Faces in the Wild.

python data_scripts/lfw.py --out data/lfw        the same as `nbnet data get lfw --out data/lfw`
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset, Part
from nbnet_lib.data.benchmarks.layouts import Layout, Tally, find_folder, find_lists
from nbnet_lib.data.fetch.remote import RemoteFile

FIGSHARE = "https://ndownloader.figshare.com/files/"
MASSACHUSETTS = "http://vis-www.cs.umass.edu/lfw/"  # for years now, more often away than there


def look(folder: Path) -> Layout:
    # The readers of the protocols are the judges: what they accept can be evaluated.
    from nbnet_lib.evaluate.protocols.lfw import lfw_files, lfw_view2

    root = folder
    if not any(folder.glob("*/*_0001.*")):
        names = ("lfw", "lfw_funneled", "lfw-deepfunneled")
        root = find_folder(folder, names, "what lfw.tgz unpacks to")
    tally = Tally()
    for stem, file in lfw_files(root).items():
        tally.add(root / file, stem[:-5])
    lists = find_lists((root, root.parent), ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt"))
    notes = []
    if "pairs.txt" in lists:
        notes.append(f"view 2: {lfw_view2(root, lists['pairs.txt']).source}")
    else:
        notes.append("no pairs.txt in the folder or beside it: view 2 needs it, lfw-blufr does not")
    if not find_lists((root, root.parent), ("blufr_lfw_config.mat",)):
        notes.append(
            "no blufr_lfw_config.mat: the protocol lfw-blufr draws trials of its own "
            "(BLUFR-style); put the file of the BLUFR authors beside the folder for theirs"
        )
    return Layout(root, {"": tally}, lists, notes)


DATASET = Dataset(
    name="lfw",
    title="Labeled Faces in the Wild (Huang, Ramesh, Berg, Learned-Miller, 2007)",
    home="http://vis-www.cs.umass.edu/lfw/",
    licence="No licence is stated; the authors publish it for research on face verification.",
    forbids="The people were not asked: publish no reconstruction of them, and take no result as "
    "proof that a system is fit for use.",
    obtain="it is downloaded from figshare, where scikit-learn keeps a copy, or from its own site",
    access="download",
    layout="lfw/NAME/NAME_0001.jpg (250x250), pairs.txt beside lfw/",
    look=look,
    parts=(
        Part(
            RemoteFile(
                "lfw.tgz",
                (FIGSHARE + "5976018", MASSACHUSETTS + "lfw.tgz"),
                sha256="055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
            ),
            folder="lfw",
        ),
        Part(
            RemoteFile(
                "pairs.txt",
                (FIGSHARE + "5976006", MASSACHUSETTS + "pairs.txt"),
                sha256="ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
            ),
        ),
        Part(
            RemoteFile(
                "pairsDevTrain.txt",
                (FIGSHARE + "5976012", MASSACHUSETTS + "pairsDevTrain.txt"),
                sha256="1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
            ),
            needed=False,
        ),
        Part(
            RemoteFile(
                "pairsDevTest.txt",
                (FIGSHARE + "5976009", MASSACHUSETTS + "pairsDevTest.txt"),
                sha256="7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
            ),
            needed=False,
        ),
    ),
    counts={"": Count(13_233, 5_749)},
    size=(250, 250),
    notes=(
        "The original site is often away; the checksums make the copy on figshare as good.",
        "1,680 of the people have two or more pictures.",
        "Take the pictures as they are, not the funneled ones: `nbnet data align` finds the faces.",
    ),
    sources="counts: the README of LFW; addresses and SHA-256: scikit-learn's datasets/_lfw.py",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
