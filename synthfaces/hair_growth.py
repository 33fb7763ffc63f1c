"""Where hair may grow, and how it grows: roots, guides, strands, tufts, rows and whiskers.

Every head has the same topology, so roots are chosen once, as points on triangles of the *mean*
head; a person's roots are those with enough hair density, carried by that person's vertices.
Positions on the mean head are the angle around its vertical axis (0 at the nose) and the height in
decimetres. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from synthfaces.hair_styles import ASIDE, BACK, FALL, FORWARD, GATHER, UP
from synthfaces.model import AXIS_Z, SKIN, head_model
from synthfaces.raster import compiled, smoothstep

# (how dark the roots paint the scalp, how bald the crown is), each 0..1; other styles: (0.97, 0).
_SCALPS = {
    "bald": (0.22, 0.0),
    "buzz": (0.86, 0.0),
    "receding": (0.86, 0.0),
    "tonsure": (0.75, 1.0),
    "cornrows": (0.45, 0.0),
}


def scalp_paint(style: str) -> tuple[float, float]:
    """Return how opaque the hair's roots paint the scalp, and how bald the crown is, 0..1."""
    return _SCALPS.get(style, (0.97, 0.0))


@compiled
def hairline_height(angle, hairline, temples, male):
    """Return the height where hair begins, decimetres, at ``angle`` around the head."""
    a = abs(angle)
    base = (7.94 if male else 7.92) + hairline
    y = base - (0.03 if male else 0.09) * smoothstep(0.25, 0.62, a)  # rounder for women
    if 0.1 < a < 1.2:
        y += temples * 0.20 * math.exp(-(((a - 0.58) / 0.20) ** 2))
    sideburn = 7.02 if male else 7.15
    if a > 0.68:
        y -= (y - 7.5) * smoothstep(0.68, 1.0, a)
    if a > 0.98:
        y -= (7.5 - sideburn) * smoothstep(0.98, 1.14, a)
    if a > 1.28:
        y += (7.42 - sideburn) * smoothstep(1.28, 1.5, a)
    if a > 1.9:
        y -= (7.42 - 6.35) * smoothstep(1.9, 2.3, a)
    return y


@compiled
def hair_density(angle, y, hairline, temples, male, crown):
    """Return how densely hair grows, 0..1: thinner towards the hairline and on a bald crown."""
    density = smoothstep(-0.08, 0.07, y - hairline_height(angle, hairline, temples, male))
    if crown > 0:
        density *= 1 - crown * smoothstep(7.62, 7.80, y)
    return density


CENTRE = np.array([0, 7.45, 0.35], np.float32)  # the middle of the mean skull
GRID = 48  # side of the octahedral radius table


@dataclass(frozen=True)
class Roots:
    """Points on the skin; in random order, so that the first n are spread evenly."""

    corners: np.ndarray  # int32 [n, 3]: fine vertices
    weights: np.ndarray  # float32 [n, 3]: barycentric, sum 1
    place: np.ndarray  # float32 [n, 4]: x, y, z on the mean head, angle around its axis
    guides: np.ndarray  # int32 [n, 3]: the nearest guides, nearest first
    shares: np.ndarray  # float32 [n, 3]: their weights, sum 1


