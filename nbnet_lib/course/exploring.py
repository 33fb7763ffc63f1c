"""Figures with alternative text, and figures with controls.

An error inside a widget's callback is easily lost: papermill does not see it, and a reader sees a
picture that stops moving. So `explore` draws its default view first, as an ordinary figure outside
any callback: an error there fails the cell, and the picture stays in a notebook that has no kernel.
Matplotlib takes a tenth of a second for a figure; a function that is to follow the hand returns its
picture as an array. Introduced in chapter 01.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from IPython.display import Image, display
from matplotlib.figure import Figure

from nbnet_lib.errors import NbnetError

Picture = Figure | np.ndarray


def picture(drawn: Picture, alt: str) -> Image:
    """Return a figure as a PNG with ``alt`` as its text alternative, and close it.

    Args:
        drawn: a matplotlib figure, or a picture, uint8 [H, W, 3].
        alt: what it shows, in a sentence.

    Raises:
        NbnetError: ``drawn`` is neither, or ``alt`` says nothing.
    """
    if not alt or not alt.strip():
        raise NbnetError("a figure needs alternative text: say in a sentence what it shows")
    png = io.BytesIO()
    if isinstance(drawn, np.ndarray) and drawn.dtype == np.uint8 and drawn.ndim == 3:
        PIL.Image.fromarray(drawn).save(png, format="png", compress_level=1)  # soon replaced
    elif isinstance(drawn, Figure):
        large = io.BytesIO()
        drawn.savefig(large, format="png")
        plt.close(drawn)
        # 256 colours, chosen for this picture: a third of the bytes, and hardly a difference.
        colours = PIL.Image.open(large).convert("RGB").quantize(256, PIL.Image.Quantize.MEDIANCUT)
        colours.save(png, format="png", optimize=True)
    else:
        raise NbnetError(
            f"expected a matplotlib figure to show, got {type(drawn).__name__}: "
            "end the drawing function with `return figure`"
        )
    return Image(data=png.getvalue(), format="png", alt=" ".join(alt.split()))


def show(figure: Picture, alt: str) -> None:
    """Display ``figure`` in the notebook with a text alternative for those who cannot see it."""
    display(picture(figure, alt))


class Explorer:
    """A figure and its controls; made by `explore`.

    Attributes:
        controls: name -> ipywidgets control.
        draws: how often the figure has been drawn, the default view included.
        error: the exception of the last redraw, or None.
        messages: where that is shown.
    """

    def __init__(
        self, fn: Callable[..., Picture], controls: dict[str, widgets.Widget], alt: str
    ) -> None:
        self.fn = fn
        self.controls = controls
        self.alt = alt
        self.draws = 0
        self.error: Exception | None = None
        self.messages = widgets.Output()
        # Outside any callback: what goes wrong here fails the cell.
        self._handle = display(self._draw(), display_id=True)
        for control in controls.values():
            control.observe(self._redraw, names="value")

    @property
    def values(self) -> dict[str, Any]:
        """The present value of each control."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: Any) -> None:
        """Move controls as a hand would; an error of the drawing function is raised."""
        for name, value in values.items():
            self.controls[name].value = value

    def _draw(self) -> Image:
        image = picture(self.fn(**self.values), self.alt)
        self.draws += 1
        return image

    def _redraw(self, change: Any) -> None:
        self.messages.outputs = ()
        try:
            image = self._draw()
        except Exception as error:
            self.error = error
            self.messages.append_stderr(
                f"{type(error).__name__}: {error}\n(the figure shows the last view that worked)\n"
            )
            raise  # the kernel logs it; only hiding it would be wrong
        self.error = None
        if self._handle is not None:  # None outside IPython
            self._handle.update(image)

    def _ipython_display_(self) -> None:
        """Nothing: an explorer that ends a cell has been shown already."""


def explore(fn: Callable[..., Picture], *, alt: str = "", **controls: Any) -> Explorer:
    """Draw ``fn`` with the default values, then offer ``controls`` that redraw it in place.

    Args:
        fn: takes the controls by name and returns a matplotlib figure or a picture, uint8
            [H, W, 3].
        alt: text alternative; the first line of the docstring of ``fn`` where it is empty.
        **controls: ``(low, high)`` or ``(low, high, step)`` for a slider, a list for a choice, a
            bool for a box, or an ipywidgets control. The default is that of the argument of
            ``fn``; where it has none, the low end, the first entry or the bool itself.

    Raises:
        NbnetError: a control that ``fn`` has no argument for, or that cannot be understood.
    """
    alt = alt or (inspect.getdoc(fn) or "").split("\n")[0]
    parameters = inspect.signature(fn).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    made = {}
    for name, spec in controls.items():
        if name not in parameters and not takes_all:
            raise NbnetError(f"explore: {getattr(fn, '__name__', fn)} has no argument {name!r}")
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        made[name] = _control(name, spec, default)
    explorer = Explorer(fn, made, alt)
    print("Move the controls below (they need a running kernel); the figure above follows.")
    wrapped = widgets.Layout(display="flex", flex_flow="row wrap")
    display(widgets.VBox([widgets.Box(list(made.values()), layout=wrapped), explorer.messages]))
    return explorer


def _control(name: str, spec: Any, default: Any) -> widgets.Widget:
    """Make one control from its short form, by ipywidgets' own rules."""
    if isinstance(spec, widgets.Widget):
        return spec
    if default is inspect.Parameter.empty:
        default = spec[0] if isinstance(spec, tuple | list) and spec else spec
    control = None
    with contextlib.suppress(Exception):  # none is made, or it refuses its value: see below
        control = widgets.interactive.widget_from_abbrev(spec)
        control.value = default
    if control is None or control.value != default:  # a slider moves its value into its range
        raise NbnetError(
            f"explore: cannot make a control of {name}={spec!r} that begins at {default!r}: give "
            "(low, high), (low, high, step), a list, True or False, or an ipywidgets control"
        )
    control.description, control.style.description_width = name.replace("_", " "), "9em"
    if isinstance(control, widgets.IntSlider | widgets.FloatSlider):
        control.layout.width = "32em"
        control.continuous_update = False  # drawing takes longer than moving
        if isinstance(control, widgets.FloatSlider) and len(spec) == 2:
            control.step = (spec[1] - spec[0]) / 100
    return control
