"""``nbnet html``: the course as pages to read, without running it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_json


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "html",
        help="write the course as pages to read",
        description="Made from the stored solutions, solutions folded; nothing is run, the pages "
        "load nothing from elsewhere, and all links in them are checked.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/html"),
        metavar="FOLDER",
        help="where the pages go (default build/html)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Write the pages."""
    from nbnet_lib.course.site import build_site

    made = build_site(args.output)
    count = len(made["pages"])
    return Report(made, f"{count} pages, {made['megabytes']} MB. Open {made['index']}")
