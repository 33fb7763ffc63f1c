"""Skin: one small picture per identity, wrapped around the head like a label around a jar.

A person's skin is a weighted sum of zones and noise that all people share (`skin_map.py`), a blend
of lips, beard and scalp over it, and the person's own marks and eyebrows (`skin_marks.py`).
Make-up is worn per picture: the shader blends one colour through each mask. Colours are linear
light. Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from synthfaces.hair_growth import hairline_height, scalp_paint
from synthfaces.identity import Identity
from synthfaces.raster import compiled
from synthfaces.sample import Sample
from synthfaces.skin_map import BEARD_KINDS, FIELD, NOISE, TILE, ZONE, ZONES, noise, texels, zones
from synthfaces.skin_marks import draw_brows, draw_spots, draw_wrinkles

# float32 constants keep the compiled loops narrow.
_ZERO, _HALF, _ONE, _TWO, _THREE = (np.float32(k) for k in (0, 0.5, 1, 2, 3))
_EIGHTH, _FLOOR, _DULLEST = (np.float32(k) for k in (0.125, 0.002, 0.05))
_CLOUD, _PATCH, _GRAIN, _SPOTS = FIELD["cloud"], FIELD["patch"], FIELD["grain"], FIELD["spots"]
_HAIRS, _STREAK, _STREAK_U = FIELD["hairs"], FIELD["streak"], FIELD["streak_u"]
_PORES, _PORES_U, _PORES_V = FIELD["pores"], FIELD["pores_u"], FIELD["pores_v"]
_LIPS, _MOUTH_LINE, _FRECKLES = ZONE["lips"], ZONE["mouth_line"], ZONE["freckles"]
_SHINE, _POROUS, _BEARD = ZONE["shine"], ZONE["pores"], ZONE["beard"]


class Recipe(NamedTuple):
    """What is mixed; all numbers float32."""

    starts: np.ndarray  # int64 [NOISE, 2]: row and column at which each tile is read
    in_zones: np.ndarray  # [ZONES, 3]: what each zone adds to the logarithm of RGB
    in_noise: np.ndarray  # [3, 3]: likewise cloud, patch and grain
    pigment: np.ndarray  # [3]: likewise a freckle
    below: np.ndarray  # [3]: likewise a hair under shaved skin
    tone: np.ndarray  # [3], linear RGB, like the next three
    lip: np.ndarray
    ground: np.ndarray  # skin under a beard
    scalp: np.ndarray  # skin under the hair
    lip_strength: np.float32
    lip_streaks: np.float32  # how much creases change the lips' colour
    lip_relief: np.float32
    freckled: np.float32
    freckle_threshold: np.float32
    pits: np.float32  # how dark pores are
    relief: np.float32  # slope of pores
    beard: int  # row of the zones where a beard's ground is painted
    ground_cover: np.float32  # 0 without a beard
    stubble: np.float32  # 1 where stubble can grow at all, 0 for women
    cover: np.float32  # of the scalp
    crown: np.float32  # how bald the crown is
    hairs_on_scalp: np.float32  # how much single hairs show


@compiled
def _window(noise, starts, place, row, width, field=-1):
    """Return a row of a noise tile (of another ``field``, if given) where ``place`` is read."""
    first = starts[place, 1]
    chosen = place if field < 0 else field
    return noise[chosen, (starts[place, 0] + row) % TILE, first : first + width]


@compiled
def paint(recipe, zones, noise, y, line):
    """Return the layers of `skin.Skin.base`, float32 [HEIGHT, WIDTH, 7].

    Args:
        recipe: `Recipe`.
        zones, noise: from `skin_map`.
        y: float32 [HEIGHT], decimetres.
        line: float32 [WIDTH], height of the hairline, decimetres.
    """
    height, width = zones.shape[1:]
    base = np.empty((height, width, 7), np.float32)
    layer = np.empty((7, width), np.float32)
    spot, pore, hair = np.empty((3, width), np.float32)
    lipped, dense, scalp = np.empty((3, width), np.float32)
    rough, ragged, steep = np.float32(0.45), np.float32(0.02), np.float32(1 / 0.17)
    edge, patchy, five = np.float32(7.7), np.float32(0.03), np.float32(5)
    for row in range(height):
        patch = _window(noise, recipe.starts, _PATCH, row, width)
        grain = _window(noise, recipe.starts, _GRAIN, row, width)
        spots = _window(noise, recipe.starts, _SPOTS, row, width)
        hairs = _window(noise, recipe.starts, _HAIRS, row, width)
        # Slopes are read where their field is read.
        streak = _window(noise, recipe.starts, _STREAK, row, width)
        streak_u = _window(noise, recipe.starts, _STREAK, row, width, _STREAK_U)
        pit = _window(noise, recipe.starts, _PORES, row, width)
        pores_u = _window(noise, recipe.starts, _PORES, row, width, _PORES_U)
        pores_v = _window(noise, recipe.starts, _PORES, row, width, _PORES_V)
        lips, mouth_line = zones[_LIPS, row], zones[_MOUTH_LINE, row]
        freckled = zones[_FRECKLES, row]
        shine, porous, beard = zones[_SHINE, row], zones[_POROUS, row], zones[_BEARD, row]
        kept = zones[recipe.beard, row]

        threshold, freckles = recipe.freckle_threshold, recipe.freckled
        for i in range(width):
            spot[i] = min(_ONE, max(_ZERO, spots[i] - threshold)) * freckled[i] * freckles
        pits = recipe.pits
        for i in range(width):
            pore[i] = pits * porous[i] * pit[i]
        for i in range(width):
            hair[i] = beard[i] * hairs[i]
        strength = recipe.lip_strength
        for i in range(width):
            lipped[i] = min(_ONE, lips[i] * strength)
        ground = recipe.ground_cover
        for i in range(width):
            dense[i] = min(_ONE, max(_ZERO, kept[i] * ground * (rough + hairs[i])))
        cover = recipe.cover
        cover *= _ONE - recipe.crown * min(_ONE, max(_ZERO, (y[row] - edge) * five))
        show = recipe.hairs_on_scalp
        for i in range(width):
            rise = (y[row] - line[i] + ragged * (patch[i] + hairs[i])) * steep + _HALF
            rise = min(_ONE, max(_ZERO, rise))
            rise *= rise * (_THREE - _TWO * rise)
            scalp[i] = min(_ONE, cover * rise * (_ONE + show * (_TWO * hairs[i] - _HALF)))

        for c in range(3):
            value = layer[c]
            value[:] = _ZERO
            for k in range(recipe.in_zones.shape[0]):
                weight = recipe.in_zones[k, c]
                if weight != _ZERO:
                    zone = zones[k, row]
                    for i in range(width):
                        value[i] += weight * zone[i]
            for k in range(recipe.in_noise.shape[0]):
                tile = _window(noise, recipe.starts, k, row, width)
                weight = recipe.in_noise[k, c]
                for i in range(width):
                    value[i] += weight * tile[i]
            pigment, below = recipe.pigment[c], recipe.below[c]
            for i in range(width):
                value[i] += pore[i] + pigment * spot[i] + below * hair[i]
            tone = recipe.tone[c]
            for i in range(width):
                power = max(_EIGHTH, _ONE + value[i] * _EIGHTH)  # nearly exp(t): (1 + t / 8) ** 8
                power *= power
                power *= power
                value[i] = tone * power * power
            lip, streaks = recipe.lip[c], recipe.lip_streaks
            for i in range(width):
                light = _ONE + streaks * streak[i] + patchy * patch[i]
                value[i] += (lip * light - value[i]) * lipped[i]
            beard_ground, scalp_ground = recipe.ground[c], recipe.scalp[c]
            for i in range(width):
                value[i] += (beard_ground - value[i]) * dense[i]
                value[i] += (scalp_ground - value[i]) * scalp[i]
            for i in range(width):
                value[i] = min(_ONE, max(_FLOOR, value[i] * (_ONE - _HALF * mouth_line[i])))

        gloss, slope_u, slope_v, stubble = layer[3], layer[4], layer[5], layer[6]
        for i in range(width):
            gloss[i] = _HALF * (_ONE - scalp[i] + lipped[i]) + shine[i] + pore[i]
        grainy = rough * _EIGHTH
        for i in range(width):
            dull = (gloss[i] + grainy * grain[i]) * (_ONE - _HALF * dense[i])
            gloss[i] = max(_DULLEST, dull)
        relief, lip_relief = recipe.relief, recipe.lip_relief
        for i in range(width):
            slope_u[i] = relief * porous[i] * pores_u[i] * (_ONE - scalp[i])
        for i in range(width):
            slope_u[i] += lip_relief * lips[i] * streak_u[i]
        for i in range(width):
            slope_v[i] = relief * porous[i] * pores_v[i] * (_ONE - scalp[i])
        grows = recipe.stubble
        for i in range(width):
            stubble[i] = min(_ONE, grows * beard[i] * (rough + hairs[i]))
        for i in range(width):
            for k in range(7):
                base[row, i, k] = layer[k, i]
    return base


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


# Linear RGB, from nude to dark; a person keeps to one place in each palette.
_LIPSTICKS = np.array(
    [
        [0.42, 0.19, 0.15],  # nude
        [0.45, 0.12, 0.14],  # rose
        [0.50, 0.10, 0.07],  # coral
        [0.40, 0.02, 0.03],  # red
        [0.24, 0.02, 0.05],  # berry
        [0.14, 0.02, 0.04],  # plum
    ]
)
_SHADOWS = np.array(
    [[0.16, 0.09, 0.06], [0.10, 0.06, 0.05], [0.12, 0.07, 0.09], [0.07, 0.07, 0.08]]
)
_BLUSHERS = np.array([[0.60, 0.20, 0.14], [0.55, 0.14, 0.13], [0.48, 0.12, 0.16]])


def _between(palette: np.ndarray, position: float) -> np.ndarray:
    """Return the colour at ``position`` in [0, 1] along a palette, float64 [3]."""
    at = np.clip(position, 0, 1) * (len(palette) - 1)
    i = min(int(at), len(palette) - 2)
    return palette[i] + (at - i) * (palette[i + 1] - palette[i])


@lru_cache(1)
def overlays() -> np.ndarray:
    """Return the make-up masks, float32 [HEIGHT, WIDTH, 3] in [0, 1]: lips, eyelids, cheeks."""
    maps = zones()
    return np.stack([maps[ZONE[name]] for name in ("lips", "lid_shadow", "cheeks")], axis=-1)


def makeup_colors(person: Identity, sample: Sample) -> np.ndarray:
    """Return lipstick, eye shadow and blusher of this picture, float32 [3, 4].

    Columns: linear RGB and alpha in [0, 1]; alpha is 0 where none is worn (``sample.makeup`` 0).
    """
    worn = float(np.clip(sample.makeup, 0, 1))
    deep = 1 - 0.65 * person.melanin  # make-up is chosen to suit the skin
    colors = np.zeros((3, 4), np.float32)
    for row, (palette, alpha) in enumerate(
        [(_LIPSTICKS, 0.68), (_SHADOWS, 0.50), (_BLUSHERS, 0.25)]
    ):
        colors[row, :3] = _between(palette, float(person.lipstick[row])) * deep
        colors[row, 3] = alpha * worn
    return colors
