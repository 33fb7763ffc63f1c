"""Who may judge: a recogniser that took no part in the training, and knows nobody who is tested.

An attack that was trained with a recogniser may have learnt a pattern for this one network instead
of a face, so that its acceptance says little about faces. That is why others judge (`judges.py`),
and why a judge is refused that is the target or one of the recognisers that the decoder was trained
with. Cards tell what is known; what no card tells cannot be found here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.disjoint import require_disjoint
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn

# Under these entries a decoder's card names recognisers that took part in its training.
TOOK_PART = ("encoder", "encoders", "surrogate", "surrogates", "white_box")
# Under these, cards tell what was trained on; of a generator, what it was trained on itself.
PEOPLE_IN = ("data", "sources", "generator", "training_data")
# The columns of the tables beside those of the judges.
TAKEN = ("", "target", "gap", "original")
_SPANS = re.compile(
    r"synthfaces[:\s]\s*(?:identities\s+)?(\d+(?:-\d+)?(?:,\s*\d+(?:-\d+)?)*)", re.I
)


def require_independent(
    judges: Mapping[str, Any],
    target: Any,
    cards: Mapping[str, Mapping[str, Any]],
    pictures: Pictures,
    tested: np.ndarray,
) -> list[str]:
    """Refuse judges that are none; return notes on people that a judge shares with the others.

    Args:
        judges: {name: recogniser}.
        target: the attacked recogniser.
        cards: {decoder: its card}; none to judge.
        pictures: of the protocol.
        tested: the rows that are attacked.

    Raises:
        NbnetError: judges but no attack, a name that means something else, a judge that is the
            target, another judge, or trained with a decoder, or one that was trained with people
            who are tested.
    """
    if judges and not cards:
        raise NbnetError(
            "judges look at reconstructions and there is no decoder: give one, or no judge"
        )
    notes: list[str] = []
    before: dict[str, Any] = {}
    for name, judge in judges.items():
        if name.strip() in TAKEN:
            raise NbnetError(f"a judge cannot be called {name!r}: give it another name")
        if same_recogniser(judge, target):
            raise NbnetError(
                f"the judge {name} is the attacked recogniser {target.name} itself: name one that "
                "took no part in the training"
            )
        for other, earlier in before.items():
            if same_recogniser(judge, earlier):
                raise NbnetError(
                    f"the judges {other} and {name} are one recogniser, {judge.name}: name it once"
                )
        before[name] = judge
        for decoder, card in cards.items():
            if {judge.name, _card(judge).get("sha256")} & took_part(card):
                raise NbnetError(
                    f"the judge {name} ({judge.name}) took part in the training of {decoder}, as "
                    "its card says: name a judge that did not, or leave this decoder out"
                )
        _require_strangers(name, judge, pictures, tested)
        notes += _shared(name, judge, {target.name: _card(target), **cards})
    return notes


def same_recogniser(a: Any, b: Any) -> bool:
    """Tell whether two encoders are one: one object, the same weights, or the same name.

    Two of one name are still two where their cards hold different checksums of weights.
    """
    sums = _card(a).get("sha256"), _card(b).get("sha256")
    if all(sums):
        return a is b or sums[0] == sums[1]
    return a is b or a.name == b.name


def took_part(card: Mapping[str, Any]) -> set[str]:
    """Return names and checksums of recognisers that a decoder's card says it was trained with."""
    found: set[str] = set()

    def walk(value: Any, named: bool) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, named or key in TOOK_PART)
        elif isinstance(value, list | tuple):
            for inner in value:
                walk(inner, named)
        elif isinstance(value, str) and named:
            found.add(value)

    # The benchmark in a card names who measured, not who trained.
    walk({key: value for key, value in card.items() if key != "benchmark"}, False)
    return found


def training_people(card: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the SynthFaces identities that a card names as training data: [(first, last)].

    A card that says "10000-12999 (1500 identities)" does not tell which; all are returned.
    """
    told = json.dumps([card.get(entry) for entry in PEOPLE_IN])
    spans = set()
    for found in _SPANS.findall(told):
        for part in found.split(","):
            first, _, last = part.strip().partition("-")
            spans.add((int(first), int(last or first)))
    return sorted(spans)


def _require_strangers(name: str, judge: Any, pictures: Pictures, tested: np.ndarray) -> None:
    card = _card(judge)
    require_disjoint(pictures, tested, f"the judge {name}", card)
    if not isinstance(pictures.where, Drawn):
        return
    people = np.unique(pictures.where.numbers[tested])
    for first, last in training_people(card):
        known = people[(people >= first) & (people <= last)]
        if len(known):
            raise NbnetError(
                f"the judge {name} was trained with SynthFaces {first}-{last}, {len(known)} of the "
                f"{len(people)} people here (for example {known[0]}) among them: evaluate others, "
                "or name another judge"
            )


def _shared(name: str, judge: Any, others: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a note for each of the others that was trained with people of the judge's."""
    notes = []
    for other, card in others.items():
        both = [
            (max(a[0], b[0]), min(a[1], b[1]))
            for a in training_people(_card(judge))
            for b in training_people(card)
        ]
        both = [(first, last) for first, last in both if first <= last]
        if both:
            spans = ", ".join(f"{first}-{last}" for first, last in both)
            notes.append(
                f"the judge {name} and {other} were trained with some of the same people "
                f"(SynthFaces {spans}): it is less independent than a judge that knows none of them"
            )
    return notes


def _card(encoder: Any) -> Mapping[str, Any]:
    return getattr(encoder, "card", None) or {}
