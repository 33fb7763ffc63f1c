"""Finding faces: where each face of a picture is, and five points of it.

MTCNN (Zhang et al., "Joint face detection and alignment using multi-task cascaded convolutional
networks", IEEE SPL 2016) looks at a picture in three steps. A tiny network slides over the picture
at many sizes and proposes boxes; a second one throws most of them out; a third one judges the
rest and places two eyes, a nose tip and two mouth corners. After each step, boxes that cover the
same place are merged. Introduced in chapter 1.

The weights of the three networks come with facenet-pytorch. Networks and cascade are written here,
and find the same boxes and points as the package's own (a test compares them), because of what that
one does:
- it fails on a batch with a picture without a face: `MTCNN.select_boxes` makes one array of what it
  selected, and numpy refuses an array [1, 4] of one picture beside the None of another;
- it fails on a picture that is smaller than the smallest face, and would on a proposed box that
  lies beside the picture: it joins lists of tensors that are empty then;
- it cuts out and shrinks every proposed box on its own. The means over rectangles that this needs
  come from one table of sums here, for all boxes at once: 20 instead of 28 ms for a picture of 160
  pixels on one core;
- it imports torchvision, two seconds in each process.
One picture at a time is the rule: pictures of a data set differ in size, and the answer for one
never depends on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.cascade import load_networks, merge

SMALLEST_INPUT = 12  # pixels that the first network sees at once
STEP = 2  # pixels that it moves on
SHRINK = 0.709  # from one size of the picture to the next; half the area
THRESHOLDS = (0.6, 0.7, 0.7)  # what counts as a face in each step, as published
LARGEST_INPUT = 48  # pixels of a face that the last network sees: more detail is of no use to it


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face of a picture.

    Attributes:
        box: float32 [4], left, top, right, bottom, pixels; may reach beyond the picture.
        points: float32 [5, 2], x, y in pixels of the eye on the left of the picture, the eye on
            the right, the nose tip, the mouth corner on the left and the one on the right.
        score: how sure the detector is, 0.7 to 1.
    """

    box: np.ndarray
    points: np.ndarray
    score: float


