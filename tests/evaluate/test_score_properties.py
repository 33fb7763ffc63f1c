"""What must hold for any scores at all: hypothesis looks for a counterexample."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbnet_lib.evaluate.identification import search
from nbnet_lib.evaluate.scores import all_pairs
from nbnet_lib.evaluate.verification import auc, d_prime, eer, far_at, roc, tar_at, threshold_at_far

# Few distinct values make many ties; wide ones and infinities are there as well.
TIED = st.integers(-8, 8).map(lambda i: i / 8)
FINITE = st.one_of(TIED, st.floats(-1e6, 1e6, allow_nan=False))
ANY = st.one_of(FINITE, st.sampled_from([-np.inf, np.inf]))
FAR = st.floats(1e-4, 0.9999)


def arrays(values, least=1):
    return st.lists(values, min_size=least, max_size=40).map(np.array)


quick = settings(max_examples=100, deadline=None)


@pytest.fixture(autouse=True)
def small_sets_warn_and_that_is_tested_elsewhere():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*cannot show a FAR.*")
        yield


def maps():
    """Strictly increasing maps of float64 that keep distinct numbers distinct: by their ranks."""
    return st.sampled_from([np.sqrt, np.log1p, np.square, np.exp2, lambda ranks: 3 * ranks - 50])


def mapped(increasing, *sets):
    """Apply a map to the ranks of the finite scores; infinities stay."""
    distinct = np.unique(np.concatenate(sets))
    distinct = distinct[np.isfinite(distinct)]
    if not len(distinct):
        return sets
    values = increasing(np.arange(1.0, len(distinct) + 1))
    assert (np.diff(values) > 0).all()
    return tuple(
        np.where(np.isfinite(s), values[np.searchsorted(distinct, s).clip(0, len(values) - 1)], s)
        for s in sets
    )


@quick
@given(arrays(ANY), arrays(ANY))
def test_roc_rises_and_each_point_is_what_its_threshold_gives(genuine, impostor):
    far, tar, thresholds = roc(genuine, impostor)
    assert (far[0], tar[0]) == (0, 0)
    assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()
    assert (np.diff(thresholds) < 0).all()
    assert (np.diff(far) + np.diff(tar) > 0)[: len(thresholds) - 2].all()  # no point twice
    for rate, hit, threshold in zip(far, tar, thresholds, strict=True):
        assert far_at(impostor, threshold) == rate and tar_at(genuine, threshold) == hit
    if np.isfinite(np.concatenate([genuine, impostor])).all():
        assert (far[-1], tar[-1]) == (1, 1)


@quick
@given(arrays(ANY), FAR)
def test_threshold_keeps_the_far_and_no_lower_score_would(impostor, far):
    threshold = threshold_at_far(impostor, far)
    assert threshold in impostor
    # So many may pass; 1e-9 of one forgives a product such as 0.29 * 100 = 28.999999999999996.
    allowed = np.floor(far * len(impostor) + 1e-9)
    assert (impostor > threshold).sum() <= allowed
    for lower in np.unique(impostor[impostor < threshold]):
        assert (impostor > lower).sum() > allowed
    assert far_at(impostor, threshold) <= far + 1e-9


@quick
@given(arrays(ANY), FAR, FAR)
def test_a_higher_far_never_raises_the_threshold(impostor, one, other):
    low, high = sorted([one, other])
    assert threshold_at_far(impostor, high) <= threshold_at_far(impostor, low)


@quick
@given(arrays(ANY), arrays(ANY), FAR, maps())
def test_only_the_order_of_scores_matters(genuine, impostor, far, increasing):
    g, i = mapped(increasing, genuine, impostor)
    for mine, theirs in zip(roc(g, i)[:2], roc(genuine, impostor)[:2], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert auc(g, i) == auc(genuine, impostor)
    before, after = threshold_at_far(impostor, far), threshold_at_far(i, far)
    assert tar_at(g, after) == tar_at(genuine, before)
    assert mapped(increasing, genuine, impostor, np.array([before]))[2][0] == after
    if np.isfinite(np.concatenate([genuine, impostor])).all():
        assert eer(g, i) == eer(genuine, impostor)


@quick
@given(arrays(FINITE), arrays(FINITE))
def test_swapping_genuine_and_impostor_mirrors_every_measure(genuine, impostor):
    assert auc(impostor, genuine) == pytest.approx(1 - auc(genuine, impostor))
    # Mirrored scores swap the errors, and < becomes >.
    assert auc(-impostor, -genuine) == pytest.approx(auc(genuine, impostor))
    assert eer(-impostor, -genuine) == pytest.approx(eer(genuine, impostor))
    if np.ptp(genuine) > 1e-3 and np.ptp(impostor) > 1e-3:
        assert d_prime(impostor, genuine) == pytest.approx(-d_prime(genuine, impostor))


@quick
@given(arrays(FINITE), arrays(FINITE))
def test_eer_lies_between_the_errors_around_the_crossing(genuine, impostor):
    far, tar, _ = roc(genuine, impostor)
    rate = eer(genuine, impostor)
    assert 0 <= rate <= 1
    assert np.maximum(far, 1 - tar).min() >= rate - 1e-12  # no threshold has both errors below it


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(1, 6))
def test_the_order_of_pictures_does_not_matter(seed, n, people):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (n, 4)).astype(np.float32) + np.float32(0.5)  # many equal cosines
    who = np.concatenate([[0, 0, 1], rng.integers(0, people, n)])
    x = np.concatenate([x[:1], x[-1:], x[:1], x])
    order = rng.permutation(len(x))
    for one, other in zip(all_pairs(x, who), all_pairs(x[order], who[order]), strict=True):
        np.testing.assert_allclose(np.sort(one.scores), np.sort(other.scores), atol=1e-6)
        np.testing.assert_array_equal(
            np.sort(np.minimum(one.first, one.second)),
            np.sort(np.minimum(other.first, other.second)),
        )
    found, again = search(x, who, x, who), search(x, who, x[order], who[order])
    np.testing.assert_array_equal(found.rank, again.rank)  # ties do not go to who stands first
    np.testing.assert_allclose(found.top_score, again.top_score, atol=1e-6)
