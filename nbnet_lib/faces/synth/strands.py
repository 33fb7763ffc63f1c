"""The loops over strands: growing them over the skull, and drawing them into the picture.

Shading is Kajiya and Kay, "Rendering fur with three dimensional textures", SIGGRAPH 1989.
Introduced in chapter 1.
"""

import math

import numpy as np

from nbnet_lib.faces.synth.model import AXIS_Z
from nbnet_lib.faces.synth.raster import compiled, smoothstep
from nbnet_lib.faces.synth.skin_map import hairline_height

CENTRE = np.array([0, 7.45, 0.35], np.float32)  # the middle of the skull
FACE_BOTTOM = 5.9


@compiled
def _radius_at(table, x, y, z):
    length = math.sqrt(x * x + y * y + z * z) + 1e-9
    rows, columns = table.shape
    column = (math.atan2(x, z) / (2 * math.pi) + 0.5) * columns - 0.5
    row = (y / length + 1) / 2 * rows - 0.5
    c0 = int(math.floor(column))
    r0 = min(max(int(math.floor(row)), 0), rows - 2)
    fc, fr = column - c0, min(max(row - r0, 0.0), 1.0)
    a, b = c0 % columns, (c0 + 1) % columns
    low = table[r0, a] * (1 - fc) + table[r0, b] * fc
    high = table[r0 + 1, a] * (1 - fc) + table[r0 + 1, b] * fc
    return low * (1 - fr) + high * fr


@compiled
def _flow(kind, ux, uy, uz, top, aside, fringe):
    """Return where hair is combed at the direction (ux, uy, uz) from the skull's middle."""
    if kind == 0:
        forward = 0.55 * (1 if fringe > -0.2 else -1) * top if top > 0.3 else -0.35
        across = 0.35 * (1 if ux > 0 else -1) * (1 - top) + 0.35 * fringe * top
        return across, 0.15 * top - 0.9 * (1 - top), forward
    if kind == 1:
        return -0.15 * ux, 0.35 - 0.8 * (1 if uz < 0 else 0), -1.2
    if kind == 2:
        return (aside * top + 0.25 * ux, -0.95 * (1 - top) - 0.12, 0.12 * top - 0.35 * (1 - top))
    return aside * top + 0.15 * ux, -1.1 * (1 - top) - 0.2, -0.30 * (1 - top) - 0.08 * top


