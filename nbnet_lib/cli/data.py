"""``nbnet data``: benchmarks and folders of one's own, from the archive to training pictures."""

from __future__ import annotations

from typing import Any

from nbnet_lib.cli import data_align, data_get, data_sets


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    data = subparsers.add_parser(
        "data",
        help="get, check, align, list and divide face data of your own",
        description="From what you are allowed to use to what can be trained and tested on: "
        "get or check a benchmark, align its faces, list who is on them, divide the people.",
    )
    commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for part in (data_get, data_align, data_sets):
        part.add(commands)
