"""Clothes that follow the head: shirt, scarf, beanie, cap and hood.

A garment is a signed distance on the *mean* head (positive where it covers), so it fits every
identity; covered vertices are pushed outwards by its thickness. Introduced in chapter 1.
"""

from __future__ import annotations

import math

import numpy as np

from synthfaces.model import fine_mask
from synthfaces.raster import compiled, smoothstep
from synthfaces.sample import Sample

NONE, BEANIE, CAP, HOOD = range(4)
HEADWEAR = {"none": NONE, "beanie": BEANIE, "cap": CAP, "hood": HOOD}
# Plane on the mean head, n . p + d > 0 under the hat: from mid-forehead down to the neck.
HAT_NORMAL = np.array([0.0, 0.925, -0.38], np.float32)
HAT_FRONT = np.array([0.0, 7.86, 1.42], np.float32)
HAT_PLANE = np.array([*HAT_NORMAL, -float(HAT_NORMAL @ HAT_FRONT)], np.float32)
SCARF_TOP = 6.22  # height of a scarf's edge at the front, decimetres


@compiled
def _wrap(mean, headwear, plane, neckline, scarf):
    covered = np.empty((mean.shape[0], 2), np.float32)
    for i in range(mean.shape[0]):
        x, y, z = mean[i, 0], mean[i, 1], mean[i, 2]
        head = -1.0
        if headwear == BEANIE or headwear == CAP:
            head = plane[0] * x + plane[1] * y + plane[2] * z + plane[3]
        elif headwear == HOOD:
            dx, dy = x / 0.66, (y - 7.03) / 0.84
            head = 0.7 * (math.sqrt(dx * dx + dy * dy) - 1)
            if z < 0.62:
                head = max(head, 0.62 - z)
        body = neckline - y + 0.12 * min(1.0, max(-1.0, z - 0.4))
        if scarf:
            body = SCARF_TOP - y + 0.16 * min(1.0, max(-1.0, 0.5 - z)) - 0.02 * math.sin(5 * x)
        covered[i, 0], covered[i, 1] = head, body
    return covered


@compiled
def _thicken(vertices, normals, covered, mean, ears, headwear, scarf, seed):
    phase = 0.001 * (seed % 6283)
    for i in range(vertices.shape[0]):
        head, body = covered[i, 0], covered[i, 1]
        if headwear == HOOD and ears[i] > 0:  # cloth presses the ears to the head
            vertices[i, 0] *= 1 - 0.24 * ears[i]
        thickness = 0.0
        if head > 0:
            thickness = smoothstep(0.0, 0.05, head)
            if headwear == BEANIE:  # a knitted brim, folded over
                thickness *= 0.11 - 0.035 * smoothstep(0.24, 0.27, head)
            elif headwear == CAP:
                thickness *= 0.075
            else:
                fold = math.sin(9 * mean[i, 1] + 4 * mean[i, 0] + phase)
                thickness *= 0.10 + 0.03 * fold
        elif body > 0 and scarf:
            fold = math.sin(17 * mean[i, 1] + 3 * mean[i, 0] + phase)
            thickness = (0.17 + 0.05 * fold) * smoothstep(0.0, 0.08, body)
        if thickness > 0:
            for c in range(3):
                vertices[i, c] += thickness * normals[i, c]


def cover(sample: Sample, mean: np.ndarray) -> np.ndarray:
    """Return how deep each point of the mean head lies under cloth.

    Args:
        sample: the picture.
        mean: float32 [F, 3], the mean head.

    Returns:
        float32 [F, 2], decimetres, positive where covered: headwear, and shirt or scarf.
    """
    return _wrap(mean, HEADWEAR[sample.headwear], HAT_PLANE, sample.neckline, sample.scarf)


def thicken(
    vertices: np.ndarray, normals: np.ndarray, covered: np.ndarray, mean: np.ndarray, sample: Sample
) -> bool:
    """Push covered vertices outwards, in place; return whether any headwear or scarf is worn."""
    headwear = HEADWEAR[sample.headwear]
    if headwear == NONE and not sample.scarf:
        return False
    ears, seed = fine_mask("ears"), sample.background_seed
    _thicken(vertices, normals, covered, mean, ears, headwear, sample.scarf, seed)
    return True


def hidden_hair(sample: Sample, shift: np.ndarray) -> np.ndarray:
    """Return the plane, float32 [4], above which hair is hidden (all zero: nothing is).

    Args:
        sample: the picture.
        shift: float32 [3], from the mean head's eyes to this person's.
    """
    if sample.headwear == "none":
        return np.zeros(4, np.float32)
    if sample.headwear == "hood":
        return np.array([0, 0, 0, 1], np.float32)
    plane = HAT_PLANE.copy()
    plane[3] -= np.float32(HAT_NORMAL @ shift)
    return plane
