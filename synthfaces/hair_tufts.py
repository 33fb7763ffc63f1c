"""Hair that follows no guide: curls in the air, plaited rows, beards.

Positions are decimetres around the middle of the skull (beards: head coordinates). Introduced in
chapter 1.
"""

import math

import numpy as np

from synthfaces.raster import compiled, smoothstep


@compiled
def grow_tufts(roots, density, volume, size, noise, points):
    """Fill a volume above the scalp with small curls (afro hair).

    Args:
        roots: float32 [n, 3]; ``density``: float32 [n]; ``volume``: height of the hair.
        size: radius of a curl; ``noise``: float32 [n, 6], standard normal; ``points``: per curl.

    Returns:
        As `hair_growth.follow_guides`; later curls lie higher.
    """
    n = roots.shape[0]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        r = math.sqrt(x * x + y * y + z * z)
        ux, uy, uz = x / r, y / r, z / r
        layer = (i + 0.5) / n
        # Rounder than the head: fuller above, thinner in the nape and at the hairline.
        full = (0.35 + 0.65 * density[i]) * (0.80 + 0.25 * uy) * (1 - 0.3 * smoothstep(0, -0.6, uz))
        h = volume * full * (0.06 + 0.94 * layer**0.7) * (1 + 0.05 * noise[i, 5])
        x, y, z = x + ux * h, y + uy * h, z + uz * h
        ax, ay, az = noise[i, 0], noise[i, 1], noise[i, 2]
        bx, by, bz = noise[i, 3], noise[i, 4], noise[i, 5]
        for k in range(points):
            turn = 1.35 * k
            cos, sin = size * math.cos(turn), size * math.sin(turn)
            px, py, pz = ax * cos + bx * sin, ay * cos + by * sin, az * cos + bz * sin
            result[i, k, 0], result[i, k, 1], result[i, k, 2] = x + px, y + py, z + pz
            out = (px * ux + py * uy + pz * uz) / (size + 1e-6)
            occlusion[i, k] = (0.30 + 0.70 * layer) * min(1.2, max(0.45, 0.85 + 0.25 * out))
    return result, occlusion


@compiled
def grow_rows(roots, density, length, noise, points):
    """Plait the hair in rows from the forehead to the nape (cornrows).

    Args:
        roots: float32 [n, 3]; ``density``: float32 [n]; ``length``: of one visible crossing.
        noise: float32 [n, 3], standard normal; ``points``: per strand.

    Returns:
        As `hair_growth.follow_guides`.
    """
    spacing = 0.19  # radians around the axis that runs from front to back
    n = roots.shape[0]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        ring = math.sqrt(x * x + (y + 0.35) ** 2) + 1e-6
        around = math.atan2(x, y + 0.35)
        row = math.floor(around / spacing) + 0.5
        off = 2 * (around / spacing - row)  # -1 .. 1 across the row
        crossing = 1.0 if i % 2 else -1.0
        for k in range(points):
            t = k / (points - 1) - 0.5
            across = min(0.62, max(-0.62, 0.45 * off + 1.1 * crossing * t))
            angle = (row + 0.5 * across) * spacing
            high = ring + 0.055 * (1 - across * across) * density[i]
            result[i, k, 0] = math.sin(angle) * high
            result[i, k, 1] = math.cos(angle) * high - 0.35
            result[i, k, 2] = z - t * length + 0.006 * noise[i, 0]
            occlusion[i, k] = (0.95 - 0.55 * abs(across)) * (0.8 + 0.2 * crossing * t)
    return result, occlusion


@compiled
def grow_whiskers(roots, normals, place, density, length, noise, points):
    """Grow a beard: down from the chin, aside from the upper lip.

    Args:
        roots, normals: float32 [n, 3]; ``place``: float32 [n, 4], on the mean head.
        density: float32 [n], 0 at the beard's edge .. 1; ``length``: decimetres.
        noise: float32 [n, 6], standard normal; ``points``: per strand.

    Returns:
        As `hair_growth.follow_guides`.
    """
    n = roots.shape[0]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        on_lip = smoothstep(6.58, 6.66, place[i, 1]) * smoothstep(0.40, 0.30, abs(place[i, 0]))
        side = 1.0 if place[i, 0] > 0 else -1.0
        long = length * (0.3 + 0.7 * density[i]) * (1 - 0.45 * on_lip) * (1 + 0.15 * noise[i, 5])
        long *= 1 - 0.5 * smoothstep(6.7, 7.0, place[i, 1])  # short on the cheeks
        step = max(0.01, long) / (points - 1)
        fx = 0.55 * nx + 0.28 * noise[i, 0] + 0.45 * side * on_lip
        fy = 0.55 * ny + 0.28 * noise[i, 1] - 0.75
        fz = 0.55 * nz + 0.28 * noise[i, 2]
        for k in range(points):
            result[i, k, 0], result[i, k, 1], result[i, k, 2] = x, y, z
            t = k / (points - 1)
            occlusion[i, k] = (0.55 + 0.45 * t) * (0.7 + 0.3 * (i + 0.5) / n)
            f = step / (math.sqrt(fx * fx + fy * fy + fz * fz) + 1e-9)
            x, y, z = x + fx * f, y + fy * f, z + fz * f
            fy -= 0.15
            out = fx * nx + fy * ny + fz * nz  # hair lies on the skin, it does not grow into it
            if out < 0.08:
                fx, fy, fz = fx + (0.08 - out) * nx, fy + (0.08 - out) * ny, fz + (0.08 - out) * nz
    return result, occlusion
