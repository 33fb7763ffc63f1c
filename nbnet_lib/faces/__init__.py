"""Faces: SynthFaces pictures, their ground truth, and the tensors that networks eat.

The renderer itself is the package `synthfaces`, which imports neither torch nor pandas.
"""

from nbnet_lib.faces.framing import FRAMINGS, Framing, cut, find_framing, reframe
from nbnet_lib.faces.sets import FaceSet, SynthFaces, render_set
from nbnet_lib.faces.splits import (
    FIRST_TRAINING_IDENTITY,
    require_attack,
    require_evaluation,
    require_recogniser,
)
from nbnet_lib.faces.transforms import check_images, resize, to_tensor, to_uint8
from synthfaces import (
    RENDERER_VERSION,
    Truth,
    make_identity,
    make_sample,
    parameters_of,
    render,
    render_truth,
)
from synthfaces.tables import LANDMARKS, describe, table

__all__ = [
    "FIRST_TRAINING_IDENTITY",
    "FRAMINGS",
    "LANDMARKS",
    "RENDERER_VERSION",
    "FaceSet",
    "Framing",
    "SynthFaces",
    "Truth",
    "check_images",
    "cut",
    "describe",
    "find_framing",
    "make_identity",
    "make_sample",
    "parameters_of",
    "reframe",
    "render",
    "render_set",
    "render_truth",
    "require_attack",
    "require_evaluation",
    "require_recogniser",
    "resize",
    "table",
    "to_tensor",
    "to_uint8",
]
