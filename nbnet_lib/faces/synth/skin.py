"""Skin: one small picture per identity, wrapped around the head like a label around a jar.

Everything is painted by formulas in the coordinates of the *mean* head (`skin_map.py`), so a
cheek's blush lands on every identity's cheek. Colours are linear light. Introduced in chapter 1.
"""

from __future__ import annotations

import math

import numpy as np

from nbnet_lib.faces.synth.identity import Identity
from nbnet_lib.faces.synth.model import AXIS_Z
from nbnet_lib.faces.synth.raster import compiled, smoothstep
from nbnet_lib.faces.synth.skin_map import (
    BEARD_KINDS,
    HEIGHT,
    TEXELS_PER_DM,
    WIDTH,
    Y_LOW,
    beard_density,
    bump,
    hairline_height,
    texels,
    wrinkle,
)

# Skin colours from light to dark, linear RGB.
_TONES = np.array(
    [
        [0.87, 0.62, 0.50],
        [0.74, 0.46, 0.32],
        [0.52, 0.27, 0.16],
        [0.25, 0.105, 0.055],
        [0.085, 0.037, 0.022],
    ]
)


def skin_tone(person: Identity) -> np.ndarray:
    """Return the base skin colour, float64 [3], linear RGB."""
    position = min(person.melanin * 4, 3.999)
    i = int(position)
    tone = _TONES[i] + (position - i) * (_TONES[i + 1] - _TONES[i])
    blood, yellow = person.hemoglobin - 0.45, person.yellowness - 0.4
    return tone * np.array([1 + 0.06 * blood, 1 - 0.16 * blood, 1 - 0.12 * blood - 0.22 * yellow])


@compiled
def _cubic(grid, row, column):
    """Sample a grid of random numbers smoothly (uniform cubic B-spline); columns wrap around."""
    rows, columns = grid.shape
    r0, c0 = int(math.floor(row)), int(math.floor(column))
    fr, fc = row - r0, column - c0
    total = 0.0
    for i in range(4):
        wr = _spline_weight(fr, i)
        rr = min(max(r0 + i - 1, 0), rows - 1)
        for j in range(4):
            total += wr * _spline_weight(fc, j) * grid[rr, (c0 + j - 1) % columns]
    return total


@compiled
def _spline_weight(t, k):
    if k == 0:
        return (1 - t) ** 3 / 6
    if k == 1:
        return (3 * t**3 - 6 * t * t + 4) / 6
    if k == 2:
        return (-3 * t**3 + 3 * t * t + 3 * t + 1) / 6
    return t**3 / 6


