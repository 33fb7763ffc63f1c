"""Who a synthetic person is: every parameter that stays the same from picture to picture.

All values are drawn from one generator seeded with the identity number, so a person *is* an
integer. They are parameters of a graphics model: "gender" and "ancestry" name ends of shape axes
of the MakeHuman model, not facts about people. Colours are linear RGB, numbers in tables of names
are shares. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from synthfaces.checks import check_difficulty, check_number
from synthfaces.dice import Dice
from synthfaces.model import head_model
from synthfaces.shape import draw_shape, shape_axes

ANCESTRIES = ("african", "asian", "caucasian")  # MakeHuman's names for three base meshes
ANCESTRY_SHARES = {"african": 0.3, "asian": 0.3, "caucasian": 0.4}

HAIR_COLORS = {
    "black": (0.022, 0.018, 0.016),
    "darkbrown": (0.048, 0.029, 0.018),
    "brown": (0.090, 0.048, 0.024),
    "lightbrown": (0.17, 0.095, 0.045),
    "darkblond": (0.26, 0.165, 0.08),
    "blond": (0.42, 0.27, 0.12),
    "platinum": (0.62, 0.50, 0.33),
    "auburn": (0.11, 0.036, 0.016),
    "red": (0.22, 0.065, 0.02),
    "strawberry": (0.40, 0.20, 0.085),
    "grey": (0.36, 0.35, 0.34),
    "white": (0.62, 0.61, 0.59),
}
EYE_COLORS = {
    "darkbrown": (0.030, 0.014, 0.008),
    "brown": (0.075, 0.030, 0.012),
    "hazel": (0.16, 0.10, 0.03),
    "green": (0.14, 0.19, 0.09),
    "blue": (0.14, 0.24, 0.34),
    "grey": (0.24, 0.28, 0.31),
}
DARK_HAIR = {"black": 0.75, "darkbrown": 0.25}
FAIR_HAIR = {
    "black": 0.07, "darkbrown": 0.23, "brown": 0.25, "lightbrown": 0.15, "darkblond": 0.10,
    "blond": 0.09, "platinum": 0.02, "auburn": 0.04, "red": 0.03, "strawberry": 0.02,
}  # fmt: skip
DARK_EYES = {"darkbrown": 0.7, "brown": 0.3}
FAIR_EYES = {
    "brown": 0.25, "hazel": 0.17, "green": 0.13, "blue": 0.27, "grey": 0.10, "darkbrown": 0.08,
}  # fmt: skip
# By (male, tightly curled).
STYLE_SHARES = {
    (True, False): {
        "bald": 0.06, "buzz": 0.09, "crop": 0.12, "short": 0.15, "textured": 0.11, "side": 0.14,
        "slick": 0.06, "quiff": 0.08, "receding": 0.06, "tonsure": 0.03, "medium": 0.05,
        "undercut": 0.05,
    },
    (True, True): {
        "bald": 0.13, "buzz": 0.28, "crop": 0.15, "textured": 0.08, "receding": 0.05,
        "tonsure": 0.02, "cornrows": 0.08, "locs": 0.07, "afro": 0.11, "afro_big": 0.03,
    },
    (False, False): {
        "long": 0.20, "wavy": 0.16, "bob": 0.14, "bangs": 0.10, "pulled": 0.08, "bun": 0.06,
        "ponytail": 0.06, "pixie": 0.06, "curly": 0.06, "side": 0.03, "medium": 0.05,
    },
    (False, True): {
        "curly": 0.20, "afro": 0.14, "afro_big": 0.10, "pulled": 0.12, "bun": 0.12,
        "cornrows": 0.08, "locs": 0.08, "bob": 0.06, "long": 0.05, "buzz": 0.03, "pixie": 0.02,
    },
}  # fmt: skip
THINNING = ("bald", "receding", "tonsure")  # rarer in the young, more common in the old
BEARDS = {"none": 0.58, "moustache": 0.08, "goatee": 0.10, "full": 0.10, "short": 0.14}
GLASSES = {"round": 0.26, "square": 0.36, "thin": 0.26, "aviator": 0.12}
FRAME_COLORS = {
    "black": (0.012, 0.012, 0.013), "brown": (0.07, 0.03, 0.014), "metal": (0.25, 0.24, 0.23),
    "gold": (0.34, 0.22, 0.08), "red": (0.16, 0.02, 0.025), "blue": (0.025, 0.05, 0.13),
}  # fmt: skip
FRAME_COLOR_SHARES = {
    "black": 0.36, "brown": 0.22, "metal": 0.20, "gold": 0.10, "red": 0.06, "blue": 0.06,
}  # fmt: skip


def style_shares(male: bool, curly: bool, age_years: float) -> dict[str, float]:
    """Return how common each hair style is."""
    thinning = min(max((age_years - 15) / 25, 0.15), 2.5) if male else 1.0
    return {
        style: share * (thinning if style in THINNING else 1.0)
        for style, share in STYLE_SHARES[male, curly].items()
    }


def frozen(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return a read-only float64 array: one identity serves every caller."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def hair_colors(color: str, greyness: float, tone: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the linear RGB [3] of hair and of brows.

    Args:
        color: a key of `HAIR_COLORS`, before greying.
        greyness: 0 to 1.
        tone: logarithm of how much lighter than usual, -0.5 to 0.5.
    """
    natural, grey = np.array(HAIR_COLORS[color]), np.array(HAIR_COLORS["grey"])
    old = np.array(HAIR_COLORS["white"]) if greyness >= 0.8 else grey
    hair = natural * math.exp(tone) * (1 - greyness) + greyness * old
    brows = natural * 0.75 * (1 - 0.6 * greyness) + 0.5 * greyness * grey + 0.004
    return frozen(hair), frozen(brows)


def eye_color_rgb(color: str, tone: np.ndarray) -> np.ndarray:
    """Return the linear RGB [3] of the iris: a key of `EYE_COLORS`, and log factors [3]."""
    return frozen(np.array(EYE_COLORS[color]) * np.exp(tone))


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


def make_identity(identity: int, difficulty: float = 1.0) -> Identity:
    """Draw the person number ``identity``; always the same one.

    Args:
        identity: any whole number from 0 up.
        difficulty: 0.25 (people differ more) to 2 (people are more alike); 1 is the default set.
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
    temples = dice.normal(0.35 if male else 0.1, 0.25)
    temples += max(0, age - 40) / 100 * (1 if male else 0.2)
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
