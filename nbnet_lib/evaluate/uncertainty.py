"""How far to trust a rate: the bootstrap over identities (chapter 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nbnet_lib.errors import NbnetError


def bootstrap_rate(
    accepted: np.ndarray,
    owners: Sequence[int] | np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile confidence interval (low, high) of the mean of ``accepted``.

    What is drawn again, with replacement, is *identities*, each with all of its comparisons, not
    single comparisons: the comparisons of one person share that person's face (an easy one passes
    them all), so they are not independent, and an interval that treats them so is too narrow. The
    question answered is: how much would the rate move with other people?

    The threshold behind ``accepted`` stays the one set on the original impostors; its own
    uncertainty is not in the interval.

    Args:
        accepted: bool [N], the decision of each comparison.
        owners: [N], the identity that each comparison belongs to.
        resamples: how often identities are drawn.
        seed: of the draw.
        confidence: 0.95 cuts 2.5 % off either end.

    Raises:
        NbnetError: no comparisons or lengths that differ, or a confidence outside (0, 1).
    """
    accepted, owners = np.asarray(accepted, dtype=np.float64), np.asarray(owners)
    if accepted.ndim != 1 or not len(accepted) or accepted.shape != owners.shape:
        raise NbnetError(
            f"{accepted.shape} decisions with {owners.shape} owners: give one owner each, "
            "and at least one"
        )
    if resamples < 1 or not 0 < confidence < 1:
        raise NbnetError(f"resamples={resamples} must be >= 1, confidence={confidence} in (0, 1)")
    _, who = np.unique(owners, return_inverse=True)
    passed = np.bincount(who, weights=accepted)  # per identity
    total = np.bincount(who).astype(np.float64)
    n = len(total)
    # Drawing n identities with replacement = how often each was drawn: one multinomial per row.
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    rates = (drawn @ passed) / (drawn @ total)
    tail = (1 - confidence) / 2
    low, high = np.quantile(rates, [tail, 1 - tail])
    return float(low), float(high)
