"""Curves over all thresholds: ROC, DET and, for identification, CMC.

Each function draws on ``axes`` if given, else on a new figure, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator
from scipy.special import ndtr, ndtri

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.plots_style import label, need_some, percent_axis, styles, thin
from nbnet_lib.evaluate.verification import roc

# An interval: {label: (fars or ranks, lower ends, upper ends)}.
Intervals = Mapping[str, tuple[Any, Any, Any]]

_WHISKERS = 5  # up to so many points an interval is drawn as bars, beyond as a band
_DET_TICKS = np.array(
    [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 0.999, 0.9999]
)


def roc_plot(
    curves: Mapping[str, np.ndarray],
    impostor: Any,
    axes: Axes | None = None,
    far_min: float | None = None,
    intervals: Intervals | None = None,
) -> Axes:
    """Draw TAR over FAR, FAR on a log axis, one curve per entry of ``curves``.

    Args:
        curves: {label: scores that should be accepted}; the keys of ``AttackResult.scores`` get
            full names.
        impostor: scores of impostors, shared by all curves: an array or a `ScoreHistogram`.
        axes: where to draw.
        far_min: left end of the axis; by default ten false acceptances, below which a curve says
            little.
        intervals: {label of a curve: (fars, lower TARs, upper TARs)}; drawn as whiskers at up to
            five FARs, as a band at more.

    Raises:
        NbnetError: no curve, unusable scores, ``far_min`` outside (0, 1), or an interval of a label
            that has no curve.
    """
    need_some(curves, "curve")
    if axes is None:
        _, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    far_min = _leftmost(impostor, far_min)
    look = styles(curves)
    for name, scores in curves.items():
        far, tar, _ = roc(scores, impostor)
        with np.errstate(divide="ignore"):
            far, tar = thin(np.log10(far), far, tar, np.log10(far_min), 0)
        axes.step(
            far, tar, where="post", label=label(name), color=look[name][0], linestyle=look[name][1]
        )
    axes.set(
        xscale="log",
        xlim=(far_min, 1),
        ylim=(0, 1.01),
        xlabel="FAR (share of impostors accepted)",
        ylabel="TAR (share accepted)",
    )
    _intervals(axes, intervals, look, spread=1.06)
    axes.xaxis.set_major_locator(LogLocator(numticks=6))  # "0.0001 %" needs room
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(loc="best", frameon=True, framealpha=0.9)
    sns.despine(ax=axes)
    return axes


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

    Raises:
        NbnetError: no curve, unusable scores, or ``far_min`` outside (0, 1).
    """
    need_some(curves, "curve")
    if axes is None:
        _, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    left = min(_leftmost(impostor, far_min), 0.2)
    right, lowest, highest = 0.5, 0.5, 0.5
    look = styles(curves)
    drawn = []
    for name, scores in curves.items():
        far, tar, _ = roc(scores, impostor)
        fnmr = 1 - tar
        # Where one of so few is refused, the next lower value is 0, which no such axis can show.
        shown = fnmr[(far >= left) & (far <= right) & (fnmr > 0)]
        floor = 1 / np.size(scores)
        lowest = min(lowest, max(floor, shown.min()) if len(shown) else floor)
        highest = max(highest, fnmr[np.searchsorted(far, left, side="right") - 1])
        x, y = thin(ndtri(far), far, fnmr, ndtri(left), ndtri(right))
        drawn.append((name, x, y))
    bottom = _DET_TICKS[max(0, np.searchsorted(_DET_TICKS, lowest) - 1)]
    top = min(highest, 0.9999)
    top = 0.5 if top <= 0.5 else float(_DET_TICKS[np.searchsorted(_DET_TICKS, top)])
    for axis, set_scale, low, high, apart in (
        (axes.xaxis, axes.set_xscale, left, right, 0.13),
        (axes.yaxis, axes.set_yscale, bottom, top, 0.07),
    ):
        set_scale("function", functions=(_deviate, ndtr))
        axis.set_major_locator(FixedLocator(_ticks(low, high, apart)))
        axis.set_minor_locator(NullLocator())
        percent_axis(axis)
    same = np.array([max(left, bottom), min(right, top)])
    axes.plot(same, same, color="0.6", linewidth=0.8, zorder=1, label="FMR = FNMR")
    for name, x, y in drawn:
        axes.step(
            x, y, where="post", label=label(name), color=look[name][0], linestyle=look[name][1]
        )
    axes.set(
        xlim=(left, right),
        ylim=(bottom, top),
        xlabel="FMR (share of impostors accepted)",
        ylabel="FNMR (share refused)",
    )
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(loc="best", frameon=True, framealpha=0.9)
    sns.despine(ax=axes)
    return axes


