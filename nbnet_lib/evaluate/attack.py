"""Type-I and type-II: how often a reconstruction is accepted as the person (chapter 10).

Reference: Mai, Cao, Yuen, Jain, arXiv 1703.00832. The reconstruction made from the template of
picture j is given to the system anew:

- *type-I*: it is compared with picture j itself;
- *type-II*: it is compared with every other picture of the same person (called SAR in newer work).

The threshold comes from impostor comparisons of originals at the stated FAR, as in the attacked
system; reconstructions have no say in it. With R reconstructions per template the attacker has R
tries: a target falls when any of them is accepted. More tries help an attacker who knows nothing,
too, so the result then also says how often R pictures of other people get in (*zero effort*).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.originals import Originals, Pairs, Rate, compare_originals
from nbnet_lib.evaluate.result import percent
from nbnet_lib.evaluate.scores import (
    Comparisons,
    Impostors,
    Templates,
    as_templates,
    compare_pairs,
    pair_blocks,
    scores_of,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AttackResult",
    "Originals",
    "Rate",
    "attack_originals",
    "compare_originals",
    "evaluate_attack",
]

ROWS = {
    "original": "original",
    "type1": "type-I",
    "type2": "type-II",
    "zero_effort": "zero effort",
}
# Names of the rates, and of the comparisons that they come from.
KINDS = {"original": "genuine", "type1": "type1", "type2": "type2"}


@dataclass
class AttackResult:
    """What `evaluate_attack` measured.

    Attributes:
        decoder: name of the decoder.
        thresholds: {far: threshold}.
        rates: {far: {"original" | "type1" | "type2": Rate}}, and "zero_effort" with R > 1 tries.
        comparisons: {"genuine" | "impostor" | "type1" | "type2": Comparisons}; the score of an
            attack is the best of its tries. Impostors that were only counted are not among them.
        impostor: the impostor comparisons, kept or counted.
        pictures: {identity: how many pictures of it take part}.
        tries: R, reconstructions per template.
        thresholds_given: whether the thresholds were set elsewhere and so stay in each resample.
    """

    decoder: str
    thresholds: dict[float, float]
    rates: dict[float, dict[str, Rate]]
    comparisons: dict[str, Comparisons] = field(repr=False)
    impostor: Impostors = field(repr=False)
    pictures: dict[int, int] = field(repr=False)
    tries: int = 1
    thresholds_given: bool = False

    @property
    def identities(self) -> int:
        """How many persons take part."""
        return len(self.pictures)

    @property
    def scores(self) -> dict[str, Any]:
        """{"genuine" | "impostor" | "type1" | "type2": float32 [n]}, for plots.

        Impostors that were only counted are a `ScoreHistogram`, which plots take as well.
        """
        kept = {name: compared.scores for name, compared in self.comparisons.items()}
        return {**kept, "impostor": scores_of(self.impostor)}

    @property
    def owners(self) -> dict[str, np.ndarray]:
        """{"genuine" | "type1" | "type2": int64 [n]}: whom each score of `scores` belongs to.

        Impostor scores belong to two persons: see ``comparisons["impostor"]``.
        """
        return {name: self.comparisons[name].first for name in KINDS.values()}

    def table(self) -> pd.DataFrame:
        """Return the rates laid out for printing: original, type-I, type-II x FAR."""
        import pandas as pd  # slow to import, and the JSON does without

        return pd.DataFrame(
            {
                f"TAR @ FAR {percent(far)}": {ROWS[name]: str(rate) for name, rate in rates.items()}
                for far, rates in self.rates.items()
            }
        )

    def per_identity(self, far: float) -> pd.DataFrame:
        """Return one row per person: identity, pictures, and the rates original, type1, type2.

        A rate is NaN where the person has no comparison of that kind (in a list of pairs).
        """
        import pandas as pd

        threshold = self.threshold(far)
        frame = pd.DataFrame(
            {"identity": list(self.pictures), "pictures": list(self.pictures.values())}
        )
        for name, kind in KINDS.items():
            compared = self.comparisons[kind]
            rate = pd.Series(compared.scores > threshold).groupby(compared.first).mean()
            frame[name] = frame["identity"].map(rate).astype(float)
        return frame

    def threshold(self, far: float) -> float:
        """Return the threshold at ``far``.

        Raises:
            NbnetError: a FAR that was not measured.
        """
        if far not in self.thresholds:
            known = ", ".join(f"{f:g}" for f in self.thresholds)
            raise NbnetError(f"FAR {far:g} was not measured: choose one of {known}")
        return self.thresholds[far]


def evaluate_attack(
    originals: Templates,
    identities: Sequence[int] | np.ndarray,
    reconstructed: Templates,
    fars: Sequence[float] | None = None,
    seed: int = 0,
    resamples: int = 1000,
    decoder: str = "",
    pairs: Pairs | None = None,
    thresholds: Mapping[float, float] | None = None,
) -> AttackResult:
    """Measure type-I and type-II acceptance beside that of the originals.

    Intervals come from the bootstrap over identities (see `IdentityBootstrap`); in each draw the
    threshold is estimated anew, unless it was given.

    Args:
        originals: float32 [N, d], templates of the original pictures.
        identities: [N], who is on each picture; at least two persons, and one with two pictures.
            People with a single picture take part in type-I and as impostors, not in type-II.
        reconstructed: float32 [N, d], row j: the template that the *same* encoder extracts from
            the picture reconstructed from originals[j]; or [R, N, d] for R reconstructions of each.
            The score of an attack is then the highest of its R (arXiv 1703.00832v1 made three).
        fars: false acceptance rates that set the thresholds; 1 % and 0.1 % by default.
        seed: of the bootstrap.
        resamples: of the bootstrap; 0 for no intervals.
        decoder: name for the report.
        pairs: (first, second, same): int rows [P], int rows [P] and bool [P], the comparisons of
            originals to make instead of all. Type-I is then measured on every picture that occurs
            in a genuine pair, type-II on each genuine pair in both directions.
        thresholds: {far: threshold} set elsewhere, such as on other folds of a list.

    Raises:
        NbnetError: lengths that differ, NaN, nobody with two pictures, a bad FAR, pairs that
            contradict ``identities``.
    """
    compared = compare_originals(originals, identities, fars, pairs, thresholds, resamples, seed)
    return attack_originals(compared, reconstructed, decoder)


def attack_originals(
    originals: Originals, reconstructed: Templates, decoder: str = ""
) -> AttackResult:
    """Measure one attack on pictures whose comparisons and thresholds are there already.

    Args:
        originals: from `compare_originals`.
        reconstructed: float32 [N, d] or [R, N, d], see `evaluate_attack`.
        decoder: name for the report.
    """
    x, who, targets = originals.templates, originals.identities, originals.targets
    j, k = originals.others
    y = _as_tries(reconstructed, x.shape)
    comparisons = {
        "genuine": originals.genuine,
        "type1": Comparisons(_best(y, targets, x, targets), who[targets], who[targets]),
        "type2": Comparisons(_best(y, j, x, k), who[j], who[k]),
    }
    if isinstance(originals.impostor, Comparisons):
        comparisons["impostor"] = originals.impostor
    rates = {
        far: {name: originals.rate(comparisons[kind], far) for name, kind in KINDS.items()}
        for far in originals.thresholds
    }
    if len(y) > 1:
        for far, by_kind in rates.items():
            by_kind["zero_effort"] = zero_effort(originals, len(y), far)
    persons, pictures = np.unique(who[originals.part], return_counts=True)
    return AttackResult(
        decoder=decoder,
        thresholds=dict(originals.thresholds),
        rates=rates,
        comparisons=comparisons,
        impostor=originals.impostor,
        pictures=dict(zip(persons.tolist(), pictures.tolist(), strict=True)),
        tries=len(y),
        thresholds_given=originals.given,
    )


def zero_effort(originals: Originals, tries: int, far: float) -> Rate:
    """Return how often a target falls to ``tries`` pictures of other people drawn at random.

    A target that accepts the share p of all pictures of other people falls with probability
    1 - (1 - p)^tries; the rate is the mean over targets. With one try it would be about the FAR.
    The threshold stays in each draw: set anew, it would hold the baseline at its FAR by definition.
    """
    part = originals.part
    x, who = originals.templates[part], originals.identities[part]
    target = np.isin(part, originals.targets)
    j, k = _impostors_above(x, who, originals.thresholds[far])
    persons, index = np.unique(who, return_inverse=True)
    n = len(who)

    def accepted_rate(weights: np.ndarray) -> float:
        """Return the rate with each person there ``weights`` times, int [I]."""
        times = weights[index]  # [N]
        accepted = np.bincount(j, times[k], n) + np.bincount(k, times[j], n)
        others = times.sum() - np.bincount(index, times, len(weights))[index]
        there = target & (times > 0) & (others > 0)
        if not there.any():
            return np.nan
        fall = 1 - (1 - accepted[there] / others[there]) ** tries
        return float(np.average(fall, weights=times[there]))

    rate, draws = accepted_rate(np.ones(len(persons), np.int32)), originals.bootstrap
    if draws is None:
        return Rate(rate, None)
    # The identities that are drawn are those of ``part``, in the same order.
    drawn = np.array([accepted_rate(weights) for weights in draws.weights])
    return Rate(rate, draws.interval(drawn))


def _impostors_above(
    x: np.ndarray, who: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (j, k) of the impostor pairs above ``threshold``, each pair once."""
    first, second = [], []
    for start, score, _, other in pair_blocks(x, who):
        j, k = np.nonzero(other & (score > threshold))
        first.append(start + j)
        second.append(start + k)
    return np.concatenate(first), np.concatenate(second)


def _best(tries: np.ndarray, j: np.ndarray, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return float32 [P]: the best score of the reconstructions j against the originals k."""
    best = compare_pairs(tries[0], j, k, other=x)
    for templates in tries[1:]:
        np.maximum(best, compare_pairs(templates, j, k, other=x), out=best)
    return best


def _as_tries(reconstructed: Templates, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 [R, N, d], unit length."""
    array = reconstructed if isinstance(reconstructed, Tensor) else np.asarray(reconstructed)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not len(array) or tuple(array.shape[1:]) != shape:
        raise NbnetError(
            f"originals have shape {shape} but reconstructed templates "
            f"{np.shape(reconstructed)}: give the template of the reconstruction of each original, "
            "in the same order ([R, N, d] with R reconstructions of each)"
        )
    return np.stack([as_templates(part, "reconstructed templates") for part in array])
