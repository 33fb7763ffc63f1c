"""Are faces where a recogniser expects them? What a detector says of a sample of the pictures.

Pictures that nobody aligned give templates all the same, only worse ones: nothing else would show
it. Introduced in the guide "Run the paper on LFW".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from nbnet_lib.faces.detect import FaceDetector
from nbnet_lib.faces.framing import FRAMINGS, Framing
from synthfaces.camera import fit_similarity

SAMPLE = 50  # pictures, which take 2.5 s on a core
MOST_OFF = 0.1  # share of a sample that may be elsewhere
# Distance from where the points should be, in distances of the eyes. Of 200 SynthFaces as they are
# drawn, not aligned by their points, the largest is 0.21 (median 0.08); of faces as they are in
# LFW, seen in the framing "synthfaces", the smallest is 0.21 (median 0.29).
TOLERANCE = 0.2
SIDE, LOOKS = 96, (32, 12)  # pixels of a picture in which is searched; smallest faces, look by look
MARGIN = 0.3  # of the side: black around the picture, without which tight cuts are read badly


@dataclass(frozen=True)
class Placement:
    """Where the faces of a sample are.

    Attributes:
        checked: pictures that were looked at.
        off: those of them whose face is elsewhere than the framing puts it.
        no_face: those of them in which no face was found.
        framing: the framing that the recogniser expects.
        size: side of the pictures that it takes, pixels.
    """

    checked: int
    off: int
    no_face: int
    framing: Framing
    size: int

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON says."""
        framing = self.framing.to_card()
        return {n: getattr(self, n) for n in ("checked", "off", "no_face")} | {"framing": framing}

    def notes(self) -> list[str]:
        """Return a note where numbers mean little before the pictures are aligned, else nothing."""
        found = []
        if self.off > MOST_OFF * self.checked:
            place = f"the face is elsewhere than the framing {self.framing.name} puts it"
            found.append(f"in {self.off} {place}")
        if self.no_face > self.checked / 2:
            found.append(f"in {self.no_face} no face was found")
        if not found:
            return []
        by_name = FRAMINGS.get(self.framing.name) == self.framing
        how = f"--framing {self.framing.name} --size {self.size}" if by_name else "--encoder NAME"
        return [
            f"of {self.checked} pictures that a detector looked at, {' and '.join(found)}: numbers "
            f"from pictures that are not aligned mean little; align them (nbnet data align IN OUT "
            f"{how}) and give OUT, or add --alignment detect"
        ]


def check_placement(
    encoders: Mapping[str, Any],
    framing: Framing | None,
    read: Callable[[int], np.ndarray],
    count: int,
) -> dict[str, Placement]:
    """Look where the faces of a set are, if nothing says how they are cut out.

    Args:
        encoders: {key: recogniser}; those that look for faces themselves need no check.
        framing: what is said of the pictures; None where nothing is.
        read: row -> uint8 [S, S, 3], any size.
        count: how many rows there are; up to 50 of them are looked at, drawn at random.

    Returns:
        {key: placement} of the recognisers whose alignment is a framing; nothing where ``framing``
        is known.
    """
    relying = {
        key: encoder
        for key, encoder in encoders.items()
        if getattr(encoder, "alignment", "") == "framing"
    }
    if framing is not None or not relying or not count:
        return {}
    detector = FaceDetector()
    rows = np.random.default_rng(0).choice(count, min(count, SAMPLE), replace=False)
    found = [_points(read(int(row)), detector) for row in sorted(rows)]
    return {
        key: Placement(
            len(found),
            sum(bool(faces) and _distance(faces, encoder.framing) > TOLERANCE for faces in found),
            sum(not faces for faces in found),
            encoder.framing,
            encoder.image_size,
        )
        for key, encoder in relying.items()
    }


def _points(picture: np.ndarray, detector: FaceDetector) -> list[np.ndarray]:
    """Return the five points of each face, float32 [5, 2], as shares of the picture's side."""
    square = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    margin = round(MARGIN * SIDE)
    searched = np.pad(np.asarray(square), ((margin, margin), (margin, margin), (0, 0)))
    for smallest in LOOKS:
        if faces := detector.find(searched, smallest):
            return [(face.points - margin) / SIDE for face in faces]
    return []


def _distance(faces: list[np.ndarray], framing: Framing) -> float:
    """Return how far the nearest face is from its place, in distances of the framing's eyes.

    Turn, scale and shift count; what a pose or another face does to five points does not.
    """
    expected = np.asarray(framing.points)
    fits = [fit_similarity(expected, points) for points in faces]
    moves = [expected @ matrix.T + shift - expected for matrix, shift in fits]
    away = min(float(np.sqrt((move**2).sum(1).mean())) for move in moves)
    return away / float(np.linalg.norm(expected[1] - expected[0]))
