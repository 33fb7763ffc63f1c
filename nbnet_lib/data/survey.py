"""Looking at every picture once: can it be read, how large is it, is it there twice?"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image
from tqdm import tqdm

from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.pictures import FORMATS, PictureError
from nbnet_lib.data.reading import Reader, identical_files, in_threads
from nbnet_lib.errors import NbnetError

SHOWN = 3  # examples in a note


def survey(
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

    rows = range(len(manifest))
    bar = tqdm(rows, "pictures", unit="image", delay=0.3, disable=not progress)
    sizes = dict(zip(bar, in_threads(look, rows, workers), strict=True))
    failed = [size for size in sizes.values() if isinstance(size, NbnetError)]
    if len(failed) == len(sizes):
        raise NbnetError(f"none of the pictures of {manifest.source} can be read: {failed[0]}")
    if failed and not leave_out_unreadable:
        more = f" (and {len(failed) - 1:,} pictures more)" if failed[1:] else ""
        raise NbnetError(f"{failed[0]}{more}; --leave-out-unreadable makes the manifest without")
    notes = list(manifest.notes)
    if failed:
        reasons = {e.reason if isinstance(e, PictureError) else "missing" for e in failed}
        notes.append(
            f"pictures left out because they cannot be read ({', '.join(sorted(reasons))}): "
            f"{len(failed):,}, the first: {failed[0]}"
        )
    known = {row: size for row, size in sizes.items() if not isinstance(size, NbnetError)}
    kept = manifest.select(list(known))
    widths, heights = zip(*known.values(), strict=True)
    if count := sum(w != h for w, h in known.values()):
        notes.append(f"pictures that are not square, for `nbnet data align` to cut: {count:,}")
    one_size = widths[0] if len({*widths, *heights}) == 1 else None
    table = kept.table.assign(width=widths, height=heights)
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
