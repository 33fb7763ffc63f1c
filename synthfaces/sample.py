"""What changes from picture to picture of one person: pose, expression, light, camera, outfit.

One generator seeded with (identity, sample), so a picture *is* a pair of integers. Expressions are
mixtures of the model's 52 facial actions (ARKit's names); a light scene is a distribution over the
light fields of `Sample`, with numbers set from pictures. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthfaces.checks import check_difficulty, check_number
from synthfaces.dice import Dice
from synthfaces.hair_styles import TIEABLE
from synthfaces.identity import Identity, make_identity

# How often each is drawn at difficulty 1.
EXPRESSIONS = {
    "neutral": 0.40, "smile": 0.24, "bigsmile": 0.10, "open": 0.05, "frown": 0.05,
    "surprise": 0.04, "squint": 0.05, "mixed": 0.07,
}  # fmt: skip
# Strengths at full expression: actions of the left and the right side ...
_BOTH_SIDES = {
    "smile": {"mouthSmile": 0.85, "cheekSquint": 0.35, "mouthDimple": 0.3},
    "bigsmile": {
        "mouthSmile": 1.0, "cheekSquint": 0.55, "mouthUpperUp": 0.65, "eyeSquint": 0.2,
        "mouthStretch": 0.2, "mouthLowerDown": 0.35,
    },
    "open": {"mouthSmile": 0.3, "mouthLowerDown": 0.2},
    "frown": {"browDown": 0.9, "mouthFrown": 0.45, "mouthPress": 0.4},
    "surprise": {"browOuterUp": 0.9, "eyeWide": 0.6, "mouthSmile": 0.2},
    "squint": {"eyeSquint": 0.65, "cheekSquint": 0.45, "browDown": 0.35, "noseSneer": 0.3},
}  # fmt: skip
# ... and actions in the middle.
_MIDDLE = {
    "bigsmile": {"jawOpen": 0.26},
    "open": {"jawOpen": 0.42},
    "surprise": {"browInnerUp": 0.9, "jawOpen": 0.30},
}
_MIXED = {
    "browInnerUp": 0.7, "cheekPuff": 0.5, "mouthPucker": 0.6, "mouthLeft": 0.6,
    "mouthRight": 0.6, "jawLeft": 0.5, "jawRight": 0.5, "mouthRollLower": 0.6,
    "mouthRollUpper": 0.5, "mouthShrugLower": 0.6, "mouthFunnel": 0.35, "jawForward": 0.5,
}  # fmt: skip


def draw_expression(dice: Dice, difficulty: float) -> tuple[str, dict[str, float]]:
    """Return the expression's name and its actions, name -> strength in [0, 1].

    At a low difficulty most faces are at rest and expressions are faint.
    """
    table = {name: p * (1 if name == "neutral" else difficulty) for name, p in EXPRESSIONS.items()}
    name = dice.pick(table)
    strength = min(dice.uniform(0.35, 0.9) * difficulty**0.3, 1.0)
    # The resting mesh looks stern: a trace of a smile and lifted inner brows make it relaxed.
    smile, lift = dice.normal(0.24, 0.06, 0.05, 0.45), dice.normal(0.12, 0.09, 0, 0.35)
    lopsided = dice.normal(0, 0.09, -0.25, 0.25)
    actions = {"mouthSmileLeft": smile, "mouthSmileRight": smile, "browInnerUp": lift}
    actions["jawOpen"] = dice.normal(0, 0.025, 0, 0.07)
    wobble = [dice.normal(0, 0.05) for _ in range(8)]
    for uneven, (action, value) in zip(wobble, _BOTH_SIDES.get(name, {}).items(), strict=False):
        uneven += lopsided
        for side, sign in (("Left", 1), ("Right", -1)):
            share = max(0.0, 1 + sign * uneven)
            old = actions.get(action + side, 0.0)
            actions[action + side] = min(old + value * strength * share, 1.0)
    for action, value in _MIDDLE.get(name, {}).items():
        actions[action] = min(actions.get(action, 0.0) + value * strength, 1.0)
    # A second, faint action on top: faces are seldom in a textbook expression.
    faint = 0.35 if name != "mixed" else 1.0
    for _ in range(3):
        action, share = dice.pick(dict.fromkeys(_MIXED, 1.0)), dice.uniform(0, faint)
        if dice.chance(1.0 if name == "mixed" else 0.3):
            actions[action] = max(actions.get(action, 0.0), _MIXED[action] * strength * share)
    blink = dice.normal(0.08, 0.04, 0, 0.3)
    actions["eyeBlinkLeft"] = actions["eyeBlinkRight"] = blink
    return name, actions


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


def _between(dice: Dice, span: Range, difficulty: float) -> float:
    """Return a number around the middle of ``span``, within a stretched or shrunken span."""
    middle, half = (span[0] + span[1]) / 2, (span[1] - span[0]) / 2
    return middle + half * min(difficulty, 1.3) * dice.uniform(-1, 1)


def draw_light(dice: Dice, difficulty: float, melanin: float) -> dict[str, Any]:
    """Draw scene, lights, white balance and an exposure that fits the scene and the skin: fields.

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
    return {
        "scene": name,
        "light_azimuth": azimuth,
        "light_elevation": elevation,
        "key_strength": key,
        "softness": min(max(_between(dice, scene.softness, difficulty), 0.0), 1.0),
        "warmth": dice.normal(scene.warmth[0], scene.warmth[1] * difficulty, -0.25, 0.25),
        "fill": fill * tint,
        "light_turn": dice.uniform(0, 2 * math.pi),
        "rim_strength": dice.uniform(0.3, 0.8) if rim else 0.0 * dice.uniform(),
        "white_balance": np.array([1 + balance, 1 + green, 1 - balance]),
        "exposure": (0.60 + 0.54 * melanin)
        / metered
        * math.exp(dice.normal(0, 0.11 * difficulty, -0.3, 0.2)),
    }


