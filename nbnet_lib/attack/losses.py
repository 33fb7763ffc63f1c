"""Reconstruction losses by name (chapter 7).

A loss is a function of two float32 batches [N, 3, H, W] in [-1, 1], reconstruction first, that
returns one number to minimise. Mai et al., arXiv 1703.00832, compare two kinds:

- "pixel": the mean absolute difference;
- "perceptual-vgg19": the squared distance of VGG-19's features at relu3_2, with average pooling.
  Its weights are not ours to ship (see `attack.features`).

"perceptual" stands in for the second offline: the same idea on EfficientNet-Lite0, whose weights
come with the install.

EXTENSIONS BEYOND THE PAPER: "ms-ssim" (see `attack.similarity`), and sums of several losses with
weights, written "pixel+0.2*perceptual+0.1*ms-ssim".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nbnet_lib.attack.features import Features, create_features
from nbnet_lib.attack.similarity import MsSsimLoss
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


class WeightedSum(nn.Module):
    """Several losses, each times its weight, added up.

    Attributes:
        terms: (weight, loss) in the order in which they are added.
    """

    def __init__(self, terms: list[tuple[float, Loss]]):
        super().__init__()
        self.terms = terms
        # Those that hold a network are moved to a device with the sum.
        self.networks = nn.ModuleList(loss for _, loss in terms if isinstance(loss, nn.Module))

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return a number of 0 or more; see the single losses."""
        return torch.stack([w * loss(reconstruction, target) for w, loss in self.terms]).sum()


_LOSSES: dict[str, Callable[[], Loss]] = {
    "pixel": lambda: pixel_loss,
    "perceptual": lambda: PerceptualLoss(create_features("efficientnet-lite0")),
    "perceptual-vgg19": lambda: PerceptualLoss(create_features("vgg19")),
    "ms-ssim": MsSsimLoss,
}
EXAMPLE = "pixel+0.2*perceptual+0.1*ms-ssim"
_PLUS = re.compile(r"(?<![0-9.][eE])\+")  # not the one within 1e+3


def loss_names() -> list[str]:
    """Return the names that `create_loss` knows and adds up."""
    return list(_LOSSES)


def create_loss(text: str) -> Loss:
    """Return a loss; one that holds a network is an ``nn.Module`` on the CPU.

    Args:
        text: a name, or a sum of names with weights: "pixel+0.2*perceptual". Without a weight a
            term counts once.

    Raises:
        NbnetError: an unknown name, one that is named twice, a weight that is not a number above 0,
            or the weights of a network are not on this machine.
    """
    terms = _parse(text)
    if list(terms.values()) == [1.0]:
        return _LOSSES[next(iter(terms))]()
    return WeightedSum([(weight, _LOSSES[name]()) for name, weight in terms.items()])


def loss_text(text: str) -> str:
    """Return the one way to write a loss, for cards and settings that are compared.

    "0.20*perceptual + pixel" and "pixel+.2*perceptual" are both "pixel+0.2*perceptual".

    Raises:
        NbnetError: as `create_loss`, but for networks that are not there.
    """
    return "+".join(
        name if weight == 1 else f"{weight:g}*{name}" for name, weight in _parse(text).items()
    )


def _parse(text: str) -> dict[str, float]:
    """Return {name: weight}, in the order of `loss_names`."""
    terms: dict[str, float] = {}
    for part in _PLUS.split(text):
        number, times, name = (piece.strip() for piece in part.rpartition("*"))
        if name not in _LOSSES:
            within = f" (in {text!r})" if name != text else ""
            raise NbnetError(
                f"no loss is named {name!r}{within}: choose one of {', '.join(_LOSSES)}, or a sum "
                f"such as {EXAMPLE}"
            )
        if name in terms:
            raise NbnetError(f"the loss {text!r} names {name} twice: give it one weight")
        terms[name] = _weight(number, text) if times else 1.0
    return {name: terms[name] for name in _LOSSES if name in terms}


def _weight(number: str, text: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < math.inf:
        raise NbnetError(
            f"the weight {number!r} in the loss {text!r} is no number above 0: write {EXAMPLE}"
        )
    return weight
