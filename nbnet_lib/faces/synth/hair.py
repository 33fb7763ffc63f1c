"""Hair and beard: some thousand strands that grow over the head, drawn as short line segments.

A strand starts at a root on the scalp and follows a flow field along the surface (combed to a
side, back, to the front ...), lifted by the hair's volume; below the ears it falls freely. The
loops over strands are in `strands.py`. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.ndimage

from nbnet_lib.faces.synth.identity import HAIR_COLORS, Identity
from nbnet_lib.faces.synth.model import AXIS_Z, SKIN, head_model
from nbnet_lib.faces.synth.raster import compiled, smoothstep
from nbnet_lib.faces.synth.skin_map import BEARD_KINDS, beard_density, hairline_height
from nbnet_lib.faces.synth.strands import CENTRE, FACE_BOTTOM, grow


@dataclass(frozen=True)
class Style:
    """How a hair style grows. Lengths and volumes in decimetres as (base, times a parameter)."""

    strands: int
    points: int
    length: tuple[float, float]  # + hair_length *
    volume: tuple[float, float]  # + volume *
    flow: int  # 0 short, 1 pulled back, 2 combed aside, 3 falling, 4 buzz, 5 afro
    bangs: bool = False


STYLES = {
    "buzz": Style(4500, 3, (0.05, 0), (0.02, 0), 4),
    "short": Style(5000, 8, (0.22, 0.25), (0.08, 0.10), 0),
    "receding": Style(4200, 8, (0.18, 0.20), (0.06, 0.07), 0),
    "side": Style(5500, 9, (0.45, 0.35), (0.10, 0.14), 2),
    "medium": Style(6000, 11, (0.75, 0.50), (0.14, 0.12), 3),
    "afro": Style(7500, 8, (0.35, 0.50), (0.30, 0.40), 5),
    "long": Style(7500, 16, (2.2, 1.0), (0.12, 0.12), 3),
    "bob": Style(7500, 13, (1.25, 0.45), (0.13, 0.14), 3),
    "bangs": Style(7500, 16, (2.2, 1.0), (0.13, 0.11), 3, bangs=True),
    "pulled": Style(5500, 8, (0.8, 0), (0.05, 0), 1),
}


@dataclass(frozen=True)
class Strands:
    """Polylines: positions float32 [n, k, 3], colour [n, 3], ambient occlusion [n, k]."""

    points: np.ndarray
    color: np.ndarray
    occlusion: np.ndarray


def _radius_map(vertices: np.ndarray) -> np.ndarray:
    """Return the skull's radius by direction, float32 [40, 64]: rows by height, columns around."""
    offset = vertices - CENTRE
    offset = offset[offset[:, 1] > -1.3]
    radius = np.linalg.norm(offset, axis=1)
    column = ((np.arctan2(offset[:, 0], offset[:, 2]) / (2 * np.pi) + 0.5) * 64).astype(int) % 64
    row = np.clip(((offset[:, 1] / radius + 1) / 2 * 40).astype(int), 0, 39)
    table = np.zeros((40, 64))
    np.maximum.at(table, (row, column), radius)
    known = (table > 0).astype(float)

    def spread(sigma: float) -> tuple[np.ndarray, np.ndarray]:
        blur = [scipy.ndimage.gaussian_filter(m, sigma, mode=("nearest", "wrap"))
                for m in (table, known)]  # fmt: skip
        return blur[0] / np.maximum(blur[1], 1e-6), blur[1]

    near, weight = spread(1.0)
    far, _ = spread(4.0)
    return np.where(weight > 0.05, near, far).astype(np.float32)


@compiled
def _beard_weights(kind, positions):
    weights = np.zeros(positions.shape[0])
    for i in range(positions.shape[0]):
        x, y, z = positions[i]
        if z > 0.3 and y > FACE_BOTTOM:
            weights[i] = beard_density(kind, x, y, math.atan2(x, z - AXIS_Z))
    return weights


@compiled
def _scalp_weights(positions, hairline, temples, male):
    weights = np.zeros(positions.shape[0])
    for i in range(positions.shape[0]):
        x, y, z = positions[i]
        if y > 6.2:
            line = hairline_height(math.atan2(x, z - AXIS_Z), hairline, temples, male)
            weights[i] = smoothstep(-0.07, 0.05, y - line)  # thinner towards the edge
    return weights


@lru_cache(1)
def _triangle_data():
    """Skin triangles of the mean head: corners [T, 3], middles [T, 3], area [T], masks [T]."""
    model = head_model()
    corners = model.triangles[model.part == SKIN]
    positions = model.mean_fine[corners]
    cross = np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0])
    masks = {key: mask[corners].mean(1) for key, mask in model.masks.items()}
    return corners, positions.mean(1), np.linalg.norm(cross, axis=1), masks


@lru_cache(1)
def _skin_vertices():
    """Fine vertices of the skin, int [n]."""
    model = head_model()
    return np.unique(model.fine_triangles[model.part == SKIN])


