"""Instant answers to exercises: ``check("3.2", my_function)``, and ``hint("3.2")``.

A check never raises, so a chapter runs from top to bottom before, while and after its reader works:

    [----] 3.2 not attempted yet: ...
    [FAIL] threshold_at_far: expected ..., got ...: what to look at
    [PASS] 3.2 ...

The checks themselves are in ``course_checks/``, a file for each chapter. They test properties
rather than one stored number, so that every correct way of solving an exercise passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from course_checks import find_exercise
from course_checks.base import Answer, NotAttempted, Wrong, one_line
from nbnet_lib.course.progress import record

MARKS = {"not attempted": "----", "failed": "FAIL", "passed": "PASS"}


@dataclass(frozen=True)
class CheckResult:
    """What a check found; true only where the exercise is solved.

    Attributes:
        exercise: such as ``"3.2"``.
        status: ``"not attempted"``, ``"failed"`` or ``"passed"``.
        message: one line for the learner.
        known: whether there is an exercise of that number.
    """

    exercise: str
    status: str
    message: str
    known: bool = True

    def __bool__(self) -> bool:
        return self.status == "passed"

    def __str__(self) -> str:
        return f"[{MARKS[self.status]}] {self.message}"

    def _ipython_display_(self) -> None:
        """Nothing: the line was printed already."""


def check(exercise: str, *candidates: Any) -> CheckResult:
    """Check an answer, print one line about it and return the result; never raises.

    What is passed is kept in a file on this machine, see `nbnet_lib.course.progress`.

    Args:
        exercise: its number, such as ``"3.2"``.
        *candidates: the functions, classes or values the exercise asks for.
    """
    result = _judge(exercise, candidates)
    print(result)
    if result.known and result.status != "not attempted":
        record("exercises", result.exercise, passed=bool(result))
    return result


def _judge(number: str, candidates: tuple[Any, ...]) -> CheckResult:
    try:
        exercise = find_exercise(number)
    except Wrong as wrong:
        return CheckResult(str(number), "failed", str(wrong), known=False)
    number = exercise.number  # 1.1 may have been given as a float
    try:
        if len(candidates) != len(exercise.names):
            wanted = ", ".join(exercise.names)
            raise Wrong(
                f'check("{number}", ...)',
                f"expected {wanted} after the number, got {len(candidates)} values",
                "run the cell as it was in the chapter",
            )
        praise = exercise.test(*map(Answer, exercise.names, candidates))
    except NotAttempted as reason:
        return CheckResult(
            number,
            "not attempted",
            f'{number} not attempted yet{reason}. Stuck? hint("{number}")',
        )
    except Wrong as wrong:
        return CheckResult(number, "failed", str(wrong))
    # Whatever a learner returns must end in a line to read, not in a traceback.
    except Exception as error:
        return CheckResult(
            number,
            "failed",
            f"{number}: the answer could not be judged ({type(error).__name__}: "
            f"{one_line(error)}): does it return what the exercise asks for?",
        )
    return CheckResult(number, "passed", f"{number} {exercise.title}: {praise}")


def hint(exercise: str, level: int = 1) -> None:
    """Print a hint, ``hint("3.2")`` or ``hint("3.2", level=2)``; never raises.

    Level 1 points the way, level 2 nearly says it.
    """
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
