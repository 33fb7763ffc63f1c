"""SynthFaces: a picture of a person who does not exist, as a pure function of three integers.

    picture = render_person(build_person(who), make_sample(identity, sample), size)

`geometry.build_person` does what is the same in every picture of a person (mesh, skin, hair,
shadows); `render_person` does what changes (expression, pose, light, camera). Introduced in
chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synthfaces.background import background, foreground
from synthfaces.camera import Camera, aim_camera
from synthfaces.develop import develop
from synthfaces.geometry import (
    Person,
    coarse_triangles,
    landmarks,
    place,
    pose,
    solid_of,
    strands_of,
)
from synthfaces.glasses import Solid, shade_solid, tint_lens
from synthfaces.hair import draw_hair
from synthfaces.light import hard_light, light_coefficients, receive
from synthfaces.model import EYE_CENTRE, TEETH, head_model
from synthfaces.raster import box_downsample, open_mouth, rasterise, vertex_normals
from synthfaces.sample import Sample
from synthfaces.shade import Light, Look, Surface, darken, shade_pixels
from synthfaces.skin import makeup_colors, overlays, stubble_rgb
from synthfaces.wardrobe import cover, hidden_hair, thicken

RENDERER_VERSION = 2  # raised whenever a pixel changes: caches and cards name it
SUPERSAMPLING = 2
SMOOTH_SCALE = 130  # drawn pixels per decimetre from which texels would show: about 135 px pictures
_SOFT = 0.55  # from this softness on, no shadow map is needed
_NO_COVER = np.zeros((0, 0), np.float32)


@dataclass
class Buffers:
    """What drawing fills; the ground truth is read off it.

    P is ``SUPERSAMPLING`` times the picture's side.
    """

    linear: np.ndarray  # float32 [P, P, 3]
    depth: np.ndarray  # float32 [P, P], decimetres towards the camera from the head's middle
    triangle_of: np.ndarray  # int32 [P, P], -1 where no face is
    weights: np.ndarray  # float32 [P, P, 2], barycentric
    hair: np.ndarray  # float32 [P, P] or [0, 0]: how much of the pixel is hair
    glasses: np.ndarray  # int32 [P, P], -1 where no frame is
    visor: np.ndarray  # int32 [P, P], -1 where no visor is
    lenses: np.ndarray  # int32 [P, P], -1 where no lens is
    camera: Camera
    landmarks: np.ndarray  # float32 [5, 3], pixels of the buffer, and depth
    surface: Surface


@lru_cache(1)
def _small_overlays() -> np.ndarray:
    """Return where make-up goes as `Surface.overlays`, uint8 [h, w, 4]: a quarter of the memory."""
    full = overlays()
    small = np.zeros((*full.shape[:2], 4), np.uint8)
    small[..., :3] = full * 255 + 0.5
    return small


def _look(person: Person, sample: Sample) -> Look:
    who = person.identity
    right, down = np.radians(sample.gaze)
    gaze = np.array([np.sin(right), -np.sin(down), np.cos(right) * np.cos(down)], np.float32)
    rng = np.random.default_rng([41, sample.background_seed])
    striped = rng.random() < 0.3 and not sample.scarf
    second = np.clip(sample.shirt * np.exp(0.8 * rng.standard_normal()) + 0.01, 0.01, 0.8)
    return Look(
        eye_centre=EYE_CENTRE,
        eye_rgb=np.asarray(who.eye_rgb, np.float32),
        iris=who.iris_radius,
        gaze=gaze / np.linalg.norm(gaze),
        makeup=np.ascontiguousarray(makeup_colors(who, sample), np.float32),
        stubble_rgb=np.asarray(stubble_rgb(who), np.float32),
        stubble=0.75 * sample.stubble,
        flush=sample.flush,
        gloss=who.gloss * sample.shine,
        shirt=np.stack([sample.shirt, second]).astype(np.float32),
        stripes=float(rng.uniform(2, 9)) if striped else 0.0,
        headwear=np.asarray(sample.headwear_rgb, np.float32),
        ribs=110.0 if sample.headwear == "beanie" else 0.0,
    )


def picture_light(sample: Sample, camera: Camera) -> Light:
    """Return the picture's lights in world space."""
    azimuth, elevation = np.radians([sample.light_azimuth, sample.light_elevation])
    level = np.cos(elevation)
    key = np.array(
        [np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level], np.float32
    )
    half = key + np.array([0, 0, 1], np.float32)
    rim = np.array([-np.sign(sample.light_azimuth) * 0.8 or 0.8, 0.35, -0.5], np.float32)
    return Light(
        up=np.ascontiguousarray(camera.rotation[:, 1]),
        key=key,
        half=half / np.linalg.norm(half),
        rim=rim / np.linalg.norm(rim),
        key_rgb=np.array([1 + sample.warmth, 1, 1 - sample.warmth], np.float32),
        fill=np.asarray(sample.fill, np.float32),
        key_strength=float(sample.key_strength),
        rim_strength=float(sample.rim_strength),
    )


