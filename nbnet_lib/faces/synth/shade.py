"""The colour of each pixel: texture times light, eyes, mouth, shine. Linear light throughout.

One compiled loop over the pixels that the rasteriser has found covered. Introduced in chapter 1.
"""

import math

from nbnet_lib.faces.synth.raster import compiled, smoothstep


@compiled
def _texture_at(texture, u, v, channel):
    """Bilinear look-up; u wraps around the head, v is clamped."""
    height, width = texture.shape[:2]
    x, y = u * width - 0.5, v * height - 0.5
    c0, r0 = int(math.floor(x)), int(math.floor(y))
    fx, fy = x - c0, y - r0
    left, right = c0 % width, (c0 + 1) % width
    low, high = min(max(r0, 0), height - 1), min(max(r0 + 1, 0), height - 1)
    a = texture[low, left, channel] * (1 - fx) + texture[low, right, channel] * fx
    b = texture[high, left, channel] * (1 - fx) + texture[high, right, channel] * fx
    return a * (1 - fy) + b * fy


@compiled
def shade_pixels(image, triangle_of, weights, triangles, part, normals, received, canonical,
                 inside, texture, axis_z, y_low, y_high, eye_centre, eye_rgb, iris, gaze, shirt,
                 neckline, gloss, light, half, fill, key_rgb, key_strength):  # fmt: skip
    """Write linear RGB into the covered pixels of ``image``, float32 [H, W, 3].

    Args:
        image: background on entry.
        triangle_of, weights: from `rasterise`.
        triangles: int32 [T, 3]; ``part``: int8 [T], 0 skin, 1 eye, 2 teeth, 3 tongue.
        normals: float32 [R, 3], world space.
        received: float32 [R, 4], ambient RGB and key light after self-shadowing.
        canonical: float32 [R, 3], position on the mean head (texture and eye coordinates).
        inside: float32 [R], 1 inside the mouth.
        texture: float32 [h, w, 4] from `skin_texture`; rows from ``y_low`` to ``y_high``.
        axis_z: z of the texture cylinder's axis.
        eye_centre: float32 [3], left eye of the mean head.
        eye_rgb: [3]; ``iris``: radius in radians; ``gaze``: float32 [3], unit, head space.
        shirt: [3]; ``neckline``: height where clothes begin.
        gloss: skin shine; ``light``, ``half``: unit vectors; ``fill``: [3]; ``key_rgb``: [3].
        key_strength: brightness of the key light.
    """
    height, width = triangle_of.shape
    for row in range(height):
        for column in range(width):
            t = triangle_of[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb = weights[row, column, 0], weights[row, column, 1]
            wc = 1 - wa - wb
            nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            x = wa * canonical[a, 0] + wb * canonical[b, 0] + wc * canonical[c, 0]
            y = wa * canonical[a, 1] + wb * canonical[b, 1] + wc * canonical[c, 1]
            z = wa * canonical[a, 2] + wb * canonical[b, 2] + wc * canonical[c, 2]
            amb_r = max(0.0, wa * received[a, 0] + wb * received[b, 0] + wc * received[c, 0])
            amb_g = max(0.0, wa * received[a, 1] + wb * received[b, 1] + wc * received[c, 1])
            amb_b = max(0.0, wa * received[a, 2] + wb * received[b, 2] + wc * received[c, 2])
            key = max(0.0, wa * received[a, 3] + wb * received[b, 3] + wc * received[c, 3])
            kind = part[t]
            shine = 0.0
            glint = 0.0
            if kind == 1:
                side = 1.0 if x > 0 else -1.0
                dx, dy, dz = x - side * eye_centre[0], y - eye_centre[1], z - eye_centre[2]
                length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
                dx, dy, dz = dx / length, dy / length, dz / length
                cosine = min(1.0, max(-1.0, dx * gaze[0] + dy * gaze[1] + dz * gaze[2]))
                off = math.acos(cosine)  # angle from the pupil's middle
                around = math.atan2(dy - gaze[1], dx - gaze[0])
                fibre = 0.8 + 0.3 * math.sin(23 * around + 3 * math.sin(7 * around))
                fibre *= 1 - 0.75 * smoothstep(0.75 * iris, iris, off)
                fibre *= 1.25 - 0.5 * smoothstep(0.4 * iris, iris, off)
                pupil = smoothstep(0.4 * iris - 0.03, 0.4 * iris + 0.03, off)
                share = smoothstep(iris + 0.03, iris - 0.02, off)
                white = (1 - 0.25 * smoothstep(0.55, 1.0, off)) * (1 - share)
                red = 0.66 * white + (eye_rgb[0] * fibre * pupil + 0.004) * share
                green = 0.60 * white + (eye_rgb[1] * fibre * pupil + 0.004) * share
                blue = 0.57 * white + (eye_rgb[2] * fibre * pupil + 0.004) * share
                # The lids' shadow is finer than the light transfer resolves.
                shadow = 0.55 + 0.45 * smoothstep(7.36, 7.27, y)
                amb_r, amb_g, amb_b = (
                    0.75 * fill[0] * shadow, 0.75 * fill[1] * shadow, 0.75 * fill[2] * shadow
                )  # fmt: skip
                key = nx * light[0] + ny * light[1] + nz * light[2]
                key = min(1.0, max(0.1, key)) * shadow * 0.8
                across = max(0.0, nx * half[0] + ny * half[1] + nz * half[2])
                glint = across**320 * 1.6 * key_strength
            elif kind == 2:
                red, green, blue, shine = 0.66, 0.61, 0.53, 0.3
                amb_r, amb_g, amb_b, key = 0.75 * amb_r, 0.75 * amb_g, 0.75 * amb_b, 0.6 * key
            elif kind == 3:
                red, green, blue, shine = 0.38, 0.11, 0.10, 0.3
                amb_r, amb_g, amb_b, key = 0.6 * amb_r, 0.6 * amb_g, 0.6 * amb_b, 0.4 * key
            elif y < neckline + 0.12 * min(1.0, max(-1.0, 0.4 - z)):
                red, green, blue, shine = shirt[0], shirt[1], shirt[2], 0.05
            else:
                u = math.atan2(x, z - axis_z) / (2 * math.pi) + 0.5
                v = (y - y_low) / (y_high - y_low)
                red = _texture_at(texture, u, v, 0)
                green = _texture_at(texture, u, v, 1)
                blue = _texture_at(texture, u, v, 2)
                shine = _texture_at(texture, u, v, 3)
                wet = wa * inside[a] + wb * inside[b] + wc * inside[c]
                wet = min(1.0, max(0.0, wet))
                red += (0.12 - red) * wet
                green += (0.030 - green) * wet
                blue += (0.028 - blue) * wet
                if wet > 0.5:
                    amb_r, amb_g, amb_b, key = 0.6 * amb_r, 0.6 * amb_g, 0.6 * amb_b, 0.4 * key
            # Light that has travelled under the skin comes out red: a softer edge for red.
            bright = 1.9 * key_strength
            red *= 1.15 * amb_r + bright * key**0.85 * key_rgb[0]
            green *= 1.15 * amb_g + bright * key**1.05 * key_rgb[1]
            blue *= 1.15 * amb_b + bright * key**1.12 * key_rgb[2]
            across = min(1.0, max(0.0, nx * half[0] + ny * half[1] + nz * half[2]))
            spot = (0.5 * across**22 + 0.5 * across**70) * math.sqrt(min(1.0, key))
            edge = 0.04 + 0.5 * (1 - min(1.0, max(0.0, nz))) ** 5
            ambient = (amb_r + amb_g + amb_b) / 3
            gleam = spot * shine * gloss * 0.42 * key_strength
            gleam = max(0.0, gleam + edge * ambient * 0.35 * min(1.0, max(0.0, shine))) + glint
            image[row, column, 0] = red + gleam * key_rgb[0]
            image[row, column, 1] = green + gleam * key_rgb[1]
            image[row, column, 2] = blue + gleam * key_rgb[2]


@compiled
def darken(image, triangle_of, color, alpha):
    """Blend ``color`` over the pixels that have a triangle (eyelashes)."""
    for row in range(triangle_of.shape[0]):
        for column in range(triangle_of.shape[1]):
            if triangle_of[row, column] >= 0:
                for c in range(3):
                    image[row, column, c] += (color[c] - image[row, column, c]) * alpha
