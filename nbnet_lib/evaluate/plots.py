"""Figures of the evaluation (chapters 2 and 10, and the report).

Colours are seaborn's colour-blind palette; lines also differ in dash, so a grey print is readable.
The same kind of comparison (genuine, type-I, type-II, impostor) looks the same in every figure.
Each function that returns axes draws on ``axes`` if given, else on a new figure.

| function | draws |
|---|---|
| `roc_plot` | TAR over FAR, FAR on a log axis |
| `det_plot` | FNMR over FMR on normal-deviate axes |
| `cmc_plot` | rank-k rates over k |
| `score_histogram` | the scores of each kind, and the thresholds |
| `interval_plot` | any values with intervals, and chance behind them (leakage) |
| `judges_plot` | TAR of the target beside that of the judges |
| `profile_plot` | an invariance profile: TAR, FAR and weights, other recognisers beside |
| `reconstruction_strip` | originals above reconstructions: best, median, worst by score |

scikit-learn's `RocCurveDisplay` and `DetCurveDisplay` are not used: they take arrays of scores and
not counts, draw every point, and their axes end at 0.1 %, where thresholds of recognisers begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from scipy.special import ndtr, ndtri
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.quality import select_by_score
from nbnet_lib.evaluate.result import percent
from nbnet_lib.evaluate.verification import Steps, as_scores, roc
from nbnet_lib.faces import to_uint8

Interval = tuple[float, float, float]  # value, lower end, upper end
Dash = str | tuple[int, tuple[float, ...]]
Styles = dict[str, tuple[tuple[float, float, float], Dash, str]]  # {name: (colour, dash, marker)}

DASHES: list[Dash] = [
    "-",
    (0, (5, 1.6)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (1.2, 1.2)),
    (0, (9, 2)),
    (0, (5, 1.2, 1.2, 1.2, 1.2, 1.2)),
]
MARKERS = ["o", "s", "^", "D", "v", "P"]
LABELS = {
    "genuine": "genuine",
    "original": "genuine",
    "impostor": "impostor",
    "type1": "type-I (same picture)",
    "type2": "type-II (other picture)",
}
# The same kind of comparison looks the same in every figure: (place in the palette, dash). The
# impostors are grey: they are the background that the others are seen against.
KINDS = {
    "genuine": (0, 0),
    "original": (0, 0),
    "type1": (1, 1),
    "type2": (2, 2),
    "impostor": (7, 3),
}
_OTHER_NAMES = [(3, 1), (9, 2), (4, 3), (1, 4), (2, 5), (5, 0)]
INK = "0.25"
MAX_LABEL = 36  # characters
_DET_TICKS = np.array(
    [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 0.999, 0.9999]
)


def styles(names: Iterable[str]) -> Styles:
    """Return {name: (colour, dash, marker)}: fixed for the known kinds, distinct for the others."""
    names = list(names)
    palette = sns.color_palette("colorblind", 10)
    used = {KINDS[name] for name in names if name in KINDS}
    # With more names than dashes some dash comes twice, but never with the same colour.
    pairs = dict.fromkeys([*_OTHER_NAMES, *product((3, 9, 4, 1, 2, 5, 0, 8), range(6))])
    free = iter(pair for pair in pairs if pair not in used)
    chosen = {}
    for name in names:
        colour, dash = KINDS[name] if name in KINDS else next(free)
        chosen[name] = (palette[colour], DASHES[dash], MARKERS[dash])
    return chosen


def label(name: str) -> str:
    """Return the name as the legend prints it, safe from matplotlib's own markup.

    A leading underscore would hide a line from the legend and a dollar would start a formula;
    names of decoders and of protocols come from files and may hold either.
    """
    text = LABELS.get(name, str(name))
    if len(text) > MAX_LABEL:  # the axes must keep some room
        text = f"{text[: MAX_LABEL // 2 - 1]}…{text[-MAX_LABEL // 2 :]}"
    text = text.replace("$", r"\$")
    return "\u200b" + text if text.startswith("_") else text


def percent_axis(axis: Axis) -> None:
    """Label the ticks of an axis that holds shares (0 to 1) in percent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(value, 10))))


