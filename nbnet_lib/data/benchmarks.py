"""What is known of LFW, CelebA and the others: licence, source, size; getting and checking a copy.

``benchmarks.yaml`` holds the descriptions; `layouts` walks through the folders.
The numbers were published; where nobody could be found who states one, it is None and not checked.
What is given out on request only is never fetched from elsewhere: the program says whom to ask, and
then takes the folder or the archives that the user received.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tqdm import tqdm

from nbnet_lib.data.archives import unpack
from nbnet_lib.data.layouts import Look, Tally, find_layout, pictures_below
from nbnet_lib.data.pictures import PictureError, read_picture
from nbnet_lib.data.rehearsal import STAMP, read_stamp
from nbnet_lib.data.remote import RemoteFile, download
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_writable_folder


class Count(NamedTuple):
    """How much a part of a benchmark holds, as published; None where no number is known."""

    pictures: int | None
    people: int | None


@dataclass(frozen=True)
class Part:
    """A file that a benchmark comes in.

    Attributes:
        file: name, addresses and checksum.
        folder: where an archive is unpacked to; "" for a list, which stays a file.
    """

    file: RemoteFile
    folder: str = ""


@dataclass(frozen=True)
class Benchmark:
    """One entry of ``benchmarks.yaml``.

    Attributes:
        name: what commands call it.
        title: its full name, with authors and year.
        home: its web page.
        licence: what one may do, in a sentence.
        forbids: what one may not, in a sentence.
        obtain: how to get it, in a sentence.
        access: "download" (this program fetches it), "request" (its owners give it out, and the
            user names the folder), or "own".
        layout: how its folders look, in short lines.
        look: the same as an expression.
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
    look: Look
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


@cache
def benchmarks() -> dict[str, Benchmark]:
    """Return {name: description}, in order of names."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return {name: _described(name, entry) for name, entry in yaml.safe_load(text).items()}


def _described(name: str, entry: dict[str, Any]) -> Benchmark:
    parts = []
    for described in entry.pop("files", ()):
        folder, urls = described.pop("folder", ""), tuple(described.pop("urls", ()))
        parts.append(Part(RemoteFile(urls=urls, **described), folder))
    return Benchmark(
        name=name,
        look=Look(**entry.pop("look")),
        parts=tuple(parts),
        counts={part: Count(*numbers) for part, numbers in entry.pop("counts", {}).items()},
        size=tuple(entry.pop("size", ())) or None,
        notes=tuple(entry.pop("notes", ())),
        **entry,
    )


def find_benchmark(name: str) -> Benchmark:
    """Return the description of one benchmark.

    Raises:
        NbnetError: no such benchmark.
    """
    known = benchmarks()
    if name not in known:
        raise NbnetError(f"no benchmark is called {name!r}: choose one of {', '.join(known)}")
    return known[name]


def get_benchmark(
    benchmark: Benchmark,
    out: str | Path | None = None,
    given: str | Path | None = None,
    accept_licence: bool = False,
    progress: bool = True,
) -> Checked:
    """Download a benchmark, or take what the user was given; then check it.

    An interrupted download resumes; what is complete already is kept.

    Args:
        benchmark: which.
        out: the folder to make; not needed for a folder that is used where it is.
        given: what the user obtained: the benchmark's folder (checked where it is), or a folder
            with its archives (verified, then unpacked to ``out``).
        accept_licence: the user has read the licence and agrees to it.
        progress: show bars on stderr.

    Raises:
        NbnetError: it has to be requested, its licence was not accepted, a download or an archive
            that fails, or what `check_benchmark` raises.
    """
    if given is not None:
        return _take(benchmark, Path(given), None if out is None else Path(out), progress)
    if benchmark.access != "download":
        raise NbnetError(
            f"{benchmark.title} cannot be downloaded by this program: {benchmark.obtain}; when you "
            f"have it, run `nbnet data get {benchmark.name} --path FOLDER`"
        )
    if benchmark.terms and not accept_licence:
        raise NbnetError(
            f"{benchmark.title} is under a licence ({benchmark.licence} {benchmark.forbids}): read "
            f"it at {benchmark.home}, and give --accept-licence if you agree"
        )
    if out is None:
        raise NbnetError("no folder was named: give --out, the folder to put the benchmark in")
    out = require_writable_folder(out)
    for part in benchmark.parts:
        if part.folder and _unpacked(out / part.folder):
            continue  # its archive may have been deleted to save space
        archive = download(part.file, out, progress=progress)
        if part.folder:
            unpack(archive, out / part.folder, progress=progress, flatten=True)
    return check_benchmark(benchmark, out, progress=progress)


def _take(benchmark: Benchmark, given: Path, out: Path | None, progress: bool) -> Checked:
    if given.is_file() and given.name in {part.file.name for part in benchmark.parts}:
        given = given.parent
    if not given.is_dir():
        names = ", ".join(part.file.name for part in benchmark.parts) or "no archives are known"
        raise NbnetError(
            f"{given} is neither a folder nor a file that {benchmark.title} comes in ({names}): "
            "give the folder that you unpacked, or the archive under its published name"
        )
    # Archives next to an unpacked folder: the folder is used.
    waiting = [
        part
        for part in benchmark.parts
        if part.folder and (given / part.file.name).is_file() and not _unpacked(given / part.folder)
    ]
    if not waiting:
        return check_benchmark(benchmark, given, progress=progress)
    if out is None:
        raise NbnetError(
            f"{given} holds archives ({waiting[0].file.name}): give --out, the folder to unpack "
            "them to"
        )
    out = require_writable_folder(out)
    lists = [part for part in benchmark.parts if not part.folder]
    for part in [*lists, *waiting]:
        path, target = given / part.file.name, out / part.file.name
        if not path.is_file():
            continue
        if fault := part.file.fault(path):
            raise NbnetError(
                f"{path} is not the published file ({fault}): obtain it again from its source"
            )
        if part.folder:
            unpack(path, out / part.folder, progress=progress, flatten=True)
        elif not (target.exists() and path.samefile(target)):
            shutil.copyfile(path, target)
    return check_benchmark(benchmark, out, progress=progress)


def _unpacked(folder: Path) -> bool:
    """Return whether an archive was unpacked there: it appears whole or not at all."""
    return folder.is_dir() and any(folder.iterdir())


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


def check_benchmark(
    benchmark: Benchmark, folder: str | Path, every: bool = False, progress: bool = True
) -> Checked:
    """Check a copy: layout, counts, checksums of its lists, and whether pictures can be read.

    A rehearsal (`nbnet data rehearse`) is accepted with fewer pictures and its own lists.

    Args:
        benchmark: which.
        folder: of the copy.
        every: open every picture, not some 200 of all.
        progress: show a bar on stderr.

    Raises:
        NbnetError: there is no such folder, or its layout is not the benchmark's: the first thing
            that is not where it should be.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NbnetError(f"{folder} is not a folder: give the folder that holds {benchmark.title}")
    rehearsal = _is_rehearsal(benchmark, folder)
    lists = [part.file for part in benchmark.parts if not part.folder]
    layout = find_layout(
        benchmark.name, benchmark.look, benchmark.layout, folder, [file.name for file in lists]
    )
    notes = list(layout.notes)
    problems: list[str] = []
    if rehearsal:
        notes.insert(0, f"a rehearsal ({STAMP}): nobody on these pictures exists")
    for part, tally in layout.parts.items():
        for sentence, too_few in _compare(
            benchmark.counts.get(part, Count(None, None)), part, tally
        ):
            (notes if rehearsal and too_few else problems).append(sentence)
    absent = [part for part in benchmark.counts if part not in layout.parts]
    if absent:
        notes.append(f"not there: {', '.join(absent)}; the rest can be used without")
    if not rehearsal:
        problems += [_list_fault(file, layout.lists.get(file.name)) for file in lists]
    paths = [path for tally in layout.parts.values() for path in tally.sample]
    paths = list(pictures_below(layout.folders)) if every else paths
    problems += _open_pictures(paths, benchmark.size, progress)
    people = [None if t.people is None else len(t.people) for t in layout.parts.values()]
    return Checked(
        name=benchmark.name,
        folder=folder,
        root=layout.root,
        folders=tuple(layout.folders),
        pictures=sum(tally.pictures for tally in layout.parts.values()),
        people=_total(people),
        opened=len(paths),
        rehearsal=rehearsal,
        problems=tuple(filter(None, problems)),
        notes=tuple(notes),
    )


