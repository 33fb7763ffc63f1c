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
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack import reconstruct
from nbnet_lib.attack.features import Features, create_features
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.result import Measure, Strip
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import as_scores
from nbnet_lib.faces.framing import reframe
from nbnet_lib.faces.transforms import check_images, resize, to_tensor, to_uint8

Images = np.ndarray | Tensor

MAX_PSNR = 100.0  # dB: an error of 1e-5 of the range, far below half of a grey level in 255
BATCH = 256  # pictures in memory


@dataclass(frozen=True)
class ImageQuality:
    """What `image_quality` measured, float64 [N] each, in the order of the pictures.

    Attributes:
        psnr: dB, at most 100 (reached by pictures that are equal).
        ssim: -1 to 1.
        perceptual: 0 to 4; None if it was not asked for.
        identities: int64 [N], who is on each picture; None if not known.
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
        pixels = {"psnr": self.psnr, "ssim": self.ssim}
        return pixels if self.perceptual is None else {**pixels, "perceptual": self.perceptual}

    def rows(self, attack: str, resamples: int = 1000, seed: int = 0) -> list[Measure]:
        """Return the means as rows of a result, with intervals unless ``resamples`` is 0.

        The intervals come from the bootstrap over identities. Without identities every picture
        counts as a person of its own, which makes them too narrow if some show the same person.
        """
        who = np.arange(len(self)) if self.identities is None else self.identities
        draws = IdentityBootstrap(who, resamples, seed) if resamples else None
        rows = []
        for measure, values in self.measures.items():
            row = Measure(attack, measure, "type1", float(values.mean()), n=len(self))
            ends = draws.interval(draws.rate(values, who)) if draws else None
            rows.append(row.within(ends))
        return rows


class QualityMeter:
    """Collects image quality batch by batch, so that no more than a batch is in memory.

    Args:
        perceptual: measure the perceptual distance as well.
        features: the network behind it; EfficientNet-Lite0 if None.
    """

    def __init__(self, perceptual: bool = True, features: Features | None = None):
        self._features = (features or create_features()) if perceptual else None
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
            NbnetError: another type or range, NaN, or pictures too small for the features (32
                pixels).
        """
        a, b = (x if isinstance(x, Tensor) else to_tensor(x) for x in (originals, reconstructions))
        check_images(a)
        check_images(b)
        a, b = resize(a.float(), b.shape[2]), b.float()
        distance = None
        if self._features is not None:
            distance = perceptual_distance(a, b, self._features).double().numpy()
        who = None if identities is None else np.asarray(identities)
        self._parts.append((_psnr(a, b), _ssim(a, b), distance, who))

    def compute(self) -> ImageQuality:
        """Return what was measured so far."""
        if not self._parts:
            raise NbnetError("no picture was measured: give a batch to update() first")
        psnr, ssim, distance, who = zip(*self._parts, strict=True)
        return ImageQuality(
            psnr=np.concatenate(psnr),
            ssim=np.concatenate(ssim),
            perceptual=None if distance[0] is None else np.concatenate(distance),
            identities=None if who[0] is None else np.concatenate(who),
        )


def image_quality(
    originals: Images,
    reconstructions: Images,
    identities: Sequence[int] | np.ndarray | None = None,
    perceptual: bool = True,
    batch: int = 64,
) -> ImageQuality:
    """Measure PSNR, SSIM and the perceptual distance of each pair of pictures.

    Args:
        originals: uint8 [N, H, W, 3], or float tensor [N, 3, H, W] in [-1, 1].
        reconstructions: likewise; the originals are resized (antialiased) to its size if theirs
            is another.
        identities: [N], who is on each picture: intervals then go by identity.
        perceptual: measure the perceptual distance as well.
        batch: pictures at a time. `QualityMeter` takes batches that come one after the other.
    """
    if len(originals) != len(reconstructions):
        raise NbnetError(
            f"{len(originals)} originals but {len(reconstructions)} reconstructions: give one of "
            "each, in the same order"
        )
    meter = QualityMeter(perceptual)
    for start in range(0, len(originals), batch):
        rows = slice(start, start + batch)
        who = None if identities is None else identities[rows]
        meter.update(originals[rows], reconstructions[rows], who)
    return meter.compute()