def roc_plot(
    curves: Mapping[str, np.ndarray],
    impostor: Any,
    axes: Axes | None = None,
    far_min: float | None = None,
) -> Axes:
    """Draw TAR over FAR, FAR on a log axis, one curve per entry of ``curves``.

    Args:
        curves: {label: scores that should be accepted}; the keys of ``AttackResult.scores`` get
            full names.
        impostor: scores of impostors, shared by all curves: an array or a `ScoreHistogram`.
        axes: where to draw.
        far_min: left end of the axis; by default ten false acceptances, below which a curve says
            little.
    """
    axes = _axes(axes, (5, 4))
    far_min = far_min or _ten_false_acceptances(impostor)
    look = styles(curves)
    for name, scores in curves.items():
        far, tar, _ = roc(scores, impostor)
        _draw_steps(axes, far, tar, name, look)
    axes.set(
        xscale="log",
        xlim=(far_min, 1),
        ylim=(0, 1.01),
        xlabel="FAR (share of impostors accepted)",
        ylabel="TAR (share accepted)",
    )
    axes.xaxis.set_major_locator(LogLocator(numticks=6))  # "0.0001 %" needs room
    percent_axis(axes.xaxis)
    return _finished_curves(axes)


def det_plot(
    curves: Mapping[str, np.ndarray],
    impostor: Any,
    axes: Axes | None = None,
    far_min: float | None = None,
) -> Axes:
    """Draw the DET curve: FNMR over FMR, both on normal-deviate axes (ISO/IEC 19795-1).

    On these axes scores of two normal distributions give a straight line. The thin diagonal is
    where both errors are equal: a curve crosses it at its EER. For an attack, "FNMR" is the share
    of its reconstructions that are refused.

    Args:
        curves: {label: scores that should be accepted}, as in `roc_plot`.
        impostor: scores of impostors, shared by all curves: an array or a `ScoreHistogram`.
        axes: where to draw.
        far_min: left end of the axis; by default ten false acceptances.
    """
    axes = _axes(axes, (5, 4))
    left, right = min(far_min or _ten_false_acceptances(impostor), 0.2), 0.5
    lowest = highest = 0.5
    look = styles(curves)
    for name, scores in curves.items():
        far, tar, _ = roc(scores, impostor)
        fnmr = 1 - tar
        # Where one of so few is refused, the next lower value is 0, which no such axis can show.
        shown = fnmr[(far >= left) & (far <= right) & (fnmr > 0)]
        lowest = min(lowest, float(shown.min()) if len(shown) else 1 / np.size(scores))
        highest = max(highest, float(fnmr[far <= left].min()))
        _draw_steps(axes, far, fnmr, name, look)
    bottom = _DET_TICKS[max(0, int(np.searchsorted(_DET_TICKS, lowest)) - 1)]
    top = _DET_TICKS[min(int(np.searchsorted(_DET_TICKS, highest)), len(_DET_TICKS) - 1)]
    top = 0.5 if highest <= 0.5 else top
    for axis, set_scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        set_scale("function", functions=(_deviate, ndtr))
        axis.set_major_locator(FixedLocator(_DET_TICKS.tolist()))
        axis.set_minor_locator(NullLocator())
        percent_axis(axis)
    equal = [max(left, bottom), min(right, top)]
    axes.plot(equal, equal, color="0.6", linewidth=0.8, zorder=1, label="FMR = FNMR")
    axes.set(
        xlim=(left, right),
        ylim=(bottom, top),
        xlabel="FMR (share of impostors accepted)",
        ylabel="FNMR (share refused)",
    )
    axes.tick_params(labelsize=9)
    return _finished_curves(axes)


def cmc_plot(curves: Mapping[str, np.ndarray], axes: Axes | None = None) -> Axes:
    """Draw the CMC: the share of probes whose mate is among the first k subjects, over k.

    The y axis starts above 0 where all curves are high; its ticks say so.

    Args:
        curves: {label: float [K], entry k - 1 the rank-k rate}, such as `Identification.cmc`.
        axes: where to draw.
    """
    axes = _axes(axes, (5, 4))
    look = styles(curves)
    ranks = max(len(rates) for rates in curves.values())
    for name, rates in curves.items():
        colour, dash, marker = look[name]
        axes.plot(
            np.arange(1, len(rates) + 1),
            rates,
            label=label(name),
            color=colour,
            linestyle=dash,
            marker=marker if ranks <= 30 else None,
            markersize=4,
            clip_on=False,
        )
    lowest = min(rates[0] for rates in curves.values())
    bottom = max(0.0, np.floor(10 * (lowest - 0.05)) / 10)
    axes.set(
        ylim=(bottom, 1 + 0.01 * (1 - bottom)),
        xlabel="rank k",
        ylabel="share of probes with the mate at rank k or better",
    )
    if ranks > 30:
        axes.set(xscale="log", xlim=(1, ranks))
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.7, ranks + 0.3)
    return _finished_curves(axes)


def _axes(axes: Axes | None, size: tuple[float, float]) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if axes is None else axes


