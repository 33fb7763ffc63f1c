"""Identification in one trial: originals, then reconstructions, looked for in the gallery."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nbnet_lib.errors import NbnetWarning
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.identification import Identification, search
from nbnet_lib.evaluate.result import ORIGINAL, Measure
from nbnet_lib.evaluate.scores import Comparisons
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import threshold_at_far

RANKS = (1, 5)
LONGEST_CMC = 100
# Below so many false acceptances a threshold hangs on a handful of comparisons.
FEW_FALSE_ACCEPTS = 10
_DRAWS_AT_ONCE = 100


@dataclass
class Searches:
    """What `identify` found: measures, and {(attack, probe set): CMC, float64 [ranks]}."""

    measures: list[Measure] = field(default_factory=list)
    cmc: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def identify(
    gallery: np.ndarray,
    probes: Mapping[str, np.ndarray],
    templates: np.ndarray,
    identities: np.ndarray,
    attacks: Mapping[str, np.ndarray],
    fars: Sequence[float],
    seed: int,
    resamples: int,
) -> Searches:
    """Look for originals, then for reconstructions, in the gallery of originals.

    The open-set threshold comes from original probes that have no mate in the gallery
    ("strangers"), for attacks, too; in each draw of people it is set anew. The gallery stays.

    Args:
        gallery: rows of ``templates``.
        probes: {probe set: rows of ``templates``}.
        templates: float32 [N, d], unit length.
        identities: int64 [N].
        attacks: {name: float32 [R, N, d]}; those with one try are searched (several tries have no
            one list of candidates).
        fars: that open-set thresholds are set for.
        seed: of the bootstrap.
        resamples: of the bootstrap; 0 for no intervals.

    Warns:
        NbnetWarning: too few strangers for a FAR, which then has no DIR, or for a firm threshold.
    """

    def look_up(found: np.ndarray, rows: np.ndarray) -> Identification:
        return search(found[rows], identities[rows], templates[gallery], identities[gallery])

    result = Searches()
    originals = {name: look_up(templates, rows) for name, rows in probes.items()}
    everybody = np.concatenate([identities[rows] for rows in probes.values()])
    draws = IdentityBootstrap(everybody, resamples, seed) if resamples else None
    thresholds = _OpenSet(originals, fars, draws)
    for name, rows in probes.items():
        if not originals[name].mated.any():
            continue
        searches = {}
        # A picture against itself is always found: only its reconstruction is a question.
        if not np.isin(rows, gallery).any():
            searches[ORIGINAL] = originals[name]
        for attack, made in attacks.items():
            if len(made) == 1:
                searches[attack] = look_up(made[0], rows)
        subjects = len(np.unique(identities[gallery]))
        for attack, searched in searches.items():
            result.cmc[(attack, name)] = searched.cmc(min(subjects, LONGEST_CMC))
            result.measures += _rates(attack, name, searched, subjects, thresholds, draws)
    return result


class _OpenSet:
    """Thresholds that strangers set, and those of each draw of people."""

    def __init__(
        self,
        searched: Mapping[str, Identification],
        fars: Sequence[float],
        draws: IdentityBootstrap | None,
    ) -> None:
        score = np.concatenate([s.top_score[~s.mated] for s in searched.values()])
        who = np.concatenate([s.probe_identities[~s.mated] for s in searched.values()])
        self.thresholds: dict[float, float] = {}
        self.drawn: dict[float, np.ndarray] = {}
        for far in fars if len(score) else ():
            if far * len(score) < 1 - 1e-9:
                warnings.warn(
                    f"no DIR at FAR {far:g}: {len(score):,} probes of people outside the gallery "
                    f"cannot show it, at least {math.ceil(1 / far - 1e-9):,} are needed",
                    NbnetWarning,
                    stacklevel=2,
                )
                continue
            warn_of_few(far, len(score), "probes of people outside the gallery")
            self.thresholds[far] = threshold_at_far(score, far)
            if draws is not None:
                self.drawn[far] = drawn_thresholds(draws, score, who, far)


def drawn_thresholds(
    draws: IdentityBootstrap, scores: np.ndarray, owners: np.ndarray, far: float
) -> np.ndarray:
    """Return `threshold_at_far` of the strangers in each draw of people, float64 [R].

    A draw without a stranger gives NaN, one with too few of them its highest score.

    Args:
        draws: of the owners, and perhaps of others.
        scores: float [n], highest score of each stranger's probe with anybody in the gallery.
        owners: int [n], who the strangers are.
        far: 0 to 1.
    """
    order = np.argsort(-scores, kind="stable")
    falling, index = scores[order].astype(np.float64), draws.index(owners[order])
    result = np.full(len(draws.weights), np.nan)
    for start in range(0, len(result), _DRAWS_AT_ONCE):
        part = slice(start, start + _DRAWS_AT_ONCE)
        count = np.cumsum(draws.weights[part][:, index], axis=1, dtype=np.int64)
        allowed = np.floor(far * count[:, -1] + 1e-9)
        at = (count <= allowed[:, None]).sum(axis=1)  # the (allowed + 1)-th largest
        known = count[:, -1] > 0
        result[part] = np.where(known, falling[np.minimum(at, len(falling) - 1)], np.nan)
    return result


def _rates(
    attack: str,
    probes: str,
    searched: Identification,
    subjects: int,
    open_set: _OpenSet,
    draws: IdentityBootstrap | None,
) -> list[Measure]:
    mated = searched.mated
    who, rank = searched.probe_identities[mated], searched.rank[mated]
    rows = []
    for k in RANKS:
        if k <= subjects:
            right = rank <= k
            row = Measure(attack, "rank", probes, float(right.mean()), rank=k, n=len(right))
            if draws is not None:
                drawn = draws.interval(draws.rate(right, who))
                row = row.within(share_interval(right, who, drawn))
            rows.append(row)
    # Whoever does not come first is identified at no threshold.
    score = np.where(rank == 1, searched.mate_score[mated], -np.inf).astype(np.float32)
    for far, threshold in open_set.thresholds.items():
        right = score > np.float64(threshold)
        row = Measure(attack, "dir", probes, float(right.mean()), far, 1, len(right))
        if draws is not None:
            identified = draws.tar_at(Comparisons(score, who, who), open_set.drawn[far])
            row = row.within(share_interval(right, who, draws.interval(identified)))
        rows.append(row)
    return rows


def warn_of_few(far: float, n: int, what: str) -> None:
    """Warn when a threshold at ``far`` rests on a handful of ``n`` comparisons."""
    allowed = math.floor(far * n + 1e-9)
    if 0 < allowed < FEW_FALSE_ACCEPTS:
        warnings.warn(
            f"the threshold at FAR {far:g} rests on {allowed} false acceptances among {n:,} "
            f"{what}: with fewer than {FEW_FALSE_ACCEPTS} it moves from one set of people to the "
            "next",
            NbnetWarning,
            stacklevel=3,
        )
