"""One trial of a protocol as measures: verification, the attacks on it, and identification.

What the numbers mean is in `verification`, `attack` and `identification`; here they are gathered.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nbnet_lib.evaluate.attack import AttackResult, Originals, attack_originals, compare_originals
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.identification import Identification, search
from nbnet_lib.evaluate.protocols import Pairs, Trial
from nbnet_lib.evaluate.result import ORIGINAL, Measure
from nbnet_lib.evaluate.scores import compare_pairs
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import (
    accuracy_threshold,
    auc,
    d_prime,
    eer,
    far_at,
    threshold_at_far,
)

RANKS = (1, 5)
# Below so many false acceptances a threshold hangs on a handful of comparisons.
FEW_FALSE_ACCEPTS = 10


@dataclass
class TrialNumbers:
    """What one trial gave.

    Attributes:
        measures: every number.
        notes: what a reader must know to trust them, such as too few impostors.
        attacks: {name: `AttackResult`}.
        scores: {attack: {kind: float32 array}}, for plots.
        impostor: float32 [I], for plots.
        cmc: {(attack, probe set): float64 [ranks]}.
    """

    measures: list[Measure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    attacks: dict[str, AttackResult] = field(default_factory=dict)
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    impostor: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    cmc: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def measure_trial(
    trial: Trial,
    templates: np.ndarray,
    identities: np.ndarray,
    attacks: Mapping[str, np.ndarray],
    fars: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
    resamples: int = 1000,
) -> TrialNumbers:
    """Measure the recogniser and the attacks on one trial.

    Args:
        trial: rows of ``templates``.
        templates: float32 [N, d], unit length, of all pictures of the protocol.
        identities: int64 [N].
        attacks: {name: float32 [R, N, d]}, templates of the R reconstructions of each picture.
        fars: that thresholds are set for.
        seed: of the bootstrap.
        resamples: of the bootstrap over identities; 0 for no intervals (several trials show the
            spread themselves).

    Raises:
        NbnetError: no genuine or no impostor comparison, or templates that hold NaN.
    """
    found = TrialNumbers()
    rows = trial.rows
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        given = None
        if trial.threshold_pairs is not None:
            given = _thresholds(templates, trial.threshold_pairs, fars)
        originals = compare_originals(
            templates[rows],
            identities[rows],
            fars,
            pairs=None if trial.pairs is None else _among(trial.pairs, rows),
            thresholds=given,
            resamples=resamples,
            seed=seed,
        )
        _originals(found, originals)
        if trial.threshold_pairs is not None:
            _accuracy(found, originals, templates, trial.threshold_pairs)
        for name, made in attacks.items():
            _attack(found, name, attack_originals(originals, made[:, rows], decoder=name))
    found.notes += _messages(caught)
    if trial.gallery is not None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            _identification(found, trial, templates, identities, attacks, fars, seed, resamples)
        # Its "impostors" are the probes of people outside the gallery.
        found.notes += [f"open set: {message}" for message in _messages(caught)]
    impostors = len(originals.impostor)
    if trial.threshold_pairs is not None:
        impostors = int((~trial.threshold_pairs.same).sum())
    for far in fars:
        allowed = math.floor(far * impostors + 1e-9)
        if 0 < allowed < FEW_FALSE_ACCEPTS:
            found.notes.append(
                f"the threshold at FAR {far:g} rests on {allowed} false acceptances among "
                f"{impostors:,} impostor comparisons: with fewer than {FEW_FALSE_ACCEPTS} it "
                "moves from one set of people to the next"
            )
    return found


def _messages(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    return [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def _among(pairs: Pairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs with positions in ``rows`` (ascending) in place of rows."""
    return np.searchsorted(rows, pairs.first), np.searchsorted(rows, pairs.second), pairs.same


def _thresholds(templates: np.ndarray, pairs: Pairs, fars: Sequence[float]) -> dict[float, float]:
    strangers = pairs.select(~pairs.same)
    impostor = compare_pairs(templates, strangers.first, strangers.second)
    return {far: threshold_at_far(impostor, far) for far in fars}


