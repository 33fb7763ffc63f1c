"""What the cards of decoders and recognisers say about their training, and what it forbids.

Nobody is attacked by a decoder, or judged by a recogniser, that was trained with pictures of the
same person. SynthFaces keeps people apart by their numbers (`nbnet_lib.faces.splits`); for other
pictures the card of a decoder holds digests of the people that it was trained with
(`nbnet_lib.data.people`), which are compared with the people of the protocol. What no card says
cannot be found here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbnet_lib.data.alignment import DOUBTFUL
from nbnet_lib.data.alignment_file import read_alignment
from nbnet_lib.data.people import people_digest
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn, Folder

MANY = 0.05  # share of the pictures that a kind must have to be told
# Under these entries a decoder's card names recognisers that took part in its training.
RECOGNISERS = ("encoder", "encoder_sha256", "encoders", "surrogate", "surrogates", "white_box")
# Under these, cards name what was trained on; of a generator, what it was trained on itself.
PEOPLE = ("data", "sources", "generator", "training_data")
_SPANS = re.compile(
    r"synthfaces[:\s]\s*(?:identities\s+)?(\d+(?:-\d+)?(?:,\s*\d+(?:-\d+)?)*)", re.I
)


def card_of(model: Any) -> Mapping[str, Any]:
    """Return the card of a decoder or recogniser, empty where it has none."""
    return getattr(model, "card", None) or {}


def require_disjoint(
    pictures: Pictures, tested: np.ndarray, name: str, card: Mapping[str, Any] | None
) -> list[str]:
    """Refuse a decoder or judge that was trained with people of a protocol, by their names.

    Numbers name people within one data set only. Where all shared names are numbers and the folders
    have other names, it is a note: perhaps they are other people.

    Args:
        pictures: of the protocol; drawn ones need no comparison.
        tested: the rows that are attacked.
        name: of the decoder or judge.
        card: its card; "people" in it holds {"folder", "digests"}, and "folders" where there were
            several, where it was trained with people who have names.
    """
    trained = (card or {}).get("people")
    if not trained or isinstance(pictures.where, Drawn):
        return []
    known = set(trained["digests"])
    people = [pictures.people[code] for code in np.unique(pictures.identities[tested])]
    shared = [person for person in people if known & set(people_digest([person]))]
    if not shared:
        return []
    some = f"{len(shared)} of the {len(people)} people (for example {shared[0]!r})"
    same_folder = pictures.where.path.name in trained.get("folders", [trained["folder"]])
    if same_folder or not all(person.isdigit() for person in shared):
        raise NbnetError(
            f"{name} was trained with pictures of {some}: divide the people with `nbnet data "
            "split` before the training, and test with that list (--protocol LIST.parquet), which "
            "leaves them out"
        )
    return [
        f"{name} was trained with people of the same numbers as {some} here, in a folder of "
        "another name: make sure that they are other people"
    ]


def alignment_notes(pictures: Pictures) -> list[str]:
    """Return notes on what `nbnet data align` saw in many pictures of a folder, or doubts.

    A kind that is rare is not told: above 5 % it may move a rate.
    """
    where = pictures.where
    aligned = read_alignment(where.path) if type(where) is Folder else None
    counts = {} if aligned is None else aligned.counts
    whole = counts.get("aligned", 0)
    kinds = dict(counts.get("notes", {}))
    doubtful = kinds.pop(DOUBTFUL, 0)
    notes = [
        f"{count:,} of the {whole:,} aligned pictures in {where} are marked {kind!r} in "
        "alignment.parquet: pictures of two kinds in one set can score lower than either alone"
        for kind, count in kinds.items()
        if count > MANY * whole
    ]
    if doubtful:
        notes.append(
            f"{doubtful:,} of the {whole:,} aligned pictures in {where} may lie on their side "
            f"({DOUBTFUL!r} in alignment.parquet): look at them"
        )
    return notes


def recognisers_in(card: Mapping[str, Any]) -> set[str]:
    """Return names and checksums of recognisers that a decoder's card says it was trained with."""
    names: set[str] = set()

    def walk(value: Any, named: bool) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, named or key in RECOGNISERS)
        elif isinstance(value, list | tuple):
            for inner in value:
                walk(inner, named)
        elif isinstance(value, str) and named:
            names.add(value)

    # The benchmark in a card names who measured, not who trained.
    walk({key: value for key, value in card.items() if key != "benchmark"}, False)
    return names


def training_people(card: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the SynthFaces identities that a card names as training data: [(first, last)].

    A card with "10000-12999 (1500 identities)" does not say which; all are returned.
    """
    spans = set()
    for text in _SPANS.findall(json.dumps([card.get(entry) for entry in PEOPLE])):
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            spans.add((int(first), int(last or first)))
    return sorted(spans)


def shared_spans(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the SynthFaces identities that both cards name as training data."""
    both = [
        (max(first, other_first), min(last, other_last))
        for first, last in training_people(a)
        for other_first, other_last in training_people(b)
    ]
    return [(first, last) for first, last in both if first <= last]


def how_trained(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return {decoder: how it was trained}, from its card; those without one are left out.

    A rate means little without it.
    """
    sentences = {}
    for name, card in cards.items():
        made = card.get("architecture") or {}
        parts = [f"{made['name']}, {made['image_size']} px"] if made else []
        white_box = bool(card.get("white_box"))
        stages = [*card.get("earlier_configs", []), *([card["config"]] if "config" in card else [])]
        if stages:
            parts.append(", then ".join(_stage(config, white_box) for config in stages))
        for entry, before in (("draws", "to draw"), ("data", "trained on"), ("encoder", "against")):
            parts += [f"{before} {card[entry]}"] if entry in card else []
        if parts:
            sentences[name] = "; ".join(parts)
    return sentences


def _stage(config: Mapping[str, Any], white_box: bool) -> str:
    loss = f"{config['loss']} loss"
    if config.get("template_weight"):
        loss += " and the target itself (white box)" if white_box else " and a surrogate"
    if config.get("adversarial_weight"):
        loss += " and an adversary"
    return f"{loss}, {config['steps']:,} updates of {config['batch_size']} pictures"
