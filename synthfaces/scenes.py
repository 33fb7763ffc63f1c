"""Light scenes: where the key light stands, how hard it is, and what fills the shadows.

A scene is a distribution over the light fields of `Sample`; the numbers were set from pictures.
Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from synthfaces.dice import Dice

Range = tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """Ranges (low, high) or normals (mean, standard deviation) of the light fields."""

    share: float  # of all pictures
    side: float  # mean of |azimuth|, degrees: a window is at the side, a flash is not
    azimuth_sd: float
    elevation: Range  # normal, degrees
    key: Range  # key_strength
    softness: Range
    fill: Range  # level of the ambient light
    tint: tuple[float, float, float]  # colour of the ambient light
    warmth: Range  # normal: of the key light
    balance_sd: float  # how far the camera's white balance is off
    rim: float  # probability of a second light from behind


SCENES = {
    "studio": Scene(
        0.20, 22, 14, (26, 9), (0.65, 1.0), (0.55, 0.85), (0.35, 0.6), (1, 1, 1),
        (0, 0.03), 0.02, 0.35,
    ),
    "window": Scene(
        0.20, 30, 12, (15, 7), (0.65, 0.95), (0.65, 0.85), (0.28, 0.48), (1.05, 1, 0.92),
        (-0.03, 0.04), 0.04, 0.05,
    ),
    "overcast": Scene(
        0.18, 0, 32, (42, 10), (0.45, 0.7), (0.85, 1.0), (0.5, 0.75), (0.96, 1, 1.06),
        (-0.01, 0.03), 0.03, 0.0,
    ),
    "sun": Scene(
        0.14, 20, 20, (32, 9), (0.8, 1.05), (0.25, 0.5), (0.42, 0.62), (0.9, 1, 1.13),
        (0.05, 0.03), 0.03, 0.15,
    ),
    "ceiling": Scene(
        0.14, 0, 22, (43, 8), (0.55, 0.8), (0.5, 0.8), (0.4, 0.65), (1.04, 1, 0.93),
        (0.03, 0.05), 0.06, 0.0,
    ),
    "flash": Scene(
        0.07, 4, 4, (9, 4), (0.8, 1.1), (0.2, 0.5), (0.15, 0.35), (1.04, 1, 0.94),
        (0, 0.03), 0.03, 0.0,
    ),
    "evening": Scene(
        0.07, 30, 16, (12, 7), (0.6, 0.85), (0.55, 0.8), (0.25, 0.4), (0.95, 1, 1.06),
        (0.12, 0.05), 0.06, 0.3,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class DrawnLight:
    """The light of one picture as it was drawn; the fields are those of `Sample`."""

    scene: str
    light_azimuth: float
    light_elevation: float
    key_strength: float
    softness: float
    warmth: float
    fill: np.ndarray
    light_turn: float
    rim_strength: float
    white_balance: np.ndarray
    exposure: float


def _between(dice: Dice, span: Range, difficulty: float) -> float:
    """Return a number around the middle of ``span``, within a stretched or shrunken span."""
    middle, half = (span[0] + span[1]) / 2, (span[1] - span[0]) / 2
    return middle + half * min(difficulty, 1.3) * dice.uniform(-1, 1)


def draw_light(dice: Dice, difficulty: float, melanin: float) -> DrawnLight:
    """Draw scene, lights, white balance and an exposure that fits the scene and the skin.

    Args:
        dice: of the picture.
        difficulty: a low one is frontal and even.
        melanin: 0 .. 1: cameras expose dark faces longer, though not by as much as they are dark.
    """
    name = dice.pick({key: scene.share for key, scene in SCENES.items()})
    scene = SCENES[name]
    azimuth = dice.sign() * dice.normal(scene.side, scene.azimuth_sd) * min(difficulty, 1.4)
    elevation = dice.normal(scene.elevation[0], scene.elevation[1] * difficulty, -15, 70)
    key = _between(dice, scene.key, difficulty)
    fill = _between(dice, scene.fill, difficulty)
    tint = np.array([c * math.exp(dice.normal(0, 0.04 * difficulty)) for c in scene.tint])
    balance = dice.normal(0, scene.balance_sd * difficulty, -0.15, 0.15)
    green = dice.normal(0, 0.25 * scene.balance_sd * difficulty, -0.03, 0.03)
    rim = dice.chance(scene.rim * difficulty)
    azimuth = float(np.clip(azimuth, -100, 100))
    # What an exposure meter would read off the face, so that no scene clips or greys out.
    facing = math.cos(math.radians(azimuth)) * math.cos(math.radians(elevation))
    metered = 0.75 * fill + 0.75 * key * (0.35 + 0.65 * max(0.0, facing))
    return DrawnLight(
        scene=name,
        light_azimuth=azimuth,
        light_elevation=elevation,
        key_strength=key,
        softness=min(max(_between(dice, scene.softness, difficulty), 0.0), 1.0),
        warmth=dice.normal(scene.warmth[0], scene.warmth[1] * difficulty, -0.25, 0.25),
        fill=fill * tint,
        light_turn=dice.uniform(0, 2 * math.pi),
        rim_strength=dice.uniform(0.3, 0.8) if rim else 0.0 * dice.uniform(),
        white_balance=np.array([1 + balance, 1 + green, 1 - balance]),
        exposure=(0.60 + 0.54 * melanin)
        / metered
        * math.exp(dice.normal(0, 0.11 * difficulty, -0.3, 0.2)),
    )
