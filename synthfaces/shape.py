"""The shape of a head: MakeHuman's base meshes, and axes along which people differ.

An axis is a signed MakeHuman target ("nose wider"). Independent axes that all reach far out make
caricatures, so axes that go together in people share *factors* (a wide face has a wide nose), and
fourteen distances that anthropometry measures on heads are kept within about two and a half
standard deviations. Introduced in chapter 1.

Spreads of distances: L. G. Farkas, "Anthropometry of the Head and Face", 1994, rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from synthfaces.model import head_model

if TYPE_CHECKING:
    from synthfaces.identity import Identity

_OPPOSITES = {
    "incr": "decr", "up": "down", "forward": "backward", "out": "in", "convex": "concave",
    "uncompress": "compress",
}  # fmt: skip
# Standard deviation of the axes in target weights, by the start of their names; the first that
# fits counts, so exceptions stand before the rule of their part of the face. 0: not an axis (it
# moves a block sideways, turns the head or makes it older, which is set elsewhere).
SIGMA = {
    "cheek/": 0.44,
    "chin/chin-height": 0.22, "chin/chin-triangle": 0.25, "chin/": 0.48,
    "ears/ear-wing": 0.30, "ears/": 0.34,
    "eyebrows/eyebrows-angle": 0.36, "eyebrows/": 0.48,
    "eyes/eye-trans-up": 0.20, "eyes/eye-trans-out": 0.50, "eyes/eye-push2": 0.22,
    "eyes/eye-scale": 0.48, "eyes/eye-push1": 0.25, "eyes/eye-bag": 0.30, "eyes/": 0.50,
    "forehead/forehead-scale-vert": 0.10, "forehead/forehead-nubian": 0.08, "forehead/": 0.36,
    "head/head-age": 0, "head/head-angle": 0, "head/head-trans": 0,
    "head/head-scale-vert": 0.15, "head/head-scale-horiz": 0.12, "head/head-oval": 0.07,
    "head/head-round": 0.12, "head/head-invertedtriangular": 0.16, "head/head-triangular": 0.14,
    "head/head-square": 0.20, "head/head-diamond": 0.25, "head/head-rectangular": 0.22,
    "head/": 0.20,
    "mouth/mouth-trans-out": 0, "mouth/mouth-trans": 0.30, "mouth/mouth-angles": 0.20,
    "mouth/": 0.46,
    "neck/neck-trans": 0, "neck/neck-scale-vert": 0, "neck/measure": 0, "neck/": 0.25,
    "nose/nose-trans-out": 0, "nose/nose-trans": 0.28, "nose/nose-hump": 0.42,
    "nose/nose-septumangle": 0.28, "nose/nose-point": 0.40, "nose/nose-base": 0.45,
    "nose/nose-volume": 0.32, "nose/nose-nostrils-angle": 0.36,
    "nose/nose-nostrils-width": 0.36, "nose/nose-width3": 0.36, "nose/nose-scale-horiz": 0.40,
    "nose/nose-scale-vert": 0.75, "nose/nose-scale-depth": 0.36, "nose/": 0.48,
}  # fmt: skip
# Factors: axes that go together, with how strongly (the correlation with the factor).
_FACTORS: tuple[dict[str, float], ...] = (
    {  # width
        "head/head-scale-horiz-incr": 0.6, "mouth/mouth-scale-horiz-incr": 0.5,
        "nose/nose-scale-horiz-incr": 0.5, "nose/nose-width3-incr": 0.5,
        "nose/nose-nostrils-width-incr": 0.4, "cheek/cheek-bones-incr": 0.4,
        "chin/chin-width-incr": 0.5, "chin/chin-bones-incr": 0.4, "eyes/eye-trans-out": 0.5,
    },
    {  # length
        "head/head-scale-vert-incr": 0.6, "nose/nose-scale-vert-incr": 0.5,
        "chin/chin-height-incr": 0.4, "forehead/forehead-scale-vert-incr": 0.3,
        "mouth/mouth-scale-vert-incr": 0.3,
    },
    {  # softness
        "cheek/cheek-volume-incr": 0.6, "cheek/cheek-inner-incr": 0.4, "head/head-fat-incr": 0.6,
        "neck/neck-double-incr": 0.6, "head/head-round": 0.5, "nose/nose-volume-incr": 0.3,
        "cheek/cheek-bones-incr": -0.3,
    },
    {  # lips
        "mouth/mouth-upperlip-volume-incr": 0.7, "mouth/mouth-lowerlip-volume-incr": 0.7,
        "mouth/mouth-upperlip-height-incr": 0.6, "mouth/mouth-lowerlip-height-incr": 0.6,
        "mouth/mouth-philtrum-volume-incr": 0.3, "mouth/mouth-scale-depth-incr": 0.4,
    },
    {  # eyes
        "eyes/eye-height1-incr": 0.5, "eyes/eye-height2-incr": 0.6, "eyes/eye-height3-incr": 0.5,
        "eyes/eye-scale-incr": 0.5, "eyes/eye-eyefold-up": 0.4, "eyebrows/eyebrows-trans-up": 0.4,
    },
    {  # profile
        "nose/nose-scale-depth-incr": 0.6, "nose/nose-hump-incr": 0.5,
        "nose/nose-curve-convex": 0.4, "chin/chin-prominent-incr": 0.4,
        "eyebrows/eyebrows-trans-forward": 0.4,
    },
)  # fmt: skip
# Where the mean of people is not the base mesh (whose eyes are small and close): target weights,
# of everybody, of the female and of the male end of the gender axis.
_OFFSETS = {
    "eyes/eye-trans-out": (0.38, 0.10, 0.0), "eyes/eye-scale-incr": (0.30, 0.25, 0.0),
    "eyes/eye-height2-incr": (0.10, 0.25, 0.0), "eyes/eye-push2-out": (0.15, 0.10, 0.0),
    "forehead/forehead-scale-vert-decr": (0.12, 0.04, 0.0),
    "mouth/mouth-angles-up": (0.22, 0.10, 0.0), "mouth/mouth-scale-horiz-incr": (0.28, 0.0, 0.0),
    "chin/chin-width-decr": (0.0, 0.30, 0.0), "chin/chin-height-decr": (0.0, 0.25, 0.0),
    "chin/chin-jaw-drop-decr": (0.0, 0.25, 0.0), "chin/chin-bones-decr": (0.0, 0.35, 0.0),
    "eyebrows/eyebrows-trans-backward": (0.0, 0.30, 0.0),
    "eyebrows/eyebrows-trans-up": (0.10, 0.25, 0.0),
    "mouth/mouth-upperlip-volume-incr": (0.0, 0.35, 0.0),
    "mouth/mouth-lowerlip-volume-incr": (0.0, 0.35, 0.0),
    "mouth/mouth-upperlip-height-incr": (0.0, 0.20, 0.0),
    "nose/nose-scale-horiz-decr": (0.0, 0.35, 0.0), "nose/nose-width3-decr": (0.0, 0.20, 0.0),
    "nose/nose-hump-decr": (0.0, 0.25, 0.0), "nose/nose-scale-vert-decr": (0.0, 0.25, 0.0),
    "nose/nose-point-up": (0.0, 0.15, 0.0), "cheek/cheek-volume-incr": (0.0, 0.15, 0.0),
    "cheek/cheek-bones-incr": (0.0, 0.15, 0.0), "neck/neck-scale-horiz-decr": (0.0, 0.35, 0.0),
    "chin/chin-bones-incr": (0.0, 0.0, 0.20), "chin/chin-width-incr": (0.0, 0.0, 0.15),
}  # fmt: skip
# Distances on the mean head: two points (x, y, z), the direction measured in, the standard
# deviation among people of one sex and ancestry; all in decimetres.
_CHIN, _STOMION = (0, 6.165, 1.32), (0, 6.60, 1.55)
_SELLION, _SUBNASALE = (0, 7.29, 1.51), (0, 6.78, 1.56)
_DISTANCES = (
    ((0, 7.284, 1.5), (0.45, 7.28, 1.25), 0, 0.024),  # middle to outer corner of an eye
    ((0, 7.284, 1.5), (0.155, 7.26, 1.38), 0, 0.014),  # middle to inner corner
    ((0, 7.05, 1.6), (0.70, 7.05, 0.75), 0, 0.030),  # half the width at the cheekbones
    ((0, 6.45, 1.5), (0.49, 6.45, 0.75), 0, 0.032),  # half the width of the jaw
    (_SELLION, (0, 8.49, 0.35), 1, 0.060),  # height of the skull above the eyes
    (_CHIN, _SELLION, 1, 0.065),  # height of the face
    (_SUBNASALE, _SELLION, 1, 0.036),  # length of the nose
    ((0, 6.87, 1.6), (0.17, 6.87, 1.45), 0, 0.015),  # half its width
    ((0.155, 7.26, 1.38), (0, 6.925, 1.678), 2, 0.030),  # how far it stands out
    ((0, 6.64, 1.5), (0.255, 6.64, 1.38), 0, 0.019),  # half the width of the mouth
    (_STOMION, _SUBNASALE, 1, 0.024),  # upper lip
    (_CHIN, _STOMION, 1, 0.036),  # lower lip and chin
    ((0, 6.50, 1.56), (0, 6.69, 1.60), 1, 0.026),  # height of both lips
    (_STOMION, _CHIN, 2, 0.035),  # how far the chin stands out
)
_LIMIT = 2.3  # standard deviations: beyond them a distance is pulled back, in a few steps


@dataclass(frozen=True)
class ShapeAxes:
    """Signed shape axes, A of them, named after their positive targets."""

    names: tuple[str, ...]
    sigma: np.ndarray  # float64 [A], target weight per standard deviation
    negative: tuple[tuple[int, ...], ...]  # rows of `HeadModel.offsets`
    positive: tuple[tuple[int, ...], ...]
    loadings: np.ndarray  # float64 [factors, A]
    distances: np.ndarray  # float64 [D, A]: change of a distance, in its own deviations, per sigma
    pull: np.ndarray  # float64 [D, A]: least change of the axes that changes a distance by one


@lru_cache(1)
def shape_axes() -> ShapeAxes:
    """Find the model's shape axes; the left and the right side of the face move together."""
    model = head_model()
    found: dict[str, tuple[list[int], list[int]]] = {}
    for name, row in model.targets.items():
        folder, _, rest = name.partition("/")
        rest = rest[2:] if rest.startswith(("l-", "r-")) else rest
        stem, _, end = rest.rpartition("-")
        plus = next((up for up, down in _OPPOSITES.items() if end == down), end)
        key = f"{folder}/{stem}-{plus}"
        if _sigma(key) > 0:
            found.setdefault(key, ([], []))[end == plus].append(row)
    names = tuple(sorted(found))
    sigma = np.array([_sigma(name) for name in names])
    negative = tuple(tuple(found[name][0]) for name in names)
    positive = tuple(tuple(found[name][1]) for name in names)
    loadings = np.array([[factor.get(name, 0.0) for name in names] for factor in _FACTORS])
    distances = _distance_changes(negative, positive) * sigma
    pull = distances / (distances**2).sum(1, keepdims=True)
    return ShapeAxes(names, sigma, negative, positive, loadings, distances, pull)


