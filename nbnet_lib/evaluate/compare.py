"""Which of two attacks is stronger, on the same targets (chapter 10).

Two attacks on the same pictures have easy and hard persons in common. Their intervals may overlap
widely although one beats the other on nearly every person. So the *difference* is measured, person
by person: its interval draws the same people for both, its p value flips who is called a and who b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.attack import KINDS, AttackResult
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Difference:
    """How much more often attack a is accepted than attack b.

    Attributes:
        value: a - b, -1 to 1.
        ci95: its 95 % interval, from the bootstrap over identities with the same draws for both.
        p: probability of a difference at least as large, either way, if the two attacks were
            equally strong against every person (sign flips over identities).
        a: acceptance rate of attack a, 0 to 1.
        b: acceptance rate of attack b, 0 to 1.
        far: FAR that set the threshold.
        kind: "original", "type1" or "type2".
        identities: how many persons it rests on.
    """

    value: float
    ci95: tuple[float, float]
    p: float
    a: float
    b: float
    far: float
    kind: str
    identities: int


def compare_attacks(
    a: AttackResult,
    b: AttackResult,
    far: float,
    kind: str = "type2",
    resamples: int = 1000,
    permutations: int = 9999,
    seed: int = 0,
    notes: list[str] | None = None,
) -> Difference:
    """Compare two attacks on the same pictures of the same system, paired over identities.

    The interval re-estimates the threshold in each draw where the two results did. The p value
    takes the threshold as it is: it comes from originals, which both attacks share.
    The number of tries may differ; then the difference is that of the whole attacks.

    Args:
        a: one result of `evaluate_attack`.
        b: another, with the same originals in the same order.
        far: a FAR that both measured.
        kind: "type1" or "type2".
        resamples: draws of identities for the interval.
        permutations: random sign flips; all 2^n of n persons are taken when they are fewer.
        seed: of both.
        notes: where it is said that people are too few; without it that is a warning.

    Raises:
        NbnetError: an unknown kind or FAR, or results of other targets, pictures or thresholds.
    """
    if kind not in KINDS:
        raise NbnetError(f"kind={kind!r} is not known: choose one of {', '.join(KINDS)}")
    threshold = a.threshold(far)
    _check_same_targets(a, b, far)
    left, right = a.comparisons[KINDS[kind]], b.comparisons[KINDS[kind]]
    bootstrap = IdentityBootstrap(np.array(list(a.pictures)), resamples, seed, notes)
    draws = (
        np.full(resamples, threshold)
        if a.thresholds_given
        else bootstrap.threshold(a.comparisons["impostor"], far)
    )
    samples = bootstrap.tar_at(left, draws) - bootstrap.tar_at(right, draws)
    # Whole numbers, so that equal sums are equal: accepted of a minus accepted of b, per person.
    more = (left.scores > threshold).astype(np.int64) - (right.scores > threshold)
    _, owner = np.unique(left.first, return_inverse=True)
    persons = np.zeros(int(owner.max()) + 1, np.int64)
    np.add.at(persons, owner, more)
    rates = [float((found.scores > threshold).mean()) for found in (left, right)]
    return Difference(
        value=float(more.sum() / len(more)),
        ci95=bootstrap.interval(samples),
        p=_sign_flip(persons, permutations, seed),
        a=rates[0],
        b=rates[1],
        far=far,
        kind=kind,
        identities=len(persons),
    )


def _sign_flip(persons: np.ndarray, permutations: int, seed: int) -> float:
    """Return the two-sided p value of the sum of ``persons`` (int64 [n]) under random signs."""
    observed = abs(int(persons.sum()))
    persons = persons[persons != 0]  # flipping nothing changes nothing
    n = len(persons)
    if n < 60 and 2**n <= permutations:
        codes = np.arange(2**n)[:, None]
        flipped = (1 - 2 * ((codes >> np.arange(n)) & 1)) @ persons
        return float((np.abs(flipped) >= observed).mean())
    rng = np.random.default_rng(seed)
    larger = 0
    for start in range(0, permutations, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, permutations - start)
        signs = 2 * rng.integers(0, 2, (rows, n), dtype=np.int8) - 1
        larger += int((np.abs(signs @ persons) >= observed).sum())
    # The observed sum is itself one of the arrangements, so p is never 0.
    return (larger + 1) / (permutations + 1)


def _check_same_targets(a: AttackResult, b: AttackResult, far: float) -> None:
    """Refuse results that cannot be paired; equal scores of originals are of the same pictures."""

    def equal(kind: str, column: str) -> bool:
        return np.array_equal(
            getattr(a.comparisons[kind], column), getattr(b.comparisons[kind], column)
        )

    advice = "compare two attacks on the same pictures of the same system"
    if not all(equal(kind, side) for kind in ("type1", "type2") for side in ("first", "second")):
        raise NbnetError(f"the two results attack other pictures or identities: {advice}")
    if not all(equal(kind, "scores") for kind in ("genuine", "impostor")):
        raise NbnetError(f"the originals of the two results have other scores: {advice}")
    if a.threshold(far) != b.threshold(far) or a.thresholds_given != b.thresholds_given:
        raise NbnetError(
            f"the thresholds at FAR {far:g} are {a.threshold(far):g} and {b.threshold(far):g}, "
            f"or only one was given: {advice}"
        )
