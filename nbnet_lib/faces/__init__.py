"""Faces: SynthFaces pictures, their ground truth, and the tensors that networks eat.

Tables (pandas) and tensors (torch) are imported when first used: the processes that draw pictures
need neither, and start in a second instead of six.
"""

from typing import TYPE_CHECKING, Any

from nbnet_lib.faces.sets import FaceSet, render_set
from nbnet_lib.faces.splits import (
    FIRST_TRAINING_IDENTITY,
    require_evaluation,
    require_training,
)
from nbnet_lib.faces.synth import make_identity, make_sample, render

if TYPE_CHECKING:
    from nbnet_lib.faces.tables import IDENTITY_COLUMNS, SAMPLE_COLUMNS, table
    from nbnet_lib.faces.transforms import check_images, resize, to_tensor, to_uint8

_TABLES = ("IDENTITY_COLUMNS", "SAMPLE_COLUMNS", "table")
_TRANSFORMS = ("check_images", "resize", "to_tensor", "to_uint8")

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


def __getattr__(name: str) -> Any:
    if name in _TABLES:
        from nbnet_lib.faces import tables as module
    elif name in _TRANSFORMS:
        from nbnet_lib.faces import transforms as module  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)
