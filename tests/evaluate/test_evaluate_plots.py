"""The figures show what they are given, and pick pictures by score only."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.special import ndtr
from sklearn.metrics import DetCurveDisplay, det_curve

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import (
    ScoreHistogram,
    cmc_plot,
    det_plot,
    interval_plot,
    judges_plot,
    reconstruction_strip,
    roc,
    roc_plot,
    score_histogram,
    select_by_score,
)
from nbnet_lib.evaluate.plots import styles


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    centres = {"genuine": 0.8, "impostor": 0.0, "type1": 0.6, "type2": 0.4}
    return {name: rng.normal(centre, 0.1, 500) for name, centre in centres.items()}


def test_roc_plot(scores):
    axes = roc_plot({k: scores[k] for k in ("genuine", "type1")}, scores["impostor"])
    assert axes.get_xscale() == "log"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["genuine", "type-I (same picture)"]
    far, tar, _ = roc(scores["type1"], scores["impostor"])
    x, y = axes.lines[1].get_xydata().T
    assert len(x) < len(far)  # the corners, and between them the same steps
    np.testing.assert_array_equal(at(far, x, y), at(far, far, tar))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    styles = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len({style for _, style in styles}) == 2  # told apart without colour


def test_score_histogram(scores):
    axes = score_histogram(scores, {0.01: 0.25, 0.001: 0.3})
    assert sorted(line.get_xdata()[0] for line in axes.lines) == [0.25, 0.3]
    assert {text.get_text() for text in axes.texts} == {"FAR 1 %", "FAR 0.1 %"}
    assert len(axes.get_legend().get_texts()) == 4


def test_selection_is_by_score():
    scores = np.array([0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.8, 0.4, 0.6])
    groups = select_by_score(scores, each=2)
    assert scores[groups["best"]].tolist() == [0.9, 0.8]
    assert scores[groups["median"]].tolist() == [0.6, 0.5]
    assert scores[groups["worst"]].tolist() == [0.2, 0.1]
    with pytest.raises(NbnetError, match="too few"):
        select_by_score(scores, each=4)


def test_strip_puts_each_original_above_its_reconstruction():
    n = 9
    scores = np.linspace(0, 0.8, n)
    originals = (
        np.zeros((n, 8, 8, 3), dtype=np.uint8) + np.arange(n, dtype=np.uint8)[:, None, None, None]
    )
    reconstructions = torch.linspace(-1, 1, n)[:, None, None, None].expand(n, 3, 16, 16)
    figure = reconstruction_strip(originals, reconstructions, scores, each=1, threshold=0.5)
    best, median, worst = figure.subfigs
    for part, row, weight in [(best, 8, "bold"), (median, 4, "normal"), (worst, 0, "normal")]:
        above, below = part.axes
        assert above.images[0].get_array()[0, 0, 0] == row
        assert below.images[0].get_array()[0, 0, 0] == round(255 * row / 8)
        assert below.xaxis.label.get_text() == f"{scores[row]:.2f}"
        assert below.xaxis.label.get_fontweight() == weight


def at(grid, x, y):
    """The step curve's height right at each place of the grid."""
    return y[np.searchsorted(x, grid, side="right") - 1]


@pytest.mark.parametrize("plot", [roc_plot, det_plot])
def test_curves_take_a_histogram_of_impostors(plot, scores):
    counted = ScoreHistogram()
    counted.add(scores["impostor"].astype(np.float32))
    given = {"genuine": scores["genuine"] - 0.6}
    by_array = plot(given, scores["impostor"].astype(np.float32))
    by_counts = plot(given, counted)
    assert by_array.get_xlim() == by_counts.get_xlim()
    grid = np.linspace(*by_array.get_xlim(), 50)
    a, b = (axes.lines[0].get_xydata().T for axes in (by_array, by_counts))
    np.testing.assert_allclose(at(grid, *a), at(grid, *b), atol=0.005)
    assert plot(given, counted, far_min=0.05).get_xlim()[0] == pytest.approx(0.05)


def test_det_of_normal_scores_is_a_straight_line_and_meets_the_diagonal_at_the_eer():
    rng = np.random.default_rng(0)
    axes = det_plot({"genuine": rng.normal(2, 1, 40_000)}, rng.normal(size=40_000))
    curve, diagonal = axes.lines
    fmr, fnmr = curve.get_xydata().T
    seen = (fmr > 0.001) & (fmr < 0.4)
    pixels = axes.transData.transform(np.stack([fmr, fnmr], axis=1)[seen])
    assert np.corrcoef(pixels.T)[0, 1] < -0.999
    nearest = np.argmin(abs(fmr - fnmr))
    assert fmr[nearest] == pytest.approx(0.1587, abs=0.005)  # 1 - Phi(d' / 2)
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    texts = [tick.get_text() for tick in axes.get_xticklabels()]
    assert {"0.1 %", "1 %", "20 %"} <= set(texts)


@pytest.mark.parametrize(("centre", "end"), [(0.1, "top"), (9.0, "bottom")])
def test_det_shows_whatever_nearly_always_fails_or_never_does(centre, end):
    rng = np.random.default_rng(0)
    axes = det_plot({"type2": rng.normal(centre, 1, 5_000)}, rng.normal(size=50_000))
    low, high = axes.get_ylim()
    assert high >= 0.999 if end == "top" else low <= 1 / 5_000
    axes.figure.canvas.draw()