@compiled
def _paint(
    p, tone, lip, hair, brow, beard_kind, male, angle, px, py, masks, big, middle, fine, phase
):
    """Fill the texture, float32 [HEIGHT, WIDTH, 4]: linear RGB and gloss.

    ``p`` holds the scalar parameters in the order that `skin_texture` packs them.
    """
    height, width = angle.shape
    mottle, blush, circles, makeup, melanin, freckles, wrinkles = p[0:7]
    lip_strength, stubble, hairline, temples, scalp_cover, scalp_skin = p[7:13]
    texture = np.zeros((height, width, 4), np.float32)
    for row in range(height):
        for column in range(width):
            a, x, y = angle[row, column], px[row, column], py[row, column]
            if abs(a) > 2.0 or y < 5.45:  # the back of the head and the clothes: a plain tone
                scalp = scalp_cover if y > hairline_height(a, hairline, temples, male) else 0.0
                for c in range(3):
                    bare = 0.9 * hair[c] + scalp_skin * tone[c]
                    texture[row, column, c] = min(max(tone[c] + (bare - tone[c]) * scalp, 0.002), 1)
                texture[row, column, 3] = 0.5 - 0.35 * scalp
                continue
            ax = abs(x)
            front = smoothstep(1.9, 1.2, abs(a))
            n1 = 4 * _cubic(big, row / 16, column / 16)
            n2 = 4 * _cubic(middle, row / 5, column / 5)
            n3 = fine[row, column]
            right = (column + 1) % width
            n4 = 0.6 * (n3 + fine[row, right] + fine[(row + 1) % height, column])

            # Logarithms of the three colour channels, relative to the skin tone.
            grain = mottle * (0.026 * n1 + 0.022 * n2 + 0.016 * n4 + 0.010 * n3)
            lips, ears, lids = masks[row, column, 0], masks[row, column, 1], masks[row, column, 2]
            rosy = (1 - 0.65 * melanin) * blush * front * 1.5
            redness = mottle * 0.15 * (n1 + n2) + rosy * (
                1.1 * bump(x, y, 0.42, 6.93, 0.17, 0.15)
                + 1.0 * bump(x, y, 0.0, 6.95, 0.10, 0.12)
                + 0.4 * bump(x, y, 0.0, 6.3, 0.18, 0.1)
                + 0.9 * ears
            )
            dark = circles * (
                0.22 * bump(x, y, 0.27, 7.13, 0.13, 0.06)
                + 0.14 * bump(x, y, 0.16, 7.28, 0.06, 0.10)
            )
            lid = (0.10 + 0.25 * makeup) * min(1.0, 1.3 * lids) * smoothstep(7.2, 7.33, y)
            depth = 0.0
            if wrinkles > 0.03 and front > 0:
                depth = 0.42 * wrinkles * wrinkle(x, y, phase) * front
            spots = 0.0
            if freckles > 0.02:
                zone = bump(x, y, 0.25, 7.02, 0.30, 0.18) + 0.4 * bump(x, y, 0.0, 7.5, 0.5, 0.4)
                spots = smoothstep(1.1, 1.9, n4) * zone * min(1.0, 1.3 * freckles)
            deep = 0.0
            if melanin > 0.35:  # dark skin is darker around eyes and mouth
                deep = (
                    0.18
                    * (melanin - 0.3)
                    * (
                        bump(x, y, 0.3, 7.25, 0.2, 0.15)
                        + bump(x, y, 0.0, 6.65, 0.3, 0.13)
                        + bump(x, y, 0.0, 8.0, 0.6, 0.12)
                    )
                )
            forehead = 0.05 * bump(x, y, 0.0, 7.75, 0.3, 0.2)
            red = grain + 0.04 * redness - 0.8 * dark - 0.8 * lid - 0.8 * depth
            green = grain - 0.10 * redness - 1.1 * dark - lid - depth
            blue = grain - 0.08 * redness - 0.95 * dark - 0.9 * lid - depth
            common = forehead - deep
            r = tone[0] * math.exp(red + common - 0.28 * spots)
            g = tone[1] * math.exp(green + common - 0.50 * spots)
            b = tone[2] * math.exp(blue + common - 0.60 * spots)

            cover = min(1.0, 1.25 * lips) * front * smoothstep(0.42, 0.30, ax)
            alpha = cover * min(1.0, lip_strength)
            line = 1 - 0.05 * math.sin(170 * a + 2 * n2) * cover
            r += (lip[0] * line - r) * alpha
            g += (lip[1] * line - g) * alpha
            b += (lip[2] * line - b) * alpha

            speckle = min(max(n3, -2.0), 2.0)
            if male and y < 7.2 and front > 0:
                shade = 0.56 * stubble * beard_density(0, x, y, a) * (0.75 + 0.25 * speckle)
                r += (0.8 * brow[0] + 0.19 * tone[0] - r) * shade
                g += (0.8 * brow[1] + 0.22 * tone[1] - g) * shade
                b += (0.8 * brow[2] + 0.25 * tone[2] - b) * shade
                if beard_kind >= 0:
                    shade = beard_density(beard_kind, x, y, a) * (0.78 + 0.22 * speckle)
                    shade = min(max(shade, 0.0), 0.9)
                    r += (brow[0] + 0.06 * tone[0] - r) * shade
                    g += (brow[1] + 0.06 * tone[1] - g) * shade
                    b += (brow[2] + 0.06 * tone[2] - b) * shade
            line_y = hairline_height(a, hairline, temples, male)
            scalp = smoothstep(-0.07, 0.06, y - line_y + 0.025 * n2)
            scalp = min(1.0, max(0.0, scalp * scalp_cover * (0.88 + 0.12 * speckle)))
            r += (0.9 * hair[0] + scalp_skin * tone[0] - r) * scalp
            g += (0.9 * hair[1] + scalp_skin * tone[1] - g) * scalp
            b += (0.9 * hair[2] + scalp_skin * tone[2] - b) * scalp

            texture[row, column, 0] = min(max(r, 0.002), 1.0)
            texture[row, column, 1] = min(max(g, 0.002), 1.0)
            texture[row, column, 2] = min(max(b, 0.002), 1.0)
            gloss = 0.5 + 0.5 * math.exp(-((x / 0.22) ** 2)) * front + 0.5 * cover
            texture[row, column, 3] = gloss - 0.35 * scalp + 0.06 * speckle
    return texture


@compiled
def _paint_mole(texture, angle, px, py, x, y, radius):
    reach = 4 * radius
    for row in range(texture.shape[0]):
        if abs(py[row, 0] - y) > reach:
            continue
        for column in range(texture.shape[1]):
            if abs(angle[row, column]) > 1.6:
                continue
            square = (px[row, column] - x) ** 2 + (py[row, column] - y) ** 2
            alpha = 0.75 * math.exp(-((square / (2 * radius * radius)) ** 1.5))
            texture[row, column, 0] += (0.050 - texture[row, column, 0]) * alpha
            texture[row, column, 1] += (0.025 - texture[row, column, 1]) * alpha
            texture[row, column, 2] += (0.018 - texture[row, column, 2]) * alpha


