"""EXTENSION BEYOND THE PAPER: structural similarity at several scales, as a loss (chapter 7).

A pixel difference of 0.1 is as bad on a cheek as on the edge of an eyelid. MS-SSIM (Wang,
Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", 2003) compares
what lies within a small window instead: whether brightness rises and falls at the same places, at
the full size, at half of it, and so on. Used in losses since Zhao et al. (arXiv 1511.08861).

Why not torchmetrics' function, which measures nearly the same (a test compares them): where two
pictures have nothing in common its similarity is cut at zero and no gradient is left to learn from,
and it adds reflected borders at the coarsest scale, where a border is half of the picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.errors import NbnetError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first: Wang et al.
WINDOW, SIGMA = 11, 1.5  # pixels, of every scale
K1, K2 = 0.01, 0.03
FLOOR = 0.01  # a similarity below counts as this one, or its root has no finite slope


def scales_of(size: int) -> int:
    """Return how many scales a picture has: it is halved while the window still fits.

    40 px have 2, 64 and 80 px have 3, 112 and 160 px have 4.

    Raises:
        NbnetError: a picture smaller than the window.
    """
    if size < WINDOW:
        raise NbnetError(
            f"images have a side of {size} pixels: ms-ssim needs {WINDOW} on both sides at least"
        )
    return min(len(WEIGHTS), 1 + int(math.log2(size / WINDOW)))


class MsSsimLoss(nn.Module):
    """1 - MS-SSIM of two batches: 0 for equal pictures, towards 1 for pictures unlike each other.

    Symmetric, and differentiable everywhere. Calculated in float32, under autocast too: a variance
    is the small difference of two large numbers.
    """

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch.

        Args:
            reconstruction: float32 [N, 3, H, W] in [-1, 1].
            target: the same.

        Raises:
            NbnetError: shapes that differ or are no batches of pictures, or pictures of less than
                11 pixels.
        """
        if reconstruction.shape != target.shape or reconstruction.ndim != 4:
            raise NbnetError(
                f"ms-ssim compares batches of one shape [N, C, H, W], not "
                f"{tuple(reconstruction.shape)} and {tuple(target.shape)}"
            )
        scales = scales_of(min(reconstruction.shape[2:]))
        weights = [w / sum(WEIGHTS[:scales]) for w in WEIGHTS[:scales]]
        with torch.autocast(reconstruction.device.type, enabled=False):
            # SSIM compares amounts of light, which begin at 0 and not at -1.
            a, b = (reconstruction.float() + 1) / 2, (target.float() + 1) / 2
            similarity = torch.ones(len(a), device=a.device)
            for scale, weight in enumerate(weights):
                whole, structure = self._compare(a, b)
                last = scale == scales - 1  # brightness itself counts at the coarsest scale only
                similarity = similarity * _above_zero(whole if last else structure) ** weight
                if not last:
                    a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
            return 1 - similarity.mean()

    @staticmethod
    def _compare(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Return (SSIM, its part without brightness), means over each picture, float32 [N]."""
        rows, columns = (_window(side, a.device) for side in a.shape[2:])
        # All five means that are needed in one go, along columns, then along rows.
        seen = rows @ torch.stack([a, b, a * a, b * b, a * b]) @ columns.T
        mean_a, mean_b, aa, bb, ab = seen
        c1, c2 = K1**2, K2**2
        # Rounding may leave a variance slightly below zero.
        var_a, var_b = (aa - mean_a.square()).clamp_min(0), (bb - mean_b.square()).clamp_min(0)
        structure = (2 * (ab - mean_a * mean_b) + c2) / (var_a + var_b + c2)
        brightness = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
        return (structure * brightness).mean((1, 2, 3)), structure.mean((1, 2, 3))


def _window(side: int, device: torch.device) -> Tensor:
    """Return the Gaussian window at each place where it fits, one place a row: [side - 10, side].

    As a matrix, for on a CPU the product with it is several times as fast as a convolution.
    """
    places = torch.arange(side - WINDOW + 1, device=device)[:, None]
    from_middle = torch.arange(side, device=device) - places - WINDOW // 2
    inside = from_middle.abs() <= WINDOW // 2
    window = torch.exp(-from_middle.square() / (2 * SIGMA**2)) * inside
    return window / window.sum(1, keepdim=True)


def _above_zero(similarity: Tensor) -> Tensor:
    """Return ``similarity``, at least `FLOOR`; the gradient passes as if nothing had been cut.

    So pictures that have nothing in common, as at the start of a training, are still told where to
    go, and no power of zero makes a NaN.
    """
    return similarity + (similarity.clamp_min(FLOOR) - similarity).detach()
