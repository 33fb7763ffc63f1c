"""Intervals of a share of *independent* trials (ISO/IEC 19795-1 speaks of binomial ones).

Comparisons that share a person or a picture are not independent; for these there is the bootstrap
over identities in uncertainty.py.
"""

from __future__ import annotations

import numpy as np

FEW_PEOPLE = 10  # who ever fail, or pass: with fewer the bootstrap's interval is too short


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval (low, high) of a share, 0 to 1.

    It holds when the ``n`` trials are independent, for example one comparison per person. It does
    *not* hold for all pairs of a set of pictures, where it is far too narrow: use
    `IdentityBootstrap`. Unlike the bootstrap it stays honest when all trials end alike.
    """
    from scipy.stats import binomtest  # slow to import

    low, high = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def exact_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (low, high) of a share, 0 to 1.

    For independent trials (see `wilson_interval`) it covers the truth *at least* as often as
    ``confidence`` says. With no success in n trials its upper end is about 3.7 / n at 95 %; the
    "rule of three" of ISO/IEC 19795-1, 3 / n, is its one-sided sister.
    """
    from scipy.stats import binomtest

    low, high = binomtest(successes, n).proportion_ci(confidence, method="exact")
    return float(low), float(high)


def share_interval(
    accepted: np.ndarray,
    owners: np.ndarray,
    drawn: tuple[float, float],
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the bootstrap's interval of a share, made longer where it rests on few people.

    Where nearly everybody passes, a draw of these people seldom holds the few who do not, and the
    bootstrap's interval is too short; where all pass, it is a point. So with fewer than 10 people
    who ever fail (or who ever pass) the interval of Clopper and Pearson is added, as if every
    person were one trial with the share as its outcome: wider than needed, never shorter.

    Args:
        accepted: bool [n], the decisions.
        owners: int [n], the person of each.
        drawn: from `IdentityBootstrap.interval`.
        confidence: of the interval that is added.
    """
    people = len(np.unique(owners))
    failing, passing = (len(np.unique(owners[kind])) for kind in (~accepted, accepted))
    if min(failing, passing) >= FEW_PEOPLE:
        return drawn
    from scipy.stats import beta  # slow to import

    successes = float(accepted.mean()) * people  # need not be whole
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, successes, people - successes + 1) if successes > 0 else 0.0
    high = beta.ppf(1 - tail, successes + 1, people - successes) if successes < people else 1.0
    return min(float(low), drawn[0]), max(float(high), drawn[1])
