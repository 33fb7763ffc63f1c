"""What a learner has passed, kept in one small file on this machine and nowhere else.

`check` and `quiz` write to it, ``nbnet progress`` reads and resets it. Nothing is written while a
notebook of ``solutions/`` runs: it would pass for the learner.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock

from course_checks import CHAPTERS, load_chapter
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, data_dir

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
    return data_dir() / "progress.json"


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
        progress = {kind: dict(stored[kind]) for kind in KINDS}
        for number, entry in [item for kind in KINDS for item in progress[kind].items()]:
            _chapter(number), entry["tries"] + 0, entry["passed"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NbnetError(
            f"{path} cannot be read as progress ({type(error).__name__}): fix it, or begin a new "
            "one with `nbnet progress --reset`"
        ) from error
    return progress


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


def reset_progress(chapter: int | None = None) -> dict[str, Any]:
    """Forget everything, or one chapter.

    Returns:
        {"forgotten": how many entries, "put_aside": None}. A damaged file is put aside whole rather
        than thrown away; "put_aside" then names it.
    """
    path = progress_path()
    if path is None or not path.is_file():
        return {"forgotten": 0, "put_aside": None}
    with FileLock(f"{path}.lock", timeout=5):
        try:
            whole = read_progress(path)
        except NbnetError:
            aside = f"{path}.damaged"
            os.replace(path, aside)
            return {"forgotten": 0, "put_aside": aside}
        kept: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        for kind in KINDS if chapter is not None else ():
            kept[kind] = {n: e for n, e in whole[kind].items() if _chapter(n) != chapter}
        _write(path, kept)
    forgotten = sum(len(whole[kind]) - len(kept[kind]) for kind in KINDS)
    return {"forgotten": forgotten, "put_aside": None}


def _chapter(number: str) -> int:
    """Return 3 for the exercise "3.2" and for the quiz "03"."""
    return int(number.partition(".")[0])


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
        chapters.append(
            {
                "chapter": name,
                "title": CHAPTERS[chapter],
                "exercises": len(rows),
                "passed": len(rows) - len(left),
                "open_stars": sum(row["stars"] for row in left),
                "quiz": quiz,
                "next": left[0]["number"] if left else None if quiz == "passed" else "quiz",
                "details": rows,
            }
        )
    return {"chapters": chapters, "next": _next(chapters)}


def _next(chapters: list[dict[str, Any]]) -> str | None:
    """Describe the first exercise or quiz that is still open."""
    for chapter in chapters:
        if chapter["next"] == "quiz":
            return f"the quiz of chapter {chapter['chapter']}"
        for row in chapter["details"]:
            if not row["passed"]:
                return f"exercise {row['number']} {'★' * row['stars']} {row['title']}"
    return None
