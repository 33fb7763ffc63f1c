"""Drawing that is counted instead of done."""

import math

import numpy as np
import pytest

from nbnet_lib.faces import drawing


@pytest.fixture
def count(monkeypatch):
    """Draw flat pictures, at once, and list whom."""
    drawn: list[int] = []

    def draw(recipe, identity):
        drawn.append(identity)
        return np.full(recipe.shape, identity % 251, np.uint8)

    monkeypatch.setattr(drawing.Recipe, "draw", draw)
    monkeypatch.setattr(drawing, "FEW", 10**9)  # threads only: processes would not see this
    monkeypatch.setattr(drawing, "_processes_used", -math.inf)
    return drawn
