"""The colour of each pixel: skin, eyes, mouth or cloth, times light, plus shine.

One compiled loop over the pixels that the rasteriser has found covered. Linear light throughout.
Introduced in chapter 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from synthfaces.raster import compiled, smoothstep


class Surface(NamedTuple):
    """What is drawn: see `raster.rasterise`, and `light.receive` for ``vertex``."""

    triangle_of: np.ndarray  # int32 [H, W]
    weights: np.ndarray  # float32 [H, W, 2]
    triangles: np.ndarray  # int32 [T, 3]
    part: np.ndarray  # int8 [T]: 0 skin, 1 eye, 2 teeth, 3 tongue
    # float32 [F, 16], one row a vertex so that a pixel reads three places of memory: world normal,
    # ambient RGB, key; under headwear, under shirt or scarf; x, y, z on the mean head, texture u,
    # v, inside the mouth.
    vertex: np.ndarray
    skin: np.ndarray  # uint16 [h, w, 8], from `pack_skin`
    overlays: np.ndarray  # uint8 [h, w, 4], 255 where lipstick, eye shadow and blusher go
    smooth: bool  # read the skin bilinearly; small pictures take the nearest texel


class Light(NamedTuple):
    """The light of a picture, world space, linear."""

    up: np.ndarray  # float32 [3], the head's upward direction
    key: np.ndarray  # float32 [3], unit vector to the key light
    half: np.ndarray  # float32 [3], half-way between the key light and the camera
    rim: np.ndarray  # float32 [3], unit vector to a light behind the head
    key_rgb: np.ndarray  # float32 [3]
    fill: np.ndarray  # float32 [3], ambient
    key_strength: float
    rim_strength: float


class Look(NamedTuple):
    """The colours and settings that shading needs of the person and the picture."""

    eye_centre: np.ndarray  # float32 [3], left eye of the mean head
    eye_rgb: np.ndarray  # float32 [3]
    iris: float  # radius in radians
    gaze: np.ndarray  # float32 [3], unit, head space
    makeup: np.ndarray  # float32 [3, 4]: RGB and alpha of lips, lids, cheeks
    stubble_rgb: np.ndarray  # float32 [3]
    stubble: float  # 0 .. 1
    flush: float  # -1 pale .. 1 red
    gloss: float  # shine of the skin
    shirt: np.ndarray  # float32 [2, 3]: two colours of its stripes
    stripes: float  # stripes per decimetre, 0 plain
    headwear: np.ndarray  # float32 [3]
    ribs: float  # knitted ribs around the head, 0 smooth cloth


@compiled
def _eye(x, y, z, eye_centre, eye_rgb, iris, gaze):
    """Return the colour of an eyeball at a point of the mean head: sclera, iris, pupil."""
    side = 1.0 if x > 0 else -1.0
    dx = x - side * eye_centre[0]
    dy, dz = y - eye_centre[1], z - eye_centre[2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
    dx, dy, dz = dx / length, dy / length, dz / length
    cosine = dx * gaze[0] + dy * gaze[1] + dz * gaze[2]
    off = math.acos(min(1.0, max(-1.0, cosine)))  # angle from the pupil's middle
    share = smoothstep(iris + 0.03, iris - 0.03, off)
    fibre = 0.0
    if share > 0:
        around = math.atan2(dy - gaze[1], dx - gaze[0])
        fibre = 0.8 + 0.25 * math.sin(23 * around + 3 * math.sin(7 * around))
        fibre *= 1 - 0.75 * smoothstep(0.75 * iris, iris, off)
        fibre *= 1.3 - 0.5 * smoothstep(0.4 * iris, iris, off)
        fibre *= smoothstep(0.38 * iris - 0.03, 0.38 * iris + 0.03, off) * share
    # The white is not white: redder and darker towards the corners.
    corner = smoothstep(0.5, 1.1, off)
    white = (1 - 0.35 * corner) * (1 - share)
    red = 0.62 * white + eye_rgb[0] * fibre + 0.004 * share
    green = (0.575 - 0.05 * corner) * white + eye_rgb[1] * fibre + 0.004 * share
    blue = (0.55 - 0.05 * corner) * white + eye_rgb[2] * fibre + 0.004 * share
    return red, green, blue


@compiled
def pack_skin(base):
    """Return the seven skin channels as 16-bit numbers, uint16 [h, w, 8]: half the memory.

    Shading waits for memory more than for arithmetic. Slopes are kept in [-1, 1], gloss in [0, 2].
    """
    rows, columns = base.shape[:2]
    result = np.zeros((rows, columns, 8), np.uint16)
    zero, half, one, top = np.float32(0), np.float32(0.5), np.float32(1), np.float32(65535)
    factors = np.array([1, 1, 1, 0.5, 0.5, 0.5, 1], np.float32)
    offsets = np.array([0, 0, 0, 0, 0.5, 0.5, 0], np.float32)
    for row in range(rows):
        for column in range(columns):
            for k in range(7):
                value = offsets[k] + factors[k] * base[row, column, k]
                result[row, column, k] = np.uint16(min(one, max(zero, value)) * top + half)
    return result


@compiled
def _between(texture, row, column, k, fx, fy):
    """Read channel ``k`` of a texture bilinearly, (fx, fy) of a texel beyond (column, row)."""
    one = np.float32(1)
    return (
        (one - fx) * (one - fy) * texture[row, column, k]
        + fx * (one - fy) * texture[row, column + 1, k]
        + (one - fx) * fy * texture[row + 1, column, k]
        + fx * fy * texture[row + 1, column + 1, k]
    )


@compiled
def _read_skin(skin, overlays, smooth, u, v, texel):
    """Fill ``texel``, float32 [10], with the skin's channels and the overlays at (u, v)."""
    rows, columns = skin.shape[:2]
    x, y = u * columns, v * rows
    if smooth:
        x, y = x - 0.5, y - 0.5
    c0 = min(max(int(x), 0), columns - 2)
    r0 = min(max(int(y), 0), rows - 2)
    if smooth:
        fx, fy = np.float32(x - c0), np.float32(y - r0)
        for k in range(7):
            texel[k] = _between(skin, r0, c0, k, fx, fy)
        for k in range(3):
            texel[7 + k] = _between(overlays, r0, c0, k, fx, fy)
    else:
        for k in range(7):
            texel[k] = skin[r0, c0, k]
        for k in range(3):
            texel[7 + k] = overlays[r0, c0, k]
    scale = np.float32(1 / 65535)
    for k in range(7):
        texel[k] *= scale
    for k in range(7, 10):
        texel[k] *= np.float32(1 / 255)
    texel[3] *= np.float32(2)
    texel[4] = np.float32(2) * texel[4] - np.float32(1)
    texel[5] = np.float32(2) * texel[5] - np.float32(1)


