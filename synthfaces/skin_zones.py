"""What all skins share: soft zones of the face and tiles of noise, made once per process.

A person's skin is a weighted sum of these maps (`skin.py`), so that a new person costs a few
multiplications per texel. Introduced in chapter 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.ndimage

from synthfaces.raster import compiled
from synthfaces.skin_map import BEARD_KINDS, beard_density, texels

# Rows of `zones`.
ZONES = (
    "rosy", "circles", "lids", "deep", "pale", "lips", "mouth_line", "freckles", "shine", "pores",
    "beard", *BEARD_KINDS, "lid_shadow", "cheeks",
)  # fmt: skip
ZONE = {name: row for row, name in enumerate(ZONES)}
# Rows of `noise`; a tile is periodic, and twice as wide as its period so that any window of a
# texture's width is contiguous.
NOISE = (
    "cloud", "patch", "grain", "spots", "hairs", "streak", "streak_u", "pores", "pores_u",
    "pores_v",
)  # fmt: skip
FIELD = {name: row for row, name in enumerate(NOISE)}
TILE = 512


def step(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """Smooth step of an array: 0 at ``low``, 1 at ``high`` (``low`` > ``high`` mirrors)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@compiled
def _beard_maps(x, y, angle):
    maps = np.zeros((4, x.shape[0], x.shape[1]), np.float32)
    for row in range(x.shape[0]):
        if y[row] > 7.2:
            break
        for column in range(x.shape[1]):
            if abs(angle[column]) < 1.7:
                for kind in range(4):
                    maps[kind, row, column] = beard_density(
                        kind, x[row, column], y[row], angle[column]
                    )
    return maps


