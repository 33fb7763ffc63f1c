"""One trial of a protocol as measures: verification, the attacks on it, and identification.

What the numbers mean is in `verification`, `attack` and `identification`; here they are gathered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.attack import (
    AttackResult,
    Originals,
    attack_originals,
    compare_originals,
)
from nbnet_lib.evaluate.binomial import exact_interval, share_interval
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.identification import Identification, search
from nbnet_lib.evaluate.protocols import Pairs, Trial
from nbnet_lib.evaluate.result import ORIGINAL, Measure
from nbnet_lib.evaluate.scores import Comparisons, compare_pairs, scores_of
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import (
    accuracy_threshold,
    allowed_false_accepts,
    auc,
    d_prime,
    eer,
    far_at,
    threshold_at_far,
)

RANKS = (1, 5)
MAX_CMC = 100  # ranks
# Below so many false acceptances a threshold hangs on a handful of comparisons.
MIN_FALSE_ACCEPTS = 10


@dataclass
class TrialResult:
    """What `measure_trial` measured.

    Attributes:
        measures: every number.
        notes: what a reader must know to trust them, such as too few impostors.
        attacks: {name: `AttackResult`}.
        draws: of the people, which the intervals come from; None without intervals.
        scores: {attack: {kind: float32 array}}, for plots.
        impostor: float32 [I] or a `ScoreHistogram`, for plots.
        cmc: {(attack, probe set): float64 [ranks]}.
    """

    measures: list[Measure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    attacks: dict[str, AttackResult] = field(default_factory=dict)
    draws: IdentityBootstrap | None = None
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    impostor: np.ndarray | ScoreHistogram = field(default_factory=ScoreHistogram)
    cmc: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def measure_trial(
    trial: Trial,
    templates: np.ndarray,
    identities: np.ndarray,
    attacks: Mapping[str, np.ndarray],
    fars: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
    resamples: int = 1000,
) -> TrialResult:
    """Measure one recogniser and the attacks on it in one trial.

    Args:
        trial: rows of ``templates``.
        templates: float32 [N, d], unit length, of all pictures of the protocol.
        identities: int64 [N].
        attacks: {name: float32 [R, N, d]}, templates of the R reconstructions of each picture.
        fars: that thresholds are set for.
        seed: of the bootstrap.
        resamples: of the bootstrap over identities; 0 for no intervals (several trials show the
            spread themselves).
    """
    rows = trial.rows
    notes: list[str] = []
    thresholds = others = None
    if trial.threshold_pairs is not None:  # other people set the thresholds
        pairs = trial.threshold_pairs
        scores = compare_pairs(templates, pairs.first, pairs.second)
        others = scores[pairs.same], scores[~pairs.same]
        thresholds = {far: threshold_at_far(others[1], far, notes) for far in fars}
    originals = compare_originals(
        templates[rows],
        identities[rows],
        fars,
        pairs=None if trial.pairs is None else _among(trial.pairs, rows),
        thresholds=thresholds,
        resamples=resamples,
        seed=seed,
        notes=notes,
    )
    impostors = len(originals.impostor if others is None else others[1])
    for far in fars:
        notes += few_impostors(far, impostors, "impostor comparisons")
        if resamples and not originals.has_interval(far):
            notes.append(f"TAR at FAR {far:g} has no interval: too few impostors")
    trial_result = TrialResult(
        measures=_measure_originals(originals, notes),
        notes=notes,
        draws=originals.bootstrap,
        scores={ORIGINAL: {"genuine": originals.genuine.scores}},
        impostor=scores_of(originals.impostor),
    )
    if others is not None:
        trial_result.measures.append(_accuracy(originals, accuracy_threshold(*others)))
    for name, reconstructed in attacks.items():
        attack = attack_originals(originals, reconstructed[:, rows], decoder=name)
        trial_result.attacks[name] = attack
        trial_result.scores[name] = {k: attack.scores[k] for k in ("type1", "type2")}
        trial_result.measures += _measure_attack(attack)
    if trial.gallery is not None:
        draws = None
        if resamples:
            searched = np.concatenate([identities[probes] for probes in trial.probes.values()])
            draws = IdentityBootstrap(searched, resamples, seed, notes)
        measures, trial_result.cmc = identify(
            trial, templates, identities, attacks, fars, draws, notes
        )
        trial_result.measures += measures
    return trial_result


def few_impostors(far: float, n: int, what: str) -> list[str]:
    """Return a note where a threshold at ``far`` rests on a handful of ``n`` comparisons."""
    allowed = allowed_false_accepts(far, n)
    if not 0 < allowed < MIN_FALSE_ACCEPTS:
        return []
    return [
        f"the threshold at FAR {far:g} rests on {allowed} false acceptances among {n:,} {what}: "
        f"with fewer than {MIN_FALSE_ACCEPTS} it moves from one set of people to the next"
    ]


def _among(pairs: Pairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs with positions in ``rows`` (ascending) in place of rows."""
    return np.searchsorted(rows, pairs.first), np.searchsorted(rows, pairs.second), pairs.same


