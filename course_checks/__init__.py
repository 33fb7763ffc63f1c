"""The exercises and quizzes of all chapters: ``chNN.py`` holds the checks of chapter NN."""

from __future__ import annotations

import importlib
import re

from course_checks.base import EXERCISES, Exercise, Wrong

CHAPTERS = {
    0: "Before you start",
    1: "Faces into templates",
    2: "Verifying and identifying",
    3: "What a template gives away",
    4: "Back to pixels, the linear way",
    5: "De-convolution from the inside",
    6: "The neighbourly network",
    7: "What should the loss see?",
    8: "Faces without people",
    9: "Training NbNet in full",
    10: "Is it the same person?",
    11: "Real systems",
}


def load_chapter(chapter: int) -> dict[str, Exercise]:
    """Return the exercises of one chapter by their numbers, in order."""
    importlib.import_module(f"{__name__}.ch{chapter:02d}")
    found = [exercise for exercise in EXERCISES.values() if exercise.chapter == chapter]
    return {e.number: e for e in sorted(found, key=lambda e: int(e.number.partition(".")[2]))}


def load_all() -> dict[str, Exercise]:
    """Return every exercise by its number, in order."""
    return {n: exercise for chapter in CHAPTERS for n, exercise in load_chapter(chapter).items()}


def find_exercise(number: str) -> Exercise:
    """Return one exercise, importing only its chapter.

    Raises:
        Wrong: there is no such exercise.
    """
    number = str(number)  # a float such as 1.1 is forgiven: it reads the same
    match = re.fullmatch(r"(\d{1,2})\.\d{1,2}", number)
    if match is None or int(match.group(1)) not in CHAPTERS:
        raise Wrong(
            f"exercise {number!r}",
            'expected a number such as "1.2"',
            f"there are chapters {min(CHAPTERS)} to {max(CHAPTERS)}",
        )
    known = load_chapter(int(match.group(1)))
    if number not in known:
        numbers = ", ".join(known)
        raise Wrong(f"exercise {number}", "there is none of that number", f"there are {numbers}")
    return known[number]
