"""Where hair may grow: fixed points on the skin, shared by all people.

Every head has the same topology, so roots are chosen once, as points on triangles of the mean
head; a person's roots are those with enough hair density, carried by that person's vertices.
Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from synthfaces.model import AXIS_Z, SKIN, head_model
from synthfaces.raster import compiled

CENTRE = np.array([0, 7.45, 0.35], np.float32)  # the middle of the mean skull
GRID = 48  # side of the octahedral radius table


@dataclass(frozen=True)
class Roots:
    """Points on the skin; in random order, so that the first n are spread evenly."""

    corners: np.ndarray  # int32 [n, 3]: fine vertices
    weights: np.ndarray  # float32 [n, 3]: barycentric, sum 1
    place: np.ndarray  # float32 [n, 4]: x, y, z on the mean head, angle around its axis
    guides: np.ndarray  # int32 [n, 3]: the nearest guides, nearest first
    shares: np.ndarray  # float32 [n, 3]: their weights, sum 1


def _sample(allowed: np.ndarray, importance: np.ndarray, n: int, seed: int) -> tuple:
    """Spread ``n`` random points over triangles of the skin: corners, weights, positions."""
    model = head_model()
    triangles = model.triangles[model.part == SKIN][allowed]
    where = model.mean_fine[triangles].astype(np.float64)
    area = np.linalg.norm(np.cross(where[:, 1] - where[:, 0], where[:, 2] - where[:, 0]), axis=1)
    cumulative = np.cumsum(area * importance[allowed])
    rng = np.random.default_rng(seed)
    # Stratified: one point per equal share of the area, which spreads them evenly.
    chosen = np.searchsorted(cumulative, (np.arange(n) + rng.random(n)) / n * cumulative[-1])
    chosen = rng.permutation(np.minimum(chosen, len(triangles) - 1))
    u, v = rng.random((2, n, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    weights = np.concatenate([1 - u - v, u, v], 1)
    position = (where[chosen] * weights[..., None]).sum(1)
    corners = model.render_vertex[triangles[chosen]]
    angle = np.arctan2(position[:, 0], position[:, 2] - AXIS_Z)
    return (
        np.ascontiguousarray(corners, np.int32),
        weights.astype(np.float32),
        np.concatenate([position, angle[:, None]], 1).astype(np.float32),
    )


def _triangle_middles() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    model = head_model()
    triangles = model.triangles[model.part == SKIN]
    return model.mean_fine[triangles].mean(1), {
        name: mask[triangles].mean(1) for name, mask in model.masks.items()
    }


@lru_cache(1)
def scalp_roots() -> tuple[Roots, np.ndarray]:
    """Return 14,000 roots of the scalp and the indices of the 420 of them that are guides."""
    middle, masks = _triangle_middles()
    angle = np.abs(np.arctan2(middle[:, 0], middle[:, 2] - AXIS_Z))
    lowest = np.where(angle < 0.8, 7.6, np.where(angle < 1.9, 6.95, 6.3))
    allowed = (middle[:, 1] > lowest) & (masks["ears"] < 0.3)
    # The back of the head is never turned to the camera.
    importance = np.where(angle > 2.2, 0.35, 1.0) * np.where(middle[:, 1] > 8.2, 0.8, 1.0)
    corners, weights, place = _sample(allowed, importance, 14000, 5)
    position = place[:, :3].astype(np.float64)
    chosen = np.zeros(420, np.int64)  # each guide is the root farthest from all guides before it
    distance = np.full(len(position), np.inf)
    for i in range(1, len(chosen)):
        np.minimum(distance, ((position - position[chosen[i - 1]]) ** 2).sum(1), out=distance)
        chosen[i] = distance.argmax()
    away, guides = cKDTree(position[chosen]).query(position, 3)
    shares = 1 / (away + 0.02) ** 2
    shares /= shares.sum(1, keepdims=True)
    roots = Roots(corners, weights, place, guides.astype(np.int32), shares.astype(np.float32))
    return roots, chosen


@lru_cache(1)
def beard_roots() -> Roots:
    """Return 14,000 roots of the lower face (no guides)."""
    middle, masks = _triangle_middles()
    allowed = (middle[:, 2] > 0.3) & (middle[:, 1] > 5.85) & (middle[:, 1] < 7.15)
    allowed &= (masks["lips"] < 0.3) & (masks["inside_mouth"] < 0.5) & (masks["ears"] < 0.3)
    front = (middle[:, 2] > 1.2) & (np.abs(middle[:, 0]) < 0.45)
    importance = np.where(front & (middle[:, 1] > 6.62) & (middle[:, 1] < 6.9), 5.0, 1.0)
    importance = np.where(front & (middle[:, 1] <= 6.62), 1.8, importance)
    corners, weights, place = _sample(allowed, importance, 14000, 6)
    nothing = np.zeros((0, 3), np.int32)
    return Roots(corners, weights, place, nothing, nothing.astype(np.float32))


@lru_cache(1)
def _radius_sources() -> tuple[np.ndarray, np.ndarray]:
    """For each cell of the radius table: fine vertices int32 [G, G, 5], weights float32."""
    model = head_model()
    skin = np.unique(model.triangles[model.part == SKIN])
    offset = model.mean_fine[skin] - CENTRE
    keep = (offset[:, 1] > -1.25) & (model.masks["ears"][skin] < 0.2)
    keep &= model.masks["inside_mouth"][skin] < 0.5
    skin, offset = skin[keep], offset[keep].astype(np.float64)
    direction = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    u, v = np.meshgrid(*[np.linspace(-1, 1, GRID)] * 2)
    y = 1 - np.abs(u) - np.abs(v)
    x = np.where(y < 0, (1 - np.abs(v)) * np.sign(u), u)
    z = np.where(y < 0, (1 - np.abs(u)) * np.sign(v), v)
    cell = np.stack([x, y, z], -1)
    cell /= np.linalg.norm(cell, axis=-1, keepdims=True)
    away, nearest = cKDTree(direction).query(cell, 5)
    weights = 1 / (away + 0.03) ** 2
    weights /= weights.sum(-1, keepdims=True)
    return model.render_vertex[skin[nearest]].astype(np.int32), weights.astype(np.float32)


@compiled
def _radius_table(sources, weights, vertices, centre):
    side, _, count = sources.shape
    table = np.zeros((side, side), np.float32)
    for i in range(side):
        for j in range(side):
            total = np.float32(0)
            for k in range(count):
                v = sources[i, j, k]
                x, y, z = (
                    vertices[v, 0] - centre[0],
                    vertices[v, 1] - centre[1],
                    vertices[v, 2] - centre[2],
                )
                total += weights[i, j, k] * np.float32(math.sqrt(x * x + y * y + z * z))
            table[i, j] = total
    return table


def radius_table(vertices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return a head's radius around ``centre`` by direction, float32 [GRID, GRID].

    The table is octahedral (Cigolle et al., "A survey of efficient representations for
    independent unit vectors", JCGT 2014), with y as the axis that is never folded.
    """
    sources, weights = _radius_sources()
    return _radius_table(sources, weights, vertices, centre)


@compiled
def radius_at(table, x, y, z):
    """Look the radius up in direction (x, y, z), of any length > 0."""
    size = table.shape[0]
    total = abs(x) + abs(y) + abs(z) + np.float32(1e-9)
    u, v = x / total, z / total
    if y < 0:
        folded = (1 - abs(v)) * (1 if u >= 0 else -1)
        v = (1 - abs(u)) * (1 if v >= 0 else -1)
        u = folded
    half = np.float32(0.5) * (size - 1)
    column, row = (u + 1) * half, (v + 1) * half
    c0 = min(max(int(column), 0), size - 2)
    r0 = min(max(int(row), 0), size - 2)
    fc, fr = column - c0, row - r0
    low = table[r0, c0] + (table[r0, c0 + 1] - table[r0, c0]) * fc
    high = table[r0 + 1, c0] + (table[r0 + 1, c0 + 1] - table[r0 + 1, c0]) * fc
    return low + (high - low) * fr
