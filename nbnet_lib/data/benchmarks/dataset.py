"""What a benchmark is: who gives it out, under which terms, what it holds; and checking a copy.

Each script in ``data_scripts/`` describes one. The numbers it names were published; where nobody
could be found who states one, it is None and not checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nbnet_lib.data.benchmarks.layouts import Layout, Tally
from nbnet_lib.data.fetch.remote import RemoteFile
from nbnet_lib.data.pictures import PictureError, is_picture_name, read_picture
from nbnet_lib.data.rehearsal.rehearse import STAMP, read_stamp
from nbnet_lib.errors import NbnetError

OPENED = 200  # pictures that a check opens, unless it is asked for all


@dataclass(frozen=True)
class Count:
    """How much a part of a benchmark holds, as published; None where no number is known."""

    pictures: int | None
    people: int | None = None


@dataclass(frozen=True)
class Part:
    """A file that a benchmark comes in.

    Attributes:
        file: name, addresses and checksum.
        folder: where an archive is unpacked to; "" for a list, which stays a file.
        needed: False for a list that a check can do without.
    """

    file: RemoteFile
    folder: str = ""
    needed: bool = True


@dataclass(frozen=True)
class Dataset:
    """A benchmark.

    Attributes:
        name: what commands call it.
        title: its full name, with authors and year.
        home: its web page.
        licence: what one may do, in a sentence.
        forbids: what one may not, in a sentence.
        obtain: how to get it, in a sentence.
        access: "download" (this program fetches it), "request" (somebody gives it out, and the user
            names where it lies), or "own".
        layout: what lies where, in short lines.
        look: finds and counts everything in a folder, or raises what is wrong first.
        parts: the files it comes in, where they are known.
        counts: by part, as in `Layout.parts`; empty where anything goes.
        size: width and height of all pictures, or None where they differ.
        terms: whether `get` asks for ``--accept-licence``.
        notes: what to know before using it, a sentence each.
        sources: where the numbers and checksums come from.
    """

    name: str
    title: str
    home: str
    licence: str
    forbids: str
    obtain: str
    access: str
    layout: str
    look: Callable[[Path], Layout] = field(repr=False)
    parts: tuple[Part, ...] = ()
    counts: Mapping[str, Count] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    terms: bool = False
    notes: tuple[str, ...] = ()
    sources: str = ""

    @property
    def pictures(self) -> int | None:
        """All pictures of the benchmark, as published."""
        return _total([count.pictures for count in self.counts.values()])

    @property
    def people(self) -> int | None:
        """All people of the benchmark, as published; its parts share none."""
        return _total([count.people for count in self.counts.values()])


def _total(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if numbers and len(known) == len(numbers) else None


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        name: of the benchmark.
        folder: what was checked.
        root: the folder of the pictures in it.
        folders: those inside ``root`` that hold pictures and nothing else: give each to
            `nbnet data align`.
        pictures: how many.
        people: how many, None where the benchmark does not say who is on its pictures.
        opened: how many pictures were opened.
        rehearsal: whether these are SynthFaces in the benchmark's layout.
        problems: what is not as published, a sentence each; empty for a copy that is right.
        notes: what to know, a sentence each.
    """

    name: str
    folder: Path
    root: Path
    folders: tuple[Path, ...]
    pictures: int
    people: int | None
    opened: int
    rehearsal: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_dataset(
    dataset: Dataset, folder: str | Path, every: bool = False, progress: bool = True
) -> Checked:
    """Check a copy: layout, counts, checksums of its lists, and whether pictures can be read.

    A rehearsal (`nbnet data rehearse`) is accepted with fewer pictures and its own lists.

    Args:
        dataset: the benchmark.
        folder: where the copy lies.
        every: open every picture, not some 200 spread over all.
        progress: show a bar on stderr.

    Raises:
        NbnetError: there is no such folder, or its layout is not the benchmark's: the first thing
            that is not where it should be.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NbnetError(f"{folder} is not a folder: give the folder that holds {dataset.title}")
    rehearsal = _is_rehearsal(dataset, folder)
    found = dataset.look(folder)
    problems: list[str] = []
    notes = list(found.notes)
    if rehearsal:
        notes.insert(0, f"a rehearsal ({STAMP}): nobody on these pictures exists")
    for part, tally in found.parts.items():
        _compare(dataset, part, tally, rehearsal, problems, notes)
    absent = [part for part in dataset.counts if part not in found.parts]
    if absent:
        notes.append(f"not there: {', '.join(absent)}; the rest can be used without")
    if not rehearsal:
        _compare_lists(dataset, found, problems)
    opened = _open_some(dataset, found, every, progress, problems)
    people = [tally.number_of_people for tally in found.parts.values()]
    return Checked(
        name=dataset.name,
        folder=folder,
        root=found.root,
        folders=tuple(found.folders),
        pictures=sum(tally.pictures for tally in found.parts.values()),
        people=_total(people),
        opened=opened,
        rehearsal=rehearsal,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _is_rehearsal(dataset: Dataset, folder: Path) -> bool:
    for place in (folder, folder.resolve().parent):
        stamp = read_stamp(place)
        if stamp is not None:
            if stamp["rehearsal_of"] == dataset.name:
                return True
            if place == folder:
                raise NbnetError(
                    f"{folder} is a rehearsal of {stamp['rehearsal_of']}, not of {dataset.name}: "
                    f"check it as {stamp['rehearsal_of']}"
                )
    return False


def _compare(
    dataset: Dataset,
    part: str,
    tally: Tally,
    rehearsal: bool,
    problems: list[str],
    notes: list[str],
) -> None:
    of = f" of {part}" if part else ""
    if tally.empties:
        names = ", ".join(path.name for path in tally.empty)
        more = " and others" if tally.empties > len(tally.empty) else ""
        mend = "unpack the archive again" if dataset.counts else "replace them or take them away"
        problems.append(f"{tally.empties:,} files{of} have no bytes ({names}{more}): {mend}")
    expected = dataset.counts.get(part, Count(None))
    for what, count, published in (
        ("pictures", tally.pictures, expected.pictures),
        ("people", tally.number_of_people, expected.people),
    ):
        if count is None or published is None or count == published:
            continue
        if count < published and rehearsal:
            notes.append(
                f"{count:,} {what}{of}, fewer than the benchmark's {published:,}: fine for a "
                "rehearsal"
            )
        else:
            compared = "fewer" if count < published else "more"
            problems.append(
                f"{count:,} {what}{of}, {compared} than the published {published:,}: results do "
                "not compare with those of others"
            )


def _compare_lists(dataset: Dataset, found: Layout, problems: list[str]) -> None:
    for part in dataset.parts:
        path = found.lists.get(part.file.name)
        if path is None or not part.file.has_checksum:
            continue
        fault = part.file.fault(path)
        if fault and not _same_text(part.file, path):
            problems.append(
                f"{path} is not the published list ({fault}): take the original, or results do not "
                "compare with those of others"
            )


def _same_text(file: RemoteFile, path: Path) -> bool:
    """Tell whether only the ends of lines differ, as after a copy through Windows."""
    text = path.read_bytes().replace(b"\r\n", b"\n")
    kind = "sha256" if file.sha256 else "md5"
    return hashlib.new(kind, text, usedforsecurity=False).hexdigest() == (file.sha256 or file.md5)


def _open_some(
    dataset: Dataset, found: Layout, every: bool, progress: bool, problems: list[str]
) -> int:
    paths = []
    for tally in found.parts.values():
        paths += tally.some(max(1, OPENED // len(found.parts)))
    if every:
        paths = [
            path
            for folder in found.folders
            for path in sorted(folder.rglob("*"))
            if _is_picture(folder, path)
        ]
    broken, wrong = [], []
    for path in tqdm(paths, desc="opening", unit="image", delay=0.5, disable=not progress):
        try:
            height, width = read_picture(path).image.shape[:2]
        except PictureError as error:
            if error.reason != "zero bytes":  # those were counted
                broken.append(error)
            continue
        if dataset.size and (width, height) != dataset.size:
            wrong.append(f"{path} is {width}x{height}")
    if broken:
        problems.append(f"{len(broken):,} of {len(paths):,} opened pictures: {broken[0]}")
    if wrong and dataset.size:
        problems.append(
            f"{len(wrong):,} of {len(paths):,} opened pictures do not have the published "
            f"{dataset.size[0]}x{dataset.size[1]} pixels ({wrong[0]} first): take the originals"
        )
    return len(paths)


def _is_picture(root: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and is_picture_name(path.name) and path.is_file()
