"""A picture together with everything that is known about it, and pictures of changed parameters.

    truth = render_truth(3, 0, size=128, changes={"yaw_deg": 20})
    truth.masks["skin"], truth.depth, truth.normals, truth.landmarks

Coordinates: pixels, x to the right, y down, the middle of the upper left pixel at (0.5, 0.5). The
camera's frame: x to the right, y up, z towards the camera. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from synthfaces.background import foreground
from synthfaces.camera import aim_camera
from synthfaces.changes import change, check_changes
from synthfaces.checks import check_difficulty, check_size
from synthfaces.drawing import SUPERSAMPLING, Buffers, draw, finish, render_person
from synthfaces.geometry import Person, build_person, head_centre, pose, subdivide
from synthfaces.geometry import landmarks as head_landmarks
from synthfaces.identity import Identity, make_identity
from synthfaces.model import EYE, SKIN, fine_mask
from synthfaces.parameters import find
from synthfaces.raster import box_downsample
from synthfaces.sample import Sample, make_sample
from synthfaces.shape import identity_mesh

MASKS = {
    "background": "no person",
    "skin": "face, ears, neck; with brows, lashes and stubble",
    "eyes": "eyeballs between the lids",
    "mouth": "lips, teeth, tongue and the inside",
    "hair": "hair of head and beard",
    "glasses": "frames, and the lenses of sunglasses",
    "headwear": "beanie, cap or hood",
    "clothes": "shirt and scarf",
    "foreground": "an object between camera and face",
}


@dataclass(frozen=True)
class Truth:
    """A picture of side S and what is known about it.

    Attributes:
        image: uint8 [S, S, 3], what `render` gives.
        landmarks: float32 [5, 2], pixels x, y: the middle of the subject's right and left
            eyeball, the tip of the nose, the right and the left corner of the mouth. They may be
            hidden, or lie outside the picture.
        masks: float32 [S, S] in [0, 1] by name (`MASKS`): the share of the pixel
            that shows it; they sum to 1.
        depth: float32 [S, S], decimetres from the camera's plane; infinite where nobody is.
        normals: float32 [S, S, 3], unit length, in the camera's frame; 0 where there is no person.
        identity: the parameters of the person.
        sample: the parameters of the picture.
    """

    image: np.ndarray
    landmarks: np.ndarray
    masks: dict[str, np.ndarray]
    depth: np.ndarray
    normals: np.ndarray
    identity: Identity
    sample: Sample

    def save(self, path: Path) -> Path:
        """Write landmarks, masks (as ``mask_skin`` ...), depth and normals as a .npz file."""
        arrays: dict[str, Any] = {f"mask_{name}": mask for name, mask in self.masks.items()}
        arrays |= {"landmarks": self.landmarks, "depth": self.depth, "normals": self.normals}
        temporary = path.with_name(f".{path.name}.part")  # whole or not there
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        return temporary.replace(path)


def _interpolate(buffers: Buffers, values: np.ndarray) -> np.ndarray:
    """Return float32 [n, k] at the n pixels that show the mesh, of values at its vertices."""
    s = buffers.surface
    seen = s.triangle_of >= 0
    corners = s.triangles[s.triangle_of[seen]]
    a, b = s.weights[seen].T
    shares = np.stack([a, b, 1 - a - b], 1)
    return np.einsum("nc,nck->nk", shares, values[corners])


def _average(values: np.ndarray) -> np.ndarray:
    return box_downsample(np.ascontiguousarray(values, np.float32), SUPERSAMPLING)


def masks(buffers: Buffers, sample: Sample) -> dict[str, np.ndarray]:
    """Return the share of each pixel that shows each of `MASKS`, float32 [S, S]; they sum to 1."""
    s = buffers.surface
    seen = s.triangle_of >= 0
    part = s.part[s.triangle_of[seen]]
    lips = np.maximum(fine_mask("lips"), fine_mask("inside_mouth"))
    values = _interpolate(buffers, np.column_stack([lips, s.vertex[:, 7:9]]))
    names = list(MASKS)
    kind = np.where(values[:, 0] > 0.5, names.index("mouth"), names.index("skin"))
    kind[values[:, 2] > 0] = names.index("clothes")
    kind[values[:, 1] > 0] = names.index("headwear")
    kind[part != SKIN] = names.index("mouth")
    kind[part == EYE] = names.index("eyes")
    label = np.full(s.triangle_of.shape, names.index("background"))
    label[seen] = kind
    label[buffers.visor >= 0] = names.index("headwear")
    label[buffers.glasses >= 0] = names.index("glasses")

    shares = (label[..., None] == np.arange(len(names))).astype(np.float32)
    shares *= 1 - buffers.hair[..., None]
    shares[..., names.index("hair")] += buffers.hair
    if sample.sunglasses:
        shares[buffers.lenses >= 0] = np.eye(len(names), dtype=np.float32)[names.index("glasses")]
    shares = _average(shares)
    if sample.foreground:
        front = foreground(sample, len(shares))
        shares *= 1 - front[..., None]
        shares[..., names.index("foreground")] += front
    return {name: np.ascontiguousarray(shares[..., i]) for i, name in enumerate(names)}


def depth(buffers: Buffers, sample: Sample) -> np.ndarray:
    """Return the way from the camera's plane to the nearest point in each pixel.

    Hair, frames of glasses and headwear count; lenses and an object in the foreground do not.

    Returns:
        float32 [S, S], decimetres; infinite where there is no person.
    """
    side = len(buffers.depth) // SUPERSAMPLING
    blocks = buffers.depth.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING)
    nearest = blocks.max((1, 3))
    return np.where(nearest > -1e8, sample.distance - nearest, np.inf).astype(np.float32)


def normals(buffers: Buffers) -> np.ndarray:
    """Return the normals of the head and its clothes, also where hair or glasses hide them.

    Returns:
        float32 [S, S, 3]: x to the right of the picture, y up, z towards the camera; unit length,
        0 where there is neither head nor clothes.
    """
    s = buffers.surface
    world = np.zeros((*s.triangle_of.shape, 3), np.float32)
    found = _interpolate(buffers, s.vertex[:, :3])
    # The camera's roll and the alignment turn the picture in its plane; its y axis runs down.
    turn = buffers.camera.matrix / buffers.camera.scale * np.array([[1, -1], [-1, 1]])
    found[:, :2] = found[:, :2] @ turn.T
    world[s.triangle_of >= 0] = found / np.linalg.norm(found, axis=1, keepdims=True)
    mean = _average(world)
    length = np.linalg.norm(mean, axis=2, keepdims=True)
    return np.where(length > 1e-3, mean / np.maximum(length, 1e-3), 0).astype(np.float32)


def parameters_of(
    identity: int, sample: int, difficulty: float = 1.0, changes: Mapping[str, Any] | None = None
) -> tuple[Identity, Sample]:
    """Return the parameters of a picture, the changed ones included."""
    drawn = make_identity(identity, difficulty), make_sample(identity, sample, difficulty)
    return change(*drawn, changes) if changes else drawn


@lru_cache(8)
def _person(identity: int, difficulty: float, changes: tuple[tuple[str, Any], ...]) -> Person:
    """Build a person once for all pictures that differ in the sample's parameters only."""
    return build_person(parameters_of(identity, 0, difficulty, dict(changes))[0])


