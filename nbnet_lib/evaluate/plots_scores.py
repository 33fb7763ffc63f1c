"""Score histograms with the thresholds in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.plots_style import DASHES, INK, label, need_some, percent, styles
from nbnet_lib.evaluate.verification import as_scores


def score_histogram(
    scores: Mapping[str, Any],
    thresholds: Mapping[float, float] | None = None,
    axes: Axes | None = None,
    bins: int = 80,
) -> Axes:
    """Draw one outlined histogram per kind of score (each with area 1) and the thresholds.

    Infinite scores (a failure to acquire scores -inf) have no place on the axis: the legend says
    how many there are, and the area 1 is that of the others.

    Args:
        scores: {label: array of scores or `ScoreHistogram`}, such as ``AttackResult.scores``.
        thresholds: {far: threshold}, such as ``AttackResult.thresholds``.
        axes: where to draw.
        bins: over the whole range of the scores.

    Raises:
        NbnetError: nothing to draw, unusable scores, or none that is finite.
    """
    need_some(scores, "kind of score")
    clean = {
        name: values if _counted(values) else as_scores(values, name)
        for name, values in scores.items()
    }
    ranges = [ends for values in clean.values() if (ends := _range(values)) is not None]
    if not ranges:
        raise NbnetError("no finite score: a histogram needs at least one")
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    edges = np.linspace(low, high if high > low else low + 1e-3, bins + 1)
    if axes is None:
        _, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    look = styles(clean)
    for name, values in clean.items():
        counts, elsewhere = _histogram(values, edges)
        density = counts / max(1, counts.sum()) / (edges[1] - edges[0])
        text = label(name) + (f"\n({elsewhere:,} not finite)" if elsewhere else "")
        colour, dash, _ = look[name]
        ground = name == "impostor"
        axes.stairs(
            density,
            edges,
            fill=True,
            facecolor=(*colour, 0.4 if ground else 0.12),
            edgecolor=colour,
            linestyle="-" if ground else dash,
            linewidth=1 if ground else 1.5,
            label=text,
        )
    top = axes.get_ylim()[1]
    axes.set_ylim(0, top * 1.12)
    _mark(axes, thresholds or {}, top)
    axes.set(xlabel="score (cosine)", ylabel="density", yticks=[])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    sns.despine(ax=axes, left=True)
    return axes


def _mark(axes: Axes, thresholds: Mapping[float, float], top: float) -> None:
    """Draw the thresholds; a stricter FAR has a higher one, so its label goes to the right."""
    for i, (far, threshold) in enumerate(sorted(thresholds.items())):
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=DASHES[i % len(DASHES)])
        axes.annotate(
            f"FAR {percent(far)}",
            # The labels left of their lines would meet each other: each one step lower.
            (threshold, top * (1.1 - 0.07 * max(0, i - 1))),
            xytext=(3 if i == 0 else -3, 0),
            textcoords="offset points",
            ha="left" if i == 0 else "right",
            va="top",
            fontsize=8,
            color=INK,
        )


def _counted(scores: Any) -> bool:
    """Tell a `ScoreHistogram`, which holds counts, from an array of scores."""
    return hasattr(scores, "count_above")


def _range(scores: Any) -> tuple[float, float] | None:
    """Return the lowest and the highest finite score."""
    if _counted(scores):
        coarse = np.linspace(-1, 1, 801)
        filled = np.flatnonzero(_counts(scores, coarse))
        return (coarse[filled[0]], coarse[filled[-1] + 1]) if len(filled) else None
    finite = scores[np.isfinite(scores)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None


def _histogram(scores: Any, edges: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the counts of each bin and how many scores are infinite."""
    if _counted(scores):
        return _counts(scores, edges), 0
    finite = scores[np.isfinite(scores)]
    return np.histogram(finite, edges)[0], len(scores) - len(finite)


def _counts(histogram: Any, edges: np.ndarray) -> np.ndarray:
    above = np.array(histogram.count_above(edges))
    above[0] = histogram.total if edges[0] <= -1 else above[0]  # a score of exactly -1 counts too
    return above[:-1] - above[1:]
