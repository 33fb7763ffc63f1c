"""Thresholds, rates and curves against scikit-learn and against small cases worked by hand."""

import math
import warnings
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.scores import genuine_impostor
from nbnet_lib.evaluate.verification import (
    accuracy_threshold,
    auc,
    d_prime,
    eer,
    far_at,
    roc,
    tar_at,
    threshold_at_far,
)


def draw(seed, tied):
    rng = np.random.default_rng(seed)
    genuine, impostor = rng.normal(1, 1, 300), rng.normal(0, 1, 1000)
    if tied:
        genuine, impostor = genuine.round(1), impostor.round(1)
    return genuine.astype(np.float32), impostor.astype(np.float32)


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


@pytest.mark.parametrize("distance", [0.5, 2.0, 3.5])
def test_gaussian_scores_have_closed_forms(distance):
    """Impostors N(0, 1), genuine N(a, 1), as evenly spaced quantiles instead of draws."""
    normal, n = NormalDist(), 20001
    impostor = np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])
    genuine = impostor + distance
    for far in (0.1, 0.01, 0.001):
        threshold = threshold_at_far(impostor, far)
        assert threshold == pytest.approx(normal.inv_cdf(1 - far), abs=0.02)
        expected = 1 - normal.cdf(normal.inv_cdf(1 - far) - distance)
        assert tar_at(genuine, threshold) == pytest.approx(expected, abs=0.005)
    assert eer(genuine, impostor) == pytest.approx(normal.cdf(-distance / 2), abs=1e-4)
    assert auc(genuine, impostor) == pytest.approx(normal.cdf(distance / math.sqrt(2)), abs=1e-4)
    assert d_prime(genuine, impostor) == pytest.approx(distance, rel=1e-3)


def test_failures_to_acquire_are_never_accepted():
    """Scores of -inf: FAR = FMR (1 - FTA), and the curve ends where they begin."""
    genuine = np.array([-np.inf, 0.4, 0.6, 0.8])
    impostor = np.array([-np.inf, -np.inf, 0.1, 0.5])
    assert tar_at(genuine, -np.inf) == 0.75 and far_at(impostor, -np.inf) == 0.5
    far, tar, thresholds = roc(genuine, impostor)
    assert (far[-1], tar[-1], thresholds[-1]) == (0.5, 0.75, -np.inf)
    assert (np.diff(thresholds) < 0).all()
    assert threshold_at_far(impostor, 0.25) == 0.1
    assert threshold_at_far(impostor, 0.5) == -np.inf
    assert eer(genuine, impostor) == pytest.approx(0.25)
    with pytest.raises(NbnetError, match="75% of the genuine and 50% of the impostor scores are"):
        eer(np.array([-np.inf, -np.inf, -np.inf, 0.4]), impostor)


def test_a_score_of_plus_infinity_is_accepted_unless_it_is_the_threshold():
    impostor = np.array([np.inf, 0.1, 0.2, 0.3])
    assert threshold_at_far(impostor, 0.25) == 0.3 and far_at(impostor, 0.3) == 0.25
    with pytest.warns(UserWarning, match="cannot show"):
        assert threshold_at_far(impostor, 0.1) == np.inf
    assert tar_at(np.array([np.inf, 0.9]), np.inf) == 0
    far, tar, thresholds = roc(np.array([0.9, np.inf]), impostor)
    assert (thresholds[0], far[0], tar[0]) == (np.inf, 0, 0)
    assert (far[-1], tar[-1]) == (1, 1)


def test_a_threshold_between_two_float32_numbers_is_not_rounded():
    score = np.array([0.5], np.float32)
    assert tar_at(score, 0.5 - 1e-12) == 1  # rounded to float32 it would be 0.5, which refuses
    assert tar_at(score, 0.5) == tar_at(score, 0.5 + 1e-12) == 0


def test_accuracy_threshold_by_hand():
    assert accuracy_threshold(np.array([0.6, 0.62, 0.7]), np.array([0.1, 0.3, 0.65])) == 0.3
    # 0.2 and 0.5 each leave one wrong: the higher accepts fewer impostors.
    assert accuracy_threshold(np.array([0.4, 0.8]), np.array([0.2, 0.5])) == 0.5
    # Three of four right by accepting everybody.
    assert accuracy_threshold(np.array([0.1, 0.2, 0.3]), np.array([0.9])) == -np.inf
    genuine, impostor = draw(4, True)
    best = accuracy_threshold(genuine, impostor)
    right = {t: (genuine > t).sum() + (impostor <= t).sum() for t in [*genuine, *impostor]}
    assert right[np.float32(best)] == max(right.values())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: threshold_at_far(np.array([]), 0.1), "impostor scores have shape"),
        (lambda: threshold_at_far(np.array([0.1, np.nan]), 0.5), "impostor score 1 is NaN"),
        (lambda: threshold_at_far(np.arange(9.0), 0), "between 0 and 1"),
        (lambda: tar_at(np.array([0.5]), np.nan), "threshold is NaN"),
        (lambda: d_prime(np.array([0.5, -np.inf]), np.array([0.1])), "infinite"),
        (lambda: genuine_impostor(np.eye(3), [1, 2]), "one whole number each"),
        (lambda: genuine_impostor(np.eye(3), [1.0, 2.0, 3.0]), "float64"),
        (lambda: genuine_impostor(np.zeros((3, 2)), [1, 1, 2]), "row 0 is all zeros"),
        (lambda: genuine_impostor(np.zeros(3), [1, 1, 2]), r"give \[N, d\]"),
    ],
)
def test_bad_scores(call, message):
    with pytest.raises(NbnetError, match=message):
        call()
