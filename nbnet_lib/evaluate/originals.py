"""The recogniser without an attack: comparisons of originals, and the thresholds that they set.

Every attack on the same pictures is measured against one `Originals`, so that all share thresholds
and draws of people. Introduced in chapter 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.attack_result import Rate
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.comparisons import Comparisons, Impostors, scores_of
from nbnet_lib.evaluate.scores import (
    Templates,
    all_pairs,
    as_identities,
    as_templates,
    compare_pairs,
    count_pairs,
    same_person_pairs,
)
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import tar_at, threshold_at_far

FEW = 2000  # pictures: up to two million comparisons are kept
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Originals:
    """What `compare_originals` found.

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

    def shown(self, far: float) -> bool:
        """Whether there are impostors enough for a threshold at ``far``.

        If not, the threshold is the largest impostor score, and no draw of these people can show
        how much higher that of other people may be: there is no interval.
        """
        return self.given or far * len(self.impostor) >= 1 - 1e-9

    def rate(self, positives: Comparisons, far: float) -> Rate:
        """Return the share of ``positives`` accepted at ``far``, and its interval if it has one."""
        share = tar_at(positives.scores, self.thresholds[far])
        if self.bootstrap is None or not self.shown(far):
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
) -> Originals:
    """Compare original pictures and set thresholds; arguments as in `attack.evaluate_attack`.

    People with a single picture take part as impostors and as type-I targets; type-II, which needs
    another picture, goes without them.

    Raises:
        NbnetError: bad templates, identities, FARs or pairs, or no genuine or impostor comparison.
    """
    x = as_templates(templates, "original templates")
    who = as_identities(identities, len(x))
    at, given = _operating_points(fars, thresholds)
    if pairs is None:
        j, k = same_person_pairs(who)
        target = part = np.arange(len(x))
        genuine: Comparisons
        impostor: Impostors
        if resamples or len(x) <= FEW:
            genuine, impostor = all_pairs(x, who)
        else:  # without intervals nobody asks whom a score is between: it is enough to count
            genuine, impostor = count_pairs(x, who)
    else:
        first, second, same = _check_pairs(pairs, who)
        j, k = np.append(first[same], second[same]), np.append(second[same], first[same])
        target, part = np.unique(j), np.unique(np.append(first, second))
        listed = Comparisons(compare_pairs(x, first, second), who[first], who[second])
        genuine, impostor = listed.select(same), listed.select(~same)
        if not len(genuine):
            raise NbnetError("no genuine pair in the list: add pairs of one person")
        if not len(impostor) and given is None:
            raise NbnetError("no impostor pair in the list: add some, or give thresholds")
    if given is None:
        chosen = {far: threshold_at_far(scores_of(impostor), far) for far in at}
    else:
        chosen = {far: float(given[far]) for far in at}
    bootstrap = IdentityBootstrap(who[part], resamples, seed) if resamples else None
    drawn: dict[float, np.ndarray] = {}
    if bootstrap is not None:
        for far in at:
            if given is not None:
                drawn[far] = np.full(resamples, chosen[far])
            else:
                assert isinstance(impostor, Comparisons)  # kept, as there are resamples
                drawn[far] = bootstrap.threshold(impostor, far)
    return Originals(
        templates=x,
        identities=who,
        part=part,
        targets=target,
        others=(j, k),
        genuine=genuine,
        impostor=impostor,
        thresholds=chosen,
        given=given is not None,
        bootstrap=bootstrap,
        drawn=drawn,
    )


def _operating_points(
    fars: Sequence[float] | None, thresholds: Mapping[float, float] | None
) -> tuple[tuple[float, ...], Mapping[float, float] | None]:
    """Return (FARs, thresholds given or None)."""
    if fars is None:
        fars = (0.01, 0.001) if thresholds is None else tuple(thresholds)
    if not fars:
        raise NbnetError("no FAR given: name at least one, such as 0.001")
    for far in fars if thresholds is not None else ():
        if far not in thresholds or np.isnan(thresholds[far]):  # type: ignore[operator, index]
            raise NbnetError(f"thresholds hold no number for FAR {far:g}: give one for each FAR")
    return tuple(fars), thresholds


def _check_pairs(pairs: Pairs, who: np.ndarray) -> Pairs:
    """Return (int64 [P], int64 [P], bool [P])."""
    first, second, same = (np.asarray(part) for part in pairs)
    if not (first.shape == second.shape == same.shape) or first.ndim != 1 or not len(first):
        raise NbnetError(
            f"pairs have shapes {first.shape}, {second.shape}, {same.shape}: "
            "give (first, second, same), three lists of one length"
        )
    rows = np.append(first, second)
    if not np.issubdtype(rows.dtype, np.integer) or same.dtype != bool:
        raise NbnetError(
            f"pairs are {first.dtype}, {second.dtype}, {same.dtype}: give rows and booleans"
        )
    if rows.min() < 0 or rows.max() >= len(who):
        raise NbnetError(
            f"pairs name rows {rows.min()} to {rows.max()}: there are rows 0 to {len(who) - 1}"
        )
    bad = np.flatnonzero((first == second) | (same != (who[first] == who[second])))
    if len(bad):
        a, b, told = first[bad[0]], second[bad[0]], same[bad[0]]
        raise NbnetError(
            f"pair {bad[0]} is rows {a} and {b} of identities {who[a]} and {who[b]} with "
            f"same={told}: give two pictures, and say the same as the identities"
        )
    return first.astype(np.int64), second.astype(np.int64), same
