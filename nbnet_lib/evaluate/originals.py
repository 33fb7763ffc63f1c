"""The recogniser without an attack: comparisons of originals, and the thresholds that they set.

Every attack on the same pictures is measured against one `Originals`, so that all share thresholds
and draws of people. Introduced in chapter 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.scores import (
    Comparisons,
    Impostors,
    Templates,
    all_pairs,
    as_identities,
    as_templates,
    compare_pairs,
    count_pairs,
    same_person_pairs,
    scores_of,
)
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import tar_at, threshold_at_far

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
        drawn: {far: float64 [resamples]}, the threshold in each draw.
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
    fars = _operating_points(fars, thresholds)
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
            if thresholds is not None:
                drawn[far] = np.full(resamples, chosen[far])
            else:
                assert isinstance(impostor, Comparisons)  # kept, as there are resamples
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


def _operating_points(
    fars: Sequence[float] | None, thresholds: Mapping[float, float] | None
) -> tuple[float, ...]:
    if fars is None:
        fars = (0.01, 0.001) if thresholds is None else tuple(thresholds)
    if not fars:
        raise NbnetError("no FAR given: name at least one, such as 0.001")
    for far in fars if thresholds is not None else ():
        if np.isnan(thresholds.get(far, np.nan)):  # type: ignore[union-attr]
            raise NbnetError(f"thresholds hold no number for FAR {far:g}: give one for each FAR")
    return tuple(fars)


def _check_pairs(pairs: Pairs, who: np.ndarray) -> Pairs:
    """Return (int64 [P], int64 [P], bool [P]); NumPy would take other types and rows, too."""
    first, second, same = (np.asarray(part) for part in pairs)
    rows = np.append(first, second)
    if (
        not first.shape == second.shape == same.shape == (len(first),)
        or not len(first)
        or (rows.dtype.kind not in "iu" or same.dtype != bool)
        or (rows.min() < 0 or rows.max() >= len(who))
    ):
        raise NbnetError(
            f"pairs are {first.dtype} {first.shape}, {second.dtype} {second.shape}, {same.dtype} "
            f"{same.shape}: give (first, second, same), rows 0 to {len(who) - 1} and booleans"
        )
    wrong = np.flatnonzero((first == second) | (same != (who[first] == who[second])))
    if len(wrong):
        a, b = first[wrong[0]], second[wrong[0]]
        raise NbnetError(
            f"pair {wrong[0]} is rows {a} and {b} of identities {who[a]} and {who[b]} with "
            f"same={same[wrong[0]]}: give two pictures, and say the same as the identities"
        )
    return first.astype(np.int64), second.astype(np.int64), same
