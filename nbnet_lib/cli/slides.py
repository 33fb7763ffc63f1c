"""``nbnet slides``: slides of each chapter, from its tagged cells."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_json, columns


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "slides",
        help="write the slides of each chapter",
        description="Made from the cells tagged slide, subslide, fragment and notes. Press S for "
        "the notes, ? for the keys.",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="chapters by number or name, for example 01 04"
    )
    parser.add_argument(
        "--reveal",
        metavar="FOLDER_OR_URL",
        help="reveal.js 4: an address, or the unpacked folder of `npm pack reveal.js@4`, which is "
        "copied beside the slides so that they need no network (default: unpkg.com)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/slides"),
        metavar="FOLDER",
        help="where the slides go (default build/slides)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Write the slides."""
    from nbnet_lib.course.slides import REVEAL, build_slides

    made = build_slides(args.output, reveal=args.reveal or REVEAL, only=args.only)
    table = columns(list(made["slides"].items()), ["file", "slides"])
    return Report(made, f"{table}\n\nin {made['folder']}")
