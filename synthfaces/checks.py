"""What the renderer can be given: whole numbers from 0 up, sizes and difficulties it can draw."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

MIN_SIZE, MAX_SIZE = 32, 512
MIN_DIFFICULTY, MAX_DIFFICULTY = 0.25, 2.0
NUMBERS = 1 << 62  # of identities, and of samples: from 0 up to below this


class SynthFacesError(ValueError):
    """A value that the renderer cannot draw, described in one sentence."""


def _whole(value: Any, low: int, high: int) -> int | None:
    """Return ``value`` as an int, or None where it is not a whole number from low to high."""
    try:
        number = int(value)
        return number if number == value and low <= number <= high else None
    except (TypeError, ValueError, OverflowError):  # a word, NaN, infinity
        return None


def check_number(name: str, value: Any) -> int:
    """Return the number of an identity or a sample as an int, if it is whole, 0 to 2^62 - 1."""
    number = _whole(value, 0, NUMBERS - 1)
    if number is None:
        raise SynthFacesError(f"{name} is {value}: expected a whole number from 0 up (below 2^62)")
    return number


def check_size(size: Any) -> int:
    """Return the side of a picture in pixels as an int, if it is whole, 32 to 512."""
    pixels = _whole(size, MIN_SIZE, MAX_SIZE)
    if pixels is None:
        raise SynthFacesError(
            f"size is {size}: expected whole pixels from {MIN_SIZE} to {MAX_SIZE}"
        )
    return pixels


def check_difficulty(difficulty: Any) -> float:
    """Return ``difficulty`` as a float, if it is a number from 0.25 to 2."""
    try:
        number = float(difficulty)
    except (TypeError, ValueError):
        number = math.nan
    if not MIN_DIFFICULTY <= number <= MAX_DIFFICULTY:  # NaN fails too
        raise SynthFacesError(
            f"difficulty is {difficulty}: expected {MIN_DIFFICULTY} (easy) to {MAX_DIFFICULTY:g}"
        )
    return number


def whole_numbers(values: Iterable[int], name: str) -> np.ndarray:
    """Return the numbers of identities or samples as int64 [N], if there is one and all are whole.

    Args:
        values: the numbers.
        name: "identity" or "sample", for the error.
    """
    if not isinstance(values, Iterable):
        raise SynthFacesError(f"{name} numbers are {values}: expected several, such as range(10)")
    numbers = np.asarray(values if isinstance(values, range | np.ndarray) else list(values))
    if numbers.size == 0:
        raise SynthFacesError(f"no {name} is given: expected at least one {name}")
    if numbers.dtype == object:  # larger than 64 bits, or no numbers
        numbers = np.array([check_number(name, number) for number in numbers])
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
        raise SynthFacesError(f"{name} numbers are {numbers.dtype}: expected whole numbers")
    check_number(name, numbers.min())
    check_number(name, numbers.max())
    return numbers.astype(np.int64)
