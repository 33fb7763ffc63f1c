"""Pairs that contradict their labels are listed, whatever way they are compared."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.evaluate.protocols import from_csv
from nbnet_lib.evaluate.protocols.types import Pairs, Trial
from nbnet_lib.evaluate.suspects import SHOWN, find_suspects

PEOPLE, SHOTS = 8, 4


def templates_of(who):
    """Unit templates near one direction for each person."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(PEOPLE, 64))
    vectors = centres[who] + 0.5 * rng.normal(size=(len(who), 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def protocol(tmp_path):
    lines = ["image,identity"]
    for person in range(PEOPLE):
        for shot in range(SHOTS):
            Image.new("RGB", (40, 40), (30 * person, 60 * shot, 9)).save(
                tmp_path / f"{person}-{shot}.png"
            )
            lines.append(f"{person}-{shot}.png,p{person}")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return from_csv(tmp_path / "list.csv")


def look(protocol, really, trials=None):
    """Find suspects where ``really`` says who is on the pictures."""
    templates, labels = templates_of(really), protocol.pictures.identities
    scores = (templates @ templates.T)[np.triu_indices(len(labels), 1)]
    same = (labels[:, None] == labels)[np.triu_indices(len(labels), 1)]
    trials = protocol.trials if trials is None else trials
    return find_suspects(protocol.pictures, trials, templates, scores[same], scores[~same])


def test_right_labels_are_not_accused(protocol):
    found = look(protocol, protocol.pictures.identities)
    assert found.pairs == [] and found.notes() == []
    assert found.counts == {"impostor": 0, "genuine": 0}


def test_one_person_under_two_names(protocol):
    really = np.where(protocol.pictures.identities == 5, 2, protocol.pictures.identities)
    found = look(protocol, really)
    (pair,) = found.pairs  # one for the two names, of many pairs
    assert pair["kind"] == "impostor" and {pair["first"][0], pair["second"][0]} == {"2", "5"}
    assert found.counts["impostor"] > 4
    assert pair["first"] in found.notes()[0] and "two names" in found.notes()[0]
    expected = protocol.pictures.read(np.array([protocol.pictures.names.index(pair["first"])]), 96)
    assert np.array_equal(found.pictures[0], expected)


@pytest.mark.parametrize("listed", [False, True])
def test_a_picture_under_the_wrong_name(protocol, listed):
    labels = protocol.pictures.identities
    really = labels.copy()
    really[1] = 6  # the second picture of person 0 shows person 6
    trials = protocol.trials
    if listed:
        first, second = np.array([0, 1, 4, 1]), np.array([1, 2, 5, 9])
        pairs = Pairs(first, second, labels[first] == labels[second])
        trials = (Trial(pairs.rows, pairs),)
    found = look(protocol, really, trials)
    genuine = [pair for pair in found.pairs if pair["kind"] == "genuine"]
    assert genuine and all("0-1.png" in (pair["first"], pair["second"]) for pair in genuine)
    assert any("wrong name" in note for note in found.notes())


def test_a_recogniser_that_recognises_nothing_accuses_nobody(protocol):
    found = look(protocol, np.arange(len(protocol.pictures)) % PEOPLE)
    assert len(found.pairs) <= 2 * SHOWN
    blind = dataclasses.replace(protocol)
    templates = templates_of(protocol.pictures.identities)
    low, high = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert find_suspects(blind.pictures, blind.trials, templates, low, high).pairs == []
