"""Who may be used for what: one table of identity numbers, and everything else is refused.

An attack that is scored on people it was trained with measures memory, not leakage. One that was
trained with the recogniser's own training people has something that no black-box attacker has; and
a judge that knows the target's people is no independent one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nbnet_lib.errors import NbnetError

FIRST_TRAINING_IDENTITY = 10_000
# (first, last) and what these people are for; the last range has no end.
PEOPLE: dict[str, tuple[int, int | None]] = {
    "evaluation": (0, 9_999),
    "recognisers and decoders of before (retired)": (10_000, 19_999),
    "the attacker": (20_000, 99_999),
    "training of the target": (100_000, 199_999),
    "training of the judge": (200_000, 299_999),
    "training of recognisers of your own": (300_000, None),
}
# The retired are still the attacker's pairs in the chapters that attack the old target.
_ATTACK = tuple(PEOPLE)[1:3]
_RECOGNISERS = tuple(PEOPLE)[3:]


def purpose_of(identity: int) -> str:
    """Return what a person is for, a key of `PEOPLE`."""
    for purpose, (first, last) in PEOPLE.items():
        if first <= identity and (last is None or identity <= last):
            return purpose
    raise NbnetError(f"identity {identity} is negative: identities count from 0")


def require_evaluation(identities: Iterable[int]) -> None:
    """Raise unless every identity is for evaluation.

    Raises:
        NbnetError: an identity outside 0 to 9,999, or none at all.
    """
    _require(identities, ("evaluation",), "evaluate on identities 0-9999")


def require_attack(identities: Iterable[int]) -> None:
    """Raise unless every identity may train an attack: decoders, surrogates, generators.

    Raises:
        NbnetError: an identity for evaluation or of a recogniser's training, or none at all.
    """
    _require(identities, _ATTACK, "an attack trains on identities 20000-99999")


def require_recogniser(identities: Iterable[int]) -> None:
    """Raise unless every identity may train a recogniser.

    Raises:
        NbnetError: an identity below 100,000, or none at all.
    """
    advice = "a recogniser of your own trains on identities 300000 and up"
    _require(identities, _RECOGNISERS, advice)


def _require(identities: Iterable[int], purposes: tuple[str, ...], advice: str) -> None:
    given = identities if isinstance(identities, np.ndarray) else list(identities)
    numbers = np.unique(np.asarray(given, np.int64))
    if numbers.size == 0:
        raise NbnetError("no identities were given: expected at least one identity number")
    for number in (numbers[0], numbers[-1]):  # the ranges of a use are neighbours
        purpose = purpose_of(int(number))
        if purpose not in purposes:
            raise NbnetError(f"identity {number} is kept for {purpose}: {advice}")
