"""Pairs of one set, of a list and of two sets: against a double loop, in small memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import scores
from nbnet_lib.evaluate.scores import (
    all_pairs,
    as_templates,
    compare_pairs,
    compare_sets,
    genuine_impostor,
    same_person_pairs,
)
from nbnet_lib.evaluate.verification import far_at, threshold_at_far


def templates(n, d=16, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def identities(n, people=9, seed=0):
    return np.random.default_rng(seed).integers(0, people, n) * 1000 - 3000  # gaps, negative ones


@pytest.mark.parametrize("rows_at_once", [1, 7, 1000])
def test_all_pairs_is_the_double_loop(rows_at_once, monkeypatch):
    monkeypatch.setattr(scores, "ROWS_AT_ONCE", rows_at_once)
    x, who = templates(40), identities(40)
    expected = {True: [], False: []}
    for a in range(40):
        for b in range(a + 1, 40):
            expected[who[a] == who[b]].append((float(x[a] @ x[b]), who[a], who[b]))
    found = all_pairs(x, who)
    for pairs, same in zip(found, (True, False), strict=True):
        want = np.array(expected[same])
        assert pairs.scores.dtype == np.float32 and pairs.first.dtype == pairs.second.dtype == int
        assert ((pairs.first == pairs.second) == same).all()
        mine = np.array([pairs.scores, pairs.first, pairs.second], dtype=np.float64).T
        np.testing.assert_allclose(mine, want, atol=1e-6)  # in the same order: row by row
    for pairs, plain in zip(found, genuine_impostor(x, who), strict=True):
        np.testing.assert_array_equal(pairs.scores, plain)


def test_compare_pairs_takes_a_list_in_its_order(monkeypatch):
    x, y = templates(20), templates(30, seed=1)
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 20, 50), rng.integers(0, 30, 50)
    want = [x[a].astype(np.float64) @ y[b] for a, b in zip(first, second, strict=True)]
    for at_once in (1, 7, 65536):
        monkeypatch.setattr(scores, "PAIRS_AT_ONCE", at_once)
        found = compare_pairs(x, first, second, other=y)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, want, atol=1e-6)
    np.testing.assert_allclose(compare_pairs(2 * x, [0, 3], [3, 3]), [x[0] @ x[3], 1], atol=1e-6)
    assert compare_pairs(x, [], []).shape == (0,)


def test_a_template_is_never_more_than_equal_to_itself():
    x = templates(400, d=37)
    twice = np.concatenate([x, x])
    who = np.concatenate([np.arange(400), np.arange(400)])
    genuine, impostor = all_pairs(twice, who)
    rows = np.arange(400)
    assert compare_pairs(x, rows, rows).max() == 1 == genuine.scores.max()
    assert (x.astype(np.float64) ** 2).sum(1).max() > 1  # so it had to be seen to
    assert impostor.scores.max() < 1


def test_compare_sets_is_every_probe_with_every_template(monkeypatch):
    monkeypatch.setattr(scores, "PROBES_AT_ONCE", 7)  # many stripes, many blocks
    monkeypatch.setattr(scores, "GALLERY_AT_ONCE", 11)
    x, y = templates(40), templates(75, seed=1)
    who, whose = identities(40, 30), identities(75, 20, seed=1)  # some probes have no mate
    genuine, impostor = compare_sets(x, who, y, whose)
    score, same = x @ y.T, who[:, None] == whose[None]
    assert 0 < same.any(1).sum() < 40
    np.testing.assert_allclose(genuine.scores, score[same], atol=1e-6)  # in the same order
    np.testing.assert_array_equal(genuine.first, who[np.nonzero(same)[0]])
    np.testing.assert_array_equal(genuine.second, genuine.first)
    assert impostor.total == (~same).sum() and impostor.counts.min() >= 0
    for threshold in impostor.thresholds()[::50]:
        assert impostor.count_above(threshold) == (score[~same] > threshold).sum()
    threshold = threshold_at_far(impostor, 0.01)
    assert 0 <= threshold - threshold_at_far(score[~same], 0.01) <= impostor.step
    assert far_at(impostor, threshold) == (score[~same] > threshold).mean()


def test_compare_sets_without_a_mate_or_without_an_impostor():
    x, y = templates(5), templates(6, seed=1)
    genuine, impostor = compare_sets(x, [1] * 5, y, [2] * 6)
    assert len(genuine) == 0 and impostor.total == 30
    genuine, impostor = compare_sets(x, [1] * 5, y, [1] * 6)
    assert len(genuine) == 30 and impostor.total == 0
    with pytest.raises(NbnetError, match="histogram of impostor scores is empty"):
        threshold_at_far(impostor, 0.1)


def test_counts_survive_more_scores_than_a_thread_may_hold(monkeypatch):
    monkeypatch.setattr(scores, "MAX_HELD", 100)
    x, y = templates(64), templates(64, seed=1)
    monkeypatch.setattr(scores, "GALLERY_AT_ONCE", 8)
    genuine, impostor = compare_sets(x, np.arange(64), y, np.arange(64))
    assert len(genuine) == 64 and impostor.total == 64 * 63


def test_unit_templates_are_not_copied_and_others_not_changed():
    x = templates(50)
    assert as_templates(x) is x
    tensor = torch.from_numpy(x)
    assert np.shares_memory(as_templates(tensor), x)
    double = 2 * x
    np.testing.assert_allclose(as_templates(double), x, atol=1e-7)
    assert double[0, 0] == 2 * x[0, 0]
    # A length off by 1e-5 would move a score by as much: that is made one.
    assert np.linalg.norm(as_templates(x * np.float32(1.00001))[3]) == pytest.approx(1, abs=2e-7)
    np.testing.assert_allclose(as_templates(x.astype(np.float64) * 1e30), x, atol=1e-6)


def test_a_large_gallery_is_not_held_twice():
    """Peak memory of a process that compares 200,000 templates: theirs and little more."""
    code = r"""
