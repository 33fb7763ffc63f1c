"""Glasses and the visor of a cap: small meshes that sit in front of the face.

Frames are tubes bent along the outline of a lens; lenses tint what is behind them and mirror a
bright patch. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synthfaces.raster import compiled

# Half width, half height, exponent of the superellipse, tube radius (decimetres), drop of the
# outer lower corner.
FRAMES = {
    "round": (0.235, 0.225, 2.0, 0.007, 0.0),
    "square": (0.275, 0.195, 4.5, 0.013, 0.0),
    "thin": (0.265, 0.150, 3.2, 0.006, 0.0),
    "aviator": (0.285, 0.235, 2.6, 0.006, 0.25),
}
_OUTLINE = 28  # points around a lens
_TUBE = 4  # sides of a tube


@dataclass(frozen=True)
class Solid:
    """A small mesh: points and unit normals float32 [n, 3], triangles int32 [t, 3]."""

    points: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray


def _tube(path: np.ndarray, radius: float, closed: bool) -> Solid:
    """Return a tube along ``path``, float [n, 3]; both windings, so no side is culled."""
    n = len(path)
    if closed:
        ahead, behind = np.roll(path, -1, 0), np.roll(path, 1, 0)
    else:
        ahead = path[np.minimum(np.arange(n) + 1, n - 1)]
        behind = path[np.maximum(np.arange(n) - 1, 0)]
    tangent = ahead - behind
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, [0.13, 0.31, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangent, side)
    angles = 2 * np.pi * (np.arange(_TUBE) + 0.5) / _TUBE
    normals = (
        np.cos(angles)[None, :, None] * side[:, None]
        + np.sin(angles)[None, :, None] * other[:, None]
    )
    points = path[:, None] + radius * normals
    i = np.arange(n if closed else n - 1)[:, None]
    k = np.arange(_TUBE)[None]
    j, m = (i + 1) % n, (k + 1) % _TUBE
    a, b, c, d = i * _TUBE + k, j * _TUBE + k, j * _TUBE + m, i * _TUBE + m
    quads = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3)
    triangles = np.concatenate([quads, quads[:, ::-1]])
    return Solid(points.reshape(-1, 3), normals.reshape(-1, 3), triangles)


def _join(solids: list[Solid]) -> Solid:
    starts = np.cumsum([0] + [len(s.points) for s in solids[:-1]])
    return Solid(
        np.concatenate([s.points for s in solids]).astype(np.float32),
        np.concatenate([s.normals for s in solids]).astype(np.float32),
        np.concatenate(
            [s.triangles + start for s, start in zip(solids, starts, strict=True)]
        ).astype(np.int32),
    )


@lru_cache(maxsize=8)
def _outline(frame: str) -> np.ndarray:
    """Return the outline of the lens at the subject's left eye, float [n, 2], x outwards."""
    half_width, half_height, power, _, drop = FRAMES[frame]
    angle = 2 * np.pi * np.arange(_OUTLINE) / _OUTLINE
    cosine, sine = np.cos(angle), np.sin(angle)
    x = half_width * np.sign(cosine) * np.abs(cosine) ** (2 / power)
    y = half_height * np.sign(sine) * np.abs(sine) ** (2 / power)
    low = np.clip(-y / half_height, 0, 1)
    return np.stack([x * (1 - 0.5 * drop * low), y - drop * 0.12 * low], 1)


