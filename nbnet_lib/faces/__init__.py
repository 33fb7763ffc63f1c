"""Faces: SynthFaces pictures, their ground truth, and the tensors that networks eat."""

from nbnet_lib.faces.sets import FaceSet, render_set
from nbnet_lib.faces.splits import (
    FIRST_TRAINING_IDENTITY,
    require_evaluation,
    require_training,
)
from nbnet_lib.faces.synth import make_identity, make_sample, render
from nbnet_lib.faces.tables import IDENTITY_COLUMNS, SAMPLE_COLUMNS, table
from nbnet_lib.faces.transforms import check_images, resize, to_tensor, to_uint8

__all__ = [
    "FIRST_TRAINING_IDENTITY",
    "IDENTITY_COLUMNS",
    "SAMPLE_COLUMNS",
    "FaceSet",
    "check_images",
    "make_identity",
    "make_sample",
    "render",
    "render_set",
    "require_evaluation",
    "require_training",
    "resize",
    "table",
    "to_tensor",
    "to_uint8",
]