def vertex_light(
    person: Person,
    sample: Sample,
    mesh: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    camera: Camera,
    light: Light,
    covered: np.ndarray,
) -> np.ndarray:
    """Return `Surface.vertex`, float32 [F, 16], for a posed head.

    Args:
        person: whose self-shadowing is used.
        sample: softness and colours of the light.
        mesh: float32 [C, 3] posed; ``vertices``, ``normals``: float32 [F, 3] posed.
        camera: its rotation turns the head.
        light: from `picture_light`; ``covered``: from `wardrobe.cover`.
    """
    coefficients = light_coefficients(
        camera.rotation, light.fill, light.key, sample.softness, sample.light_turn
    )
    hardness = float(np.clip(1 - sample.softness / _SOFT, 0, 1)) ** 0.5
    hard = np.zeros(0, np.float32)
    if hardness > 0:
        towards = np.ascontiguousarray(camera.rotation.T @ light.key)
        hard = hard_light(
            mesh - person.centre, coarse_triangles(), vertices - person.centre, normals, towards
        )
    return receive(
        person.transfer, coefficients, hard, hardness, normals, camera.rotation, covered, place()[0]
    )


def _draw_solid(
    buffers: Buffers, solid: Solid, found: np.ndarray, color: np.ndarray, shine: float, light: Light
) -> None:
    """Draw glasses or a visor; ``found``, int32 [P, P], receives the triangles."""
    weights = np.empty_like(buffers.weights)
    screen = buffers.camera.project(solid.points)
    rasterise(screen, solid.triangles, buffers.depth, found, weights)
    normals = buffers.camera.turn(solid.normals)
    shade_solid(
        buffers.linear, found, weights, solid.triangles, normals,
        np.asarray(color, np.float32), shine, light,
    )  # fmt: skip


def _draw_lenses(buffers: Buffers, lenses: Solid, dark: bool, light: Light) -> None:
    weights = np.empty_like(buffers.weights)
    depth = buffers.depth.copy()  # a lens hides nothing
    screen = buffers.camera.project(lenses.points)
    rasterise(screen, lenses.triangles, depth, buffers.lenses, weights)
    tint = np.array([0.012, 0.011, 0.010] if dark else [0.1, 0.11, 0.11], np.float32)
    normals = buffers.camera.turn(lenses.normals)
    tint_lens(
        buffers.linear, buffers.lenses, weights, lenses.triangles, normals,
        tint, 0.90 if dark else 0.02, light,
    )  # fmt: skip


def _rasterise_head(buffers: Buffers, screen: np.ndarray) -> None:
    """Draw skin and eyes, then teeth and tongue where the inside of the mouth is seen.

    A face that is changed in shape does not take its teeth along: without the second step they
    would come out of a small chin.
    """
    model = head_model()
    depth, found, weights = buffers.depth, buffers.triangle_of, buffers.weights
    outer = int(np.searchsorted(model.part, TEETH))
    rasterise(screen, model.screen_triangles[:outer], depth, found, weights)
    behind = np.empty_like(depth)
    if open_mouth(found, depth, model.mouth, behind):
        depth = behind
        teeth = np.full_like(found, -1)
        inner = np.empty_like(weights)
        rasterise(screen, model.screen_triangles[outer:], depth, teeth, inner)
        seen = teeth >= 0
        found[seen] = teeth[seen] + outer
        weights[seen] = inner[seen]
        buffers.depth[seen] = depth[seen]