class _Roots:
    """Random points on weighted triangles of the skin."""

    def __init__(self, vertices, normals, rng):
        self.corners, self.middles, self.area, self.masks = _triangle_data()
        self.vertices, self.normals, self.rng = vertices, normals, rng

    def draw(self, weights, n):
        """Return (positions, unit normals, positions on the mean head), float32 [n, 3] each."""
        model = head_model()
        cumulative = np.cumsum(weights * self.area)
        chosen = np.searchsorted(cumulative, self.rng.random(n) * cumulative[-1])
        triangle = self.corners[np.minimum(chosen, len(self.corners) - 1)]
        u, v = self.rng.random((2, n, 1), np.float32)
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
        fine = model.render_vertex[triangle]

        def mix(values, index):
            return (
                values[index[:, 0]] * (1 - u - v)
                + values[index[:, 1]] * u
                + values[index[:, 2]] * v
            )

        normal = mix(self.normals, fine)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return mix(self.vertices, fine), normal, mix(model.mean_fine, triangle)


def grow_strands(person: Identity, vertices: np.ndarray, normals: np.ndarray) -> list[Strands]:
    """Return hair and beard of a person.

    Args:
        person: the identity.
        vertices: float32 [F, 3], the neutral head, its eyes moved onto those of the mean head.
        normals: float32 [F, 3], unit.
    """
    rng = np.random.default_rng(person.hair_seed)
    roots = _Roots(vertices, normals, rng)
    result = []
    if person.hair_style != "bald":
        result.append(_scalp_hair(person, roots, rng))
    if person.beard != "none":
        result.append(_beard(person, roots, rng))
    return result


def _scalp_hair(person: Identity, roots: _Roots, rng: np.random.Generator) -> Strands:
    style, male = STYLES[person.hair_style], person.gender == "male"
    weights = _scalp_weights(roots.middles, person.hairline, person.temples, male)
    weights *= roots.masks["ears"] < 0.3
    start, normal, on_mean = roots.draw(weights, style.strands)
    n = style.strands
    volume = style.volume[0] + style.volume[1] * person.volume
    length = (style.length[0] + style.length[1] * person.hair_length) * rng.uniform(0.75, 1.1, n)
    lift = rng.uniform(0.45, 1.0, n) * volume
    start = start - CENTRE
    direction = start / np.linalg.norm(start, axis=1, keepdims=True)
    waves = rng.normal(0, 14, (3, 6))
    clump = np.sin(direction @ waves + rng.uniform(0, 6.28)).mean(1)
    skull = roots.vertices[_skin_vertices()]
    points = grow(
        start,
        normal,
        on_mean[:, 1],
        style.points,
        length,
        lift,
        volume,
        rng.standard_normal((n, 3)),
        clump,
        rng.uniform(0.86, 1.03, n),
        _radius_map(skull),
        style.flow,
        person.curl * (0.2 if style.flow == 1 else 1.0),
        person.parting,
        float(rng.uniform(-1, 1)),
        style.bangs,
        person.bangs_y,
        person.hairline,
        person.temples,
        male,
    )
    color = person.hair_rgb * np.exp(rng.normal(0, 0.22, (n, 1)) + 0.15 * clump[:, None])
    color[rng.random(n) < 0.4 * person.greyness] = HAIR_COLORS["grey"]
    along = np.linspace(0.45, 1, style.points) ** 0.8
    occlusion = along * (0.7 + 0.3 * (lift / volume)[:, None])
    return Strands(
        points + CENTRE, color.astype(np.float32), np.ascontiguousarray(occlusion, np.float32)
    )


def _beard(person: Identity, roots: _Roots, rng: np.random.Generator) -> Strands:
    weights = _beard_weights(BEARD_KINDS[person.beard], roots.middles)
    weights *= (roots.masks["lips"] < 0.3) & (roots.masks["inside_mouth"] < 0.5)
    share = {"full": 1.2, "short": 1.0, "goatee": 0.5, "moustache": 0.3}[person.beard]
    n, points = int(2800 * share), 4
    start, normal, on_mean = roots.draw(weights, n)
    base = 0.06 if person.beard == "short" else 0.09
    if person.beard == "full":
        base += 0.16 * person.hair_length
    upper = on_mean[:, 1] > 6.6  # moustache hair is shorter and combed to the sides
    length = base * rng.uniform(0.6, 1.2, n) * np.where(upper, 0.55, 1)
    heading = 0.55 * normal + 0.3 * rng.standard_normal((n, 3))
    heading += np.stack([0.35 * np.sign(on_mean[:, 0]) * upper, np.full(n, -0.9), np.zeros(n)], 1)
    strand = np.zeros((n, points, 3), np.float32)
    strand[:, 0] = start
    for k in range(1, points):
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        strand[:, k] = strand[:, k - 1] + heading * (length / (points - 1))[:, None]
        heading[:, 1] -= 0.15
    color = 1.1 * person.brow_rgb * np.exp(rng.normal(0, 0.25, (n, 1)))
    occlusion = np.broadcast_to(np.linspace(0.6, 1, points, dtype=np.float32), (n, points))
    return Strands(strand, color.astype(np.float32), np.ascontiguousarray(occlusion))