_HEADWEAR = {"beanie": 1.0, "cap": 1.0, "hood": 1.0}


def _rgb(*levels: float) -> Any:
    return field(default_factory=lambda: np.array(levels))


@dataclass(frozen=True)
class Sample:
    """One picture of a person. Angles in degrees, lengths in decimetres, colours linear RGB.

    Defaults are those of a portrait: frontal, at rest, evenly lit.
    """

    identity: int
    sample: int
    difficulty: float = 1.0  # 0.25 .. 2
    yaw: float = 0.0  # -40 .. 40, positive: the subject turns to the image's right
    pitch: float = 0.0  # -20 .. 20
    roll: float = 0.0  # -15 .. 15, positive: clockwise in the image
    expression: str = "neutral"  # one of `sample.EXPRESSIONS`
    actions: dict[str, float] = field(default_factory=dict)  # action -> strength in [0, 1]
    gaze: tuple[float, float] = (0.0, 0.0)  # right, down; (-yaw, -pitch) meets the camera
    scene: str = "studio"  # one of `sample.SCENES`
    light_azimuth: float = -20.0  # -100 .. 100; noses need a shadow to be seen
    light_elevation: float = 30.0  # -15 .. 70
    key_strength: float = 0.8
    softness: float = 0.8  # 0 lamp .. 1 overcast
    warmth: float = 0.0  # -: bluish, +: reddish key light
    fill: np.ndarray = _rgb(0.6, 0.6, 0.6)  # float64 [3], ambient RGB
    light_turn: float = 0.0  # radians
    rim_strength: float = 0.0  # second light from behind, 0 mostly
    exposure: float = 0.75
    white_balance: np.ndarray = _rgb(1.0, 1.0, 1.0)  # float64 [3], multipliers
    distance: float = 20.0  # 13 .. 26: camera to head
    shift: tuple[float, float] = (0.0, 0.0)  # of the crop, share of the image side
    zoom: float = 0.0  # relative, 0 = none
    background_seed: int = 7
    shirt: np.ndarray = _rgb(0.15, 0.15, 0.18)  # float64 [3]
    neckline: float = 5.7
    wears_glasses: bool = False
    sunglasses: bool = False
    headwear: str = "none"  # or "beanie", "cap", "hood"
    headwear_rgb: np.ndarray = _rgb(0.1, 0.1, 0.1)  # float64 [3]
    scarf: bool = False
    foreground: bool = False  # something out of focus reaches in from a side or a lower corner
    foreground_seed: int = 0
    hair_state: str = "usual"  # or "tied", "loose"
    hair_mess: float = 0.2  # 0 .. 1
    hair_growth: float = 1.0  # 0.85 .. 1.15: factor of the length
    stubble: float = 0.3  # 0 .. 1: days since the shave
    beard_growth: float = 0.8  # 0.5 .. 1.2: factor of the length
    makeup: float = 0.0  # 0 none .. 1 full, in this picture
    flush: float = 0.0  # -1 pale .. 1 flushed
    shine: float = 1.0  # 0.6 .. 1.5: factor of the skin's gloss
    defocus: float = 0.0  # 0 .. 0.9: sigma in pixels at 112 px
    motion_blur: float = 0.0  # 0, or 1 .. 2.5: length in pixels at 112 px
    motion_angle: float = 0.0  # degrees
    noise: float = 0.0  # 0 .. 0.03: standard deviation, of full scale 1
    jpeg_quality: int = 0  # 0: not compressed; else 45 .. 95
    vignette: float = 0.0  # 0 .. 0.44: darkening of the corners
    contrast: float = 1.0  # factor around middle grey
    gamma: float = 1.0
    saturation: float = 1.0


def _outfit(dice: Dice, person: Identity, difficulty: float) -> dict[str, Any]:
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


def _grooming(dice: Dice, person: Identity, difficulty: float) -> dict[str, Any]:
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


def _camera(dice: Dice, difficulty: float) -> dict[str, Any]:
    """Draw lens, alignment and everything behind the lens."""
    moved, compressed = dice.chance(0.05 * difficulty), dice.chance(0.5)
    soft, sharp = dice.chance(0.08 * difficulty), dice.normal(0, 0.2)
    blurry = dice.uniform(0.45, 0.9)
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
        **draw_light(dice, d, person.melanin),
        **_camera(dice, d),
        **_outfit(dice, person, d),
        **_grooming(dice, person, d),
    )


PORTRAIT = -1  # its number; those that are drawn by chance count from 0


def portrait_sample(identity: int) -> Sample:
    """Return the sample of a person's portrait; the sample's number is `PORTRAIT`."""
    return Sample(check_number("identity", identity), PORTRAIT)
