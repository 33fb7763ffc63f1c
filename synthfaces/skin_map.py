"""Where things are on the skin: the texture's coordinates and the beard.

Texture coordinates are cylindrical: the column grows with the angle around the head's vertical
axis, the row with the height. All formulas speak of the *mean* head, so that a fold lands on
every identity's fold. Introduced in chapter 1.
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
