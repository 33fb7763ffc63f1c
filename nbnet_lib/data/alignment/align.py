"""Aligning a folder of pictures: every face cut out so that its five points lie where they should.

In parallel processes, as quickly as the detector allows, and so that nothing gets lost: every
picture ends up in the table, aligned or with the reason why not; a run that was stopped goes on
where it was; a picture that kills its process is found out, tried again alone and reported.

Speed: 94 images/s in two processes on two idle cores, 13,236 SynthFaces laid out as LFW (250 px,
JPEG) in 146 s, after 3 s until the processes are there. Memory: 0.75 GB
for each process, most of it torch, and 2.5 KB for each picture of the folder: align a folder of
millions part by part.
Introduced in the guide "Run the paper on LFW".
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from nbnet_lib.data.alignment.crew import Died, in_processes
from nbnet_lib.data.alignment.inputs import Inputs, find_inputs
from nbnet_lib.data.alignment.one import (
    DIED,
    FACES,
    MISSING,
    NO_MEMORY,
    PARTIAL,
    Aligner,
    Recipe,
    aligner,
    blank_row,
    recipe_card,
)
from nbnet_lib.data.alignment.table import (
    LISTED,
    SUMMARY,
    TABLE,
    Journal,
    Row,
    count,
    is_whole,
    require_pyarrow,
    write_summary,
    write_table,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.detect import SMALLEST_INPUT
from nbnet_lib.faces.drawing import cores
from nbnet_lib.faces.framing import Framing, find_framing
from nbnet_lib.files import require_free_space, require_writable_folder
from synthfaces.checks import check_size

BYTES_A_PIXEL = 2.5  # of a result, at most, seen on faces of 64 to 160 px; for the free space
# What may be different next time; other failures lie in the picture.
TRY_AGAIN = {DIED, NO_MEMORY, "missing", "unreadable"}


@dataclass(frozen=True)
class AlignReport:
    """What `align` did.

    Attributes:
        folder: with the results.
        counts: pictures, aligned, centred (of these, without a face that was found), failed,
            skipped (other files), reasons and notes with their numbers; of all pictures.
        failures: the rows of those that failed, in order.
        foreign: skipped files that are pictures in formats that are not read here.
        kept: how many were there from an earlier run.
        seconds: that this run took.
        speed: pictures a second of this run, from the first result to the last (without the start
            of the processes); 0 where it had fewer than two to do.
    """

    folder: Path
    counts: dict[str, Any]
    failures: list[Row] = field(repr=False)
    foreign: tuple[str, ...] = field(repr=False)
    kept: int
    seconds: float
    speed: float


def align(
    source: str | Path,
    out: str | Path,
    framing: str | Framing = "synthfaces",
    size: int = 160,
    faces: str = "central",
    missing: str = "fail",
    workers: int | None = None,
    device: str = "cpu",
    min_face: int | None = None,
    only: str | None = None,
    progress: bool = True,
) -> AlignReport:
    """Align all pictures of a folder, keeping what an earlier run has done.

    A result has the name of its picture, relative to the folder, and the ending .png. Beside them
    lie ``alignment.parquet`` and ``alignment.json`` (see `alignment.table`). A picture is done
    again when its length or its date has changed; one that is gone is removed here too.

    Args:
        source: folder of the pictures, in any folders below it; also packed with bzip2.
        out: folder of the results: empty, new, or that of an earlier run with the same settings.
        framing: where the points of the faces are to lie, or its name.
        size: side of a result, pixels.
        faces: of several faces, take the "central" or the "largest" one; "only": fail.
        missing: where no face is found, "fail", or take the "centre" of the picture.
        workers: processes, None for one per core; 1 works in this process (a picture that kills
            it ends the run).
        device: where the detector runs, "cpu" or "cuda".
        min_face: smallest side of a face that is looked for, pixels. None: an eighth of the
            picture's shorter side, and where there is no such face, a fortieth (20 at least).
        only: a pattern of the pictures to take, see `find_inputs`; None for all.
        progress: show a bar on stderr.

    Raises:
        NbnetError: a setting that does not exist, a folder that cannot be used (see `find_inputs`
            and `Journal`) or that another process is working on, a full disk.
    """
    started = time.monotonic()
    recipe = _recipe(framing, size, faces, missing, min_face, device)
    source, out = Path(source), Path(out)
    workers = cores(workers)
    require_pyarrow()  # now, and not after an hour of work
    inputs = find_inputs(source, out, only)
    require_writable_folder(out)
    try:
        with FileLock(out / ".lock", timeout=0):
            run = _Run(source, out, recipe, inputs, only)
            with run.journal:
                speed = run.work(workers, progress)
            summary = run.finish()
    except Timeout:
        raise NbnetError(
            f"another process is aligning into {out}: wait for it or choose another folder"
        ) from None
    failures = [row for row in run.rows() if row["status"] == "failed"]
    seconds = time.monotonic() - started
    foreign = inputs.foreign
    return AlignReport(out, summary["counts"], failures, foreign, run.kept, seconds, speed)


def _recipe(
    framing: str | Framing, size: int, faces: str, missing: str, min_face: int | None, device: str
) -> Recipe:
    if isinstance(framing, str):
        framing = find_framing(framing)
    for name, value, known in (("faces", faces, FACES), ("missing", missing, MISSING)):
        if value not in known:
            raise NbnetError(f"{name} is {value!r}: choose one of {', '.join(known)}")
    if min_face is not None and min_face < SMALLEST_INPUT:
        raise NbnetError(f"min_face is {min_face}: give {SMALLEST_INPUT} pixels or more")
    return Recipe(framing, check_size(size), faces, missing, min_face, device)


class _Run:
    """One run into one folder."""

    def __init__(self, source: Path, out: Path, recipe: Recipe, inputs: Inputs, only: str | None):
        self.source, self.out, self.recipe, self.inputs = source, out, recipe, inputs
        place = os.fsencode(source.resolve())
        settings = {
            # The folder itself must be the same one; its path may carry somebody's name.
            "source": [source.resolve().name, hashlib.sha256(place).hexdigest()[:16]],
            **recipe_card(recipe),
        } | ({"only": only} if only else {})
        self.journal = Journal(out, settings)
        self.todo = self._todo()
        self.kept = len(inputs.pictures) - len(self.todo)

    def _todo(self) -> list[tuple[str, str]]:
        """Drop the rows that do not hold any more, and return (picture, result) still to do."""
        names = dict(zip(self.inputs.pictures, self.inputs.results, strict=True))
        rows = self.journal.rows
        for name in list(rows):
            if name not in names:
                if rows[name]["out"]:
                    (self.out / rows[name]["out"]).unlink(missing_ok=True)
                del rows[name]
            elif not self._holds(rows[name]):
                del rows[name]
        return [(name, result) for name, result in names.items() if name not in rows]

    def _holds(self, row: Row) -> bool:
        try:
            stat = (self.source / row["image"]).stat()
        except OSError:
            return False
        return (
            (stat.st_size, stat.st_mtime_ns) == (row["bytes"], row["mtime_ns"])
            and row["reason"] not in TRY_AGAIN
            and is_whole(self.out, row)
        )

    def rows(self) -> list[Row]:
        """Return the rows of all pictures, in order."""
        return [self.journal.rows[name] for name in self.inputs.pictures]

    def work(self, workers: int, progress: bool) -> float:
        """Align what is to do, and return pictures a second."""
        if not self.todo:
            return 0.0
        require_free_space(self.out, int(len(self.todo) * BYTES_A_PIXEL * self.recipe.size**2))
        for stale in (self.out / SUMMARY, self.out / TABLE):  # they would not be of all pictures
            stale.unlink(missing_ok=True)
        partial_files = self.out / PARTIAL
        shutil.rmtree(partial_files, ignore_errors=True)  # of a run that was killed
        partial_files.mkdir(exist_ok=True)  # its workers may still be ending
        first = last = 0.0
        failed = 0
        try:
            with (
                tqdm(
                    total=len(self.inputs.pictures),
                    initial=self.kept,
                    desc="aligning",
                    unit="image",
                    disable=not progress,
                ) as bar,
                closing(self._results(min(workers, len(self.todo)))) as results,
            ):
                for names, row in results:
                    if isinstance(row, Died):
                        row = self._died(names, row)
                    self.journal.add(row)
                    last = time.monotonic()
                    first = first or last
                    if row["status"] == "failed":
                        failed += 1
                        bar.set_postfix(failed=failed, refresh=False)
                    bar.update()
        finally:
            shutil.rmtree(partial_files, ignore_errors=True)
        return (len(self.todo) - 1) / (last - first) if last > first else 0.0

    def _results(self, workers: int) -> Any:
        if workers == 1:
            one = Aligner(self.source, self.out, self.recipe)
            return ((names, one(names)) for names in self.todo)
        prepare = partial(aligner, str(self.source), str(self.out), self.recipe)
        return in_processes(prepare, self.todo, workers)

    def _died(self, names: tuple[str, str], death: Died) -> Row:
        name, result = names
        (self.out / result).unlink(missing_ok=True)  # of an earlier state of the picture
        detail = f"the process that read it ended twice, the last time with status {death.code}"
        return {**blank_row(name), "reason": DIED, "detail": detail}

    def finish(self) -> dict[str, Any]:
        """Write table and summary, and return the summary."""
        rows = self.rows()
        skipped = self.inputs.skipped
        summary = {
            "framing": self.recipe.framing.name,
            "points": [list(point) for point in self.recipe.framing.points],
            "size": self.recipe.size,
            "detector": detector_name(),
            "source": self.source.resolve().name,
            "faces": self.recipe.faces,
            "missing": self.recipe.missing,
            "min_face": self.recipe.min_face,
            "counts": count(rows, len(skipped)),
            "skipped": list(skipped[:LISTED]),
        }
        write_table(self.out, rows)
        write_summary(self.out, summary)
        return summary


def detector_name() -> str:
    """Return the detector with the version of the package that its weights come from."""
    from importlib.metadata import version

    return f"MTCNN (facenet-pytorch {version('facenet-pytorch')})"
