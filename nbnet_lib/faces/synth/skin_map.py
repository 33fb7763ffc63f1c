"""Where things are on the skin: texture coordinates, hairline, beard, wrinkles.

Texture coordinates are cylindrical: the column is the angle around the head's vertical axis, the
row is the height. All formulas speak of the *mean* head, so that a fold lands on every identity's
fold. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.ndimage
from scipy.interpolate import NearestNDInterpolator

from nbnet_lib.faces.synth.model import AXIS_Z, SKIN, head_model
from nbnet_lib.faces.synth.raster import compiled, smoothstep

WIDTH, HEIGHT = 512, 320
Y_LOW, Y_HIGH = 4.9, 8.6  # decimetres
TEXELS_PER_DM = HEIGHT / (Y_HIGH - Y_LOW)


@dataclass(frozen=True)
class Texels:
    """Where each texel sits on the mean head; float32 [HEIGHT, WIDTH] each."""

    angle: np.ndarray  # radians, 0 at the nose
    x: np.ndarray
    y: np.ndarray
    masks: np.ndarray  # [HEIGHT, WIDTH, 3]: lips, ears, eyelids


@lru_cache(1)
def texels() -> Texels:
    """Compute the texel positions once per process."""
    model = head_model()
    on_skin = np.ones(len(model.mean_fine), bool)
    on_skin[model.triangles[model.part != SKIN]] = False
    on_skin &= model.masks["inside_mouth"] < 0.5
    points = model.mean_fine[on_skin]
    angle = np.arctan2(points[:, 0], points[:, 2] - AXIS_Z)
    radius = np.hypot(points[:, 0], points[:, 2] - AXIS_Z)
    known = np.stack(
        [radius] + [model.masks[k][on_skin] for k in ("lips", "ears", "eyelids")], axis=1
    )
    row = (points[:, 1] - Y_LOW) / (Y_HIGH - Y_LOW)
    nearest = NearestNDInterpolator(np.stack([angle / (2 * np.pi) * 3, row], 1), known)
    u, v = np.meshgrid((np.arange(WIDTH) + 0.5) / WIDTH - 0.5, (np.arange(HEIGHT) + 0.5) / HEIGHT)
    values = nearest(u * 3, v)
    blurred = [
        scipy.ndimage.gaussian_filter(values[..., k + 1], sigma)
        for k, sigma in enumerate((1.0, 2.0, 0.8))
    ]
    angles = (2 * np.pi * u).astype(np.float32)
    return Texels(
        angle=angles,
        x=(np.sin(angles) * values[..., 0]).astype(np.float32),
        y=(Y_LOW + v * (Y_HIGH - Y_LOW)).astype(np.float32),
        masks=np.stack(blurred, axis=-1).astype(np.float32),
    )


@compiled
def hairline_height(angle, hairline, temples, male):
    """Return the height where hair begins, decimetres, at ``angle`` around the head."""
    a = abs(angle)
    base = 8.02 + hairline
    y = base + temples * 0.22 * math.exp(-(((a - 0.62) / 0.22) ** 2))
    sideburn = 7.05 if male else 7.2
    if a > 0.75:
        y -= (base - 7.55) * smoothstep(0.75, 1.12, a)
    if a > 1.12:
        y -= (7.55 - sideburn) * smoothstep(1.12, 1.25, a)
    if a > 1.42:
        y += (7.42 - sideburn) * smoothstep(1.42, 1.6, a)
    if a > 1.9:
        y -= (7.42 - 6.35) * smoothstep(1.9, 2.3, a)
    return y


@compiled
def beard_density(kind, x, y, angle):
    """Return how dense a beard grows here, 0..1; kind 0 full, 1 moustache, 2 goatee, 3 short."""
    ax, a = abs(x), abs(angle)
    moustache = (
        math.exp(-(((y - (6.775 - 0.10 * (ax / 0.3) ** 2)) / 0.045) ** 4))
        * smoothstep(0.36, 0.26, ax)
        * smoothstep(0.9, 0.5, a)
    )
    if kind == 1:
        return moustache
    low = smoothstep(5.85, 6.1, y)
    corner = (
        math.exp(-(((ax - 0.29) / 0.035) ** 2))
        * smoothstep(6.4, 6.5, y)
        * smoothstep(6.82, 6.7, y)
        * smoothstep(0.9, 0.5, a)
    )
    if kind == 2:
        chin = (
            smoothstep(0.24, 0.17, ax) * smoothstep(6.50, 6.44, y) * low * smoothstep(1.0, 0.8, a)
        )
        soul = (
            math.exp(-(((y - 6.46) / 0.06) ** 2))
            * smoothstep(0.09, 0.04, ax)
            * smoothstep(0.9, 0.5, a)
        )
        return min(1.0, moustache + chin + soul + 0.9 * corner)
    cheek = 6.62 + 0.42 * smoothstep(0.35, 1.35, a)
    jaw = smoothstep(cheek + 0.05, cheek - 0.06, y) * low * smoothstep(1.62, 1.4, a)
    full = max(jaw, moustache, corner)
    return 0.85 * full if kind == 3 else full


BEARD_KINDS = {"full": 0, "moustache": 1, "goatee": 2, "short": 3}


@compiled
def bump(x, y, cx, cy, sx, sy):
    """Gaussian spot, mirrored in the face's middle."""
    return math.exp(-((((abs(x) - cx) / sx) ** 2 + ((y - cy) / sy) ** 2) / 2))


@compiled
def _groove(distance, width):
    return math.exp(-((distance / width) ** 2))


@compiled
def wrinkle(x, y, phase):
    """Depth of forehead lines, crow's feet, nasolabial folds, frown lines and eye bags."""
    ax = abs(x)
    depth = 0.0
    if y > 7.5:
        for k in range(4):
            line = 7.66 + 0.085 * k + 0.015 * math.sin(6 * x + phase[k]) + 0.01 * (phase[k] - 3) / 3
            waver = 0.5 + 0.5 * math.sin(9 * x + phase[k + 4])
            depth += 1.1 * _groove(y - line, 0.011) * math.exp(-((x / 0.42) ** 4)) * waver
    if ax > 0.45 and 7.0 < y < 7.6:
        for k in range(4):
            dx = ax - 0.47
            slope = math.tan((k - 1.5) * 0.45)
            fade = smoothstep(0.0, 0.04, dx) * smoothstep(0.20, 0.10, dx)
            depth += 0.9 * _groove(y - 7.27 - slope * dx, 0.010) * fade
    if 6.5 < y < 6.98:
        fold = 0.165 + 0.20 * min(1.0, (6.98 - y) / 0.42) ** 0.85 + 0.02 * math.sin(phase[0])
        fade = smoothstep(6.98, 6.9, y) * smoothstep(6.5, 6.62, y)
        depth += 1.25 * _groove(ax - fold, 0.016) * fade
    for side in (-1, 1):
        frown = x - 0.045 * side - 0.01 * math.sin(phase[1])
        depth += 0.8 * _groove(frown, 0.009) * _groove(y - 7.46, 0.06)
    bag = y - 7.09 - 0.04 * ((ax - 0.3) / 0.15) ** 2
    depth += 0.8 * _groove(bag, 0.011) * _groove(ax - 0.30, 0.10)
    return min(depth, 1.3)