@compiled
def shade_pixels(image, s, light, look):
    """Write linear RGB into the covered pixels of ``image``, float32 [H, W, 3].

    Args:
        image: the background on entry.
        s: `Surface`; ``light``: `Light`; ``look``: `Look`.
    """
    # Arrays are taken out of the tuples once: inside the loop that would cost more than using them.
    triangle_of, weights, triangles, part = s.triangle_of, s.weights, s.triangles, s.part
    vertex, skin, overlays, smooth = s.vertex, s.skin, s.overlays, s.smooth
    up, key_light, half, rim = light.up, light.key, light.half, light.rim
    key_rgb, fill, key_strength = light.key_rgb, light.fill, light.key_strength
    rim_strength, makeup = light.rim_strength, look.makeup
    shirt, headwear = look.shirt, look.headwear
    stubble_rgb, stubble, flush, gloss = look.stubble_rgb, look.stubble, look.flush, look.gloss
    eye_centre, eye_rgb, iris, gaze = look.eye_centre, look.eye_rgb, look.iris, look.gaze
    height, width = triangle_of.shape
    texel = np.empty(10, np.float32)
    for row in range(height):
        for column in range(width):
            t = triangle_of[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb = weights[row, column, 0], weights[row, column, 1]
            wc = np.float32(1) - wa - wb
            nx = wa * vertex[a, 0] + wb * vertex[b, 0] + wc * vertex[c, 0]
            ny = wa * vertex[a, 1] + wb * vertex[b, 1] + wc * vertex[c, 1]
            nz = wa * vertex[a, 2] + wb * vertex[b, 2] + wc * vertex[c, 2]
            scale = 1 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            amb_r = wa * vertex[a, 3] + wb * vertex[b, 3] + wc * vertex[c, 3]
            amb_g = wa * vertex[a, 4] + wb * vertex[b, 4] + wc * vertex[c, 4]
            amb_b = wa * vertex[a, 5] + wb * vertex[b, 5] + wc * vertex[c, 5]
            key = wa * vertex[a, 6] + wb * vertex[b, 6] + wc * vertex[c, 6]
            y = wa * vertex[a, 10] + wb * vertex[b, 10] + wc * vertex[c, 10]
            z = wa * vertex[a, 11] + wb * vertex[b, 11] + wc * vertex[c, 11]
            kind = part[t]
            shine = 0.0
            glint = 0.0
            if kind == 1:
                x = wa * vertex[a, 9] + wb * vertex[b, 9] + wc * vertex[c, 9]
                red, green, blue = _eye(x, y, z, eye_centre, eye_rgb, iris, gaze)
                # The lids' shadow is finer than the light transfer resolves.
                shadow = 0.5 + 0.5 * smoothstep(7.365, 7.27, y)
                amb_r = 0.8 * fill[0] * shadow
                amb_g = 0.8 * fill[1] * shadow
                amb_b = 0.8 * fill[2] * shadow
                key = nx * key_light[0] + ny * key_light[1] + nz * key_light[2]
                key = min(1.0, max(0.1, key)) * shadow * 0.8
                across = max(0.0, nx * half[0] + ny * half[1] + nz * half[2])
                glint = across**256 * 1.6 * key_strength
            elif kind == 2 or kind == 3:
                if kind == 2:
                    red, green, blue, shine = 0.74, 0.69, 0.60, 0.5
                else:
                    red, green, blue, shine = 0.42, 0.13, 0.12, 0.5
                # The transfer was made with a closed mouth: light falls in from the front.
                x = wa * vertex[a, 9] + wb * vertex[b, 9] + wc * vertex[c, 9]
                depth = 0.25 + 0.75 * smoothstep(1.12, 1.46, z)
                depth *= 1 - 0.8 * smoothstep(0.14, 0.27, abs(x))  # the corners are in shadow
                key = max(0.0, 0.6 * (nx * key_light[0] + nz * key_light[2]) + 0.1) * depth
                amb_r = 0.8 * fill[0] * depth
                amb_g = 0.8 * fill[1] * depth
                amb_b = 0.8 * fill[2] * depth
            else:
                head = wa * vertex[a, 7] + wb * vertex[b, 7] + wc * vertex[c, 7]
                body = wa * vertex[a, 8] + wb * vertex[b, 8] + wc * vertex[c, 8]
                ua, ub, uc = vertex[a, 12], vertex[b, 12], vertex[c, 12]
                if max(ua, ub, uc) - min(ua, ub, uc) > 0.5:  # across the seam at the back
                    ua += 1.0 if ua < 0.5 else 0.0
                    ub += 1.0 if ub < 0.5 else 0.0
                    uc += 1.0 if uc < 0.5 else 0.0
                u = wa * ua + wb * ub + wc * uc
                if head > 0:
                    red, green, blue = headwear[0], headwear[1], headwear[2]
                    if look.ribs > 0:
                        rib = 0.84 + 0.16 * math.sin(6.2832 * look.ribs * u)
                        red, green, blue = red * rib, green * rib, blue * rib
                    edge = 0.75 + 0.25 * smoothstep(0.0, 0.05, head)
                    red, green, blue = red * edge, green * edge, blue * edge
                elif body > 0:
                    band = 0.0
                    if look.stripes > 0:
                        band = smoothstep(-0.15, 0.15, math.sin(6.2832 * look.stripes * y))
                    red = shirt[0, 0] + (shirt[1, 0] - shirt[0, 0]) * band
                    green = shirt[0, 1] + (shirt[1, 1] - shirt[0, 1]) * band
                    blue = shirt[0, 2] + (shirt[1, 2] - shirt[0, 2]) * band
                    edge = 0.7 + 0.3 * smoothstep(0.0, 0.05, body)
                    red, green, blue = red * edge, green * edge, blue * edge
                else:
                    v = wa * vertex[a, 13] + wb * vertex[b, 13] + wc * vertex[c, 13]
                    _read_skin(skin, overlays, smooth, u - 1 if u > 1 else u, v, texel)
                    red, green, blue, shine = texel[0], texel[1], texel[2], texel[3]
                    # A flush takes green and blue away where blood is close: the cheeks.
                    blood = flush * (0.06 + 0.10 * texel[9])
                    green *= 1 - blood
                    blue *= 1 - 0.9 * blood
                    grown = texel[6] * stubble
                    red += (stubble_rgb[0] - red) * grown
                    green += (stubble_rgb[1] - green) * grown
                    blue += (stubble_rgb[2] - blue) * grown
                    for k in range(3):
                        alpha = texel[7 + k] * makeup[k, 3]
                        if alpha > 0:
                            red += (makeup[k, 0] - red) * alpha
                            green += (makeup[k, 1] - green) * alpha
                            blue += (makeup[k, 2] - blue) * alpha
                    shine *= gloss
                    su, sv = texel[4], texel[5]
                    if su * su + sv * sv > 1e-5:
                        # Tilt the normal: t runs around the head, b upwards along the skin.
                        tx = up[1] * nz - up[2] * ny
                        ty = up[2] * nx - up[0] * nz
                        tz = up[0] * ny - up[1] * nx
                        scale = 1 / (math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-6)
                        tx, ty, tz = tx * scale, ty * scale, tz * scale
                        bx, by, bz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
                        mx = nx - su * tx - sv * bx
                        my = ny - su * ty - sv * by
                        mz = nz - su * tz - sv * bz
                        scale = 1 / (math.sqrt(mx * mx + my * my + mz * mz) + 1e-9)
                        mx, my, mz = mx * scale, my * scale, mz * scale
                        tilt = (mx - nx) * key_light[0] + (my - ny) * key_light[1]
                        tilt += (mz - nz) * key_light[2]
                        key = max(0.0, key + tilt * min(1.0, 3 * key))
                        sky = 1 + 0.5 * (my - ny)
                        amb_r, amb_g, amb_b = amb_r * sky, amb_g * sky, amb_b * sky
                        nx, ny, nz = mx, my, mz
                    wet = wa * vertex[a, 14] + wb * vertex[b, 14] + wc * vertex[c, 14]
                    if wet > 0.01:
                        wet = min(1.0, wet)
                        red += (0.20 - red) * wet
                        green += (0.055 - green) * wet
                        blue += (0.05 - blue) * wet
                        depth = 0.1 + 0.35 * smoothstep(1.12, 1.46, z)
                        amb_r += (depth * fill[0] - amb_r) * wet
                        amb_g += (depth * fill[1] - amb_g) * wet
                        amb_b += (depth * fill[2] - amb_b) * wet
                        key *= 1 - 0.6 * wet
            # Light that has travelled under the skin comes out red: a softer edge for red.
            bright = 1.9 * key_strength * key
            rest = 1 - min(1.0, key)
            back = nx * rim[0] + ny * rim[1] + nz * rim[2]
            back = rim_strength * max(0.0, back)
            red *= 1.15 * amb_r + bright * (1 + 0.24 * rest) * key_rgb[0] + back
            green *= 1.15 * amb_g + bright * (1 - 0.05 * rest) * key_rgb[1] + back
            blue *= 1.15 * amb_b + bright * (1 - 0.10 * rest) * key_rgb[2] + back
            if shine > 0:
                # Two lobes: an oily sheen and a sharper spot; more light at grazing angles.
                across = nx * half[0] + ny * half[1] + nz * half[2]
                across = min(1.0, max(0.0, across))
                across = across * across
                across = across * across
                across = across * across
                wide = across * across  # to the 16th
                narrow = wide * wide
                spot = 0.55 * wide + 0.6 * narrow * narrow
                spot *= math.sqrt(min(1.0, key))
                rest = 1 - min(1.0, max(0.0, nz))
                edge = 0.04 + 0.5 * rest * rest * rest * rest * rest
                ambient = (amb_r + amb_g + amb_b) / 3
                glint += spot * shine * 0.42 * key_strength
                glint += edge * ambient * 0.35 * min(1.0, shine)
            image[row, column, 0] = red + glint * key_rgb[0]
            image[row, column, 1] = green + glint * key_rgb[1]
            image[row, column, 2] = blue + glint * key_rgb[2]


@compiled
def darken(image, triangle_of, color, alpha):
    """Blend ``color`` over the pixels that have a triangle (eyelashes)."""
    for row in range(triangle_of.shape[0]):
        for column in range(triangle_of.shape[1]):
            if triangle_of[row, column] >= 0:
                for c in range(3):
                    image[row, column, c] += (color[c] - image[row, column, c]) * alpha
