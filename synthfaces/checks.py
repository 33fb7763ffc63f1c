"""What may be asked of the renderer: whole numbers from 0 up, and sizes it can draw."""

from __future__ import annotations

from typing import Any

from nbnet_lib.errors import NbnetError

MIN_SIZE, MAX_SIZE = 32, 512
NUMBERS = 1 << 62  # of identities, and of samples: from 0 up to below this


def _whole(value: Any) -> int | None:
    """Return ``value`` as an int, or None where it is not a whole number."""
    try:
        return int(value) if value == int(value) else None
    except (TypeError, ValueError, OverflowError):  # a word, NaN, infinity
        return None


def check_number(name: str, value: Any) -> int:
    """Return the number of an identity or a sample as an int.

    Raises:
        NbnetError: not a whole number from 0 up, or 2^62 and more.
    """
    number = _whole(value)
    if number is None or not 0 <= number < NUMBERS:
        below = "" if number is None or number < 0 else " (below 2^62)"
        raise NbnetError(f"{name} is {value}: expected a whole number from 0 up{below}")
    return number


def check_size(size: Any) -> int:
    """Return the side of a picture in pixels as an int.

    Raises:
        NbnetError: not a whole number from 32 to 512.
    """
    pixels = _whole(size)
    if pixels is None or not MIN_SIZE <= pixels <= MAX_SIZE:
        raise NbnetError(f"size is {size}: expected whole pixels from {MIN_SIZE} to {MAX_SIZE}")
    return pixels
