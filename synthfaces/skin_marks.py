"""Marks on the skin (wrinkles, scars, moles, blemishes, age spots), and eyebrows hair by hair.

Wrinkles are thin grooves along curves; each is drawn in its own few texels, as a darker line and
as relief. Brows are thin tapering strokes along an arched band. Introduced in chapter 1.
"""

from __future__ import annotations

import math

import numpy as np

from synthfaces.identity import Identity
from synthfaces.raster import compiled
from synthfaces.skin_map import TEXELS_PER_DM, step, texture_points

_POINTS = 24  # per curve


@compiled
def _draw_grooves(base, column, row, width, shade, relief, upright):
    """Press curves into the skin; arrays [curves, points] except ``upright`` bool [curves].

    An upright curve is crossed row by row, the others column by column.
    """
    limit_a = base.shape[0] if upright.shape[0] else 0
    limit_b = base.shape[1]
    for k in range(column.shape[0]):
        for i in range(column.shape[1] - 1):
            # (a, b): along and across; a grows from the first end to the second.
            if upright[k]:
                a0, b0, a1, b1 = row[k, i], column[k, i], row[k, i + 1], column[k, i + 1]
            else:
                a0, b0, a1, b1 = column[k, i], row[k, i], column[k, i + 1], row[k, i + 1]
            swap = a0 > a1
            if swap:
                a0, b0, a1, b1 = a1, b1, a0, b0
            if a1 - a0 < 1e-3:
                continue
            slope = (b1 - b0) / (a1 - a0)
            cosine = 1 / math.sqrt(1 + slope * slope)
            for a in range(int(math.ceil(a0 - 0.5)), int(math.ceil(a1 - 0.5))):
                t = (a + 0.5 - a0) / (a1 - a0)
                if swap:
                    t = 1 - t
                w = width[k, i] + t * (width[k, i + 1] - width[k, i])
                dark = shade[k, i] + t * (shade[k, i + 1] - shade[k, i])
                deep = relief[k, i] + t * (relief[k, i + 1] - relief[k, i])
                middle = b0 + slope * (a + 0.5 - a0)
                reach = 2.2 * w / cosine
                first, last = int(math.floor(middle - reach)), int(math.ceil(middle + reach))
                for b in range(first, last + 1):
                    r, c = (a, b) if upright[k] else (b, a)
                    if r < 0 or c < 0 or r >= limit_a or c >= limit_b:
                        continue
                    s = (b + 0.5 - middle) * cosine / w
                    depth = math.exp(-s * s)
                    base[r, c, 0] *= 1 - 0.75 * dark * depth
                    base[r, c, 1] *= 1 - dark * depth
                    base[r, c, 2] *= 1 - dark * depth
                    across = 2 * deep * s * depth * cosine
                    along = -across * slope
                    if upright[k]:
                        base[r, c, 4] += across
                        base[r, c, 5] += along
                    else:
                        base[r, c, 4] += along
                        base[r, c, 5] += across


@compiled
def _draw_spots(base, column, row, radius, alpha, color, height):
    """Draw round spots of one colour [3]: texel position, radius, strength, bump height [n]."""
    for k in range(column.shape[0]):
        reach = 2.2 * radius[k] + 1
        for r in range(int(row[k] - reach), int(row[k] + reach) + 1):
            for c in range(int(column[k] - reach), int(column[k] + reach) + 1):
                if r < 0 or c < 0 or r >= base.shape[0] or c >= base.shape[1]:
                    continue
                dy, dx = (r + 0.5 - row[k]) / radius[k], (c + 0.5 - column[k]) / radius[k]
                square = dx * dx + dy * dy
                a = alpha[k] * math.exp(-0.5 * square * math.sqrt(square))
                for channel in range(3):
                    base[r, c, channel] += (color[channel] - base[r, c, channel]) * a
                bump = height[k] * math.exp(-square / 2)
                base[r, c, 4] -= bump * dx
                base[r, c, 5] -= bump * dy


def _curve(x0, y0, x1, y1, bend, t):
    """Points of arcs from (x0, y0) to (x1, y1), bent sideways (upwards) in the middle."""
    return x0 + (x1 - x0) * t, y0 + (y1 - y0) * t + 4 * bend * t * (1 - t)


