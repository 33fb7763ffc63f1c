"""What all skins share: the texture's coordinates, the beard, soft zones of the face, noise tiles.

Texture coordinates are cylindrical: the column grows with the angle around the head's vertical
axis, the row with the height. All formulas speak of the *mean* head, so that a fold is on every
identity's fold. A person's skin is a weighted sum of zones and noise (`skin.py`), so a new person
costs a few multiplications per texel. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.ndimage

from synthfaces.model import AXIS_Z, SKIN, head_model
from synthfaces.raster import compiled, rasterise, smoothstep

WIDTH, HEIGHT = 512, 320
Y_LOW, Y_HIGH = 5.4, 8.6  # decimetres
TEXELS_PER_DM = HEIGHT / (Y_HIGH - Y_LOW)
FRONT_DENSITY = 0.45  # how much denser the columns lie in front than behind, 0 .. 0.49
_REACH = 0.75  # half the width of the face, decimetres: as far as `texture_points` can look
_LOOKUPS = 301  # places across the face
_DENSE = np.linspace(-np.pi, np.pi, 4001)


@dataclass(frozen=True)
class Texels:
    """Where each texel sits on the mean head; mirrored in the middle column."""

    angle: np.ndarray  # float32 [WIDTH], radians, 0 at the nose
    x: np.ndarray  # float32 [HEIGHT, WIDTH], decimetres
    y: np.ndarray  # float32 [HEIGHT], decimetres
    masks: np.ndarray  # float32 [HEIGHT, WIDTH, 3]: lips, ears, eyelids
    holes: np.ndarray  # bool [HEIGHT, WIDTH]: no skin here (open eyes)
    columns: np.ndarray  # float32 [HEIGHT, 301]: the column of x = -0.75 .. 0.75


def column_of(angle: np.ndarray) -> np.ndarray:
    """Return the column (not rounded, texel centres at + 0.5) of an angle in [-pi, pi]."""
    turn = angle / np.pi
    return WIDTH * (0.5 + 0.5 * turn * (1 + FRONT_DENSITY * (1 - turn * turn)))


@lru_cache(1)
def vertex_texels() -> np.ndarray:
    """Return column and row of every render vertex, float32 [R, 2]; texel centres at + 0.5."""
    points = head_model().mean_fine
    column = column_of(np.arctan2(points[:, 0], points[:, 2] - AXIS_Z))
    return np.stack([column, (points[:, 1] - Y_LOW) * TEXELS_PER_DM], axis=1).astype(np.float32)


@lru_cache(1)
def texels() -> Texels:
    """Draw the mean head into texture coordinates, once per process."""
    model = head_model()
    triangles = model.triangles[model.part == SKIN][:, [0, 2, 1]]  # rows run up, images run down
    position = vertex_texels()
    triangles = triangles[np.ptp(position[triangles][..., 0], axis=1) < WIDTH / 2]  # not the seam
    radius = np.hypot(model.mean_fine[:, 0], model.mean_fine[:, 2] - AXIS_Z)
    known = np.stack([radius] + [model.masks[k] for k in ("lips", "ears", "eyelids")], axis=1)
    # The outermost layer of the skin is what shows.
    depth = np.full((HEIGHT, WIDTH), -1e9, np.float32)
    triangle_of = np.full((HEIGHT, WIDTH), -1, np.int32)
    weights = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    points = np.concatenate([position, radius[:, None]], axis=1).astype(np.float32)
    rasterise(points, np.ascontiguousarray(triangles), depth, triangle_of, weights)
    corners = known[triangles[triangle_of]]  # [HEIGHT, WIDTH, 3, 4]
    shares = np.concatenate([weights, 1 - weights.sum(2, keepdims=True)], axis=2)
    values = np.einsum("rck,rckv->rcv", shares, corners)
    holes = triangle_of < 0
    nearest = scipy.ndimage.distance_transform_edt(
        holes, return_distances=False, return_indices=True
    )
    values = values[tuple(nearest)]
    values = (values + values[:, ::-1]) / 2

    at = np.interp(np.arange(WIDTH) + 0.5, column_of(_DENSE), _DENSE)
    x = (np.sin(at) * values[..., 0]).astype(np.float32)
    front = np.abs(at) < 1.2
    wanted = np.linspace(-_REACH, _REACH, _LOOKUPS)
    columns = [
        np.interp(wanted, np.maximum.accumulate(line), np.flatnonzero(front) + 0.5)
        for line in x[:, front]
    ]
    return Texels(
        angle=at.astype(np.float32),
        x=x,
        y=(Y_LOW + (np.arange(HEIGHT) + 0.5) / TEXELS_PER_DM).astype(np.float32),
        masks=values[..., 1:].astype(np.float32),
        holes=holes | holes[:, ::-1],
        columns=np.array(columns, np.float32),
    )


def texture_points(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows (texel centres at + 0.5) of points on the face's front, in dm."""
    table = texels().columns
    row = np.clip((y - Y_LOW) * TEXELS_PER_DM, 0.5, HEIGHT - 0.5)
    across = np.clip((x + _REACH) / (2 * _REACH), 0, 0.9999) * (_LOOKUPS - 1)
    i, j = row.astype(int), across.astype(int)
    left, right = table[i, j], table[i, j + 1]
    return left + (across - j) * (right - left), row


@compiled
def beard_density(kind, x, y, angle):
    """Return how dense a beard grows here, 0..1; kind 0 full, 1 moustache, 2 goatee, 3 short."""
    ax, a = abs(x), abs(angle)
    moustache = (
        math.exp(-(((y - (6.775 - 0.10 * (ax / 0.3) ** 2)) / 0.045) ** 4))
        * smoothstep(0.36, 0.26, ax)
        * smoothstep(0.9, 0.5, a)
    )
    if kind == 1:
        return moustache
    low = smoothstep(5.85, 6.1, y)
    corner = (
        math.exp(-(((ax - 0.29) / 0.035) ** 2))
        * smoothstep(6.4, 6.5, y)
        * smoothstep(6.82, 6.7, y)
        * smoothstep(0.9, 0.5, a)
    )
    if kind == 2:
        chin = (
            smoothstep(0.24, 0.17, ax) * smoothstep(6.50, 6.44, y) * low * smoothstep(1.0, 0.8, a)
        )
        soul = (
            math.exp(-(((y - 6.46) / 0.06) ** 2))
            * smoothstep(0.09, 0.04, ax)
            * smoothstep(0.9, 0.5, a)
        )
        return min(1.0, moustache + chin + soul + 0.9 * corner)
    cheek = 6.62 + 0.42 * smoothstep(0.35, 1.35, a)
    jaw = smoothstep(cheek + 0.07, cheek - 0.07, y) * low * smoothstep(1.62, 1.4, a)
    full = max(jaw, moustache, corner)
    return 0.85 * full if kind == 3 else full


BEARD_KINDS = {"full": 0, "moustache": 1, "goatee": 2, "short": 3}


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
