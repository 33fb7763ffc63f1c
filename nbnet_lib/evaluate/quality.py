"""How alike a reconstruction and its original look, pixel by pixel and to a network.

Three measures, per picture:

- **PSNR**, dB: peak signal to noise ratio, 10 log10(peak^2 / mean squared error), over all pixels
  and channels. Higher is better.
- **SSIM**, -1 to 1: structural similarity (Wang et al., IEEE TIP 2004), per channel with the usual
  Gaussian window (sigma 1.5, 11 x 11 pixels; K1 = 0.01, K2 = 0.03) at every pixel, the border
  mirrored, averaged over pixels and channels. Higher is better.
- **perceptual distance**, 0 to 4: built like LPIPS (Zhang et al., CVPR 2018). Features of both
  pictures are scaled to unit length over the channels, their squared difference is summed over
  channels and averaged over places, then over layers. Lower is better. But the network is
  EfficientNet-Lite0 (`nbnet_lib.attack.features`), and all channels weigh the same, where LPIPS has
  weights fitted to human judgement: it is *not* LPIPS and must not be compared with LPIPS values.

None of them says whether a recogniser is fooled, and the other way round: that is what type-I and
type-II are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.attack.features import Features, create_features
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.faces.transforms import check_images, resize, to_tensor

if TYPE_CHECKING:
    import pandas as pd

Images = np.ndarray | Tensor

MAX_PSNR = 100.0  # dB: an error of 1e-5 of the range, far below half of a grey level in 255
WINDOW = 11  # pixels, of SSIM: no smaller picture


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class ImageQuality:
    """What `image_quality` measured, float64 [N] each, in the order of the pictures.

    Attributes:
        psnr: dB, at most 100 (reached by pictures that are equal).
        ssim: -1 to 1.
        perceptual: 0 to 4; None if it was not asked for.
        identities: int64 [N], who is on each picture; None if not told.
    """

    psnr: np.ndarray
    ssim: np.ndarray
    perceptual: np.ndarray | None = None
    identities: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.psnr)

    @property
    def measures(self) -> dict[str, np.ndarray]:
        """The arrays that there are, by name."""
        found = {"psnr": self.psnr, "ssim": self.ssim}
        return found if self.perceptual is None else {**found, "perceptual": self.perceptual}

    def summary(
        self, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
    ) -> dict[str, Estimate]:
        """Return the mean of each measure, with the bootstrap interval over identities.

        Without identities every picture counts as a person of its own, which makes the interval
        too narrow if some are of the same person.

        Raises:
            NbnetError: fewer than one resample, or a confidence outside (0, 1).
        """
        who = np.arange(len(self)) if self.identities is None else self.identities
        draws = IdentityBootstrap(who, resamples, seed)
        return {
            name: Estimate(
                float(values.mean()), draws.interval(draws.rate(values, who), confidence)
            )
            for name, values in self.measures.items()
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a row per picture: "identity" (if known), "psnr", "ssim", "perceptual"."""
        import pandas as pd

        who = {} if self.identities is None else {"identity": self.identities}
        return pd.DataFrame({**who, **self.measures})


