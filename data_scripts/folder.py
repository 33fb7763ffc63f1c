"""Any folder of your own with one folder for each person.

python data_scripts/folder.py --path FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Dataset
from nbnet_lib.data.benchmarks.layouts import Layout, Tally, entries
from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.errors import NbnetError


def look(folder: Path) -> Layout:
    folders = [entry for entry in entries(folder) if entry.is_dir()]
    people = [entry for entry in folders if not entry.is_symlink()]
    if len(people) == 1 and any(child.is_dir() for child in entries(Path(people[0].path))):
        return look(Path(people[0].path))  # a folder around the people's folders
    tally, notes = Tally(), []
    if len(people) < len(folders):  # no other command follows them: some lead in a circle
        notes.append(f"{len(folders) - len(people):,} linked folders are passed over")
    alone = 0
    for person in people:
        before = tally.pictures
        for path in sorted(Path(person.path).rglob("*")):
            if is_picture_name(path.name) and not path.name.startswith(".") and path.is_file():
                tally.add(path, person.name)
        if tally.pictures == before:
            raise NbnetError(f"{person.path} holds no pictures: add some, or take the folder away")
        alone += tally.pictures == before + 1
    if not tally.pictures:
        raise NbnetError(f"{folder} holds no folders with pictures: give NAME/picture.jpg for each")
    loose = sum(is_picture_name(entry.name) for entry in entries(folder) if entry.is_file())
    if loose:
        notes.append(f"{loose:,} pictures lie outside of all people's folders and belong to nobody")
    if alone:
        notes.append(f"{alone:,} people have one picture only: they cannot be compared with it")
    if len(people) < 2:
        notes.append("one person only: there are no impostors to set a threshold with")
    return Layout(folder, {"": tally}, {}, notes)


DATASET = Dataset(
    name="folder",
    title="a folder of your own",
    home="",
    licence="Yours to know: you need the right to use the pictures for this, and, where data "
    "protection law applies, the consent of the people on them.",
    forbids="A reconstruction of a face is personal data like the face itself.",
    obtain="it is yours: make one folder for each person, with that person's pictures",
    access="own",
    layout="NAME/any name.jpg (or .png, .ppm, .webp, ...), folders inside NAME allowed",
    look=look,
)

if __name__ == "__main__":
    from nbnet_lib.cli import main

    sys.exit(main(["data", "get", DATASET.name, *sys.argv[1:]]))
