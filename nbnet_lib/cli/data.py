"""``nbnet data``: benchmarks and folders of one's own, from the archive to training pictures."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

PARTS = ("data_get", "data_align", "data_sets")


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    data = subparsers.add_parser(
        "data",
        help="get, check, align, list and divide face data of your own",
        description="From what you are allowed to use to what can be trained and tested on: "
        "get or check a benchmark, align its faces, list who is on them, divide the people.",
    )
    commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for part in PARTS:
        if find_spec(f"nbnet_lib.cli.{part}"):
            import_module(f"nbnet_lib.cli.{part}").add(commands)
