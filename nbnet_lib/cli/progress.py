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

    known = {f"{chapter:02d}": chapter for chapter in CHAPTERS}
    if text is not None and text.zfill(2) not in known:
        raise NbnetError(f"there is no chapter {text!r}: there are {', '.join(known)}")
    return None if text is None else known[text.zfill(2)]


def _reset(chapter: int | None, confirmed: bool) -> Report:
    from nbnet_lib.course.progress import reset_progress

    what = "all progress" if chapter is None else f"the progress in chapter {chapter:02d}"
    if not confirmed:
        if not sys.stdin.isatty():
            raise NbnetError(f"nobody here to ask whether {what} is to be forgotten: add --yes")
        print(f"Forget {what}? [y/N] ", end="", flush=True, file=sys.stderr)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return Report({"forgotten": 0}, "Nothing was forgotten.", status=1)
    done = reset_progress(chapter)
    text = f"Forgot {what}: {done['forgotten']} entries."
    if done["put_aside"]:
        text = f"The damaged file was put aside as {done['put_aside']}."
    return Report(done, text)


def _show(chapter: int | None, path: str) -> Report:
    from nbnet_lib.course.progress import overview

    payload = {"file": path, **overview(chapter)}
    chapters = payload["chapters"]
    rows = [
        [
            c["chapter"],
            c["title"],
            f"{c['passed']}/{c['exercises']}",
            f"{c['open_stars']} ★" if c["open_stars"] else "",
            c["quiz"],
            c["next"] or "",
        ]
        for c in chapters
    ]
    passed, exercises = (sum(c[key] for c in chapters) for key in ("passed", "exercises"))
    quizzes = sum(c["quiz"] == "passed" for c in chapters)
    lines = [
        columns(rows, ["", "chapter", "exercises", "left", "quiz", "next"]),
        "",
        f"{passed} of {exercises} exercises and {quizzes} of {len(rows)} quizzes passed.",
        f"Next: {payload['next']}." if payload["next"] else "Everything is passed.",
        f"Kept in {path}",
    ]
    return Report(payload, "\n".join(lines))
