"""What changes from picture to picture of one person: pose, expression, light, camera, outfit.

One generator seeded with (identity, sample), so a picture *is* a pair of integers. Introduced in
chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from synthfaces.checks import check_number
from synthfaces.dice import Dice
from synthfaces.expressions import draw_expression
from synthfaces.hair_styles import TIEABLE
from synthfaces.identity import Identity, check_difficulty, make_identity
from synthfaces.scenes import draw_light

_HEADWEAR = {"beanie": 1.0, "cap": 1.0, "hood": 1.0}


@dataclass(frozen=True)
class Sample:
    """One picture of a person. Angles in degrees, lengths in decimetres, colours linear RGB."""

    identity: int
    sample: int
    difficulty: float  # 0.25 .. 2
    yaw: float  # -40 .. 40, positive: the subject turns to the image's right
    pitch: float  # -20 .. 20
    roll: float  # -15 .. 15, positive: clockwise in the image
    expression: str  # one of `expressions.EXPRESSIONS`
    actions: dict[str, float]  # facial action -> strength in [0, 1]
    gaze: tuple[float, float]  # right, down, against the head; (-yaw, -pitch) meets the camera
    scene: str  # one of `scenes.SCENES`
    light_azimuth: float  # -100 .. 100
    light_elevation: float  # -15 .. 70
    key_strength: float
    softness: float  # 0 lamp .. 1 overcast
    warmth: float  # -: bluish, +: reddish key light
    fill: np.ndarray  # float64 [3], ambient RGB
    light_turn: float  # radians
    rim_strength: float  # second light from behind, 0 mostly
    exposure: float
    white_balance: np.ndarray  # float64 [3], multipliers
    distance: float  # 13 .. 26: camera to head
    shift: tuple[float, float]  # of the crop, share of the image side
    zoom: float  # relative, 0 = none
    background_seed: int
    shirt: np.ndarray  # float64 [3]
    neckline: float
    wears_glasses: bool
    sunglasses: bool
    headwear: str  # "none", "beanie", "cap" or "hood"
    headwear_rgb: np.ndarray  # float64 [3]
    scarf: bool
    foreground: bool  # something out of focus reaches in from a side or a lower corner
    foreground_seed: int
    hair_state: str  # "usual", "tied" or "loose"
    hair_mess: float  # 0 .. 1
    hair_growth: float  # 0.85 .. 1.15: factor of the length
    stubble: float  # 0 .. 1: days since the shave
    beard_growth: float  # 0.5 .. 1.2: factor of the length
    makeup: float  # 0 none .. 1 full, in this picture
    flush: float  # -1 pale .. 1 flushed
    shine: float  # 0.6 .. 1.5: factor of the skin's gloss
    defocus: float  # 0 .. 0.9: sigma in pixels at 112 px
    motion_blur: float  # 0, or 1 .. 2.5: length in pixels at 112 px
    motion_angle: float  # degrees
    noise: float  # 0 .. 0.03: standard deviation, of full scale 1
    jpeg_quality: int  # 0: not compressed; else 45 .. 95
    vignette: float  # 0 .. 0.44: darkening of the corners
    contrast: float  # factor around middle grey
    gamma: float
    saturation: float


def _outfit(dice: Dice, person: Identity, difficulty: float) -> dict:
    """Draw what is worn: clothes, glasses, headwear, occluders."""
    grey, levels = dice.uniform(0.02, 0.5), [dice.normal(0, 0.5, -1, 1) for _ in range(3)]
    hat_grey, hat_levels = dice.uniform(0.02, 0.4), [dice.normal(0, 0.5, -1, 1) for _ in range(3)]
    wears = dice.chance(0.85)
    covered, kind = dice.chance(0.04 * difficulty), dice.pick(_HEADWEAR)
    return {
        "shirt": grey * (1 + 0.5 * np.array(levels)),
        "neckline": dice.uniform(5.55, 6.0),
        "wears_glasses": wears and person.glasses != "none",
        "sunglasses": dice.chance(0.0025 * difficulty),
        "headwear": kind if covered else "none",
        "headwear_rgb": hat_grey * (1 + 0.6 * np.array(hat_levels)),
        "scarf": dice.chance(0.03 * difficulty),
        "foreground": dice.chance(0.025 * difficulty),
        "foreground_seed": dice.seed(),
    }


def _grooming(dice: Dice, person: Identity, difficulty: float) -> dict:
    """Draw the state of hair, beard, make-up and skin."""
    states = TIEABLE.get(person.hair_style, ()) if dice.chance(0.25 * difficulty**0.5) else ()
    made_up, amount = dice.chance(0.25 + 0.6 * person.makeup_habit), dice.uniform(0.4, 1.1)
    days = dice.uniform(0.15, 0.15 + 1.35 * min(difficulty, 1.3))
    return {
        "hair_state": states[0] if states else "usual",
        "hair_mess": min(dice.uniform() ** 2 * difficulty**0.5, 1.0),
        "hair_growth": dice.normal(1, 0.06 * difficulty, 0.85, 1.15),
        "stubble": min(person.stubble_habit * days, 1.0),
        "beard_growth": dice.normal(0.9, 0.16 * difficulty, 0.5, 1.2),
        "makeup": min(person.makeup_habit * amount, 1.0) if made_up else 0.0,
        "flush": dice.normal(0, 0.35 * difficulty, -1, 1),
        "shine": math.exp(dice.normal(0, 0.2 * difficulty, -0.5, 0.4)),
    }


def _camera(dice: Dice, difficulty: float) -> dict:
    """Draw lens, alignment and everything behind the lens."""
    moved, compressed = dice.chance(0.05 * difficulty), dice.chance(0.5)
    soft, sharp, blurry = (
        dice.chance(0.08 * difficulty),
        dice.normal(0, 0.2),
        dice.uniform(0.45, 0.9),
    )
    return {
        "distance": dice.uniform(13, 26),
        "shift": (dice.normal(0, 0.012 * difficulty), dice.normal(0, 0.012 * difficulty)),
        "zoom": dice.normal(0, 0.03 * difficulty, -0.1, 0.1),
        "background_seed": dice.seed(),
        "defocus": blurry if soft else min(abs(sharp), 0.45),
        "motion_blur": dice.uniform(1, 2.5) * moved,
        "motion_angle": dice.uniform(0, 180),
        "noise": abs(dice.normal(0, 0.006 * difficulty, -0.03, 0.03)),
        "jpeg_quality": int(dice.uniform(45, 96)) * compressed,
        "vignette": dice.uniform(0, 0.22 * difficulty),
        "contrast": dice.normal(1, 0.06 * difficulty, 0.8, 1.2),
        "gamma": math.exp(dice.normal(0, 0.04 * difficulty)),
        "saturation": dice.normal(1, 0.10 * difficulty, 0.6, 1.4),
    }


def make_sample(identity: int, sample: int, difficulty: float = 1.0) -> Sample:
    """Draw picture number ``sample`` of person ``identity``; always the same one.

    Args:
        identity: any whole number from 0 up.
        sample: any whole number from 0 up.
        difficulty: 0.25 (frontal, even light, at rest) to 2; a dial on the same random numbers.

    Raises:
        NbnetError: not whole numbers from 0 up, or ``difficulty`` out of range.
    """
    d = check_difficulty(difficulty)
    person, sample = make_identity(identity, d), check_number("sample", sample)
    dice = Dice([11, person.identity, sample])
    yaw, pitch = dice.normal(0, 11 * d, -40, 40), dice.normal(0, 4.2 * d, -20, 20)
    roll = dice.normal(0, 3.5 * d, -15, 15)
    expression, actions = draw_expression(dice, d)
    elsewhere = dice.chance(0.2 * d)  # most people look into the camera
    away = 9 if elsewhere else 1.8
    gaze = (-yaw + dice.normal(0, away), -pitch + dice.normal(0, 0.5 * away))
    return Sample(
        identity=person.identity,
        sample=sample,
        difficulty=d,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        expression=expression,
        actions=actions,
        gaze=(min(max(gaze[0], -28.0), 28.0), min(max(gaze[1], -16.0), 16.0)),
        **vars(draw_light(dice, d, person.melanin)),
        **_camera(dice, d),
        **_outfit(dice, person, d),
        **_grooming(dice, person, d),
    )
