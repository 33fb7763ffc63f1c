"""Intervals of a share of *independent* trials (ISO/IEC 19795-1 speaks of binomial ones).

Comparisons that share a person or a picture are not independent; for these there is the bootstrap
over identities in uncertainty.py.
"""

from __future__ import annotations

from nbnet_lib.errors import NbnetError


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval (low, high) of a share, 0 to 1.

    It holds when the ``n`` trials are independent, for example one comparison per person. It does
    *not* hold for all pairs of a set of pictures, where it is far too narrow: use
    `IdentityBootstrap`. Unlike the bootstrap it stays honest when all trials end alike.

    Raises:
        NbnetError: no trials, more successes than trials, or a confidence outside (0, 1).
    """
    return _binomial(successes, n, confidence, "wilson")


def exact_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (low, high) of a share, 0 to 1.

    For independent trials (see `wilson_interval`) it covers the truth *at least* as often as
    ``confidence`` says. With no success in n trials its upper end is about 3.7 / n at 95 %; the
    "rule of three" of ISO/IEC 19795-1, 3 / n, is its one-sided sister.

    Raises:
        NbnetError: no trials, more successes than trials, or a confidence outside (0, 1).
    """
    return _binomial(successes, n, confidence, "exact")


def share_interval(
    share: float, drawn: tuple[float, float], people: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the bootstrap's interval of a share, or the exact one where the bootstrap has none.

    When every person passes (or none), so does every draw of these persons, and the bootstrap's
    interval is a point. People who were not seen may still differ: `exact_interval` says by how
    much, with people as the independent trials.

    Args:
        share: 0 to 1.
        drawn: from `IdentityBootstrap.interval`.
        people: how many persons the share is of.
        confidence: of the exact interval.

    Raises:
        NbnetError: no people, or a confidence outside (0, 1).
    """
    if share not in (0.0, 1.0):
        return drawn
    low, high = exact_interval(people if share else 0, people, confidence)
    return min(low, drawn[0]), max(high, drawn[1])  # draws may have set another threshold


def _binomial(successes: int, n: int, confidence: float, method: str) -> tuple[float, float]:
    if not (int(n) == n and n >= 1 and int(successes) == successes and 0 <= successes <= n):
        raise NbnetError(f"{successes} successes of {n} trials: give whole numbers, 0 to n, n >= 1")
    check_confidence(confidence)
    from scipy.stats import binomtest  # slow to import

    found = binomtest(int(successes), int(n)).proportion_ci(confidence, method=method)
    return float(found.low), float(found.high)


def check_confidence(confidence: float) -> None:
    """Refuse what is not between 0 and 1."""
    if not 0 < confidence < 1:
        raise NbnetError(f"confidence={confidence} must lie between 0 and 1 (0.95 means 95 %)")
