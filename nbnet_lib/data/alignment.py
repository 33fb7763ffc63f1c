"""Aligning a folder of pictures: every face cut out so that its five points are where they should.

    .alignment.jsonl    settings, then a line for each picture as it is done: a run resumes from it
    alignment.parquet   the table (`COLUMNS`), one row for each picture, in the order of their names
    alignment.json      framing, size, detector and counts

The last two are there when everything has been done, and describe all pictures of the folder:
every one is in the table, aligned or with the reason why not.

The detector decides the speed: 28 ms for a picture of 160 pixels on one idle core. Memory: 0.8 GB
for each process, most of it torch, and 2.5 KB for each picture of the folder: align a folder of
millions part by part.
Introduced in the guide "Run the paper on LFW".
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import joblib
import numpy as np
from PIL import Image
from tqdm import tqdm

from nbnet_lib.data.alignment_file import JOURNAL, SUMMARY, TABLE
from nbnet_lib.data.people import spelled
from nbnet_lib.data.pictures import (
    ENDINGS,
    PictureError,
    is_hidden,
    is_picture_name,
    read_picture,
    walk,
)
from nbnet_lib.data.text import require_utf8
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.detect import SMALLEST_INPUT, DetectedFace, FaceDetector
from nbnet_lib.faces.framing import FRAMINGS, Framing, cut
from nbnet_lib.files import atomic_path, only_writer, require_free_space, require_writable_folder
from nbnet_lib.parallel import cores
from synthfaces.checks import check_size

# Columns of the table: name, and type as pyarrow calls it.
COLUMNS = {
    "image": "string",  # relative to the source folder, with "/"
    "status": "string",  # "aligned" or "failed"
    "reason": "string",  # why it failed, or why it is the centre of the picture; else empty
    "detail": "string",  # the reason in more words
    "notes": "string",  # what had to be changed to read it, and "several faces"; with "; " between
    "width": "int32",  # of the picture as it was read, upright; 0 where it was not
    "height": "int32",
    "faces": "int32",  # how many were found
    "score": "float32",  # of the one that was taken
    "box": "list<float32>",  # left, top, right, bottom, pixels
    "points": "list<float32>",  # x, y of five points, in the order of faces.framing
    "out": "string",  # relative to this folder; empty where it failed
}
FACES = ("central", "largest", "only")
MISSING = ("fail", "centre")
CONFIDENT = 0.9  # score from which a face counts as one, next to others
# Share of the picture's shorter side that a face has at least: first look, second look.
LOOKS = (8, 40)
SMALLEST_FACE = 20  # pixels
# A face that is upright scores 0.996 or more and its eyes are level to 10 degrees (14 SynthFaces
# in photographs); on its side it scores up to 0.994, upside down 0.9965. What is weaker or steeper
# is looked at in all four directions, and is doubtful where none of them is convincing.
CERTAIN, SURE_ENOUGH = 0.998, 0.99
STEEP, LEVEL = 30, 45  # degrees of the line between the eyes: when to try, and what may be taken
DOUBTFUL = "doubtful direction"
NO_FACE, SEVERAL, NO_MEMORY = "no face", "several faces", "out of memory"
# What may be different next time; other failures are in the picture.
TRY_AGAIN = {NO_MEMORY, "missing", "unreadable"}
# Pictures of telephones and cameras that Pillow alone does not read.
FOREIGN = (".heic", ".heif", ".avif", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd")
BYTES_A_PIXEL = 2.5  # of a result, at most, seen on faces of 64 to 160 px; for the free space
LISTED = 1000  # names of skipped files in the summary

Row = dict[str, Any]


@dataclass(frozen=True)
class AlignOptions:
    """What is done to every picture.

    Attributes:
        framing: where the points of the faces are put.
        size: side of a result, pixels.
        faces: of several faces, take the "central" or the "largest" one; "only": fail.
        missing: where no face is found, "fail", or take the "centre" of the picture.
        min_face: smallest side of a face that is looked for, pixels. None: an eighth of the
            picture's shorter side, and where there is no such face, a fortieth (20 at least).
        device: where the detector runs, "cpu" or "cuda".

    Raises:
        NbnetError: a value that does not exist.
    """

    framing: Framing = FRAMINGS["synthfaces"]
    size: int = 160
    faces: str = "central"
    missing: str = "fail"
    min_face: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.faces not in FACES or self.missing not in MISSING:
            raise NbnetError(
                f"faces is {self.faces!r} and missing {self.missing!r}: choose one of "
                f"{', '.join(FACES)}, and of {', '.join(MISSING)}"
            )
        if self.min_face is not None and self.min_face < SMALLEST_INPUT:
            raise NbnetError(f"min_face is {self.min_face}: give {SMALLEST_INPUT} pixels or more")

    def card(self) -> dict[str, Any]:
        """Return what the results depend on, as plain values (not the device)."""
        points = np.asarray(self.framing.points).round(6).tolist()
        card = asdict(self) | {"framing": {"name": self.framing.name, "points": points}}
        del card["device"]
        return card


@dataclass(frozen=True)
class AlignReport:
    """What `align` did.

    Attributes:
        folder: with the results.
        counts: pictures, aligned, centred (of these, without a face that was found), failed,
            skipped (other files), reasons and notes with their numbers; of all pictures.
        failures: the rows of those that failed, in order.
        foreign: skipped files that are pictures in formats that are not read here.
        doubtful: pictures of which it is not certain which way is up, in order.
        kept: how many were there from an earlier run.
        seconds: that this run took.
        speed: pictures a second of this run, from the first result to the last (without the start
            of the processes); 0 where it had fewer than two to do.
    """

    folder: Path
    counts: dict[str, Any]
    failures: list[Row] = field(repr=False)
    foreign: tuple[str, ...] = field(repr=False)
    doubtful: tuple[str, ...] = field(repr=False)
    kept: int
    seconds: float
    speed: float


def align(
    source: str | Path,
    out: str | Path,
    options: AlignOptions | None = None,
    *,
    only: str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> AlignReport:
    """Align all pictures of a folder, keeping what an earlier run has done.

    A result has the name of its picture, relative to the folder, and the ending .png. A picture is
    done again when its length or its date has changed; one that is gone is removed here too.

    Args:
        source: folder of the pictures, in any folders below it; also packed with bzip2.
        out: folder of the results: empty, new, or that of an earlier run with the same options.
        options: what is done to every picture.
        only: a pattern that a picture's path in ``source`` must fit, such as ``*/images/*``; the
            star stands for anything, slashes too. None for all pictures.
        workers: processes, None for one per core; 1 works in this process.
        progress: show a bar on stderr.

    Raises:
        NbnetError: a folder that cannot be used, is aligned with other options or by another
            process, or holds no picture; two pictures with one result; a full disk; a worker that
            was ended by the system.
    """
    started = time.monotonic()
    options = options or AlignOptions()
    source, out = Path(source), Path(out)
    pictures, skipped = find_pictures(source, out, only)
    require_writable_folder(out)
    # The folder itself must be the same one; its path may carry somebody's name.
    digest = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:16]
    settings = {"source": [source.resolve().name, digest], **options.card()}
    settings |= {"only": only} if only else {}
    with only_writer(out, "aligning into"):
        rows = _read_journal(out, settings)
        for name in list(rows):
            if name not in pictures and rows[name]["out"]:
                (out / rows[name]["out"]).unlink(missing_ok=True)
            if name not in pictures or not _still_holds(rows[name], source, out):
                del rows[name]
        kept = len(rows)
        todo = {name: result for name, result in pictures.items() if name not in rows}
        speed = 0.0
        if todo:
            require_free_space(out, int(len(todo) * BYTES_A_PIXEL * options.size**2))
            for stale in (out / SUMMARY, out / TABLE):  # they would not be of all pictures
                stale.unlink(missing_ok=True)
            with atomic_path(out / JOURNAL) as temporary:
                lines = [json.dumps(row) + "\n" for row in (settings, *rows.values())]
                temporary.write_text("".join(lines), encoding="utf-8")
            speed = _work(source, out, options, todo, rows, cores(workers), progress)
        ordered = [rows[name] for name in pictures]
        counts = _count(ordered, len(skipped))
        _write_table(out, ordered)
        _write_summary(out, source, options, counts, skipped)
    failures = [row for row in ordered if row["status"] == "failed"]
    foreign = tuple(name for name in skipped if name.lower().endswith(FOREIGN))
    doubtful = tuple(row["image"] for row in ordered if row["out"] and DOUBTFUL in row["notes"])
    seconds = time.monotonic() - started
    return AlignReport(out, counts, failures, foreign, doubtful, kept, seconds, speed)


def find_pictures(
    source: Path, out: Path, only: str | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """List a folder with all folders in it.

    Returns:
        {picture: result}, relative to the folders, in order; and what is skipped: files that are
        not pictures, hidden (macOS leaves such companions of pictures) or not asked for, and links
        to folders, which may lead in a circle.
    """
    if not source.is_dir():
        raise NbnetError(f"there is no folder {source}: give the folder that holds the pictures")
    inner, outer = Path(os.path.realpath(source)), Path(os.path.realpath(out))
    if inner == outer or inner in outer.parents or outer in inner.parents:
        raise NbnetError(
            f"{out} and {source} are inside each other: align into a folder beside the pictures"
        )
    found = dict(walk(source))  # {name: whether it is a linked folder}
    require_utf8(found, f"in {source}, the file name")
    pictures: dict[str, str] = {}
    skipped = []
    results: dict[str, str] = {}
    for name in sorted(found):
        wanted = only is None or fnmatchcase(name, only)
        if is_hidden(name) or found[name] or not wanted or not is_picture_name(name):
            skipped.append(name)
            continue
        path = PurePosixPath(name)
        path = path.with_suffix("") if path.suffix.lower() == ".bz2" else path
        pictures[name] = str(path.with_suffix(".png"))
        # As the file systems of Windows and macOS compare names, so that the result can go there.
        if (first := results.setdefault(spelled(pictures[name]).casefold(), name)) != name:
            raise NbnetError(
                f"{first} and {name} would both become {pictures[name]}: rename one of them, or "
                "align their folders into different ones"
            )
    if not pictures:
        raise NbnetError(
            f"{source} holds no picture{f' like {only}' if only else ''} ({len(skipped)} other "
            f"files): give a folder with files that end in {', '.join(ENDINGS)}, or one of these "
            "and .bz2"
        )
    return pictures, tuple(skipped)


def _read_journal(out: Path, settings: Row) -> dict[str, Row]:
    """Return the rows of an earlier run by picture; refuse one with other settings."""
    path = out / JOURNAL
    if not path.exists():
        if any(not file.name.startswith(".") for file in out.iterdir()):
            raise NbnetError(
                f"{out} holds files that no alignment has written: choose an empty folder"
            )
        return {}
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the last line of a run that was killed may be half a one
            rows.append(None)
    before = rows[0] if rows and rows[0] else {}
    differ = [key for key in {**settings, **before} if settings.get(key) != before.get(key)]
    if differ:
        raise NbnetError(
            f"{out} holds pictures that were aligned differently ({', '.join(sorted(differ))} "
            "differ): choose another folder or move it away"
        )
    return {row["image"]: row for row in rows[1:] if row}


def _still_holds(row: Row, source: Path, out: Path) -> bool:
    """Return whether the picture and its result are as they were when the row was written."""
    try:
        stat = (source / row["image"]).stat()
        whole = not row["out"] or (out / row["out"]).stat().st_size == row["out_bytes"]
    except OSError:
        return False
    same = (stat.st_size, stat.st_mtime_ns) == (row["bytes"], row["mtime_ns"])
    return same and whole and row["reason"] not in TRY_AGAIN


def _work(
    source: Path,
    out: Path,
    options: AlignOptions,
    todo: dict[str, str],
    rows: dict[str, Row],
    workers: int,
    progress: bool,
) -> float:
    """Align what has no row yet, add the rows, and return pictures a second."""
    total = len(rows) + len(todo)
    first = last = 0.0
    parallel = joblib.Parallel(
        min(workers, len(todo)),
        return_as="generator_unordered",
        idle_worker_timeout=20,  # seconds that a process outlives this one, if it is killed
    )
    results = parallel(
        joblib.delayed(_align)(source, out, name, result, options, workers == 1)
        for name, result in todo.items()
    )
    bar = tqdm(total=total, initial=len(rows), desc="aligning", unit="image", disable=not progress)
    try:
        with (
            bar,
            open(out / JOURNAL, "a", encoding="utf-8", buffering=1) as journal,
            closing(results),
        ):
            for row in results:
                journal.write(json.dumps(row) + "\n")
                rows[row["image"]] = row
                last = time.monotonic()
                first = first or last
                bar.update()
    except BrokenProcessPool as error:
        raise NbnetError(
            f"the system ended a process after {len(rows):,} of {total:,} pictures; memory may be "
            "short: give the same command with fewer workers, it resumes"
        ) from error
    except OSError as error:
        raise NbnetError(
            f"cannot write to {out} ({error.strerror or error}): make room there, and give the "
            "same command again, it resumes"
        ) from error
    return (len(todo) - 1) / (last - first) if last > first else 0.0


@lru_cache(maxsize=1)
def _detector(device: str, single: bool) -> FaceDetector:
    if not single:
        import torch

        torch.set_num_threads(1)  # one process for each core already
    return FaceDetector(device)


def _align(
    source: Path, out: Path, name: str, result: str, options: AlignOptions, single: bool
) -> Row:
    """Align one picture; what is wrong with it becomes a reason in its row.

    Returns:
        The row of the table, and beside its columns ``bytes``, ``mtime_ns`` and ``out_bytes``, by
        which a later run knows what is done.
    """
    path, target = source / name, out / result
    row: Row = dict.fromkeys(("reason", "detail", "out"), "")
    row |= dict.fromkeys(("width", "height", "faces", "out_bytes"), 0)
    row |= dict.fromkeys(("score", "box", "points"))
    row |= {"image": name, "status": "failed", "notes": [], "bytes": -1, "mtime_ns": -1}
    if path.exists():
        stat = path.stat()
        row |= {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    aligned = None
    try:
        picture = read_picture(path, smallest=SMALLEST_INPUT)
        row["notes"] = list(picture.notes)
        row["height"], row["width"] = picture.image.shape[:2]
        aligned = _cut_out(picture.image, options, _detector(options.device, single), row)
    except PictureError as error:
        row |= {"reason": error.reason, "detail": error.detail}
    except MemoryError:
        row |= {"reason": NO_MEMORY, "detail": "try again with fewer workers"}
    if aligned is None:
        target.unlink(missing_ok=True)  # of an earlier state of the picture
        return row
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    # Level 1: on faces as small as the default, in a third of the time. Not flushed to the disk:
    # of thousands of files a power failure may take the last few, which their length shows.
    Image.fromarray(aligned).save(partial, "PNG", compress_level=1)
    os.replace(partial, target)
    return row | {"status": "aligned", "out": result, "out_bytes": target.stat().st_size}


def _cut_out(
    image: np.ndarray, options: AlignOptions, detector: FaceDetector, row: Row
) -> np.ndarray | None:
    """Return the result, uint8 [size, size, 3], or None with the reason in the row."""
    image, faces = _upright(image, detector, options, row)
    row["faces"], (row["height"], row["width"]) = len(faces), image.shape[:2]
    if not faces:
        row |= {"reason": NO_FACE, "detail": "the detector found none"}
        if options.missing == "fail":
            return None
        row["notes"].append("centre of the picture")
        return _centre(image, options.size)
    if len(faces) > 1 and options.faces == "only":
        row |= {"reason": SEVERAL, "detail": f"{len(faces)} faces, and the only one was asked for"}
        return None
    if len(faces) > 1:
        row["notes"].append(SEVERAL)
    face = choose(faces, image.shape[:2], options.faces)
    row["score"] = round(face.score, 4)
    row["box"] = [round(float(edge), 2) for edge in face.box]
    row["points"] = [round(float(value), 2) for value in face.points.ravel()]
    return cut(image, face.points, options.framing, options.size)


def _upright(
    image: np.ndarray, detector: FaceDetector, options: AlignOptions, row: Row
) -> tuple[np.ndarray, list[DetectedFace]]:
    """Return the picture in the direction in which its face is best seen, and its faces there."""

    def look(picture: np.ndarray) -> tuple[list[DetectedFace], float, float]:
        """Return the faces, the score of the one that counts and the slope of its eyes, degrees."""
        faces = find_faces(picture, detector, options.min_face)
        if not faces:
            return faces, 0.0, 0.0
        face = choose(faces, picture.shape[:2], options.faces)
        across, down = (face.points[1] - face.points[0]).tolist()
        return faces, face.score, abs(math.degrees(math.atan2(down, across)))

    faces, score, slope = look(image)
    if score >= CERTAIN and slope <= STEEP:
        return image, faces
    ways = [(image, faces, score, slope)]
    for quarters in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(image, quarters))
        ways.append((turned, *look(turned)))
    level = [score * (slope <= LEVEL) for _, _, score, slope in ways]
    best = int(np.argmax(level))
    if best:
        row["notes"].append(f"turned by {90 * best} degrees")
    if level[best] < SURE_ENOUGH and any(faces for _, faces, _, _ in ways):
        row["notes"].append(DOUBTFUL)
    return ways[best][0], ways[best][1]


def find_faces(
    image: np.ndarray, detector: FaceDetector, min_face: int | None = None
) -> list[DetectedFace]:
    """Return the faces that count: the confident ones, else the detector's best guess.

    Large faces first, which is quick; where there is none, small ones too.
    """
    if min_face is not None:
        looks = [min_face]
    else:
        looks = sorted({max(SMALLEST_FACE, min(image.shape[:2]) // n) for n in LOOKS})[::-1]
    guesses: list[DetectedFace] = []
    for smallest in looks:
        faces = detector.find(image, smallest)
        confident = [face for face in faces if face.score >= CONFIDENT]
        if confident:
            return confident
        guesses += faces
    return sorted(guesses, key=lambda face: -face.score)[:1]


def choose(faces: list[DetectedFace], shape: tuple[int, ...], which: str) -> DetectedFace:
    """Return the face that a picture is about.

    Args:
        faces: at least one.
        shape: height and width of the picture.
        which: "largest", or "central": the area of the box minus twice the squared distance of its
            middle from that of the picture, as the published FaceNet reimplementations choose.
    """
    middle = np.array([shape[1], shape[0]]) / 2

    def weight(face: DetectedFace) -> float:
        area = float(np.prod(face.box[2:] - face.box[:2]))
        away = (face.box[:2] + face.box[2:]) / 2 - middle
        return area - (2 * float(away @ away) if which == "central" else 0.0)

    return max(faces, key=weight)


def _centre(image: np.ndarray, size: int) -> np.ndarray:
    """Return the largest square in the middle of a picture, resized, uint8 [size, size, 3]."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


