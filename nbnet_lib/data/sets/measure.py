"""Looking at every picture once: can it be read, how large is it, is it there twice?"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image
from tqdm import tqdm

from nbnet_lib.data.pictures import FORMATS, PictureError
from nbnet_lib.data.sets.identical import identical_files
from nbnet_lib.data.sets.manifest import Manifest
from nbnet_lib.data.sets.reading import Reader, in_threads
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import cores

SHOWN = 3  # examples in a note


def measure(
    manifest: Manifest,
    quick: bool = False,
    leave_out_unreadable: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Return the manifest with the size of every picture, and notes on what looks wrong.

    Args:
        manifest: the set; drawn pictures need no look and come back as they are.
        quick: read the beginnings of the files only. That finds no picture that is cut short, and
            takes the size as it is stored, before a turn that the camera asks for.
        leave_out_unreadable: whether pictures that cannot be read are left out, with a note,
            instead of refused.
        workers: how many are read at once; None for one per CPU core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: pictures that cannot be read (the first, and how many), or none that can.
    """
    if manifest.drawn is not None:
        return manifest
    reader = Reader(manifest)

    def look(row: int) -> tuple[int, int] | NbnetError:
        try:
            return _size(reader, row, quick)
        except NbnetError as error:
            return error

    rows = tqdm(
        range(len(manifest)), desc="pictures", unit="image", delay=0.3, disable=not progress
    )
    seen = list(in_threads(look, rows, cores(workers)))
    failed = [one for one in seen if isinstance(one, NbnetError)]
    if failed and not leave_out_unreadable:
        more = f" (and {len(failed) - 1:,} pictures more)" if failed[1:] else ""
        raise NbnetError(f"{failed[0]}{more}; --leave-out-unreadable makes the manifest without")
    if len(failed) == len(seen):
        raise NbnetError(f"none of the pictures of {manifest.source} can be read: {failed[0]}")
    notes = list(manifest.notes)
    if failed:
        reasons = ", ".join(
            sorted({one.reason if isinstance(one, PictureError) else "missing" for one in failed})
        )
        notes.append(
            f"pictures left out, for they cannot be read ({reasons}): {len(failed):,}, the first: "
            f"{failed[0]}"
        )
    sizes = [one for one in seen if not isinstance(one, NbnetError)]
    kept = manifest.select([row for row, one in enumerate(seen) if not isinstance(one, NbnetError)])
    table = kept.table.assign(width=[w for w, _ in sizes], height=[h for _, h in sizes])
    if any(w != h for w, h in sizes):
        count = sum(w != h for w, h in sizes)
        notes.append(f"pictures that are not square, for `nbnet data align` to cut: {count:,}")
    one_size = sizes[0][0] if len({side for size in sizes for side in size}) == 1 else None
    kept = replace(kept, table=table, size=one_size)
    notes += _people_notes(kept) + _identical_notes(kept, progress)
    return replace(kept, notes=tuple(notes))


def _size(reader: Reader, row: int, quick: bool) -> tuple[int, int]:
    """Return (width, height)."""
    path = reader.root / reader.images[row]
    if quick and path.suffix.lower() not in (".npy", ".bz2") and path.is_file():
        try:
            with Image.open(path, formats=FORMATS) as opened:
                return opened.size
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            pass  # the careful reader finds the reason
    height, width, _ = reader.read(row).shape
    return width, height


def _people_notes(manifest: Manifest) -> list[str]:
    people = manifest.table["identity"]
    unknown = int((people == "").sum())
    single = int((people[people != ""].value_counts() == 1).sum())
    notes = []
    if unknown:
        notes.append(f"pictures without identity: {unknown:,}")
    if single:
        notes.append(f"people with one picture, which makes no genuine pair: {single:,}")
    return notes


def _identical_notes(manifest: Manifest, progress: bool) -> list[str]:
    names, images = manifest.identities, manifest.images
    within, between = 0, []
    for rows in identical_files(manifest, progress):
        people = {names[row] for row in rows} - {""}
        if len(people) > 1:
            more = " = ..." if rows[SHOWN:] else ""
            between.append(" = ".join(images[row] for row in rows[:SHOWN]) + more)
        else:
            within += len(rows) - 1
    notes = []
    if within:
        notes.append(f"copies of another picture of the same person: {within:,}")
    if between:
        shown = "; ".join(between[:SHOWN]) + ("; ..." if between[SHOWN:] else "")
        notes.append(
            "the same file under two people, who are one, or one of them is wrong: "
            f"{len(between):,} ({shown})"
        )
    return notes
