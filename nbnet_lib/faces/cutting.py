"""Cutting a face out of a picture so that its five points come to lie where a framing has them.

The similarity transform (turn, scale, shift) that brings the points nearest to the framing's is
fitted by least squares, as in the publications of ArcFace and its kin. A picture is sampled once,
and averaged first where it shrinks. Introduced in chapter 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.detect import check_picture
from nbnet_lib.faces.framing import Framing
from synthfaces.camera import fit_similarity

MARGIN = 3  # pixels around what is seen, for bicubic interpolation


def cut(picture: np.ndarray, points: np.ndarray, framing: Framing, size: int) -> np.ndarray:
    """Cut out the face that five points show.

    Beyond the edges of the picture, its edge pixels go on.

    Args:
        picture: uint8 [H, W, 3], RGB.
        points: float [5, 2], x, y in pixels, in the order of `Framing`; the picture's left and top
            edges are 0.
        framing: where the points are to lie.
        size: side of the result, pixels.

    Returns:
        uint8 [size, size, 3].

    Raises:
        NbnetError: wrong type or shape, points that are not finite, all in one place or so far
            apart that nothing of the face would remain, or a size below 1.
    """
    picture = check_picture(picture)
    points = np.asarray(points, np.float64)
    if size < 1:
        raise NbnetError(f"size is {size}: expected 1 pixel or more")
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise NbnetError(
            f"the points of the face are {points.tolist()}: expected five pairs of finite numbers"
        )
    if points.std() < 1e-3:
        raise NbnetError(f"the points of the face are all at {points[0].tolist()}: find them again")
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
