"""``nbnet course``: run the whole walk and print the attack table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_json, whole

PROFILES = ("auto", "quick", "laptop", "gpu", "paper")


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "course", help="run every solution notebook and print the attack table"
    )
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default="auto",
        help="how much to compute: quick is seconds a notebook, laptop a minute or two (default: "
        "NBNET_PROFILE, else laptop)",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="notebooks by number or name, for example 01 04"
    )
    parser.add_argument(
        "--jobs",
        type=whole(1),
        default=1,
        metavar="N",
        help="notebooks that run at the same time, sharing the cores (default 1)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/course"),
        metavar="FOLDER",
        help="where the notebooks, their HTML and summary.json go (default build/course)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Run the notebooks; the report is the course's summary."""
    from nbnet_lib.course.run import run_course

    summary = run_course(
        profile=args.profile, only=args.only, output=args.output, progress=True, jobs=args.jobs
    )
    return Report(summary, _text(summary, args.output))


def _text(summary: dict[str, Any], output: Path) -> str:
    from nbnet_lib.cli.evaluate import result_text
    from nbnet_lib.course.run import times_table

    attack = summary.get("attack")
    lines = [times_table(summary), ""]
    lines += [result_text(attack), ""] if attack else []
    return "\n".join([*lines, f"Executed notebooks, HTML and summary.json: {output}"])
