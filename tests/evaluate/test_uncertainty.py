"""Each draw of identities against the same draw written out, comparison by comparison."""

import warnings

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import bootstrap_rate, eer, tar_at, threshold_at_far
from nbnet_lib.evaluate.binomial import exact_interval, share_interval, wilson_interval
from nbnet_lib.evaluate.scores import Comparisons
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap

CODES = np.array([2, 3, 11, 12, 40, 41, 42, 97])  # identity codes need not be 0, 1, 2, ...


def compare(scores, first, second):
    return Comparisons(
        np.asarray(scores, np.float32), np.asarray(first, np.int64), np.asarray(second, np.int64)
    )


def draw(seed, tied=False, each=3):
    """Return (genuine, impostor) of 8 persons, several comparisons of each (pair of) person."""
    rng = np.random.default_rng(seed)
    a, b = (np.repeat(side, each) for side in np.triu_indices(len(CODES), 1))
    own = np.repeat(np.arange(len(CODES)), rng.integers(1, 6, len(CODES)))
    easy = rng.normal(0, 0.5, len(CODES))
    scores = [rng.normal(1, 1, len(own)) + easy[own], rng.normal(0, 1, len(a)) + easy[a] + easy[b]]
    if tied:
        scores = [values.round(0) for values in scores]
    return compare(scores[0], CODES[own], CODES[own]), compare(scores[1], CODES[a], CODES[b])


def written_out(comparisons, weights):
    """Return the scores with each comparison as often as its persons were drawn together."""
    w = dict(zip(CODES.tolist(), weights.tolist(), strict=True))
    times = [
        w[a] if a == b else w[a] * w[b]
        for a, b in zip(comparisons.first.tolist(), comparisons.second.tolist(), strict=True)
    ]
    return np.repeat(comparisons.scores, times)


