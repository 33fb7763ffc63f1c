"""Who a synthetic person is: every parameter that stays the same from picture to picture.

All values are drawn from one generator seeded with the identity number, so a person *is* an
integer. They are parameters of a graphics model: "gender" and "ancestry" name ends of shape axes
of the MakeHuman model, not facts about people. Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbnet_lib.faces.synth.model import head_model

ANCESTRIES = ("african", "asian", "caucasian")  # MakeHuman's names for three base meshes

# Linear-light RGB.
HAIR_COLORS = {
    "black": (0.016, 0.013, 0.012),
    "darkbrown": (0.040, 0.023, 0.014),
    "brown": (0.090, 0.048, 0.024),
    "lightbrown": (0.17, 0.095, 0.045),
    "blond": (0.42, 0.27, 0.12),
    "red": (0.22, 0.065, 0.02),
    "grey": (0.36, 0.35, 0.34),
    "white": (0.62, 0.61, 0.59),
}
EYE_COLORS = {
    "darkbrown": (0.030, 0.014, 0.008),
    "brown": (0.075, 0.030, 0.012),
    "hazel": (0.16, 0.10, 0.03),
    "green": (0.14, 0.19, 0.09),
    "blue": (0.16, 0.27, 0.42),
    "grey": (0.24, 0.28, 0.31),
}
_FAIR_HAIR = {
    "black": 0.08, "darkbrown": 0.24, "brown": 0.28, "lightbrown": 0.18, "blond": 0.16, "red": 0.06,
}  # fmt: skip
_FAIR_EYES = {
    "brown": 0.25, "hazel": 0.17, "green": 0.13, "blue": 0.27, "grey": 0.10, "darkbrown": 0.08,
}  # fmt: skip
_STYLES_MALE = {
    "bald": 0.10, "buzz": 0.16, "short": 0.28, "side": 0.20, "receding": 0.12, "medium": 0.08,
    "afro": 0.06,
}  # fmt: skip
_STYLES_MALE_CURLY = {
    "bald": 0.18, "buzz": 0.36, "short": 0.14, "side": 0.04, "receding": 0.08, "medium": 0.04,
    "afro": 0.16,
}  # fmt: skip
_STYLES_FEMALE = {
    "long": 0.34, "bob": 0.20, "pulled": 0.18, "short": 0.06, "side": 0.05, "afro": 0.03,
    "bangs": 0.14,
}  # fmt: skip
_STYLES_FEMALE_CURLY = {
    "long": 0.20, "bob": 0.14, "pulled": 0.28, "short": 0.08, "side": 0.02, "afro": 0.22,
    "bangs": 0.06,
}  # fmt: skip
_BEARDS = {"none": 0.58, "moustache": 0.08, "goatee": 0.10, "full": 0.10, "short": 0.14}

# Standard deviation of the local shape axes, per part of the face.
SHAPE_SIGMA = {
    "nose": 0.42, "mouth": 0.38, "eyes": 0.36, "chin": 0.42, "cheek": 0.34, "ears": 0.40,
    "forehead": 0.40, "head": 0.22, "neck": 0.25, "eyebrows": 0.45,
}  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """One synthetic person. Ranges are [0, 1] where nothing else is said; colours linear RGB."""

    identity: int
    gender: str  # "male" or "female"
    gender_axis: float  # 0 female mesh .. 1 male mesh
    age_years: float  # 18 .. 80
    ancestry: dict[str, float]  # weights of the three base meshes, sum 1
    ancestry_main: str
    muscle: float
    weight: float  # 0 thin .. 1 heavy
    shape: np.ndarray  # float64 [axes], standard normal: local shape
    asymmetry: np.ndarray  # float64 [asymmetries]
    melanin: float
    hemoglobin: float
    yellowness: float
    mottle: float
    blush: float
    dark_circles: float
    wrinkles: float
    gloss: float
    freckles: float
    moles: np.ndarray  # float64 [n, 3]: x, y on the face in decimetres, radius
    skin_seed: int
    hair_style: str
    hair_color: str
    hair_rgb: np.ndarray
    greyness: float  # share of grey in the hair
    hairline: float  # decimetres above the mean hairline
    temples: float  # 0 full .. 1 receded
    curl: float
    volume: float
    hair_length: float
    parting: float  # -0.45 (subject's right) .. 0.45
    bangs_y: float  # height where a fringe ends, decimetres
    hair_seed: int
    beard: str
    stubble: float
    brow_rgb: np.ndarray
    brow: dict[str, float]
    eye_color: str
    eye_rgb: np.ndarray
    iris_radius: float  # radians on the eyeball
    lashes: float
    lip_hue: float  # -1 .. 1
    lip_strength: float
    makeup: float  # above 0.45: lipstick
    lipstick: np.ndarray


def _pick(rng: np.random.Generator, table: dict[str, float]) -> str:
    names = list(table)
    p = np.array([table[n] for n in names])
    return names[int(rng.choice(len(names), p=p / p.sum()))]


def _clipped(rng: np.random.Generator, mean: float, sd: float, low=0.0, high=1.0) -> float:
    return float(np.clip(rng.normal(mean, sd), low, high))


def make_identity(identity: int) -> Identity:
    """Draw the person number ``identity`` (any non-negative integer); always the same one."""
    model = head_model()
    rng = np.random.default_rng([7, int(identity)])
    male = bool(rng.random() < 0.5)
    age = float(np.clip(rng.gamma(4.5, 5) + 16, 18, 80))
    main = ANCESTRIES[int(rng.choice(3, p=[0.3, 0.3, 0.4]))]
    ancestry = dict(zip(ANCESTRIES, 0.25 * rng.dirichlet([0.35] * 3), strict=True))
    ancestry[main] += 0.75
    african, asian = ancestry["african"], ancestry["asian"]
    melanin = 0.78 * african + 0.36 * asian + 0.20 * ancestry["caucasian"] + rng.normal(0, 0.09)
    melanin = float(np.clip(melanin, 0.03, 0.97))

    if rng.random() < 0.93 * (african + asian):
        hair_color = _pick(rng, {"black": 0.75, "darkbrown": 0.25})
    else:
        hair_color = _pick(rng, _FAIR_HAIR)
    grey = float(np.clip(rng.normal((age - 48) / 30, 0.2), 0, 1))
    natural = np.array(HAIR_COLORS[hair_color])
    hair_rgb = natural * np.exp(rng.normal(0, 0.15)) * (1 - grey) + grey * np.array(
        HAIR_COLORS["grey" if grey < 0.8 else "white"]
    )
    brow_rgb = natural * 0.75 * (1 - 0.6 * grey) + 0.5 * grey * np.array(HAIR_COLORS["grey"])
    if rng.random() < 0.95 * (african + asian):
        eye_color = _pick(rng, {"darkbrown": 0.7, "brown": 0.3})
    else:
        eye_color = _pick(rng, _FAIR_EYES)

    if male:
        style = _pick(rng, _STYLES_MALE_CURLY if african >= 0.6 else _STYLES_MALE)
    else:
        style = _pick(rng, _STYLES_FEMALE_CURLY if african >= 0.6 else _STYLES_FEMALE)
    temples = rng.normal(0.35 if male else 0.1, 0.25) + max(0, age - 40) / 100 * (
        1 if male else 0.2
    )
    makeup = 0.0 if male else float(max(0, rng.normal(0.1, 0.5)))
    n_moles = min(int(rng.poisson(1.4)), 8)
    moles = np.column_stack(
        [
            rng.uniform(-0.48, 0.48, n_moles),
            rng.uniform(6.3, 7.95, n_moles),
            rng.uniform(0.009, 0.022, n_moles),
        ]
    )
    return Identity(
        identity=int(identity),
        gender="male" if male else "female",
        gender_axis=_clipped(rng, 0.94 if male else 0.06, 0.06),
        age_years=age,
        ancestry=ancestry,
        ancestry_main=main,
        muscle=_clipped(rng, 0.55 if male else 0.4, 0.15),
        weight=_clipped(rng, 0.5, 0.2, 0.05, 0.98),
        shape=rng.standard_normal(len(model.axes)),
        asymmetry=rng.standard_normal(len(model.asymmetries)) * 0.18,
        melanin=melanin,
        hemoglobin=_clipped(rng, 0.45, 0.22),
        yellowness=_clipped(rng, 0.6 if main == "asian" else 0.35, 0.15),
        mottle=float(rng.uniform(0.3, 1)),
        blush=_clipped(rng, 0.5, 0.3, 0, 1.2),
        dark_circles=_clipped(rng, 0.35 + (age - 40) / 120, 0.25, 0, 1.1),
        wrinkles=_clipped(rng, (age - 28) / 45, 0.12, 0, 1.1),
        gloss=_clipped(rng, 0.5, 0.2, 0.1, 1),
        freckles=float(max(0, rng.normal(-0.3, 0.6)) * (1 - melanin)),
        moles=moles,
        skin_seed=int(rng.integers(1 << 31)),
        hair_style=style,
        hair_color=hair_color,
        hair_rgb=hair_rgb,
        greyness=grey,
        hairline=float(rng.normal(0, 0.07)),
        temples=float(np.clip(temples + 0.5 * (style == "receding"), 0, 1.1)),
        curl=_clipped(rng, 0.15 + 0.75 * (african > 0.6), 0.2),
        volume=_clipped(rng, 0.5, 0.25),
        hair_length=float(rng.uniform(0.2, 1)),
        parting=float(rng.choice([-1, 1]) * rng.uniform(0, 0.45)),
        bangs_y=float(rng.uniform(7.55, 7.8)),
        hair_seed=int(rng.integers(1 << 31)),
        beard=_pick(rng, _BEARDS) if male else "none",
        stubble=_clipped(rng, 0.28, 0.25) if male else 0.0,
        brow_rgb=brow_rgb + 0.004,
        brow={
            "thickness": _clipped(rng, *((0.050, 0.011) if male else (0.028, 0.007)), 0.016, 0.08),
            "density": _clipped(rng, 0.75 if male else 0.6, 0.22, 0.25, 1.3),
            "arch": _clipped(rng, 0.25 if male else 0.55, 0.28, -0.2, 1.2),
            "height": float(rng.normal(0, 0.022)),
            "inner": _clipped(rng, 0.105, 0.022, 0.05, 0.16),
            "outer": _clipped(rng, 0.485, 0.025, 0.42, 0.55),
            "tilt": float(rng.normal(0.05, 0.22)),
            "taper": float(rng.uniform(0.25, 0.7)),
        },
        eye_color=eye_color,
        eye_rgb=np.array(EYE_COLORS[eye_color]) * np.exp(rng.normal(0, 0.2, 3) * [1, 0.6, 0.6]),
        iris_radius=float(rng.normal(0.445, 0.02)),
        lashes=_clipped(rng, 0.3 if male else 0.7, 0.15, 0.1, 1) + 0.25 * (makeup > 0.4),
        lip_hue=float(rng.uniform(-1, 1)),
        lip_strength=_clipped(rng, 0.45 if male else 0.9, 0.2, 0.1, 1.25),
        makeup=makeup,
        lipstick=rng.uniform(0, 1, 3),
    )


def _base_mesh_weights(person: Identity) -> dict[str, float]:
    """Blend MakeHuman's base meshes: products of gender, age, ancestry, muscle and weight."""
    years = person.age_years
    if years < 25:  # 0.5 on MakeHuman's age axis is 25 years, 0 is a child, 1 is old
        axis = 0.5 - (25 - years) / 60
    else:
        axis = 0.5 + 0.5 * ((years - 25) / 60) ** 1.1
    ages = {"child": max(0.0, 1 - 2 * axis), "old": max(0.0, 2 * axis - 1)}
    ages["young"] = 1 - sum(ages.values())

    def three_way(name: str, value: float) -> dict[str, float]:
        low, high = max(0.0, 1 - 2 * value), max(0.0, 2 * value - 1)
        return {f"min{name}": low, f"average{name}": 1 - low - high, f"max{name}": high}

    weights = {}
    for gender, g in (("male", person.gender_axis), ("female", 1 - person.gender_axis)):
        for age, a in ages.items():
            for ancestry, r in person.ancestry.items():
                weights[f"race/{ancestry}-{gender}-{age}"] = g * a * r
            for muscle, m in three_way("muscle", person.muscle).items():
                for weight, w in three_way("weight", person.weight).items():
                    weights[f"uni/{gender}-{age}-{muscle}-{weight}"] = g * a * m * w
    return weights


def identity_mesh(person: Identity) -> np.ndarray:
    """Return the person's neutral coarse mesh, float32 [C, 3]."""
    model = head_model()
    weights = np.zeros(len(model.targets), np.float32)
    for name, value in _base_mesh_weights(person).items():
        weights[model.targets[name]] = value
    # Extremes are squashed: independent axes that all reach far out make caricatures.
    squashed = 1.7 * np.tanh(person.shape / 1.7)
    for axis, z in zip(model.axes, squashed, strict=True):
        part = axis.name.split("/")[0]
        value = float(z) * SHAPE_SIGMA[part] * (1.0 if person.gender == "male" else 0.8)
        # The image is aligned on the eyes, so large shifts of the eyes would move all the rest.
        if part == "eyes" and any(w in axis.name for w in ("trans", "scale", "push", "height2")):
            value *= 0.6
        if not axis.negative:  # one-sided axes (square head, dimples): half of the people have it
            value = max(0.0, value) * 0.7
        for row in axis.positive if value >= 0 else axis.negative:
            weights[row] += abs(value)
    for row, value in zip(model.asymmetries, person.asymmetry, strict=True):
        weights[row] += max(0.0, value)
    return model.mean + (model.offsets.T @ weights).reshape(-1, 3)
