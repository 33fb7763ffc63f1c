"""What all figures of the evaluation share: colours, dashes, names, percent axes, thinning.

Colours are seaborn's colour-blind palette. Each line also has its own dash, so that a grey print
and every kind of colour vision can tell the lines apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
import seaborn as sns
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter

from nbnet_lib.evaluate.result import percent

Dash = str | tuple[int, tuple[float, ...]]

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
MAX_POINTS = 2000
MAX_LABEL = 36  # characters


def styles(names: Iterable[str]) -> dict[str, tuple[tuple[float, float, float], Dash, str]]:
    """Return {name: (colour, dash, marker)}: fixed for the known kinds, distinct for the others."""
    names = list(names)
    palette = sns.color_palette("colorblind", 10)
    used = {KINDS[name] for name in names if name in KINDS}
    colours, dashes = {colour for colour, _ in used}, {dash for _, dash in used}
    # With more names than dashes some dash comes twice, but never with the same colour.
    pairs = dict.fromkeys([*_OTHER_NAMES, *product((3, 9, 4, 1, 2, 5, 0, 8), range(6))])
    free = iter(
        sorted(
            (pair for pair in pairs if pair not in used),
            key=lambda pair: pair[0] in colours or pair[1] in dashes,
        )
    )
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


def thin(
    screen: np.ndarray, x: np.ndarray, y: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out points of a monotone step curve that no eye could see, if there are many.

    The visible axis is cut into `MAX_POINTS` / 2 columns; of each, the first and the last point
    stay. The curve is monotone, so these two span all that happens inside a column: what is drawn
    differs from the whole curve by less than the width of one column, half a pixel in a figure of
    500 pixels.

    Args:
        screen: float [P], never falling: where along the axis each point is drawn (log or normal
            deviate of x; infinities are outside).
        x: float [P], drawn horizontally.
        y: float [P], drawn vertically.
        low: left end of the axis, in units of ``screen``.
        high: right end.
    """
    if len(x) <= MAX_POINTS:
        return x, y
    column = np.digitize(screen, np.linspace(low, high, MAX_POINTS // 2 - 1))
    change = np.flatnonzero(np.diff(column))
    keep = np.unique(np.concatenate([[0], change, change + 1, [len(x) - 1]]))
    return x[keep], y[keep]
