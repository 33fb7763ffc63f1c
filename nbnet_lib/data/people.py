"""Names of people: one spelling for each, and short digests to compare two lists of them.

The card of a decoder carries the digests of the people that it was trained with, so that an
evaluation can refuse to test it on one of them. A digest keeps a card short and says nothing about
a person that is not in one's own list; it hides no name from someone who can guess it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

DIGITS = 12  # hexadecimal: of a million people two share a digest once in 560 tries


def spelled(name: str) -> str:
    """Return a name in the one spelling used here: Unicode NFC, without spaces around it.

    A folder made on macOS spells e with an acute accent as two characters, elsewhere it is one.
    """
    return unicodedata.normalize("NFC", name).strip()


def people_digest(names: Iterable[object]) -> list[str]:
    """Return a digest of each person, ascending, each once: the first 12 digits of a SHA-256.

    A whole number stands for itself in decimal digits. Numbers name people within one data set
    only: the person 7 of two data sets has one digest and is probably not one person.

    Args:
        names: names or numbers of people; those without a name ("") are left out.
    """
    known = {spelled(str(name)) for name in names} - {""}
    return sorted(hashlib.sha256(name.encode()).hexdigest()[:DIGITS] for name in known)