import re, numpy as np
from nbnet_lib.evaluate.scores import compare_sets
from nbnet_lib.evaluate.identification import search
# Not ru_maxrss: that includes the process that started this one.
def peak(): return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) // 1024
g = np.random.default_rng(0).standard_normal((200_000, 128), dtype=np.float32)
for i in range(0, len(g), 1000): g[i:i+1000] /= np.linalg.norm(g[i:i+1000], axis=1, keepdims=True)
p, who = g[:64].copy(), np.arange(len(g))
compare_sets(p, who[:64], g[:5000], who[:5000]); search(p, who[:64], g[:5000], who[:5000])
before = peak()
compare_sets(p, who[:64], g, who); search(p, who[:64], g, who)
print(peak() - before)
"""
    if sys.platform != "linux":
        pytest.skip("peak memory is read from /proc")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 60  # MB; the gallery has 102, its index columns 16


def test_same_person_pairs_in_any_order_of_rows():
    j, k = same_person_pairs(np.array([4, 1, 4, 1, 4]))
    assert set(zip(j.tolist(), k.tolist(), strict=True)) == {
        *((0, 2), (2, 0), (0, 4), (4, 0), (2, 4), (4, 2)),
        *((1, 3), (3, 1)),
    }
    assert len(j) == 8
    j, k = same_person_pairs(np.array([1, 7, 1]))  # 7 has a single picture: no pair
    assert (j.tolist(), k.tolist()) == ([0, 2], [2, 0])
    with pytest.raises(NbnetError, match="nobody has two pictures"):
        same_person_pairs(np.array([1, 7, 3]))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: compare_pairs(np.eye(3), [0, 1], [0, -1]), "rows from 0"),
        (lambda: compare_pairs(np.eye(3), [0, 1], [0]), "two lists of one length"),
        (lambda: compare_pairs(np.eye(3), [True], [False]), "rows from 0"),
        (lambda: all_pairs(np.eye(3), [1, 2, 3]), "no genuine pair"),
        (lambda: all_pairs(np.eye(3), [1, 1, 1]), "no impostor pair"),
        (lambda: compare_sets(np.eye(3), [1, 2, 3], np.eye(4), [1, 2, 3, 4]), "probes have length"),
        (lambda: compare_sets(np.eye(3), [1, 2], np.eye(3), [1, 2, 3]), "one whole number each"),
        (lambda: as_templates(np.array([[1.0, 0], [np.inf, 1]])), "row 1 holds NaN or infinity"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(NbnetError, match=message):
        call()