def _count(rows: list[Row], skipped: int) -> dict[str, Any]:
    """Return how many pictures were aligned and failed, by reason, and how many have which note."""
    done = [row for row in rows if row["status"] == "aligned"]
    reasons = Counter(row["reason"] for row in rows if row["status"] == "failed")
    return {
        "pictures": len(rows),
        "aligned": len(done),
        "centred": sum(bool(row["reason"]) for row in done),
        "doubtful": sum(DOUBTFUL in row["notes"] for row in done),
        "failed": len(rows) - len(done),
        "skipped": skipped,
        "reasons": dict(reasons.most_common()),
        "notes": dict(Counter(note for row in rows for note in row["notes"]).most_common()),
    }


def _write_table(folder: Path, rows: list[Row]) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {"string": pyarrow.string(), "int32": pyarrow.int32(), "float32": pyarrow.float32()}
    types["list<float32>"] = pyarrow.list_(pyarrow.float32())
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    rows = [row | {"notes": "; ".join(row["notes"])} for row in rows]
    # An open file: pyarrow takes no path that is not UTF-8.
    with atomic_path(folder / TABLE) as temporary, open(temporary, "wb") as file:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema), file)


def _write_summary(
    out: Path, source: Path, options: AlignOptions, counts: Row, skipped: tuple[str, ...]
) -> None:
    summary = {
        "framing": options.framing.name,
        "points": [list(point) for point in options.framing.points],
        "size": options.size,
        "detector": f"MTCNN (facenet-pytorch {version('facenet-pytorch')})",
        "source": source.resolve().name,
        "faces": options.faces,
        "missing": options.missing,
        "min_face": options.min_face,
        "counts": counts,
        "skipped": list(skipped[:LISTED]),
    }
    with atomic_path(out / SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
