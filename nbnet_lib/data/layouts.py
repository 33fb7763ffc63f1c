"""How each benchmark's folders look, and what a copy holds.

A `Look` in ``benchmarks.yaml`` says where the pictures are and what their names mean; `CHECKS` adds
what is special about some benchmarks. What breaks the layout is an error at once,
with the path. What is wrong inside single files is for
`nbnet_lib.data.benchmarks.check_benchmark` to collect, because one broken picture in 200,000 is no
reason to stop.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nbnet_lib.data.pictures import is_hidden, is_picture_name, walk
from nbnet_lib.data.text import read_fields
from nbnet_lib.errors import NbnetError

SAMPLE = 200  # pictures of a part that a check opens


@dataclass(frozen=True)
class Look:
    """Where the pictures of a benchmark are, and what their paths say.

    Attributes:
        picture: regular expression that the path of every picture below the root has to fit. Its
            group "person" is who is on it; without one, the names do not say.
        roots: folders inside a copy that may be the root of the pictures, besides the copy itself.
        folders: those below the root that hold pictures and nothing else (patterns).
        part: the part of the benchmark that a picture is in, made of the expression's groups.
    """

    picture: str
    roots: Sequence[str] = ()
    folders: Sequence[str] = ("",)
    part: str = ""


@dataclass
class Tally:
    """Counts pictures and people of one part of a benchmark, in bounded memory.

    Attributes:
        pictures: how many were added.
        people: {name: pictures}; None where the benchmark does not say who is on a picture.
        empty: files of zero bytes.
        sample: up to `SAMPLE` of the pictures, drawn at random (with a fixed seed).
    """

    pictures: int = 0
    people: Counter[str] | None = None
    empty: list[Path] = field(default_factory=list)
    sample: list[Path] = field(default_factory=list)
    _dice: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def add(self, path: Path, person: str | None) -> None:
        """Count one picture."""
        self.pictures += 1
        if person is not None:
            self.people = self.people or Counter()
            self.people[person] += 1
        if not path.stat().st_size:
            self.empty.append(path)
        # Reservoir sampling: each picture has the same chance, without a list of all of them.
        if len(self.sample) < SAMPLE:
            self.sample.append(path)
        elif (place := self._dice.randrange(self.pictures)) < SAMPLE:
            self.sample[place] = path


@dataclass
class Layout:
    """What was found in a folder.

    Attributes:
        root: the folder of everything that was counted.
        parts: a tally of each part ("" where there is only one).
        folders: those that hold the pictures, where there is more in ``root`` than the pictures
            that were counted: smaller copies, say.
        lists: text files that were found, by their published name.
        notes: what the user should know, a sentence each.
        names: the paths of the pictures below ``root``, of CelebA.
    """

    root: Path
    folders: list[Path]
    parts: dict[str, Tally] = field(default_factory=dict)
    lists: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def pictures_below(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the pictures in some folders, without hidden ones (macOS leaves such beside others)."""
    for folder in folders:
        for name, _ in walk(folder):
            if is_picture_name(name) and not is_hidden(name):
                yield folder / name


def find_layout(
    name: str, look: Look, described: str, folder: Path, lists: Sequence[str]
) -> Layout:
    """Find and count the pictures of a benchmark.

    Args:
        name: of the benchmark.
        look: how it looks.
        described: the same in words, for messages.
        folder: of the copy.
        lists: names of the text files that belong to it.

    Raises:
        NbnetError: a picture that does not fit, or no picture at all.
    """
    unlike = f"the published layout ({described}): give the folder as it was given out"
    layout = None
    stray: object = ""
    for root in _roots(name, look, folder):
        folders = [path for part in look.folders for path in _matches(root, part)]
        first = next(pictures_below(folders), None)
        if first is not None and re.fullmatch(look.picture, first.relative_to(root).as_posix()):
            layout = Layout(root, folders)
            break
        stray = first or stray
    if layout is None:
        found = f"{stray} does not fit" if stray else f"{folder} holds no pictures in"
        raise NbnetError(f"{found} {unlike}")
    paths = pictures_below(layout.folders)
    for path in tqdm(paths, desc="looking", unit="image", delay=1, disable=None):
        place = path.relative_to(layout.root).as_posix()
        match = re.fullmatch(look.picture, place)
        if not match:
            raise NbnetError(f"{path} does not fit {unlike}")
        groups = match.groupdict()
        tally = layout.parts.setdefault(look.part.format(**groups), Tally())
        tally.add(path, groups.get("person"))
        if name == "celeba":  # only its list says who is on them
            layout.names.add(place)
    places = [folder, folder / "Anno", folder / "Eval", layout.root, layout.root.parent]
    layout.lists = _find_lists(places, lists)
    if name in CHECKS:
        CHECKS[name](layout)
    return layout


