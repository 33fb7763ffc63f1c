"""Light that remembers shadows: precomputed radiance transfer in nine numbers per vertex.

Sloan, Kautz, Snyder, "Precomputed radiance transfer", SIGGRAPH 2002: how much light from every
direction reaches a vertex is computed once per identity (`light_transfer`) and stored as nine
numbers; any lighting is then nine other numbers, and shading is their dot product. That gives
large lights (sky, window, walls) their soft shadows at almost no cost per image. Nine numbers
cannot hold the edge of a sharp shadow, so a small light gets a shadow map (`hard_light`:
Williams, "Casting curved shadows on curved surfaces", SIGGRAPH 1978). Introduced in chapter 1.
"""

from __future__ import annotations

import math

import numpy as np

from synthfaces.raster import compiled, rasterise


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


DIRECTIONS = fibonacci_sphere(40)
HARMONICS = harmonics(DIRECTIONS)
_SOLID_ANGLE = 4 * np.pi / len(DIRECTIONS)
_BEHIND = -0.3  # light from further behind the head never meets the face: not tested for shadows
MAP_SIDE, MAP_EXTENT = 72, 4.4  # pixels and decimetres of the shadow maps made per identity
HARD_SIDE, HARD_EXTENT = 128, 3.4  # and of those made per picture


@compiled
def _look_along(vertices, direction, side, extent, screen):
    """Fill ``screen``, float32 [V, 3], with the orthographic view from ``direction``."""
    dx, dy, dz = direction[0], direction[1], direction[2]
    ax, ay = (1.0, 0.0) if abs(dy) > 0.9 else (0.0, 1.0)
    ux, uy, uz = ay * dz, -ax * dz, ax * dy - ay * dx
    length = math.sqrt(ux * ux + uy * uy + uz * uz)
    ux, uy, uz = ux / length, uy / length, uz / length
    vx, vy, vz = dy * uz - dz * uy, dz * ux - dx * uz, dx * uy - dy * ux
    scale = side / extent
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        screen[i, 0] = side / 2 + (x * ux + y * uy + z * uz) * scale
        screen[i, 1] = side / 2 + (x * vx + y * vy + z * vz) * scale
        screen[i, 2] = x * dx + y * dy + z * dz


@compiled
def _accumulate(vertices, normals, triangles):
    """For each direction: an orthographic z-buffer, then each vertex asks whether it is lit."""
    n = vertices.shape[0]
    result = np.zeros((n, 9), np.float32)
    screen = np.zeros((n, 3), np.float32)
    depth = np.zeros((MAP_SIDE, MAP_SIDE), np.float32)
    nameless, weightless = np.zeros((0, 0), np.int32), np.zeros((0, 0, 2), np.float32)
    for k in range(DIRECTIONS.shape[0]):
        dx, dy, dz = DIRECTIONS[k, 0], DIRECTIONS[k, 1], DIRECTIONS[k, 2]
        tested = dz > _BEHIND
        if tested:
            _look_along(vertices, DIRECTIONS[k], MAP_SIDE, MAP_EXTENT, screen)
            depth[:] = -1e9
            rasterise(screen, triangles, depth, nameless, weightless)
        for i in range(n):
            cosine = normals[i, 0] * dx + normals[i, 1] * dy + normals[i, 2] * dz
            if cosine <= 0:
                continue
            lit = 1.0
            if tested:
                # Five tests instead of one: soft shadow edges.
                x = min(max(int(screen[i, 0]), 1), MAP_SIDE - 2)
                y = min(max(int(screen[i, 1]), 1), MAP_SIDE - 2)
                mine = screen[i, 2] + 0.07
                lit = 0.2 * (mine > depth[y, x])
                lit += 0.2 * (mine > depth[y, x - 1]) + 0.2 * (mine > depth[y, x + 1])
                lit += 0.2 * (mine > depth[y - 1, x]) + 0.2 * (mine > depth[y + 1, x])
                if lit == 0:
                    continue
            share = np.float32(lit * cosine)
            for j in range(9):
                result[i, j] += share * HARMONICS[k, j]
    return result


def light_transfer(vertices: np.ndarray, normals: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return how each vertex answers to light, float32 [V, 9]; vertices centred on the head."""
    return _accumulate(vertices, normals, triangles) * np.float32(_SOLID_ANGLE / np.pi)


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


@compiled
def hard_light(vertices, triangles, fine, normals, direction):
    """Return the light of a distant lamp at each fine vertex, float32 [F]: cosine times shadow.

    Args:
        vertices: float32 [C, 3], the coarse mesh that casts the shadow, centred on the head.
        triangles: int32 [n, 3] of the coarse mesh.
        fine: float32 [F, 3], the points that ask; ``normals``: float32 [F, 3], unit.
        direction: float32 [3], unit vector to the lamp, head space.
    """
    screen = np.zeros((vertices.shape[0], 3), np.float32)
    _look_along(vertices, direction, HARD_SIDE, HARD_EXTENT, screen)
    depth = np.full((HARD_SIDE, HARD_SIDE), -1e9, np.float32)
    nameless, weightless = np.zeros((0, 0), np.int32), np.zeros((0, 0, 2), np.float32)
    rasterise(screen, triangles, depth, nameless, weightless)
    points = np.zeros((fine.shape[0], 3), np.float32)
    _look_along(fine, direction, HARD_SIDE, HARD_EXTENT, points)
    result = np.zeros(fine.shape[0], np.float32)
    for i in range(fine.shape[0]):
        cosine = (
            normals[i, 0] * direction[0]
            + normals[i, 1] * direction[1]
            + normals[i, 2] * direction[2]
        )
        if cosine <= 0:
            continue
        column, row = int(points[i, 0]), int(points[i, 1])
        lit = 0.0
        for oy in range(-2, 3):
            for ox in range(-2, 3):
                cx = min(max(column + ox, 0), HARD_SIDE - 1)
                cy = min(max(row + oy, 0), HARD_SIDE - 1)
                if points[i, 2] + 0.075 > depth[cy, cx]:
                    lit += 0.04
        result[i] = lit * cosine
    return result


@compiled
def receive(transfer, coefficients, hard, hardness, normals, rotation, covered, place):
    """Gather what shading needs per vertex, `Surface.vertex`: float32 [F, 16].

    Args:
        transfer: float32 [F, 9]; ``coefficients``: float32 [9, 4].
        hard: float32 [F] from `hard_light`, or empty when ``hardness`` is 0.
        hardness: 0 all key light is large, 1 all of it is a small lamp.
        normals: float32 [F, 3], head space; ``rotation``: float32 [3, 3], head to world.
        covered: float32 [F, 2], from `wardrobe.cover`; ``place``: float32 [F, 6].
    """
    n = transfer.shape[0]
    result = np.empty((n, 16), np.float32)  # the last number fills the row to a cache line
    for i in range(n):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        for j in range(3):
            result[i, j] = rotation[j, 0] * x + rotation[j, 1] * y + rotation[j, 2] * z
        for j in range(4):
            total = np.float32(0)
            for k in range(9):
                total += transfer[i, k] * coefficients[k, j]
            result[i, 3 + j] = max(total, np.float32(0))
        if hardness > 0:
            result[i, 6] += np.float32(hardness) * (hard[i] - result[i, 6])
        result[i, 7], result[i, 8] = covered[i, 0], covered[i, 1]
        for j in range(6):
            result[i, 9 + j] = place[i, j]
        result[i, 15] = 0
    return result
