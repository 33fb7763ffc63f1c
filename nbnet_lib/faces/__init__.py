"""Faces: SynthFaces pictures, their ground truth, and the tensors that networks eat.

Tables (pandas), tensors and data sets (torch) are imported when first used: drawing needs neither,
and a command that only draws starts in a second instead of six.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nbnet_lib.faces.sets import FaceSet, render_set
from nbnet_lib.faces.splits import (
    FIRST_TRAINING_IDENTITY,
    require_evaluation,
    require_training,
)
from nbnet_lib.faces.truth import Truth, parameters_of, render, render_truth
from synthfaces import RENDERER_VERSION, make_identity, make_sample

if TYPE_CHECKING:
    from nbnet_lib.faces.dataset import SynthFaces
    from nbnet_lib.faces.tables import LANDMARKS, describe, table
    from nbnet_lib.faces.transforms import check_images, resize, to_tensor, to_uint8

_LATER = {
    "SynthFaces": "dataset",
    "LANDMARKS": "tables",
    "describe": "tables",
    "table": "tables",
    "check_images": "transforms",
    "resize": "transforms",
    "to_tensor": "transforms",
    "to_uint8": "transforms",
}

__all__ = [
    "FIRST_TRAINING_IDENTITY",
    "LANDMARKS",
    "RENDERER_VERSION",
    "FaceSet",
    "SynthFaces",
    "Truth",
    "check_images",
    "describe",
    "make_identity",
    "make_sample",
    "parameters_of",
    "render",
    "render_set",
    "render_truth",
    "require_evaluation",
    "require_training",
    "resize",
    "table",
    "to_tensor",
    "to_uint8",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"nbnet_lib.faces.{_LATER[name]}"), name)