def _prepare(
    identity: int, sample: int, difficulty: float, changes: Mapping[str, Any] | None
) -> tuple[Person, Sample]:
    changes = check_changes(changes)
    _, what = parameters_of(identity, sample, difficulty, changes)
    lasting = tuple((n, value) for n, value in changes.items() if find(n).owner == "identity")
    return _person(int(identity), check_difficulty(difficulty), lasting), what


def render(
    identity: int,
    sample: int,
    size: int = 64,
    difficulty: float = 1.0,
    changes: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Return picture number ``sample`` of person number ``identity``.

    The same numbers give the same bytes in every process on one platform.

    Args:
        identity: 0 to 9,999 for evaluation, 10,000 and up for training.
        sample: 0 and up: pose, expression, light, outfit and camera.
        size: side in pixels, 32 to 512.
        difficulty: 0.25 (people differ more, pictures of one less) to 2; 1 is the default set.
        changes: parameter name -> value, all else fixed; `describe` lists names and ranges.

    Returns:
        uint8 [size, size, 3], sRGB, aligned on the eyes (see `camera.REFERENCE`).
    """
    size = check_size(size)
    return render_person(*_prepare(identity, sample, difficulty, changes), size)


def landmarks(who: Identity, what: Sample, size: int) -> np.ndarray:
    """Return `Truth.landmarks` of a picture of ``size`` pixels without drawing it."""
    neutral = np.ascontiguousarray(identity_mesh(who), np.float32)
    points = head_landmarks(pose(neutral, what)[1])
    centre = head_centre(subdivide(neutral))
    camera = aim_camera(what, points, centre, check_size(size) * SUPERSAMPLING)
    return _on_picture(camera.project(points))


def _on_picture(points: np.ndarray) -> np.ndarray:
    """Turn buffer coordinates, float32 [n, 3], into the picture's, float32 [n, 2]."""
    return np.ascontiguousarray(points[:, :2] / np.float32(SUPERSAMPLING))


def render_truth(
    identity: int,
    sample: int,
    size: int = 64,
    difficulty: float = 1.0,
    changes: Mapping[str, Any] | None = None,
) -> Truth:
    """Return a picture with its ground truth; arguments and errors are those of `render`."""
    size = check_size(size)
    person, what = _prepare(identity, sample, difficulty, changes)
    buffers = draw(person, what, size, truth=True)
    return Truth(
        image=finish(buffers, what),
        landmarks=_on_picture(buffers.landmarks),
        masks=masks(buffers, what),
        depth=depth(buffers, what),
        normals=normals(buffers),
        identity=person.identity,
        sample=what,
    )
