"""SynthFaces: a picture of a person who does not exist, as a pure function of three integers.

    image = render(identity, sample, size)

`build_person` does what is the same in every picture of a person (mesh, skin, hair, shadows) and
is kept for the last few identities; `render_person` does what changes (expression, pose, light,
camera). Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.synth.camera import aim_camera
from nbnet_lib.faces.synth.develop import background, develop
from nbnet_lib.faces.synth.hair import Strands, grow_strands
from nbnet_lib.faces.synth.identity import Identity, identity_mesh, make_identity
from nbnet_lib.faces.synth.light import light_coefficients, light_transfer
from nbnet_lib.faces.synth.model import AXIS_Z, EYE_CENTRE, head_model
from nbnet_lib.faces.synth.raster import box_downsample, rasterise, vertex_normals
from nbnet_lib.faces.synth.sample import Sample, make_sample
from nbnet_lib.faces.synth.shade import darken, shade_pixels
from nbnet_lib.faces.synth.skin import skin_texture
from nbnet_lib.faces.synth.skin_map import Y_HIGH, Y_LOW
from nbnet_lib.faces.synth.strands import draw_strands

RENDERER_VERSION = 1  # raised whenever a pixel changes: caches and cards name it
SUPERSAMPLING = 2
MIN_SIZE, MAX_SIZE = 32, 512


@dataclass(frozen=True)
class Person:
    """Everything about an identity that its pictures share."""

    identity: Identity
    mesh: np.ndarray  # float32 [C, 3], neutral
    centre: np.ndarray  # float32 [3], middle of the head
    transfer: np.ndarray  # float32 [F, 9], self-shadowing
    skin: np.ndarray  # float32 [h, w, 4]
    strands: list[Strands]


def _eye_middle(vertices: np.ndarray) -> np.ndarray:
    model = head_model()
    return (vertices[model.eye_left].mean(0) + vertices[model.eye_right].mean(0)) / 2


def build_person(identity: Identity) -> Person:
    """Make mesh, shadows, skin and hair of an identity (about 0.1 s)."""
    model = head_model()
    mesh = identity_mesh(identity)
    vertices = np.ascontiguousarray(model.subdivide @ mesh, np.float32)
    eyes = _eye_middle(vertices)
    centre = np.array([0, eyes[1] - 0.25, AXIS_Z], np.float32)

    # Shadows vary slowly: they are computed on the coarse mesh and subdivided with it.
    triangles = np.concatenate([model.quads[:, [0, 1, 2]], model.quads[:, [0, 2, 3]]])
    coarse = mesh - centre
    transfer = light_transfer(coarse, vertex_normals(coarse, triangles), triangles)

    shift = (eyes - np.array([0, EYE_CENTRE[1], EYE_CENTRE[2]])).astype(np.float32)
    normals = vertex_normals(vertices, model.fine_triangles)
    strands = [
        Strands(s.points + shift, s.color, s.occlusion)
        for s in grow_strands(identity, vertices - shift, normals)
    ]
    return Person(
        identity=identity,
        mesh=mesh,
        centre=centre,
        transfer=np.ascontiguousarray(model.subdivide @ transfer, np.float32),
        skin=skin_texture(identity),
        strands=strands,
    )


def render_person(person: Person, sample: Sample, size: int) -> np.ndarray:
    """Return one picture, uint8 [size, size, 3], sRGB."""
    model, who = head_model(), person.identity
    pixels = size * SUPERSAMPLING

    actions = np.zeros(len(model.actions), np.float32)
    for name, value in sample.actions.items():
        actions[model.actions[name]] = value
    mesh = person.mesh + (actions @ model.action_offsets).reshape(-1, 3)
    vertices = np.ascontiguousarray(model.subdivide @ mesh, np.float32)
    normals = vertex_normals(vertices, model.fine_triangles)

    landmarks = np.stack(
        [
            vertices[model.eye_right].mean(0),
            vertices[model.eye_left].mean(0),
            vertices[model.nose_tip],
            vertices[model.mouth_right],
            vertices[model.mouth_left],
        ]
    )
    camera = aim_camera(sample, landmarks, person.centre, pixels)
    screen = camera.project(vertices)[model.render_vertex]
    depth = np.full((pixels, pixels), -1e9, np.float32)
    triangle_of = np.full((pixels, pixels), -1, np.int32)
    weights = np.zeros((pixels, pixels, 2), np.float32)
    rasterise(screen, model.triangles, depth, triangle_of, weights)

    azimuth, elevation = np.radians([sample.light_azimuth, sample.light_elevation])
    light = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ],
        np.float32,
    )
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    fill = (0.35 * sample.fill + 0.65 * sample.fill.mean()).astype(np.float32)
    coefficients = light_coefficients(
        camera.rotation, fill, light, sample.softness, sample.light_turn
    )
    received = (person.transfer @ coefficients)[model.render_vertex]
    right, down = np.radians(sample.gaze)
    gaze = np.array([np.sin(right), -np.sin(down), np.cos(right) * np.cos(down)], np.float32)

    image = background(sample, pixels)
    shade_pixels(
        image,
        triangle_of,
        weights,
        model.triangles,
        model.part,
        (normals @ camera.rotation.T)[model.render_vertex],
        received,
        model.mean_fine,
        model.masks["inside_mouth"],
        person.skin,
        AXIS_Z,
        Y_LOW,
        Y_HIGH,
        EYE_CENTRE,
        who.eye_rgb,
        who.iris_radius,
        gaze / np.linalg.norm(gaze),
        sample.shirt,
        sample.neckline,
        who.gloss,
        light,
        half,
        fill,
        np.array([1 + sample.warmth, 1, 1 - sample.warmth]),
        sample.key_strength,
    )
    # Strands are as wide as a pixel at least, so a small picture is covered by fewer of them.
    width = max(1, round(camera.scale / 70))
    stride = 1 if camera.scale > 55 else 2
    for strands in person.strands:
        draw_strands(
            strands.points,
            strands.color,
            strands.occlusion,
            stride,
            camera.rotation,
            camera.matrix,
            camera.shift,
            camera.distance,
            camera.centre,
            light,
            half,
            float(fill.mean()),
            1.9 * sample.key_strength,
            depth,
            image,
            0.85,
            0.012,
            width,
        )
    lash_of = np.full((pixels, pixels), -1, np.int32)
    nearer = screen + np.array([0, 0, 0.04], np.float32)  # lashes lie on the lids' surface
    rasterise(nearer, model.lashes, depth, lash_of, weights)
    darken(image, lash_of, np.array([0.010, 0.008, 0.007]), 0.55 * who.lashes)
    return develop(box_downsample(image, SUPERSAMPLING), sample)


@lru_cache(4)
def _person(identity: int) -> Person:
    return build_person(make_identity(identity))


def render(identity: int, sample: int, size: int = 64) -> np.ndarray:
    """Return picture number ``sample`` of person number ``identity``.

    The same three integers give the same bytes in every process on one platform.

    Args:
        identity: 0 to 9,999 for evaluation, 10,000 and up for training.
        sample: 0 and up: pose, expression, light and camera.
        size: side in pixels, 32 to 512.

    Returns:
        uint8 [size, size, 3], sRGB, aligned on the eyes (see `camera.REFERENCE`).

    Raises:
        NbnetError: a negative number, or a size out of range.
    """
    for name, value in (("identity", identity), ("sample", sample)):
        if value < 0 or value != int(value):
            raise NbnetError(f"{name} is {value}: expected a whole number from 0 up")
    if not MIN_SIZE <= size <= MAX_SIZE or size != int(size):
        raise NbnetError(f"size is {size}: expected whole pixels from {MIN_SIZE} to {MAX_SIZE}")
    return render_person(_person(int(identity)), make_sample(identity, sample), int(size))
