"""Drawing that is counted instead of done."""

import numpy as np
import pytest

from nbnet_lib import parallel
from synthfaces import Recipe


@pytest.fixture
def count(monkeypatch):
    """Draw flat pictures, at once, and list whom."""
    drawn: list[int] = []

    def draw(recipe, identity):
        drawn.append(identity)
        return np.full(recipe.shape, identity % 251, np.uint8)

    monkeypatch.setattr(Recipe, "draw", draw)
    monkeypatch.setattr(parallel, "FEW", 10**9)  # threads only: processes would not see this
    return drawn
