"""DigiFace-1M, people who do not exist, rendered by Microsoft.

python data_scripts/digiface_1m.py --out data/digiface --accept-licence
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset, Part
from nbnet_lib.data.benchmarks.layouts import Layout, people_folders
from nbnet_lib.data.fetch.remote import RemoteFile
from nbnet_lib.errors import NbnetError

SERVERS = (
    "https://facesyntheticspubwedata.z6.web.core.windows.net/wacv-2023/",
    "https://facesyntheticspubwedata.blob.core.windows.net/wacv-2023/",
)
# Name of each part: its people have numbers from first to last, and as many pictures each.
PARTS = {
    f"subjects_{first}-{last}_{each}_imgs": Count((last - first + 1) * each, last - first + 1)
    for first, last, each in (
        (0, 1999, 72),
        (2000, 3999, 72),
        (4000, 5999, 72),
        (6000, 7999, 72),
        (8000, 9999, 72),
        (100000, 133332, 5),
        (133333, 166665, 5),
        (166666, 199998, 5),
    )
}


def look(folder: Path) -> Layout:
    found = [name for name in PARTS if (folder / name).is_dir()]
    if not found and folder.name in PARTS:
        folder, found = folder.parent, [folder.name]
    if not found:
        raise NbnetError(
            f"{folder} holds none of the parts, {next(iter(PARTS))}/ and so on: unpack each zip "
            "file to a folder of its name, and give the folder of those"
        )
    parts = {
        name: people_folders(folder / name, "[0-9]{1,6}", r"[0-9]{1,2}\.png", "7/0.png")
        for name in found
    }
    return Layout(folder, parts, folders=[folder / name for name in found])


DATASET = Dataset(
    name="digiface-1m",
    title="DigiFace-1M (Bae et al., 2023)",
    home="https://github.com/microsoft/DigiFace1M",
    licence="For non-commercial research only, under the Research Use of Data Agreement.",
    forbids="No commercial use.",
    obtain="it is downloaded from Microsoft's server",
    access="download",
    layout="subjects_0-1999_72_imgs/0/0.png (112x112), eight parts",
    look=look,
    parts=tuple(
        Part(RemoteFile(f"{name}.zip", tuple(server + f"{name}.zip" for server in SERVERS)), name)
        for name in PARTS
    ),
    counts=PARTS,
    size=(112, 112),
    terms=True,
    notes=(
        "Nobody in it exists, so nobody's consent is missing; it is still not free for every use.",
        "Microsoft publishes no checksum: https is what vouches for the bytes.",
        "To train on a few thousand people one part is enough: give its zip file with --path.",
    ),
    sources="counts: the README of DigiFace-1M (10,000 people x 72, 100,000 people x 5); the names "
    "of the second kind count 99,999 people",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
