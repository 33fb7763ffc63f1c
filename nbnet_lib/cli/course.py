"""``nbnet course``, ``lab``, ``build``, ``html`` and ``slides``: the course's notebooks.

They need a clone of the repository: its notebooks and, but for ``lab``, the programs in
``tools/authoring`` are not installed with the library.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbnet_lib
from nbnet_lib.cli.shared import Report, add_json, columns, whole
from nbnet_lib.errors import NbnetError

PROFILES = ("auto", "quick", "laptop", "gpu", "paper")
CLONE = Path(nbnet_lib.__file__).parents[1]


def add(subparsers: Any) -> None:
    """Add the commands of learners: ``course`` and ``lab``."""
    course = subparsers.add_parser(
        "course", help="run every solution notebook and print the attack table"
    )
    course.add_argument(
        "--profile",
        choices=PROFILES,
        default="auto",
        help="how much to compute: quick is seconds a notebook, laptop a minute or two (default: "
        "NBNET_PROFILE, else laptop)",
    )
    _add_only(course)
    course.add_argument(
        "--jobs",
        type=whole(1),
        default=1,
        metavar="N",
        help="notebooks that run at the same time, sharing the cores (default 1)",
    )
    course.add_argument(
        "--force",
        action="store_true",
        help="run notebooks again whose executed copy is up to date: same cells, library, weights, "
        "packages, profile, seed and device",
    )
    _add_output(course, "build/course", "the notebooks, their HTML and summary.json")
    add_json(course)
    course.set_defaults(run=run_course)

    lab = subparsers.add_parser(
        "lab",
        help="open the chapters in JupyterLab",
        description="What follows -- goes to JupyterLab, for example: nbnet lab -- --no-browser",
    )
    lab.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="for JupyterLab")
    lab.set_defaults(run=run_lab)


def add_authoring(subparsers: Any) -> None:
    """Add the commands of authors and teachers: ``build``, ``html`` and ``slides``."""
    build = subparsers.add_parser(
        "build",
        help="make the notebooks from solutions/*.py",
        description="Run each solution in the laptop profile, write it with its outputs, and "
        "write the chapter with the exercises left open.",
    )
    _add_only(build)
    mode = build.add_mutually_exclusive_group()
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
    build.set_defaults(run=run_build)

    html = subparsers.add_parser(
        "html",
        help="write the course as pages to read",
        description="Made from the stored solutions, solutions folded; nothing is run, the pages "
        "load nothing from elsewhere, and all links in them are checked.",
    )
    _add_output(html, "build/html", "the pages")
    html.set_defaults(run=run_html)

    slides = subparsers.add_parser(
        "slides",
        help="write the slides of each chapter",
        description="Made from the cells tagged slide, subslide, fragment and notes. Press S for "
        "the notes, ? for the keys.",
    )
    _add_only(slides)
    slides.add_argument(
        "--reveal",
        metavar="FOLDER_OR_URL",
        help="reveal.js 4: an address, or the unpacked folder of `npm pack reveal.js@4`, which is "
        "copied beside the slides so that they need no network (default: unpkg.com)",
    )
    _add_output(slides, "build/slides", "the slides")
    slides.set_defaults(run=run_slides)
    for parser in (build, html, slides):
        add_json(parser)


def _add_only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="chapters by number or name, for example 01 04"
    )


def _add_output(parser: argparse.ArgumentParser, folder: str, what: str) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(folder),
        metavar="FOLDER",
        help=f"folder for {what} (default {folder})",
    )


def _find_tools() -> None:
    """Make the package ``authoring`` importable, which is in the clone only.

    Raises:
        NbnetError: the library was installed without a clone, or without the extra ``authoring``.
    """
    tools = CLONE / "tools"
    missing = [name for name in ("jupytext", "nbclient", "nbconvert", "bs4") if not find_spec(name)]
    if missing or not (tools / "authoring").is_dir():
        raise NbnetError(
            "this command needs a clone of the course's repository, installed in place: git clone "
            'it, and run `make course` or `python -m pip install -e ".[authoring]"` in it'
        )
    if str(tools) not in sys.path:
        sys.path.append(str(tools))


def run_course(args: argparse.Namespace) -> Report:
    """Run the notebooks; the report is the course's summary."""
    _find_tools()
    from authoring import walk
    from nbnet_lib.cli.evaluate import result_text

    summary = walk.run_course(
        profile=args.profile,
        only=args.only,
        output=args.output,
        jobs=args.jobs,
        force=args.force,
    )
    parts = [walk.times_table(summary)]
    if summary["attack"]:
        parts += [result_text(summary["attack"]), walk.recorded_table()]
    parts.append(f"Executed notebooks, HTML and summary.json: {args.output}")
    return Report(summary, "\n\n".join(parts))


def run_lab(args: argparse.Namespace) -> int:
    """Run JupyterLab on the chapters, with this very Python, and return its exit status.

    Raises:
        NbnetError: neither the working folder nor the clone has chapters.
    """
    folders = [root / "chapters" for root in (Path.cwd(), CLONE)]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        raise NbnetError(
            f"no chapters folder in {Path.cwd()}: run this in the course's repository (git clone)"
        )
    command = [sys.executable, "-m", "jupyterlab", str(found[0]), *args.arguments]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab got it too and asks its own question
            continue


def run_build(args: argparse.Namespace) -> Report:
    """Make the notebooks, or compare them with their sources and ask the rules."""
    _find_tools()
    from authoring import build, rules, sources

    report = build.build_all(only=args.only, check=args.check, execute=not args.no_execute)
    if args.check:
        chapters = sources.chapter_sources(sources.course_root(), args.only)
        found = [text for c in chapters for text in rules.complaints(rules.read_chapter(c))]
        if found:
            raise NbnetError("; ".join(found))
    lines = [f"written: {name}" for name in report["written"]]
    lines += [f"up to date: {name}" for name in report["checked"]]
    return Report(report, "\n".join(lines))


def run_html(args: argparse.Namespace) -> Report:
    """Write the pages."""
    _find_tools()
    from authoring.pages import build_site

    made = build_site(args.output)
    count = len(made["pages"])
    return Report(made, f"{count} pages, {made['megabytes']} MB. Open {made['index']}")


def run_slides(args: argparse.Namespace) -> Report:
    """Write the slides."""
    _find_tools()
    from authoring.slides import REVEAL, build_slides

    made = build_slides(args.output, reveal=args.reveal or REVEAL, only=args.only)
    table = columns(list(made["slides"].items()), ["file", "slides"])
    return Report(made, f"{table}\n\nin {made['folder']}")