@compiled
def _paint_strokes(texture, x, y, dx, dy, length, curvature, alpha, color):
    """Draw tapering hairs: start, step per texel, number of texels; bilinear splats."""
    for i in range(x.shape[0]):
        px, py, sx, sy = x[i], y[i], dx[i], dy[i]
        steps = int(length[i]) + 1
        for j in range(steps):
            a = alpha * (1 - (j / steps) ** 2)
            column, row = int(math.floor(px)), int(math.floor(py))
            fx, fy = px - column, py - row
            for oy in range(2):
                for ox in range(2):
                    w = (fx if ox else 1 - fx) * (fy if oy else 1 - fy) * a
                    if 0 <= row + oy < texture.shape[0] and 0 <= column + ox < texture.shape[1]:
                        for c in range(3):
                            old = texture[row + oy, column + ox, c]
                            texture[row + oy, column + ox, c] = old + (color[c] - old) * w
            px, py = px + sx, py + sy
            sx, sy = sx - curvature[i] * sy, sy + curvature[i] * sx


def _brow_strokes(person: Identity, rng: np.random.Generator, texture: np.ndarray) -> None:
    """Paint both eyebrows hair by hair along an arched band."""
    brow = person.brow
    for side in (-1, 1):
        n = int(380 * brow["density"] * brow["thickness"] / 0.045)
        t = rng.beta(1.1, 1.25, n)  # 0 at the nose, 1 at the temple
        x = brow["inner"] + (brow["outer"] - brow["inner"]) * t
        middle = (
            7.455
            + brow["height"]
            + 0.06 * brow["tilt"] * (t - 0.5)
            + 0.075 * brow["arch"] * np.sin(np.pi * np.clip(0.93 * t, 0, 1) ** 1.25)
            - 0.024 * t**3
            + 0.012 * t
        )
        half = brow["thickness"] * (1 - (1 - brow["taper"]) * t**1.5)
        half *= np.where(t < 0.12, 0.6 + 3.3 * t, 1)
        across = rng.uniform(-1, 1, n)
        heading = np.where(t < 0.15, 0.95 - 3 * t, 0.5 - 0.75 * t) + rng.normal(0, 0.16, n)
        heading -= 0.21 * across * half / brow["thickness"]
        length = rng.uniform(0.045, 0.10, n) * (1 - 0.35 * t)
        depth = 1.46 - AXIS_Z  # distance of the brows from the head's axis
        angle = np.arctan2(side * x, depth)
        # Texels per decimetre across differ from those upwards: one step covers equal lengths.
        stretch = WIDTH / (2 * np.pi) * depth / (x * x + depth * depth) / TEXELS_PER_DM
        _paint_strokes(
            texture,
            (angle / (2 * np.pi) + 0.5) * WIDTH,
            (middle + half * across - Y_LOW) * TEXELS_PER_DM,
            side * np.cos(heading) * stretch,
            np.sin(heading),
            length * TEXELS_PER_DM,
            np.full(n, -0.02 * side),
            0.40,
            person.brow_rgb.astype(np.float32),
        )


def skin_texture(person: Identity) -> np.ndarray:
    """Return the texture, float32 [HEIGHT, WIDTH, 4]: linear RGB in [0.002, 1] and gloss."""
    grid = texels()
    rng = np.random.default_rng(person.skin_seed)
    tone = skin_tone(person)
    lip = tone * np.array([0.80, 0.46, 0.50]) * (1 - 0.15 * person.melanin) + [0.02, 0, 0]
    lip *= np.array([1, 1 + 0.10 * person.lip_hue, 1 - 0.06 * person.lip_hue])
    lip_strength = person.lip_strength
    if person.makeup > 0.45:
        stick = np.array([0.30, 0.02, 0.03]) + np.array([0.30, 0.13, 0.11]) * person.lipstick
        lip, lip_strength = 0.4 * lip + 0.6 * stick, lip_strength + 0.3
    shaved = person.hair_style in ("bald", "buzz")
    cover = {"bald": 0.22 * (1 - 0.6 * person.greyness), "buzz": 0.80}.get(person.hair_style, 0.90)
    scalars = np.array(
        [
            person.mottle,
            person.blush,
            person.dark_circles,
            person.makeup,
            person.melanin,
            person.freckles,
            person.wrinkles,
            lip_strength,
            person.stubble,
            person.hairline,
            person.temples,
            cover,
            0.10 if shaved else 0.04,
        ]
    )
    shape = (HEIGHT, WIDTH)
    texture = _paint(
        scalars,
        tone,
        lip,
        person.hair_rgb,
        person.brow_rgb,
        BEARD_KINDS.get(person.beard, -1),
        person.gender == "male",
        grid.angle,
        grid.x,
        grid.y,
        grid.masks,
        rng.standard_normal((HEIGHT // 16 + 1, WIDTH // 16)) * 0.55,
        rng.standard_normal((HEIGHT // 5 + 1, WIDTH // 5)) * 0.55,
        rng.standard_normal(shape, np.float32),
        rng.uniform(0, 2 * np.pi, 8),
    )
    for x, y, radius in person.moles:
        _paint_mole(texture, grid.angle, grid.x, grid.y, x, y, radius)
    _brow_strokes(person, rng, texture)
    return texture
