"""Figures of the evaluation: ROC, score histogram, strip of reconstructions (chapters 2 and 4).

Colours are seaborn's colour-blind palette; lines also differ in dash, so a grey print is readable.
Each function draws on ``axes`` if given, else on a new figure, and returns what it drew on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.verification import as_scores, roc
from nbnet_lib.faces import to_uint8

DASHES = ["-", "--", "-.", ":"]
LABELS = {
    "genuine": "genuine",
    "impostor": "impostor",
    "type1": "type-I (same picture)",
    "type2": "type-II (other picture)",
}


def roc_plot(
    curves: Mapping[str, np.ndarray],
    impostor: np.ndarray,
    axes: Axes | None = None,
    far_min: float | None = None,
) -> Axes:
    """Draw TAR over FAR, FAR on a log axis, one curve per entry of ``curves``.

    Args:
        curves: {label: scores that should be accepted}; the keys of ``AttackResult.scores`` get
            full names.
        impostor: scores of impostors, shared by all curves.
        axes: where to draw.
        far_min: left end of the axis; by default ten false acceptances, below which a curve says
            little.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    impostor = as_scores(impostor, "impostor")
    far_min = far_min or min(0.1, 10 / len(impostor))
    colours = sns.color_palette("colorblind", len(curves))
    for i, (name, scores) in enumerate(curves.items()):
        far, tar, _ = roc(scores, impostor)
        axes.step(
            far,
            tar,
            where="post",
            label=LABELS.get(name, name),
            color=colours[i],
            linestyle=DASHES[i % 4],
        )
    axes.set(
        xscale="log",
        xlim=(far_min, 1),
        ylim=(0, 1.01),
        xlabel="FAR (share of impostors accepted)",
        ylabel="TAR (share accepted)",
    )
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(loc="lower right", frameon=True)
    sns.despine(ax=axes)
    return axes


def score_histogram(
    scores: Mapping[str, np.ndarray],
    thresholds: Mapping[float, float] | None = None,
    axes: Axes | None = None,
    bins: int = 80,
) -> Axes:
    """Draw one outlined histogram per kind of score (each with area 1) and the thresholds.

    Args:
        scores: {label: scores}, such as ``AttackResult.scores``.
        thresholds: {far: threshold}, such as ``AttackResult.thresholds``.
        axes: where to draw.
        bins: over the whole range of the scores.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    clean = {name: as_scores(values, name) for name, values in scores.items()}
    low = min(float(v.min()) for v in clean.values())
    high = max(float(v.max()) for v in clean.values())
    edges = np.linspace(low, high if high > low else low + 1e-3, bins + 1)
    colours = sns.color_palette("colorblind", len(clean))
    for i, (name, values) in enumerate(clean.items()):
        density, _ = np.histogram(values, edges, density=True)
        axes.stairs(density, edges, fill=True, alpha=0.15, color=colours[i])
        axes.stairs(
            density,
            edges,
            color=colours[i],
            linestyle=DASHES[i % 4],
            linewidth=1.5,
            label=LABELS.get(name, name),
        )
    top = axes.get_ylim()[1]
    axes.set_ylim(0, top * 1.12)
    # The stricter FAR has the higher threshold: its label goes right of its line, the other left.
    for i, (far, threshold) in enumerate(sorted((thresholds or {}).items())):
        axes.axvline(threshold, color="0.25", linewidth=1, linestyle=DASHES[i % 4])
        axes.annotate(
            f"FAR {100 * far:g} %",
            (threshold, top * 1.1),
            xytext=(3 if i == 0 else -3, 0),
            textcoords="offset points",
            ha="left" if i == 0 else "right",
            va="top",
            fontsize=8,
            color="0.25",
        )
    axes.set(xlabel="score (cosine)", ylabel="density", yticks=[])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    sns.despine(ax=axes, left=True)
    return axes


def select_by_score(scores: np.ndarray, each: int = 3) -> dict[str, np.ndarray]:
    """Return the rows of the ``each`` best, most median and worst scores (never hand-picked).

    Raises:
        NbnetError: fewer than 3 x ``each`` scores, or NaN.
    """
    scores = as_scores(scores, "selection")
    if each < 1 or len(scores) < 3 * each:
        raise NbnetError(
            f"{len(scores)} scores are too few to pick 3 x {each}: choose a smaller each"
        )
    order = np.argsort(-scores, kind="stable")
    middle = (len(order) - each) // 2
    return {
        "best": order[:each],
        "median": order[middle : middle + each],
        "worst": order[len(order) - each :],
    }


def reconstruction_strip(
    originals: np.ndarray | Tensor,
    reconstructions: np.ndarray | Tensor,
    scores: Sequence[float] | np.ndarray,
    each: int = 3,
    threshold: float | None = None,
) -> Figure:
    """Draw originals above their reconstructions: best, median and worst by type-I score.

    Args:
        originals: uint8 array [N, H, W, 3] or float32 tensor [N, 3, H, W] in [-1, 1].
        reconstructions: likewise, row by row (the edge may differ).
        scores: type-I score of each row, printed below it.
        each: how many of each group.
        threshold: if given, scores above it are printed bold ("accepted").

    Raises:
        NbnetError: lengths that differ or too few rows.
    """
    scores = as_scores(np.asarray(scores), "type-I")
    if not len(originals) == len(reconstructions) == len(scores):
        raise NbnetError(
            f"{len(originals)} originals, {len(reconstructions)} reconstructions and {len(scores)} "
            "scores: give as many of each"
        )
    groups = select_by_score(scores, each)
    figure = plt.figure(figsize=(3 * each * 0.95 + 0.6, 2.5), layout="constrained")
    parts = list(np.ravel(figure.subfigures(1, 3, wspace=0.03)))  # type: ignore[arg-type]
    for part, (name, rows) in zip(parts, groups.items(), strict=True):
        part.suptitle(name, fontsize=10)
        grid = part.subplots(2, each, squeeze=False)
        for column, row in enumerate(rows):
            for axes, pictures in zip(grid[:, column], (originals, reconstructions), strict=True):
                axes.imshow(_picture(pictures[int(row)]))
                axes.set(xticks=[], yticks=[])
                sns.despine(ax=axes, left=True, bottom=True)
            accepted = threshold is not None and scores[row] > threshold
            grid[1, column].set_xlabel(
                f"{scores[row]:.2f}", fontsize=9, fontweight="bold" if accepted else "normal"
            )
        if part is parts[0]:
            grid[0, 0].set_ylabel("original", fontsize=9)
            grid[1, 0].set_ylabel("reconstruction", fontsize=9)
    return figure


def _picture(image: np.ndarray | Tensor) -> np.ndarray:
    """Return uint8 [H, W, 3]."""
    return to_uint8(image[None])[0] if isinstance(image, Tensor) else image
