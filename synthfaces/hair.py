"""Hair and beard of a person, and drawing them into a picture.

Hair grows in two steps (`hair_growth.py`): a few hundred guides follow the comb, thousands of
strands follow the guides. A person's hair is grown once per state (loose, tied) and drawn for each
picture a little longer or shorter, tidier or messier.

A strand covers pixels by the share of each that is under it, so thin hair is faint instead of a
pixel wide. Light: Kajiya and Kay, "Rendering fur with three dimensional textures", SIGGRAPH 1989,
with the two shifted highlights of Marschner et al., "Light scattering from human hair fibers",
SIGGRAPH 2003. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synthfaces.camera import Camera
from synthfaces.hair_growth import (
    CENTRE,
    beard_roots,
    carried,
    choose_roots,
    follow_guides,
    grow_guides,
    grow_rows,
    grow_tufts,
    grow_whiskers,
    hairline_table,
    radius_table,
    scalp_paint,
    scalp_roots,
)
from synthfaces.hair_styles import FORWARD, GATHER, ROWS, TUFTS, UP, Style, worn
from synthfaces.identity import HAIR_COLORS, Identity
from synthfaces.model import EYE_CENTRE, head_model
from synthfaces.raster import compiled
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
    spread = noise[:, 3] + 0.7 * lock_tone
    stray = min(0.22, 0.12 * length) * uneven[near[:, 0], :3] + 0.15 * style.frizz * noise[:, :3]
    return [
        Strands(
            points=points + middle,
            color=_colors(person.hair_rgb, person.greyness, spread, uniform[rows, 1], 0.16),
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
    rgb = 1.2 * person.brow_rgb + 0.012
    anchors = np.ascontiguousarray(corners[:, 0])
    return [
        Strands(
            points=points,
            color=_colors(rgb, person.greyness, noise[:, 3], uniform[rows, 1], 0.22),
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


_SOLID = np.float32(0.4)  # from this opacity on a strand hides what lies behind it
_NEAR = np.float32(0.03)  # strands this close (decimetres) blend instead of hiding each other
_TUCK = np.float32(0.4)  # decimetres below a hat's rim
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


@compiled
def _taper(t):
    """Return the relative width of a strand at ``t``, 0 root .. 1 tip."""
    return min(1.0, 0.7 + 1.5 * t, 2.2 * (1 - t) + 0.08)


@compiled
def draw_strands(points, color, occlusion, width, opacity, wild, anchors, rest, vertices,
                 stride, widen, end, mess, hat, rotation, to_screen, shift, distance, centre,
                 lights, halves, ambient, image, depth, cover):  # fmt: skip
    """Draw every ``stride``-th strand where it is not hidden.

    Args:
        points, color, occlusion, width, opacity, wild, anchors, rest: see `hair.Strands`.
        vertices: float32 [F, 3], where the anchors are now ([0, 3]: at rest).
        widen: factor of the width; ``end``: share of the strand that is drawn, 0..1.
        mess: float32 [3, 3], takes ``wild`` to the displacement of the tip.
        hat: float32 [4]: points with n.x + d > 0 are hidden; zeros hide nothing.
        rotation, to_screen, shift, distance, centre: see `camera.Camera`.
        lights: float32 [l, 2, 3]: unit direction to the light (world), linear RGB.
        halves: float32 [l, 3]: unit vectors half-way between the light and the camera.
        ambient: float32 [2, 3]: linear RGB from above and from below.
        image: float32 [H, W, 3], linear; ``depth``: float32 [H, W]; updated.
        cover: float32 [H, W]: opacity of the hair so far, updated.
    """
    rows, columns = depth.shape
    n_points = points.shape[1]
    scale = math.sqrt(abs(to_screen[0, 0] * to_screen[1, 1] - to_screen[0, 1] * to_screen[1, 0]))
    has_hat = hat[0] != 0 or hat[1] != 0 or hat[2] != 0 or hat[3] != 0
    moving = vertices.shape[0] > 0 and anchors.shape[0] > 0
    messy = mess[0, 0] != 0 or mess[0, 1] != 0
    last_point = end * (n_points - 1)
    used = min(n_points, int(math.ceil(last_point)) + 1)
    world = np.empty((n_points, 3), np.float32)
    screen = np.empty((n_points, 5), np.float32)  # x, y, depth, above the hat, may be seen
    tone = np.empty((n_points, 3), np.float32)
    for i in range(0, points.shape[0], stride):
        mx, my, mz = np.float32(0), np.float32(0), np.float32(0)
        if messy:
            mx = mess[0, 0] * wild[i, 0] + mess[0, 1] * wild[i, 1] + mess[0, 2] * wild[i, 2]
            my = mess[1, 0] * wild[i, 0] + mess[1, 1] * wild[i, 1] + mess[1, 2] * wild[i, 2]
            mz = mess[2, 0] * wild[i, 0] + mess[2, 1] * wild[i, 1] + mess[2, 2] * wild[i, 2]
        ox, oy, oz = -centre[0], -centre[1], -centre[2]
        if moving:
            v = anchors[i]
            ox += vertices[v, 0] - rest[i, 0]
            oy += vertices[v, 1] - rest[i, 1]
            oz += vertices[v, 2] - rest[i, 2]
        seen = False
        for k in range(used):
            t = np.float32(k) / np.float32(n_points - 1)
            t *= t
            px, py = points[i, k, 0] + mx * t, points[i, k, 1] + my * t
            pz = points[i, k, 2] + mz * t
            if has_hat:
                above = hat[0] * px + hat[1] * py + hat[2] * pz + hat[3]
                screen[k, 3] = above
                if above > -_TUCK:  # the rim presses the hair below it to the head
                    press = _ONE - np.float32(0.14) * min(_ONE, _ONE + above / _TUCK)
                    px = centre[0] + (px - centre[0]) * press
                    pz = centre[2] + (pz - centre[2]) * press
            a, b, c = px + ox, py + oy, pz + oz
            x = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c
            y = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c
            z = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c
            f = distance / (distance - z)
            sx = to_screen[0, 0] * x * f - to_screen[0, 1] * y * f + shift[0]
            sy = to_screen[1, 0] * x * f - to_screen[1, 1] * y * f + shift[1]
            world[k, 0], world[k, 1], world[k, 2] = x, y, z
            screen[k, 0], screen[k, 1], screen[k, 2] = sx, sy, z
            screen[k, 4] = 1
            if -1 < sx < columns + 1 and -1 < sy < rows + 1:
                row, column = min(max(int(sy), 0), rows - 1), min(max(int(sx), 0), columns - 1)
                screen[k, 4] = 0
                if z + _NEAR > depth[row, column] and not (has_hat and screen[k, 3] > 0):
                    seen = True
                    screen[k, 4] = 1
        if not seen:
            continue

        for k in range(used):
            k0, k1 = max(k - 1, 0), min(k + 1, used - 1)
            tx, ty = world[k1, 0] - world[k0, 0], world[k1, 1] - world[k0, 1]
            tz = world[k1, 2] - world[k0, 2]
            inverse = 1 / (math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9)
            tx, ty, tz = tx * inverse, ty * inverse, tz * inverse
            nx, ny, nz = world[k, 0], 0.7 * (world[k, 1] - 0.25), world[k, 2]
            inverse = 1 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
            nx, ny, nz = nx * inverse, ny * inverse, nz * inverse
            shade = occlusion[i, k]
            up = 0.5 + 0.5 * ny
            r = 0.8 * shade * (ambient[1, 0] + (ambient[0, 0] - ambient[1, 0]) * up)
            g = 0.8 * shade * (ambient[1, 1] + (ambient[0, 1] - ambient[1, 1]) * up)
            b = 0.8 * shade * (ambient[1, 2] + (ambient[0, 2] - ambient[1, 2]) * up)
            gloss_r, gloss_g, gloss_b = 0.03 * r, 0.03 * g, 0.03 * b  # the sky, mirrored
            for m in range(lights.shape[0]):
                lx, ly, lz = lights[m, 0, 0], lights[m, 0, 1], lights[m, 0, 2]
                facing = 0.25 + 0.75 * (nx * lx + ny * ly + nz * lz)
                if facing <= 0:
                    continue
                facing = min(1.0, facing) * shade
                along = tx * lx + ty * ly + tz * lz
                diffuse = facing * math.sqrt(max(0.0, 1 - along * along))
                hx, hy, hz = halves[m, 0], halves[m, 1], halves[m, 2]
                along = tx * hx + ty * hy + tz * hz
                off = 0.12 * (nx * hx + ny * hy + nz * hz)
                first = max(0.0, 1 - (along - off) ** 2)
                first *= first
                first *= first
                first *= first
                first *= first
                first *= first  # ** 32
                second = max(0.0, 1 - (along + 1.5 * off) ** 2)
                second *= second
                second *= second
                second *= second  # ** 8
                body = 0.75 * diffuse + 0.55 * facing * second
                shine = 0.045 * facing * first
                r, gloss_r = r + lights[m, 1, 0] * body, gloss_r + lights[m, 1, 0] * shine
                g, gloss_g = g + lights[m, 1, 1] * body, gloss_g + lights[m, 1, 1] * shine
                b, gloss_b = b + lights[m, 1, 2] * body, gloss_b + lights[m, 1, 2] * shine
            tone[k, 0] = color[i, 0] * r + gloss_r
            tone[k, 1] = color[i, 1] * g + gloss_g
            tone[k, 2] = color[i, 2] * b + gloss_b

        for k in range(used - 1):
            if screen[k, 4] == 0 and screen[k + 1, 4] == 0:
                continue
            x0, y0, x1, y1 = screen[k, 0], screen[k, 1], screen[k + 1, 0], screen[k + 1, 1]
            if max(x0, x1) < 0 or min(x0, x1) >= columns or max(y0, y1) < 0 or min(y0, y1) >= rows:
                continue
            first_u, last_u = 0.0, min(1.0, last_point - k)
            if has_hat:
                h0, h1 = screen[k, 3], screen[k + 1, 3]
                if h0 > 0 and h1 > 0:
                    continue
                if h0 > 0:
                    first_u = h0 / (h0 - h1)
                elif h1 > 0:
                    last_u = min(last_u, h0 / (h0 - h1))
            dx, dy = x1 - x0, y1 - y0
            steep = abs(dy) > abs(dx)
            if steep:  # walk along the longer side, one pixel at a time
                from_, span, across, slope, size, breadth = y0, dy, x0, dx, rows, columns
            else:
                from_, span, across, slope, size, breadth = x0, dx, y0, dy, columns, rows
            if abs(span) < 1e-6:
                continue
            stretch = math.sqrt(1 + (slope / span) ** 2)
            begin, stop = from_ + span * first_u, from_ + span * last_u
            low, high = min(begin, stop), max(begin, stop)
            # Pixel middles in [low, high), so that neighbouring segments share none.
            main0 = max(0, int(math.ceil(low - 0.5)))
            main1 = min(size - 1, int(math.ceil(high - 0.5)) - 1)
            inverse = np.float32(1 / span)
            wide = 0.5 * scale * widen * width[i] * stretch
            half0 = np.float32(wide * _taper(k / last_point))
            half1 = np.float32(wide * _taper(min(1.0, (k + 1) / last_point)))
            dense = opacity[i]
            z0, r0, g0, b0 = screen[k, 2] + _NEAR, tone[k, 0], tone[k, 1], tone[k, 2]
            dz = screen[k + 1, 2] - screen[k, 2]
            dr, dg, db = tone[k + 1, 0] - r0, tone[k + 1, 1] - g0, tone[k + 1, 2] - b0
            for main in range(main0, main1 + 1):
                u = (np.float32(main) + _HALF - from_) * inverse
                half = half0 + (half1 - half0) * u
                left = across + slope * u - half
                right = left + half + half
                if right <= 0 or left >= breadth:
                    continue
                side0, side1 = int(max(_ZERO, left)), min(breadth - 1, int(right))
                pz = z0 + dz * u
                for side in range(side0, side1 + 1):
                    row, column = (main, side) if steep else (side, main)
                    if pz <= depth[row, column]:
                        continue
                    edge = np.float32(side)
                    alpha = dense * (min(edge + _ONE, right) - max(edge, left))
                    r, g, b = r0 + dr * u, g0 + dg * u, b0 + db * u
                    image[row, column, 0] += (r - image[row, column, 0]) * alpha
                    image[row, column, 1] += (g - image[row, column, 1]) * alpha
                    image[row, column, 2] += (b - image[row, column, 2]) * alpha
                    if alpha > _SOLID and pz - _NEAR > depth[row, column]:
                        depth[row, column] = pz - _NEAR
                    cover[row, column] += (_ONE - cover[row, column]) * alpha


@compiled
def shade_below(image, depth, cover, cell, toward_x, toward_y, strength):
    """Darken the skin beside hair, softly: the shadow that hair throws on the face.

    Args:
        image: float32 [H, W, 3], updated where ``depth``, float32 [H, W], is not empty.
        cover: float32 [H, W], opacity of the hair; hair itself stays as it is.
        cell: pixels; the shadow is as soft as about three cells.
        toward_x, toward_y: pixels to walk on the screen towards the light.
        strength: share of the light that is lost deep under hair.
    """
    height, width = cover.shape
    rows, columns = height // cell + 1, width // cell + 1
    coarse = np.zeros((rows, columns), np.float32)
    for y in range(height):
        for x in range(width):
            coarse[y // cell, x // cell] += cover[y, x]
    soft = np.zeros((rows, columns), np.float32)
    norm = np.float32(1 / (16 * cell * cell))
    for i in range(rows):
        for j in range(columns):
            total = np.float32(0)
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    ii, jj = min(max(i + di, 0), rows - 1), min(max(j + dj, 0), columns - 1)
                    total += coarse[ii, jj] * (2 - abs(di)) * (2 - abs(dj))
            soft[i, j] = total * norm
    per_cell = np.float32(1 / cell)
    strength = np.float32(strength)
    for y in range(height):
        v = min(max((y + 0.5 + toward_y) * per_cell - 0.5, 0.0), rows - 1.001)
        i = int(v)
        fv = np.float32(v - i)
        for x in range(width):
            if depth[y, x] < -5 or cover[y, x] > 0.98:
                continue
            u = min(max((x + 0.5 + toward_x) * per_cell - 0.5, 0.0), columns - 1.001)
            j = int(u)
            fu = np.float32(u - j)
            low = soft[i, j] + (soft[i, j + 1] - soft[i, j]) * fu
            high = soft[i + 1, j] + (soft[i + 1, j + 1] - soft[i + 1, j]) * fu
            factor = _ONE - strength * (low + (high - low) * fv) * (_ONE - cover[y, x])
            image[y, x, 0] *= factor
            image[y, x, 1] *= factor
            image[y, x, 2] *= factor
