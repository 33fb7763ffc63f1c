"""Ranks, CMC and open-set DIR against a plain double loop and against cases worked by hand."""

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import identification, scores
from nbnet_lib.evaluate.identification import search


def at_angles(*degrees):
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], 1).astype(np.float32)


def unit(rng, n, d=12):
    x = rng.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def plain_search(probes, who, gallery, whose):
    """The definition, person by person."""
    rows = []
    for probe, me in zip(probes, who, strict=True):
        best = {p: max(gallery[whose == p] @ probe) for p in np.unique(whose)}
        others = {p: score for p, score in best.items() if p != me}
        mate = best.get(me, -np.inf)
        rank = 1 + sum(s >= mate - 1e-7 for s in others.values()) if me in best else 0
        top = me if rank == 1 else max(others, key=others.__getitem__)
        rows.append((me in best, mate, rank, best[top], top))
    return [np.array(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("at_once", [1, 13, 2048])
@pytest.mark.parametrize("sorted_gallery", [True, False])
def test_search_is_the_double_loop(at_once, sorted_gallery, monkeypatch):
    monkeypatch.setattr(scores, "PROBES_AT_ONCE", 9)
    monkeypatch.setattr(identification, "GALLERY_AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    whose = rng.integers(0, 40, 120) * 5 - 50
    if sorted_gallery:
        whose.sort()
    who = rng.integers(0, 60, 70) * 5 - 50  # a third is not in the gallery
    people = unit(rng, 60)
    gallery = people[(whose + 50) // 5] + 0.8 * unit(rng, 120)
    probes = people[(who + 50) // 5] + 1.2 * unit(rng, 70)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    mated, mate, rank, top_score, top = plain_search(probes, who, gallery, whose)
    assert 0 < mated.sum() < 70 and rank.max() > 2
    found = search(probes, who, gallery, whose)
    np.testing.assert_array_equal(found.mated, mated)
    np.testing.assert_array_equal(found.rank, rank)
    np.testing.assert_array_equal(found.top_identity, top)
    np.testing.assert_allclose(found.mate_score, mate, atol=1e-6)
    np.testing.assert_allclose(found.top_score, top_score, atol=1e-6)
    assert found.rank.dtype == found.top_identity.dtype == np.int64
    assert found.mate_score.dtype == found.top_score.dtype == np.float32


def test_ranks_by_hand():
    # Person 1 at 0 and 90 degrees, 2 at 20, 3 at 30 and 31, 4 at 180.
    gallery, whose = at_angles(0, 90, 20, 30, 31, 180), [1, 1, 2, 3, 3, 4]
    probes, who = at_angles(5, 22, 22, 22, 175, 60), [1, 2, 1, 4, 4, 9]
    found = search(probes, who, gallery, whose)
    # Persons, not pictures: 3 stands once before 1 although both of its pictures are nearer.
    assert found.rank.tolist() == [1, 1, 3, 4, 1, 0]
    assert found.top_identity.tolist() == [1, 2, 2, 2, 4, 3]
    assert found.mated.tolist() == [True] * 5 + [False]
    assert found.mate_score[5] == -np.inf
    assert found.rank_rate(1) == 3 / 5
    np.testing.assert_allclose(found.cmc(5), [3 / 5, 3 / 5, 4 / 5, 1, 1])
    assert len(found) == 6


def test_ties_count_against_the_system():
    gallery, whose = at_angles(10, 10, 10, 80), [1, 2, 3, 4]
    found = search(at_angles(10, 12, 80), [2, 3, 4], gallery, whose)
    assert found.rank.tolist() == [3, 3, 1]  # one template under three names: nobody is found
    assert found.top_identity[0] != 2
    assert found.rank_rate(2) == 1 / 3
    # A system that gives everybody one score finds nobody before the last rank.
    same = np.ones((50, 8))
    assert (search(same, np.arange(50), same, np.arange(50)).rank == 50).all()


def test_a_tie_within_rounding_is_a_tie_wherever_it_stands_in_the_gallery():
    rng = np.random.default_rng(0)
    x = unit(rng, 501, d=61)
    gallery = np.concatenate([x, x[::-1]])  # everybody once more under another name
    whose = np.arange(1002)
    probes = unit(rng, 200, d=61)
    who = rng.integers(0, 501, 200)
    found = search(probes, who, gallery, whose)
    assert (found.rank % 2 == 0).all()  # pairs of names come together, so ours is second of its two


def test_a_person_with_pictures_far_apart_in_the_gallery_counts_once(monkeypatch):
    monkeypatch.setattr(identification, "GALLERY_AT_ONCE", 1)
    gallery, whose = at_angles(10, 40, 11, 41, 12, 42), [7, 1, 7, 1, 7, 1]
    found = search(at_angles(20), [1], gallery, whose)
    assert found.rank.tolist() == [2]


def nobody():
    return search(np.eye(3), [7, 8, 9], np.eye(3), [1, 2, 3])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: nobody().rank_rate(1), "none of the 3 probes shows a person of the gallery"),
        (lambda: search(np.eye(3), [1, 2, 3], np.eye(4), [1, 2, 3, 4]), "probes have length 3"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(NbnetError, match=message):
        call()
