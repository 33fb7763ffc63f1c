"""CMU Multi-PIE.

python data_scripts/multi_pie.py --path Multi-Pie/data
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Count, Dataset
from nbnet_lib.data.benchmarks.layouts import Layout, Tally, entries
from nbnet_lib.errors import NbnetError

EXAMPLE = "session01/multiview/001/01/05_1/001_01_01_051_06.png"
FILE = r"([0-9]{3})_([0-9]{2})_([0-9]{2})_([0-9]{3})_([0-9]{2})\.png"


def look(folder: Path) -> Layout:
    root = folder
    for name in ("data", "Multi-Pie/data"):
        if not any(root.glob("session0*")) and (folder / name).is_dir():
            root = folder / name
    sessions = [e for e in entries(root) if re.fullmatch("session[0-9]{2}", e.name) and e.is_dir()]
    if not sessions:
        raise NbnetError(f"{folder} holds no session01/ ... session04/: give the folder of those")
    tally, folders = Tally(), []
    for session in sessions:
        multiview = Path(session.path) / "multiview"
        if not multiview.is_dir():
            continue  # high-resolution pictures have no place in the protocols
        folders.append(multiview)
        for path in sorted(multiview.glob("*/*/*/*")):
            if path.name.startswith(".") or path.suffix != ".png":
                continue
            subject, recording, camera = path.parts[-4:-1]
            expected = f"{subject}_{session.name[-2:]}_{recording}_{camera.replace('_', '')}_"
            if not re.fullmatch(FILE, path.name) or not path.name.startswith(expected):
                raise NbnetError(
                    f"{path} does not fit its folders ({EXAMPLE}): subject, session, recording, "
                    "camera and flash make up the name, so copy the disk again"
                )
            tally.add(path, subject)
    if not tally.pictures:
        raise NbnetError(f"{root} holds no pictures ({EXAMPLE})")
    notes = [f"{len(sessions)} of 4 sessions"] if len(sessions) < 4 else []
    return Layout(root, {"": tally}, {}, notes, folders)


DATASET = Dataset(
    name="multi-pie",
    title="CMU Multi-PIE (Gross, Matthews, Cohn, Kanade, Baker, 2010)",
    home="https://www.cs.cmu.edu/afs/cs/project/PIE/MultiPie/Multi-Pie/Home.html",
    licence="Licensed by Carnegie Mellon University, under an agreement with it.",
    forbids="No copies to others, and no use beyond the agreement.",
    obtain="Carnegie Mellon University licenses it (CTTEC-Flintbox@andrew.cmu.edu, see "
    "https://ri.cmu.edu/project/pie-database)",
    access="request",
    layout=f"{EXAMPLE}: subject, session, recording, camera, flash",
    look=look,
    counts={"": Count(None, 337)},
    notes=(
        "More than 750,000 pictures; the exact number was not found published, so it is not "
        "checked.",
        "Camera 05_1 is the frontal one.",
    ),
    sources="people, layout: the documentation of bob.bio.face, which cites the authors",
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