def _measure_originals(originals: Originals, notes: list[str]) -> list[Measure]:
    genuine, impostor = originals.genuine, scores_of(originals.impostor)
    measures = []
    for far, threshold in originals.thresholds.items():
        rate = originals.rate(genuine, far)
        measures += [
            Measure(ORIGINAL, "threshold", "", threshold, far),
            Measure(ORIGINAL, "tar", ORIGINAL, rate.tar, far, n=len(genuine)).within(rate.ci95),
        ]
        if originals.given:  # else it is what the threshold was made for
            reached = far_at(impostor, threshold)
            measures.append(Measure(ORIGINAL, "far", "", reached, far, n=len(impostor)))
    error, interval, draws = eer(genuine.scores, impostor), None, originals.bootstrap
    if draws is not None and isinstance(originals.impostor, Comparisons):
        interval = draws.interval(draws.eer(genuine, originals.impostor))
        if not error:  # no error in any draw either: how many people could still have one?
            interval = exact_interval(0, len(draws.identities))
    try:
        apart = d_prime(genuine.scores, impostor)
    except NbnetError as reason:  # infinite scores, or no two that differ
        notes.append(f"no d': {reason}")
        apart = math.nan
    return [
        *measures,
        Measure(ORIGINAL, "eer", "", error).within(interval),
        Measure(ORIGINAL, "auc", "", auc(genuine.scores, impostor)),
        Measure(ORIGINAL, "d_prime", "", apart),
    ]


def _accuracy(originals: Originals, threshold: float) -> Measure:
    """Return the share of right same/different decisions."""
    impostor = scores_of(originals.impostor)
    right = int((originals.genuine.scores > threshold).sum())
    right += len(impostor) - round(far_at(impostor, threshold) * len(impostor))
    n = len(originals.genuine) + len(impostor)
    return Measure(ORIGINAL, "accuracy", "", right / n, n=n)


def _measure_attack(attack: AttackResult) -> list[Measure]:
    measures = []
    for far, rates in attack.rates.items():
        for kind in ("type1", "type2"):
            rate, n = rates[kind], len(attack.comparisons[kind])
            row = Measure(attack.decoder, "tar", kind, rate.tar, far, n=n)
            measures.append(row.within(rate.ci95))
        if "zero_effort" in rates:
            rate = rates["zero_effort"]
            row = Measure(attack.decoder, "baseline", "", rate.tar, far)
            measures.append(row.within(rate.ci95))
    return measures


