"""What the checks are made of: the registry, the two ways out, and calling a learner's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class NotAttempted(Exception):
    """The learner has not begun."""


class Wrong(Exception):
    """A wrong answer: ``name: found: hint``."""

    def __init__(self, name: str, found: str, hint: str = "") -> None:
        super().__init__(": ".join(part for part in (name, found, hint) if part))


@dataclass(frozen=True)
class Answer:
    """What a learner handed in, or what it returned, under the name with which messages begin."""

    name: str
    value: Any

    def wrong(self, found: str, hint: str = "") -> Wrong:
        """Return the exception that says what was found, and the hint for it."""
        return Wrong(self.name, found, hint)

    def expect(self, condition: Any, found: str, hint: str = "") -> None:
        """Raise `wrong` unless the condition holds."""
        if not condition:
            raise self.wrong(found, hint)

    def compare(
        self,
        got: float,
        want: float,
        slips: Mapping[str, Any],
        otherwise: str = "",
        *,
        tolerance: float = 1e-4,
        case: str = "",
    ) -> None:
        """Raise `wrong` unless two numbers agree, with the hint of the slip that gives ``got``.

        Args:
            got: the learner's number.
            want: the right one.
            slips: hint -> the number, or numbers, that this slip leads to.
            otherwise: the hint where no slip does.
            tolerance: see `close`.
            case: what was asked, the beginning of the message.
        """
        if not close(got, want, tolerance):
            fitting = (
                hint
                for hint, numbers in slips.items()
                if any(close(got, float(slip), tolerance) for slip in np.ravel(numbers))
            )
            found = f"expected {short(want)}, got {short(got)}"
            raise self.wrong(f"{case}: {found}" if case else found, next(fitting, otherwise))

    def call(self, *args: Any, returns: str = "a value") -> Answer:
        """Call the learner's function on copies of ``args``; return the result under its name.

        Raises:
            NotAttempted: there is no function yet, or it only returns None.
            Wrong: it is not callable, raises, or returns None although it computes something.
        """
        fn = self.value
        if fn is None or fn is ...:
            raise NotAttempted(f" ({self.name} is {fn})")
        if not callable(fn):
            raise self.wrong(f"expected a function, got {describe(fn)}", "use `def` to define it")
        try:
            result = fn(*map(_copy, args))
        except Exception as error:
            raise self.wrong(f"it stopped with {type(error).__name__}", one_line(error)) from error
        if result is None or result is ... or result is NotImplemented:
            if is_unfinished(fn):
                raise NotAttempted(f" ({self.name} returns {result})")
            raise self.wrong(
                f"expected {returns}, got {result}", "is there a `return` in every branch?"
            )
        return Answer(self.name, result)

    def number(self) -> float:
        """Return the value as a float; one-element arrays and tensors count as numbers.

        Raises:
            Wrong: it is not a single finite number.
        """
        array = np.asarray(_to_numpy(self.value))
        self.expect(
            array.size == 1 and array.dtype.kind in "fiub",
            f"expected one number, got {describe(self.value)}",
        )
        self.expect(np.isfinite(array.item()), f"expected a finite number, got {array.item()}")
        return float(array.item())

    def array(self, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return the value as a numpy array of numbers, of ``shape`` where that is given.

        Raises:
            Wrong: it is not an array of numbers, or its shape is another.
        """
        try:
            result = np.asarray(_to_numpy(self.value))
        except ValueError as error:
            found = f"expected an array, got {describe(self.value)}"
            raise self.wrong(found, one_line(error)) from error
        self.expect(
            result.dtype.kind in "fiub", f"expected an array of numbers, got {describe(self.value)}"
        )
        self.expect(
            shape is None or result.shape == shape,
            f"expected shape {list(shape or ())}, got {list(result.shape)}",
        )
        return result

    def pair(self, of: str) -> tuple[Answer, Answer]:
        """Return the value as two, under the same name; ``of`` says which.

        Raises:
            Wrong: they are not two.
        """
        self.expect(
            isinstance(self.value, tuple | list) and len(self.value) == 2,
            f"expected two values ({of}), got {describe(self.value)}",
            "return both: `return first, second`",
        )
        return Answer(self.name, self.value[0]), Answer(self.name, self.value[1])

    def entries(self) -> dict[str, Any]:
        """Return what is answered of a dict; entries that are None, ... or "" are open.

        Raises:
            NotAttempted: all of it is open.
            Wrong: it is not a dict.
        """
        if self.value is None or self.value is ...:
            raise NotAttempted(f" ({self.name} is {self.value})")
        self.expect(
            isinstance(self.value, Mapping),
            f"expected a dict with the answers, got {describe(self.value)}",
        )
        answered = {
            str(key).strip(): value
            for key, value in self.value.items()
            if not (value is None or value is ... or isinstance(value, str) and not value.strip())
        }
        if not answered:
            raise NotAttempted(f" (every answer in {self.name} is open)")
        return answered