def build_glasses(frame: str, eye: np.ndarray, temple: float) -> tuple[Solid, Solid]:
    """Return frame and lenses of glasses in head coordinates, for a face without them.

    Args:
        frame: a key of `FRAMES`.
        eye: float [3], the left eye's middle (the right one is its mirror image).
        temple: half the head's width at the ears, decimetres.
    """
    half_width, half_height, _, radius, _ = FRAMES[frame]
    outline = _outline(frame)
    # The lenses sit on the nose, in front of the lashes, and curve a little around the face.
    front = eye[2] + 0.315
    middle_x, middle_y = max(eye[0] + 0.015, half_width + 0.045), eye[1] - 0.035

    def on_face(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([x, y, front - 0.17 * np.abs(x) ** 2 + 0.06 * (y - eye[1])], 1)

    frames, lenses = [], []
    for side in (1.0, -1.0):
        x, y = side * (middle_x + outline[:, 0]), middle_y + outline[:, 1]
        rim = on_face(x, y)
        frames.append(_tube(rim, radius, closed=True))
        hinge = on_face(np.array([side * (middle_x + half_width)]), np.array([middle_y + 0.07]))[0]
        ear = np.array([side * (temple + 0.02), eye[1] + 0.06, 0.42])
        steps = np.linspace(0, 1, 6)[:, None]
        arm = hinge + (ear - hinge) * steps
        arm[:, 0] += side * 0.05 * np.sin(np.pi * steps[:, 0])
        frames.append(_tube(arm, 0.8 * radius + 0.003, closed=False))
        centre = rim.mean(0)
        n = len(rim)
        fan = np.stack([np.full(n, n), np.arange(n), (np.arange(n) + 1) % n], 1)
        facing = np.stack([0.34 * x, -0.06 + 0.5 * (y - middle_y), np.ones(n)], 1)
        facing = np.concatenate([facing, facing.mean(0, keepdims=True)])
        facing /= np.linalg.norm(facing, axis=1, keepdims=True)
        lenses.append(
            Solid(np.concatenate([rim, centre[None]]), facing, np.concatenate([fan, fan[:, ::-1]]))
        )
    x = np.linspace(-1, 1, 7) * (middle_x - half_width + 0.02)
    bridge = on_face(x, middle_y + 0.3 * half_height + 0.03 * (1 - (x / x[-1]) ** 2))
    frames.append(_tube(bridge, radius, closed=False))
    return _join(frames), _join(lenses)


def build_visor(eye: np.ndarray, front: float, width: float) -> Solid:
    """Return the visor of a cap.

    Args:
        eye: float [3], the left eye's middle; the visor starts 0.66 above it.
        front: z of the forehead; ``width``: half the head's width at the ears.
    """
    across = np.linspace(-1, 1, 13)
    out = np.linspace(0, 1, 4)
    a, r = np.meshgrid(across, out, indexing="ij")
    arc = np.sqrt(np.maximum(0, 1 - a * a))
    x = 0.74 * width * a * (1 + 0.04 * r)
    z = front - 0.42 + 0.46 * arc + 0.55 * r * (0.25 + 0.75 * arc)
    y = eye[1] + 0.66 - 0.10 * r - 0.20 * a * a - 0.08 * r * arc
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    normals = np.stack([0.3 * a, np.ones_like(a), 0.25 * np.ones_like(a)], -1).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    i, k = np.meshgrid(np.arange(12), np.arange(3), indexing="ij")
    p, q, s, t = i * 4 + k, (i + 1) * 4 + k, (i + 1) * 4 + k + 1, i * 4 + k + 1
    quads = np.stack([p, q, s, p, s, t], -1).reshape(-1, 3)
    return Solid(
        points.astype(np.float32),
        normals.astype(np.float32),
        np.concatenate([quads, quads[:, ::-1]]).astype(np.int32),
    )


@compiled
def _normal_at(triangle, weights, normals):
    """Return the unit normal at barycentric ``weights`` of a triangle's corners."""
    a, b, c = triangle[0], triangle[1], triangle[2]
    wa, wb = weights[0], weights[1]
    wc = 1 - wa - wb
    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
    scale = 1 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
    return nx * scale, ny * scale, nz * scale


@compiled
def shade_solid(image, triangle_of, weights, triangles, normals, color, shine, light):
    """Write linear RGB where a triangle is visible; arguments as in `shade_pixels`."""
    for row in range(triangle_of.shape[0]):
        for column in range(triangle_of.shape[1]):
            t = triangle_of[row, column]
            if t < 0:
                continue
            nx, ny, nz = _normal_at(triangles[t], weights[row, column], normals)
            key = max(0.0, nx * light.key[0] + ny * light.key[1] + nz * light.key[2])
            across = max(0.0, nx * light.half[0] + ny * light.half[1] + nz * light.half[2])
            spot = across**32 * shine * light.key_strength
            sky = 0.6 + 0.3 * ny
            for k in range(3):
                bright = 1.15 * sky * light.fill[k] + 1.6 * light.key_strength * key
                image[row, column, k] = color[k] * bright + spot * light.key_rgb[k]


@compiled
def tint_lens(image, triangle_of, weights, triangles, normals, tint, opacity, light):
    """Blend a lens over ``image``: ``tint`` with ``opacity``, and the key light's mirror image."""
    for row in range(triangle_of.shape[0]):
        for column in range(triangle_of.shape[1]):
            t = triangle_of[row, column]
            if t < 0:
                continue
            nx, ny, nz = _normal_at(triangles[t], weights[row, column], normals)
            across = nx * light.half[0] + ny * light.half[1] + nz * light.half[2]
            glare = 0.15 * max(0.0, across) ** 128 * light.key_strength
            sky = 0.003 + 0.01 * max(0.0, ny)
            for k in range(3):
                old = image[row, column, k]
                mirrored = glare * light.key_rgb[k] + sky * light.fill[k]
                image[row, column, k] = old + (tint[k] - old) * opacity + mirrored
