"""One training step, and a run packed into a dict: what chapter 09 continues with.

The library's own training (`nbnet_lib.attack.train`) does both at length; here they are as short as
the learner's.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pixel_step(
    decoder: nn.Module, templates: Tensor, images: Tensor, optimizer: torch.optim.Optimizer
) -> float:
    """Improve a decoder once by the pixel loss.

    Args:
        decoder: templates [N, d] -> images [N, 3, S, S].
        templates: float32 [N, d].
        images: float32 [N, 3, S, S] in [-1, 1].
        optimizer: of the decoder's weights.

    Returns:
        the loss before the step.
    """
    optimizer.zero_grad()
    distance = F.l1_loss(decoder(templates), images)
    distance.backward()
    optimizer.step()
    return float(distance.detach())


def pack_run(
    decoder: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator, step: int
) -> dict[str, Any]:
    """Return copies of all that the next update depends on.

    Returns:
        {"decoder", "optimizer", "generator", "step"}.
    """
    parts = {"decoder": decoder.state_dict(), "optimizer": optimizer.state_dict()}
    return {**copy.deepcopy(parts), "generator": generator.get_state(), "step": step}
