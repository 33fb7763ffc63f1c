"""Hair and beard of a person, and drawing them into a picture.

Hair grows in two steps (`hair_growth.py`): a few hundred guides follow the comb, thousands of
strands follow the guides. A person's hair is grown once per state (loose, tied) and drawn for each
picture a little longer or shorter, tidier or messier. Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synthfaces.camera import Camera
from synthfaces.hair_drawing import draw_strands, shade_below
from synthfaces.hair_growth import (
    carried,
    choose_roots,
    follow_guides,
    grow_guides,
    hairline_table,
)
from synthfaces.hair_styles import FORWARD, GATHER, ROWS, TUFTS, UP, Style, worn
from synthfaces.hair_tufts import grow_rows, grow_tufts, grow_whiskers
from synthfaces.hairline import scalp_paint
from synthfaces.identity import Identity
from synthfaces.looks import HAIR_COLORS
from synthfaces.model import EYE_CENTRE, head_model
from synthfaces.scalp import CENTRE, beard_roots, radius_table, scalp_roots
from synthfaces.skin_map import BEARD_KINDS, beard_density

LONGEST = 1.2  # strands are stored this much longer than usual, and cut when drawn
_KNOTS = {"bun": (0, 0.62, -0.78), "ponytail": (0, 0.25, -0.97), "pulled": (0, -0.15, -0.99)}
_BEARDS = {  # strands, length, + hair_length *
    "full": (4600, 0.10, 0.14),
    "short": (4600, 0.045, 0.03),
    "goatee": (2400, 0.08, 0.08),
    "moustache": (1200, 0.075, 0.03),
}


@dataclass(frozen=True)
class Strands:
    """n polylines of k points, inner hair first. Decimetres, head coordinates."""

    points: np.ndarray  # float32 [n, k, 3]
    color: np.ndarray  # float32 [n, 3], linear RGB
    occlusion: np.ndarray  # float32 [n, k], share of the light that gets there
    width: np.ndarray  # float32 [n]
    opacity: np.ndarray  # float32 [n]
    wild: np.ndarray  # float32 [n, 3], how far the tip strays in messy hair
    anchors: np.ndarray  # int32 [n], the fine vertex a beard's root moves with; hair: int32 [0]
    rest: np.ndarray  # float32 [n, 3], where that vertex is in the neutral face; hair: [0, 3]


def _eye_shift(vertices: np.ndarray) -> np.ndarray:
    """Return how far the eyes are from those of the mean head, float32 [3]."""
    model = head_model()
    eyes = (vertices[model.eye_left].mean(0) + vertices[model.eye_right].mean(0)) / 2
    return (eyes - np.array([0, EYE_CENTRE[1], EYE_CENTRE[2]])).astype(np.float32)


@lru_cache(1)
def _dice() -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal and uniform numbers for roots, float32 [16384, 6] and [16384, 3]."""
    rng = np.random.default_rng(7)
    return rng.standard_normal((16384, 6), np.float32), rng.random((16384, 3), np.float32)


