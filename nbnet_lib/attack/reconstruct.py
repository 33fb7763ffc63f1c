"""Run the attack: templates in, pictures out (chapter 10)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from nbnet_lib.errors import NbnetError


def reconstruct(decoder: nn.Module, templates: Tensor | np.ndarray, batch_size: int = 32) -> Tensor:
    """Draw the picture of each template.

    Args:
        decoder: from `load_decoder` or `create_decoder`; used in evaluation mode, then put back.
        templates: float32 [N, d], unit length.
        batch_size: pictures drawn at once; small batches stay in the processor's cache.

    Returns:
        float32 [N, 3, S, S] in [-1, 1] on the CPU.

    Raises:
        NbnetError: templates that are not [N, d] with the decoder's d, or hold NaN or infinity.
    """
    templates = torch.as_tensor(templates).detach().float()
    dim = decoder.template_dim
    if templates.ndim != 2 or templates.shape[1] != dim:
        raise NbnetError(
            f"templates have shape {tuple(templates.shape)} but this decoder takes [N, {dim}]: "
            "use templates of the encoder that the decoder was trained against"
        )
    if not len(templates) or batch_size < 1:
        raise NbnetError(
            f"{len(templates)} templates with batch_size={batch_size}: give at least one of each"
        )
    bad = (~torch.isfinite(templates)).any(dim=1).nonzero()
    if len(bad):
        raise NbnetError(f"template {int(bad[0])} holds NaN or infinity: extract it again")
    device = next(decoder.parameters()).device
    was_training = decoder.training
    decoder.eval()
    try:
        with torch.inference_mode():
            parts = [decoder(part.to(device)).float().cpu() for part in templates.split(batch_size)]
    finally:
        decoder.train(was_training)
    return torch.cat(parts)
