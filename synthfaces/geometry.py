"""From parameters to a mesh: what all pictures of a person share, and the pose of one picture.

Introduced in chapter 1.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from synthfaces.glasses import Solid, build_glasses, build_visor
from synthfaces.hair import Strands, grow_beard, grow_hair
from synthfaces.identity import Identity
from synthfaces.light import light_transfer
from synthfaces.model import AXIS_Z, EYE_CENTRE, fine_mask, head_model
from synthfaces.raster import compiled, vertex_normals, weighted_rows
from synthfaces.sample import Sample
from synthfaces.shade import pack_skin
from synthfaces.shape import identity_mesh
from synthfaces.skin import skin_layers
from synthfaces.skin_map import HEIGHT, WIDTH, vertex_texels


@dataclass
class Person:
    """Everything about an identity that its pictures share."""

    identity: Identity
    mesh: np.ndarray  # float32 [C, 3], neutral
    vertices: np.ndarray  # float32 [F, 3], neutral
    normals: np.ndarray  # float32 [F, 3], neutral
    centre: np.ndarray  # float32 [3], middle of the head
    eye_shift: np.ndarray  # float32 [3], from the mean head's eyes to these
    temple: float  # half the head's width at the ears, decimetres
    forehead: float  # z of the forehead
    transfer: np.ndarray  # float32 [F, 9], self-shadowing
    skin: np.ndarray  # uint16 [h, w, 8], from `pack_skin`
    beard: list[Strands]
    # Made when a picture first needs them: hair by its state; frame, lenses and visor.
    hair: dict[str, list[Strands]] = field(default_factory=dict)
    solids: dict[str, Solid] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def subdivide(rows: np.ndarray) -> np.ndarray:
    """Return values at the fine vertices, float32 [F, k], of values at the coarse ones [C, k]."""
    matrix = head_model().subdivide
    return weighted_rows(matrix.indptr, matrix.indices, matrix.data, rows)


@lru_cache(1)
def coarse_triangles() -> np.ndarray:
    """Return the skin's coarse triangles, int32 [n, 3], for shadow tests."""
    quads = head_model().quads
    return np.ascontiguousarray(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


@lru_cache(1)
def place() -> tuple[np.ndarray, np.ndarray]:
    """Return what `Surface.vertex` says of places, float32 [F, 6], and the positions [F, 3]."""
    model = head_model()
    places = np.zeros((model.subdivide.shape[0], 6), np.float32)
    places[model.render_vertex, :3] = model.mean_fine
    places[model.render_vertex, 3:5] = vertex_texels() / np.array([WIDTH, HEIGHT], np.float32)
    places[:, 5] = fine_mask("inside_mouth")
    return places, np.ascontiguousarray(places[:, :3])


@compiled
def _mean_of(vertices, chosen, result):
    for i in range(chosen.shape[0]):
        for c in range(3):
            result[c] += vertices[chosen[i], c] / chosen.shape[0]


def landmarks(vertices: np.ndarray) -> np.ndarray:
    """Return right eye, left eye, nose tip, right and left mouth corner, float32 [5, 3].

    Sides are the subject's; ``vertices`` are fine, float32 [F, 3].
    """
    model = head_model()
    result = np.zeros((5, 3), np.float32)
    _mean_of(vertices, model.eye_right, result[0])
    _mean_of(vertices, model.eye_left, result[1])
    result[2:] = vertices[[model.nose_tip, model.mouth_right, model.mouth_left]]
    return result


def build_person(identity: Identity) -> Person:
    """Make mesh, shadows, skin and beard of an identity (about 20 ms); hair waits for its state."""
    model = head_model()
    mesh = np.ascontiguousarray(identity_mesh(identity), np.float32)
    vertices = subdivide(mesh)
    normals = vertex_normals(vertices, model.fine_triangles)
    eyes = landmarks(vertices)[:2]
    middle = eyes.mean(0)
    centre = head_centre(vertices)

    # Shadows vary slowly: they are computed on the coarse mesh and subdivided with it.
    triangles = coarse_triangles()
    coarse = mesh - centre
    transfer = light_transfer(coarse, vertex_normals(coarse, triangles), triangles)

    beside = vertices[(np.abs(vertices[:, 1] - middle[1]) < 0.1) & (vertices[:, 2] > 0.45)]
    above = vertices[(np.abs(vertices[:, 1] - middle[1] - 0.5) < 0.1)]
    return Person(
        identity=identity,
        mesh=mesh,
        vertices=vertices,
        normals=normals,
        centre=centre,
        eye_shift=(middle - np.array([0, EYE_CENTRE[1], EYE_CENTRE[2]])).astype(np.float32),
        temple=float(beside[:, 0].max()),
        forehead=float(above[:, 2].max()),
        transfer=subdivide(transfer),
        skin=pack_skin(skin_layers(identity).base),
        beard=grow_beard(identity, vertices, normals),
    )


def strands_of(person: Person, state: str) -> tuple[list[Strands], list[Strands]]:
    """Return the person's hair in a `Sample.hair_state`, grown when first asked for, and beard."""
    with person.lock:
        if state not in person.hair:
            person.hair[state] = grow_hair(person.identity, person.vertices, state)
    return person.hair[state], person.beard


def solid_of(person: Person, name: str) -> Solid:
    """Return the "frame" or the "lenses" of the person's glasses, or the "visor" of a cap."""
    eye = landmarks(person.vertices)[1]
    with person.lock:
        if name == "visor" and name not in person.solids:
            person.solids[name] = build_visor(eye, person.forehead, person.temple)
        elif name not in person.solids:
            owned = person.identity.glasses
            style = owned if owned != "none" else "square"  # sunglasses
            frame, lenses = build_glasses(style, eye, person.temple)
            person.solids.update(frame=frame, lenses=lenses)
        return person.solids[name]


def head_centre(vertices: np.ndarray) -> np.ndarray:
    """Return the point that pictures turn around, float32 [3], of a neutral head [F, 3]."""
    return np.array([0, landmarks(vertices)[:2, 1].mean() - 0.25, AXIS_Z], np.float32)


def pose(neutral: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return a mesh with the picture's expression: float32 [C, 3] and subdivided [F, 3].

    Args:
        neutral: float32 [C, 3], the person's mesh.
        sample: its ``actions`` are added.
    """
    model = head_model()
    mesh = neutral.copy()
    flat = mesh.reshape(-1)
    for name, value in sample.actions.items():
        if value:
            flat += np.float32(value) * model.action_offsets[model.actions[name]]
    return mesh, subdivide(mesh)