def _is_rehearsal(benchmark: Benchmark, folder: Path) -> bool:
    for place in (folder, folder.resolve().parent):
        stamp = read_stamp(place)
        if stamp is not None and stamp["rehearsal_of"] == benchmark.name:
            return True
        if stamp is not None and place == folder:
            raise NbnetError(
                f"{folder} is a rehearsal of {stamp['rehearsal_of']}, not of {benchmark.name}: "
                f"check it as {stamp['rehearsal_of']}"
            )
    return False


def _compare(published: Count, part: str, tally: Tally) -> Iterator[tuple[str, bool]]:
    """Yield (what differs from the published numbers, whether it is only that there is less)."""
    of = f" of {part}" if part else ""
    if tally.empty:
        names = ", ".join(path.name for path in tally.empty[:3])
        yield (
            f"{len(tally.empty):,} files{of} have no bytes ({names}): unpack the archive again, or "
            "replace them",
            False,
        )
    people = None if tally.people is None else len(tally.people)
    for what, count, expected in (
        ("pictures", tally.pictures, published.pictures),
        ("people", people, published.people),
    ):
        if count is not None and expected is not None and count != expected:
            less = "fewer" if count < expected else "more"
            yield f"{count:,} {what}{of}, {less} than the published {expected:,}", count < expected


def _list_fault(file: RemoteFile, path: Path | None) -> str:
    """Return what is wrong with a list that is there; only the ends of its lines may differ."""
    fault = file.fault(path) if path else None
    if path is None or fault is None:
        return ""
    kind, expected = file.checksum.replace("-", "").split()
    text = path.read_bytes().replace(b"\r\n", b"\n")  # as after a copy through Windows
    if hashlib.new(kind, text, usedforsecurity=False).hexdigest() == expected:
        return ""
    return (
        f"{path} is not the published list ({fault}): take the original, or results do not compare "
        "with those of others"
    )


def _open_pictures(paths: list[Path], size: tuple[int, ...] | None, progress: bool) -> list[str]:
    """Open pictures, and return what is wrong with them."""
    broken: list[str] = []
    wrong: list[str] = []
    for path in tqdm(paths, desc="opening", unit="image", delay=0.5, disable=not progress):
        try:
            height, width = read_picture(path).image.shape[:2]
        except PictureError as error:
            if error.reason != "zero bytes":  # those were counted
                broken.append(str(error))
            continue
        if size and (width, height) != size:
            wrong.append(f"{path} is {width}x{height}")
    problems = []
    if broken:
        problems.append(f"{len(broken):,} of {len(paths):,} opened pictures: {broken[0]}")
    if size and wrong:
        problems.append(
            f"{len(wrong):,} of {len(paths):,} opened pictures do not have the published "
            f"{size[0]}x{size[1]} pixels ({wrong[0]} first): take the originals"
        )
    return problems
