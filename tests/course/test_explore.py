"""Figures with controls: the default view is an ordinary figure, and no error gets lost."""

import base64
import importlib
import io

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from nbnet_lib.course.exploring import explore, picture, show
from nbnet_lib.errors import NbnetError

# The name in the package is the function.
module = importlib.import_module("nbnet_lib.course.exploring")


def wave(frequency=2, phase=0.0, kind="sine", grid=False):
    """A wave."""
    figure, axis = plt.subplots(figsize=(2, 2))
    t = np.linspace(0, 6, 50)
    axis.plot(t, (np.sin if kind == "sine" else np.cos)(frequency * t + phase))
    axis.grid(grid)
    return figure


def picky(frequency=2):
    """A wave that cannot be drawn at frequency 5."""
    if frequency == 5:
        raise ValueError("no such frequency")
    return wave(frequency)


@pytest.fixture
def shown(monkeypatch):
    """Everything that display was given, and every update of it."""
    items = []

    class Handle:
        def update(self, item):
            items.append(("update", item))

    def display(item, display_id=None):
        items.append(("display", item))
        return Handle() if display_id else None

    monkeypatch.setattr(module, "display", display)
    return items


def pixels(item):
    return np.asarray(Image.open(io.BytesIO(item.data)).convert("RGB"))


def test_the_default_view_is_a_picture_and_the_controls_follow(shown, capsys):
    explorer = explore(
        wave, frequency=(1, 5), phase=(0.0, 3.0, 0.5), kind=["sine", "cosine"], grid=True
    )
    assert explorer.values == {"frequency": 2, "phase": 0.0, "kind": "sine", "grid": False}
    kinds = [type(c).__name__ for c in explorer.controls.values()]
    assert kinds == ["IntSlider", "FloatSlider", "Dropdown", "Checkbox"]
    assert [what for what, _ in shown] == ["display", "display"]
    assert shown[0][1].alt == "A wave." and pixels(shown[0][1]).std() > 1
    assert isinstance(shown[1][1], widgets.VBox)
    assert "running kernel" in capsys.readouterr().out
    assert not plt.get_fignums()


def test_moving_a_control_changes_the_picture_in_place(shown):
    explorer = explore(wave, frequency=(1, 5), kind=["sine", "cosine"])
    explorer.controls["frequency"].value = 4
    explorer.set(kind="cosine")
    assert [what for what, _ in shown] == ["display", "display", "update", "update"]
    assert explorer.draws == 3
    views = [pixels(item) for what, item in shown if hasattr(item, "data")]
    assert all((a != b).any() for a, b in zip(views, views[1:], strict=False))


def test_a_picture_is_shown_as_it_is(shown):
    def shade(level=100):
        """A grey tile."""
        return np.full((40, 60, 3), level, np.uint8)

    explore(shade, level=(0, 255)).set(level=7)
    assert (pixels(shown[0][1]) == 100).all() and pixels(shown[-1][1]).shape == (40, 60, 3)
    assert (pixels(shown[-1][1]) == 7).all()
    for wrong in (np.zeros((4, 4)), None):
        with pytest.raises(NbnetError, match="return figure"):
            picture(wrong, "Floats.")


def test_a_function_may_take_any_control(shown):
    seen = {}

    def draw(**values):
        """Nothing."""
        seen.update(values)
        return np.zeros((4, 4, 3), np.uint8)

    controls = {f"part/{i}": widgets.FloatSlider(value=i) for i in range(9)}
    explore(draw, **controls).set(**{"part/3": 50})
    assert seen == {f"part/{i}": 50 if i == 3 else i for i in range(9)}
    assert len(shown[1][1].children[0].children) == 9


def test_an_error_of_the_default_view_is_raised(shown):
    def broken(frequency=2):
        """Nothing."""
        raise RuntimeError("cannot draw")

    with pytest.raises(RuntimeError, match="cannot draw"):
        explore(broken, frequency=(1, 5))


def test_an_error_of_a_callback_is_raised_shown_and_forgotten_when_fixed(shown):
    explorer = explore(picky, frequency=(1, 9))
    with pytest.raises(ValueError, match="no such frequency"):
        explorer.set(frequency=5)
    assert isinstance(explorer.error, ValueError)
    text = explorer.messages.outputs[0]["text"]
    assert "ValueError: no such frequency" in text and "last view that worked" in text
    explorer.set(frequency=6)
    assert explorer.error is None
    assert explorer.messages.outputs == ()
    assert shown[-1][0] == "update"


@pytest.mark.parametrize(
    ("controls", "part"),
    [
        ({"speed": (1, 5)}, "speed"),
        ({"frequency": (5, 1)}, "cannot make a control"),
        ({"frequency": []}, "cannot make a control"),
        ({"frequency": (3, 9)}, "begins at 2"),
    ],
)
def test_a_control_that_cannot_be_is_refused(shown, controls, part):
    with pytest.raises(NbnetError, match=part):
        explore(wave, **controls)


def test_a_slider_has_a_hundred_steps_where_none_is_given(shown):
    explorer = explore(wave, phase=(0.0, 0.5), frequency=(1, 9))
    assert explorer.controls["phase"].step == 0.005 and explorer.controls["frequency"].step == 1
    assert not any(control.continuous_update for control in explorer.controls.values())


def test_a_figure_without_alternative_text_is_refused():
    figure, _ = plt.subplots()
    with pytest.raises(NbnetError, match="alternative text"):
        picture(figure, "  ")
    plt.close(figure)


def test_the_text_travels_with_the_picture(shown):
    figure, _ = plt.subplots(figsize=(1, 1))
    show(figure, "An empty\n  frame.")
    data, metadata = shown[0][1]._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "An empty frame."
    png = data["image/png"]
    raw = png if isinstance(png, bytes) else base64.b64decode(png)
    assert raw.startswith(b"\x89PNG")