def _throws(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return the rows of `_dice` that belong to roots 0 to n, int [n].

    A root has the same numbers whichever of its neighbours grow hair, so that a rounding error in
    a density moves one strand and not all of them.
    """
    return (np.arange(n) + rng.integers(16384)) % 16384


def _colors(
    rgb: np.ndarray, grey: float, spread: np.ndarray, chance: np.ndarray, sigma: float
) -> np.ndarray:
    """Vary a hair colour from strand to strand; a share of the strands is grey."""
    color = rgb * np.exp(sigma * spread)[:, None]
    color[chance < 0.4 * grey] = HAIR_COLORS["grey"]
    return color.astype(np.float32)


def grow_hair(person: Identity, vertices: np.ndarray, state: str = "usual") -> list[Strands]:
    """Grow the hair of a head (some milliseconds).

    Args:
        person: the identity.
        vertices: float32 [F, 3], the person's neutral fine head.
        state: "usual", or one of ``hair_styles.TIEABLE[person.hair_style]``.

    Returns:
        Empty for a bald head, else one set of strands.
    """
    if person.hair_style == "bald":
        return []
    style = worn(person.hair_style, state, person.curl)
    rng = np.random.default_rng([person.hair_seed, ("usual", "tied", "loose").index(state)])
    pool, guide_roots = scalp_roots()
    male = person.gender == "male"
    normal, uniform = _dice()
    rows = _throws(rng, len(pool.place))
    crown = scalp_paint(person.hair_style)[1]
    chosen, density = choose_roots(
        pool.place, uniform[rows, 0], person.hairline, person.temples, male, crown, style.strands
    )
    n, rows = len(chosen), rows[chosen]
    middle = CENTRE + _eye_shift(vertices)
    roots = carried(pool.corners[chosen], pool.weights[chosen], vertices, middle)
    noise = normal[rows]
    uneven = rng.standard_normal((len(guide_roots), 4), np.float32)
    near = pool.guides[chosen]
    lock_tone = uneven[near[:, 0], 3]
    width = style.width * (0.4 + 0.6 * density) * (1 + 0.2 * noise[:, 5])
    length = LONGEST * (style.top[0] + style.top[1] * person.hair_length)
    if style.layout == TUFTS:
        volume = style.volume[0] + style.volume[1] * person.volume
        points, occlusion = grow_tufts(
            roots, density, volume, 0.014 + 0.04 * volume, noise, style.points
        )
        width = width * np.linspace(2, 0.9, n) ** 2
    elif style.layout == ROWS:
        points, occlusion = grow_rows(roots, density, length, noise, style.points)
    else:
        points, occlusion = _combed(
            person, style, pool, guide_roots, chosen, density, roots, noise, uneven,
            uniform[rows, 2], vertices, middle, float(rng.uniform(-1, 1)),
        )  # fmt: skip
        width = width * np.linspace(1.7, 0.9, n)
    stray = min(0.22, 0.12 * length) * uneven[near[:, 0], :3] + 0.15 * style.frizz * noise[:, :3]
    return [
        Strands(
            points=points + middle,
            color=_colors(
                person.hair_rgb,
                person.greyness,
                noise[:, 3] + 0.7 * lock_tone,
                uniform[rows, 1],
                0.16,
            ),
            occlusion=occlusion,
            width=width.astype(np.float32),
            opacity=np.float32(style.opacity) * (0.45 + 0.55 * density),
            wild=np.ascontiguousarray(stray, np.float32),
            anchors=np.zeros(0, np.int32),
            rest=np.zeros((0, 3), np.float32),
        )
    ]


def _combed(person, style: Style, pool, guide_roots, chosen, density, roots, noise, uneven, tip,
            vertices, middle, lean) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Grow guides and the strands between them."""
    male = person.gender == "male"
    start = carried(pool.corners[guide_roots], pool.weights[guide_roots], vertices, middle)
    table = radius_table(vertices, middle)
    line = hairline_table(person.hairline, person.temples, male)

    # Each hair falls to its side of the parting.
    def sides(points: np.ndarray, wobble: np.ndarray) -> np.ndarray:
        across = points[:, 0] / np.sqrt((points**2).sum(1))
        return np.where(across - 0.5 * person.parting + 0.015 * wobble > 0, 1, -1).astype(
            np.float32
        )

    aside, own_side = sides(start, uneven[:, 0]), sides(roots, noise[:, 0])
    if style.flow in (FORWARD, UP, GATHER):
        aside[:], own_side[:] = 1, 1
    top, side = (LONGEST * (a + b * person.hair_length) for a, b in (style.top, style.sides))
    volume = style.volume[0] + style.volume[1] * person.volume
    knot = np.array(_KNOTS.get(person.hair_style, _KNOTS["bun"]), np.float32)
    fringe_end = person.bangs_y - (LONGEST - 1) * (8.2 - person.bangs_y)
    guides = grow_guides(
        start, aside, uneven, table, line,
        np.array([style.flow, volume, style.stand, style.front, style.frame, style.drape,
                  style.fringe]),
        np.array([top, side, LONGEST * style.tail]),
        knot, fringe_end, lean, style.points,
    )  # fmt: skip
    swing = style.wave[0] + style.wave[1] * person.curl
    turn = 2 * np.pi * top / style.wavelength / (style.points - 1)
    shortest = 0.97 if style.flow == GATHER else 0.9 if style.fringe else 0.72
    return follow_guides(
        roots, density, pool.guides[chosen], pool.shares[chosen], guides, aside, own_side, noise,
        np.float32(shortest) + np.float32(1 - shortest) * tip,
        style.lock, style.clump, swing, min(turn, 1.5), style.frizz * (0.5 + person.curl),
    )  # fmt: skip


@lru_cache(8)
def _beard_density(kind: int) -> np.ndarray:
    """How densely a kind of beard grows at each of `beard_roots`, float32 [n]."""
    place = beard_roots().place
    return np.array([beard_density(kind, p[0], p[1], p[3]) for p in place], np.float32)


def grow_beard(person: Identity, vertices: np.ndarray, normals: np.ndarray) -> list[Strands]:
    """Grow the beard of a person, empty for none.

    Args:
        person: the identity.
        vertices: float32 [F, 3], the person's neutral fine head; ``normals``: float32 [F, 3].
    """
    if person.beard == "none":
        return []
    rng = np.random.default_rng([person.hair_seed, 3])
    pool, density = beard_roots(), _beard_density(BEARD_KINDS[person.beard])
    n, base, more = _BEARDS[person.beard]
    random, uniform = _dice()
    rows = _throws(rng, len(density))
    chosen = np.flatnonzero(uniform[rows, 0] < density)[:n]
    n, rows = len(chosen), rows[chosen]
    corners, weights = pool.corners[chosen], pool.weights[chosen]
    roots = carried(corners, weights, vertices, np.zeros(3, np.float32))
    normal = carried(corners, weights, normals, np.zeros(3, np.float32))
    noise = random[rows]
    length = LONGEST * (base + more * person.hair_length)
    points, occlusion = grow_whiskers(
        roots, normal, pool.place[chosen], density[chosen], length, noise, 5
    )
    # The first strands are wide and faint, the ground on which the others are seen.
    layer = np.arange(n) / n
    width = np.interp(layer, [0, 0.3, 0.4], [0.045, 0.035, 0.011]) * (1 + 0.15 * noise[:, 4])
    opacity = np.interp(layer, [0, 0.3, 0.4], [0.30, 0.40, 0.60]) * density[chosen] ** 0.7
    anchors = np.ascontiguousarray(corners[:, 0])
    return [
        Strands(
            points=points,
            color=_colors(
                1.2 * person.brow_rgb + 0.012,
                person.greyness,
                noise[:, 3],
                uniform[rows, 1],
                0.22,
            ),
            occlusion=occlusion,
            width=width.astype(np.float32),
            opacity=opacity.astype(np.float32),
            wild=0.03 * noise[:, :3],
            anchors=anchors,
            rest=np.ascontiguousarray(vertices[anchors], np.float32),
        )
    ]


_NO_VERTICES, _NO_HAT = np.zeros((0, 3), np.float32), np.zeros(4, np.float32)
_CYCLE = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def draw_hair(
    strands: Strands,
    camera: Camera,
    lights: np.ndarray,
    ambient: np.ndarray,
    image: np.ndarray,
    depth: np.ndarray,
    cover: np.ndarray,
    *,
    growth: float = 1.0,
    mess: float = 0.0,
    phase: float = 0.0,
    hat: np.ndarray | None = None,
    vertices: np.ndarray | None = None,
) -> None:
    """Draw hair or a beard over a picture, hidden by what is nearer.

    Args:
        strands: from `grow_hair` or `grow_beard`.
        camera: where the picture is taken from.
        lights: float32 [l, 2, 3]: unit direction to each light (world), linear RGB that a white
            wall facing it would show.
        ambient: float32 [2, 3]: linear RGB of the light from above and from below.
        image: float32 [H, W, 3], linear RGB; ``depth``: float32 [H, W]; both updated.
        cover: float32 [H, W], opacity of hair per pixel, updated; [0, 0] for none.
        growth: length, relative to the usual one, 0 to 1.2.
        mess: 0 tidy .. 1 windblown; ``phase``: radians, which way.
        hat: float32 [4], head coordinates: hair where n.x + d > 0 is hidden.
        vertices: float32 [F, 3], the head with its expression, which a beard moves with.
    """
    # Small pictures get fewer and wider strands.
    stride = 1 if camera.scale > 90 else 2 if camera.scale > 45 else 3
    halves = lights[:, 0] + np.array([0, 0, 1], np.float32)
    halves /= np.sqrt((halves**2).sum(1, keepdims=True)) + 1e-6
    own_cover = np.zeros(depth.shape, np.float32)
    tangle = mess * (np.cos(phase) * np.eye(3) + np.sin(phase) * _CYCLE)
    draw_strands(
        strands.points, strands.color, strands.occlusion, strands.width, strands.opacity,
        strands.wild, strands.anchors, strands.rest,
        _NO_VERTICES if vertices is None else vertices, stride,
        (1.0, 1.6, 2.1)[stride - 1], min(1.0, growth / LONGEST),
        tangle.astype(np.float32), _NO_HAT if hat is None else np.asarray(hat, np.float32),
        camera.rotation, camera.matrix, camera.shift, camera.distance, camera.centre,
        lights, halves.astype(np.float32), ambient, image, depth, own_cover,
    )  # fmt: skip
    grows_on_face = len(strands.anchors) > 0
    toward = 0.07 * camera.scale * lights[0, 0]
    shade_below(
        image, depth, own_cover, max(2, round(0.045 * camera.scale)),
        float(toward[0]), float(-toward[1]), 0.25 if grows_on_face else 0.62,
    )  # fmt: skip
    if cover.size:
        cover += (1 - cover) * own_cover