def test_det_axes_reach_the_fars_of_recognisers_which_those_of_scikit_learn_do_not():
    rng = np.random.default_rng(0)
    genuine, impostor = rng.normal(3, 1, 2_000), rng.normal(size=200_000)
    ours = det_plot({"genuine": genuine}, impostor)
    assert ours.get_xlim()[0] == pytest.approx(5e-5)
    assert "0.01 %" in [tick.get_text() for tick in ours.get_xticklabels()]
    fpr, fnr, _ = det_curve(np.repeat([1, 0], [2_000, 200_000]), np.append(genuine, impostor))
    theirs = DetCurveDisplay(fpr=fpr, fnr=fnr).plot().ax_
    assert ndtr(theirs.get_xticks()).min() == pytest.approx(1e-3)
    # The curve itself is theirs.
    x, y = ours.lines[0].get_xdata(), ours.lines[0].get_ydata()
    for share in (1e-4, 1e-3, 0.01, 0.1):
        mine = y[np.searchsorted(x, share, side="right") - 1]
        assert mine == pytest.approx(fnr[fpr <= share].min(), abs=0.002)


def test_cmc_plot():
    axes = cmc_plot({"fa": np.array([0.9, 0.95, 1.0]), "fb": np.array([0.7, 0.9])})
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 0.9], [2, 0.95], [3, 1]])
    assert axes.get_ylim()[0] == pytest.approx(0.6) and axes.get_xscale() == "linear"
    assert cmc_plot({"many": np.linspace(0.5, 1, 40)}).get_xscale() == "log"


def test_histogram_of_counts_is_that_of_the_scores(scores):
    impostor = scores["impostor"].astype(np.float32)
    counted = ScoreHistogram()
    counted.add(impostor)
    kinds = {"impostor": impostor, "genuine": np.array([-0.9, 0.95])}  # the same edges for both
    drawn = score_histogram(kinds, bins=40).patches[0].get_data()
    again = score_histogram({**kinds, "impostor": counted}, bins=40).patches[0].get_data()
    np.testing.assert_array_equal(drawn.edges, again.edges)
    np.testing.assert_allclose(drawn.values, again.values)
    assert (drawn.values * np.diff(drawn.edges)).sum() == pytest.approx(1)


def test_histogram_says_what_it_cannot_show():
    values = np.array([-np.inf, -np.inf, 0.5, 0.6])
    axes = score_histogram({"genuine": values})
    assert axes.get_legend().get_texts()[0].get_text() == "genuine\n(2 not finite)"
    data = axes.patches[0].get_data()
    assert (data.values * np.diff(data.edges)).sum() == pytest.approx(1)
    with pytest.raises(NbnetError, match="no finite score"):
        score_histogram({"genuine": values[:2]})
    assert score_histogram({"genuine": np.ones(5)}).patches  # equal scores can be drawn


def test_the_same_kind_looks_the_same_and_others_differ():
    many = [f"decoder {i}" for i in range(12)]
    look = styles(["genuine", "type2", *many])
    assert look["type2"] == styles(["type2", "type1"])["type2"]
    assert len({(c, str(d)) for c, d, _ in look.values()}) == 14
    few = styles(["genuine", *many[:4]])
    assert len({str(dash) for _, dash, _ in few.values()}) == 5  # told apart without colour


def test_names_are_text_and_not_markup(scores):
    names = ["_hidden", "cost $5 or $x$"]
    axes = roc_plot({name: scores["genuine"] for name in names}, scores["impostor"])
    axes.figure.canvas.draw()
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.replace("\u200b", "").replace("\\$", "$") for text in shown] == names


def test_interval_plot_shows_chance():
    rows = {"glasses": {"probe": (0.9, 0.8, 0.95)}, "age": {"probe": (0.5, np.nan, np.nan)}}
    axes = interval_plot(rows, "balanced accuracy", reference={"age": (0.45, 0.55)})
    (bar,) = axes.patches
    assert (bar.get_x(), bar.get_width()) == (0.45, pytest.approx(0.1))
    assert bar.get_y() + bar.get_height() / 2 == pytest.approx(-1)
    with pytest.raises(ValueError, match="negative"):  # a value outside of its interval
        interval_plot({"a": {"probe": (0.5, 0.6, 0.7)}}, "x")


def test_judges_plot_has_one_legend_and_the_same_rows_in_each_panel():
    target, judge = (0.9, 0.8, 0.95), (0.5, 0.4, 0.6)
    figure = judges_plot(
        {"I": {"a": {}, "b": {"t": target}}, "II": {"a": {"t": target, "j": judge}, "b": {}}}, 0.01
    )
    assert [axes.get_title() for axes in figure.axes] == ["I", "II"]
    assert [axes.get_legend() for axes in figure.axes] == [None, None]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["t", "j"]
    (dots,) = figure.axes[0].containers
    assert dots.lines[0].get_xydata()[:, 0].tolist() == [0.9]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert figure.axes[1].get_xlabel() == "TAR at FAR 1 %"
