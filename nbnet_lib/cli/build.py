"""``nbnet build``: write the solution and chapter notebooks from their one source each."""

from __future__ import annotations

import argparse
from typing import Any

from nbnet_lib.cli.shared import Report, add_json
from nbnet_lib.errors import NbnetError


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "build",
        help="make the notebooks from solutions/*.py",
        description="Run each solution in the laptop profile, write it with its outputs, and "
        "write the chapter with the exercises left open.",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="chapters by number or name, for example 01 04"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="write nothing; an error names what is out of date, or breaks a rule for chapters",
    )
    mode.add_argument(
        "--no-execute",
        action="store_true",
        help="keep the stored outputs of the solutions (after a change of prose only)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Make the notebooks, or compare them with their sources."""
    from nbnet_lib.course.build import build_all

    report = build_all(only=args.only, check=args.check, execute=not args.no_execute)
    if args.check:
        _ask_the_rules(args.only)
    lines = [f"written: {name}" for name in report["written"]]
    lines += [f"up to date: {name}" for name in report["checked"]]
    return Report(report, "\n".join(lines))


def _ask_the_rules(only: list[str] | None) -> None:
    from nbnet_lib.course.rules import complaints, read_chapter
    from nbnet_lib.course.source import chapter_sources, course_root

    found = [
        text
        for source in chapter_sources(course_root(), only)
        for text in complaints(read_chapter(source))
    ]
    if found:
        raise NbnetError("; ".join(found))