def draw(person: Person, sample: Sample, size: int, truth: bool = False) -> Buffers:
    """Draw a picture in linear light, ``SUPERSAMPLING`` times larger than ``size``.

    Args:
        person: from `build_person`.
        sample: from `make_sample`.
        size: side of the final picture in pixels.
        truth: also fill ``Buffers.hair``.
    """
    model = head_model()
    pixels = size * SUPERSAMPLING
    mesh, vertices = pose(person.mesh, sample)
    normals = vertex_normals(vertices, model.fine_triangles)
    mean = place()[1]
    covered = cover(sample, mean)
    points = landmarks(vertices)
    if thicken(vertices, normals, covered, mean, sample):
        normals = vertex_normals(vertices, model.fine_triangles)
    camera = aim_camera(sample, points, person.centre, pixels)
    light = picture_light(sample, camera)
    lit = vertex_light(person, sample, mesh, vertices, normals, camera, light, covered)

    buffers = Buffers(
        linear=background(sample, pixels),
        depth=np.full((pixels, pixels), -1e9, np.float32),
        triangle_of=np.full((pixels, pixels), -1, np.int32),
        weights=np.zeros((pixels, pixels, 2), np.float32),
        hair=np.zeros((pixels, pixels), np.float32) if truth else _NO_COVER,
        glasses=np.full((pixels, pixels), -1, np.int32),
        visor=np.full((pixels, pixels), -1, np.int32),
        lenses=np.full((pixels, pixels), -1, np.int32),
        camera=camera,
        landmarks=camera.project(points),
        surface=None,  # type: ignore[arg-type]
    )
    screen = camera.project(vertices)
    _rasterise_head(buffers, screen)
    smooth = camera.scale > SMOOTH_SCALE
    buffers.surface = Surface(
        buffers.triangle_of, buffers.weights, model.screen_triangles, model.part, lit,
        person.skin, _small_overlays(), smooth,
    )  # fmt: skip
    shade_pixels(buffers.linear, buffers.surface, light, _look(person, sample))
    glasses = sample.wears_glasses or sample.sunglasses
    if sample.headwear == "cap":
        visor = solid_of(person, "visor")
        _draw_solid(buffers, visor, buffers.visor, sample.headwear_rgb, 0.05, light)
    if glasses:
        frame, color = solid_of(person, "frame"), person.identity.glasses_rgb
        _draw_solid(buffers, frame, buffers.glasses, color, 0.2, light)
    _draw_strands(buffers, person, sample, light, vertices)

    lash_of = np.full((pixels, pixels), -1, np.int32)
    nearer = screen + np.array([0, 0, 0.04], np.float32)  # lashes lie on the lids' surface
    rasterise(nearer, model.fine_lashes, buffers.depth, lash_of, np.zeros_like(buffers.weights))
    lashes = min(0.75, 0.38 * person.identity.lashes + 0.3 * sample.makeup)
    darken(buffers.linear, lash_of, np.array([0.010, 0.008, 0.007]), lashes)
    if glasses:
        _draw_lenses(buffers, solid_of(person, "lenses"), sample.sunglasses, light)
    return buffers


def _draw_strands(
    buffers: Buffers, person: Person, sample: Sample, light: Light, vertices: np.ndarray
) -> None:
    """Draw hair and beard: lights as `draw_hair` wants them."""
    key = np.stack([light.key, light.key_rgb * light.key_strength * 1.9])
    rim = np.stack([light.rim, np.full(3, light.rim_strength, np.float32)])
    lights = np.stack([key, rim]).astype(np.float32)
    ambient = np.stack([1.1 * light.fill, 0.55 * light.fill]).astype(np.float32)
    phase = float(sample.background_seed % 6283) / 1000
    hat = hidden_hair(sample, person.eye_shift)
    hair, beard = strands_of(person, sample.hair_state)
    for strands in hair:
        draw_hair(strands, buffers.camera, lights, ambient, buffers.linear, buffers.depth,
                  buffers.hair, growth=sample.hair_growth, mess=sample.hair_mess, phase=phase,
                  hat=hat)  # fmt: skip
    for strands in beard:
        draw_hair(strands, buffers.camera, lights, ambient, buffers.linear, buffers.depth,
                  buffers.hair, growth=sample.beard_growth, mess=0.3 * sample.hair_mess,
                  phase=phase, vertices=vertices)  # fmt: skip


def finish(buffers: Buffers, sample: Sample) -> np.ndarray:
    """Return the camera's picture of what was drawn, uint8 [size, size, 3], sRGB."""
    linear = box_downsample(buffers.linear, SUPERSAMPLING)
    if sample.foreground:
        rng = np.random.default_rng([43, sample.foreground_seed])
        color = rng.uniform(0.02, 0.35) * np.exp(0.3 * rng.standard_normal(3)).astype(np.float32)
        share = foreground(sample, len(linear))[..., None]
        linear += (color.astype(np.float32) - linear) * share
    return develop(linear, sample)


def render_person(person: Person, sample: Sample, size: int) -> np.ndarray:
    """Return one picture, uint8 [size, size, 3], sRGB."""
    return finish(draw(person, sample, size), sample)
