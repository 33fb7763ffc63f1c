"""Type-I and type-II: how often a reconstruction is accepted as the person (chapter 10).

Reference: Mai, Cao, Yuen, Jain, arXiv 1703.00832. The reconstruction made from the template of
picture j is given to the system anew:

- *type-I*: it is compared with picture j itself;
- *type-II*: it is compared with every other picture of the same person (called SAR in newer work).

The threshold comes from impostor comparisons of originals at the stated FAR, as in the attacked
system; reconstructions have no say in it. With R reconstructions per template the attacker has R
tries: a target falls when any of them is accepted. More tries help an attacker who knows nothing,
too, so the result then also says how often R pictures of other people get in (*zero effort*).

`compare_originals` measures the recogniser without an attack (chapter 2). Every attack on the same
pictures is measured against one `Originals`, so that all share thresholds and draws of people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.result import percent
from nbnet_lib.evaluate.scores import (
    Comparisons,
    Impostors,
    Templates,
    all_pairs,
    as_identities,
    as_templates,
    compare_pairs,
    count_pairs,
    pair_blocks,
    same_person_pairs,
    scores_of,
)
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import tar_at, threshold_at_far

if TYPE_CHECKING:
    import pandas as pd

ROWS = {
    "original": "original",
    "type1": "type-I",
    "type2": "type-II",
    "zero_effort": "zero effort",
}
# Names of the rates, and of the comparisons that they come from.
KINDS = {"original": "genuine", "type1": "type1", "type2": "type2"}
MAX_KEPT = 2000  # pictures: up to two million comparisons are kept
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Rate:
    """A true acceptance rate with its 95 % interval (None where none was asked for), 0 to 1.

    Attributes:
        tar: the rate.
        ci95: its interval.
        drawn: float64 [resamples], the rate in each draw of identities, so that a difference of two
            rates can be formed draw by draw; None where there is no interval.
    """

    tar: float
    ci95: tuple[float, float] | None
    drawn: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return it in percent: ``95.9 %  [94.6, 97.1]``."""
        text = f"{100 * self.tar:5.1f} %"
        if self.ci95 is None:
            return text
        return f"{text}  [{100 * self.ci95[0]:.1f}, {100 * self.ci95[1]:.1f}]"


@dataclass
class Originals:
    """What `compare_originals` measured.

    Attributes:
        templates: float32 [N, d], unit length.
        identities: int64 [N].
        part: int64, the rows that take part in a comparison.
        targets: int64 [T], the rows that are attacked (type-I).
        others: (int64 [M], int64 [M]), rows j and k of one person: type-II compares the
            reconstruction of j with k.
        genuine: comparisons of one person's pictures.
        impostor: comparisons of two persons' pictures, kept or (many, without intervals) counted.
        thresholds: {far: threshold}.
        given: whether the thresholds came from elsewhere.
        bootstrap: draws of identities; None where no intervals were asked for.
        drawn: {far: float64 [resamples]}, the threshold in each draw; [] where it was given.
    """

    templates: np.ndarray = field(repr=False)
    identities: np.ndarray = field(repr=False)
    part: np.ndarray = field(repr=False)
    targets: np.ndarray = field(repr=False)
    others: tuple[np.ndarray, np.ndarray] = field(repr=False)
    genuine: Comparisons = field(repr=False)
    impostor: Impostors = field(repr=False)
    thresholds: dict[float, float]
    given: bool
    bootstrap: IdentityBootstrap | None = field(repr=False)
    drawn: dict[float, np.ndarray] = field(repr=False)

    def has_interval(self, far: float) -> bool:
        """Whether there are impostors enough for a threshold at ``far``, and so for an interval.

        If not, the threshold is the largest impostor score, and no draw of these people can show
        how much higher that of other people may be.
        """
        enough = self.given or far * len(self.impostor) >= 1 - 1e-9
        return self.bootstrap is not None and enough

    def rate(self, positives: Comparisons, far: float) -> Rate:
        """Return the share of ``positives`` accepted at ``far``, and its interval if it has one."""
        share = tar_at(positives.scores, self.thresholds[far])
        if self.bootstrap is None or not self.has_interval(far):
            return Rate(share, None)
        drawn = self.bootstrap.tar_at(positives, self.drawn[far])
        accepted = positives.scores > np.float64(self.thresholds[far])
        ends = self.bootstrap.interval(drawn)
        return Rate(share, share_interval(accepted, positives.first, ends), drawn)


