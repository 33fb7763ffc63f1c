"""Skin: one small picture per identity, wrapped around the head like a label around a jar.

A person's skin is a weighted sum of zones and noise that all people share (`skin_zones.py`), a
blend of lips, beard and scalp over it, and the person's own marks (`skin_marks.py`) and eyebrows
(`brows.py`). Colours are linear light. Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthfaces.brows import draw_brows
from synthfaces.hairline import hairline_height, scalp_paint
from synthfaces.identity import Identity
from synthfaces.raster import compiled
from synthfaces.skin_map import BEARD_KINDS, texels
from synthfaces.skin_marks import draw_spots, draw_wrinkles
from synthfaces.skin_paint import Recipe, paint
from synthfaces.skin_zones import NOISE, TILE, ZONE, ZONES, noise, zones

# Skin colours from light to dark, linear RGB, about as saturated as measured ones (CIELAB chroma
# near 20 from fair to dark).
_TONES = np.array(
    [
        [0.84, 0.610, 0.510],
        [0.74, 0.487, 0.370],
        [0.55, 0.335, 0.233],
        [0.355, 0.198, 0.128],
        [0.19, 0.097, 0.061],
        [0.082, 0.040, 0.028],
    ]
)
# Logarithms of RGB: what a unit of blood, pigment, shadow or dark hair under the skin does.
_BLOOD = np.array([0.04, -0.11, -0.085])
_PIGMENT = np.array([-0.28, -0.50, -0.60])
_SHADE = np.array([-0.80, -1.05, -0.95])
_HAIR_BELOW = np.array([-0.62, -0.50, -0.36])


@dataclass(frozen=True)
class Skin:
    """The skin of one person, on the texture of `skin_map.py`."""

    base: np.ndarray
    """float32 [HEIGHT, WIDTH, 7]: linear RGB in [0.002, 1]; gloss, about 0.05..1.5; relief, the
    slope of the skin's height along +angle and +y; facial hair in [0, 1] (where stubble grows)."""


def skin_tone(person: Identity) -> np.ndarray:
    """Return the base skin colour, float64 [3], linear RGB."""
    position = min(person.melanin, 0.9999) * (len(_TONES) - 1)
    i = int(position)
    tone = _TONES[i] + (position - i) * (_TONES[i + 1] - _TONES[i])
    blood, yellow = person.hemoglobin - 0.45, person.yellowness - 0.4
    return tone * [1 + 0.06 * blood, 1 - 0.16 * blood, 1 - 0.12 * blood - 0.22 * yellow]


def stubble_rgb(person: Identity) -> np.ndarray:
    """Return the colour of this person's stubble over the skin, float32 [3], linear RGB."""
    return (0.8 * person.brow_rgb + 0.14 * skin_tone(person)).astype(np.float32)


@compiled
def _hairline(angle, hairline, temples, male):
    line = np.empty(angle.shape[0], np.float32)
    for column in range(angle.shape[0]):
        line[column] = hairline_height(angle[column], hairline, temples, male)
    return line


def _weights(person: Identity, below: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what each zone [ZONES, 3] and cloud, patch, grain [3, 3] add to the log of RGB."""
    in_zones = np.zeros((len(ZONES), 3), np.float32)
    pale = 1 - 0.65 * person.melanin
    in_zones[ZONE["rosy"]] = _BLOOD * (0.45 + 1.1 * person.blush) * pale
    in_zones[ZONE["circles"]] = _SHADE * 0.20 * person.dark_circles + 0.15 * _BLOOD
    in_zones[ZONE["lids"]] = _SHADE * (0.07 + 0.10 * person.lashes)
    in_zones[ZONE["deep"]] = -0.20 * max(0.0, person.melanin - 0.25)
    in_zones[ZONE["pale"]] = [0.035, 0.05, 0.01]
    in_zones[ZONE["beard"]] = _HAIR_BELOW * 0.35 * below
    cloud = 0.022 + 0.45 * _BLOOD * pale
    patch = 0.010 - 0.40 * _BLOOD * pale
    return in_zones, person.mottle * np.stack([cloud, patch, np.full(3, 0.014)])


def _lip_color(person: Identity, tone: np.ndarray) -> np.ndarray:
    # Dark lips are browner than fair ones: pigment hides the blood.
    m = person.melanin
    lip = tone * [0.80 - 0.16 * m, 0.45 + 0.10 * m, 0.50 + 0.08 * m] + [0.02 * (1 - m), 0, 0]
    return lip * [1, 1 + 0.10 * person.lip_hue, 1 - 0.06 * person.lip_hue]


def skin_layers(person: Identity) -> Skin:
    """Paint the skin of a person (about 5 ms)."""
    grid = texels()
    # Four streams, so that one more wrinkle does not move the brows' hairs.
    rngs = [np.random.default_rng([person.skin_seed, k]) for k in range(4)]
    tone = skin_tone(person)
    male = person.gender == "male"
    shaved = person.hair_style in ("bald", "buzz")
    cover, crown = scalp_paint(person.hair_style)
    if person.hair_style == "bald":
        cover *= 1 - 0.6 * person.greyness
    scalp = 0.9 * person.hair_rgb + (0.06 if shaved else 0.03) * tone
    # Hair under shaved skin shows where the hair is dark and the skin is fair.
    contrast = np.clip(1 - person.brow_rgb.mean() / (0.55 * tone.mean()), 0, 1) if male else 0.0
    below = contrast * (0.15 + 0.5 * person.stubble_habit)
    in_zones, in_noise = _weights(person, below)
    bearded = person.beard in BEARD_KINDS
    f32 = np.float32
    recipe = Recipe(
        starts=rngs[0].integers(0, TILE, (len(NOISE), 2)),
        in_zones=in_zones,
        in_noise=in_noise.astype(f32),
        pigment=_PIGMENT.astype(f32),
        below=(_HAIR_BELOW * 0.7 * below).astype(f32),
        tone=tone.astype(f32),
        lip=_lip_color(person, tone).astype(f32),
        ground=(person.brow_rgb + 0.08 * tone).astype(f32),
        scalp=scalp.astype(f32),
        lip_strength=f32(0.9 * person.lip_strength),
        lip_streaks=f32(0.05),
        lip_relief=f32(0.06),
        freckled=f32(1.6 * min(1.0, person.freckles)),
        freckle_threshold=f32(1.35 - 0.4 * person.freckles),
        pits=f32(0.016 + 0.012 * person.mottle),
        relief=f32(0.050 + 0.030 * person.wrinkles),
        beard=ZONE[person.beard] if bearded else 0,
        ground_cover=f32(0.62 if bearded else 0),
        stubble=f32(1.05 if male else 0),
        cover=f32(cover),
        crown=f32(crown),
        hairs_on_scalp=f32(0.25 if shaved else 0.08),
    )
    line = _hairline(grid.angle, person.hairline, person.temples, male)
    base = paint(recipe, zones(), noise(), grid.y, line)
    draw_wrinkles(base, person, rngs[1])
    draw_spots(base, person, tone, rngs[2])
    draw_brows(base, person, tone, rngs[3])
    return Skin(base)
