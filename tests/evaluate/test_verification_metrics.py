"""Thresholds, rates and curves against scikit-learn and against small cases worked by hand."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import d_prime, eer, genuine_impostor, roc, tar_at, threshold_at_far


def draw(seed, tied):
    rng = np.random.default_rng(seed)
    genuine, impostor = rng.normal(1, 1, 300), rng.normal(0, 1, 1000)
    if tied:
        genuine, impostor = genuine.round(1), impostor.round(1)
    return genuine.astype(np.float32), impostor.astype(np.float32)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_roc_equals_scikit_learn(seed, tied):
    genuine, impostor = draw(seed, tied)
    labels = np.repeat([1, 0], [len(genuine), len(impostor)])
    scores = np.concatenate([genuine, impostor])
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    far, tar, thresholds = roc(genuine, impostor)
    np.testing.assert_allclose(far, fpr, atol=1e-12)
    np.testing.assert_allclose(tar, tpr, atol=1e-12)
    assert np.trapezoid(tar, far) == pytest.approx(roc_auc_score(labels, scores))
    for i in (0, len(far) // 3, len(far) - 1):  # and each point is what its threshold gives
        assert tar_at(genuine, thresholds[i]) == pytest.approx(tar[i])
        assert tar_at(impostor, thresholds[i]) == pytest.approx(far[i])


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("far", [0.3, 0.1, 0.01, 0.001])
def test_threshold_is_the_best_that_scikit_learn_allows(far, tied):
    genuine, impostor = draw(7, tied)
    labels = np.repeat([1, 0], [len(genuine), len(impostor)])
    fpr, tpr, _ = roc_curve(labels, np.concatenate([genuine, impostor]), drop_intermediate=False)
    threshold = threshold_at_far(impostor, far)
    assert tar_at(impostor, threshold) <= far
    # Between the threshold and the best genuine score below the next impostor nothing is lost but
    # genuine scores that do not exceed the threshold, so TAR equals the curve's at this FAR.
    allowed = fpr <= tar_at(impostor, threshold) + 1e-12
    assert tar_at(genuine, threshold) == pytest.approx(tpr[allowed].max())


@pytest.mark.parametrize(
    "far, threshold, accepted",
    [
        (0.1, 0.8, 1),  # one of ten may pass: the second largest is the threshold
        (0.2, 0.8, 1),  # two may, but the tie at 0.8 would let a third in: refused
        (0.3, 0.7, 3),
        (0.25, 0.8, 1),  # floor(2.5) = 2
        (0.9, 0.1, 9),
    ],
)
def test_threshold_by_hand(far, threshold, accepted):
    impostor = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.8, 0.9])
    assert threshold_at_far(impostor, far) == threshold
    assert (impostor > threshold).sum() == accepted


def test_a_score_at_the_threshold_is_refused():
    assert tar_at(np.array([0.4, 0.5, 0.6]), 0.5) == pytest.approx(1 / 3)


def test_far_that_rounds_down_in_floating_point():
    assert 0.29 * 100 < 29
    impostor = np.arange(100.0)
    assert (impostor > threshold_at_far(impostor, 0.29)).sum() == 29


def test_too_few_impostors_warn_how_many_are_needed():
    with pytest.warns(UserWarning, match="at least 1000 are needed"):
        assert threshold_at_far(np.arange(999.0), 0.001) == 998
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert threshold_at_far(np.arange(1000.0), 0.001) == 998


def test_eer():
    assert eer(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0
    assert eer(np.array([0.1, 0.2]), np.array([0.8, 0.9])) == 1
    same = np.arange(100.0)
    assert eer(same, same) == pytest.approx(0.5)
    # One of four genuine below, one of four impostors above 0.5.
    assert eer(np.array([0.4, 0.6, 0.7, 0.8]), np.array([0.1, 0.2, 0.3, 0.5])) == 0.25
    genuine, impostor = draw(1, False)  # d' = 1, so EER = Phi(-1/2)
    assert eer(genuine, impostor) == pytest.approx(0.3085, abs=0.03)


def test_d_prime():
    assert d_prime(np.array([2.0, 4.0]), np.array([-1.0, 1.0])) == pytest.approx(3)
    with pytest.raises(NbnetError, match="spread"):
        d_prime(np.ones(3), np.zeros(3))


def test_pairs_by_hand():
    templates = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], dtype=np.float32)
    genuine, impostor = genuine_impostor(templates, [5, 7, 5, 7])
    np.testing.assert_allclose(sorted(genuine), [0, 0.6], atol=1e-6)  # 0-2 and 1-3
    np.testing.assert_allclose(sorted(impostor), [-1, -0.6, 0, 0.8], atol=1e-6)


def test_chunks_do_not_matter_and_lengths_are_made_one():
    rng = np.random.default_rng(0)
    templates = rng.normal(size=(50, 8)).astype(np.float32)
    who = rng.integers(0, 9, 50)
    whole = genuine_impostor(templates, who)
    parts = genuine_impostor(3 * templates, who, rows_at_once=7)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(np.sort(a), np.sort(b), atol=1e-6)
    assert len(whole[0]) + len(whole[1]) == 50 * 49 // 2


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda: threshold_at_far(np.array([]), 0.1), "impostor scores have shape"),
        (lambda: threshold_at_far(np.array([0.1, np.nan]), 0.5), "impostor score 1 is NaN"),
        (lambda: threshold_at_far(np.arange(9.0), 0), "between 0 and 1"),
        (lambda: threshold_at_far(np.arange(9.0), 1), "between 0 and 1"),
        (lambda: tar_at(np.array([]), 0.1), "genuine scores have shape"),
        (lambda: roc(np.array([np.nan]), np.array([0.1])), "genuine score 0 is NaN"),
        (lambda: genuine_impostor(np.eye(3), [1, 2]), "give one each"),
        (lambda: genuine_impostor(np.eye(3), [1.0, 2.0, 3.0]), "whole numbers"),
        (lambda: genuine_impostor(np.eye(3), [1, 2, 3]), "no genuine pair"),
        (lambda: genuine_impostor(np.eye(3), [1, 1, 1]), "no impostor pair"),
        (lambda: genuine_impostor(np.zeros((3, 2)), [1, 1, 2]), "row 0 is all zeros"),
        (lambda: genuine_impostor(np.full((3, 2), np.nan), [1, 1, 2]), "row 0 holds NaN"),
        (lambda: genuine_impostor(np.zeros(3), [1, 1, 2]), r"give \[N, d\]"),
    ],
)
def test_bad_scores(call, told):
    with pytest.raises(NbnetError, match=told):
        call()