def _originals(found: TrialNumbers, originals: Originals) -> None:
    genuine, impostor = originals.genuine, originals.impostor
    g, i = genuine.scores, impostor.scores
    found.scores[ORIGINAL] = {"genuine": g}
    found.impostor = i
    for far, threshold in originals.thresholds.items():
        rate = originals.rate(genuine, far)
        found.measures += [
            Measure(ORIGINAL, "threshold", "", threshold, far),
            Measure(ORIGINAL, "tar", ORIGINAL, rate.tar, far, n=len(g)).within(rate.ci95),
        ]
        if originals.given:  # else it is what the threshold was made for
            given = far_at(i, threshold)
            found.measures.append(Measure(ORIGINAL, "far", "", given, far, n=len(i)))
    draws = originals.bootstrap
    error, interval = eer(g, i), None
    if draws is not None:
        interval = draws.interval(draws.eer(genuine, impostor))
        interval = share_interval(error, interval, len(draws.identities))
    spread = np.isfinite(g).all() and np.isfinite(i).all() and (np.ptp(g) > 0 or np.ptp(i) > 0)
    found.measures += [
        Measure(ORIGINAL, "eer", "", error).within(interval),
        Measure(ORIGINAL, "auc", "", auc(g, i)),
        Measure(ORIGINAL, "d_prime", "", d_prime(g, i) if spread else math.nan),
    ]


def _accuracy(
    found: TrialNumbers, originals: Originals, templates: np.ndarray, others: Pairs
) -> None:
    """Add the share of right same/different decisions, the threshold chosen on other folds."""
    scores = compare_pairs(templates, others.first, others.second)
    threshold = accuracy_threshold(scores[others.same], scores[~others.same])
    right = int((originals.genuine.scores > threshold).sum())
    right += int((originals.impostor.scores <= threshold).sum())
    n = len(originals.genuine) + len(originals.impostor)
    found.measures.append(Measure(ORIGINAL, "accuracy", "", right / n, n=n))


def _attack(found: TrialNumbers, name: str, result: AttackResult) -> None:
    found.attacks[name] = result
    found.scores[name] = {kind: result.comparisons[kind].scores for kind in ("type1", "type2")}
    for far, rates in result.rates.items():
        for kind in ("type1", "type2"):
            rate, n = rates[kind], len(result.comparisons[kind])
            found.measures.append(Measure(name, "tar", kind, rate.tar, far, n=n).within(rate.ci95))
        if "zero_effort" in rates:
            rate = rates["zero_effort"]
            found.measures.append(Measure(name, "baseline", "", rate.tar, far).within(rate.ci95))


def _identification(
    found: TrialNumbers,
    trial: Trial,
    templates: np.ndarray,
    identities: np.ndarray,
    attacks: Mapping[str, np.ndarray],
    fars: Sequence[float],
    seed: int,
    resamples: int,
) -> None:
    """Search originals, then reconstructions, in the gallery of originals.

    The open-set threshold comes from original probes that have no mate in the gallery.
    """
    gallery = trial.gallery
    assert gallery is not None
    subjects = len(np.unique(identities[gallery]))

    def look_up(probes: np.ndarray, rows: np.ndarray) -> Identification:
        return search(probes[rows], identities[rows], templates[gallery], identities[gallery])

    originals = {name: look_up(templates, rows) for name, rows in trial.probes.items()}
    strangers = np.concatenate([s.top_score[~s.mated] for s in originals.values()])
    thresholds = {far: threshold_at_far(strangers, far) for far in fars} if len(strangers) else {}
    for probes, rows in trial.probes.items():
        mated = originals[probes].mated
        if not mated.any():
            continue
        searches = {}
        # A picture against itself is always found: only its reconstruction is a question.
        if not np.isin(rows, gallery).any():
            searches[ORIGINAL] = originals[probes]
        for name, made in attacks.items():
            if len(made) == 1:  # several tries have no one list of candidates
                searches[name] = look_up(made[0], rows)
        who = identities[rows][mated]
        draws = IdentityBootstrap(who, resamples, seed) if resamples else None
        for attack, searched in searches.items():
            found.cmc[(attack, probes)] = searched.cmc(min(subjects, 100))
            for row, right in _rates(attack, probes, searched, subjects, thresholds):
                interval = None
                if draws is not None:
                    interval = draws.interval(draws.rate(right, who))
                    interval = share_interval(row.value, interval, len(draws.identities))
                found.measures.append(row.within(interval))


def _rates(
    attack: str,
    probes: str,
    searched: Identification,
    subjects: int,
    thresholds: Mapping[float, float],
) -> Iterator[tuple[Measure, np.ndarray]]:
    """Yield (measure, bool [mated probes], which of them are right)."""
    rank, score = searched.rank[searched.mated], searched.mate_score[searched.mated]
    for k in RANKS:
        if k <= subjects:
            right = rank <= k
            yield Measure(attack, "rank", probes, float(right.mean()), rank=k, n=len(right)), right
    for far, threshold in thresholds.items():
        right = (rank == 1) & (score > threshold)
        yield Measure(attack, "dir", probes, float(right.mean()), far, 1, len(right)), right
