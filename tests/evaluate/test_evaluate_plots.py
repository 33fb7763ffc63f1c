"""The figures show what they are given, and pick pictures by score only."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import (
    reconstruction_strip,
    roc,
    roc_plot,
    score_histogram,
    select_by_score,
)


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
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), far)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), tar)
    styles = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len({style for _, style in styles}) == 2  # told apart without colour


def test_score_histogram(scores):
    axes = score_histogram(scores, {0.01: 0.25, 0.001: 0.3})
    assert sorted(line.get_xdata()[0] for line in axes.lines) == [0.25, 0.3]
    assert {text.get_text() for text in axes.texts} == {"FAR 1 %", "FAR 0.1 %"}
    assert len(axes.get_legend().get_texts()) == 4


def test_equal_scores_can_be_drawn():
    score_histogram({"genuine": np.ones(5)})


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


def test_strip_refuses_lengths_that_differ():
    with pytest.raises(NbnetError, match="as many of each"):
        reconstruction_strip(np.zeros((9, 8, 8, 3), np.uint8), torch.zeros(8, 3, 8, 8), np.ones(9))