def _roots(name: str, look: Look, folder: Path) -> list[Path]:
    if name == "folder":  # there may be one around the people's folders
        inside = [path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)]
        if len(inside) == 1 and any(path.is_dir() for path in inside[0].iterdir()):
            return _roots(name, look, inside[0])
    return [folder, *(folder / root for root in look.roots if (folder / root).is_dir())]


def _matches(root: Path, pattern: str) -> list[Path]:
    return sorted(path for path in root.glob(pattern) if path.is_dir()) if pattern else [root]


def _find_lists(folders: Sequence[Path], names: Sequence[str]) -> dict[str, Path]:
    """Return {name: path} of the files that are in one of the folders, the first folder first."""
    paths = {name: [f / name for f in folders if (f / name).is_file()] for name in names}
    return {name: found[0] for name, found in paths.items() if found}


def _lfw(layout: Layout) -> None:
    places = (layout.root, layout.root.parent, layout.root.parent.parent)
    if not _find_lists(places, ("pairs.txt", "pairs.csv")):
        layout.notes.append(
            "no pairs.txt (or pairs.csv, Kaggle's) in the folder or beside it: view 2 needs it, "
            "lfw-blufr does not"
        )
    if not _find_lists(places, ("blufr_lfw_config.mat",)):
        layout.notes.append(
            "no blufr_lfw_config.mat: the protocol lfw-blufr draws trials of its own "
            "(BLUFR-style); put the file of the BLUFR authors beside the folder for theirs"
        )


IDENTITIES, PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"


def _celeba(layout: Layout) -> None:
    path = layout.lists.get(IDENTITIES)
    if path is None:
        raise NbnetError(
            f"no {IDENTITIES} (nor Anno/{IDENTITIES}) for {layout.root}: download that list too, "
            "it says who is on the pictures"
        )
    lines = [fields for _, fields in read_fields(path)]
    people = {fields[0]: fields[-1] for fields in lines if len(fields) == 2}
    if len(people) < len(lines) or people.keys() != layout.names:
        different = sorted(people.keys() ^ layout.names) or ["a line"]
        raise NbnetError(
            f"{path} does not fit the pictures in {layout.root} ({different[0]} is in one of them "
            "only, or there twice): take the complete list, and unpack img_align_celeba.zip again"
        )
    layout.parts[""].people = Counter(people.values())
    places = (layout.root, layout.root.parent, layout.root.parent.parent)
    if PARTITION not in layout.lists and not _find_lists(places, ("list_eval_partition.csv",)):
        layout.notes.append(
            f"no {PARTITION}: the published division is not known, make one by people"
        )


def _vggface2(layout: Layout) -> None:
    people = [set(tally.people or ()) for tally in layout.parts.values()]
    if both := people[0].intersection(*people[1:]) if people[1:] else None:
        raise NbnetError(
            f"{min(both)} is in train/ and in test/ of {layout.root}: nobody may be in both, "
            "unpack the archives again"
        )


def _own_folder(layout: Layout) -> None:
    people = layout.parts[""].people or Counter()
    if single := sum(count == 1 for count in people.values()):
        layout.notes.append(
            f"{single:,} people have one picture only: they cannot be compared with it"
        )
    if len(people) < 2:
        layout.notes.append("one person only: there are no impostors to set a threshold with")


CHECKS: dict[str, Callable[[Layout], None]] = {
    "celeba": _celeba,
    "folder": _own_folder,
    "lfw": _lfw,
    "vggface2": _vggface2,
}
