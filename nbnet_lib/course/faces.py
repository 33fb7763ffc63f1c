"""Controls for the parameters of a face, and a picture of what a change does to its score.

Introduced in chapter 01.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import parameters_of
from synthfaces.parameters import find

Range = tuple[float, float]

_TILE, _GAP, _TITLE, _SCALE = 256, 12, 22, 78  # pixels
_LOW, _HIGH = -0.3, 1.0  # of the cosine's scale
_INK, _SAME, _OTHER = (0, 0, 0), (140, 180, 220), (250, 190, 130)


def parameter_controls(
    identity: int, sample: int, names: Iterable[str], difficulty: float = 1.0
) -> dict[str, widgets.Widget]:
    """Return a control for each named parameter, set to its value in a picture.

    Args:
        identity: whose picture.
        sample: which picture.
        names: of parameters, see `nbnet_lib.faces.describe`.
        difficulty: of the picture.

    Returns:
        Name -> slider, list or box, for `nbnet_lib.course.exploring.explore`.

    Raises:
        NbnetError: a label, which cannot be changed.
        SynthFacesError: an unknown name.
    """
    person, view = parameters_of(identity, sample, difficulty)
    controls: dict[str, widgets.Widget] = {}
    for name in names:
        parameter = find(name)
        value = parameter.read(person if parameter.owner == "identity" else view)
        short = name.rpartition("/")[2].replace("_", " ")
        common: dict[str, Any] = {
            "value": value,
            "description": short,
            "tooltip": f"{parameter.meaning}: {parameter.allowed}",
            "style": {"description_width": "11em"},
            "layout": widgets.Layout(width="28em"),
        }
        if parameter.kind in ("number", "whole"):
            whole = parameter.kind == "whole"
            span = {"min": parameter.low, "max": parameter.high}
            span["step"] = 1 if whole else (parameter.high - parameter.low) / 100
            controls[name] = (widgets.IntSlider if whole else widgets.FloatSlider)(**common, **span)
        elif parameter.kind == "choice":
            controls[name] = widgets.Dropdown(options=parameter.choices, **common)
        elif parameter.kind == "flag":
            controls[name] = widgets.Checkbox(**common)
        else:
            raise NbnetError(f"{name} is a label and cannot be changed: {parameter.instead}")
    return controls


@lru_cache(4)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def before_and_after(
    before: np.ndarray, after: np.ndarray, cosine: float, same: Range, impostors: Range
) -> np.ndarray:
    """Draw two pictures side by side, and the cosine of their templates on a scale.

    Drawn without matplotlib: this takes a few milliseconds, so it can follow a slider.

    Args:
        before: uint8 [S, S, 3].
        after: uint8 [S, S, 3].
        cosine: of the two templates, -1 to 1.
        same: (low, high) of most pairs of pictures of one person.
        impostors: (low, high) of most pairs of two people.

    Returns:
        uint8 [H, W, 3].
    """
    width = 2 * _TILE + 3 * _GAP
    sheet = Image.new("RGB", (width, _TITLE + _TILE + _SCALE), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (title, image) in enumerate((("before", before), ("after", after))):
        left = _GAP + i * (_TILE + _GAP)
        tile = Image.fromarray(image).resize((_TILE, _TILE), Image.Resampling.BICUBIC)
        sheet.paste(tile, (left, _TITLE))
        pen.text((left + _TILE / 2, _TITLE / 2), title, _INK, _font(13), anchor="mm")

    def across(value: float) -> float:
        share = (min(max(value, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW)
        return _GAP + share * (width - 2 * _GAP)

    top = _TITLE + _TILE + 26
    bars = (impostors, _OTHER, "90 % of strangers"), (same, _SAME, "90 % of pairs of one person")
    for row, ((low, high), color, _) in enumerate(bars):
        pen.rectangle((across(low), top + 17 * row, across(high), top + 17 * row + 15), color)
    pen.line((across(cosine), top - 5, across(cosine), top + 37), _INK, 3)
    for row, ((low, high), color, label) in enumerate(bars):
        at = (across((low + high) / 2), top + 17 * row + 8)
        pen.text(at, label, _INK, _font(11), anchor="mm", stroke_width=1, stroke_fill=color)
    anchor = "rm" if cosine > 0.6 else "lm" if cosine < 0.1 else "mm"
    pen.text((across(cosine), top - 14), f"cosine {cosine:.2f}", _INK, _font(14), anchor=anchor)
    return np.asarray(sheet)
