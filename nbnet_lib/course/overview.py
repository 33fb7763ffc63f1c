"""The course at a glance: its chapters, exercises and quizzes, and how far a learner has come."""

from __future__ import annotations

from typing import Any

from course_checks import CHAPTERS, load_all
from nbnet_lib.course.progress import read_progress
from nbnet_lib.course.source import chapter_sources, course_root
from nbnet_lib.errors import NbnetError


def chapter_titles() -> dict[int, str]:
    """Return the title of each chapter by its number; a number alone where there are no sources."""
    titles = {number: f"chapter {number:02d}" for number in CHAPTERS}
    try:
        sources = chapter_sources(course_root())
    except NbnetError:  # installed without the notebooks
        return titles
    for source in sources:
        for line in source.read_text(encoding="utf-8").splitlines():
            if line.startswith("# # "):
                titles[int(source.stem[:2])] = line[4:].strip().removeprefix(source.stem[:2] + " ")
                break
    return titles


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
    kept, titles = read_progress(), chapter_titles()
    exercises = load_all()
    chapters = []
    for chapter in CHAPTERS if only is None else [only]:
        name = f"{chapter:02d}"
        rows = []
        for number, exercise in exercises.items():
            if int(number.partition(".")[0]) != chapter:
                continue
            entry = kept["exercises"].get(number, {"tries": 0, "passed": None})
            rows.append(
                {"number": number, "title": exercise.title, "stars": exercise.stars, **entry}
            )
        left = [row for row in rows if not row["passed"]]
        entry = kept["quizzes"].get(name, {"tries": 0, "passed": None})
        quiz = "passed" if entry["passed"] else "tried" if entry["tries"] else "open"
        following = left[0]["number"] if left else None if quiz == "passed" else "quiz"
        chapters.append(
            {
                "chapter": name,
                "title": titles[chapter],
                "exercises": len(rows),
                "passed": len(rows) - len(left),
                "open_stars": sum(row["stars"] for row in left),
                "quiz": quiz,
                "next": following,
                "details": rows,
            }
        )
    return {"chapters": chapters, "next": _first_open(chapters)}


def _first_open(chapters: list[dict[str, Any]]) -> str | None:
    for chapter in chapters:
        if chapter["next"] == "quiz":
            return f"the quiz of chapter {chapter['chapter']}"
        if chapter["next"]:
            row = next(r for r in chapter["details"] if r["number"] == chapter["next"])
            return f"exercise {row['number']} {'★' * row['stars']} {row['title']}"
    return None
