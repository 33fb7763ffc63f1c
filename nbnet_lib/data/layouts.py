"""How each benchmark's folders look: one function a benchmark, which finds and counts everything.

What breaks the layout is an error at once, with the path and what was expected there. What is
wrong inside single files is for `nbnet_lib.data.benchmarks.check_benchmark` to collect, because one
broken picture in 200,000 is no reason to stop.
"""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.data.text import read_fields
from nbnet_lib.errors import NbnetError

SAMPLE = 200  # pictures of a part that a check opens


@dataclass
class Tally:
    """Counts pictures and people of one part of a benchmark, in bounded memory.

    Attributes:
        pictures: how many were added.
        people: names of all, or None where the benchmark does not say who is on a picture.
        empty: files of zero bytes.
        sample: up to `SAMPLE` of the pictures, drawn at random (with a fixed seed).
    """

    pictures: int = 0
    people: set[str] | None = field(default_factory=set)
    empty: list[Path] = field(default_factory=list)
    sample: list[Path] = field(default_factory=list)
    _dice: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def add(self, path: Path, person: str = "") -> None:
        """Count one picture."""
        self.pictures += 1
        if self.people is not None:
            self.people.add(person)
        if not path.stat().st_size:
            self.empty.append(path)
        # Reservoir sampling: each picture has the same chance, without a list of all of them.
        if len(self.sample) < SAMPLE:
            self.sample.append(path)
        elif (place := self._dice.randrange(self.pictures)) < SAMPLE:
            self.sample[place] = path

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


def _unlike(path: object, example: str) -> NbnetError:
    return NbnetError(
        f"{path} does not fit the published layout ({example}): give the folder as it was given "
        "out, or unpack it again"
    )


def _find_folder(folder: Path, candidates: Sequence[str], what: str) -> Path:
    """Return the first of ``folder/candidate`` that is a folder."""
    for name in candidates:
        if (folder / name).is_dir():
            return folder / name
    names = " or ".join(f"{name}/" for name in candidates)
    raise NbnetError(f"{folder} holds no {names}: give the folder that holds {what}")


def _find_lists(folders: Sequence[Path], names: Iterable[str]) -> dict[str, Path]:
    """Return {name: path} of the files that are in one of the folders, the first folder first."""
    paths = {name: [f / name for f in folders if (f / name).is_file()] for name in names}
    return {name: found[0] for name, found in paths.items() if found}


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, in order of names, without hidden files."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _add_files(
    tally: Tally, folder: Path, file: str, example: str, person: str = ""
) -> dict[str, Path]:
    """Count the pictures of one folder without folders in it, and return them by name."""
    pictures = {}
    for path in _entries(folder):
        if path.is_dir():
            raise _unlike(path, example)
        if is_picture_name(path.name):
            if not re.fullmatch(file, path.name):
                raise _unlike(path, example)
            tally.add(path, person)
            pictures[path.name] = path
    if not pictures:
        raise NbnetError(f"{folder} holds no pictures ({example}): unpack the archive again")
    return pictures


def _people_folders(root: Path, person: str, file: str, example: str) -> Tally:
    """Count ``root/PERSON/FILE`` (two regular expressions); files of other kinds are skipped."""
    tally = Tally()
    for folder in tqdm(_entries(root), desc="looking", unit="folder", delay=1, disable=None):
        if folder.is_dir():
            if not re.fullmatch(person, folder.name):
                raise _unlike(folder, example)
            _add_files(tally, folder, file, example, folder.name)
    if not tally.pictures:
        raise NbnetError(f"{root} holds no pictures in folders of people ({example})")
    return tally


