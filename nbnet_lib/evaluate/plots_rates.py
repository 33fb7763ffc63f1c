"""Values with their intervals, one row each: attacks side by side, leakage beside chance, quality.

Each function draws on ``axes`` if given, else on a new figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.plots_style import label, need_some, percent, percent_axis, styles

Interval = tuple[float, float, float]  # value, lower end, upper end


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

    Raises:
        NbnetError: no rows, a value outside of its interval, or a reference without its row.
    """
    need_some(rows, "row")
    series = list(dict.fromkeys(name for values in rows.values() for name in values))
    need_some(series, "series")
    if axes is None:
        height = 0.9 + len(rows) * max(0.32, 0.17 * len(series) + 0.1)
        _, axes = plt.subplots(figsize=(6.8, height), layout="constrained")
    look = styles(series)
    place = {row: -i for i, row in enumerate(rows)}
    for i, (row, (low, high)) in enumerate((reference or {}).items()):
        if row not in place:
            raise NbnetError(f"a reference is given for {row!r} but no such row: give its name")
        axes.barh(
            place[row], high - low, left=low, height=0.72, color="0.85", zorder=1,
            edgecolor="0.65", linewidth=0.8, label=reference_label if i == 0 else None,
        )  # fmt: skip
    step = 0.62 / max(1, len(series))
    for i, name in enumerate(series):
        colour, _, marker = look[name]
        given = [(place[row], *values[name]) for row, values in rows.items() if name in values]
        y, value, low, high = np.array(given, dtype=np.float64).T
        if ((low > value + 1e-9) | (value > high + 1e-9)).any():
            raise NbnetError(
                f"{name!r} has a value outside of its interval: give (value, low, high)"
            )
        axes.errorbar(
            value, y + step * ((len(series) - 1) / 2 - i), xerr=[value - low, high - value],
            fmt=marker, color=colour, markersize=5, capsize=2.5, elinewidth=1.4, zorder=3,
            label=label(name),
        )  # fmt: skip
    axes.set_yticks(list(place.values()), [label(row) for row in place])
    axes.set(xlabel=xlabel, ylim=(-len(rows) + 0.5, 0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x", alpha=0.4)
    axes.set_axisbelow(True)
    if len(series) > 1 or reference:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    sns.despine(ax=axes, left=True)
    return axes


def rates_plot(
    rates: Mapping[str, Mapping[str, Any]], far: float | None = None, axes: Axes | None = None
) -> Axes:
    """Draw the acceptance rates of several attacks side by side, with their intervals.

    Args:
        rates: {decoder: {"original" | "type1" | "type2": Rate}}, such as
            ``{r.decoder: r.rates[0.001] for r in results}``.
        far: at whose threshold; for the label of the axis.
        axes: where to draw.
    """
    rows = {
        name: {kind: (rate.tar, *rate.ci95) for kind, rate in kinds.items()}
        for name, kinds in rates.items()
    }
    at = "" if far is None else f" at FAR {percent(far)}"
    axes = interval_plot(rows, f"TAR{at} (share accepted)", axes)
    axes.set_xlim(right=1.01)
    percent_axis(axes.xaxis)
    return axes


def quality_plot(
    measures: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str] | None = None
) -> Figure:
    """Draw how image quality is distributed over the pictures: one panel per measure.

    A curve shows, for each value, the share of pictures that reach at most this value (the
    empirical distribution: no bins, no smoothing).

    Args:
        measures: {decoder: {measure: array [N]}}; the frame of `ImageQuality` will do.
        labels: {measure: text of its axis}; only these are drawn, in this order. By default all
            numeric measures of the first decoder.

    Raises:
        NbnetError: nothing to draw, or a decoder that lacks a measure.
    """
    need_some(measures, "decoder")
    if labels is None:
        first = next(iter(measures.values()))
        labels = {
            name: name
            for name in first
            if np.issubdtype(np.asarray(first[name]).dtype, np.floating)
        }
    need_some(labels, "measure")
    look = styles(measures)
    figure, panels = plt.subplots(
        1, len(labels), figsize=(2.9 * len(labels) + 0.3, 3.1), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axes, (measure, text) in zip(panels[0], labels.items(), strict=True):
        for name, table in measures.items():
            if measure not in table:
                raise NbnetError(
                    f"{name!r} has no measure {measure!r}: measure it, or leave it out"
                )
            values = np.sort(np.asarray(table[measure], dtype=np.float64))
            values = values[np.isfinite(values)]
            colour, dash, _ = look[name]
            axes.ecdf(values, label=label(name), color=colour, linestyle=dash)
        axes.set(xlabel=text, ylim=(0, 1.01))
        axes.grid(True, alpha=0.4)
        percent_axis(axes.yaxis)
        sns.despine(ax=axes)
    panels[0][0].set_ylabel("share of pictures")
    if len(measures) > 1:
        handles, names = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    return figure