def draw_wrinkles(base: np.ndarray, person: Identity, rng: np.random.Generator) -> None:
    """Press the person's lines and folds into ``base`` (float32 [HEIGHT, WIDTH, 7], changed)."""
    old = person.wrinkles
    t = np.linspace(0, 1, _POINTS)
    taper = np.sin(np.pi * t) ** 0.7
    j = rng.normal(0, 1, (40, 3))
    curves = []  # x, y, width in decimetres, strength [points], upright

    def add(x, y, width, strength, upright=False):
        curves.append((x, y, width, strength, upright))

    if old > 0.05:
        for k in range(4):  # the forehead's lines, broken here and there
            x = np.linspace(-0.40, 0.40, _POINTS) + 0.03 * j[k, 0]
            y = 7.66 + 0.085 * k + 0.012 * j[k, 1] + 0.014 * np.sin(6 * x + 3 * j[k, 2])
            broken = step(-0.7, 0.5, np.sin(7 * x + 5 * j[k, 1]))
            add(x, y - 0.10 * x * x, 0.010, 0.9 * old * taper * broken)
        for side in (-1, 1):
            for k in range(4):  # crow's feet
                i = 4 + k + 4 * (side > 0)
                length = 0.14 + 0.03 * j[i, 0]
                rise = np.tan((k - 1.5) * 0.42 + 0.08 * j[i, 1]) * length
                x, y = _curve(0.475, 7.275, 0.475 + length, 7.275 + rise, 0.006 * j[i, 2], t)
                add(side * x, y + 0.018 * (k - 1.5), 0.008, 0.8 * old * (1 - t) * step(0, 0.2, t))
    for side in (-1, 1):
        i = 12 + (side > 0)
        x = 0.155 + 0.19 * t**0.85 + 0.012 * j[i, 0]  # nasolabial folds
        fold = (0.16 + 0.9 * old) * step(0, 0.15, t) * (1 - t) ** 0.6
        add(side * x, 6.97 - 0.40 * t, 0.013 + 0.012 * t, fold, True)
        x, y = _curve(0.20, 7.145, 0.40, 7.13, -0.035, t)  # bags under the eyes
        bag = 0.10 + 0.30 * person.dark_circles + 0.45 * old
        add(side * x, y + 0.01 * j[i, 1], 0.011, bag * 0.8 * taper)
        x, y = _curve(0.175, 7.315, 0.455, 7.325, 0.062, t)  # the crease of the upper lid
        add(side * x, y, 0.008, 0.30 * taper)
        if old > 0.15:
            x = 0.275 + 0.045 * t + 0.01 * j[i, 2]  # from the mouth's corners to the chin
            add(side * x, 6.60 - 0.20 * t, 0.012, 0.8 * (old - 0.15) * taper, True)
            x = side * (0.045 + 0.008 * j[14, 0]) + 0.006 * np.sin(4 * t + j[14, 1])  # frown
            add(x, 7.40 + 0.13 * t, 0.009, 0.75 * (old - 0.1) * taper, True)
    if old > 0.5:
        for k in range(7):  # fine lines above the upper lip
            x = -0.17 + 0.055 * k + 0.01 * j[16 + k, 0]
            fine = 0.5 * (old - 0.5) * taper * (0.8 + 0.2 * j[16 + k, 1])
            add(x + 0.01 * (k - 3) * t, 6.715 + 0.075 * t, 0.006, fine, True)
    x = np.linspace(-0.09, 0.09, _POINTS)
    add(x, 6.44 + 1.2 * x * x, 0.020, 0.10 * taper)  # between lower lip and chin
    scars = rng.random(6)
    if scars[0] < 0.05:
        x, y = 0.36 * (2 * scars[1] - 1), 6.4 + 1.3 * scars[2]
        dx, dy = 0.10 * (scars[3] - 0.5), 0.05 + 0.08 * scars[4]
        add(x + dx * t, y + dy * t, 0.009, -0.35 * taper, True)

    x = np.stack([c[0] for c in curves])
    column, row = texture_points(x, np.stack([c[1] for c in curves]))
    ones = np.ones((len(curves), _POINTS))
    width = np.array([np.mean(c[2]) for c in curves])[:, None] * ones * TEXELS_PER_DM
    strength = np.stack([c[3] for c in curves])
    _draw_grooves(
        base, column, row, width, 0.38 * strength, 0.42 * np.abs(strength),
        np.array([c[4] for c in curves]),
    )  # fmt: skip


