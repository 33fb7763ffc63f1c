"""The checks of all chapters: ``chNN.py`` holds those of chapter NN."""

from __future__ import annotations

import importlib
import re

from course_checks.base import EXERCISES, Exercise, Wrong

CHAPTERS = range(12)


def load_all() -> dict[str, Exercise]:
    """Return every exercise by its number, in order."""
    for chapter in CHAPTERS:
        importlib.import_module(f"{__name__}.ch{chapter:02d}")
    return {number: EXERCISES[number] for number in sorted(EXERCISES, key=_order)}


def find_exercise(number: str) -> Exercise:
    """Return one exercise, importing only its chapter.

    Raises:
        Wrong: there is no such exercise.
    """
    number = str(number)  # a float such as 1.1 is forgiven: it reads the same
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", number)
    if match is None or int(match.group(1)) not in CHAPTERS:
        raise Wrong(
            f"exercise {number!r}",
            'expected a number such as "1.2"',
            f"there are chapters {CHAPTERS[0]} to {CHAPTERS[-1]}",
        )
    chapter = int(match.group(1))
    importlib.import_module(f"{__name__}.ch{chapter:02d}")
    if number not in EXERCISES:
        known = ", ".join(n for n in sorted(EXERCISES, key=_order) if _order(n)[0] == chapter)
        raise Wrong(f"exercise {number}", "there is none of that number", f"there are {known}")
    return EXERCISES[number]


def _order(number: str) -> tuple[int, ...]:
    """Sort 2.1 before 10.1."""
    return tuple(int(part) for part in number.split("."))