def _lfw(folder: Path) -> Layout:
    root = folder
    if not any(folder.glob("*/*_0001.*")):
        names = ("lfw", "lfw_funneled", "lfw-deepfunneled")
        root = _find_folder(folder, names, "what lfw.tgz unpacks to")
    tally, stems = Tally(), set()
    for person in _entries(root):
        if person.is_dir():
            file = re.escape(person.name) + r"_[0-9]{4}\.\w+"
            example = f"{person.name}/{person.name}_0001.jpg"
            pictures = _add_files(tally, person, file, example, person.name)
            stems |= {Path(name).stem for name in pictures}
    places = (root, root.parent)
    lists = _find_lists(places, ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt"))
    if "pairs.txt" in lists:
        notes = [f"view 2: {_lfw_pairs(lists['pairs.txt'], stems)}"]
    else:
        notes = ["no pairs.txt in the folder or beside it: view 2 needs it, lfw-blufr does not"]
    if not _find_lists(places, ("blufr_lfw_config.mat",)):
        notes.append(
            "no blufr_lfw_config.mat: the protocol lfw-blufr draws trials of its own "
            "(BLUFR-style); put the file of the BLUFR authors beside the folder for theirs"
        )
    return Layout(root, {"": tally}, lists, notes)


def _lfw_pairs(path: Path, stems: set[str]) -> str:
    """Check that the list is whole and names pictures that are there; return what it holds."""
    (place, header), *lines = read_fields(path)
    if len(header) != 2 or not all(number.isdecimal() for number in header):
        raise NbnetError(f"{place}: {' '.join(header)!r} is not a header such as '10 300'")
    folds, each = map(int, header)
    if len(lines) != 2 * folds * each:
        raise NbnetError(
            f"{path}: {len(lines)} pairs, but its header announces {folds} x 2 x {each}: take the "
            "complete list of view 2"
        )
    for place, fields in lines:
        if len(fields) not in (3, 4):
            raise NbnetError(f"{place}: {len(fields)} fields: a pair has 3 (genuine) or 4")
        second = fields[0] if len(fields) == 3 else fields[2]  # of a genuine pair: the same person
        for person, number in ((fields[0], fields[1]), (second, fields[-1])):
            if f"{person}_{number:0>4}" not in stems:
                raise NbnetError(f"{place}: the picture {number} of {person} is not there")
    return f"{path.name}: {folds} folds x {each} genuine and {each} impostor pairs"


IDENTITIES, PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"


def _celeba(folder: Path) -> Layout:
    names = ("img_align_celeba", "Img/img_align_celeba", "img_celeba", "Img/img_celeba")
    root = _find_folder(folder, names, "the pictures and lists of CelebA")
    if (root / root.name).is_dir():  # some programs unpack a folder into one of its name
        root = root / root.name
    files = _add_files(Tally(), root, r"[0-9]{6}\.(jpg|png)", "000001.jpg")
    places = (folder, folder / "Anno", folder / "Eval")
    lists = _find_lists(places, (IDENTITIES, PARTITION, "list_landmarks_align_celeba.txt"))
    if IDENTITIES not in lists:
        raise NbnetError(
            f"{folder} holds no {IDENTITIES} (nor Anno/{IDENTITIES}): download that list too, it "
            "says who is on the pictures"
        )
    people = _celeba_rows(lists[IDENTITIES], "[0-9]+", "000001.jpg 2880")
    if different := people.keys() ^ files.keys():
        raise NbnetError(
            f"{lists[IDENTITIES]} does not fit the pictures in {root} ({min(different)} is in one "
            "of them only): take the complete list, and unpack img_align_celeba.zip again"
        )
    tally = Tally()
    for name, person in people.items():
        tally.add(files[name], person)
    if PARTITION in lists:
        sides = list(_celeba_rows(lists[PARTITION], "[012]", "000001.jpg 0").values())
        train, validation, test = (f"{sides.count(side):,}" for side in "012")
        notes = [f"{train} training, {validation} validation, {test} test pictures"]
    else:
        notes = [f"no {PARTITION}: the published division is not known, make one by people"]
    return Layout(root, {"": tally}, lists, notes)


def _celeba_rows(path: Path, value: str, example: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for place, fields in read_fields(path):
        if len(fields) != 2 or not re.fullmatch(value, fields[1]) or fields[0] in rows:
            raise NbnetError(
                f"{place}: {' '.join(fields)!r} is not a line such as {example!r}, or is there "
                "twice: take the original"
            )
        rows[fields[0]] = fields[1]
    return rows


def _vggface2(folder: Path) -> Layout:
    root = folder
    if not any((folder / part).is_dir() for part in ("train", "test")):
        root = _find_folder(folder, ("data", "VGGFace2", "VGG-Face2/data"), "train/ and test/")
    example = "n000002/0001_01.jpg"
    parts = {
        part: _people_folders(root / part, "n[0-9]{6}", r"[0-9]{4}_[0-9]{2}\.(jpg|png)", example)
        for part in ("train", "test")
        if (root / part).is_dir()
    }
    if not parts:
        raise NbnetError(f"{root} holds neither train/ nor test/: give the folder of one of them")
    both = set.intersection(*(tally.people or set() for tally in parts.values()))
    if len(parts) == 2 and both:
        raise NbnetError(
            f"{min(both)} is in train/ and in test/ of {root}: nobody may be in both, unpack the "
            "archives again"
        )
    return Layout(root, parts, folders=[root / part for part in parts])


def _casia_webface(folder: Path) -> Layout:
    if any((folder / name).is_file() for name in ("train.rec", "train.idx")):
        raise NbnetError(
            f"{folder} holds MXNet records (train.rec), a cut-out version for another program: "
            "give a folder of pictures, 0000045/001.jpg"
        )
    root, example = folder, "0000045/001.jpg"
    if not any(folder.glob("[0-9]" * 7)):
        root = _find_folder(folder, ("CASIA-WebFace", "casia-webface"), example)
    return Layout(root, {"": _people_folders(root, "[0-9]{7}", r"[0-9]{3,8}\.(jpg|png)", example)})


def _digiface_1m(folder: Path) -> Layout:
    name = r"subjects_[0-9]+-[0-9]+_(72|5)_imgs"
    if re.fullmatch(name, folder.name):
        parts = [folder]
    else:
        parts = [path for path in _entries(folder) if re.fullmatch(name, path.name)]
    if not parts:
        raise NbnetError(
            f"{folder} holds none of the parts, subjects_0-1999_72_imgs/ and so on: unpack each "
            "zip file to a folder of its name, and give the folder of those"
        )
    tallies = {
        part.name: _people_folders(part, "[0-9]{1,6}", r"[0-9]{1,2}\.png", "7/0.png")
        for part in parts
    }
    return Layout(parts[0].parent, tallies, folders=parts)


def _color_feret(folder: Path) -> Layout:
    if (folder / "colorferet").is_dir():
        folder = folder / "colorferet"
    example = "data/images/00002/00002_931230_fa.ppm.bz2"
    discs = [folder / name for name in ("dvd1", "dvd2") if (folder / name).is_dir()]
    places = discs or [folder]
    images = [_find_folder(place, ("data/images",), "dvd1/ and dvd2/") for place in places]
    tally, stems = Tally(), set()
    for subject in (path for place in images for path in _entries(place) if path.is_dir()):
        if not re.fullmatch("[0-9]{5}", subject.name):
            raise _unlike(subject, example)
        file = subject.name + r"_[0-9]{6}_[a-z]{2}(_[a-z])?\.ppm(\.bz2)?"
        for name, path in _add_files(tally, subject, file, example, subject.name).items():
            if (stem := _feret_stem(name)) in stems:
                raise NbnetError(
                    f"{path} is there a second time: keep the packed or the unpacked files"
                )
            stems.add(stem)
    if not tally.pictures:
        raise NbnetError(f"{folder} holds no pictures ({example})")
    lists = _find_lists([place / "doc" / "partitions" for place in places], ("fa.txt", "fb.txt"))
    notes = []
    for name, path in lists.items():
        lines = read_fields(path)
        for place, fields in lines:
            if _feret_stem(fields[-1]) not in stems and len(discs) != 1:
                raise NbnetError(
                    f"{place}: {fields[-1]} is not in data/images of {folder}: copy the disc again"
                )
        notes.append(f"{name}: {len(lines):,} pictures")
    if len(lists) < 2:
        notes.append("fa.txt and fb.txt are not both there: fa and fb are taken from file names")
    if len(discs) == 1:
        notes.append(f"only {discs[0].name} is there: the other disc holds the other subjects")
    notes.append("align data/images only: data/smaller and data/thumbnails show the same pictures")
    return Layout(folder, {"": tally}, lists, notes, images)


def _feret_stem(name: str) -> str:
    return name.removesuffix(".bz2").removesuffix(".ppm")


def _frgc(folder: Path) -> Layout:
    root = folder
    if not (folder / "nd1").is_dir():
        root = _find_folder(folder, ("FRGC-2.0-dist",), "nd1/ and BEE_DIST/")
    example = "nd1/Fall2003/02463d453.jpg"  # subject, recording
    tally = Tally()
    for path in sorted((root / "nd1").rglob("*")):
        if not is_picture_name(path.name) or path.name.startswith("."):
            continue  # three-dimensional recordings (.abs.gz) are not for this project
        match = re.fullmatch(r"([0-9]{5})d[0-9]+\.(jpg|JPG|ppm|ppm\.bz2)", path.name)
        if not match:
            raise _unlike(path, example)
        tally.add(path, match[1])
    if not tally.pictures:
        raise NbnetError(f"{root} holds no pictures ({example})")
    experiments = "BEE_DIST/FRGC2.0/signature_sets/experiments"
    names = ("1_Training", "1_Target", "4_Target", "4_Query")
    lists = _find_lists([root / experiments], [f"FRGC_Exp_2.0.{name}.xml" for name in names])
    notes = [f"{name}: {_frgc_list(root, path):,} pictures" for name, path in lists.items()]
    if not lists:
        notes.append(f"no lists in {experiments}: experiments 1 and 4 need them")
    return Layout(root / "nd1", {"": tally}, lists, notes)


def _frgc_list(root: Path, path: Path) -> int:
    try:
        named = [element.get("file-name") for element in ElementTree.parse(path).iter()]
    except ElementTree.ParseError as error:
        raise NbnetError(f"{path} is not XML ({error}): copy the disc again") from error
    names = [name for name in named if name]
    for name in names:
        # In the lists some endings are small letters that are capital ones on the disc.
        stem = root / Path(name.replace("\\", "/")).with_suffix("")
        if not any(stem.with_suffix(ending).is_file() for ending in (".jpg", ".JPG")):
            raise NbnetError(f"{path} names {name}, which is not in {root}: copy the disc again")
    if not names:
        raise NbnetError(f"{path} names no pictures: copy the disc again")
    return len(names)


def _multi_pie(folder: Path) -> Layout:
    root = folder
    for name in ("data", "Multi-Pie/data"):
        if not any(root.glob("session0*")) and (folder / name).is_dir():
            root = folder / name
    # subject, session, recording, camera and flash make up the name
    example = "session01/multiview/001/01/05_1/001_01_01_051_06.png"
    sessions = [path for path in _entries(root) if re.fullmatch("session[0-9]{2}", path.name)]
    # high-resolution pictures, next to multiview/, have no place in the protocols
    folders = [path / "multiview" for path in sessions if (path / "multiview").is_dir()]
    tally = Tally()
    for path in (path for place in folders for path in sorted(place.glob("*/*/*/*.png"))):
        session, subject, recording, camera = path.parts[-6], *path.parts[-4:-1]
        name = f"{subject}_{session[-2:]}_{recording}_{camera.replace('_', '')}_"
        if not re.fullmatch(re.escape(name) + r"[0-9]{2}\.png", path.name):
            raise _unlike(path, example)
        tally.add(path, subject)
    if not tally.pictures:
        raise NbnetError(f"{root} holds no pictures ({example}): give the folder of session01/ ...")
    notes = [f"{len(sessions)} of 4 sessions"] if len(sessions) < 4 else []
    return Layout(root, {"": tally}, {}, notes, folders)


def _sfhq(folder: Path) -> Layout:
    parts, folders = {}, []
    for place in [folder, *_entries(folder)]:
        match = re.search("part[ _-]?([1-4])$", place.name, re.IGNORECASE)
        images = next((p for p in (place / "images/images", place / "images") if p.is_dir()), None)
        if match is None or images is None:
            continue
        part = f"part {match[1]}"
        if part in parts:
            raise NbnetError(f"{folder} holds {part} twice, once as {place}: keep one")
        parts[part] = Tally(people=None)
        _add_files(parts[part], images, ".*", "SFHQ_part1/images/*.jpg")
        folders.append(images)
    if not parts:
        raise NbnetError(
            f"{folder} holds no SFHQ_part1/images/ or the like: unpack each part to a folder whose "
            "name ends with part1, part2, ..., and give the folder of those"
        )
    return Layout(folder, parts, folders=folders)


def _own_folder(folder: Path) -> Layout:
    linked = [path for path in _entries(folder) if path.is_dir() and path.is_symlink()]
    people = [path for path in _entries(folder) if path.is_dir() and not path.is_symlink()]
    if len(people) == 1 and any(path.is_dir() for path in _entries(people[0])):
        return _own_folder(people[0])  # a folder around the people's folders
    tally, notes = Tally(), []
    if linked:  # no other command follows them: some lead in a circle
        notes.append(f"{len(linked):,} linked folders are passed over")
    single = 0
    for person in people:
        before = tally.pictures
        for path in sorted(person.rglob("*")):
            if is_picture_name(path.name) and not path.name.startswith(".") and path.is_file():
                tally.add(path, person.name)
        if tally.pictures == before:
            raise NbnetError(f"{person} holds no pictures: add some, or take the folder away")
        single += tally.pictures == before + 1
    if not tally.pictures:
        raise NbnetError(f"{folder} holds no folders with pictures: give NAME/picture.jpg for each")
    loose = sum(is_picture_name(path.name) for path in _entries(folder) if path.is_file())
    if loose:
        notes.append(f"{loose:,} pictures are outside of all people's folders and belong to nobody")
    if single:
        notes.append(f"{single:,} people have one picture only: they cannot be compared with it")
    if len(people) < 2:
        notes.append("one person only: there are no impostors to set a threshold with")
    return Layout(folder, {"": tally}, {}, notes)


LOOKS: dict[str, Callable[[Path], Layout]] = {
    "casia-webface": _casia_webface,
    "celeba": _celeba,
    "color-feret": _color_feret,
    "digiface-1m": _digiface_1m,
    "folder": _own_folder,
    "frgc": _frgc,
    "lfw": _lfw,
    "multi-pie": _multi_pie,
    "sfhq": _sfhq,
    "vggface2": _vggface2,
}
