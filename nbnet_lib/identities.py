"""Identity numbers as people write them on a command line: ``0-9,20,30-39``."""

from __future__ import annotations

from nbnet_lib.errors import NbnetError

MAX_IDENTITIES = 10_000_000


def parse_identities(text: str) -> list[int]:
    """Return the numbers of ``"0-299"``, ``"7"`` or ``"0-9,20,30-39"``.

    Raises:
        NbnetError: anything else, a range that runs backwards, or a number twice.
    """
    numbers: list[int] = []
    for part in text.split(","):
        ends = part.strip().split("-")
        if len(ends) > 2 or not all(end.isascii() and end.isdigit() for end in ends):
            raise NbnetError(
                f"{text!r} is not a list of identities: write 0-299, 7 or 0-9,20,30-39"
            )
        low, high = int(ends[0]), int(ends[-1])
        if high < low:
            raise NbnetError(f"the range {part.strip()} runs backwards: write {high}-{low}")
        if len(numbers) + high - low >= MAX_IDENTITIES:
            raise NbnetError(
                f"{text!r} names more than {MAX_IDENTITIES:,} identities: take a smaller range"
            )
        numbers.extend(range(low, high + 1))
    if len(set(numbers)) < len(numbers):
        raise NbnetError(f"{text!r} names an identity twice: name each once")
    return numbers
