"""What every decoder has in common, and which pictures one can draw (chapter 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nbnet_lib.encoders.base import at_unit_length, length_note, template_lengths
from nbnet_lib.errors import NbnetError, note_or_warn
from nbnet_lib.faces.framing import Framing
from nbnet_lib.faces.splits import require_attack

# image size -> (edge of the stem's output, number of doublings)
SIZES = {40: (5, 3), 64: (4, 4), 80: (5, 4), 112: (7, 4), 160: (5, 5)}


class Decoder(nn.Module):
    """A network from templates [N, d] to pictures [N, 3, S, S] in [-1, 1], and what is known of it.

    Attributes:
        training_method: how it gets its weights: "gradient" (`train_decoder`), "fit" (one call of
            ``decoder.fit``) or "adversarial" (the face generator's training).
        name: what reports call it.
        architecture: what `create_decoder` made it from; None if something else made it.
        card: where its weights come from; empty for fresh ones.
        framing: where faces are in its pictures; None where nobody knows.
    """

    training_method = "gradient"

    def __init__(self) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.architecture: dict[str, Any] | None = None
        self.card: dict[str, Any] = {}
        self.framing: Framing | None = None


def stem_and_ups(image_size: int) -> tuple[int, int]:
    """Return (stem edge in pixels, doublings): 160 -> (5, 5), because 5 x 2^5 = 160.

    Raises:
        NbnetError: no decoder draws this size.
    """
    if image_size not in SIZES:
        raise NbnetError(
            f"image_size={image_size!r} is not a size that a decoder draws: "
            f"choose one of {', '.join(map(str, SIZES))}"
        )
    return SIZES[image_size]


def require_multiple(base_channels: int, of: int) -> None:
    """Raise unless ``base_channels`` is a multiple: each doubling of the edge halves the channels.

    Raises:
        NbnetError: it is not.
    """
    if base_channels < 1 or base_channels % of:
        raise NbnetError(f"base_channels={base_channels} does not fit: give a multiple of {of}")


def require_pictures(images: Any, identities: Sequence[int] | np.ndarray | None) -> None:
    """Raise unless the pictures can be trained on.

    Args:
        images: uint8 [N, S, S, 3].
        identities: the SynthFaces identity of each, or None for other pictures.

    Raises:
        NbnetError: wrong shape or type, or an identity that is missing or reserved for evaluation.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
        raise NbnetError(f"training images have shape {images.shape}: give [N, S, S, 3]")
    if images.dtype != np.uint8:
        raise NbnetError(f"training images are {images.dtype}: give uint8 (0 to 255)")
    if identities is not None:
        if len(identities) != len(images):
            raise NbnetError(
                f"{len(images)} images but {len(identities)} identities: give one per image"
            )
        require_attack(identities)


def check_templates(
    templates: Tensor | np.ndarray, dim: int | None = None, count: int | None = None
) -> Tensor:
    """Return templates as float32 [N, d] of unit length on the CPU.

    Decoders learn from templates of unit length, and draw noise from any other. Those that are of
    unit length (to 0.1 %) stay as they are; others are brought to it, with an `NbnetWarning`.

    Args:
        templates: [N, d], of any real type.
        dim: the length d that a decoder takes, if it matters.
        count: the number N of pictures that they belong to, if there are any.

    Raises:
        NbnetError: another shape or type, none at all, or a row of zeros, NaN or infinity.
    """
    if isinstance(templates, Tensor):
        templates = templates.detach().to("cpu", torch.float32).numpy()
    array = np.asarray(templates)
    shape = array.shape
    if array.dtype.kind not in "fiu":
        raise NbnetError(f"templates are {array.dtype}: give floats [N, d]")
    if (
        len(shape) != 2
        or count not in (None, shape[0])
        or dim not in (None, shape[1])
        or 0 in shape
    ):
        raise NbnetError(
            f"templates have shape {shape} where the decoder takes [{count or 'N'}, {dim or 'd'}]: "
            "give one for each picture, of the encoder that the decoder is for"
        )
    lengths = template_lengths(array)
    for sentence in length_note(lengths):
        note_or_warn(sentence)
    return torch.from_numpy(at_unit_length(array, lengths))