@compiled
def grow(roots, normals, root_y, points, length, lift, volume, noise, clump, tip, table,
          kind, curl, parting, fringe, bangs, bangs_y, hairline, temples, male):  # fmt: skip
    """Return the polylines, float32 [n, points, 3], in coordinates centred on `CENTRE`."""
    n = roots.shape[0]
    result = np.zeros((n, points, 3), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        result[i, 0, 0], result[i, 0, 1], result[i, 0, 2] = x, y, z
        step = length[i] / (points - 1)
        radius = math.sqrt(x * x + y * y + z * z)
        aside = 1.0 if x / radius - 0.5 * parting + 0.03 * noise[i, 0] > 0 else -1.0
        is_bang = bangs and z / radius > 0.35 and abs(x / radius) < 0.62 and root_y[i] > 7.9
        frequency = (7 + noise[i, 1]) * (1 + 2 * curl)
        if kind == 5:  # an afro's strand runs straight to a point on a larger sphere
            dx, dy, dz = x, y + 0.09, z - 0.055
            d = math.sqrt(dx * dx + dy * dy + dz * dz)
            reach = (1.02 + 1.1 * volume) * tip[i]
            ex, ey, ez = dx / d * reach, dy / d * reach + 0.12, dz / d * reach - 0.05
            for k in range(1, points):
                t = k / (points - 1)
                wave = 0.06 * math.sin(5.0 * k + 3 * noise[i, 0])
                other = 0.06 * math.sin(4.0 * k + 3 * noise[i, 1])
                result[i, k, 0] = x + (ex - x) * t + wave
                result[i, k, 1] = y + (ey - y) * t + other
                result[i, k, 2] = z + (ez - z) * t - wave
            continue
        for k in range(1, points):
            r = math.sqrt(x * x + y * y + z * z) + 1e-9
            ux, uy, uz = x / r, y / r, z / r
            if kind == 4:
                fx, fy, fz = normals[i, 0], normals[i, 1] - 0.12, normals[i, 2] - 0.3
                f = math.sqrt(fx * fx + fy * fy + fz * fz)
                x, y, z = x + fx / f * step, y + fy / f * step, z + fz / f * step
            elif y < 7.15 - 7.45 and not is_bang:  # below the ears: gravity
                fx = 0.10 * ux + 0.05 * clump[i]
                fz = 0.06 if z + 0.35 > 0.5 else -0.06
                f = math.sqrt(fx * fx + 1 + fz * fz)
                x, y, z = x + fx / f * step, y - step / f, z + fz / f * step
            else:
                if is_bang:
                    if y < bangs_y - 7.45 + 0.03 * noise[i, 2]:
                        result[i, k, 0], result[i, k, 1], result[i, k, 2] = x, y, z
                        continue
                    fx, fy, fz = 0.25 * ux, -0.6 + 0.25 * uy, 0.8 + 0.25 * uz
                else:
                    top = smoothstep(0.1, 0.75, uy)
                    fx, fy, fz = _flow(kind, ux, uy, uz, top, aside, fringe)
                rough = 0.12 * (0.4 + curl)
                fx += rough * noise[i, k % 3] + 0.12 * clump[i]
                fy += rough * noise[i, (k + 1) % 3] + 0.12 * clump[i]
                fz += rough * noise[i, (k + 2) % 3] + 0.12 * clump[i]
                along = fx * ux + fy * uy + fz * uz
                fx, fy, fz = fx - along * ux, fy - along * uy, fz - along * uz
                f = math.sqrt(fx * fx + fy * fy + fz * fz) + 1e-9
                nx, ny, nz = x + fx / f * step, y + fy / f * step, z + fz / f * step
                m = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                rise = 3.5 * k / (points - 1) * max(1.0, length[i] / 0.6)
                reach = _radius_at(table, nx, ny, nz) + lift[i] * (1 - math.exp(-rise))
                nx, ny, nz = nx / m * reach, ny / m * reach, nz / m * reach
                angle = math.atan2(nx, nz + 0.35 - AXIS_Z)
                head_y = ny + 7.45
                line = hairline_height(angle, hairline, temples, male)
                on_face = abs(angle) < 1.15 and FACE_BOTTOM < head_y < line - 0.06
                if not on_face or is_bang:
                    x, y, z = nx, ny, nz
            swing = 0.05 * curl * min(1.0, k / 3)
            phase = 0.35 * frequency * k
            result[i, k, 0] = x + swing * math.sin(phase + 3 * noise[i, 0])
            result[i, k, 1] = y + 0.4 * swing * math.sin(phase + 3 * noise[i, 1])
            result[i, k, 2] = z + swing * math.cos(phase + 3 * noise[i, 2])
    return result


@compiled
def draw_strands(points, color, occlusion, stride, camera, to_screen, shift, distance, centre,
                 light, half, ambient, key, depth, image, alpha, bias, width):  # fmt: skip
    """Draw every ``stride``-th strand over ``image`` (linear RGB) where it is not hidden.

    Args:
        points, color, occlusion: see `Strands`.
        stride: draw one strand of so many (small images need fewer).
        camera: float32 [3, 3] rotation, head to world.
        to_screen: float32 [2, 2] and ``shift`` float32 [2]: world to pixels.
        distance: camera distance; ``centre``: float32 [3], what the camera looks at.
        light, half: float32 [3], unit vectors to the key light, and half-way to the camera.
        ambient, key: brightness of the two lights.
        depth: float32 [H, W] z-buffer, updated.
        image: float32 [H, W, 3], updated.
        alpha: opacity of a strand; ``bias``: depth tolerance; ``width``: pixels.
    """
    height, columns = depth.shape
    for i in range(0, points.shape[0], stride):
        tone = max((color[i, 0] + color[i, 1] + color[i, 2]) / 3, 0.03)
        last_x = last_y = last_z = last_s = 0.0
        for k in range(points.shape[1]):
            a = points[i, k, 0] - centre[0]
            b = points[i, k, 1] - centre[1]
            c = points[i, k, 2] - centre[2]
            x = camera[0, 0] * a + camera[0, 1] * b + camera[0, 2] * c
            y = camera[1, 0] * a + camera[1, 1] * b + camera[1, 2] * c
            z = camera[2, 0] * a + camera[2, 1] * b + camera[2, 2] * c
            f = distance / (distance - z)
            sx = to_screen[0, 0] * x * f - to_screen[0, 1] * y * f + shift[0]
            sy = to_screen[1, 0] * x * f - to_screen[1, 1] * y * f + shift[1]
            # Kajiya-Kay: a hair is bright where its tangent is across the light.
            k1 = min(k + 1, points.shape[1] - 1)
            tx = points[i, k1, 0] - points[i, k1 - 1, 0]
            ty = points[i, k1, 1] - points[i, k1 - 1, 1]
            tz = points[i, k1, 2] - points[i, k1 - 1, 2]
            length = math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
            wx = (camera[0, 0] * tx + camera[0, 1] * ty + camera[0, 2] * tz) / length
            wy = (camera[1, 0] * tx + camera[1, 1] * ty + camera[1, 2] * tz) / length
            wz = (camera[2, 0] * tx + camera[2, 1] * ty + camera[2, 2] * tz) / length
            along = wx * light[0] + wy * light[1] + wz * light[2]
            diffuse = math.sqrt(max(0.0, 1 - along * along))
            along = wx * half[0] + wy * half[1] + wz * half[2]
            shine = max(0.0, 1 - along * along) ** 12
            out = math.sqrt(x * x + (y - 0.25) ** 2 + z * z) + 1e-9  # which side of the head
            facing = (x * light[0] + (y - 0.25) * light[1] + z * light[2]) / out
            facing = min(1.0, max(0.0, 0.7 * facing + 0.3))
            shade = ambient * (0.55 + 0.4 * (y - 0.25) / out) + key * 0.6 * diffuse * facing
            shade = (shade + key * 0.06 * shine * facing / tone) * occlusion[i, k]
            if k > 0:
                span = max(abs(sx - last_x), abs(sy - last_y))
                steps = int(span) + 1
                if steps < 200:
                    for j in range(steps):
                        u = j / steps
                        row = int(last_y + (sy - last_y) * u)
                        left = int(last_x + (sx - last_x) * u)
                        pz = last_z + (z - last_z) * u
                        s = last_s + (shade - last_s) * u
                        if row < 0 or row >= height:
                            continue
                        for column in range(left, left + width):
                            if column < 0 or column >= columns:
                                continue
                            if pz + bias > depth[row, column]:
                                depth[row, column] = max(depth[row, column], pz)
                                for q in range(3):
                                    old = image[row, column, q]
                                    image[row, column, q] = old + (color[i, q] * s - old) * alpha
            last_x, last_y, last_z, last_s = sx, sy, z, shade