def draw_spots(
    base: np.ndarray, person: Identity, tone: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw moles, blemishes and age spots into ``base`` (float32 [HEIGHT, WIDTH, 7], changed)."""
    size = person.moles[:, 2]
    mole = 0.010 + tone * [0.26, 0.17, 0.14]
    # Large moles are raised.
    raised = 0.25 * np.clip((size - 0.012) / 0.01, 0, 1)
    spots = [(person.moles[:, 0], person.moles[:, 1], size, np.full(len(size), 0.78), mole, raised)]
    # Every person has the same number of candidates; age only decides how many of them show.
    young = max(0.0, (32 - person.age_years) / 14)
    blemishes = 0.05 + 0.25 * young * rng.random()
    old = 0.30 * max(0.0, person.wrinkles - 0.35) * (1 - person.melanin)
    for share, n, side, low, high, radius, alpha, tint, bump in (
        (blemishes, 10, 0.45, 6.25, 7.9, (0.010, 0.018), (0.15, 0.45), [0.92, 0.55, 0.55], 0.12),
        (old, 24, 0.60, 6.9, 8.1, (0.018, 0.05), (0.12, 0.35), [0.66, 0.52, 0.44], 0.0),
    ):
        shown, x, y, size, strength = rng.random((5, n))
        keep = shown < share
        spots.append(
            (
                side * (2 * x - 1)[keep],
                (low + (high - low) * y)[keep],
                (radius[0] + (radius[1] - radius[0]) * size)[keep],
                (alpha[0] + (alpha[1] - alpha[0]) * strength)[keep],
                tone * tint,
                np.full(keep.sum(), bump),
            )
        )
    for x, y, size, strength, color, height in spots:
        column, row = texture_points(x, y)
        _draw_spots(base, column, row, size * TEXELS_PER_DM, strength, color, height)


_HAIRS = 300  # per brow, at most


@compiled
def _draw_strokes(base, column, row, dx, dy, length, curvature, alpha, color):
    """Draw tapering hairs: start, step per texel, number of texels; bilinear splats."""
    for i in range(column.shape[0]):
        px, py, sx, sy = column[i] - 0.5, row[i] - 0.5, dx[i], dy[i]
        steps = int(length[i]) + 1
        for j in range(steps):
            a = alpha[i] * (1 - (j / steps) ** 2)
            c, r = int(math.floor(px)), int(math.floor(py))
            fx, fy = px - c, py - r
            for oy in range(2):
                for ox in range(2):
                    w = (fx if ox else 1 - fx) * (fy if oy else 1 - fy) * a
                    if 0 <= r + oy < base.shape[0] and 0 <= c + ox < base.shape[1]:
                        for channel in range(3):
                            old = base[r + oy, c + ox, channel]
                            base[r + oy, c + ox, channel] = old + (color[channel] - old) * w
                        base[r + oy, c + ox, 3] *= 1 - 0.6 * w  # hair is duller than skin
            px, py = px + sx, py + sy
            sx, sy = sx - curvature[i] * sy, sy + curvature[i] * sx


def draw_brows(
    base: np.ndarray, person: Identity, tone: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw both eyebrows into ``base`` (float32 [HEIGHT, WIDTH, 7], colours and gloss changed)."""
    brow = person.brow
    # As many random numbers for a thin brow as for a dense one: density only adds hairs.
    n = min(int(115 + 135 * brow["density"]), _HAIRS)
    side = np.repeat([-1.0, 1.0], n)
    t = rng.beta(1.05, 1.25, (2, _HAIRS))[:, :n].ravel()  # 0 at the nose, 1 at the temple
    normal = rng.standard_normal((2, 2, _HAIRS))[..., :n].reshape(2, -1)
    uniform = rng.random((2, 2, _HAIRS))[..., :n].reshape(2, -1)
    across = np.clip(0.52 * normal[0], -1.25, 1.25)  # dense middle, thin edges
    half = 0.80 * brow["thickness"] * (1 - (1 - brow["taper"]) * t**1.5)
    half *= np.where(t < 0.14, 0.62 + 2.7 * t, 1)
    middle = (
        7.455
        + brow["height"]
        + 0.06 * brow["tilt"] * (t - 0.5)
        + 0.075 * brow["arch"] * np.sin(np.pi * np.clip(0.93 * t, 0, 1) ** 1.25)
        - 0.024 * t**3
        + 0.012 * t
    )
    # Hairs stand up near the nose, then lie along the brow; the rows grow towards its middle.
    heading = np.where(t < 0.15, 0.95 - 3 * t, 0.5 - 0.75 * t) + 0.15 * normal[1]
    heading -= 0.28 * across
    length = (0.05 + 0.06 * uniform[0]) * (1 - 0.35 * t) * (0.7 + 6 * brow["thickness"])
    x = brow["inner"] + (brow["outer"] - brow["inner"]) * t
    column, row = texture_points(side * x, middle + half * across)
    alpha = (0.50 - 0.14 * np.abs(across)) * (0.5 + 0.7 * uniform[1])
    alpha *= np.where(t < 0.12, 0.45 + 4.5 * t, 1) * (1 - 0.45 * np.clip((t - 0.8) / 0.2, 0, 1))
    color = person.brow_rgb * [0.96, 0.90, 0.80] + 0.08 * tone  # the skin shines through
    step_x, step_y, texels = side * np.cos(heading), np.sin(heading), length * TEXELS_PER_DM
    _draw_strokes(
        base, column, row, step_x, step_y, texels, -0.02 * side, alpha, color.astype(np.float32)
    )
