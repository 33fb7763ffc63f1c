"""Eyebrows, hair by hair: thin tapering strokes along an arched band. Introduced in chapter 1."""

from __future__ import annotations

import math

import numpy as np

from synthfaces.identity import Identity
from synthfaces.raster import compiled
from synthfaces.skin_map import TEXELS_PER_DM, texture_points

_HAIRS = 300  # per brow, at most


@compiled
def _draw_strokes(base, column, row, dx, dy, length, curvature, alpha, color):
    """Draw tapering hairs: start, step per texel, number of texels; bilinear splats."""
    for i in range(column.shape[0]):
        px, py, sx, sy = column[i] - 0.5, row[i] - 0.5, dx[i], dy[i]
        steps = int(length[i]) + 1
        for j in range(steps):
            a = alpha[i] * (1 - (j / steps) ** 2)
            c, r = int(math.floor(px)), int(math.floor(py))
            fx, fy = px - c, py - r
            for oy in range(2):
                for ox in range(2):
                    w = (fx if ox else 1 - fx) * (fy if oy else 1 - fy) * a
                    if 0 <= r + oy < base.shape[0] and 0 <= c + ox < base.shape[1]:
                        for channel in range(3):
                            old = base[r + oy, c + ox, channel]
                            base[r + oy, c + ox, channel] = old + (color[channel] - old) * w
                        base[r + oy, c + ox, 3] *= 1 - 0.6 * w  # hair is duller than skin
            px, py = px + sx, py + sy
            sx, sy = sx - curvature[i] * sy, sy + curvature[i] * sx


def draw_brows(
    base: np.ndarray, person: Identity, tone: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw both eyebrows into ``base`` (float32 [HEIGHT, WIDTH, 7], colours and gloss changed)."""
    brow = person.brow
    # As many random numbers for a thin brow as for a dense one: density only adds hairs.
    n = min(int(115 + 135 * brow["density"]), _HAIRS)
    side = np.repeat([-1.0, 1.0], n)
    t = rng.beta(1.05, 1.25, (2, _HAIRS))[:, :n].ravel()  # 0 at the nose, 1 at the temple
    normal = rng.standard_normal((2, 2, _HAIRS))[..., :n].reshape(2, -1)
    uniform = rng.random((2, 2, _HAIRS))[..., :n].reshape(2, -1)
    across = np.clip(0.52 * normal[0], -1.25, 1.25)  # dense middle, thin edges
    half = 0.80 * brow["thickness"] * (1 - (1 - brow["taper"]) * t**1.5)
    half *= np.where(t < 0.14, 0.62 + 2.7 * t, 1)
    middle = (
        7.455
        + brow["height"]
        + 0.06 * brow["tilt"] * (t - 0.5)
        + 0.075 * brow["arch"] * np.sin(np.pi * np.clip(0.93 * t, 0, 1) ** 1.25)
        - 0.024 * t**3
        + 0.012 * t
    )
    # Hairs stand up near the nose, then lie along the brow; the rows grow towards its middle.
    heading = np.where(t < 0.15, 0.95 - 3 * t, 0.5 - 0.75 * t) + 0.15 * normal[1]
    heading -= 0.28 * across
    length = (0.05 + 0.06 * uniform[0]) * (1 - 0.35 * t) * (0.7 + 6 * brow["thickness"])
    x = brow["inner"] + (brow["outer"] - brow["inner"]) * t
    column, row = texture_points(side * x, middle + half * across)
    alpha = (0.50 - 0.14 * np.abs(across)) * (0.5 + 0.7 * uniform[1])
    alpha *= np.where(t < 0.12, 0.45 + 4.5 * t, 1) * (1 - 0.45 * np.clip((t - 0.8) / 0.2, 0, 1))
    color = person.brow_rgb * [0.96, 0.90, 0.80] + 0.08 * tone  # the skin shines through
    _draw_strokes(
        base,
        column,
        row,
        side * np.cos(heading),
        np.sin(heading),
        length * TEXELS_PER_DM,
        -0.02 * side,
        alpha,
        color.astype(np.float32),
    )