def _sigma(name: str) -> float:
    return next((sd for start, sd in SIGMA.items() if name.startswith(start)), 0.0)


def _distance_changes(negative, positive) -> np.ndarray:
    """Return float64 [D, A]: how a unit of each axis changes each distance, in deviations."""
    model = head_model()
    fine = model.subdivide @ model.mean
    rows = []
    for start, end, direction, deviation in _DISTANCES:
        a, b = (((fine - np.array(p, np.float32)) ** 2).sum(1).argmin() for p in (start, end))
        difference = (model.subdivide[b] - model.subdivide[a]).toarray()[0]
        functional = np.zeros(model.mean.shape)
        functional[:, direction] = difference / deviation
        effect = model.offsets @ functional.ravel()
        rows.append(
            [
                (effect[list(up)].sum() - effect[list(down)].sum()) / (2 if down else 1)
                for down, up in zip(negative, positive, strict=True)
            ]
        )
    return np.array(rows)


def draw_shape(normal: np.ndarray, spread: float) -> np.ndarray:
    """Turn independent normal numbers into a plausible shape.

    Args:
        normal: float64 [factors + A], standard normal.
        spread: factor on the result; 1 is how people differ.

    Returns:
        float64 [A] within -3 .. 3, near standard normal, correlated by the factors, no
        distance far beyond its limit.
    """
    axes = shape_axes()
    factors, own = normal[: len(axes.loadings), None], normal[len(axes.loadings) :]
    shape = (axes.loadings * factors).sum(0)
    shape += own * np.sqrt(1 - (axes.loadings**2).sum(0))
    shape = 2 * np.tanh(0.5 * spread * shape)
    for _ in range(4):
        away = (axes.distances * shape).sum(1)
        excess = away - np.clip(away, -_LIMIT, _LIMIT)
        shape = shape - 0.7 * (axes.pull * excess[:, None]).sum(0)
    return np.clip(shape, -3, 3)


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
    model, axes = head_model(), shape_axes()
    weights = np.zeros(len(model.targets), np.float32)
    for name, value in _base_mesh_weights(person).items():
        weights[model.targets[name]] = value
    for name, (everybody, female, male) in _OFFSETS.items():
        value = everybody + (1 - person.gender_axis) * female + person.gender_axis * male
        for row in _target_rows(name):
            weights[row] += value
    for i, value in enumerate(axes.sigma * person.shape):
        rows = axes.positive[i] if value >= 0 else axes.negative[i]
        for row in rows:
            weights[row] += abs(value)
    for row, value in zip(model.asymmetries, person.asymmetry, strict=True):
        weights[row] += max(0.0, value)
    return model.mean + (model.offsets.T @ weights).reshape(-1, 3)


@lru_cache(64)
def _target_rows(name: str) -> tuple[int, ...]:
    """Return the rows of a target, of both sides if it has sides: "eyes/eye-scale-incr"."""
    targets = head_model().targets
    if name in targets:
        return (targets[name],)
    folder, _, rest = name.partition("/")
    return targets[f"{folder}/l-{rest}"], targets[f"{folder}/r-{rest}"]
