"""Aligning one picture: read it, find the face, cut it out, write it, and say what happened.

Everything that can be wrong with a picture becomes a reason in its row; what is wrong with the disk
or with us is raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nbnet_lib.data.pictures import Picture, PictureError, read_picture
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.cutting import cut
from nbnet_lib.faces.detect import SMALLEST_INPUT, DetectedFace, FaceDetector
from nbnet_lib.faces.framing import Framing

FACES = ("central", "largest", "only")
MISSING = ("fail", "centre")
SURE = 0.9  # score from which a face counts as one, beside others
# Share of the picture's shorter side that a face has at least: first look, second look.
LOOKS = (8, 40)
SMALLEST_FACE = 20  # pixels
PARTIAL = ".partial"  # folder for pictures that are being written
NO_FACE, SEVERAL = "no face", "several faces"
DIED, NO_MEMORY = "worker died", "out of memory"


@dataclass(frozen=True)
class Recipe:
    """What is done to every picture; see `nbnet_lib.data.alignment.align.align`."""

    framing: Framing
    size: int
    faces: str
    missing: str
    min_face: int | None
    device: str


def aligner(source: str, out: str, recipe: Recipe) -> Callable[[tuple[str, str]], dict[str, Any]]:
    """Return the function from (name, name of the result) to a row. Called in a worker process."""
    import torch

    torch.set_num_threads(1)  # one process for each core already
    return Aligner(Path(source), Path(out), recipe)


class Aligner:
    """Aligns the pictures of one folder into another one.

    Args:
        source: folder of the pictures.
        out: folder of the results; its subfolder `PARTIAL` must exist.
        recipe: what is done.
    """

    def __init__(self, source: Path, out: Path, recipe: Recipe):
        self.source, self.out, self.recipe = source, out, recipe
        self.detector = FaceDetector(recipe.device)

    def __call__(self, names: tuple[str, str]) -> dict[str, Any]:
        """Align one picture.

        Args:
            names: of the picture and of the result, relative to the folders, with "/".

        Returns:
            The row of the table: see `nbnet_lib.data.alignment.table.COLUMNS`, and beside them
            ``bytes``, ``mtime_ns`` and ``out_bytes``, by which a later run knows what is done.

        Raises:
            NbnetError: the result cannot be written.
        """
        name, result = names
        row = blank_row(name)
        path = self.source / name
        try:
            stat = path.stat()
            row.update(bytes=stat.st_size, mtime_ns=stat.st_mtime_ns)
        except OSError:
            pass  # reading it tells the same with a reason
        try:
            picture = read_picture(path, smallest=SMALLEST_INPUT)
            row["height"], row["width"] = picture.image.shape[:2]
            row["notes"] = list(picture.notes)
            aligned = self._align(picture, row)
        except PictureError as error:
            row.update(reason=error.reason, detail=error.detail)
            aligned = None
        except MemoryError:
            row.update(reason=NO_MEMORY, detail="try again with fewer workers")
            aligned = None
        if aligned is None:
            (self.out / result).unlink(missing_ok=True)  # of an earlier state of the picture
        else:
            row.update(status="aligned", out=result, out_bytes=self._write(aligned, result))
        return row

    def _align(self, picture: Picture, row: dict[str, Any]) -> np.ndarray | None:
        """Return the result, uint8 [size, size, 3], or None with the reason in the row."""
        recipe, image = self.recipe, picture.image
        faces = self._find(image)
        row["faces"] = len(faces)
        if not faces:
            row.update(reason=NO_FACE, detail="the detector found none")
            if recipe.missing == "fail":
                return None
            row["notes"].append("centre of the picture")
            return centre(image, recipe.size)
        if len(faces) > 1 and recipe.faces == "only":
            row.update(reason=SEVERAL, detail=f"{len(faces)} faces, and the only one was asked for")
            return None
        if len(faces) > 1:
            row["notes"].append(SEVERAL)
        face = choose(faces, image.shape[:2], recipe.faces)
        row.update(score=round(face.score, 4), box=_rounded(face.box), points=_rounded(face.points))
        return cut(image, face.points, recipe.framing, recipe.size)

    def _find(self, image: np.ndarray) -> list[DetectedFace]:
        """Return the faces that count: those that the detector is sure of, else its best guess.

        Large faces first, which is quick; where there is none, small ones too.
        """
        if self.recipe.min_face is not None:
            looks = [self.recipe.min_face]
        else:
            looks = sorted({max(SMALLEST_FACE, min(image.shape[:2]) // n) for n in LOOKS})[::-1]
        guesses: list[DetectedFace] = []
        for min_face in looks:
            faces = self.detector.find(image, min_face)
            sure = [face for face in faces if face.score >= SURE]
            if sure:
                return sure
            guesses += faces
        return sorted(guesses, key=lambda face: -face.score)[:1]

    def _write(self, image: np.ndarray, result: str) -> int:
        """Write a PNG that is there whole or not at all, and return its bytes.

        Without waiting for the disk, as `nbnet_lib.files.atomic_path` does: of thousands of small
        files a power failure may take the last few, which the next run sees by their length.
        """
        path, partial = self.out / result, self.out / PARTIAL / f"{os.getpid()}.png"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Level 1: on faces as small as the default, in a third of the time.
            Image.fromarray(image).save(partial, "PNG", compress_level=1)
            length = partial.stat().st_size
            os.replace(partial, path)
        except OSError as error:
            raise NbnetError(
                f"cannot write {path} ({error.strerror or error}): make room or give yourself "
                "write access there, and give the same command again to go on"
            ) from error
        return length


def blank_row(name: str) -> dict[str, Any]:
    """Return the row of a picture of which nothing is known."""
    return {
        "image": name,
        "status": "failed",
        "reason": "",
        "detail": "",
        "notes": [],
        "width": 0,
        "height": 0,
        "faces": 0,
        "score": None,
        "box": None,
        "points": None,
        "out": "",
        "out_bytes": 0,
        "bytes": -1,
        "mtime_ns": -1,
    }


def choose(faces: list[DetectedFace], shape: tuple[int, ...], which: str) -> DetectedFace:
    """Return the face that a picture is about.

    Args:
        faces: at least one.
        shape: height and width of the picture.
        which: "largest", or "central": the area of the box less twice the squared distance of its
            middle from that of the picture, as the published FaceNet reimplementations choose.
    """
    middle = np.array([shape[1], shape[0]]) / 2

    def weight(face: DetectedFace) -> float:
        area = float(np.prod(face.box[2:] - face.box[:2]))
        away = (face.box[:2] + face.box[2:]) / 2 - middle
        return area - (2 * float(away @ away) if which == "central" else 0.0)

    return max(faces, key=weight)


def centre(image: np.ndarray, size: int) -> np.ndarray:
    """Return the largest square in the middle of a picture, resized, uint8 [size, size, 3]."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


def recipe_card(recipe: Recipe) -> dict[str, Any]:
    """Return what the results depend on, as plain values (not the device)."""
    card = asdict(recipe)
    del card["device"]
    card["framing"] = {"name": recipe.framing.name, "points": np.asarray(recipe.framing.points)}
    card["framing"]["points"] = card["framing"]["points"].round(6).tolist()
    return card


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(v), 2) for v in values.ravel()]