class QualityMeter:
    """Collects image quality batch by batch, so that no more than a batch is in memory.

    Args:
        perceptual: measure the perceptual distance as well.
        features: the network behind it; EfficientNet-Lite0 if None.
        device: where to compute, such as "cuda".

    Raises:
        NbnetError: the perceptual distance is asked for and its weights are not installed.
    """

    def __init__(
        self,
        perceptual: bool = True,
        features: Features | None = None,
        device: str | torch.device = "cpu",
    ):
        self._device = torch.device(device)
        if perceptual and features is None:
            features = create_features()
        self._features = features.to(self._device) if perceptual and features else None
        self._parts: list[tuple[Any, ...]] = []

    @torch.no_grad()
    def update(
        self,
        originals: Images,
        reconstructions: Images,
        identities: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        """Measure a batch.

        Args:
            originals: uint8 [n, H, W, 3], or float tensor [n, 3, H, W] in [-1, 1].
            reconstructions: likewise; the originals are resized (antialiased) to its size if theirs
                is another.
            identities: [n], who is on each picture; in all batches or in none.

        Raises:
            NbnetError: other numbers, types, shapes or ranges, NaN, reconstructions that are not
                square or below 32 pixels (11 without the perceptual distance), or identities in
                some batches only.
        """
        b = self._tensor(reconstructions, "reconstructions")
        a = self._tensor(originals, "originals")
        if len(a) != len(b) or not len(a):
            raise NbnetError(
                f"{len(a)} originals but {len(b)} reconstructions: give one of each, in the same "
                "order, and at least one"
            )
        height, width = b.shape[2:]
        if height != width or height < WINDOW:
            raise NbnetError(
                f"reconstructions are {height}x{width} pixels: expected a square of at least "
                f"{WINDOW} pixels"
            )
        who = None if identities is None else np.asarray(identities)
        if who is not None and (who.shape != (len(a),) or not np.issubdtype(who.dtype, np.integer)):
            raise NbnetError(
                f"{len(a)} pictures but identities are {who.dtype} of shape {who.shape}: give one "
                "whole number each"
            )
        if self._parts and (self._parts[0][3] is None) != (who is None):
            raise NbnetError("identities came with some batches only: give them with all or none")
        a = resize(a, height)
        self._parts.append((_psnr(a, b), _ssim(a, b), self._distance(a, b), who))

    def _tensor(self, images: Images, what: str) -> Tensor:
        try:
            pixels = images if isinstance(images, Tensor) else to_tensor(images)
            check_images(pixels)
        except NbnetError as error:
            raise NbnetError(f"{what}: {error}") from error
        return pixels.to(self._device, torch.float32)

    def _distance(self, a: Tensor, b: Tensor) -> np.ndarray | None:
        if self._features is None:
            return None
        return perceptual_distance(a, b, self._features).double().cpu().numpy()

    def compute(self) -> ImageQuality:
        """Return what was measured so far.

        Raises:
            NbnetError: nothing was.
        """
        if not self._parts:
            raise NbnetError("no picture was measured: give a batch to update() first")
        psnr, ssim, distance, who = zip(*self._parts, strict=True)
        return ImageQuality(
            psnr=np.concatenate(psnr),
            ssim=np.concatenate(ssim),
            perceptual=None if distance[0] is None else np.concatenate(distance),
            identities=None if who[0] is None else np.concatenate(who).astype(np.int64),
        )


def image_quality(
    originals: Images,
    reconstructions: Images,
    identities: Sequence[int] | np.ndarray | None = None,
    perceptual: bool = True,
    batch: int = 64,
    device: str | torch.device = "cpu",
) -> ImageQuality:
    """Measure PSNR, SSIM and the perceptual distance of each pair of pictures.

    Args:
        originals: uint8 [N, H, W, 3], or float tensor [N, 3, H, W] in [-1, 1].
        reconstructions: likewise; the originals are resized (antialiased) to its size if theirs
            is another.
        identities: [N], who is on each picture: intervals then go by identity.
        perceptual: measure the perceptual distance as well.
        batch: pictures at a time. `QualityMeter` takes batches that come one after the other.
        device: where to compute.

    Raises:
        NbnetError: see `QualityMeter.update`; or the perceptual distance is asked for and its
            weights are not installed.
    """
    if len(originals) != len(reconstructions):
        raise NbnetError(
            f"{len(originals)} originals but {len(reconstructions)} reconstructions: give one of "
            "each, in the same order"
        )
    if identities is not None and len(identities) != len(originals):
        raise NbnetError(
            f"{len(originals)} pictures but {len(identities)} identities: give one each"
        )
    if batch < 1:
        raise NbnetError(f"batch={batch} must be >= 1")
    meter = QualityMeter(perceptual, device=device)
    for start in range(0, len(originals), batch):
        part = slice(start, start + batch)
        meter.update(
            originals[part],
            reconstructions[part],
            None if identities is None else identities[part],
        )
    return meter.compute()


def perceptual_distance(a: Tensor, b: Tensor, features: Features) -> Tensor:
    """Return the distance that the head of this file describes, float32 [N], 0 to 4.

    Differentiable with respect to both images, float32 [N, 3, S, S] in [-1, 1].

    Raises:
        NbnetError: bad images (see `Features.forward`).
    """
    layers = []
    for left, right in zip(features(a), features(b), strict=True):
        # eps inside of the root: a place without any feature has a gradient too.
        left, right = (x / (x.square().sum(1, keepdim=True) + 1e-10).sqrt() for x in (left, right))
        layers.append((left - right).square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(layers).mean(dim=0)


def _psnr(a: Tensor, b: Tensor) -> np.ndarray:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    values = peak_signal_noise_ratio(
        b.double(), a.double(), data_range=2.0, reduction="none", dim=(1, 2, 3)
    )
    return values.clamp(max=MAX_PSNR).cpu().numpy()


def _ssim(a: Tensor, b: Tensor) -> np.ndarray:
    from torchmetrics.functional.image import structural_similarity_index_measure

    # In [0, 1]: SSIM compares means by their ratio, so black has to be zero. float32 leaves an
    # error of some 1e-6; float64 takes forty times as long.
    values = structural_similarity_index_measure(
        (b + 1) / 2, (a + 1) / 2, sigma=1.5, data_range=1.0, reduction="none"
    )
    return cast(Tensor, values).reshape(-1).double().cpu().numpy()
