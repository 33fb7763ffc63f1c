"""Walking through a benchmark's folders: what lies where it should, and what does not.

The scripts in ``data_scripts/`` describe a benchmark with these few functions. What breaks the
layout is an error at once, with the path and what was expected there. What is wrong inside single
files is collected by `Tally`, because one broken picture in 200,000 is no reason to stop.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.errors import NbnetError

KEPT = 512  # pictures that a tally remembers at least, where there are so many


class Tally:
    """Counts pictures and people of one part of a benchmark, in bounded memory.

    Attributes:
        pictures: how many were added.
        people: names of all, or None where the benchmark does not say who is on a picture.
        empty: the first few files of zero bytes.
        empties: how many of them there are.
    """

    def __init__(self, known_people: bool = True) -> None:
        self.pictures = 0
        self.people: set[str] | None = set() if known_people else None
        self.empty: list[Path] = []
        self.empties = 0
        self._kept: list[Path] = []
        self._step = 1

    def add(self, path: Path, person: str = "", size: int | None = None) -> None:
        """Count one picture; ``size`` are its bytes, where they are known already."""
        if self.pictures % self._step == 0:
            if len(self._kept) == 2 * KEPT:  # every second one goes
                self._kept, self._step = self._kept[::2], 2 * self._step
            if self.pictures % self._step == 0:
                self._kept.append(path)
        self.pictures += 1
        if self.people is not None:
            self.people.add(person)
        if (path.stat().st_size if size is None else size) == 0:
            self.empties += 1
            if len(self.empty) < 3:
                self.empty.append(path)

    def some(self, count: int) -> list[Path]:
        """Return up to ``count`` pictures, spread over all that were added."""
        step = max(1, -(-len(self._kept) // max(1, count)))
        return self._kept[::step][:count]

    @property
    def number_of_people(self) -> int | None:
        """How many people; None where that is not known."""
        return None if self.people is None else len(self.people)


@dataclass
class Layout:
    """What was found in a folder.

    Attributes:
        root: the folder of everything that was counted.
        parts: a tally of each part ("" where there is only one).
        lists: text files that were found, by their published name.
        notes: what the user should know, a sentence each.
        folders: those inside ``root`` that hold the pictures, where there is more in ``root`` than
            the pictures that were counted: smaller copies, say. ``root`` itself by default.
    """

    root: Path
    parts: dict[str, Tally]
    lists: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folders = self.folders or [self.root]


def find_folder(folder: Path, candidates: Sequence[str], what: str) -> Path:
    """Return the first of ``folder/candidate`` that is a folder.

    Raises:
        NbnetError: none is.
    """
    for name in candidates:
        if (folder / name).is_dir():
            return folder / name
    names = " or ".join(f"{name}/" for name in candidates if name)
    raise NbnetError(f"{folder} holds no {names}: give the folder that holds {what}")


def find_lists(folders: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """Return {name: path} of the files that are in one of the folders, the first folder first."""
    folders = list(folders)
    found = {}
    for name in names:
        path = next((f / name for f in folders if (f / name).is_file()), None)
        if path is not None:
            found[name] = path
    return found


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, in order of names, without hidden files.

    Raises:
        NbnetError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(
                (entry for entry in found if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        raise NbnetError(
            f"{folder} cannot be read ({error.strerror or error}): give yourself access to it"
        ) from error


def people_folders(root: Path, person: str, file: str, example: str) -> Tally:
    """Count ``root/PERSON/FILE``: one folder for each person, pictures in it and no more folders.

    Args:
        root: the folder of people.
        person: regular expression of a folder's name.
        file: regular expression of a picture's name; other files are passed over.
        example: what both look like, for errors: "n000002/0001_01.jpg".

    Raises:
        NbnetError: the first folder or picture that has another name, a person without pictures, or
            nobody at all.
    """
    tally = Tally()
    for entry in tqdm(entries(root), desc="looking", unit="folder", delay=1, disable=None):
        if not entry.is_dir():
            continue
        if not re.fullmatch(person, entry.name):
            raise NbnetError(
                f"{entry.path} does not have the name of a person here ({example} was expected): "
                "give the folder of people as it was published"
            )
        add_files(tally, Path(entry.path), file, example, entry.name)
    if not tally.pictures:
        raise NbnetError(f"{root} holds no pictures in folders of people ({example})")
    return tally


def add_files(tally: Tally, folder: Path, file: str, example: str, person: str = "") -> None:
    """Count the pictures of one folder, in which no folders may be.

    Raises:
        NbnetError: a folder, a picture with another name, or no picture.
    """
    count = 0
    for entry in entries(folder):
        if entry.is_dir():
            raise NbnetError(
                f"{entry.path} is a folder where pictures were expected ({example}): "
                "give the folder one level deeper, or unpack the archive again"
            )
        if not is_picture_name(entry.name):
            continue
        if not re.fullmatch(file, entry.name):
            raise NbnetError(
                f"{entry.path} is not named as published ({example}): unpack the archive again, "
                "without renaming"
            )
        tally.add(Path(entry.path), person, entry.stat().st_size)
        count += 1
    if not count:
        raise NbnetError(f"{folder} holds no pictures ({example}): unpack the archive again")