class FaceDetector:
    """MTCNN, for one picture at a time.

    Args:
        device: where the networks run, "cpu" or "cuda".
        min_face: side of the smallest face that is looked for, pixels (12 or more); one half as
            large may be found too. The time grows with the picture's pixels divided by its square.

    Raises:
        NbnetError: facenet-pytorch is missing, or a ``min_face`` below 12.
    """

    def __init__(self, device: str = "cpu", min_face: int = 20):
        self.device, self.min_face = device, _check_min_face(min_face)
        self._proposing, self._refining, self._placing = load_networks(device)

    def find(self, picture: np.ndarray, min_face: int | None = None) -> list[DetectedFace]:
        """Return the faces of a picture, the one that the detector is most sure of first.

        Args:
            picture: uint8 [H, W, 3], RGB, any size.
            min_face: instead of the detector's own, for this picture.

        Returns:
            The faces; none where there is none, or where the picture is smaller than ``min_face``.

        Raises:
            NbnetError: another type or shape.
        """
        picture = check_picture(picture)
        smallest = self.min_face if min_face is None else _check_min_face(min_face)
        # Where only large faces are asked for, the last network would shrink them all: do it first.
        factor = min(smallest, *picture.shape[:2]) // LARGEST_INPUT
        if factor > 1:
            faces = self._find(_Means(_reduced(picture, factor)), smallest / factor)
            faces = [DetectedFace(f.box * factor, f.points * factor, f.score) for f in faces]
        else:
            faces = self._find(_Means(picture), smallest)
        return sorted(faces, key=lambda face: -face.score)

    def _find(self, means: _Means, min_face: float) -> list[DetectedFace]:
        boxes = self._propose(means, min_face)
        boxes, crops = means.crops(boxes, 24)
        if not len(boxes):
            return []
        moves, scores = self._ask(self._refining, crops)
        boxes, scores, (moves,) = _confident(boxes, scores, THRESHOLDS[1], moves)
        kept = merge(boxes, scores, 0.7, False)
        boxes = _squares(_moved(boxes[kept], moves[kept], 1))
        boxes, crops = means.crops(boxes, LARGEST_INPUT)
        if not len(boxes):
            return []
        moves, shares, scores = self._ask(self._placing, crops)
        boxes, scores, (moves, shares) = _confident(boxes, scores, THRESHOLDS[2], moves, shares)
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        xs = sides[:, :1] * shares[:, :5] + boxes[:, :1] - 1
        ys = sides[:, 1:] * shares[:, 5:] + boxes[:, 1:2] - 1
        points = np.stack([xs, ys], axis=2)
        boxes = _moved(boxes, moves, 1)
        best = merge(boxes, scores, 0.7, True)
        return [DetectedFace(boxes[i], points[i], float(scores[i])) for i in best]

    def _propose(self, means: _Means, min_face: float) -> np.ndarray:
        """Return squares that may hold a face, float32 [n, 4], from all sizes of the picture."""
        found = []
        scale = SMALLEST_INPUT / min_face
        shorter = min(means.height, means.width) * scale
        while shorter >= SMALLEST_INPUT:
            whole = means.whole(int(means.height * scale + 1), int(means.width * scale + 1))
            moves, scores = self._ask(self._proposing, whole[None])
            moves, scores = moves[0], scores[0]
            ys, xs = np.nonzero(scores >= THRESHOLDS[0])
            corner = STEP * np.stack([xs, ys], axis=1).astype(np.float32)
            boxes = np.floor(
                np.concatenate([corner + 1, corner + SMALLEST_INPUT], axis=1) / np.float32(scale)
            )
            kept = merge(boxes, scores[ys, xs], 0.5, False)
            found.append((boxes[kept], scores[ys, xs][kept], moves[:, ys, xs].T[kept]))
            scale, shorter = scale * SHRINK, shorter * SHRINK
        if not found:
            return np.empty((0, 4), np.float32)
        boxes, scores, moves = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = merge(boxes, scores, 0.7, False)
        return _squares(_moved(boxes[kept], moves[kept], 0))

    def _ask(self, network: Any, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what a network says of pictures float32 [n, S, S, 3] in 0 to 255, as numpy."""
        with torch.inference_mode():
            batch = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
            batch = (batch - 127.5) / 128
            parts = [network(part) for part in batch.split(512)]  # bounded memory
            return tuple(torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))


class _Means:
    """Mean colours of rectangles of one picture, from a table of sums over all its pixels.

    Gives exactly what adaptive average pooling does (`torch.nn.functional.interpolate`, "area").
    """

    def __init__(self, picture: np.ndarray):
        self.height, self.width = picture.shape[:2]
        # 32 bits may run over in a large picture; differences of two sums are right all the same.
        self.sums = np.zeros((self.height + 1, self.width + 1, 3), np.uint32)
        np.cumsum(picture, axis=0, dtype=np.uint32, out=self.sums[1:, 1:])
        np.cumsum(self.sums, axis=1, dtype=np.uint32, out=self.sums)

    def whole(self, height: int, width: int) -> np.ndarray:
        """Return the picture at another size, float32 [height, width, 3] in 0 to 255."""
        (top, bottom), (left, right) = _bins(self.height, height), _bins(self.width, width)
        upper, lower = self.sums[top], self.sums[bottom]
        total = lower[:, right] - lower[:, left] - upper[:, right] + upper[:, left]
        area = (bottom - top)[:, None] * (right - left)[None]
        return total.astype(np.float32) / area[..., None].astype(np.float32)

    def crops(self, boxes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Cut out boxes, float32 [n, 4], and return those that touch the picture with what is in
        them, float32 [m, size, size, 3] in 0 to 255.

        Coordinates count from 1, as in the authors' code, whose numbers the networks learnt.
        """
        edges = np.trunc(boxes).astype(np.int64)
        low = np.maximum(edges[:, :2], 1) - 1
        high = np.minimum(edges[:, 2:], [self.width, self.height])
        inside = (high > low).all(axis=1)
        low, high = low[inside], high[inside]
        left, right = _bins((high - low)[:, :1], size)
        top, bottom = _bins((high - low)[:, 1:], size)
        left, right = left + low[:, :1], right + low[:, :1]
        top, bottom = top + low[:, 1:], bottom + low[:, 1:]

        def corner(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return self.sums.reshape(-1, 3)[(y * (self.width + 1))[:, :, None] + x[:, None]]

        total = corner(bottom, right) - corner(bottom, left) - corner(top, right)
        total += corner(top, left)
        area = (bottom - top)[:, :, None] * (right - left)[:, None]
        return boxes[inside], total.astype(np.float32) / area[..., None].astype(np.float32)


def _bins(length: Any, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last + 1 pixel of each of so many parts of a length (or of [n, 1] of them).

    Parts share a pixel where the length cannot be divided evenly.
    """
    numbers = np.arange(parts)
    return numbers * length // parts, -((numbers + 1) * -length // parts)


def _reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of squares of ``factor`` pixels, uint8."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).reduce(factor))


def _confident(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, *others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the rows whose score is above the threshold."""
    kept = scores > threshold
    return boxes[kept], scores[kept], [other[kept] for other in others]


def _moved(boxes: np.ndarray, moves: np.ndarray, closed: int) -> np.ndarray:
    """Move the edges of boxes by shares of their sides; ``closed`` 1 counts both edge pixels."""
    sides = boxes[:, 2:] - boxes[:, :2] + closed
    return boxes + moves * np.concatenate([sides, sides], axis=1)


def _squares(boxes: np.ndarray) -> np.ndarray:
    """Widen boxes to squares with the same middle."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([corner, corner + side], axis=1)


def check_picture(picture: Any) -> np.ndarray:
    """Return a picture as a contiguous array.

    Raises:
        NbnetError: not uint8 [H, W, 3], or without pixels.
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise NbnetError(
            f"the picture is {picture.dtype} {list(picture.shape)}: expected uint8 [H, W, 3]"
        )
    return np.ascontiguousarray(picture)


def _check_min_face(min_face: int) -> int:
    if min_face < SMALLEST_INPUT:
        raise NbnetError(
            f"min_face is {min_face}: the detector needs faces of {SMALLEST_INPUT} pixels or more"
        )
    return min_face