def compare_originals(
    templates: Templates,
    identities: Sequence[int] | np.ndarray,
    fars: Sequence[float] | None = None,
    pairs: Pairs | None = None,
    thresholds: Mapping[float, float] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    notes: list[str] | None = None,
) -> Originals:
    """Compare original pictures and set thresholds; arguments as in `attack.evaluate_attack`.

    People with a single picture take part as impostors and as type-I targets; type-II, which needs
    another picture, goes without them.

    Args:
        notes: where it is said that impostors or people are too few; without it these are warnings.

    Raises:
        NbnetError: bad templates, identities, FARs or pairs, or no genuine or impostor comparison.
    """
    x = as_templates(templates, "original templates")
    who = as_identities(identities, len(x))
    if fars is None:
        fars = (0.01, 0.001) if thresholds is None else tuple(thresholds)
    if not fars:
        raise NbnetError("no FAR given: name at least one, such as 0.001")
    if pairs is not None:
        first, second, same = _check_pairs(pairs, who)
        j, k = np.append(first[same], second[same]), np.append(second[same], first[same])
        targets, part = np.unique(j), np.unique(np.append(first, second))
        listed = Comparisons(compare_pairs(x, first, second), who[first], who[second])
        genuine: Comparisons = listed.select(same)
        impostor: Impostors = listed.select(~same)
        if not len(genuine) or not (len(impostor) or thresholds):
            raise NbnetError(
                f"{len(genuine)} genuine and {len(impostor)} impostor pairs in the list: add some"
            )
    else:
        j, k = same_person_pairs(who)
        targets = part = np.arange(len(x))
        if resamples or len(x) <= MAX_KEPT:
            genuine, impostor = all_pairs(x, who)
        else:  # without intervals nobody asks whom a score is between: it is enough to count
            genuine, impostor = count_pairs(x, who)
    if thresholds is None:
        chosen = {far: threshold_at_far(scores_of(impostor), far, notes) for far in fars}
    else:
        chosen = {far: float(thresholds[far]) for far in fars}
    bootstrap, drawn = None, {}
    if resamples:
        bootstrap = IdentityBootstrap(who[part], resamples, seed, notes)
        for far in fars:
            # Thresholds set elsewhere stay; the impostors are kept, as there are resamples.
            drawn[far] = np.asarray(chosen[far])
            if thresholds is None and isinstance(impostor, Comparisons):
                drawn[far] = bootstrap.threshold(impostor, far)
    return Originals(
        templates=x,
        identities=who,
        part=part,
        targets=targets,
        others=(j, k),
        genuine=genuine,
        impostor=impostor,
        thresholds=chosen,
        given=thresholds is not None,
        bootstrap=bootstrap,
        drawn=drawn,
    )


def _check_pairs(pairs: Pairs, who: np.ndarray) -> Pairs:
    """Return (int64 [P], int64 [P], bool [P])."""
    first, second = (np.asarray(side, np.int64) for side in pairs[:2])
    same = np.asarray(pairs[2], bool)
    wrong = np.flatnonzero((first == second) | (same != (who[first] == who[second])))
    if len(wrong):
        i = wrong[0]
        raise NbnetError(
            f"pair {i} is rows {first[i]} and {second[i]} of identities {who[first[i]]} and "
            f"{who[second[i]]} with same={same[i]}: give two pictures, and say the same as the "
            "identities"
        )
    return first, second, same


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
