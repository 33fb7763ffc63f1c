"""Reconstruction losses by name (chapter 4).

A loss is a function of two float32 batches [N, 3, H, W] in [-1, 1], reconstruction first, that
returns one number to minimise. Mai et al., arXiv 1703.00832, compare two kinds:

- "pixel": the mean absolute difference;
- "perceptual-vgg19": the squared distance of VGG-19's features at relu3_2, with average pooling.
  Its weights are not ours to ship (see `attack.features`).

"perceptual" stands in for the second offline: the same idea on EfficientNet-Lite0, whose weights
come with the install.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nbnet_lib.attack.features import Features, create_features
from nbnet_lib.errors import NbnetError

Loss = Callable[[Tensor, Tensor], Tensor]


def pixel_loss(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference, 0 (equal) to 2 (black against white)."""
    return (reconstruction - target).abs().mean()


class PerceptualLoss(nn.Module):
    """The mean squared difference of a frozen network's features.

    Of several layers each counts alike: its difference is measured against the mean square of the
    target's own features there, so that layers with large values do not drown the others. A single
    layer, as VGG-19's, is compared as it is.
    """

    def __init__(self, features: Features):
        super().__init__()
        self.features = features

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return a number of 0 or more; gradients flow into the reconstruction only."""
        with torch.no_grad():
            wanted = self.features(target)
        # A decoder ends in tanh; in bf16 that may be a little off the range that is checked.
        made = self.features(reconstruction.clamp(-1, 1))
        distances = [(a - b).square().mean() for a, b in zip(made, wanted, strict=True)]
        if len(distances) == 1:
            return distances[0]
        scaled = [
            d / b.square().mean().clamp_min(1e-8) for d, b in zip(distances, wanted, strict=True)
        ]
        return torch.stack(scaled).mean()


_LOSSES: dict[str, Callable[[], Loss]] = {
    "pixel": lambda: pixel_loss,
    "perceptual": lambda: PerceptualLoss(create_features("efficientnet-lite0")),
    "perceptual-vgg19": lambda: PerceptualLoss(create_features("vgg19")),
}


def loss_names() -> list[str]:
    """Return the names that `create_loss` knows."""
    return list(_LOSSES)


def create_loss(name: str) -> Loss:
    """Return the loss called ``name``; one that holds a network is an ``nn.Module`` on the CPU.

    Raises:
        NbnetError: unknown name, or the weights of its network are not on this machine.
    """
    if name not in _LOSSES:
        raise NbnetError(f"no loss is named {name!r}: choose one of {', '.join(_LOSSES)}")
    return _LOSSES[name]()
