"""Finding faces: where each face of a picture is, and five points of it.

MTCNN (Zhang et al., "Joint face detection and alignment using multi-task cascaded convolutional
networks", IEEE SPL 2016) looks at a picture in three steps. A tiny network slides over the picture
at many sizes and proposes boxes; a second one throws most of them out; a third one judges the
rest and places two eyes, a nose tip and two mouth corners. After each step, boxes that cover the
same place are merged. Introduced in chapter 1.

The networks and their weights are those of facenet-pytorch. It is given one picture at a time:
pictures of a data set differ in size, the answer for one never depends on the others, and its
`MTCNN.select_boxes` fails on a batch in which one picture has no face. Pictures that are smaller
than the smallest face are not given to it either: it would raise an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from nbnet_lib.errors import NbnetError

SMALLEST_INPUT = 12  # pixels that the first network sees at once
LARGEST_INPUT = 48  # pixels of a face that the last network sees: more detail is of no use to it


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face of a picture.

    Attributes:
        box: float32 [4], left, top, right, bottom, pixels; may reach beyond the picture.
        points: float32 [5, 2], x, y in pixels of the eye on the left of the picture, the eye on
            the right, the nose tip, the mouth corner on the left and the one on the right.
        score: how certain the detector is, 0.7 to 1.
    """

    box: np.ndarray
    points: np.ndarray
    score: float


class FaceDetector:
    """MTCNN, for one picture at a time.

    Args:
        device: where the networks run, "cpu" or "cuda".
    """

    def __init__(self, device: str = "cpu"):
        from facenet_pytorch import MTCNN  # brings torchvision along

        self._mtcnn = MTCNN(keep_all=True, select_largest=False, device=device)

    def find(self, picture: np.ndarray, min_face: int = 20) -> list[DetectedFace]:
        """Return the faces of a picture, the one that the detector is most certain of first.

        Args:
            picture: uint8 [H, W, 3], RGB, any size.
            min_face: side of the smallest face that is looked for, pixels (12 or more); one half as
                large may be found too. The time grows with the picture's pixels divided by its
                square.

        Returns:
            The faces; none where there is none, or where the picture is smaller than ``min_face``.

        Raises:
            NbnetError: another type or shape, or a ``min_face`` below 12.
        """
        picture = np.asarray(picture)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise NbnetError(
                f"the picture is {picture.dtype} {list(picture.shape)}: expected uint8 [H, W, 3]"
            )
        if min_face < SMALLEST_INPUT:
            raise NbnetError(f"min_face is {min_face}: give {SMALLEST_INPUT} pixels or more")
        if min(picture.shape[:2]) < min_face:
            return []
        # Where only large faces are wanted, the last network would shrink them all: do it first.
        factor = max(1, min_face // LARGEST_INPUT)
        if factor > 1:
            picture = np.asarray(Image.fromarray(picture).reduce(factor))
        self._mtcnn.min_face_size = min_face / factor
        boxes, scores, points = self._mtcnn.detect(picture, landmarks=True)
        if boxes is None:
            return []
        boxes, points = (factor * np.asarray(a, np.float32) for a in (boxes, points))
        return [DetectedFace(*face) for face in zip(boxes, points, map(float, scores), strict=True)]
