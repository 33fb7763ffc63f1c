"""Who a synthetic person is: every parameter that stays the same from picture to picture.

All values are drawn from one generator seeded with the identity number, so a person *is* an
integer. They are parameters of a graphics model: "gender" and "ancestry" name ends of shape axes
of the MakeHuman model, not facts about people. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from nbnet_lib.errors import NbnetError
from synthfaces.checks import check_number
from synthfaces.dice import Dice
from synthfaces.looks import (
    ANCESTRIES,
    ANCESTRY_SHARES,
    BEARDS,
    DARK_EYES,
    DARK_HAIR,
    FAIR_EYES,
    FAIR_HAIR,
    FRAME_COLOR_SHARES,
    FRAME_COLORS,
    GLASSES,
    eye_color_rgb,
    frozen,
    hair_colors,
    style_shares,
)
from synthfaces.model import head_model
from synthfaces.shape import draw_shape, shape_axes

MIN_DIFFICULTY, MAX_DIFFICULTY = 0.25, 2.0


@dataclass(frozen=True)
class Identity:
    """One synthetic person. Ranges are [0, 1] where nothing else is said; colours linear RGB.

    Arrays are read-only: one object serves every caller.
    """

    identity: int
    gender: str  # "male" or "female"
    gender_axis: float  # 0 female mesh .. 1 male mesh
    age_years: float  # 18 .. 80
    ancestry: dict[str, float]  # weights of the three base meshes, sum 1
    ancestry_main: str
    muscle: float
    weight: float  # 0 thin .. 1 heavy
    shape: np.ndarray  # float64 [axes], near standard normal, -3 .. 3: `shape.shape_axes`
    asymmetry: np.ndarray  # float64 [asymmetries], -0.5 .. 0.5
    melanin: float
    hemoglobin: float
    yellowness: float
    mottle: float
    blush: float  # 0 .. 1.2
    dark_circles: float  # 0 .. 1.1
    wrinkles: float  # 0 .. 1.1
    gloss: float  # 0.1 .. 1
    freckles: float  # 0 .. 1.5
    moles: np.ndarray  # float64 [n, 3], n <= 4: x, y on the face in decimetres, radius
    skin_seed: int
    hair_style: str
    hair_color: str  # a key of HAIR_COLORS, before grey
    hair_tone: float  # -0.5 .. 0.5: log factor on the colour
    hair_rgb: np.ndarray  # of `hair_colors`
    greyness: float  # share of grey in the hair
    hairline: float  # -0.2 .. 0.16: decimetres above the mean hairline
    temples: float  # 0 full .. 1.1 receded
    curl: float
    volume: float
    hair_length: float  # 0.2 .. 1
    parting: float  # -0.45 (subject's right) .. 0.45
    bangs_y: float  # 7.55 .. 7.8: height where a fringe ends, decimetres
    hair_seed: int
    beard: str  # "none", "moustache", "goatee", "full" or "short"
    stubble_habit: float  # how dark a beard grows after a shave
    brow_rgb: np.ndarray  # of `hair_colors`
    brow: dict[str, float]  # thickness, inner, outer, height in decimetres; the rest relative
    eye_color: str  # a key of EYE_COLORS
    eye_tone: np.ndarray  # float64 [3], -0.3 .. 0.3: log factors on the colour
    eye_rgb: np.ndarray  # of `eye_color_rgb`
    iris_radius: float  # 0.44 .. 0.55: radians on the eyeball
    lashes: float  # 0.1 .. 1
    lip_hue: float  # -1 .. 1
    lip_strength: float  # 0.1 .. 1.25
    makeup_habit: float  # 0 never .. 1 full make-up in most pictures
    lipstick: np.ndarray  # float64 [3]: choices of lip, lid and cheek colours
    glasses: str  # the frame this person owns: "none" or a key of GLASSES
    glasses_rgb: np.ndarray  # float64 [3], of the frame


def check_difficulty(difficulty: float) -> float:
    """Return ``difficulty`` as a float.

    Raises:
        NbnetError: not a number from 0.25 to 2.
    """
    try:
        number = float(difficulty)
    except (TypeError, ValueError):
        number = math.nan
    if not MIN_DIFFICULTY <= number <= MAX_DIFFICULTY:  # NaN fails too
        raise NbnetError(
            f"difficulty is {difficulty}: expected {MIN_DIFFICULTY} (easy) to {MAX_DIFFICULTY:g}"
        )
    return number


def make_identity(identity: int, difficulty: float = 1.0) -> Identity:
    """Draw the person number ``identity``; always the same one.

    Args:
        identity: any whole number from 0 up.
        difficulty: 0.25 (people differ more) to 2 (people are more alike); 1 is the default set.

    Raises:
        NbnetError: not a whole number from 0 up, or ``difficulty`` out of range.
    """
    drawn = _make_identity(check_number("identity", identity), check_difficulty(difficulty))
    # The dictionaries are copied: who changes theirs must not change the next caller's.
    return replace(drawn, ancestry=dict(drawn.ancestry), brow=dict(drawn.brow))


@lru_cache(64)
def _make_identity(identity: int, difficulty: float) -> Identity:
    dice = Dice([7, identity])
    spread = 1.08 - 0.08 * difficulty
    male = dice.chance(0.5)
    age = 18 + 62 * dice.uniform() ** 1.7
    main = dice.pick(ANCESTRY_SHARES)
    minor = {name: -(math.log(1 - dice.uniform()) ** 3) for name in ANCESTRIES}
    mixed = dice.uniform(0.05, 0.4)
    ancestry = {name: mixed * v / sum(minor.values()) for name, v in minor.items()}
    ancestry[main] += 1 - mixed
    african, asian = ancestry["african"], ancestry["asian"]
    melanin = 0.78 * african + 0.36 * asian + 0.20 * ancestry["caucasian"]
    melanin = dice.normal(melanin, 0.12 * spread, 0.03, 0.97)

    dark_haired = dice.chance(1.2 * (african + asian))
    hair_color = dice.pick(DARK_HAIR if dark_haired else FAIR_HAIR)
    grey = dice.normal((age - 48) / 30, 0.2, 0, 1)
    hair_tone = dice.normal(0, 0.15, -0.5, 0.5)
    hair_rgb, brow_rgb = hair_colors(hair_color, grey, hair_tone)
    dark_eyed = dice.chance(1.22 * (african + asian))
    eye_color = dice.pick(DARK_EYES if dark_eyed else FAIR_EYES)
    eye_tone = frozen([dice.normal(0, sd, -3 * sd, 3 * sd) for sd in (0.10, 0.08, 0.08)])
    style = dice.pick(style_shares(male, african >= 0.6, age))
    temples = dice.normal(0.35 if male else 0.1, 0.25) + max(0, age - 40) / 100 * (
        1 if male else 0.2
    )
    painted = dice.chance(0 if male else 0.7)
    habit = dice.uniform(0.2, 1) if painted else 0.0 * dice.uniform()
    beard = dice.pick(BEARDS if male else {"none": 1.0})
    stubble = dice.normal(0.30, 0.25, 0, 1) * male
    owns_glasses = dice.chance(0.19 + 0.3 * max(0.0, age - 40) / 40)
    frame = dice.pick(GLASSES)
    frame_color = dice.pick(FRAME_COLOR_SHARES)
    n_moles = sum(dice.chance(p) for p in (0.6, 0.4, 0.25, 0.15))
    moles = np.array(
        [
            [dice.uniform(-0.48, 0.48), dice.uniform(6.3, 7.95), dice.uniform(0.009, 0.022)]
            for _ in range(4)
        ]
    )[:n_moles]
    axes = shape_axes()
    n_shape = sum(axes.loadings.shape)
    normals = dice.rng.standard_normal(n_shape + len(head_model().asymmetries))
    return Identity(
        identity=identity,
        gender="male" if male else "female",
        gender_axis=dice.normal(0.94 if male else 0.04, 0.05, 0, 1),
        age_years=age,
        ancestry=ancestry,
        ancestry_main=main,
        muscle=dice.normal(0.52 if male else 0.38, 0.13 * spread, 0, 1),
        weight=dice.normal(0.5, 0.21 * spread, 0.05, 0.98),
        shape=frozen(draw_shape(normals[:n_shape], spread * (1.0 if male else 0.95))),
        asymmetry=frozen(np.clip(normals[n_shape:] * 0.16, -0.5, 0.5)),
        melanin=melanin,
        hemoglobin=dice.normal(0.45, 0.22 * spread, 0, 1),
        yellowness=dice.normal(0.6 if main == "asian" else 0.35, 0.15, 0, 1),
        mottle=dice.uniform(0.3, 1),
        blush=dice.normal(0.5, 0.3, 0, 1.2),
        dark_circles=dice.normal(0.35 + (age - 40) / 120, 0.25, 0, 1.1),
        wrinkles=dice.normal((age - 28) / 45, 0.12, 0, 1.1),
        gloss=dice.normal(0.5, 0.2, 0.1, 1),
        freckles=dice.normal(-0.3, 0.6, 0, 1.5) * (1 - melanin),
        moles=frozen(moles.reshape(-1, 3)),
        skin_seed=dice.seed(),
        hair_style=style,
        hair_color=hair_color,
        hair_tone=hair_tone,
        hair_rgb=hair_rgb,
        greyness=grey,
        hairline=dice.normal(-0.02, 0.06, -0.2, 0.16),
        temples=min(max(temples + 0.5 * (style == "receding"), 0), 1.1),
        curl=dice.normal(0.15 + 0.75 * (african > 0.6), 0.2, 0, 1),
        volume=dice.normal(0.5, 0.25, 0, 1),
        hair_length=dice.uniform(0.2, 1),
        parting=dice.sign() * dice.uniform(0, 0.45),
        bangs_y=dice.uniform(7.55, 7.8),
        hair_seed=dice.seed(),
        beard=beard,
        stubble_habit=stubble,
        brow_rgb=brow_rgb,
        brow={
            "thickness": dice.normal(*((0.042, 0.010) if male else (0.028, 0.007)), 0.016, 0.070),
            "density": dice.normal(0.70 if male else 0.55, 0.2, 0.25, 1.2),
            "arch": dice.normal(0.25 if male else 0.5, 0.3, -0.3, 1.2),
            "height": dice.normal(0, 0.022, -0.045, 0.05),
            "inner": dice.normal(0.115, 0.018, 0.085, 0.16),
            "outer": dice.normal(0.485, 0.02, 0.43, 0.54),
            "tilt": dice.normal(-0.03, 0.16, -0.4, 0.35),
            "taper": dice.uniform(0.25, 0.7),
        },
        eye_color=eye_color,
        eye_tone=eye_tone,
        eye_rgb=eye_color_rgb(eye_color, eye_tone),
        iris_radius=dice.normal(0.495, 0.018, 0.44, 0.55),
        lashes=dice.normal(0.3 if male else 0.7, 0.15, 0.1, 1),
        lip_hue=dice.uniform(-1, 1),
        lip_strength=dice.normal(0.45 if male else 0.85, 0.2, 0.1, 1.25),
        makeup_habit=habit,
        lipstick=frozen([dice.uniform() for _ in range(3)]),
        glasses=frame if owns_glasses else "none",
        glasses_rgb=frozen(np.array(FRAME_COLORS[frame_color]) * math.exp(dice.normal(0, 0.2))),
    )
