"""What the checks are made of: the registry, the two ways out, and calling a learner's function."""

from __future__ import annotations

import dis
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# What an unfinished function consists of: hand back a constant, nothing else.
_IDLE = {
    "RESUME",
    "NOP",
    "CACHE",
    "POP_TOP",
    "LOAD_CONST",
    "RETURN_CONST",
    "RETURN_VALUE",
    "COPY_FREE_VARS",
    "LOAD_CONST_IMMORTAL",
    "NOT_TAKEN",
}


class NotAttempted(Exception):
    """The learner has not begun."""


class Wrong(Exception):
    """A wrong answer: ``name: found: hint``."""

    def __init__(self, name: str, found: str, hint: str = "") -> None:
        super().__init__(": ".join(part for part in (name, found, hint) if part))


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        number: such as ``"3.2"``.
        title: a few words.
        stars: how hard it is, 1 to 3; the heading in the chapter shows as many.
        names: what the learner hands in, by name.
        hints: level 1 and level 2.
        test: takes the candidates; returns the praise, raises `Wrong` or `NotAttempted`.
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


def exercise(
    number: str, title: str, stars: int, names: Sequence[str], hints: tuple[str, str]
) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register the decorated function as the test of an exercise."""

    def register(test: Callable[..., str]) -> Callable[..., str]:
        EXERCISES[number] = Exercise(number, title, stars, tuple(names), hints, test)
        return test

    return register


def one_line(error: BaseException) -> str:
    """Return the first line of an exception's message."""
    return (str(error).strip().splitlines() or ["no message"])[0][:200]


def is_unfinished(fn: Any) -> bool:
    """Say whether a function still only returns a constant."""
    code = getattr(fn, "__code__", None)
    return code is not None and {step.opname for step in dis.get_instructions(code)} <= _IDLE


def call(name: str, fn: Any, *args: Any, returns: str = "a value") -> Any:
    """Call the learner's ``fn`` on copies of ``args`` and return what it returns.

    Raises:
        NotAttempted: there is no function yet, or it only returns None.
        Wrong: it is not callable, raises, or returns None although it computes something.
    """
    if fn is None or fn is ...:
        raise NotAttempted(f" ({name} is {fn})")
    if not callable(fn):
        raise Wrong(name, f"expected a function, got {describe(fn)}", "use `def` to define it")
    try:
        result = fn(*map(_copy, args))
    except Exception as error:
        raise Wrong(name, f"it stopped with {type(error).__name__}", one_line(error)) from error
    if result is None or result is ... or result is NotImplemented:
        if is_unfinished(fn):
            raise NotAttempted(f" ({name} returns {result})")
        raise Wrong(
            name, f"expected {returns}, got {result}", "is there a `return` in every branch?"
        )
    return result


def number(name: str, value: Any) -> float:
    """Return a learner's value as a float; one-element arrays and tensors count as numbers.

    Raises:
        Wrong: it is no single finite number.
    """
    value = _to_numpy(value)
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise Wrong(name, f"expected one number, got {describe(value)}")
    if not np.isfinite(array.item()):
        raise Wrong(name, f"expected a finite number, got {array.item()}")
    return float(array.item())


def array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return a learner's value as a numpy array of numbers, of ``shape`` where that is given.

    Raises:
        Wrong: it is no array of numbers, or its shape is another.
    """
    try:
        result = np.asarray(_to_numpy(value))
    except ValueError as error:
        raise Wrong(name, f"expected an array, got {describe(value)}", one_line(error)) from error
    if result.dtype.kind not in "fiub":
        raise Wrong(name, f"expected an array of numbers, got {describe(value)}")
    if shape is not None and result.shape != shape:
        raise Wrong(name, f"expected shape {list(shape)}, got {list(result.shape)}")
    return result


def pair(name: str, value: Any, of: str) -> tuple[Any, Any]:
    """Return a learner's value as two things.

    Raises:
        Wrong: they are not two.
    """
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong(
            name,
            f"expected two values ({of}), got {describe(value)}",
            "return both: `return first, second`",
        )
    return value[0], value[1]


def close(a: float, b: float, tolerance: float = 1e-4) -> bool:
    """Say whether two numbers agree within ``tolerance``, relative for numbers above 1."""
    return abs(a - b) <= tolerance * max(1.0, abs(b))


def short(value: float) -> str:
    """Write a number for a message."""
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


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
