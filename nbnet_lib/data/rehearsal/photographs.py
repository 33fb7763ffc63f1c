"""SynthFaces as a photographer would hand them in: the person inside a wider picture.

SynthFaces are drawn aligned, so that they fill the picture. A benchmark's pictures are not: the
face is somewhere near the middle, with hair, shoulders and wall around it, and has to be found and
cut out. These pictures are drawn from the same parameters with the camera further back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nbnet_lib.errors import NbnetError
from synthfaces import Sample, make_sample
from synthfaces.camera import aim_camera
from synthfaces.geometry import Person, pose
from synthfaces.geometry import landmarks as head_landmarks
from synthfaces.render import SUPERSAMPLING, render_person

MOST = 1024  # pixels of the longer side: what was tried


@dataclass(frozen=True)
class View:
    """How a benchmark's pictures show people.

    Args:
        width: pixels.
        height: pixels.
        share: how large the head is, as a share of its size in an aligned SynthFaces picture whose
            side is the longer side of this one; 0.6 shows the shoulders, below 0.5 the bust ends.
        wander: how far from the middle the face may be, as a share of the longer side.

    Raises:
        NbnetError: a side below 32 or above 1024 pixels, or a share or wander out of range.
    """

    width: int
    height: int
    share: float = 0.6
    wander: float = 0.03

    def __post_init__(self) -> None:
        if not (32 <= min(self.width, self.height) and max(self.width, self.height) <= MOST):
            raise NbnetError(
                f"pictures are {self.width}x{self.height} pixels: expected sides from 32 to {MOST}"
            )
        if not (0.3 <= self.share <= 1 and 0 <= self.wander <= 0.2):
            raise NbnetError(
                f"the head's share is {self.share} and it wanders by {self.wander}: expected "
                "0.3 to 1 and 0 to 0.2"
            )

    @property
    def side(self) -> int:
        """Side of the square that is drawn and cut to width and height, pixels."""
        return max(self.width, self.height)

    def aim(self, identity: int, sample: int, difficulty: float = 1.0) -> Sample:
        """Return the parameters of a picture, with the camera further back."""
        what = make_sample(identity, sample, difficulty)
        dice = np.random.default_rng([53, identity, sample])
        right, down = what.shift + self.wander * dice.uniform(-1, 1, 2)
        size = self.share * dice.uniform(0.93, 1.07) * (1 + what.zoom)
        return replace(what, zoom=size - 1, shift=(float(right), float(down)))


def photograph(person: Person, what: Sample, view: View) -> np.ndarray:
    """Return uint8 [height, width, 3], RGB.

    Args:
        person: from `build_person`.
        what: from `View.aim`.
        view: the same.
    """
    square = render_person(person, what, view.side)
    left, top = _corner(view)
    return square[top : top + view.height, left : left + view.width]


def face_points(person: Person, what: Sample, view: View) -> np.ndarray:
    """Return where `photograph` shows the face, without drawing it; the same arguments.

    Returns:
        float32 [5, 2], pixels x, y: the eye on the picture's left, the eye on its right, the tip of
        the nose, the left and the right corner of the mouth; they may be hidden.
    """
    points = head_landmarks(pose(person.mesh, what)[1])
    camera = aim_camera(what, points, person.centre, view.side * SUPERSAMPLING)
    found = camera.project(points)[:, :2] / SUPERSAMPLING - np.array(_corner(view))
    return found.astype(np.float32)


def _corner(view: View) -> tuple[int, int]:
    return (view.side - view.width) // 2, (view.side - view.height) // 2
