"""Soft light on a head: spherical harmonics and precomputed self-shadowing.

Sloan, Kautz, Snyder, "Precomputed radiance transfer", SIGGRAPH 2002: how much light from every
direction reaches a vertex is computed once per identity (`light_transfer`) and stored as nine
numbers; any lighting is then nine other numbers, and shading is their dot product. That makes
noses shade cheeks at almost no cost per image. Introduced in chapter 1.
"""

import math

import numpy as np

from nbnet_lib.faces.synth.raster import compiled, rasterise


def fibonacci_sphere(n: int) -> np.ndarray:
    """Return ``n`` evenly spread unit directions, float32 [n, 3]."""
    i = np.arange(n) + 0.5
    angle, height = np.pi * (1 + 5**0.5) * i, 1 - 2 * i / n
    ring = np.sqrt(1 - height * height)
    return np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], 1).astype(np.float32)


def harmonics(directions: np.ndarray) -> np.ndarray:
    """Return the nine real spherical harmonics up to order 2, float32 [n, 9]."""
    x, y, z = directions.T
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        axis=-1,
    ).astype(np.float32)


DIRECTIONS = fibonacci_sphere(48)
HARMONICS = harmonics(DIRECTIONS)
_SOLID_ANGLE = 4 * np.pi / len(DIRECTIONS)


@compiled
def _accumulate(vertices, normals, triangles, directions, basis, resolution, scale):
    """For each direction: an orthographic z-buffer, then each vertex asks whether it is lit."""
    n = vertices.shape[0]
    result = np.zeros((n, 9), np.float32)
    screen = np.zeros((n, 3), np.float32)
    triangle_of = np.zeros((resolution, resolution), np.int32)
    weights = np.zeros((resolution, resolution, 2), np.float32)
    for k in range(directions.shape[0]):
        dx, dy, dz = directions[k, 0], directions[k, 1], directions[k, 2]
        ax, ay = (1.0, 0.0) if abs(dy) > 0.9 else (0.0, 1.0)
        ux, uy, uz = ay * dz, -ax * dz, ax * dy - ay * dx
        length = math.sqrt(ux * ux + uy * uy + uz * uz)
        ux, uy, uz = ux / length, uy / length, uz / length
        vx, vy, vz = dy * uz - dz * uy, dz * ux - dx * uz, dx * uy - dy * ux
        for i in range(n):
            x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
            screen[i, 0] = resolution / 2 + (x * ux + y * uy + z * uz) * scale
            screen[i, 1] = resolution / 2 + (x * vx + y * vy + z * vz) * scale
            screen[i, 2] = x * dx + y * dy + z * dz
        depth = np.full((resolution, resolution), -1e9, np.float32)
        rasterise(screen, triangles, depth, triangle_of, weights)
        for i in range(n):
            cosine = normals[i, 0] * dx + normals[i, 1] * dy + normals[i, 2] * dz
            if cosine <= 0:
                continue
            column, row = int(screen[i, 0]), int(screen[i, 1])
            lit = 0.0
            for oy in range(-1, 2):  # nine tests instead of one: soft shadow edges
                for ox in range(-1, 2):
                    cx = min(max(column + ox, 0), resolution - 1)
                    cy = min(max(row + oy, 0), resolution - 1)
                    if screen[i, 2] + 0.06 > depth[cy, cx]:
                        lit += 1 / 9
            for j in range(9):
                result[i, j] += lit * cosine * basis[k, j]
    return result


def light_transfer(vertices: np.ndarray, normals: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return how each vertex answers to light, float32 [V, 9]; vertices centred on the head."""
    transfer = _accumulate(vertices, normals, triangles, DIRECTIONS, HARMONICS, 112, 112 / 4.4)
    return transfer * np.float32(_SOLID_ANGLE / np.pi)


def light_coefficients(
    rotation: np.ndarray, fill: np.ndarray, key_direction: np.ndarray, softness: float, turn: float
) -> np.ndarray:
    """Return the light as harmonics in head space, float32 [9, 4]: ambient R, G, B and the key.

    Args:
        rotation: float32 [3, 3], head to world.
        fill: float [3], ambient colour, linear.
        key_direction: float32 [3], unit vector to the key light, world space.
        softness: 0 (a lamp) to 1 (an overcast sky).
        turn: radians, where in the room the brighter wall is.
    """
    world = DIRECTIONS @ rotation.T
    sky = (0.55 + 0.45 * world[:, 1:2]) * fill * 0.9
    wall = 0.35 * np.clip(np.sin(turn + 2 * world[:, :1] + world[:, 2:3]), 0, 1) * fill
    lobe = np.exp((DIRECTIONS @ (rotation.T @ key_direction) - 1) * (14 * (1 - softness) + 3))
    lobe = lobe / (lobe.sum() * _SOLID_ANGLE) * np.pi
    return (HARMONICS.T @ np.concatenate([sky + wall, lobe[:, None]], 1) * _SOLID_ANGLE).astype(
        np.float32
    )
