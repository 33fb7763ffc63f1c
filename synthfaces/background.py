"""What is behind the head, out of focus: rooms, streets, trees, studio paper.

Drawn small (a defocused picture has no more detail) and enlarged. Introduced in chapter 1.
"""

from __future__ import annotations

import math

import numpy as np

from synthfaces.develop import gaussian_blur
from synthfaces.raster import compiled
from synthfaces.sample import Sample

_SIDE = 40  # pixels of the small picture, which reaches one eighth beyond each edge
OUTDOORS = ("overcast", "sun")


def _color(rng: np.random.Generator, low: float, high: float, spread: float) -> np.ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high)) + spread * rng.standard_normal(3))


@compiled
def _paint_rectangle(picture, color, x, y, width, height):
    """Paint one axis-parallel rectangle with soft edges; shares of the side."""
    side = picture.shape[0]
    for row in range(side):
        down = 8 * (height / 2 - abs((row + 0.5) / side - y)) + 0.5
        if down <= 0:
            continue
        for column in range(side):
            across = 8 * (width / 2 - abs((column + 0.5) / side - x)) + 0.5
            if across > 0:
                share = min(1.0, across) * min(1.0, down)
                for c in range(3):
                    picture[row, column, c] += (color[c] - picture[row, column, c]) * share


def _rectangle(picture, rng, color, width, height):
    """Paint one rectangle at a random place; ``width``, ``height``: ranges."""
    x, y = rng.uniform(-0.1, 1.1, 2)
    _paint_rectangle(picture, color, x, y, rng.uniform(*width), rng.uniform(*height))


def _small(sample: Sample) -> np.ndarray:
    rng = np.random.default_rng([23, sample.background_seed])
    down = np.linspace(0, 1, _SIDE)[:, None, None]
    if sample.scene == "studio":
        paper = _color(rng, 0.04, 0.7, 0.10)
        middle = rng.uniform(0.3, 0.7, 2)
        at = np.linspace(0, 1, _SIDE)
        glow = np.exp(-((at[:, None] - middle[0]) ** 2 + (at[None] - middle[1]) ** 2) / 0.25)
        return paper * (0.55 + 0.75 * rng.random() * glow[..., None])
    if sample.scene in OUTDOORS:
        sky = _color(rng, 0.35, 1.0, 0.06) * np.array([0.86, 0.96, 1.12])
        ground = _color(rng, 0.06, 0.35, 0.12)
        horizon = rng.uniform(0.25, 0.75)
        picture = sky + (ground - sky) * np.clip(6 * (down - horizon) + 0.5, 0, 1)
        picture = np.broadcast_to(picture, (_SIDE, _SIDE, 3)).copy()
        green = rng.random() < 0.55
        for _ in range(rng.integers(3, 8)):
            color = _color(rng, 0.03, 0.3, 0.1)
            if green:
                color *= np.array([0.85, 1.2, 0.6])
                _rectangle(picture, rng, color, (0.1, 0.35), (0.1, 0.35))
            else:
                _rectangle(picture, rng, color, (0.1, 0.3), (0.3, 0.9))
        dapple = _enlarge(np.repeat(rng.standard_normal((10, 10, 1), np.float32), 3, 2), _SIDE)
        return picture * np.exp((0.3 if green else 0.12) * dapple)
    wall = _color(rng, 0.10, 0.65, 0.13)
    if sample.scene == "evening":
        wall *= 0.35
    picture = np.broadcast_to(wall * (1.1 - 0.3 * down), (_SIDE, _SIDE, 3)).copy()
    left, right = rng.uniform(0.75, 1.25, 2)
    picture *= np.linspace(left, right, _SIDE)[None, :, None]
    for _ in range(rng.integers(1, 6)):  # doors, shelves, frames
        _rectangle(picture, rng, _color(rng, 0.03, 0.6, 0.2), (0.08, 0.5), (0.08, 0.6))
    if sample.scene == "window" or rng.random() < 0.15:
        _rectangle(picture, rng, _color(rng, 0.8, 1.4, 0.05), (0.15, 0.4), (0.4, 0.9))
    for _ in range(rng.integers(0, 5) if sample.scene == "evening" else 0):  # lamps
        _rectangle(picture, rng, np.array([1.3, 0.9, 0.5]), (0.06, 0.1), (0.06, 0.1))
    return picture


@compiled
def _enlarge(small, pixels):
    """Return ``small`` at [pixels, pixels, 3] by bilinear interpolation, its margin cut off."""
    result = np.empty((pixels, pixels, 3), np.float32)
    side = small.shape[0]
    line = np.empty((side, 3), np.float32)  # one row of the result, still as wide as `small`
    scale = 0.75 * side / pixels
    for row in range(pixels):
        y = min(side - 1.001, 0.125 * side + (row + 0.5) * scale - 0.5)
        r0 = int(math.floor(y))
        fy = np.float32(y - r0)
        for column in range(side):
            for k in range(3):
                top = small[r0, column, k]
                line[column, k] = top + (small[r0 + 1, column, k] - top) * fy
        for column in range(pixels):
            x = min(side - 1.001, 0.125 * side + (column + 0.5) * scale - 0.5)
            c0 = int(math.floor(x))
            fx = np.float32(x - c0)
            for k in range(3):
                left = line[c0, k]
                result[row, column, k] = left + (line[c0 + 1, k] - left) * fx
    return result


def background(sample: Sample, pixels: int) -> np.ndarray:
    """Return an out-of-focus scene, float32 [pixels, pixels, 3], linear RGB in [0.005, 1.5]."""
    sigma = 0.8 + 1.4 * (sample.background_seed % 1009) / 1009
    soft = gaussian_blur(_small(sample).astype(np.float32), sigma)
    return _enlarge(np.clip(soft, 0.005, 1.5), pixels)


def foreground(sample: Sample, size: int) -> np.ndarray:
    """Return the cover of an out-of-focus object at the picture's edge, float32 [size, size]."""
    rng = np.random.default_rng([31, sample.foreground_seed])
    at = (np.arange(size) + 0.5) / size
    x = rng.choice([-0.06, 1.06]) + rng.normal(0, 0.03)
    y, tilt = rng.uniform(0.6, 1.1), rng.uniform(-0.6, 0.6)
    width, height = rng.uniform(0.10, 0.26), rng.uniform(0.25, 0.6)
    dx, dy = at[None] - x, at[:, None] - y
    u, v = np.cos(tilt) * dx + np.sin(tilt) * dy, np.cos(tilt) * dy - np.sin(tilt) * dx
    distance = np.sqrt((u / width) ** 2 + (v / height) ** 2)
    return np.clip((1.15 - distance) / 0.3, 0, 1).astype(np.float32)
