"""Two packages that others wrote must agree: scikit-learn, and pyeer of the biometrics field.

Where definitions differ the test says so and compares what must be equal:

- pyeer accepts scores >= threshold, this library scores > threshold. So pyeer's point at the next
  higher score is our point at a score; as curves they are the same.
- pyeer's EER is that of FVC2000: the mean of FMR and FNMR at the one of the two points around the
  crossing where their sum is smaller. Ours is the crossing of the straight line between the points.
  Both lie between the same two points, and they are equal where a point meets FMR = FNMR exactly.
- pyeer's operating points (fmr100, ...) are at the FMR *nearest* to the one asked for, which may
  be higher than it; ours never is. They are equal where the FMR asked for is reached exactly.
- neither package takes +-inf (scikit-learn refuses it); order-preserving finite stand-ins for
  them must give the same curve as ours gives with the infinities.
- both packages let NaN through in places; this library refuses it.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from pyeer import eer_stats
from sklearn.metrics import roc_auc_score, roc_curve

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.verification import (
    auc,
    d_prime,
    det,
    eer,
    far_at,
    roc,
    tar_at,
    threshold_at_far,
)


def _normal(seed, genuine, impostor, digits=None):
    rng = np.random.default_rng(seed)
    scores = rng.normal(1.5, 1, genuine), rng.normal(0, 1, impostor)
    return scores if digits is None else tuple(s.round(digits) for s in scores)


CASES = {
    "random": _normal(0, 400, 3000),
    "float32": tuple(s.astype(np.float32) for s in _normal(1, 100, 2000)),
    "few ties": _normal(2, 300, 2000, 2),
    "many ties": _normal(3, 300, 2000, 0),
    "two values": (np.array([0.0, 1, 1, 1]), np.array([0.0, 0, 1])),
    "constant": (np.full(5, 0.5), np.full(9, 0.5)),
    "constant each": (np.full(5, 0.7), np.full(9, 0.5)),
    "wrong way round": (np.full(5, 0.1), np.linspace(0.2, 0.9, 9)),
    "one impostor": (np.array([0.1, 0.6, 0.9]), np.array([0.5])),
    "one genuine": (np.array([0.5]), np.array([0.1, 0.2, 0.5, 0.9])),
    "one of each": (np.array([0.7]), np.array([0.2])),
    "one of each, equal": (np.array([0.7]), np.array([0.7])),
    "separated": (np.linspace(0.6, 0.9, 30), np.linspace(-0.2, 0.5, 40)),
    "next to each other": (np.nextafter(np.full(4, 0.5), 1), np.full(4, 0.5)),
    "huge and tiny": (np.array([1e300, 1e-300, 0.0]), np.array([-1e300, -1e-300, 0.0])),
    "equal sets": (np.arange(50.0), np.arange(50.0)),
}
INFINITE = {
    "all kinds": (np.array([-np.inf, 0.4, 0.6, np.inf]), np.array([-np.inf, 0.1, 0.5, np.inf])),
    "only infinities": (np.array([np.inf, np.inf]), np.array([-np.inf, np.inf])),
    "accepted always": (np.array([0.2, np.inf, 0.3]), np.array([0.25, 0.1])),
}

cases = pytest.mark.parametrize("scores", CASES.values(), ids=CASES.keys())
infinite = pytest.mark.parametrize("scores", INFINITE.values(), ids=INFINITE.keys())
pytestmark = [
    pytest.mark.filterwarnings("ignore:It is possible that you had set the wrong:UserWarning"),
    pytest.mark.filterwarnings("ignore:It seems that the FMR and FNMR:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:overflow encountered in square:RuntimeWarning"),
]


def labelled(genuine, impostor):
    return np.repeat([1, 0], [len(genuine), len(impostor)]), np.concatenate([genuine, impostor])


@cases
def test_scikit_learn_draws_the_same_roc(scores):
    fpr, tpr, thresholds = roc_curve(*labelled(*scores), drop_intermediate=False)
    far, tar, mine = roc(*scores)
    np.testing.assert_allclose(far, fpr, atol=1e-12)
    np.testing.assert_allclose(tar, tpr, atol=1e-12)
    # scikit-learn accepts from its threshold on: ours is the next score below.
    np.testing.assert_array_equal(mine[:-1], thresholds[1:])


@cases
def test_scikit_learn_finds_the_same_area(scores):
    expected = roc_auc_score(*labelled(*scores))
    assert auc(*scores) == pytest.approx(expected, abs=1e-12)
    far, tar, _ = roc(*scores)
    assert np.trapezoid(tar, far) == pytest.approx(expected, abs=1e-12)


@infinite
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")
def test_scikit_learn_agrees_on_stand_ins_for_infinity(scores):
    with pytest.raises(ValueError, match="infinity"):
        roc_curve(*labelled(*scores))
    finite = [np.clip(s, -99, 99) for s in scores]
    fpr, tpr, _ = roc_curve(*labelled(*finite), drop_intermediate=False)
    far, tar, thresholds = roc(*scores)
    n = len(far)  # -inf is never accepted here, so the last point of the stand-in has no like
    np.testing.assert_allclose(far, fpr[:n], atol=1e-12)
    np.testing.assert_allclose(tar, tpr[:n], atol=1e-12)
    assert n in (len(fpr), len(fpr) - 1) and thresholds[-1] == -np.inf
    assert auc(*scores) == pytest.approx(roc_auc_score(*labelled(*finite)), abs=1e-12)


def ask_pyeer(genuine, impostor):
    """What `pyeer.eer_info.get_eer_stats` does; that module needs pkg_resources for its plots."""
    genuine, impostor = list(map(float, genuine)), list(map(float, impostor))
    thresholds, fmr, fnmr = eer_stats.calculate_roc(genuine, impostor)
    _, low, high, middle = eer_stats.get_eer_values(fmr, fnmr)
    fmr10, fmr20, fmr100 = (eer_stats.get_fmr_op(fmr, fnmr, f) for f in (0.1, 0.05, 0.01))
    moments = np.mean(genuine), np.std(genuine), np.mean(impostor), np.std(impostor)
    return SimpleNamespace(
        thrs=thresholds,
        fmr=fmr,
        fnmr=fnmr,
        eer=middle,
        eer_low=low,
        eer_high=high,
        fmr10=fmr10[1],
        fmr20=fmr20[1],
        fmr100=fmr100[1],
        fmr10_th=thresholds[fmr10[0]],
        fmr100_th=thresholds[fmr100[0]],
        auc=eer_stats.calculate_roc_auc(fmr, fnmr),
        decidability=eer_stats.get_decidability_value(*moments),
    )


@cases
def test_pyeer_draws_the_same_det(scores):
    stats = ask_pyeer(*scores)
    fmr, fnmr, thresholds = det(*scores)
    # pyeer's points, at its thresholds rising, are ours from the last to the second.
    np.testing.assert_array_equal(stats.thrs, thresholds[-2::-1].astype(np.float64))
    np.testing.assert_allclose(stats.fmr, fmr[:0:-1], atol=1e-12)
    np.testing.assert_allclose(stats.fnmr, fnmr[:0:-1], atol=1e-12)
    for t, rate, missed in list(zip(stats.thrs, stats.fmr, stats.fnmr, strict=True))[::97]:
        below = np.nextafter(t, -np.inf)  # > this is >= t
        assert far_at(scores[1].astype(np.float64), below) == pytest.approx(rate, abs=1e-12)
        assert tar_at(scores[0].astype(np.float64), below) == pytest.approx(1 - missed, abs=1e-12)


@pytest.mark.parametrize("name", ["random", "float32", "few ties", "equal sets", "separated"])
def test_pyeer_finds_an_equal_error_rate_between_the_same_points(name):
    genuine, impostor = CASES[name]
    stats, mine = ask_pyeer(genuine, impostor), eer(genuine, impostor)
    fmr, fnmr, _ = det(genuine, impostor)
    after = int(np.argmax(fmr >= fnmr))
    around = [fmr[after - 1], fnmr[after - 1], fmr[after], fnmr[after]]
    assert min(around) <= stats.eer <= max(around)
    assert min(around) <= mine <= max(around)
    # So they cannot be further apart than the step of the curve there.
    assert abs(mine - stats.eer) <= max(around) - min(around)


def test_pyeer_finds_the_same_equal_error_rate_where_the_curve_meets_it():
    genuine = np.array([0.4, 0.6, 0.7, 0.8])
    impostor = np.array([0.1, 0.2, 0.3, 0.5])
    stats = ask_pyeer(genuine, impostor)
    assert stats.eer == stats.eer_low == stats.eer_high == eer(genuine, impostor) == 0.25
    assert ask_pyeer(*CASES["separated"]).eer == eer(*CASES["separated"]) == 0


def test_pyeer_finds_the_same_rates_at_an_fmr_that_is_reached():
    genuine, impostor = CASES["random"]  # 3000 distinct impostors: 1 % and 0.1 % are reached
    stats = ask_pyeer(genuine, impostor)
    for far, fnmr in ((0.1, stats.fmr10), (0.05, stats.fmr20), (0.01, stats.fmr100)):
        assert 1 - tar_at(genuine, threshold_at_far(impostor, far)) == pytest.approx(fnmr, abs=3e-3)
    # pyeer's threshold accepts exactly 1 %; no impostor lies between it and ours.
    mine, its = threshold_at_far(impostor, 0.01), stats.fmr100_th
    assert far_at(impostor, mine) == pytest.approx(0.01)
    assert not ((impostor > mine) & (impostor < its)).any()


def test_pyeer_goes_above_the_fmr_asked_for_where_ours_stays_below():
    impostor = np.repeat([0.9, 0.8, 0.1], [5, 7, 88])  # 5 % or 12 % can be reached, not 10 %
    stats = ask_pyeer(np.array([0.85, 0.95]), impostor)
    assert far_at(impostor, np.nextafter(stats.fmr10_th, -np.inf)) == 0.12
    assert far_at(impostor, threshold_at_far(impostor, 0.1)) == 0.05


@pytest.mark.parametrize("name", ["random", "few ties", "many ties", "separated"])
def test_pyeer_finds_the_same_d_prime_and_area(name):
    stats = ask_pyeer(*CASES[name])
    assert d_prime(*CASES[name]) == pytest.approx(stats.decidability)
    # pyeer leaves the last step of the curve, to FMR 0 and TAR 0, out of its area: a triangle or
    # nothing where the best score is a genuine one, so ours is never smaller.
    far, tar, _ = roc(*CASES[name])
    left_out = far[1] * tar[1] / 2
    assert auc(*CASES[name]) == pytest.approx(stats.auc + left_out, abs=1e-12)


@pytest.mark.parametrize("measure", [roc, det, eer, auc, d_prime])
@pytest.mark.parametrize("side", [0, 1])
def test_nan_is_refused_by_every_measure(measure, side):
    scores = [np.array([0.5, 0.6]), np.array([0.1, 0.2])]
    scores[side] = np.array([0.3, np.nan])
    with pytest.raises(NbnetError, match=f"{('genuine', 'impostor')[side]} score 1 is NaN"):
        measure(*scores)
