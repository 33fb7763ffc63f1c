"""``nbnet faces``: pictures and ground truth of SynthFaces, people who do not exist."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_identities, add_json, identity_range, whole


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    faces = subparsers.add_parser("faces", help="render faces, or list their ground truth")
    commands = faces.add_subparsers(title="commands", metavar="COMMAND", required=True)

    table = commands.add_parser("table", help="the parameters that each face was made from")
    table.add_argument(
        "--identities",
        type=identity_range,
        default=identity_range("0-9"),
        metavar="RANGE",
        help="for example 0-299 or 0-9,20 (default 0-9)",
    )
    table.add_argument(
        "--samples", type=whole(1), metavar="N", help="one row per picture instead of per identity"
    )
    form = table.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    add_json(form)
    table.set_defaults(run=run_table)

    render = commands.add_parser("render", help="write one PNG file per picture")
    add_identities(render, "0-11", 6)
    _add_size(render)
    render.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    add_json(render)
    render.set_defaults(run=run_render)

    sheet = commands.add_parser("sheet", help="write a contact sheet, one row per identity")
    add_identities(sheet, "0-11", 6)
    _add_size(sheet)
    sheet.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    add_json(sheet)
    sheet.set_defaults(run=run_sheet)


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=whole(16), default=160, help="edge in pixels (default 160)")


def run_table(args: argparse.Namespace) -> Report:
    """List the ground truth."""
    from nbnet_lib.faces import table

    samples = None if args.samples is None else range(args.samples)
    frame = table(args.identities, samples)
    if args.csv:
        return Report(None, frame.to_csv(index=False).rstrip("\n"))
    return Report(json.loads(frame.to_json(orient="records")), frame.to_string(index=False))


def run_render(args: argparse.Namespace) -> Report:
    """Write the pictures as PNG files."""
    from nbnet_lib.cli.pictures import save_all
    from nbnet_lib.faces import render_set
    from nbnet_lib.files import require_writable_folder

    require_writable_folder(args.out)
    faces = render_set(args.identities, args.samples, size=args.size)
    names = [f"{i:06d}-{s:03d}" for i, s in zip(faces.identities, faces.samples, strict=True)]
    paths = save_all(faces.images, names, args.out)
    payload = {"folder": args.out, "files": [p.name for p in paths]}
    return Report(payload, f"{len(paths)} pictures in {args.out}")


def run_sheet(args: argparse.Namespace) -> Report:
    """Write one picture of many faces."""
    from nbnet_lib.cli.pictures import contact_sheet, save_png
    from nbnet_lib.faces import render_set
    from nbnet_lib.files import require_writable_folder

    require_writable_folder(args.out.parent)
    faces = render_set(args.identities, args.samples, size=args.size)
    save_png(contact_sheet(faces.images, per_row=args.samples), args.out)
    payload = {"file": args.out, "identities": len(args.identities), "samples": args.samples}
    return Report(payload, f"{len(faces)} faces on {args.out}")