@pytest.mark.filterwarnings("ignore:.*cannot show a FAR")
@pytest.mark.parametrize("tied", [False, True])
def test_false_acceptances_and_sums_of_each_draw_written_out(tied):
    _, impostor = draw(6, tied)
    bootstrap = IdentityBootstrap(CODES, resamples=60, seed=2)
    limits = np.random.default_rng(0).normal(1, 0.5, 60).round(0 if tied else 3)
    limits[3] = np.nan
    far = bootstrap.far_at(impostor, limits)
    sums = bootstrap.pair_sums(impostor.first, impostor.second, impostor.scores)
    assert np.isnan(far[3]) and np.isfinite(np.delete(far, 3)).all()
    for r, weights in enumerate(bootstrap.weights):
        scores = written_out(impostor, weights)
        if r != 3:
            assert far[r] == pytest.approx(np.mean(scores > limits[r]))
        assert sums[r] == pytest.approx(scores.sum(dtype=np.float64), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("far", [0.3, 0.05, 0.001])
def test_threshold_and_tar_of_each_draw_written_out(far, tied):
    genuine, impostor = draw(5, tied)
    bootstrap = IdentityBootstrap(CODES, resamples=60, seed=2)
    thresholds = bootstrap.threshold(impostor, far)
    tars = bootstrap.tar(genuine, impostor, far)
    assert len(np.unique(thresholds)) > (1 if tied else 3)  # it does move
    for r, weights in enumerate(bootstrap.weights):
        threshold = threshold_at_far(written_out(impostor, weights), far)
        assert thresholds[r] == threshold
        assert tars[r] == pytest.approx(tar_at(written_out(genuine, weights), threshold))


@pytest.mark.parametrize("tied", [False, True])
def test_eer_of_each_draw_written_out(tied):
    genuine, impostor = draw(6, tied)
    bootstrap = IdentityBootstrap(CODES, resamples=60, seed=3)
    for weights, value in zip(bootstrap.weights, bootstrap.eer(genuine, impostor), strict=True):
        assert value == pytest.approx(
            eer(written_out(genuine, weights), written_out(impostor, weights)), abs=1e-9
        )


def test_eer_beyond_the_first_look():
    """The crossing of draws lies deep among thousands of scores, or at the very end."""
    bootstrap = IdentityBootstrap(CODES, resamples=20)
    for shift in (0, -100):
        genuine, impostor = draw(7, each=300)
        genuine = compare(genuine.scores - 1 + shift, genuine.first, genuine.second)
        values = bootstrap.eer(genuine, impostor)
        assert len(impostor) // 16 + 1000 < 0.2 * len(impostor)
        assert (values > 0.3).all()
        expected = eer(
            written_out(genuine, bootstrap.weights[0]), written_out(impostor, bootstrap.weights[0])
        )
        assert values[0] == pytest.approx(expected)


def test_threshold_beyond_the_first_look():
    """All high scores belong to one pair of persons: most draws must look far below them."""
    genuine, impostor = draw(8, each=300)
    pair = (impostor.first == CODES[0]) & (impostor.second == CODES[1])
    impostor = compare(impostor.scores + 50 * pair, impostor.first, impostor.second)
    more = Comparisons.concatenate([impostor] + [impostor.select(pair)] * 5)
    bootstrap = IdentityBootstrap(CODES, resamples=40)
    thresholds = bootstrap.threshold(more, 0.01)
    assert (thresholds > 40).any() and (thresholds < 10).any()
    for weights, threshold in zip(bootstrap.weights, thresholds, strict=True):
        assert threshold == threshold_at_far(written_out(more, weights), 0.01)


def test_a_far_next_to_one_accepts_all_but_the_lowest():
    _, impostor = draw(8)
    bootstrap = IdentityBootstrap(CODES, resamples=40)
    for weights, threshold in zip(
        bootstrap.weights, bootstrap.threshold(impostor, 1 - 1e-12), strict=True
    ):
        assert threshold == written_out(impostor, weights).min()


def test_draws_are_of_identities():
    bootstrap = IdentityBootstrap(np.repeat(CODES, 3)[::-1], resamples=500, seed=1)
    np.testing.assert_array_equal(bootstrap.identities, CODES)
    assert (bootstrap.weights.sum(axis=1) == len(CODES)).all()
    assert bootstrap.weights.mean(axis=0) == pytest.approx(np.ones(len(CODES)), abs=0.15)
    again = IdentityBootstrap(CODES, resamples=500, seed=1)
    np.testing.assert_array_equal(bootstrap.weights, again.weights)
    other = IdentityBootstrap(CODES, resamples=500, seed=2)
    assert (bootstrap.weights != other.weights).any()


def test_another_impostor_set_is_not_answered_from_memory():
    genuine, impostor = draw(10)
    lower = compare(impostor.scores - 1, impostor.first, impostor.second)
    bootstrap = IdentityBootstrap(CODES, resamples=50)
    thresholds = bootstrap.threshold(impostor, 0.1)
    np.testing.assert_allclose(bootstrap.threshold(lower, 0.1), thresholds - 1, atol=1e-6)
    np.testing.assert_array_equal(bootstrap.threshold(impostor, 0.1), thresholds)


def test_rate_and_fixed_threshold_agree_with_bootstrap_rate():
    genuine, _ = draw(11)
    bootstrap = IdentityBootstrap(CODES, resamples=300, seed=4)
    samples = bootstrap.tar_at(genuine, 0.5)
    np.testing.assert_allclose(samples, bootstrap.rate(genuine.scores > 0.5, genuine.first))
    expected = bootstrap_rate(genuine.scores > 0.5, genuine.first, resamples=300, seed=4)
    assert bootstrap.interval(samples) == pytest.approx(expected)


def test_draws_without_comparisons_are_left_out_with_a_warning():
    bootstrap = IdentityBootstrap([1, 2], resamples=400)
    impostor = compare([0.1, 0.2], [1, 2], [2, 1])
    thresholds = bootstrap.threshold(impostor, 0.5)
    alone = (bootstrap.weights == 2).any(axis=1)  # one person drawn twice: no impostor
    np.testing.assert_array_equal(np.isnan(thresholds), alone)
    genuine = compare([0.3, 0.4], [1, 2], [1, 2])
    assert np.isnan(bootstrap.eer(genuine, impostor)[alone]).all()
    with pytest.warns(UserWarning, match=f"{alone.sum()} of 400 resamples of 2 identities"):
        assert bootstrap.interval(thresholds) == pytest.approx((0.1, 0.1))
    with pytest.raises(NbnetError, match="none of 400 resamples holds both kinds"):
        bootstrap.interval(np.full(400, np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bootstrap.interval(np.append(np.nan, np.arange(399.0)))  # one of 400 is not worth a word


def test_infinite_scores_are_numbers():
    """-inf: the picture could not be used. It counts as a comparison and is never accepted."""
    genuine, impostor = draw(13)
    scores = genuine.scores.copy()
    scores[::3] = -np.inf
    genuine = compare(scores, genuine.first, genuine.second)
    tops = impostor.scores.copy()
    tops[:40] = np.inf
    impostor = compare(tops, impostor.first, impostor.second)
    bootstrap = IdentityBootstrap(CODES, resamples=200)
    for r, value in enumerate(bootstrap.tar(genuine, impostor, 0.4)):
        weights = bootstrap.weights[r]
        threshold = threshold_at_far(written_out(impostor, weights), 0.4)
        assert value == pytest.approx(tar_at(written_out(genuine, weights), threshold))
    low, high = bootstrap.interval(bootstrap.threshold(impostor, 0.2))
    assert low < high == np.inf


def test_interval_of_the_samples():
    bootstrap = IdentityBootstrap(CODES, resamples=101)
    assert bootstrap.interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert bootstrap.interval(np.arange(101.0), confidence=0.5) == pytest.approx((25, 75))


def test_a_share_of_all_or_none_has_the_exact_interval_of_the_people():
    """0.025 ** (1 / 20) = 0.8316: with 20 people of whom all pass, 17 % more might not."""
    who = np.repeat(np.arange(20), 3)
    everybody, nobody = np.ones(60, bool), np.zeros(60, bool)
    assert share_interval(everybody, who, (1.0, 1.0)) == pytest.approx((0.025 ** (1 / 20), 1))
    assert share_interval(nobody, who, (0.0, 0.0)) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert share_interval(everybody, who, (0.7, 1.0))[0] == 0.7  # other thresholds: some fail


def test_a_share_that_few_people_fail_is_not_sure_either():
    who = np.repeat(np.arange(20), 3)
    one = np.arange(60) > 0  # one decision of one person
    low, high = share_interval(one, who, (0.95, 1.0))
    everybody = share_interval(np.ones(60, bool), who, (1.0, 1.0))
    assert 0.7 < low < everybody[0] and high == 1  # no jump: a little less sure than before
    half = np.arange(60) % 2 == 0
    assert share_interval(half, who, (0.4, 0.6)) == (0.4, 0.6)  # all people pass and fail


def test_few_failures_are_covered():
    """300 people of whom each passes with 99.5 %: the bootstrap alone holds the truth in 78 %."""
    rng = np.random.default_rng(0)
    held = [0, 0]
    for seed in range(200):
        accepted = rng.random(300) < 0.995
        draws = IdentityBootstrap(np.arange(300), 200, seed)
        alone = draws.interval(draws.rate(accepted, np.arange(300)))
        both = share_interval(accepted, np.arange(300), alone)
        held[0] += alone[0] <= 0.995 <= alone[1]
        held[1] += both[0] <= 0.995 <= both[1]
    assert held[0] < 170 and held[1] >= 190


def test_intervals_of_independent_trials():
    """Clopper-Pearson without a success: (1 - high) ** n = 2.5 %; Wilson's is shorter."""
    low, high = exact_interval(0, 100)
    assert low == 0 and (1 - high) ** 100 == pytest.approx(0.025)
    assert wilson_interval(50, 100)[1] < exact_interval(50, 100)[1]
    with pytest.raises(ValueError, match="greater"):
        exact_interval(3, 2)


GENUINE, IMPOSTOR = draw(0)
BOOTSTRAP = IdentityBootstrap(CODES, resamples=5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: IdentityBootstrap([0.5]), "give a list of whole numbers"),
        (lambda: IdentityBootstrap([1], resamples=0), "resamples=0 must be >= 1"),
        (lambda: BOOTSTRAP.threshold(IMPOSTOR, 1.0), "far=1.0"),
        (lambda: BOOTSTRAP.threshold(GENUINE, 0.1), "between pictures of one person"),
        (lambda: BOOTSTRAP.tar(IMPOSTOR, IMPOSTOR, 0.1), "is between two persons"),
        (lambda: BOOTSTRAP.eer(GENUINE.select([]), IMPOSTOR), "no genuine comparison"),
        (lambda: BOOTSTRAP.rate([1.0], [5]), "identity 5 has comparisons but is not one of the 8"),
        (lambda: BOOTSTRAP.rate([np.nan], [2]), "value 0 is nan"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(NbnetError, match=message):
        call()
