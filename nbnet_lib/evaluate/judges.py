"""Judges: recognisers that took no part in the training look at the same reconstructions.

EXTENSION BEYOND THE PAPER, which has the target alone decide. A part of what the target accepts can
be an adversarial pattern: pixels that move one network's template, and that no other network and no
person would take for the face. A judge compares a reconstruction, made from the *target's*
template, with its own template of the original picture (type-I) and of the person's other pictures
(type-II). Its thresholds are its own, from impostor comparisons of originals under its own
templates; the target's have no meaning for it.

The *gap*, the target's rate less the judge's, is what of the attack does not carry over. Two
recognisers also differ on untouched pictures: that gap stands in the row of the originals. This is
transfer, too: templates of one recogniser, reconstructions presented to another. Chapter 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nbnet_lib.evaluate.judge_result import Judgement
from nbnet_lib.evaluate.measure import ORIGINAL, Measure
from nbnet_lib.evaluate.protocols import Trial
from nbnet_lib.evaluate.trial import TrialNumbers, measure_trial, noting

# What of a judge's card a result keeps.
TOLD = ("what", "data", "training_data", "seed", "source", "licence", "sha256")


def judge_trial(
    target: TrialNumbers,
    trial: Trial,
    templates: np.ndarray,
    identities: np.ndarray,
    attacks: Mapping[str, np.ndarray],
    fars: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
    resamples: int = 1000,
) -> TrialNumbers:
    """Measure one trial once more, with a judge's templates, and the gap to the target.

    Args:
        target: what `measure_trial` found of the same trial with the target's templates, the same
            FARs, seed and resamples.
        trial: see `measure_trial`.
        templates: float32 [N, d], the judge's, of the original pictures.
        identities: int64 [N].
        attacks: {name: float32 [R, N, d]}, the judge's templates of the reconstructions that were
            made from the target's templates.
        fars: that thresholds are set for, from this judge's scores of originals.
        seed: of the bootstrap.
        resamples: of the bootstrap over identities; 0 for no intervals.
    """
    found = measure_trial(trial, templates, identities, attacks, fars, seed, resamples)
    with noting(found.notes):
        found.measures += gaps(target, found)
    found.draws = None
    found.attacks.clear()  # the comparisons of several judges would be several times the memory
    return found


def gaps(target: TrialNumbers, judge: TrialNumbers) -> list[Measure]:
    """Return the target's TAR less the judge's, for the originals and each attack.

    Both bootstraps drew the same people, so the gap in each draw is that of the same people, each
    recogniser at its own threshold of that draw. There is no interval where either rate has none,
    or where the gap is the same in every draw: such people say nothing about others.
    """
    rows: list[Measure] = []
    for place, (attack, own) in enumerate(target.attacks.items()):
        other = judge.attacks[attack]
        for far, rates in own.rates.items():
            # The originals are the same in every attack.
            for kind in (("original",) if place == 0 else ()) + ("type1", "type2"):
                a, b = rates[kind], other.rates[far][kind]
                row = Measure(
                    ORIGINAL if kind == "original" else attack,
                    "gap",
                    kind,
                    a.tar - b.tar,
                    far,
                    n=len(own.comparisons["genuine" if kind == "original" else kind]),
                )
                if a.drawn is not None and b.drawn is not None and target.draws is not None:
                    low, high = target.draws.interval(a.drawn - b.drawn)
                    row = row.within((low, high) if low < high else None)
                rows.append(row)
    return rows


def summarise(encoder: Any, faces: Mapping[str, tuple[int, int]], **curves: Any) -> Judgement:
    """Return a judgement that says who judges, without measures yet.

    Args:
        encoder: the judge.
        faces: {what: (pictures in which its detector looked for a face, those without one)}.
        **curves: scores, impostor and cmc, for plots.
    """
    card = getattr(encoder, "card", None) or {}
    return Judgement(
        encoder=str(encoder.name),
        card={entry: card[entry] for entry in TOLD if card.get(entry) is not None},
        faces={
            what: {"asked": asked, "missed": missed}
            for what, (asked, missed) in faces.items()
            if asked
        },
        **curves,
    )
