"""The target beside the judges: how much of each attack carries over."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nbnet_lib.evaluate.plots_rates import Interval, interval_plot
from nbnet_lib.evaluate.plots_style import need_some, percent, percent_axis


def judges_plot(
    panels: Mapping[str, Mapping[str, Mapping[str, Interval]]], far: float | None = None
) -> Figure:
    """Draw acceptance rates of the target and the judges, a panel per kind of comparison.

    The distance between two markers of a row is the gap.

    Args:
        panels: {title: {row: {recogniser: (value, low, high)}}}, values 0 to 1; the same rows in
            each panel, and a row may lack recognisers.
        far: at whose thresholds; for the label of the axes.

    Raises:
        NbnetError: nothing to draw, or a value outside of its interval.
    """
    need_some(panels, "panel")
    rows = list(dict.fromkeys(row for panel in panels.values() for row in panel))
    series = {one for panel in panels.values() for row in panel.values() for one in row}
    height = 1.5 + len(rows) * max(0.34, 0.2 * len(series) + 0.1)
    figure, all_axes = plt.subplots(
        1, len(panels), figsize=(3.5 * len(panels) + 1.2, height), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    figure.get_layout_engine().set(wspace=0.08)  # type: ignore[union-attr, call-arg]
    at = "" if far is None else f" at FAR {percent(far)}"
    named: dict[str, object] = {}
    for axes, (title, panel) in zip(all_axes[0], panels.items(), strict=True):
        interval_plot({row: panel.get(row, {}) for row in rows}, f"TAR{at}", axes)
        axes.set(title=title, xlim=(-0.02, 1.02))
        percent_axis(axes.xaxis)
        named |= {text: line for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    # One for all panels: each has the same recognisers, in the same colours.
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=3, frameon=False
    )  # type: ignore[call-overload]
    return figure