def identify(
    trial: Trial,
    templates: np.ndarray,
    identities: np.ndarray,
    attacks: Mapping[str, np.ndarray],
    fars: Sequence[float],
    draws: IdentityBootstrap | None,
    notes: list[str],
) -> tuple[list[Measure], dict[tuple[str, str], np.ndarray]]:
    """Look for originals, then for reconstructions, in the gallery of originals.

    The open-set threshold comes from original probes that have no mate in the gallery, for attacks,
    too; in each draw of people it is set anew. The gallery stays. Attacks of several tries are left
    out: they have no single list of candidates.

    Returns:
        The measures, and {(attack, probe set): CMC, float64 [ranks]}.
    """
    gallery = trial.gallery
    assert gallery is not None
    subjects = len(np.unique(identities[gallery]))

    def look_up(probes: np.ndarray, rows: np.ndarray) -> Identification:
        return search(probes[rows], identities[rows], templates[gallery], identities[gallery])

    originals = {name: look_up(templates, rows) for name, rows in trial.probes.items()}
    open_set = _open_set_thresholds(originals.values(), fars, draws, notes)
    measures: list[Measure] = []
    cmc = {}
    for name, rows in trial.probes.items():
        if not originals[name].mated.any():
            continue
        searches = {}
        # A picture against itself is always found: only its reconstruction is a question.
        if not np.isin(rows, gallery).any():
            searches[ORIGINAL] = originals[name]
        for attack, tries in attacks.items():
            if len(tries) == 1:
                searches[attack] = look_up(tries[0], rows)
        for attack, searched in searches.items():
            cmc[(attack, name)] = searched.cmc(min(subjects, MAX_CMC))
            ranks = [k for k in RANKS if k <= subjects]
            measures += _identification_rates(attack, name, searched, ranks, open_set, draws)
    return measures, cmc


def _open_set_thresholds(
    searched: Iterable[Identification],
    fars: Sequence[float],
    draws: IdentityBootstrap | None,
    notes: list[str],
) -> dict[float, tuple[float, np.ndarray | None]]:
    """Return {far: (threshold, that of each draw of people)} that non-mated probes set."""
    searched = list(searched)
    score = np.concatenate([s.top_score[~s.mated] for s in searched])
    owners = np.concatenate([s.probe_identities[~s.mated] for s in searched])
    thresholds = {}
    for far in fars if len(score) else ():
        if far * len(score) < 1 - 1e-9:
            notes.append(
                f"no DIR at FAR {far:g}: {len(score):,} probes of people outside the gallery "
                f"cannot show it, at least {math.ceil(1 / far - 1e-9):,} are needed"
            )
            continue
        notes += few_impostors(far, len(score), "probes of people outside the gallery")
        drawn = None if draws is None else draws.probe_threshold(score, owners, far)
        thresholds[far] = threshold_at_far(score, far), drawn
    return thresholds


def _identification_rates(
    attack: str,
    probes: str,
    searched: Identification,
    ranks: Sequence[int],
    open_set: Mapping[float, tuple[float, np.ndarray | None]],
    draws: IdentityBootstrap | None,
) -> list[Measure]:
    """Return rank-k, then DIR at each FAR, with intervals where people are drawn."""
    mated = searched.mated
    who, rank = searched.probe_identities[mated], searched.rank[mated]
    rows = []
    for k in ranks:
        right = rank <= k
        row = Measure(attack, "rank", probes, float(right.mean()), rank=k, n=len(right))
        if draws is not None:
            ends = draws.interval(draws.rate(right, who))
            row = row.within(share_interval(right, who, ends))
        rows.append(row)
    # A person who does not come first is identified at no threshold.
    score = np.where(rank == 1, searched.mate_score[mated], -np.inf).astype(np.float32)
    for far, (threshold, drawn) in open_set.items():
        right = score > np.float64(threshold)
        row = Measure(attack, "dir", probes, float(right.mean()), far, 1, len(right))
        if draws is not None and drawn is not None:
            ends = draws.interval(draws.tar_at(Comparisons(score, who, who), drawn))
            row = row.within(share_interval(right, who, ends))
        rows.append(row)
    return rows
