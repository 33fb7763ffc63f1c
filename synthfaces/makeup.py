"""Where make-up goes on the skin, and the colours that a person wears in one picture.

The masks lie on the same texture as the skin (`skin_map.py`) and are the same for everybody; the
shader blends one colour through each of them. Introduced in chapter 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from synthfaces.identity import Identity
from synthfaces.sample import Sample
from synthfaces.skin_zones import ZONE, zones

# Linear RGB, from nude to dark; a person keeps to one place in each palette.
_LIPSTICKS = np.array(
    [
        [0.42, 0.19, 0.15],  # nude
        [0.45, 0.12, 0.14],  # rose
        [0.50, 0.10, 0.07],  # coral
        [0.40, 0.02, 0.03],  # red
        [0.24, 0.02, 0.05],  # berry
        [0.14, 0.02, 0.04],  # plum
    ]
)
_SHADOWS = np.array(
    [[0.16, 0.09, 0.06], [0.10, 0.06, 0.05], [0.12, 0.07, 0.09], [0.07, 0.07, 0.08]]
)
_BLUSHERS = np.array([[0.60, 0.20, 0.14], [0.55, 0.14, 0.13], [0.48, 0.12, 0.16]])


def _between(palette: np.ndarray, position: float) -> np.ndarray:
    """Return the colour at ``position`` in [0, 1] along a palette, float64 [3]."""
    at = np.clip(position, 0, 1) * (len(palette) - 1)
    i = min(int(at), len(palette) - 2)
    return palette[i] + (at - i) * (palette[i + 1] - palette[i])


@lru_cache(1)
def overlays() -> np.ndarray:
    """Return the make-up masks, float32 [HEIGHT, WIDTH, 3] in [0, 1]: lips, eyelids, cheeks."""
    maps = zones()
    return np.stack([maps[ZONE[name]] for name in ("lips", "lid_shadow", "cheeks")], axis=-1)


def makeup_colors(person: Identity, sample: Sample) -> np.ndarray:
    """Return lipstick, eye shadow and blusher of this picture, float32 [3, 4].

    Columns: linear RGB and alpha in [0, 1]; alpha is 0 where none is worn (``sample.makeup`` 0).
    """
    worn = float(np.clip(sample.makeup, 0, 1))
    deep = 1 - 0.65 * person.melanin  # make-up is chosen to suit the skin
    colors = np.zeros((3, 4), np.float32)
    for row, (palette, alpha) in enumerate(
        [(_LIPSTICKS, 0.68), (_SHADOWS, 0.50), (_BLUSHERS, 0.25)]
    ):
        colors[row, :3] = _between(palette, float(person.lipstick[row])) * deep
        colors[row, 3] = alpha * worn
    return colors