def _sample(allowed: np.ndarray, importance: np.ndarray, n: int, seed: int) -> tuple:
    """Spread ``n`` random points over triangles of the skin: corners, weights, positions."""
    model = head_model()
    triangles = model.triangles[model.part == SKIN][allowed]
    where = model.mean_fine[triangles].astype(np.float64)
    area = np.linalg.norm(np.cross(where[:, 1] - where[:, 0], where[:, 2] - where[:, 0]), axis=1)
    cumulative = np.cumsum(area * importance[allowed])
    rng = np.random.default_rng(seed)
    # Stratified: one point per equal share of the area, which spreads them evenly.
    chosen = np.searchsorted(cumulative, (np.arange(n) + rng.random(n)) / n * cumulative[-1])
    chosen = rng.permutation(np.minimum(chosen, len(triangles) - 1))
    u, v = rng.random((2, n, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    weights = np.concatenate([1 - u - v, u, v], 1)
    position = (where[chosen] * weights[..., None]).sum(1)
    corners = model.render_vertex[triangles[chosen]]
    angle = np.arctan2(position[:, 0], position[:, 2] - AXIS_Z)
    return (
        np.ascontiguousarray(corners, np.int32),
        weights.astype(np.float32),
        np.concatenate([position, angle[:, None]], 1).astype(np.float32),
    )


def _triangle_middles() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    model = head_model()
    triangles = model.triangles[model.part == SKIN]
    return model.mean_fine[triangles].mean(1), {
        name: mask[triangles].mean(1) for name, mask in model.masks.items()
    }


@lru_cache(1)
def scalp_roots() -> tuple[Roots, np.ndarray]:
    """Return 14,000 roots of the scalp and the indices of the 420 of them that are guides."""
    middle, masks = _triangle_middles()
    angle = np.abs(np.arctan2(middle[:, 0], middle[:, 2] - AXIS_Z))
    lowest = np.where(angle < 0.8, 7.6, np.where(angle < 1.9, 6.95, 6.3))
    allowed = (middle[:, 1] > lowest) & (masks["ears"] < 0.3)
    # The back of the head is never turned to the camera.
    importance = np.where(angle > 2.2, 0.35, 1.0) * np.where(middle[:, 1] > 8.2, 0.8, 1.0)
    corners, weights, place = _sample(allowed, importance, 14000, 5)
    position = place[:, :3].astype(np.float64)
    chosen = np.zeros(420, np.int64)  # each guide is the root farthest from all guides before it
    distance = np.full(len(position), np.inf)
    for i in range(1, len(chosen)):
        np.minimum(distance, ((position - position[chosen[i - 1]]) ** 2).sum(1), out=distance)
        chosen[i] = distance.argmax()
    away, guides = cKDTree(position[chosen]).query(position, 3)
    shares = 1 / (away + 0.02) ** 2
    shares /= shares.sum(1, keepdims=True)
    roots = Roots(corners, weights, place, guides.astype(np.int32), shares.astype(np.float32))
    return roots, chosen


@lru_cache(1)
def beard_roots() -> Roots:
    """Return 14,000 roots of the lower face (no guides)."""
    middle, masks = _triangle_middles()
    allowed = (middle[:, 2] > 0.3) & (middle[:, 1] > 5.85) & (middle[:, 1] < 7.15)
    allowed &= (masks["lips"] < 0.3) & (masks["inside_mouth"] < 0.5) & (masks["ears"] < 0.3)
    front = (middle[:, 2] > 1.2) & (np.abs(middle[:, 0]) < 0.45)
    importance = np.where(front & (middle[:, 1] > 6.62) & (middle[:, 1] < 6.9), 5.0, 1.0)
    importance = np.where(front & (middle[:, 1] <= 6.62), 1.8, importance)
    corners, weights, place = _sample(allowed, importance, 14000, 6)
    nothing = np.zeros((0, 3), np.int32)
    return Roots(corners, weights, place, nothing, nothing.astype(np.float32))


@lru_cache(1)
def _radius_sources() -> tuple[np.ndarray, np.ndarray]:
    """For each cell of the radius table: fine vertices int32 [G, G, 5], weights float32."""
    model = head_model()
    skin = np.unique(model.triangles[model.part == SKIN])
    offset = model.mean_fine[skin] - CENTRE
    keep = (offset[:, 1] > -1.25) & (model.masks["ears"][skin] < 0.2)
    keep &= model.masks["inside_mouth"][skin] < 0.5
    skin, offset = skin[keep], offset[keep].astype(np.float64)
    direction = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    u, v = np.meshgrid(*[np.linspace(-1, 1, GRID)] * 2)
    y = 1 - np.abs(u) - np.abs(v)
    x = np.where(y < 0, (1 - np.abs(v)) * np.sign(u), u)
    z = np.where(y < 0, (1 - np.abs(u)) * np.sign(v), v)
    cell = np.stack([x, y, z], -1)
    cell /= np.linalg.norm(cell, axis=-1, keepdims=True)
    away, nearest = cKDTree(direction).query(cell, 5)
    weights = 1 / (away + 0.03) ** 2
    weights /= weights.sum(-1, keepdims=True)
    return model.render_vertex[skin[nearest]].astype(np.int32), weights.astype(np.float32)


@compiled
def _radius_table(sources, weights, vertices, centre):
    side, _, count = sources.shape
    table = np.zeros((side, side), np.float32)
    for i in range(side):
        for j in range(side):
            total = np.float32(0)
            for k in range(count):
                v = sources[i, j, k]
                x, y = vertices[v, 0] - centre[0], vertices[v, 1] - centre[1]
                z = vertices[v, 2] - centre[2]
                total += weights[i, j, k] * np.float32(math.sqrt(x * x + y * y + z * z))
            table[i, j] = total
    return table


def radius_table(vertices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return a head's radius around ``centre`` by direction, float32 [GRID, GRID].

    The table is octahedral (Cigolle et al., "A survey of efficient representations for
    independent unit vectors", JCGT 2014), with y as the axis that is never folded.
    """
    return _radius_table(*_radius_sources(), vertices, centre)


@compiled
def radius_at(table, x, y, z):
    """Look the radius up in direction (x, y, z), of any length > 0."""
    size = table.shape[0]
    total = abs(x) + abs(y) + abs(z) + np.float32(1e-9)
    u, v = x / total, z / total
    if y < 0:
        folded = (1 - abs(v)) * (1 if u >= 0 else -1)
        v = (1 - abs(u)) * (1 if v >= 0 else -1)
        u = folded
    half = np.float32(0.5) * (size - 1)
    column, row = (u + 1) * half, (v + 1) * half
    c0 = min(max(int(column), 0), size - 2)
    r0 = min(max(int(row), 0), size - 2)
    fc, fr = column - c0, row - r0
    low = table[r0, c0] + (table[r0, c0 + 1] - table[r0, c0]) * fc
    high = table[r0 + 1, c0] + (table[r0 + 1, c0 + 1] - table[r0 + 1, c0]) * fc
    return low + (high - low) * fr


MIDDLE_Y = 7.45
LINE_STEPS = 80  # entries of a hairline table per radian


@compiled
def carried(corners, weights, vertices, shift):
    """Return points on triangles, float32 [n, 3]: weighted corners minus ``shift``."""
    n = corners.shape[0]
    result = np.empty((n, 3), np.float32)
    for i in range(n):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        for q in range(3):
            result[i, q] = (
                weights[i, 0] * vertices[a, q]
                + weights[i, 1] * vertices[b, q]
                + weights[i, 2] * vertices[c, q]
                - shift[q]
            )
    return result


@compiled
def choose_roots(place, chance, hairline, temples, male, crown, n):
    """Return the first ``n`` roots that have hair, int32, and the density there, float32."""
    chosen = np.empty(n, np.int32)
    density = np.empty(n, np.float32)
    count = 0
    for i in range(place.shape[0]):
        if count == n:
            break
        d = hair_density(place[i, 3], place[i, 1], hairline, temples, male, crown)
        if d > 0.02 and chance[i] < d:
            chosen[count], density[count] = i, d
            count += 1
    return chosen[:count], density[:count]


@compiled
def _comb(flow, ux, uy, uz, top, aside, fringe):
    """Return the direction in which hair is combed at the unit direction u of the skull."""
    if flow == FORWARD:
        return (
            0.35 * ux + 0.5 * fringe * top,
            0.1 * top - 0.9 * (1 - top),
            0.75 * top - 0.30 * (1 - top),
        )
    if flow == BACK:
        return 0.25 * ux * top, 0.25 * top - 0.45 * (1 - top), -1.0
    if flow == ASIDE:
        return (
            aside * 1.1 * top + 0.2 * ux,
            -0.9 * (1 - top) - 0.05,
            0.30 * top * smoothstep(-0.2, 0.6, uz) - 0.35 * (1 - top),
        )
    return aside * top + 0.15 * ux, -1.1 * (1 - top) - 0.2, -0.30 * (1 - top) - 0.08 * top


@compiled
def grow_guides(start, aside, noise, table, line, style, lengths, knot, bangs_y, fringe, points):
    """March the guides.

    Args:
        start: float32 [g, 3], on the skull; ``aside``: float32 [g], -1 or 1, side of the parting.
        noise: float32 [g, 4], standard normal.
        table: the skull's radius, see `hair_growth.radius_table`.
        line: float32 [m], hairline height by |angle|, `LINE_STEPS` per radian.
        style: floats: flow, volume, stand, front, frame, drape, fringe (0 or 1).
        lengths: floats: top, sides, tail.
        knot: float32 [3], where gathered hair meets.
        bangs_y: height where a fringe ends; ``fringe``: -1 .. 1, where short hair leans.
        points: per guide.

    Returns:
        float32 [g, points, 6]: position, and the part of it that is height above the skull.
    """
    flow, volume, stand, front, frame, drape, has_fringe = style
    n = start.shape[0]
    result = np.zeros((n, points, 6), np.float32)
    for i in range(n):
        x, y, z = start[i, 0], start[i, 1], start[i, 2]
        r = math.sqrt(x * x + y * y + z * z)
        root_uy, root_uz = y / r, z / r
        top = smoothstep(0.12, 0.55, root_uy)
        length = lengths[1] + (lengths[0] - lengths[1]) * top
        length *= 1 + 0.06 * noise[i, 0]
        ahead = smoothstep(0.25, 0.75, root_uz) * top
        high = max(0.01, volume * (1 + front * ahead) * (0.55 + 0.45 * top))
        is_bang = has_fringe > 0 and root_uz > 0.30 and abs(x / r) < 0.55 and root_uy > 0.2
        step = length / (points - 1)
        h = 0.0
        tail = False
        last = points - 1
        for k in range(points):
            r = math.sqrt(x * x + y * y + z * z) + 1e-9
            result[i, k, 0], result[i, k, 1], result[i, k, 2] = x, y, z
            lift = h / r
            result[i, k, 3], result[i, k, 4], result[i, k, 5] = x * lift, y * lift, z * lift
            if k == last:
                break
            ux, uy, uz = x / r, y / r, z / r
            if flow == GATHER:
                dx, dy, dz = knot[0] - x, knot[1] - y, knot[2] - z
                d = math.sqrt(dx * dx + dy * dy + dz * dz)
                if tail or d < 1.2 * step + 0.05:
                    if lengths[2] <= 0:
                        last = max(k, 1)
                        break
                    tail = True
                    step = lengths[2] / max(3, points / 2)
                    out = 0.7 * smoothstep(knot[1] - 0.3, knot[1] + 0.1, y)
                    x += step * (0.12 * noise[i, 0] + 0.05 * fringe)
                    y -= step * (1 - out)
                    z += step * (0.12 * noise[i, 1] - out)
                    continue
                fx, fy, fz = dx / d, dy / d, dz / d
            elif y < -0.12 and flow == FALL:  # below the ears: gravity
                fx = 0.16 * ux * (1 - smoothstep(-0.2, -0.7, y)) + 0.03 * noise[i, 0]
                fz = 0.05 * noise[i, 1] + (0.05 if z > 0.1 else -0.05)
                f = math.sqrt(fx * fx + 1 + fz * fz)
                x, y, z = x + fx / f * step, y - step / f, z + fz / f * step
                continue
            elif is_bang:
                fx, fy, fz = 0.20 * ux + 0.12 * fringe, -0.5 + 0.25 * uy, 0.8 + 0.25 * uz
            else:
                now = smoothstep(0.1, 0.7, uy)
                fx, fy, fz = _comb(flow, ux, uy, uz, now, aside[i], fringe)
            fx, fy, fz = fx + 0.10 * noise[i, 1], fy + 0.10 * noise[i, 2], fz + 0.10 * noise[i, 3]
            along = fx * ux + fy * uy + fz * uz
            fx, fy, fz = fx - along * ux, fy - along * uy, fz - along * uz
            f = math.sqrt(fx * fx + fy * fy + fz * fz) + 1e-9
            up = stand * (0.4 + 0.6 * top) * max(0.0, 1 - h / high)
            if flow == UP:
                up = stand
            if flow == GATHER:
                up = min(0.6, max(-0.6, (high - h) / step))
            flat = step * math.sqrt(max(0.0, 1 - up * up)) / f
            nx, ny, nz = x + fx * flat, y + fy * flat, z + fz * flat
            h += up * step
            if is_bang:
                if ny + MIDDLE_Y < bangs_y + 0.03 * noise[i, 2]:
                    last = max(k, 1)
                    break
            else:
                angle = math.atan2(nx, nz)
                a = abs(angle)
                low = line[min(int(a * LINE_STEPS), line.shape[0] - 1)] - drape - MIDDLE_Y
                if a < frame and ny < low:  # hair slides along the edge of the face
                    turn = (aside[i] if a < 0.3 else math.copysign(1.0, nx)) * step
                    turn /= math.sqrt(x * x + z * z) + 0.1
                    cos, sin = 1 - 0.5 * turn * turn, turn
                    nx, nz = x * cos + z * sin, z * cos - x * sin
                    a = abs(math.atan2(nx, nz))
                    low = line[min(int(a * LINE_STEPS), line.shape[0] - 1)] - drape - MIDDLE_Y
                    ny = max(y - step, low)
            m = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            reach = (radius_at(table, nx, ny, nz) + h) / m
            x, y, z = nx * reach, ny * reach, nz * reach
        if last < points - 1:  # it ended early: spread its points evenly again, from the tip back
            for k in range(points - 1, 0, -1):
                at = k * last / (points - 1)
                k0 = min(int(at), last - 1)
                for q in range(6):
                    low, high = result[i, k0, q], result[i, k0 + 1, q]
                    result[i, k, q] = low + (high - low) * (at - k0)
    return result


@compiled
def follow_guides(roots, density, near, shares, guides, aside, own_side, noise, tip, lock, clump,
                  swing, turn, frizz):  # fmt: skip
    """Grow the strands between the guides.

    Args:
        roots: float32 [n, 3]; ``density``: float32 [n], 0 at the hairline's edge .. 1.
        near: int32 [n, 3], guides; ``shares``: float32 [n, 3], their weights.
        guides: from `grow_guides`; ``aside``: float32 [g]; ``own_side``: float32 [n].
        noise: float32 [n, 4], standard normal; ``tip``: float32 [n], share of the length.
        lock, clump: see `Style`; ``swing``: amplitude of waves; ``turn``: radians per point.
        frizz: decimetres.

    Returns:
        (points float32 [n, k, 3], occlusion float32 [n, k]); later strands lie higher.
    """
    n, points = roots.shape[0], guides.shape[1]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    w = np.zeros(3)
    cos_turn, sin_turn = math.cos(turn), math.sin(turn)
    for i in range(n):
        total = 0.0
        for j in range(3):
            same = aside[near[i, j]] * own_side[i] > 0
            w[j] = (shares[i, j] * (1 - lock) + (lock if j == 0 else 0.0)) if same else 0.0
            total += w[j]
        if total < 1e-6:
            w[0], w[1], w[2], total = 1.0, 0.0, 0.0, 1.0
        a, b, c = near[i, 0], near[i, 1], near[i, 2]
        wa, wb, wc = w[0] / total, w[1] / total, w[2] / total
        layer = (i + 0.5) / n
        lift = 0.12 + 0.88 * layer
        dx = roots[i, 0] - (wa * guides[a, 0, 0] + wb * guides[b, 0, 0] + wc * guides[c, 0, 0])
        dy = roots[i, 1] - (wa * guides[a, 0, 1] + wb * guides[b, 0, 1] + wc * guides[c, 0, 1])
        dz = roots[i, 2] - (wa * guides[a, 0, 2] + wb * guides[b, 0, 2] + wc * guides[c, 0, 2])
        share = tip[i] * (0.35 + 0.65 * density[i])
        phase = 2.4 * a + 0.5 * noise[i, 3]
        cos, sin = math.cos(phase), math.sin(phase)
        for k in range(points):
            at = k * share
            k0 = min(int(at), points - 2)
            f, t = at - k0, at / (points - 1)
            keep = 1 - clump * t * (2 - t)
            bend = frizz * t
            wave = swing * min(1.0, 3 * t)
            px, py, pz = dx * keep, dy * keep, dz * keep
            for j in range(3):
                g, wj = (a, wa) if j == 0 else ((b, wb) if j == 1 else (c, wc))
                if wj > 0:
                    f0, f1 = wj * (1 - f), wj * f
                    sunk = 1 - lift
                    px += f0 * (guides[g, k0, 0] - sunk * guides[g, k0, 3])
                    px += f1 * (guides[g, k0 + 1, 0] - sunk * guides[g, k0 + 1, 3])
                    py += f0 * (guides[g, k0, 1] - sunk * guides[g, k0, 4])
                    py += f1 * (guides[g, k0 + 1, 1] - sunk * guides[g, k0 + 1, 4])
                    pz += f0 * (guides[g, k0, 2] - sunk * guides[g, k0, 5])
                    pz += f1 * (guides[g, k0 + 1, 2] - sunk * guides[g, k0 + 1, 5])
            result[i, k, 0] = px + bend * noise[i, 0] + wave * cos
            result[i, k, 1] = py + bend * noise[i, 1] + 0.3 * wave * sin
            result[i, k, 2] = pz + bend * noise[i, 2] + wave * sin
            cos, sin = cos * cos_turn - sin * sin_turn, sin * cos_turn + cos * sin_turn
            # Deep hair and roots get little light; so does the inner side of a wave.
            shade = (0.45 + 0.55 * min(1.0, 2.5 * t + 0.25)) * (0.40 + 0.60 * layer)
            occlusion[i, k] = shade * (1 + 3 * wave * cos)
    return result, occlusion


@compiled
def hairline_table(hairline, temples, male):
    """Return the hairline's height by |angle|, float32, `LINE_STEPS` entries per radian."""
    table = np.empty(int(math.pi * LINE_STEPS) + 2, np.float32)
    for i in range(table.shape[0]):
        table[i] = hairline_height((i + 0.5) / LINE_STEPS, hairline, temples, male)
    return table


@compiled
def grow_tufts(roots, density, volume, size, noise, points):
    """Fill a volume above the scalp with small curls (afro hair).

    Args:
        roots: float32 [n, 3]; ``density``: float32 [n]; ``volume``: height of the hair.
        size: radius of a curl; ``noise``: float32 [n, 6], standard normal; ``points``: per curl.

    Returns:
        As `hair_growth.follow_guides`; later curls lie higher.
    """
    n = roots.shape[0]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        r = math.sqrt(x * x + y * y + z * z)
        ux, uy, uz = x / r, y / r, z / r
        layer = (i + 0.5) / n
        # Rounder than the head: fuller above, thinner in the nape and at the hairline.
        full = (0.35 + 0.65 * density[i]) * (0.80 + 0.25 * uy) * (1 - 0.3 * smoothstep(0, -0.6, uz))
        h = volume * full * (0.06 + 0.94 * layer**0.7) * (1 + 0.05 * noise[i, 5])
        x, y, z = x + ux * h, y + uy * h, z + uz * h
        ax, ay, az = noise[i, 0], noise[i, 1], noise[i, 2]
        bx, by, bz = noise[i, 3], noise[i, 4], noise[i, 5]
        for k in range(points):
            turn = 1.35 * k
            cos, sin = size * math.cos(turn), size * math.sin(turn)
            px, py, pz = ax * cos + bx * sin, ay * cos + by * sin, az * cos + bz * sin
            result[i, k, 0], result[i, k, 1], result[i, k, 2] = x + px, y + py, z + pz
            out = (px * ux + py * uy + pz * uz) / (size + 1e-6)
            occlusion[i, k] = (0.30 + 0.70 * layer) * min(1.2, max(0.45, 0.85 + 0.25 * out))
    return result, occlusion


@compiled
def grow_rows(roots, density, length, noise, points):
    """Plait the hair in rows from the forehead to the nape (cornrows).

    Args:
        roots: float32 [n, 3]; ``density``: float32 [n]; ``length``: of one visible crossing.
        noise: float32 [n, 3], standard normal; ``points``: per strand.

    Returns:
        As `hair_growth.follow_guides`.
    """
    spacing = 0.19  # radians around the axis that runs from front to back
    n = roots.shape[0]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        ring = math.sqrt(x * x + (y + 0.35) ** 2) + 1e-6
        around = math.atan2(x, y + 0.35)
        row = math.floor(around / spacing) + 0.5
        off = 2 * (around / spacing - row)  # -1 .. 1 across the row
        crossing = 1.0 if i % 2 else -1.0
        for k in range(points):
            t = k / (points - 1) - 0.5
            across = min(0.62, max(-0.62, 0.45 * off + 1.1 * crossing * t))
            angle = (row + 0.5 * across) * spacing
            high = ring + 0.055 * (1 - across * across) * density[i]
            result[i, k, 0] = math.sin(angle) * high
            result[i, k, 1] = math.cos(angle) * high - 0.35
            result[i, k, 2] = z - t * length + 0.006 * noise[i, 0]
            occlusion[i, k] = (0.95 - 0.55 * abs(across)) * (0.8 + 0.2 * crossing * t)
    return result, occlusion


@compiled
def grow_whiskers(roots, normals, place, density, length, noise, points):
    """Grow a beard: down from the chin, aside from the upper lip.

    Args:
        roots, normals: float32 [n, 3]; ``place``: float32 [n, 4], on the mean head.
        density: float32 [n], 0 at the beard's edge .. 1; ``length``: decimetres.
        noise: float32 [n, 6], standard normal; ``points``: per strand.

    Returns:
        As `hair_growth.follow_guides`.
    """
    n = roots.shape[0]
    result = np.empty((n, points, 3), np.float32)
    occlusion = np.empty((n, points), np.float32)
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        on_lip = smoothstep(6.58, 6.66, place[i, 1]) * smoothstep(0.40, 0.30, abs(place[i, 0]))
        side = 1.0 if place[i, 0] > 0 else -1.0
        long = length * (0.3 + 0.7 * density[i]) * (1 - 0.45 * on_lip) * (1 + 0.15 * noise[i, 5])
        long *= 1 - 0.5 * smoothstep(6.7, 7.0, place[i, 1])  # short on the cheeks
        step = max(0.01, long) / (points - 1)
        fx = 0.55 * nx + 0.28 * noise[i, 0] + 0.45 * side * on_lip
        fy = 0.55 * ny + 0.28 * noise[i, 1] - 0.75
        fz = 0.55 * nz + 0.28 * noise[i, 2]
        for k in range(points):
            result[i, k, 0], result[i, k, 1], result[i, k, 2] = x, y, z
            t = k / (points - 1)
            occlusion[i, k] = (0.55 + 0.45 * t) * (0.7 + 0.3 * (i + 0.5) / n)
            f = step / (math.sqrt(fx * fx + fy * fy + fz * fz) + 1e-9)
            x, y, z = x + fx * f, y + fy * f, z + fz * f
            fy -= 0.15
            out = fx * nx + fy * ny + fz * nz  # hair lies on the skin, it does not grow into it
            if out < 0.08:
                fx, fy, fz = fx + (0.08 - out) * nx, fy + (0.08 - out) * ny, fz + (0.08 - out) * nz
    return result, occlusion
