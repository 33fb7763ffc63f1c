"""Two levels of hints for each exercise: ``hint("3.2")``, then ``hint("3.2", level=2)``."""

from __future__ import annotations

from course_checks import find_exercise
from course_checks.base import Wrong


def hint(exercise: str, level: int = 1) -> None:
    """Print a hint: level 1 points the way, level 2 nearly says it. Never raises."""
    try:
        hints = find_exercise(exercise).hints
    except Wrong as wrong:
        print(wrong)
        return
    if level not in (1, 2):
        print(f"hint: level is 1 or 2, not {level!r}")
        return
    more = f' (more: hint("{exercise}", level=2))' if level == 1 else ""
    print(f"Hint {level} for {exercise}: {hints[level - 1]}{more}")