def _draw_steps(axes: Axes, x: np.ndarray, y: np.ndarray, name: str, look: Styles) -> None:
    """Draw a step curve by its corners: of a million impostor scores few move the curve."""
    corner = np.append(np.diff(y) != 0, True)
    corner = corner | np.roll(corner, 1)
    axes.step(
        x[corner],
        y[corner],
        where="post",
        label=label(name),
        color=look[name][0],
        linestyle=look[name][1],
    )


def _finished_curves(axes: Axes) -> Axes:
    percent_axis(axes.yaxis)
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(loc="best", frameon=True, framealpha=0.9)
    sns.despine(ax=axes)
    return axes


def _ten_false_acceptances(impostor: Any) -> float:
    return min(0.1, 10 / max(1, len(impostor)))


def _deviate(share: Any) -> Any:
    """Return the normal deviate, finite also at 0 and 1 (there: far outside of the axes)."""
    return ndtri(np.clip(share, 1e-12, 1 - 1e-12))


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
        NbnetError: NaN among the scores, or none that is finite.
    """
    distinct = {name: Steps(values, name) for name, values in scores.items()}
    ends = np.concatenate([steps.values[np.isfinite(steps.values)] for steps in distinct.values()])
    if not len(ends):
        raise NbnetError("no finite score: a histogram needs at least one")
    low, high = ends.min(), ends.max()
    edges = np.linspace(low, high if high > low else low + 1e-3, bins + 1)
    axes = _axes(axes, (6, 3.6))
    look = styles(distinct)
    for name, steps in distinct.items():
        finite = np.isfinite(steps.values)
        counts, _ = np.histogram(steps.values[finite], edges, weights=steps.counts[finite])
        n_infinite = steps.total - steps.counts[finite].sum()
        colour, dash, _ = look[name]
        background = name == "impostor"
        axes.stairs(
            counts / max(1, counts.sum()) / (edges[1] - edges[0]),
            edges,
            fill=True,
            facecolor=(*colour, 0.4 if background else 0.12),
            edgecolor=colour,
            linestyle="-" if background else dash,
            linewidth=1 if background else 1.5,
            label=label(name) + (f"\n({n_infinite:,} not finite)" if n_infinite else ""),
        )
    top = axes.get_ylim()[1]
    axes.set_ylim(0, top * 1.12)
    # A stricter FAR has a higher threshold: its label is drawn on the right, the others on the
    # left of their lines, each one step lower so that they do not meet.
    for i, (far, threshold) in enumerate(sorted((thresholds or {}).items())):
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=DASHES[i % len(DASHES)])
        axes.annotate(
            f"FAR {percent(far)}",
            (threshold, top * (1.1 - 0.07 * max(0, i - 1))),
            xytext=(3 if i == 0 else -3, 0),
            textcoords="offset points",
            ha="left" if i == 0 else "right",
            va="top",
            fontsize=8,
            color=INK,
        )
    axes.set(xlabel="score (cosine)", ylabel="density", yticks=[])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    sns.despine(ax=axes, left=True)
    return axes


def interval_plot(
    rows: Mapping[str, Mapping[str, Interval]],
    xlabel: str,
    axes: Axes | None = None,
    reference: Mapping[str, tuple[float, float]] | None = None,
    reference_label: str = "chance",
) -> Axes:
    """Draw values as dots and their intervals as whiskers, one row per entry, first row on top.

    Args:
        rows: {row: {series: (value, low, high)}}; each series has its colour and marker. An
            interval may be NaN (not known): then only the dot is drawn.
        xlabel: what the values are.
        axes: where to draw.
        reference: {row: (low, high)}, a grey bar behind the row, such as the range of chance.
        reference_label: its name in the legend.
    """
    series = list(dict.fromkeys(name for values in rows.values() for name in values))
    axes = _axes(axes, (6.8, 0.9 + len(rows) * max(0.32, 0.17 * len(series) + 0.1)))
    look = styles(series)
    height = {row: -i for i, row in enumerate(rows)}
    if reference:
        low, high = np.array(list(reference.values())).T
        axes.barh(
            [height[row] for row in reference],
            high - low,
            left=low,
            height=0.72,
            color="0.85",
            edgecolor="0.65",
            linewidth=0.8,
            zorder=1,
            label=reference_label,
        )
    step = 0.62 / max(1, len(series))
    for i, name in enumerate(series):
        colour, _, marker = look[name]
        points = [(height[row], *values[name]) for row, values in rows.items() if name in values]
        y, value, low, high = np.array(points, dtype=np.float64).T
        axes.errorbar(
            value,
            y + step * ((len(series) - 1) / 2 - i),
            xerr=[value - low, high - value],
            fmt=marker,
            color=colour,
            markersize=5,
            capsize=2.5,
            elinewidth=1.4,
            zorder=3,
            label=label(name),
        )
    axes.set_yticks(list(height.values()), [label(row) for row in height])
    axes.set(xlabel=xlabel, ylim=(-len(rows) + 0.5, 0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x", alpha=0.4)
    axes.set_axisbelow(True)
    if len(series) > 1 or reference:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    sns.despine(ax=axes, left=True)
    return axes


def _tar_at(far: float | None) -> str:
    return "TAR" if far is None else f"TAR at FAR {percent(far)}"


def judges_plot(
    panels: Mapping[str, Mapping[str, Mapping[str, Interval]]], far: float | None = None
) -> Figure:
    """Draw acceptance rates of the target and the judges, a panel per kind of comparison.

    The distance between two markers of a row is the gap.

    Args:
        panels: {title: {row: {recogniser: (value, low, high)}}}, values 0 to 1; the same rows in
            each panel, and a row may lack recognisers.
        far: at whose thresholds; for the label of the axes.
    """
    rows = list(dict.fromkeys(row for panel in panels.values() for row in panel))
    series = {name for panel in panels.values() for row in panel.values() for name in row}
    height = 1.5 + len(rows) * max(0.34, 0.2 * len(series) + 0.1)
    figure, all_axes = plt.subplots(
        1,
        len(panels),
        figsize=(3.5 * len(panels) + 1.2, height),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(wspace=0.08)  # type: ignore[union-attr, call-arg]
    legend: dict[str, Any] = {}
    for axes, (title, panel) in zip(all_axes[0], panels.items(), strict=True):
        interval_plot({row: panel.get(row, {}) for row in rows}, _tar_at(far), axes)
        axes.set(title=title, xlim=(-0.02, 1.02))
        percent_axis(axes.xaxis)
        legend |= {text: line for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    # One for all panels: each has the same recognisers, in the same colours.
    figure.legend(
        list(legend.values()), list(legend), loc="outside lower center", ncols=3, frameon=False
    )
    return figure


HATCHES = ["", "////", "....", "xxxx"]


def bar_plot(rows: Mapping[str, Mapping[str, Interval]], xlabel: str, axes: Axes) -> Axes:
    """Draw values as bars with whiskers, one row per entry, first row on top.

    Args:
        rows: {row: {series: (value, low, high)}}; each series has its colour and hatch.
        xlabel: what the values are.
        axes: where to draw.
    """
    series = list(dict.fromkeys(name for values in rows.values() for name in values))
    look, thick = styles(series), 0.78 / max(1, len(series))
    for i, name in enumerate(series):
        points = [(y, *values[name]) for y, values in enumerate(rows.values()) if name in values]
        y, value, low, high = np.array(points, np.float64).T
        axes.barh(
            y - 0.39 + (i + 0.5) * thick,
            value,
            height=thick,
            xerr=[value - low, high - value],
            color=(*look[name][0], 0.75),
            edgecolor="white",
            linewidth=0.4,
            hatch=HATCHES[i % len(HATCHES)],
            error_kw={"elinewidth": 1, "ecolor": INK},
            label=label(name),
        )
    axes.set_yticks(range(len(rows)), [label(row) for row in rows])
    axes.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x", alpha=0.4)
    axes.set_axisbelow(True)
    sns.despine(ax=axes, left=True)
    return axes


def profile_plot(profile: Any, far: float | None = None) -> Figure:
    """Draw what a recogniser looks at and, where it is known, what it weighs.

    Left: TAR with one thing changed, at the threshold of plain pictures; the dashed line is the
    plain TAR. Middle: FAR at this threshold. Right: the differences of two people that lower the
    scores of strangers most. Recognisers that were measured beside it have bars of their own.

    Args:
        profile: a `Profile` of `evaluate.invariance`.
        far: at whose threshold; None for the strictest.
    """
    at = profile.fars[-1] if far is None else far
    measured = {profile.encoder: profile} | profile.beside
    names = [row.name for row in profile.rates]
    ratios = [4.2, 2.2] + [3.0] * (profile.weights is not None)
    height = 1.6 + 0.2 * len(names) * (1 + 0.45 * (len(measured) - 1))
    figure, panels = plt.subplots(
        1, len(ratios), figsize=(1.16 * sum(ratios), height), width_ratios=ratios,
        layout="constrained",
    )  # fmt: skip
    tar, false = (
        {
            name: {key: _ends(getattr(p[name], rate)[at]) for key, p in measured.items()}
            for name in names
        }
        for rate in ("tar", "far")
    )
    figure.get_layout_engine().set(wspace=0.04)  # type: ignore[union-attr, call-arg]
    bar_plot(tar, _tar_at(at), panels[0]).set(xlim=(0, 1), xticks=np.linspace(0, 1, 5))
    panels[0].axvline(profile.rates[0].tar[at].value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    percent_axis(panels[0].xaxis)
    _draw_false_acceptances(panels[1], false, at)
    if profile.weights is not None:
        largest = {
            name.removeprefix("shape/").rpartition("/")[2]: {
                key: _ends(p.weights.weights[name])
                for key, p in measured.items()
                if p.weights is not None and name in p.weights.weights
            }
            for name in profile.weights.largest()
        }
        bar_plot(largest, "change of the score\n(standard deviations)", panels[2])
        panels[2].set_title(f"weighs (R² {profile.weights.r2:.2f})", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _ends(estimate: Any) -> Interval:
    """Return an `Estimate` as an interval that holds its value; NaN where it has none."""
    if estimate.low is None:
        return estimate.value, np.nan, np.nan
    value = estimate.value
    return value, min(value, estimate.low), max(value, estimate.high)


def _draw_false_acceptances(
    axes: Axes, rows: Mapping[str, Mapping[str, Interval]], far: float
) -> None:
    """Draw FARs on a log axis; what is below it, as none, stands at its left end."""
    left = far / 10
    shown = {
        row: {k: (max(v, left), max(a, left), max(b, left)) for k, (v, a, b) in values.items()}
        for row, values in rows.items()
    }
    interval_plot(shown, f"FAR at the threshold\nof plain {percent(far)}", axes)
    highest = np.nanmax([values for row in shown.values() for values in row.values()])
    right = 1.5 * max(highest, 10 * far)
    axes.set(xscale="log", xlim=(0.8 * left, right), yticks=[])
    axes.set_xticks([tick for tick in (far, 10 * far, 100 * far) if tick < right])
    axes.axvline(far, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.xaxis.set_minor_locator(NullLocator())
    percent_axis(axes.xaxis)
    if (legend := axes.get_legend()) is not None:
        legend.remove()


def pairs_plot(pictures: np.ndarray) -> Figure:
    """Draw pairs of pictures, uint8 [2, n, S, S, 3], one above the other, numbered from 1."""
    n = pictures.shape[1]
    figure, grid = plt.subplots(2, n, figsize=(0.8 * max(n, 2), 1.9), squeeze=False)
    for row, side in zip(grid, pictures, strict=True):
        for number, (axes, picture) in enumerate(zip(row, side, strict=True), 1):
            axes.imshow(picture)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(str(number), fontsize=9)
    return figure


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
        NbnetError: lengths that differ (pictures would stand below the wrong original) or too few
            rows.
    """
    scores = as_scores(np.asarray(scores), "type-I")
    if not len(originals) == len(reconstructions) == len(scores):
        raise NbnetError(
            f"{len(originals)} originals, {len(reconstructions)} reconstructions and {len(scores)} "
            "scores: give as many of each"
        )
    figure = plt.figure(figsize=(3 * each * 0.95 + 0.6, 2.35), layout="constrained")
    figure.get_layout_engine().set(hspace=0, h_pad=0.02)  # type: ignore[union-attr, call-arg]
    # The first group also holds the names of the two rows; its pictures are as large as the others.
    parts = figure.subfigures(1, 3, wspace=0.03, width_ratios=[each + 0.25, each, each])
    groups = select_by_score(scores, each)
    for part, (name, rows) in zip(parts, groups.items(), strict=True):  # type: ignore[arg-type]
        part.suptitle(name, fontsize=10)
        grid = part.subplots(2, each, squeeze=False)
        for column, row in enumerate(rows):
            for axes, pictures in zip(grid[:, column], (originals, reconstructions), strict=True):
                picture = pictures[int(row)]
                axes.imshow(to_uint8(picture[None])[0] if isinstance(picture, Tensor) else picture)
                axes.set(xticks=[], yticks=[])
                sns.despine(ax=axes, left=True, bottom=True)
            accepted = threshold is not None and scores[row] > threshold
            grid[1, column].set_xlabel(
                f"{scores[row]:.2f}", fontsize=9, fontweight="bold" if accepted else "normal"
            )
        if name == next(iter(groups)):
            grid[0, 0].set_ylabel("original", fontsize=9)
            grid[1, 0].set_ylabel("reconstruction", fontsize=9)
    return figure
