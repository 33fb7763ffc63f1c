"""``nbnet progress``: which exercises and quizzes were passed on this machine."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from nbnet_lib.cli.shared import Report, add_json, columns
from nbnet_lib.errors import NbnetError


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "progress",
        help="show which exercises and quizzes you have passed",
        description="Your answers are kept in one small file on this machine and nowhere else; "
        "NBNET_PROGRESS names another file, or is 'off'.",
    )
    parser.add_argument("--reset", action="store_true", help="forget everything")
    parser.add_argument(
        "--chapter", metavar="NN", help="with --reset: forget this chapter only; else show only it"
    )
    parser.add_argument("--yes", action="store_true", help="with --reset: do not ask")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Show the progress, or forget it."""
    from nbnet_lib.course.progress import progress_path

    chapter = _chapter(args.chapter)
    path = progress_path()
    if path is None:
        raise NbnetError("progress is not kept (NBNET_PROGRESS is off): unset it or name a file")
    if args.reset:
        return _reset(chapter, args.yes)
    if args.yes:
        raise NbnetError("--yes goes with --reset")
    return _show(chapter, str(path))


def _chapter(text: str | None) -> int | None:
    from course_checks import CHAPTERS

    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) not in CHAPTERS:
        known = ", ".join(f"{chapter:02d}" for chapter in CHAPTERS)
        raise NbnetError(f"there is no chapter {text!r}: there are {known}")
    return int(text)


def _reset(chapter: int | None, confirmed: bool) -> Report:
    from nbnet_lib.course.progress import progress_path, read_progress, reset_progress

    what = "all progress" if chapter is None else f"the progress in chapter {chapter:02d}"
    if not confirmed:
        if not sys.stdin.isatty():
            raise NbnetError(f"nobody here to ask whether {what} is to be forgotten: add --yes")
        print(f"Forget {what}? [y/N] ", end="", flush=True, file=sys.stderr)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return Report({"forgotten": 0}, "Nothing was forgotten.", status=1)
    aside = None
    try:
        read_progress()
    except NbnetError:
        aside = f"{progress_path()}.damaged"
    gone = reset_progress(chapter)
    entries = "1 entry" if gone == 1 else f"{gone} entries"
    text = f"Forgot {what}: {entries}."
    if aside:
        text = f"The damaged file was put aside as {aside}."
    return Report({"forgotten": gone, "put_aside": aside}, text)


def _show(chapter: int | None, path: str) -> Report:
    from nbnet_lib.course.progress import overview

    payload = {"file": path, **overview(chapter)}
    rows = [
        [
            c["chapter"],
            c["title"],
            f"{c['passed']}/{c['exercises']}",
            _stars(c["open_stars"]),
            c["quiz"],
            c["next"] or "",
        ]
        for c in payload["chapters"]
    ]
    table = columns(rows, ["", "chapter", "exercises", "left", "quiz", "next"])
    all_exercises = sum(c["exercises"] for c in payload["chapters"])
    passed = sum(c["passed"] for c in payload["chapters"])
    quizzes = sum(c["quiz"] == "passed" for c in payload["chapters"])
    lines = [
        table,
        "",
        f"{passed} of {all_exercises} exercises and {quizzes} of {len(rows)} quizzes passed.",
        f"Next: {payload['next']}." if payload["next"] else "Everything is passed.",
        f"Kept in {path}",
    ]
    return Report(payload, "\n".join(lines))


def _stars(count: int) -> str:
    return f"{count} ★" if count else ""
