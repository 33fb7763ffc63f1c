"""Run the attack: templates in, pictures out (chapter 10)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nbnet_lib.decoders.base import check_templates


def reconstruct(decoder: nn.Module, templates: Tensor | np.ndarray, batch_size: int = 32) -> Tensor:
    """Draw the picture of each template.

    Args:
        decoder: from `load_decoder` or `create_decoder`; used in evaluation mode, then put back.
        templates: [N, d], of any real type; brought to unit length (see `check_templates`).
        batch_size: pictures drawn at once; small batches stay in the processor's cache.

    Returns:
        float32 [N, 3, S, S] in [-1, 1] on the CPU.

    Raises:
        NbnetError: templates that are not [N, d] with the decoder's d, or a row of zeros, NaN or
            infinity.
    """
    dim: Any = decoder.template_dim
    templates = check_templates(templates, dim)
    device = next(decoder.parameters()).device
    was_training = decoder.training
    decoder.eval()
    try:
        with torch.inference_mode():
            parts = [decoder(part.to(device)).float().cpu() for part in templates.split(batch_size)]
    finally:
        decoder.train(was_training)
    return torch.cat(parts)
