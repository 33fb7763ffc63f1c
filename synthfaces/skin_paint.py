"""The compiled loop that mixes a person's skin from shared zones and noise.

Row by row, in short loops over float32 arrays that a compiler can run eight texels at a time.
Introduced in chapter 1.
"""

from typing import NamedTuple

import numpy as np

from synthfaces.raster import compiled
from synthfaces.skin_zones import FIELD, TILE, ZONE

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
def paint(recipe, zones, noise, y, line):
    """Return the layers of `skin.Skin.base`, float32 [HEIGHT, WIDTH, 7].

    Args:
        recipe: `Recipe`.
        zones, noise: from `skin_zones`.
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
        first = recipe.starts[_PATCH, 1]
        patch = noise[_PATCH, (recipe.starts[_PATCH, 0] + row) % TILE, first : first + width]
        first = recipe.starts[_GRAIN, 1]
        grain = noise[_GRAIN, (recipe.starts[_GRAIN, 0] + row) % TILE, first : first + width]
        first = recipe.starts[_SPOTS, 1]
        spots = noise[_SPOTS, (recipe.starts[_SPOTS, 0] + row) % TILE, first : first + width]
        first = recipe.starts[_HAIRS, 1]
        hairs = noise[_HAIRS, (recipe.starts[_HAIRS, 0] + row) % TILE, first : first + width]
        first, at = recipe.starts[_STREAK, 1], (recipe.starts[_STREAK, 0] + row) % TILE
        streak = noise[_STREAK, at, first : first + width]
        streak_u = noise[_STREAK_U, at, first : first + width]
        first, at = recipe.starts[_PORES, 1], (recipe.starts[_PORES, 0] + row) % TILE
        pit = noise[_PORES, at, first : first + width]
        pores_u = noise[_PORES_U, at, first : first + width]
        pores_v = noise[_PORES_V, at, first : first + width]
        lips, mouth_line, freckled = (
            zones[_LIPS, row],
            zones[_MOUTH_LINE, row],
            zones[_FRECKLES, row],
        )
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
                first = recipe.starts[k, 1]
                tile = noise[k, (recipe.starts[k, 0] + row) % TILE, first : first + width]
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