def check_choices(
    answer: Answer,
    accepted: Mapping[str, Collection[Any]],
    choices: Sequence[Any],
    hint: Callable[[str, Any], str],
    read: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Check a dict with one choice for each question.

    Args:
        answer: the learner's dict; upper and lower case of its keys count the same.
        accepted: question -> the choices that are right.
        choices: all there are.
        hint: takes a question and a wrong choice; returns what to say to it.
        read: how a choice is read, for example in lower case.
    """
    questions = {question.upper(): question for question in accepted}
    given = {questions.get(key.upper(), key): value for key, value in answer.entries().items()}
    one_of = f"one of {', '.join(map(str, choices))}"
    unknown = sorted(set(given) - set(accepted))
    if unknown:
        raise answer.wrong(f"there is no {unknown[0]!r}", f"there are {', '.join(accepted)}")
    missing = [question for question in accepted if question not in given]
    if missing:
        raise answer.wrong(f"no answer yet for {', '.join(missing)}", f"{one_of} for each")
    chosen = {question: read(given[question]) for question in accepted}
    for question, choice in chosen.items():
        if choice not in tuple(choices):
            raise answer.wrong(f"{question}: expected {one_of}, got {describe(given[question])}")
    wrong = [question for question in accepted if chosen[question] not in accepted[question]]
    if wrong:
        right = f"{len(accepted) - len(wrong)} of {len(accepted)} right"
        first = wrong[0]
        raise answer.wrong(f"{right}, look again at {first}", hint(first, chosen[first]))


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        number: such as ``"3.2"``.
        title: a few words.
        stars: how hard it is, 1 to 3; the heading in the chapter shows as many.
        names: what the learner hands in, by name.
        hints: level 1 and level 2.
        test: takes an `Answer` for each name; returns the praise, raises `Wrong` or `NotAttempted`.
    """

    number: str
    title: str
    stars: int
    names: tuple[str, ...]
    hints: tuple[str, str]
    test: Callable[..., str]

    @property
    def chapter(self) -> int:
        """The chapter it is in."""
        return int(self.number.partition(".")[0])


EXERCISES: dict[str, Exercise] = {}


def exercise(heading: str, *hints: str) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register the decorated function as the test of an exercise.

    Args:
        heading: as in the chapter, ``"3.2 ★ chance level"``.
        *hints: the one that points the way, and the one that nearly says it.
    """
    number, stars, title = heading.split(" ", 2)
    pointing, telling = hints

    def register(test: Callable[..., str]) -> Callable[..., str]:
        names = tuple(inspect.signature(test).parameters)
        EXERCISES[number] = Exercise(number, title, len(stars), names, (pointing, telling), test)
        return test

    return register


def one_line(error: BaseException) -> str:
    """Return the first line of an exception's message."""
    return (str(error).strip().splitlines() or ["no message"])[0][:200]


def _stub() -> None:
    return None


def _stub_with_docstring() -> None:
    """Say what it would do."""
    return None


def _dots() -> Any:
    return ...


def _dots_with_docstring() -> Any:
    """Say what it would do."""
    return ...


_STUBS = {f.__code__.co_code for f in (_stub, _stub_with_docstring, _dots, _dots_with_docstring)}


def is_unfinished(fn: Any) -> bool:
    """Return whether a function still only returns None or an ellipsis."""
    code = getattr(fn, "__code__", None)
    return code is not None and code.co_code in _STUBS


def close(a: float, b: float, tolerance: float = 1e-4) -> bool:
    """Say whether two numbers agree within ``tolerance``, relative for numbers above 1."""
    return abs(a - b) <= tolerance * max(1.0, abs(b))


def short(value: float) -> str:
    """Write a number for a message: whole and large ones in full."""
    full = float(value).is_integer() or abs(value) >= 1e4
    return f"{value:,.10g}" if full else f"{value:.4g}"


def describe(value: Any) -> str:
    """Write what kind of thing a value is, for a message."""
    shape = getattr(value, "shape", None)
    if shape is not None and tuple(shape):
        return f"{type(value).__name__} of shape {list(shape)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def _copy(value: Any) -> Any:
    """Copy what a learner's function could change in place; a tensor in a graph stays itself."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if getattr(value, "requires_grad", None) is False and hasattr(value, "clone"):
        return value.clone()
    return list(value) if isinstance(value, list) else value


def _to_numpy(value: Any) -> Any:
    if isinstance(value, list | tuple):  # of tensors, perhaps
        return [_to_numpy(part) for part in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
    return value
