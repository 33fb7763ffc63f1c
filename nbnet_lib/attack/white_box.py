"""BEYOND THE PAPER'S THREAT MODEL: the target as a network that gradients flow through (chapter 9).

The attack of Mai et al. asks the target for templates and never looks inside. An attacker who owns
the recogniser's weights can do more: minimise 1 - cos(target(reconstruction), template) directly.
It shows how much the black box hides; its results belong in no table of black-box attacks. Nothing
in this library differentiates through a target except by this file.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nbnet_lib.encoders import Encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing


class WhiteBox(nn.Module):
    """A target with its gradient: float32 [N, 3, S, S] in [-1, 1] -> templates [N, d], unit length.

    Pictures are brought into the target's framing and size by the same transform for all; a
    detector, which gives no gradient, is not used. The target's weights stay as they are.

    Args:
        target: from `create_encoder`.
        framing: how the faces in the pictures are cut out; None for the target's own framing.
    """

    def __init__(self, target: Encoder, framing: Framing | None):
        super().__init__()
        self.target = target.with_preprocess(alignment="framing")
        self.framing = framing
        self.network: Any = self.target.network  # a module is registered: .to(device) moves it

    def forward(self, images: Tensor) -> Tensor:
        """Return the templates, with the gradient with respect to the images."""
        pixels = self.target.align(images.clamp(-1, 1), self.framing).pixels
        if self.target.preprocess is not None:
            pixels = self.target.preprocess(pixels)
        return F.normalize(self.network(pixels).float())


def white_box_of(target: Encoder, framing: Framing | None) -> WhiteBox:
    """Return ``target`` as a network to differentiate through.

    Raises:
        NbnetError: no gradient comes out of it (dlib, ONNX files, functions that leave torch).
    """
    opened = WhiteBox(target, framing)
    # Trying is the only safe way to know: a function may leave torch anywhere inside.
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(2, 3, target.image_size, target.image_size, generator=generator)
    picture = (2 * picture - 1).to(target.device).requires_grad_(True)
    try:
        (gradient,) = torch.autograd.grad(opened(picture)[:, 0].sum(), picture)
    except (NbnetError, RuntimeError, TypeError, AttributeError):
        gradient = torch.zeros(1)  # it left torch, each kind with an error of its own
    if not (bool(torch.isfinite(gradient).all()) and bool((gradient != 0).any())):
        raise NbnetError(
            f"no gradient comes out of the encoder {target.name} (dlib, ONNX files and many "
            "functions give none): leave white_box out and use a surrogate"
        )
    return opened
