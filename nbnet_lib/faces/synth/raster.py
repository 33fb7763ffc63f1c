"""Triangles to pixels: a z-buffer rasteriser and its helpers, compiled by numba.

The textbook edge-function method (Pineda, "A parallel algorithm for polygon rasterization",
SIGGRAPH 1988). Depth grows towards the camera. All loops are plain, so that the compiled code is
as readable as the mathematics. Introduced in chapter 1.
"""

import math

import numba
import numpy as np

compiled = numba.njit(cache=True, fastmath=True, nogil=True)


@compiled
def rasterise(points, triangles, depth, triangle_of, weights):
    """Draw triangles into a z-buffer.

    Args:
        points: float32 [V, 3], screen x and y in pixels, depth (larger is nearer).
        triangles: int32 [T, 3]; those that turn counter-clockwise on the screen are skipped.
        depth: float32 [H, W], read and written.
        triangle_of: int32 [H, W], written with the index of the visible triangle.
        weights: float32 [H, W, 2], written with two barycentric coordinates.
    """
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
        x1, y1, z1 = points[b, 0], points[b, 1], points[b, 2]
        x2, y2, z2 = points[c, 0], points[c, 1], points[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area <= 1e-9:
            continue
        left = max(0, int(math.ceil(min(x0, x1, x2) - 0.5)))
        right = min(width - 1, int(math.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(math.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(height - 1, int(math.floor(max(y0, y1, y2) - 0.5)))
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                px = x + 0.5
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                w2 = 1 - w0 - w1
                if w0 < -1e-6 or w1 < -1e-6 or w2 < -1e-6:
                    continue
                z = w0 * z0 + w1 * z1 + w2 * z2
                if z > depth[y, x]:
                    depth[y, x] = z
                    triangle_of[y, x] = t
                    weights[y, x, 0] = w0
                    weights[y, x, 1] = w1


@compiled
def vertex_normals(vertices, triangles):
    """Return unit normals, float32 [V, 3]: the area-weighted mean over each vertex's triangles."""
    normals = np.zeros(vertices.shape, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            i = triangles[t, k]
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        length = math.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-12
        for k in range(3):
            normals[i, k] /= length
    return normals


@compiled
def box_downsample(image, factor):
    """Average ``factor`` x ``factor`` pixels: float32 [H, W, 3] -> [H / factor, W / factor, 3]."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    result = np.zeros((height, width, 3), np.float32)
    for y in range(height * factor):
        for x in range(width * factor):
            for c in range(3):
                result[y // factor, x // factor, c] += image[y, x, c]
    return result / np.float32(factor * factor)


@compiled
def smoothstep(low, high, x):
    """Return 0 below ``low``, 1 above ``high``, a smooth S between (``low`` > ``high`` mirrors)."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)
