"""How far to trust a rate: the bootstrap over identities.

Comparisons are not independent: those of one person share that person's face, and each picture
takes part in many. So what the bootstrap draws anew is *identities*, each with all of its
comparisons ("subsets bootstrap": Bolle, Ratha, Pankanti, "Error analysis of pattern recognition
systems - the subsets bootstrap", CVIU 2004). An impostor comparison belongs to two persons and is
counted as often as both were drawn together (the "pigeonhole bootstrap": Owen, Annals of Applied
Statistics 2007). The question answered is: how much would the number move with other people?

For independent trials, such as one comparison per person, there are `wilson_interval` and
`exact_interval` (binomial.py). Introduced in chapter 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nbnet_lib.errors import NbnetError, note_or_warn
from nbnet_lib.evaluate.scores import Comparisons
from nbnet_lib.evaluate.verification import allowed_false_accepts, check_far

_DEGENERATE = 0.05  # above this share of draws without any comparison, `interval` says so


class IdentityBootstrap:
    """Draws identities with replacement, and says what a number becomes in each draw.

    All methods that return float64 [R] use the same R draws, so two numbers from one object are
    *paired*: their difference in each draw is the difference for the same people.

    A draw in which a number cannot be formed (no genuine comparison, or no two persons between whom
    there is an impostor comparison) gives NaN there. `interval` leaves these out and says so when
    they are more than 5 %: then there are too few people for an interval.

    Args:
        identities: whole numbers, who can be drawn; repeated ones count once, so the identity of
            every picture will do. Somebody without a comparison may be among them.
        resamples: R, how often identities are drawn.
        seed: of the draw.
        notes: where `interval` says that people are too few; without it that is a warning.

    Attributes:
        identities: int64 [I], sorted, each once.
        weights: int32 [R, I], how often each was drawn; every row sums to I.
    """

    def __init__(
        self,
        identities: Sequence[int] | np.ndarray,
        resamples: int = 1000,
        seed: int = 0,
        notes: list[str] | None = None,
    ) -> None:
        who = np.asarray(identities)
        if who.ndim != 1 or not len(who) or not np.issubdtype(who.dtype, np.integer):
            raise NbnetError(
                f"identities are {who.dtype} of shape {who.shape}: give a list of whole numbers"
            )
        if resamples < 1:
            raise NbnetError(f"resamples={resamples} must be >= 1")
        self.identities: np.ndarray = np.unique(who.astype(np.int64))
        n = len(self.identities)
        # Drawing n identities with replacement = how often each was drawn: one multinomial per row.
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        self.weights: np.ndarray = drawn.astype(np.int32)
        # With a column of ones, number n: the other side of what counts once, whoever is drawn.
        self._padded = np.append(self.weights, np.ones((resamples, 1), np.int32), axis=1)
        self._notes = notes
        self._prepared: tuple[Comparisons, _Impostors] | None = None

    def index(self, owners: np.ndarray) -> np.ndarray:
        """Return int64 [N]: where each owner stands in ``identities``."""
        owners = np.asarray(owners)
        at = np.searchsorted(self.identities, owners)
        known = self.identities[np.minimum(at, len(self.identities) - 1)] == owners
        if not known.all():
            raise NbnetError(
                f"identity {owners[int(np.argmin(known))]} has comparisons but is not one of the "
                f"{len(self.identities)} to draw from: give the identities of all comparisons"
            )
        return at

    def rate(self, accepted: np.ndarray, owners: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the mean of ``accepted`` in each draw, float64 [R].

        Args:
            accepted: bool or finite numbers [N]; decisions, or any value of single pictures.
            owners: [N], the identity that each belongs to.
        """
        values = np.asarray(accepted, dtype=np.float64)
        if not np.isfinite(values).all():
            bad = int(np.isfinite(values).argmin())
            raise NbnetError(f"value {bad} is {values[bad]}: a mean needs finite numbers")
        who, n = self.index(np.asarray(owners)), len(self.identities)
        passed = np.bincount(who, weights=values, minlength=n)  # per identity
        total = np.bincount(who, minlength=n).astype(np.float64)
        return _ratio(self.weights @ passed, self.weights @ total)

    def threshold(self, impostor: Comparisons, far: float) -> np.ndarray:
        """Return the threshold at ``far`` in each draw, float64 [R].

        The impostor comparison of persons a and b is there w_a x w_b times when they were drawn w_a
        and w_b times; among these the threshold is that of `threshold_at_far`. A draw with fewer
        than 1 / far comparisons gives its largest impostor score.
        """
        check_far(far)
        return self._find_thresholds(self._prepare(impostor), far)

    def probe_threshold(self, scores: np.ndarray, owners: np.ndarray, far: float) -> np.ndarray:
        """Return the open set's threshold at ``far`` in each draw, float64 [R]; NaN without probes.

        Args:
            scores: float [N], the highest score of each non-mated probe with the gallery, which
                stays: the probe of person a is there w_a times.
            owners: int [N], who is on these probes.
            far: share of these probes that may be accepted (FPIR).
        """
        n, first = len(self.identities), self.index(owners)
        totals = self.weights @ np.bincount(first, minlength=n).astype(np.float64)
        probes = _Impostors(scores, first, np.full(len(first), n), totals)
        return self._find_thresholds(probes, far)

    def tar(self, positives: Comparisons, impostor: Comparisons, far: float) -> np.ndarray:
        """Return the share of ``positives`` accepted at ``far`` in each draw, float64 [R].

        The threshold is estimated anew in each draw, so what the interval holds is the uncertainty
        of both the people who are accepted and the people who set the threshold.
        """
        return self.tar_at(positives, self.threshold(impostor, far))

    def tar_at(self, positives: Comparisons, thresholds: np.ndarray | float) -> np.ndarray:
        """Return the share of ``positives`` above the threshold of each draw, float64 [R].

        A comparison of person a with herself, or with a reconstruction of her, counts w_a times.

        Args:
            positives: comparisons with the same identity on both sides.
            thresholds: float64 [R], one per draw (NaN gives NaN), or one for all.
        """
        _check(positives, "positive", same=True)
        draws = len(self.weights)
        limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), (draws,))
        who = self.index(positives.first)
        order = np.lexsort((positives.scores, who))
        scores = positives.scores[order].astype(np.float64)
        owners, starts = np.unique(who[order], return_index=True)
        accepted, total = np.zeros(draws), np.zeros(draws)
        for owner, rising in zip(owners, np.split(scores, starts[1:]), strict=True):
            above = len(rising) - np.searchsorted(rising, limits, side="right")
            accepted += self.weights[:, owner] * above
            total += self.weights[:, owner] * float(len(rising))
        return np.where(np.isnan(limits), np.nan, _ratio(accepted, total))

    def far_at(self, impostor: Comparisons, thresholds: np.ndarray | float) -> np.ndarray:
        """Return the share of impostor comparisons above each draw's threshold, float64 [R].

        The comparison of persons a and b counts w_a x w_b times.

        Args:
            impostor: comparisons with different identities on the two sides.
            thresholds: float64 [R], one per draw (NaN gives NaN), or one for all.
        """
        prepared = self._prepare(impostor)
        limits = np.broadcast_to(np.asarray(thresholds, np.float64), (len(self.weights),))
        order = np.argsort(-impostor.scores, kind="stable")
        falling = -impostor.scores[order].astype(np.float64)
        above = np.searchsorted(falling, -limits, side="left")
        first, second = prepared.first[order], prepared.second[order]
        accepted = np.array(
            [float(w[first[:n]] @ w[second[:n]]) for w, n in zip(self.weights, above, strict=True)]
        )
        return np.where(np.isnan(limits), np.nan, _ratio(accepted, prepared.totals))

    def pair_sums(self, first: np.ndarray, second: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the sum of values of pairs of people in each draw, float64 [R].

        Args:
            first: int [n], the identity on one side.
            second: int [n], on the other.
            values: [n]; that of persons a and b counts w_a x w_b times.
        """
        n = len(self.identities)
        cells = self.index(first) * n + self.index(second)
        table = np.bincount(cells, np.asarray(values, np.float64), n * n).reshape(n, n)
        weights = self.weights.astype(np.float64)
        return ((weights @ table) * weights).sum(1)

    def eer(self, genuine: Comparisons, impostor: Comparisons) -> np.ndarray:
        """Return the equal error rate in each draw, float64 [R], as in `verification.eer`."""
        _check(genuine, "genuine", same=True)
        prepared = self._prepare(impostor)
        n = len(self.identities)
        mated = self.index(genuine.first)
        scores = np.concatenate([genuine.scores, impostor.scores]).astype(np.float64)
        order = np.argsort(-scores, kind="stable")
        # Each comparison counts w_a x w_b; a genuine one has the constant 1, in column n, for w_b.
        a = np.concatenate([mated, prepared.first])[order]
        b = np.concatenate([np.full(len(mated), n), prepared.second])[order]
        is_impostor = order >= len(mated)
        # The points of the ROC lie between groups of equal scores.
        last = np.append(np.diff(scores[order]) != 0, True)
        weights = self._padded
        totals = self.weights @ np.bincount(mated, minlength=n).astype(np.float64)
        result = np.full(len(weights), np.nan)
        pending = np.flatnonzero((totals > 0) & (prepared.totals > 0))
        length = min(len(order), len(order) // 16 + 1000)
        while len(pending):
            head = slice(0, length)
            ends = np.flatnonzero(last[head])
            for r in pending:
                count = weights[r][a[head]] * weights[r][b[head]]
                false = np.cumsum(count * is_impostor[head], dtype=np.int64)[ends]
                true = np.cumsum(count * ~is_impostor[head], dtype=np.int64)[ends]
                result[r] = _crossing(false / prepared.totals[r], true / totals[r])
            pending = pending[np.isnan(result[pending])] if length < len(order) else pending[:0]
            length = min(len(order), 2 * length)
        return result

    def interval(self, samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
        """Return the percentile interval (low, high) of what another method returned.

        When every person passes (or none), so does every draw, and the interval shrinks to a point:
        that says nothing of people not seen; give `exact_interval` of the number of persons then.
        """
        samples = np.asarray(samples, dtype=np.float64)
        known = samples[~np.isnan(samples)]
        if not len(known):
            raise NbnetError(
                f"none of {len(samples)} resamples holds both kinds of comparison: "
                "give more identities"
            )
        if len(known) < (1 - _DEGENERATE) * len(samples):
            note_or_warn(
                f"{len(samples) - len(known)} of {len(samples)} resamples of "
                f"{len(self.identities)} identities hold no comparison of some kind and are left "
                "out: there are too few people for a trustworthy interval",
                self._notes,
            )
        ends = [(1 - confidence) / 2, (1 + confidence) / 2]
        if np.isfinite(known).all():
            low, high = np.quantile(known, ends)
        else:  # a straight line to infinity has no value between
            low, high = np.quantile(known, ends, method="nearest")
        return float(low), float(high)

    def _prepare(self, impostor: Comparisons) -> _Impostors:
        """Return what all draws need of the impostors; kept, as one set serves many calls."""
        if self._prepared is None or self._prepared[0] is not impostor:
            from scipy.sparse import coo_array

            _check(impostor, "impostor", same=False)
            first, second = self.index(impostor.first), self.index(impostor.second)
            # How many comparisons each draw holds: the sum of w_a x w_b.
            n = len(self.identities)
            between = coo_array((np.ones(len(first)), (first, second)), shape=(n, n)).tocsr()
            totals = np.einsum("ir,ri->r", between @ self.weights.T, self.weights)
            self._prepared = impostor, _Impostors(impostor.scores, first, second, totals)
        return self._prepared[1]

    def _find_thresholds(self, impostor: _Impostors, far: float) -> np.ndarray:
        scores = impostor.scores
        allowed = allowed_false_accepts(far, impostor.totals)
        result = np.full(len(self.weights), np.nan)
        pending = np.flatnonzero(impostor.totals > 0)
        # Only the highest scores matter. How many depends on the draw: begin with twice the mean.
        length = min(len(scores), int(2 * far * len(scores)) + 1000)
        while len(pending):
            top = np.argpartition(scores, len(scores) - length)[len(scores) - length :]
            top = top[np.argsort(-scores[top], kind="stable")]
            a, b = impostor.first[top], impostor.second[top]
            for r in pending:
                count = np.cumsum(self._padded[r][a] * self._padded[r][b], dtype=np.int64)
                at = np.searchsorted(count, allowed[r], side="right")  # the (allowed + 1)-th
                if at < length:
                    result[r] = scores[top[at]]
            pending = pending[np.isnan(result[pending])] if length < len(scores) else pending[:0]
            length = min(len(scores), 2 * length)
        return result


@dataclass
class _Impostors:
    """Impostor comparisons as one `IdentityBootstrap` sees them: people by their place in it."""

    scores: np.ndarray
    first: np.ndarray
    second: np.ndarray
    totals: np.ndarray  # float64 [R], how many each draw holds


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
    them all), so they are not independent, and an interval that treats them so is too narrow.

    The threshold behind ``accepted`` stays the one set on the original impostors; its own
    uncertainty is not in the interval. `IdentityBootstrap.tar` has it.

    Args:
        accepted: bool [N], the decision of each comparison.
        owners: [N], the identity that each comparison belongs to.
        resamples: how often identities are drawn.
        seed: of the draw.
        confidence: 0.95 cuts 2.5 % off either end.

    Raises:
        NbnetError: no comparisons or lengths that differ.
    """
    _, who = np.unique(np.asarray(owners), return_inverse=True)  # names will do as well
    bootstrap = IdentityBootstrap(who if len(who) else [0], resamples, seed)
    return bootstrap.interval(bootstrap.rate(accepted, who), confidence)


def _ratio(share: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(share, total, out=np.full(len(share), np.nan), where=total > 0)


def _crossing(far: np.ndarray, tar: np.ndarray) -> float:
    """Return where FAR meets 1 - TAR on the ROC from (0, 0); NaN if it ends before."""
    gap = far + tar - 1
    after = int(np.searchsorted(gap, -1e-12))  # 1 - 0.9 and 0.1 may differ in the last digit
    if after == len(gap):
        return np.nan
    far0, gap0 = (far[after - 1], gap[after - 1]) if after else (0.0, -1.0)
    return float(far0 - gap0 / (gap[after] - gap0) * (far[after] - far0))


def _check(comparisons: Comparisons, what: str, same: bool) -> None:
    if not len(comparisons):
        raise NbnetError(f"no {what} comparison: give at least one")
    wrong = (comparisons.first == comparisons.second) != same
    if wrong.any():
        raise NbnetError(
            f"{what} comparison {int(wrong.argmax())} is between "
            f"{'two persons' if same else 'pictures of one person'}: give the other kind"
        )
