"""What a learner has passed, kept in one small file on this machine and nowhere else.

`check` and `quiz` write to it, ``nbnet progress`` reads and resets it. Nothing is written while a
notebook of ``solutions/`` runs: it would pass for the learner.
"""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock

from course_checks import CHAPTERS, load_chapter
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path

OFF = "off"  # the value of NBNET_PROGRESS that keeps nothing
KINDS = ("exercises", "quizzes")
NEVER_TRIED = {"tries": 0, "passed": None}

_reported: set[str] = set()


def progress_path() -> Path | None:
    """Return the file, or None where nothing is to be kept.

    ``$NBNET_PROGRESS`` names another file or says "off". The default is where programs keep what
    cannot be made again; the cache may be deleted.
    """
    wanted = os.environ.get("NBNET_PROGRESS", "").strip()
    if wanted:
        return None if wanted.lower() == OFF else Path(wanted).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return folder / "nbnet" / "progress.json"


def _in_solutions() -> bool:
    """Return whether this is the kernel of a notebook in a folder ``solutions``.

    Jupyter gives a kernel the path of its notebook; other editors start it in its folder.
    """
    session = os.environ.get("JPY_SESSION_NAME", "").replace("\\", "/")
    folder = session.rpartition("/")[0] or os.getcwd().replace("\\", "/")
    return folder.rpartition("/")[2] == "solutions"


def read_progress(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return {"exercises": {number: entry}, "quizzes": {chapter: entry}}.

    An entry holds ``tries``, how often it was checked up to the first pass, and ``passed``, when
    that was (ISO 8601, UTC), or None.

    Raises:
        NbnetError: the file is damaged.
    """
    path = path or progress_path()
    if path is None or not path.is_file():
        return {kind: {} for kind in KINDS}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        for kind, number, entry in ((k, n, e) for k in KINDS for n, e in stored[k].items()):
            if not re.fullmatch(r"\d+\.\d+" if kind == "exercises" else r"\d+", number):
                raise ValueError(number)
            entry["tries"] + 0, entry["passed"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NbnetError(
            f"{path} cannot be read as progress ({type(error).__name__}): fix it, or begin a new "
            "one with `nbnet progress --reset`"
        ) from error
    return {kind: stored[kind] for kind in KINDS}


def record(kind: str, number: str, passed: bool) -> None:
    """Count a try; a first pass is kept with its time. Never raises: an answer comes first.

    Args:
        kind: "exercises" or "quizzes".
        number: such as "3.2", or the chapter of a quiz, such as "03".
        passed: whether this try did.
    """
    try:
        path = progress_path()
        if path is None or _in_solutions():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=5):
            whole = read_progress(path)
            entry = whole[kind].setdefault(number, dict(NEVER_TRIED))
            if entry["passed"]:
                return
            entry["tries"] += 1
            if passed:
                entry["passed"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
            _write(path, whole)
    # RuntimeError: no home folder, or a disk that knows no locks.
    except (NbnetError, OSError, RuntimeError) as error:
        if str(error) not in _reported:  # once is enough
            _reported.add(str(error))
            print(f"(progress is not kept: {error})")


def reset_progress(chapter: int | None = None) -> int:
    """Forget everything, or one chapter; return how many entries that were.

    A damaged file is put aside whole, as ``progress.json.damaged``, rather than thrown away; that
    counts as no entry.
    """
    path = progress_path()
    if path is None or not path.is_file():
        return 0
    with FileLock(f"{path}.lock", timeout=5):
        try:
            whole = read_progress(path)
        except NbnetError:
            os.replace(path, f"{path}.damaged")
            return 0
        kept = {
            kind: {
                number: entry
                for number, entry in whole[kind].items()
                if chapter is not None and int(number.partition(".")[0]) != chapter
            }
            for kind in KINDS
        }
        _write(path, kept)
    return sum(len(whole[kind]) - len(kept[kind]) for kind in KINDS)


def _write(path: Path, whole: dict[str, dict[str, Any]]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def overview(only: int | None = None) -> dict[str, Any]:
    """Return what was passed, chapter by chapter.

    Args:
        only: one chapter; None for all.

    Returns:
        {"chapters": [...], "next": ...}. A chapter has its number and title, how many exercises it
        has and how many are passed, the stars still open, its quiz ("passed", "tried" or "open"),
        ``next`` (the first exercise or the quiz still open, or None) and every exercise with title,
        stars, tries and the time it was passed. ``next`` names the first of all that is open.

    Raises:
        NbnetError: the file of the progress is damaged.
    """
    kept = read_progress()
    chapters = []
    first_open = None
    for chapter in CHAPTERS if only is None else [only]:
        name = f"{chapter:02d}"
        rows = [
            {"number": e.number, "title": e.title, "stars": e.stars}
            | kept["exercises"].get(e.number, NEVER_TRIED)
            for e in load_chapter(chapter).values()
        ]
        left = [row for row in rows if not row["passed"]]
        entry = kept["quizzes"].get(name, NEVER_TRIED)
        quiz = "passed" if entry["passed"] else "tried" if entry["tries"] else "open"
        if left:
            following = left[0]["number"]
            what = f"exercise {following} {'★' * left[0]['stars']} {left[0]['title']}"
        else:
            following = None if quiz == "passed" else "quiz"
            what = f"the quiz of chapter {name}"
        if following:
            first_open = first_open or what
        chapters.append(
            {
                "chapter": name,
                "title": CHAPTERS[chapter],
                "exercises": len(rows),
                "passed": len(rows) - len(left),
                "open_stars": sum(row["stars"] for row in left),
                "quiz": quiz,
                "next": following,
                "details": rows,
            }
        )
    return {"chapters": chapters, "next": first_open}
