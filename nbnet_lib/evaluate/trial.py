"""One trial of a protocol as measures: verification, the attacks on it, and identification.

What the numbers mean is in `verification`, `attack` and `identification`; here they are gathered.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.evaluate.attack import AttackResult, Originals, attack_originals, compare_originals
from nbnet_lib.evaluate.binomial import exact_interval
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.measure import ORIGINAL, Measure
from nbnet_lib.evaluate.protocols import Pairs, Trial
from nbnet_lib.evaluate.scores import Comparisons, compare_pairs, scores_of
from nbnet_lib.evaluate.trial_identification import identify, warn_of_few
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import (
    accuracy_threshold,
    auc,
    d_prime,
    eer,
    far_at,
    threshold_at_far,
)


@dataclass
class TrialNumbers:
    """What one trial gave.

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
    with noting(found.notes):
        given = others = None
        if trial.threshold_pairs is not None:
            pairs = trial.threshold_pairs
            scores = compare_pairs(templates, pairs.first, pairs.second)
            others = scores[pairs.same], scores[~pairs.same]
            given = {far: threshold_at_far(others[1], far) for far in fars}
        originals = compare_originals(
            templates[rows],
            identities[rows],
            fars,
            pairs=None if trial.pairs is None else _among(trial.pairs, rows),
            thresholds=given,
            resamples=resamples,
            seed=seed,
        )
        found.draws = originals.bootstrap
        impostors = len(originals.impostor if others is None else others[1])
        for far in fars:
            warn_of_few(far, impostors, "impostor comparisons")
            if resamples and not originals.has_interval(far):
                warnings.warn(
                    f"TAR at FAR {far:g} has no interval: too few impostors", NbnetWarning, 2
                )
        _originals(found, originals)
        if others is not None:
            _accuracy(found, originals, accuracy_threshold(*others))
        for name, made in attacks.items():
            _attack(found, name, attack_originals(originals, made[:, rows], decoder=name))
        if trial.gallery is not None:
            searched = identify(
                trial.gallery, trial.probes, templates, identities, attacks, fars, seed, resamples
            )
            found.measures += searched.measures
            found.cmc = searched.cmc
    return found


@contextmanager
def noting(notes: list[str]) -> Iterator[None]:
    """Turn the warnings of this library in the block into notes; others stay warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NbnetWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, NbnetWarning):
            notes.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def _among(pairs: Pairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs with positions in ``rows`` (ascending) in place of rows."""
    return np.searchsorted(rows, pairs.first), np.searchsorted(rows, pairs.second), pairs.same


def _originals(found: TrialNumbers, originals: Originals) -> None:
    genuine, impostor = originals.genuine, originals.impostor
    g, i = genuine.scores, scores_of(impostor)
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
    if draws is not None and isinstance(impostor, Comparisons):
        interval = draws.interval(draws.eer(genuine, impostor))
        if not error:  # no error in any draw either: how many people could still have one?
            interval = exact_interval(0, len(draws.identities))
    try:
        apart = d_prime(g, i)
    except NbnetError as reason:  # infinite scores, or no two that differ
        found.notes.append(f"no d': {reason}")
        apart = math.nan
    found.measures += [
        Measure(ORIGINAL, "eer", "", error).within(interval),
        Measure(ORIGINAL, "auc", "", auc(g, i)),
        Measure(ORIGINAL, "d_prime", "", apart),
    ]


def _accuracy(found: TrialNumbers, originals: Originals, threshold: float) -> None:
    """Add the share of right same/different decisions."""
    right = int((originals.genuine.scores > threshold).sum())
    impostor = scores_of(originals.impostor)
    right += len(impostor) - round(far_at(impostor, threshold) * len(impostor))
    n = len(originals.genuine) + len(impostor)
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