def picture_quality(
    pictures: Pictures,
    decoder: nn.Module,
    templates: Tensor,
    tested: np.ndarray,
    features: Features,
    progress: bool = False,
) -> ImageQuality:
    """Compare what a decoder makes of templates with the pictures of a protocol.

    Originals of another framing are brought into the decoder's before.

    Args:
        pictures: N of them.
        decoder: the attack.
        templates: float32 [N, d], of the originals.
        tested: the rows to measure.
        features: of the perceptual distance, from `create_features`.
        progress: show a bar on stderr.
    """
    meter = QualityMeter(features=features)
    framing: Any = decoder.framing
    name = getattr(decoder, "name", type(decoder).__name__)
    starts = range(0, len(tested), BATCH)
    for start in tqdm(starts, desc=f"quality ({name})", delay=0.3, disable=not progress):
        rows = tested[start : start + BATCH]
        made = reconstruct(decoder, templates[rows])
        originals = to_tensor(pictures.read(rows, made.shape[2]))
        # Where one of them is not known, the pictures are taken to fit.
        if pictures.framing is not None and framing is not None:
            originals = reframe(originals, pictures.framing, framing, made.shape[2])
        meter.update(originals, made, pictures.identities[rows])
    return meter.compute()


def select_by_score(scores: np.ndarray, each: int = 3) -> dict[str, np.ndarray]:
    """Return the rows of the ``each`` best, most median and worst scores (never hand-picked).

    Raises:
        NbnetError: fewer than 3 x ``each`` scores, or NaN.
    """
    scores = as_scores(scores, "selection")
    if each < 1 or len(scores) < 3 * each:
        raise NbnetError(
            f"{len(scores)} scores are too few to pick 3 x {each}: choose a smaller each"
        )
    order = np.argsort(-scores, kind="stable")
    middle = (len(order) - each) // 2
    return {
        "best": order[:each],
        "median": order[middle : middle + each],
        "worst": order[len(order) - each :],
    }


def picture_strip(
    pictures: Pictures,
    decoder: nn.Module,
    templates: Tensor,
    rebuilt: Tensor,
    tested: np.ndarray,
    threshold: float,
) -> Strip | None:
    """Return the three best, median and worst originals and what ``decoder`` made of them.

    Args:
        pictures: N of them.
        decoder: the attack.
        templates: float32 [N, d], of the originals.
        rebuilt: float32 [N, d], of the reconstructions.
        tested: the rows to choose from.
        threshold: kept for the caption.

    Returns:
        None where there are fewer than three pictures.
    """
    each = min(3, len(tested) // 3)
    if not each:
        return None
    type1 = (templates[tested] * rebuilt[tested]).sum(dim=1).numpy()
    chosen = np.concatenate(list(select_by_score(type1, each).values()))
    made = to_uint8(reconstruct(decoder, templates[tested[chosen]]))
    return Strip(pictures.read(tested[chosen], made.shape[1]), made, type1[chosen], threshold)


def perceptual_distance(a: Tensor, b: Tensor, features: Features) -> Tensor:
    """Return the distance that the head of this file describes, float32 [N], 0 to 4.

    Differentiable with respect to both images, float32 [N, 3, S, S] in [-1, 1].
    """
    layers = []
    for left, right in zip(features(a), features(b), strict=True):
        # eps inside the root: a place without any feature has a gradient too.
        left, right = (x / (x.square().sum(1, keepdim=True) + 1e-10).sqrt() for x in (left, right))
        layers.append((left - right).square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(layers).mean(dim=0)


def _psnr(a: Tensor, b: Tensor) -> np.ndarray:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    values = peak_signal_noise_ratio(
        b.double(), a.double(), data_range=2.0, reduction="none", dim=(1, 2, 3)
    )
    return values.clamp(max=MAX_PSNR).numpy()


def _ssim(a: Tensor, b: Tensor) -> np.ndarray:
    from torchmetrics.functional.image import structural_similarity_index_measure

    # In [0, 1]: SSIM compares means by their ratio, so black has to be zero. float32 leaves an
    # error of some 1e-6; float64 takes forty times as long.
    values = structural_similarity_index_measure(
        (b + 1) / 2, (a + 1) / 2, sigma=1.5, data_range=1.0, reduction="none"
    )
    return cast(Tensor, values).reshape(-1).double().numpy()
