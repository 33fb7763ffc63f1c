"""Judges: recognisers that took no part in the training look at the same reconstructions.

EXTENSION BEYOND THE PAPER, which has the target alone decide. A part of what the target accepts can
be an adversarial pattern: pixels that move one network's template, and that no other network and no
person would take for the face. A judge compares a reconstruction, made from the *target's*
template, with its own template of the original picture (type-I) and of the person's other pictures
(type-II). Its thresholds are its own, from impostor comparisons of originals under its own
templates; the target's have no meaning for it.

The *gap*, the target's rate minus the judge's, is what of the attack does not carry over. Two
recognisers also differ on untouched pictures: that gap is in the row of the originals. This is
transfer, too: templates of one recogniser, reconstructions presented to another. Chapter 10.

An attack that was trained with a recogniser may have learnt a pattern for this one network. So a
judge is refused that is the target or one of the recognisers that the decoder was trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.evaluate.provenance import (
    card_of,
    recognisers_in,
    require_disjoint,
    shared_spans,
    training_people,
)
from nbnet_lib.evaluate.result import ORIGINAL, Measure
from nbnet_lib.evaluate.trial import TrialResult

# The columns of the tables beside those of the judges.
RESERVED = ("", "target", "gap", "original")
# What of a judge's card a result keeps.
CARD_FIELDS = ("what", "data", "training_data", "seed", "source", "licence", "sha256")


def gaps(target: TrialResult, judge: TrialResult) -> list[Measure]:
    """Return the target's TAR minus the judge's, for the originals and each attack.

    Both bootstraps drew the same people, so the gap in each draw is that of the same people, each
    recogniser at its own threshold of that draw. There is no interval where either rate has none,
    or where the gap is the same in every draw: such people say nothing about others.
    """
    rows: list[Measure] = []
    for name, attack in target.attacks.items():
        judged = judge.attacks[name]
        # The originals are the same in every attack.
        kinds = ("type1", "type2") if rows else (ORIGINAL, "type1", "type2")
        for far, rates in attack.rates.items():
            for kind in kinds:
                a, b = rates[kind], judged.rates[far][kind]
                n = len(attack.comparisons["genuine" if kind == ORIGINAL else kind])
                of = ORIGINAL if kind == ORIGINAL else name
                row = Measure(of, "gap", kind, a.tar - b.tar, far, n=n)
                if a.drawn is not None and b.drawn is not None and judge.draws is not None:
                    low, high = judge.draws.interval(a.drawn - b.drawn)
                    row = row.within((low, high) if low < high else None)
                rows.append(row)
    return rows


def require_independent(
    judges: Mapping[str, Any],
    target: Any,
    cards: Mapping[str, Mapping[str, Any]],
    pictures: Pictures,
    tested: np.ndarray,
) -> list[str]:
    """Refuse judges that are not independent; return notes on people they share with the others.

    Args:
        judges: {name: recogniser}.
        target: the attacked recogniser.
        cards: {decoder: its card}; empty without an attack, which leaves nothing to judge.
        pictures: of the protocol.
        tested: the rows that are attacked.

    Raises:
        NbnetError: judges but no attack, a reserved name, a judge that is the target, another
            judge, or trained with a decoder, or one that was trained with people who are tested.
    """
    if judges and not cards:
        raise NbnetError("judges look at reconstructions: give a decoder, or no judge")
    notes: list[str] = []
    for place, (name, judge) in enumerate(judges.items()):
        if name.strip() in RESERVED:
            raise NbnetError(f"a judge cannot be called {name!r}: give it another name")
        if same_recogniser(judge, target):
            raise NbnetError(
                f"the judge {name} is the attacked recogniser {target.name} itself: name one that "
                "took no part in the training"
            )
        for other, earlier in list(judges.items())[:place]:
            if same_recogniser(judge, earlier):
                raise NbnetError(
                    f"the judges {other} and {name} are one recogniser, {judge.name}: name it once"
                )
        for decoder, card in cards.items():
            if {judge.name, card_of(judge).get("sha256")} & recognisers_in(card):
                raise NbnetError(
                    f"the judge {name} ({judge.name}) took part in the training of {decoder}, as "
                    "its card says: name a judge that did not, or leave this decoder out"
                )
        notes += require_disjoint(pictures, tested, f"the judge {name}", card_of(judge))
        _require_unknown_people(name, judge, pictures, tested)
        for other, card in {target.name: card_of(target), **cards}.items():
            shared = shared_spans(card_of(judge), card)
            if shared:
                spans = ", ".join(f"{first}-{last}" for first, last in shared)
                notes.append(
                    f"the judge {name} and {other} were trained with some of the same people "
                    f"(SynthFaces {spans}): it is less independent than a judge that knows none of "
                    "them"
                )
    return notes


def same_recogniser(a: Any, b: Any) -> bool:
    """Return whether two encoders are one: one object, the same weights, or the same name.

    Two of one name are still two where their cards hold different checksums of weights.
    """
    sums = card_of(a).get("sha256"), card_of(b).get("sha256")
    return a is b or (sums[0] == sums[1] if all(sums) else a.name == b.name)


def _require_unknown_people(name: str, judge: Any, pictures: Pictures, tested: np.ndarray) -> None:
    if not isinstance(pictures.where, Drawn):
        return
    people = np.unique(pictures.where.numbers[tested])
    for first, last in training_people(card_of(judge)):
        known = people[(people >= first) & (people <= last)]
        if len(known):
            raise NbnetError(
                f"the judge {name} was trained with SynthFaces {first}-{last}, {len(known)} of the "
                f"{len(people)} people here (for example {known[0]}) among them: evaluate others, "
                "or name another judge"
            )