def cmc_plot(
    curves: Mapping[str, np.ndarray],
    axes: Axes | None = None,
    intervals: Intervals | None = None,
    gallery: int | None = None,
) -> Axes:
    """Draw the CMC: the share of probes whose mate is among the first k subjects, over k.

    The y axis starts above 0 where all curves lie high; its ticks say so.

    Args:
        curves: {label: float [K], entry k - 1 the rank-k rate}, such as `Identification.cmc`.
        axes: where to draw.
        intervals: {label of a curve: (ranks, lower rates, upper rates)}, as in `roc_plot`.
        gallery: how many subjects the gallery holds; draws what guessing would reach.

    Raises:
        NbnetError: no curve, or one that is not a rising list of rates from 0 to 1.
    """
    need_some(curves, "curve")
    rates = {name: _rates(name, values) for name, values in curves.items()}
    if axes is None:
        _, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    look = styles(rates)
    most = max(len(values) for values in rates.values())
    for name, values in rates.items():
        colour, dash, marker = look[name]
        axes.plot(
            np.arange(1, len(values) + 1),
            values,
            label=label(name),
            color=colour,
            linestyle=dash,
            marker=marker if most <= 30 else None,
            markersize=4,
            clip_on=False,
        )
    lowest = min(float(values[0]) for values in rates.values())
    for _, low, _ in (intervals or {}).values():
        lowest = min(lowest, float(np.min(low)))
    if gallery is not None:
        ranks = np.arange(1, most + 1)
        axes.plot(
            ranks, np.minimum(ranks / gallery, 1), color="0.6", linewidth=0.9, label="guessing"
        )
        lowest = min(lowest, 1 / gallery)
    bottom = max(0.0, np.floor(10 * (lowest - 0.05)) / 10)
    axes.set(
        ylim=(bottom, 1 + 0.01 * (1 - bottom)),
        xlabel="rank k",
        ylabel="share of probes with the mate at rank k or better",
    )
    _intervals(axes, intervals, look, spread=1)
    if most > 30:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(1, most)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.7, most + 0.3)
    percent_axis(axes.yaxis)
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(loc="best", frameon=True, framealpha=0.9)
    sns.despine(ax=axes)
    return axes


def _leftmost(impostor: Any, far_min: float | None) -> float:
    if far_min is None:
        total = getattr(impostor, "total", None)
        return min(0.1, 10 / max(1, np.size(impostor) if total is None else int(total)))
    if not 0 < far_min < 1:
        raise NbnetError(f"far_min={far_min} must lie between 0 and 1 (0.001 means 0.1 %)")
    return far_min


def _deviate(share: Any) -> Any:
    """Return the normal deviate, finite also at 0 and 1 (there: far outside of the axes)."""
    return ndtri(np.clip(share, 1e-12, 1 - 1e-12))


def _ticks(low: float, high: float, apart: float) -> list[float]:
    """Return the ticks of a DET axis from high to low, at least ``apart`` (of its length)."""
    apart = apart * (ndtri(high) - ndtri(low))
    chosen: list[float] = []
    for tick in _DET_TICKS[(_DET_TICKS >= low) & (_DET_TICKS <= high)][::-1]:
        if not chosen or ndtri(chosen[-1]) - ndtri(tick) >= apart:
            chosen.append(float(tick))
    return chosen


def _rates(name: str, values: Any) -> np.ndarray:
    rates = np.asarray(values, dtype=np.float64)
    if (
        rates.ndim != 1
        or not len(rates)
        or not ((rates >= 0) & (rates <= 1)).all()
        or (np.diff(rates) < 0).any()
    ):
        raise NbnetError(
            f"the CMC of {name!r} is not a list of rates from 0 to 1 that never falls: "
            "give the result of Identification.cmc"
        )
    return rates


def _intervals(axes: Axes, intervals: Intervals | None, look: Mapping, spread: float) -> None:
    """Draw intervals as whiskers (few) or bands (many); whiskers step aside for each other."""
    for i, (name, (at, low, high)) in enumerate((intervals or {}).items()):
        if name not in look:
            raise NbnetError(f"an interval is given for {name!r} but no such curve: give its label")
        x, low, high = (np.asarray(values, dtype=np.float64) for values in (at, low, high))
        if not x.shape == low.shape == high.shape or x.ndim != 1:
            raise NbnetError(
                f"the interval of {name!r} has {x.shape} places, {low.shape} lower and "
                f"{high.shape} upper ends: give one of each"
            )
        if len(x) > _WHISKERS:
            axes.fill_between(x, low, high, color=look[name][0], alpha=0.18, linewidth=0)
        else:
            aside = spread ** (i - (len(intervals or {}) - 1) / 2)
            middle, half = (low + high) / 2, (high - low) / 2
            axes.errorbar(
                x * aside, middle, yerr=half, fmt="none", color=look[name][0], capsize=2.5,
                elinewidth=1.2,
            )  # fmt: skip
