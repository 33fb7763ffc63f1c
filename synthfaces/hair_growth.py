"""Growing hair: 420 guides march over the skull, thousands of strands follow the guides near them.

Guide hairs are how films groom hair (Ward et al., "A survey on hair modeling", TVCG 2007). All
positions are decimetres around the middle of the skull. Introduced in chapter 1.
"""

import math

import numpy as np

from synthfaces.hair_styles import ASIDE, BACK, FALL, FORWARD, GATHER, UP
from synthfaces.hairline import hair_density, hairline_height
from synthfaces.raster import compiled, smoothstep
from synthfaces.scalp import radius_at

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
        table: the skull's radius, see `scalp.radius_table`.
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
