"""Reconstruction losses by name (chapter 7).

A loss is a function of two float32 batches [N, 3, H, W] in [-1, 1], reconstruction first, that
returns one number to minimise. Mai et al., arXiv 1703.00832, compare two kinds:

- "pixel": the mean absolute difference;
- "perceptual-vgg19": the squared distance of VGG-19's features at relu3_2, with average pooling.
  Its weights are not ours to ship (see `attack.features`).

"perceptual" stands in for the second offline: the same idea on EfficientNet-Lite0, whose weights
come with the install.

EXTENSIONS BEYOND THE PAPER: "ms-ssim" (see `MsSsimLoss`), and sums of several losses with
weights, written "pixel+0.2*perceptual+0.1*ms-ssim".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.attack.features import Features, create_features
from nbnet_lib.settings import LOSSES, parse_loss

Loss = Callable[[Tensor, Tensor], Tensor]

# MS-SSIM: weights of the scales, finest first (Wang et al.); its window in pixels of each scale.
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
FLOOR = 0.01  # a similarity below counts as this one, or its root has no finite slope


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


class MsSsimLoss(nn.Module):
    """1 - MS-SSIM of two batches: 0 for equal pictures, towards 1 for pictures unlike each other.

    EXTENSION BEYOND THE PAPER. A pixel difference of 0.1 is as bad on a cheek as on the edge of an
    eyelid. MS-SSIM (Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality
    assessment", 2003) compares what is within a small window instead: whether brightness rises and
    falls at the same places, at the full size, at half of it, and so on. Used in losses since Zhao
    et al. (arXiv 1511.08861). Calculated in float32, under autocast too: a variance is the small
    difference of two large numbers.

    Why not torchmetrics' function, which measures nearly the same (tests compare them): where two
    pictures have nothing in common its similarity is cut at zero and no gradient is left to learn
    from, and it adds reflected borders at the coarsest scale, where they are half of the picture.
    """

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch; both float32 [N, 3, H, W] in [-1, 1], 11 pixels or more.

        A picture is halved while the window still fits: 40 px have 2 scales, 64 and 80 px have 3,
        112 and 160 px have 4.
        """
        scales = 1 + int(math.log2(min(reconstruction.shape[2:]) / WINDOW))
        weights = SCALES[:scales]
        with torch.autocast(reconstruction.device.type, enabled=False):
            # SSIM compares amounts of light, which begin at 0 and not at -1.
            a, b = (reconstruction.float() + 1) / 2, (target.float() + 1) / 2
            similarity = torch.ones(len(a), device=a.device)
            for scale, weight in enumerate(weights, 1):
                whole, structure = _ssim(a, b)
                last = scale == len(weights)  # brightness itself counts at the coarsest scale only
                part = _above_zero(whole if last else structure)
                similarity = similarity * part ** (weight / sum(weights))
                a, b = (a, b) if last else (F.avg_pool2d(a, 2), F.avg_pool2d(b, 2))
            return 1 - similarity.mean()


def _ssim(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return (SSIM, its part without brightness), means over each picture, float32 [N]."""
    rows, columns = (_window(side, a.device) for side in a.shape[2:])
    # All five means that are needed in one go, along columns, then along rows.
    mean_a, mean_b, aa, bb, ab = rows @ torch.stack([a, b, a * a, b * b, a * b]) @ columns.T
    # Rounding may leave a variance slightly below zero.
    var_a, var_b = (aa - mean_a.square()).clamp_min(0), (bb - mean_b.square()).clamp_min(0)
    structure = (2 * (ab - mean_a * mean_b) + C2) / (var_a + var_b + C2)
    brightness = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    return (structure * brightness).mean((1, 2, 3)), structure.mean((1, 2, 3))


def _window(side: int, device: torch.device) -> Tensor:
    """Return the Gaussian window at each place where it fits, one place a row: [side - 10, side].

    As a matrix, because on a CPU the product with it is several times as fast as a convolution.
    """
    places = torch.arange(side - WINDOW + 1, device=device)[:, None]
    from_middle = torch.arange(side, device=device) - places - WINDOW // 2
    inside = from_middle.abs() <= WINDOW // 2
    window = torch.exp(-from_middle.square() / (2 * SIGMA**2)) * inside
    return window / window.sum(1, keepdim=True)


def _above_zero(similarity: Tensor) -> Tensor:
    """Return ``similarity``, at least `FLOOR`; the gradient passes as if nothing had been cut.

    So pictures that have nothing in common, as at the start of a training, are still pulled
    together, and no power of zero makes a NaN.
    """
    return similarity + (similarity.clamp_min(FLOOR) - similarity).detach()


class WeightedSum(nn.Module):
    """Several losses, each times its weight, added up.

    Attributes:
        terms: (weight, loss) in the order in which they are added.
    """

    def __init__(self, terms: list[tuple[float, Loss]]):
        super().__init__()
        self.terms = terms
        # Losses that hold a network are moved to a device with the sum.
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


def loss_names() -> list[str]:
    """Return the names that `create_loss` knows and adds up."""
    return list(LOSSES)


def create_loss(text: str) -> Loss:
    """Return a loss; one that holds a network is an ``nn.Module`` on the CPU.

    Args:
        text: a name, or a sum of names with weights: "pixel+0.2*perceptual". Without a weight a
            term counts once.

    Raises:
        NbnetError: an unknown name, one that is named twice, a weight that is not a number above 0,
            or the weights of a network are not on this machine.
    """
    terms = parse_loss(text)
    if list(terms.values()) == [1.0]:
        return _LOSSES[next(iter(terms))]()
    return WeightedSum([(weight, _LOSSES[name]()) for name, weight in terms.items()])
