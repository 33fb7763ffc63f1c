"""The histogram that stands in for impostor scores: exact on its grid, and never optimistic."""

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.verification import auc, d_prime, det, eer, far_at, roc, threshold_at_far


def draw(n=5000, seed=0, kind=np.float32):
    return np.clip(np.random.default_rng(seed).normal(0.1, 0.3, n), -1, 1).astype(kind)


def filled(scores, **grid):
    histogram = ScoreHistogram(**grid)
    histogram.add(scores)
    return histogram


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("bins", [4, 256, 2**20])
def test_counts_at_every_edge_are_exact(bins, kind):
    edges = np.linspace(-1, 1, bins + 1) if bins < 1000 else np.arange(-64, 65) * 2.0**-19
    # Scores at the edges and next to them: what rounding would put on the wrong side.
    at = edges.astype(kind)
    low, high = kind(-1), kind(1)
    near = [at, np.nextafter(at, low), np.nextafter(at, high), [kind(1e-30), kind(-1e-30)]]
    scores = np.concatenate([*near, draw(kind=kind)]).astype(kind)
    histogram = filled(scores, bins=bins)
    assert histogram.total == len(scores)
    np.testing.assert_array_equal(
        histogram.count_above(edges), [(scores > edge).sum() for edge in edges]
    )


def test_between_edges_errors_are_rounded_up():
    histogram = filled(np.array([0.1, 0.2, 0.3, 0.4]), bins=8)  # edges -1, -0.75, ...
    assert histogram.count_above(0.25) == 2
    assert histogram.count_above(0.35) == 2  # 0.3 is counted: it might be 0.36
    assert histogram.count_above(-5) == 4 and histogram.count_above(-np.inf) == 4
    assert histogram.count_above(5) == 0 == histogram.count_above(np.inf)
    np.testing.assert_array_equal(histogram.thresholds(), [0.25, 0.5])


def test_any_layout_and_type_of_scores():
    scores = draw(600).reshape(20, 30)
    whole = filled(scores)
    np.testing.assert_array_equal(whole.counts, filled(scores.T).counts)
    np.testing.assert_array_equal(whole.counts, filled(scores[::-1, ::-1]).counts)
    assert filled(np.array([0, 1, -1])).count_above(0) == 1
    assert filled(np.array([0.5], np.float16)).count_above(0.5 - 2**-19) == 1


def test_rounding_of_cosines_is_forgiven_and_no_more():
    histogram = filled(np.array([1.00001, -1.00001]))
    assert histogram.count_above(1) == 0 and histogram.count_above(1 - histogram.step) == 1
    assert histogram.count_above(-1) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.001, -1.001])
@pytest.mark.parametrize("place", [0, 255, 256, 700])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_refused_score_leaves_nothing_behind(bad, place, kind):
    histogram = filled(draw(100))
    before = histogram.counts.copy()
    scores = draw(701, kind=kind)
    scores[place] = bad
    with pytest.raises(NbnetError, match=f"score {place} is"):
        histogram.add(scores)
    np.testing.assert_array_equal(histogram.counts, before)


@pytest.mark.parametrize("far", [0.5, 0.1, 0.0123, 0.001])
def test_measures_equal_those_of_the_scores_on_the_grid(far):
    genuine, impostor = draw(700, 1) / 2 + 0.4, draw(9000, 2)
    genuine = np.ceil(genuine * 2**19) / 2**19
    on_grid = np.ceil(impostor.astype(np.float64) * 2**19) / 2**19
    histogram = filled(impostor)
    threshold = threshold_at_far(histogram, far)
    assert threshold == threshold_at_far(on_grid, far)
    assert 0 <= threshold - threshold_at_far(impostor, far) < histogram.step
    assert far_at(histogram, threshold) == far_at(impostor, threshold) <= far
    for mine, plain in zip(roc(genuine, histogram), roc(genuine, on_grid), strict=True):
        np.testing.assert_array_equal(mine, plain)
    for mine, plain in zip(det(genuine, histogram), det(genuine, on_grid), strict=True):
        np.testing.assert_array_equal(mine, plain)
    assert eer(genuine, histogram) == eer(genuine, on_grid)
    assert auc(genuine, histogram) == pytest.approx(auc(genuine, impostor), abs=1e-5)
    assert d_prime(genuine, histogram) == pytest.approx(d_prime(genuine, on_grid))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ScoreHistogram(bins=1000), "power of two"),
        (lambda: ScoreHistogram().count_above(np.nan), "threshold is NaN"),
        (lambda: far_at(ScoreHistogram(), 0.5), "histogram of impostor scores is empty"),
    ],
)
def test_bad_use(call, message):
    with pytest.raises(NbnetError, match=message):
        call()
