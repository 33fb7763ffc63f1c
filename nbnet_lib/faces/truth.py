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

from nbnet_lib.files import atomic_path
from synthfaces.camera import aim_camera
from synthfaces.changes import change, check_changes
from synthfaces.checks import check_size
from synthfaces.geometry import Person, build_person, head_centre, pose, subdivide
from synthfaces.geometry import landmarks as head_landmarks
from synthfaces.identity import Identity, check_difficulty, make_identity
from synthfaces.labels import depth, masks, normals
from synthfaces.parameters import find
from synthfaces.render import SUPERSAMPLING, draw, finish, render_person
from synthfaces.sample import Sample, make_sample
from synthfaces.shape import identity_mesh


@dataclass(frozen=True)
class Truth:
    """A picture of side S and what is known about it.

    Attributes:
        image: uint8 [S, S, 3], what `render` gives.
        landmarks: float32 [5, 2], pixels x, y: the middle of the subject's right and left
            eyeball, the tip of the nose, the right and the left corner of the mouth. They may be
            hidden, or lie outside the picture.
        masks: float32 [S, S] in [0, 1] by name (`synth.labels.MASKS`): the share of the pixel
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
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        return path


def parameters_of(
    identity: int, sample: int, difficulty: float = 1.0, changes: Mapping[str, Any] | None = None
) -> tuple[Identity, Sample]:
    """Return the parameters of a picture, the changed ones included.

    Raises:
        NbnetError: a number, a difficulty or a change that is not allowed.
    """
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

    Raises:
        NbnetError: a number, a size, a difficulty or a change that is not allowed.
    """
    size = check_size(size)
    return render_person(*_prepare(identity, sample, difficulty, changes), size)


def landmarks(
    identity: int,
    sample: int,
    size: int = 64,
    difficulty: float = 1.0,
    changes: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Return `Truth.landmarks` without drawing; arguments and errors are those of `render`."""
    size = check_size(size)
    who, what = parameters_of(identity, sample, difficulty, changes)
    neutral = np.ascontiguousarray(identity_mesh(who), np.float32)
    points = head_landmarks(pose(neutral, what)[1])
    centre = head_centre(subdivide(neutral))
    camera = aim_camera(what, points, centre, size * SUPERSAMPLING)
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
