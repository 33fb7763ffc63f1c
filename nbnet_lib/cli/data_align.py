"""``nbnet data align``: cut the faces of a folder out, as a recogniser expects them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_json, add_workers, columns, open_encoder, whole

EXAMPLES = 5  # failed pictures that are named for each reason


def add(commands: Any) -> None:
    """Add the command to those of ``nbnet data``."""
    align = commands.add_parser(
        "align",
        help="cut out the faces of a folder so that eyes, nose and mouth lie in fixed places",
        description="Find the face on every picture of a folder (MTCNN), and turn, scale and cut "
        "it out as a recogniser expects it. What an earlier run has done is kept: the same command "
        "goes on where it was interrupted. Which pictures failed, and why, stands in "
        "OUT/alignment.parquet.",
    )
    align.add_argument("source", type=Path, metavar="IN", help="folder of pictures")
    align.add_argument("out", type=Path, metavar="OUT", help="folder for the aligned ones")
    where = align.add_mutually_exclusive_group()
    where.add_argument(
        "--framing",
        metavar="NAME",
        help="where the faces are to lie: synthfaces (default), arcface, facenet or dlib",
    )
    where.add_argument(
        "--encoder",
        metavar="NAME",
        help="take framing and size from this encoder, named as for `nbnet train`",
    )
    align.add_argument("--encoder-weights", metavar="FILE", help="its weights, if it ships none")
    align.add_argument("--encoder-card", metavar="FILE.yaml", help="its card")
    align.add_argument(
        "--size",
        type=whole(1),
        metavar="PIXELS",
        help="side of an aligned picture (default 160, or what --encoder takes)",
    )
    align.add_argument(
        "--faces",
        choices=("central", "largest", "only"),
        default="central",
        help="of several faces: the central one, the largest, or fail (default central)",
    )
    align.add_argument(
        "--missing",
        choices=("fail", "centre"),
        default="fail",
        help="no face found: fail, or take the middle of the picture (default fail)",
    )
    align.add_argument(
        "--min-face",
        type=whole(12),
        metavar="PIXELS",
        help="smallest face to look for (default: an eighth of the picture's shorter side; "
        "where there is none, a fortieth)",
    )
    align.add_argument(
        "--only",
        metavar="PATTERN",
        help="take only pictures whose path in IN fits, for example '*/data/images/*' of color "
        "FERET, which holds every picture in three sizes",
    )
    add_workers(align, "processes")
    align.add_argument("--device", default="cpu", help="where the detector runs (default cpu)")
    add_json(align)
    align.set_defaults(run=run, alignment=None)


def run(args: argparse.Namespace) -> Report:
    """Align the folder."""
    from nbnet_lib.data.alignment.align import align
    from nbnet_lib.device import resolve_device

    framing: Any = args.framing or "synthfaces"
    size = args.size or 160
    if args.encoder:
        encoder = open_encoder(args)
        framing, size = encoder.framing, args.size or encoder.image_size
    done = align(
        args.source,
        args.out,
        framing=framing,
        size=size,
        faces=args.faces,
        missing=args.missing,
        workers=args.workers,
        device=resolve_device(args.device),
        min_face=args.min_face,
        only=args.only,
    )
    payload = {
        "folder": done.folder,
        **done.counts,
        "foreign": done.foreign,
        "kept": done.kept,
        "seconds": round(done.seconds, 1),
        "images_per_second": round(done.speed, 1),
        "failures": [
            {key: row[key] for key in ("image", "reason", "detail")} for row in done.failures
        ],
    }
    # Nothing to go on with is a failure; a few pictures without a face are what data is like.
    return Report(payload, _text(done), status=0 if done.counts["aligned"] else 1)


def _text(done: Any) -> str:
    counts = done.counts
    lines = [
        f"{counts['pictures']:,} pictures: {counts['aligned']:,} aligned, "
        f"{counts['failed']:,} failed; {counts['skipped']:,} other files skipped"
    ]
    if done.foreign:
        more = ", ..." if len(done.foreign) > EXAMPLES else ""
        lines.append(
            f"{len(done.foreign):,} of the skipped are pictures in formats that are not read: "
            f"convert them first ({', '.join(done.foreign[:EXAMPLES])}{more})"
        )
    if counts["centred"]:
        lines.append(
            f"{counts['centred']:,} of the aligned ones are the middle of a picture without a face"
        )
    rows = []
    for reason, number in counts["reasons"].items():
        names = [row["image"] for row in done.failures if row["reason"] == reason]
        more = ", ..." if number > EXAMPLES else ""
        rows.append((number, reason, ", ".join(names[:EXAMPLES]) + more))
    if rows:
        lines += ["", columns(rows, ("failed", "reason", "pictures"))]
    if counts["notes"]:
        notes = [(number, note) for note, number in counts["notes"].items()]
        lines += ["", columns(notes, ("pictures", "note"))]
    speed = f", {done.speed:.0f} images/s" if done.speed else ""
    lines += [
        "",
        f"{done.folder}: {done.kept:,} kept from earlier, {done.seconds:,.1f} s{speed}; "
        "every picture has a row in alignment.parquet",
        f"next: nbnet data split {done.folder} --out people.parquet  (or nbnet evaluate, of a "
        "benchmark)",
    ]
    return "\n".join(lines)
