"""Triangles to pixels: a z-buffer rasteriser and its helpers, compiled by numba.

The textbook edge-function method (Pineda, "A parallel algorithm for polygon rasterization",
SIGGRAPH 1988). Depth grows towards the camera. All loops are plain, so that the compiled code is
as readable as the mathematics. Introduced in chapter 1.
"""

import math
import os

import numba
import numpy as np

from synthfaces.places import temporary_home

try:
    numba.njit(cache=True)(lambda: None)  # nothing is compiled yet, but its place is looked for
except RuntimeError:  # neither beside this file nor in a home
    os.environ["NUMBA_CACHE_DIR"] = str(temporary_home() / "numba")  # of child processes too
    numba.config.reload_config()  # type: ignore[attr-defined]

# `error_model`: a division by zero gives inf as in C, instead of a test before each division.
compiled = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


@compiled
def rasterise(points, triangles, depth, triangle_of, weights):
    """Draw triangles into a z-buffer.

    Args:
        points: float32 [V, 3], screen x and y in pixels, depth (larger is nearer).
        triangles: int32 [T, 3]; those that turn counter-clockwise on the screen are skipped.
        depth: float32 [H, W], read and written.
        triangle_of: int32 [H, W], written with the index of the visible triangle; empty
            where the depth is all that is wanted (shadow maps).
        weights: float32 [H, W, 2], written with two barycentric coordinates, or empty as well.
    """
    height, width = depth.shape
    named = triangle_of.size > 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = points[a, 0], points[a, 1]
        x1, y1 = points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area <= 1e-9:
            continue
        left = max(0, int(math.ceil(min(x0, x1, x2) - 0.5)))
        right = min(width - 1, int(math.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(math.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(height - 1, int(math.floor(max(y0, y1, y2) - 0.5)))
        if left > right or top > bottom:
            continue
        z0, z1, z2 = points[a, 2], points[b, 2], points[c, 2]
        # The weights of two corners are linear in x and y: one step to the right adds a constant.
        inverse = 1 / area
        right0, right1 = (y1 - y2) * inverse, (y2 - y0) * inverse
        for y in range(top, bottom + 1):
            px, py = left + 0.5, y + 0.5
            w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * inverse
            w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * inverse
            for x in range(left, right + 1):
                w2 = 1 - w0 - w1
                if w0 >= -1e-6 and w1 >= -1e-6 and w2 >= -1e-6:
                    z = w0 * z0 + w1 * z1 + w2 * z2
                    if z > depth[y, x]:
                        depth[y, x] = z
                        if named:
                            triangle_of[y, x] = t
                            weights[y, x, 0] = w0
                            weights[y, x, 1] = w1
                w0 += right0
                w1 += right1


@compiled
def open_mouth(triangle_of, depth, mouth, behind):
    """Fill ``behind``, float32 [H, W]: the depth where the inside of a mouth is seen, else near.

    Args:
        triangle_of: int32 [H, W]; ``depth``: float32 [H, W], both from `rasterise`.
        mouth: bool [T], which triangles are the mouth's inside.
        behind: written.

    Returns:
        Whether there is such a pixel.
    """
    found = False
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            t = triangle_of[row, column]
            behind[row, column] = 1e9
            if t >= 0 and mouth[t]:
                behind[row, column] = depth[row, column]
                found = True
    return found


@compiled
def vertex_normals(vertices, triangles):
    """Return unit normals, float32 [V, 3]: the area-weighted mean over each vertex's triangles."""
    normals = np.zeros(vertices.shape, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
        vx, vy, vz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            i = triangles[t, k]
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        scale = 1 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)
        normals[i, 0] = nx * scale
        normals[i, 1] = ny * scale
        normals[i, 2] = nz * scale
    return normals


@compiled
def weighted_rows(starts, columns, values, rows):
    """Multiply a sparse matrix in compressed rows with ``rows``: float32 [n, k] -> [m, k].

    scipy's own product holds Python's lock, so several threads could not draw at once.
    """
    result = np.zeros((starts.shape[0] - 1, rows.shape[1]), np.float32)
    if rows.shape[1] == 3:  # positions: three sums stay in registers
        for i in range(result.shape[0]):
            x = y = z = np.float32(0)
            for j in range(starts[i], starts[i + 1]):
                value, column = values[j], columns[j]
                x += value * rows[column, 0]
                y += value * rows[column, 1]
                z += value * rows[column, 2]
            result[i, 0], result[i, 1], result[i, 2] = x, y, z
        return result
    for i in range(result.shape[0]):
        for j in range(starts[i], starts[i + 1]):
            value, column = values[j], columns[j]
            for k in range(rows.shape[1]):
                result[i, k] += value * rows[column, k]
    return result


@compiled
def box_downsample(image, factor):
    """Average ``factor`` x ``factor`` pixels: float32 [H, W, c] -> [H / factor, W / factor, c]."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    channels = image.shape[2]
    result = np.empty((height, width, channels), np.float32)
    scale = np.float32(1 / (factor * factor))
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                total = np.float32(0)
                for row in range(y * factor, (y + 1) * factor):
                    for column in range(x * factor, (x + 1) * factor):
                        total += image[row, column, c]
                result[y, x, c] = total * scale
    return result


@compiled
def smoothstep(low, high, x):
    """Return 0 below ``low``, 1 above ``high``, a smooth S between (``low`` > ``high`` mirrors)."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)
