"""Questions to a loss, for chapter 07: how strong a disturbance it allows, and what it wants.

A loss takes two batches float32 [N, 3, H, W], the drawing first, and returns one number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def strength_at(
    loss: Loss, disturb: Callable[[Tensor, float], Tensor], picture: Tensor, wanted: float
) -> float:
    """Return the strength in [0, 1] at which the loss of ``disturb(picture, strength)`` is wanted.

    The loss must not fall as the strength rises; 20 halvings leave an error of a millionth. Where
    even strength 1 does not reach ``wanted`` the answer is 1.
    """
    low, step = 0.0, 0.5
    with torch.no_grad():
        for _ in range(20):
            if float(loss(disturb(picture, low + step), picture)) < wanted:
                low += step
            step /= 2
    return low + step


def wish(loss: Loss, made: Tensor, target: Tensor) -> Tensor:
    """Return minus the gradient of the loss with respect to ``made``: [N, 3, H, W]."""
    leaf = made.detach().clone().requires_grad_()
    loss(leaf, target.detach()).backward()
    if leaf.grad is None:
        return torch.zeros_like(leaf)
    return leaf.grad.neg()
