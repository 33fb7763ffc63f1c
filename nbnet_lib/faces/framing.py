"""Framings: where eyes, nose and mouth corners lie in the square pictures of a recogniser.

Every recogniser was trained on faces that were cut out in one way, and reads others badly. A
framing names that way by five points; a similarity transform (turn, scale, shift: no distortion)
fitted by least squares brings any face, or any other framing, there. Introduced in chapter 1.

The points are those that MTCNN finds (Zhang et al., "Joint face detection and alignment using
multi-task cascaded convolutional networks", IEEE SPL 2016), the detector of `faces.detect`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.transforms import check_images, resize
from synthfaces.camera import fit_similarity

MARGIN = 3  # pixels around what is seen, for bicubic interpolation
REACH = 1.5  # sides from the middle of the picture that a point may lie away


@dataclass(frozen=True)
class Framing:
    """Five points as shares of the side: x, y of the eye on the left of the picture, the eye on the
    right, the nose tip, the mouth corner on the left and the one on the right.

    Raises:
        NbnetError: not five pairs of finite numbers, all points in one place, or points so far
            beyond the picture that they must be pixels.
    """

    name: str
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        array = np.asarray(self.points, float)
        five = array.shape == (5, 2) and bool(np.isfinite(array).all())
        if not five or array.std(0).min() < 0.01 or np.abs(array - 0.5).max() > REACH:
            raise NbnetError(
                f"the framing {self.name!r} has the points {self.points}: give x, y of left eye, "
                "right eye, nose tip, left and right mouth corner, as shares of the picture's side"
            )

    def pixels(self, size: int) -> np.ndarray:
        """Return the points in a picture of ``size`` pixels, float64 [5, 2]."""
        return np.asarray(self.points, float) * size

    def to_card(self) -> str | dict[str, Any]:
        """Return what a card says: the name of a known framing, or {"name", "points"}."""
        if FRAMINGS.get(self.name) == self:
            return self.name
        return {"name": self.name, "points": [list(point) for point in self.points]}

    @classmethod
    def from_card(cls, value: Any) -> Framing:
        """Return the framing that a card names: the opposite of `to_card`; points alone will do.

        Raises:
            NbnetError: an unknown name, or something that is not five points.
        """
        if isinstance(value, str):
            return find_framing(value)
        known = value if isinstance(value, dict) else {"points": value}
        try:
            points = tuple((float(x), float(y)) for x, y in known["points"])
        except (KeyError, TypeError, ValueError, OverflowError):
            points = ()
        return cls(str(known.get("name", "own")), points)


def _upright(name: str, eyes: tuple, nose_y: float, mouth: tuple) -> Framing:
    """Return a framing that mirrors left and right: (distance from the middle, y) of each pair."""
    (eye_x, eye_y), (mouth_x, mouth_y) = eyes, mouth
    return Framing(
        name,
        (
            (0.5 - eye_x, eye_y),
            (0.5 + eye_x, eye_y),
            (0.5, nose_y),
            (0.5 - mouth_x, mouth_y),
            (0.5 + mouth_x, mouth_y),
        ),
    )


# "arcface" is the template published with InsightFace for 112 px (mirrored within half a pixel).
# The others were measured: what MTCNN finds, on average over 600 SynthFaces, in pictures that are
# drawn ("synthfaces"), cut out as facenet-pytorch does by the detected box ("facenet"), or as dlib
# does by its own landmarks, with its usual padding of 0.25 ("dlib").
FRAMINGS = {
    framing.name: framing
    for framing in (
        _upright("synthfaces", (0.141, 0.451), 0.626, (0.123, 0.755)),
        Framing(
            "arcface",
            tuple(
                (x / 112, y / 112)
                for x, y in (
                    (38.2946, 51.6963),
                    (73.5318, 51.5014),
                    (56.0252, 71.7366),
                    (41.5493, 92.3655),
                    (70.7299, 92.2041),
                )
            ),
        ),
        _upright("facenet", (0.227, 0.391), 0.603, (0.198, 0.759)),
        _upright("dlib", (0.200, 0.236), 0.486, (0.173, 0.666)),
    )
}


def find_framing(name: str) -> Framing:
    """Return a framing by name.

    Raises:
        NbnetError: unknown name.
    """
    if name not in FRAMINGS:
        raise NbnetError(f"no framing is named {name!r}: choose one of {', '.join(FRAMINGS)}")
    return FRAMINGS[name]


def reframe(images: Tensor, source: Framing, target: Framing, size: int) -> Tensor:
    """Cut pictures of one framing as another framing has them; one fixed transform for all.

    Where the target shows more than the source does, edge pixels are repeated. Differentiable.

    Args:
        images: float32 [N, 3, S, S] in [-1, 1], of the framing ``source``.
        source: framing of the images.
        target: framing wanted.
        size: side of the result, pixels.

    Returns:
        float32 [N, 3, size, size] in [-1, 1]; equal to `resize` where the framings are the same.

    Raises:
        NbnetError: wrong type, range or shape, or pictures that are not square.
    """
    check_images(images.detach() if isinstance(images, Tensor) else images)
    if images.shape[2] != images.shape[3]:
        raise NbnetError(
            f"images are {images.shape[3]}x{images.shape[2]} pixels: a framing needs squares"
        )
    if source.points == target.points:
        return resize(images, size)
    # From the result's pixels to those of the source, both in shares of the side.
    matrix, shift = fit_similarity(np.asarray(target.points), np.asarray(source.points))
    zoom = float(np.sqrt(np.linalg.det(matrix)))  # share of the source's side that is seen
    # grid_sample does not average: a picture that shrinks is made smaller first, antialiased.
    fitting = max(1, round(size / zoom))
    if fitting < images.shape[2]:
        images = resize(images, fitting)
    # affine_grid counts from -1 to 1: share = (u + 1) / 2.
    whole = np.concatenate([matrix, (matrix.sum(1) + 2 * shift - 1)[:, None]], axis=1)
    theta = torch.as_tensor(whole, dtype=images.dtype, device=images.device)
    shape = [len(images), 3, size, size]
    grid = F.affine_grid(theta.expand(len(images), 2, 3), shape, align_corners=False)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return moved.clamp(-1, 1)


def cut(picture: np.ndarray, points: np.ndarray, framing: Framing, size: int) -> np.ndarray:
    """Cut out the face that five points show.

    Beyond the edges of the picture, its edge pixels are repeated.

    Args:
        picture: uint8 [H, W, 3], RGB.
        points: float [5, 2], x, y in pixels, in the order of `Framing`; the picture's left and top
            edges are 0.
        framing: where the points are to lie.
        size: side of the result, pixels.

    Returns:
        uint8 [size, size, 3].

    Raises:
        NbnetError: a picture that is not uint8, points that are not finite or all in one place, or
            that resemble no face.
    """
    points = np.asarray(points, np.float64)
    if picture.dtype != np.uint8 or points.shape != (5, 2) or not points.std() > 1e-3:
        raise NbnetError(
            f"the picture is {picture.dtype} and the points of its face are {points.tolist()}: "
            "expected uint8 and five pairs of numbers, not all in one place"
        )
    # Towards the framing, then turned round: from a pixel of the result to one of the picture.
    matrix, shift = fit_similarity(points, framing.pixels(size))
    scale = math.sqrt(abs(np.linalg.det(matrix)))
    if not scale > 1e-6:
        raise NbnetError(
            f"the points of the face, {points.round(1).tolist()}, do not resemble the framing "
            f"{framing.name!r}: find them again"
        )
    matrix = np.linalg.inv(matrix)
    shift = -matrix @ shift
    patch, origin, zoom = _patch(picture, matrix, shift, size, min(1.0, scale))
    # Middles of the result's pixels, in the patch, and there from -1 to 1 as grid_sample counts.
    middles = np.stack(np.meshgrid(*[np.arange(size) + 0.5] * 2), axis=2) @ matrix.T + shift
    grid = 2 * zoom * (middles - origin) / [patch.shape[1], patch.shape[0]] - 1
    sampled = F.grid_sample(
        torch.from_numpy(np.array(patch)).permute(2, 0, 1)[None].float(),
        torch.from_numpy(grid.astype(np.float32))[None],
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )
    return sampled[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).contiguous().numpy()


def _patch(
    picture: np.ndarray, matrix: np.ndarray, shift: np.ndarray, size: int, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the part of the picture that is seen, shrunk by ``scale`` (at most 1), antialiased.

    Returns:
        The part; where it began in the picture, x, y; and by how much it shrank along x and y.
    """
    extent = np.array([picture.shape[1], picture.shape[0]])
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ matrix.T + shift
    low, high = corners.min(0), corners.max(0)
    reach = MARGIN / scale
    # At least one pixel, the nearest one, however far outside the face was said to be.
    first = np.clip(np.floor(low - reach), 0, extent - 1).astype(int)
    last = np.clip(np.ceil(high + reach), first + 1, extent).astype(int)
    patch = picture[first[1] : last[1], first[0] : last[0]]
    full = last - first
    small = np.maximum(1, np.rint(full * scale)).astype(int)
    if (small < full).any():
        shrunk = Image.fromarray(patch).resize(tuple(small), Image.Resampling.BILINEAR)
        patch = np.asarray(shrunk)
    return patch, first, small / full