@lru_cache(1)
def zones() -> np.ndarray:
    """Return the zones, float32 [len(ZONES), HEIGHT, WIDTH], about 0..1, mirror-symmetric."""
    grid = texels()
    x, y, angle = np.abs(grid.x), grid.y[:, None], np.abs(grid.angle)[None]
    front = step(1.9, 1.2, angle)

    def bump(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        return np.exp(-(((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2) / 2) * front

    def soft(mask: np.ndarray, sigma: float) -> np.ndarray:
        return scipy.ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="nearest")

    closed = scipy.ndimage.grey_closing(grid.masks[..., 0], (5, 5))  # the slit between the lips
    lips = step(0.12, 0.88, soft(closed, 0.9)) * (x < 0.42) * (front > 0)
    ears, lids = soft(grid.masks[..., 1], 2.5), soft(grid.masks[..., 2], 0.8)
    rim = soft(grid.holes & (y > 7.1) & (y < 7.5) & (x > 0.1) & (x < 0.5), 1.0)
    maps: dict[str, np.ndarray] = {}
    maps["rosy"] = (
        1.0 * bump(0.43, 6.93, 0.17, 0.14)
        + 0.8 * bump(0, 6.94, 0.09, 0.10)
        + 0.5 * bump(0.14, 6.88, 0.045, 0.05)
        + 0.4 * bump(0, 6.28, 0.16, 0.09)
        + 0.25 * bump(0.30, 7.20, 0.12, 0.04)
        + 0.8 * ears
    )
    maps["circles"] = bump(0.27, 7.13, 0.13, 0.055) + 0.65 * bump(0.16, 7.28, 0.05, 0.09)
    maps["lids"] = np.minimum(1, lids) * step(7.22, 7.33, y) + 1.6 * rim * step(7.24, 7.30, y)
    maps["deep"] = (
        bump(0.3, 7.27, 0.19, 0.14)
        + bump(0, 6.63, 0.3, 0.13)
        + bump(0, 8.0, 0.6, 0.12)
        + 0.5 * bump(0.60, 7.5, 0.12, 0.3)
    )
    maps["pale"] = bump(0, 7.72, 0.35, 0.18) + 0.5 * bump(0.30, 7.05, 0.12, 0.08)
    maps["lips"] = lips
    above = step(7.25, 7.31, y)
    shadow = 0.75 * bump(0.31, 7.345, 0.10, 0.035) + 0.4 * bump(0.38, 7.35, 0.07, 0.04)
    maps["lid_shadow"] = np.minimum(1, (shadow + 0.5 * lids) * above + 1.8 * rim)
    maps["cheeks"] = bump(0.46, 6.97, 0.13, 0.10)
    corners = 6.61 + 0.10 * x**2
    maps["mouth_line"] = np.exp(-(((y - corners) / 0.013) ** 2)) * step(0.30, 0.23, x) * front
    maps["freckles"] = bump(0.22, 7.03, 0.30, 0.16) + 0.4 * bump(0, 7.5, 0.5, 0.4)
    maps["shine"] = (
        0.55 * bump(0, 7.70, 0.26, 0.20)
        + 0.75 * bump(0, 7.02, 0.07, 0.22)
        + 0.35 * bump(0, 6.30, 0.12, 0.08)
        + 0.35 * bump(0.38, 7.05, 0.14, 0.09)
        + 0.35 * lids
    )
    maps["pores"] = (0.45 + 0.10 * front) * (1 - lips) * (1 - 0.7 * lids) + (
        0.75 * bump(0, 6.98, 0.13, 0.14)
        + 0.50 * bump(0.28, 6.93, 0.16, 0.14)
        + 0.45 * bump(0, 6.33, 0.22, 0.12)
        + 0.25 * bump(0, 7.7, 0.35, 0.2)
    )
    kinds = _beard_maps(grid.x, grid.y, grid.angle)
    bare = (1 - lips) * (1 - 0.55 * bump(0.15, 6.46, 0.07, 0.035))
    for name, kind in BEARD_KINDS.items():
        maps[name] = soft(kinds[kind], 1.5) * bare
    # The shaved area is a little larger and softer than a kept beard.
    shaved = soft(np.maximum(kinds[0], 0.8 * kinds[2]), 5.0) * step(7.15, 6.8, y)
    maps["beard"] = np.maximum(shaved, 0.85 * bump(0, 6.79, 0.17, 0.05)) * bare
    stack = np.stack([maps[name] for name in ZONES]).astype(np.float32)
    return (stack + stack[..., ::-1]) / 2


@compiled
def _dashes(column, row, slant, length):
    """Draw short hairs into a periodic tile, float32 [TILE, TILE] in 0..1."""
    tile = np.zeros((TILE, TILE), np.float32)
    for i in range(column.shape[0]):
        x, y = column[i], row[i]
        for _ in range(int(length[i])):
            c, r = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - c, y - r
            for oy in range(2):
                for ox in range(2):
                    share = (fx if ox else 1 - fx) * (fy if oy else 1 - fy)
                    old = tile[(r + oy) % TILE, (c + ox) % TILE]
                    tile[(r + oy) % TILE, (c + ox) % TILE] = old + (1 - old) * share * 0.7
            x, y = x + slant[i], y - 0.9
    return tile


@lru_cache(1)
def noise() -> np.ndarray:
    """Return the noise tiles, float32 [len(NOISE), TILE, 2 TILE]; unit variance, except hairs."""
    rng = np.random.default_rng(20261123)

    def blurred(sigma: float | tuple[float, float]) -> np.ndarray:
        white = rng.standard_normal((TILE, TILE), np.float32)
        return scipy.ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=3)

    def unit(tile: np.ndarray) -> np.ndarray:
        return (tile - tile.mean()) / tile.std()

    def slope(tile: np.ndarray, axis: int) -> np.ndarray:
        return (np.roll(tile, -1, axis) - np.roll(tile, 1, axis)) / 2

    n = 24000
    hairs = _dashes(
        rng.uniform(0, TILE, n), rng.uniform(0, TILE, n), rng.normal(0, 0.35, n),
        rng.integers(1, 4, n),
    )  # fmt: skip
    patch, streak = unit(blurred(4.0)), unit(blurred((4.0, 0.75)))
    # Pores are pits: the low end of fine noise, cut off; between them the skin is bumpy.
    fine, coarse = unit(blurred(0.8)), unit(blurred(2.4))
    pits = -np.maximum(fine - 0.8, 0)
    height = 0.35 * pits / pits.std() + 0.25 * fine + coarse
    scale = np.hypot(slope(height, 1).std(), slope(height, 0).std())
    tiles = {
        "cloud": unit(blurred(14.0)),
        "patch": patch,
        "grain": unit(blurred(0.6)),
        "spots": unit(blurred(1.25)),
        "hairs": hairs,
        "streak": streak,
        "streak_u": unit(slope(streak, 1)),
        "pores": pits / pits.std(),
        "pores_u": slope(height, 1) / scale,
        "pores_v": slope(height, 0) / scale,
    }
    stack = np.stack([tiles[name] for name in NOISE]).astype(np.float32)
    return np.concatenate([stack, stack], axis=2)
