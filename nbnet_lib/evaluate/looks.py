"""What an evaluation needs of the pictures themselves: the strip, their quality, their truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack import reconstruct
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.evaluate.result import Measure, Strip
from nbnet_lib.evaluate.selection import select_by_score
from nbnet_lib.faces import to_uint8

if TYPE_CHECKING:
    import pandas as pd


def picture_strip(
    pictures: Pictures, decoder: nn.Module, templates: Tensor, type1: np.ndarray, threshold: float
) -> Strip | None:
    """Return the three best, median and worst originals and what ``decoder`` made of them.

    Args:
        pictures: N of them.
        decoder: the attack.
        templates: float32 [N, d], of the originals.
        type1: float32 [N], score of each reconstruction against its original.
        threshold: kept for the caption.

    Returns:
        None where there are fewer than three pictures.
    """
    each = min(3, len(type1) // 3)
    if not each:
        return None
    rows = np.concatenate(list(select_by_score(type1, each).values()))
    made = to_uint8(reconstruct(decoder, templates[rows]))
    return Strip(pictures.read(rows, made.shape[1]), made, type1[rows], threshold)


def picture_quality(
    name: str,
    pictures: Pictures,
    decoder: nn.Module,
    templates: Tensor,
    resamples: int,
    seed: int,
    progress: bool = False,
    at_once: int = 256,
) -> list[Measure]:
    """Return PSNR, SSIM and perceptual distance of all reconstructions against their originals.

    Raises:
        NbnetError: the weights of the perceptual distance are not installed.
    """
    from nbnet_lib.evaluate.quality import QualityMeter  # torchmetrics is slow to import

    meter = QualityMeter()
    rows = np.arange(len(pictures))
    for start in tqdm(
        range(0, len(rows), at_once), desc=f"quality ({name})", delay=0.3, disable=not progress
    ):
        part = rows[start : start + at_once]
        made = reconstruct(decoder, templates[part])
        meter.update(pictures.read(part, made.shape[2]), made, pictures.identities[part])
    return [
        Measure(name, measure, "type1", found.mean, n=len(rows), low=found.ci95[0],
                high=found.ci95[1])
        for measure, found in meter.compute().summary(resamples, seed).items()
    ]  # fmt: skip


def ground_truth(pictures: Pictures, names: Sequence[str]) -> pd.DataFrame:
    """Return the parameters that the pictures were drawn from, a row each, columns ``names``.

    Raises:
        NbnetError: pictures that were not drawn by SynthFaces, or an unknown name.
    """
    from nbnet_lib.faces import table  # pandas is slow to import

    if not isinstance(pictures.where, Drawn):
        raise NbnetError(
            f"nothing is known about the people on the pictures in {pictures.where}: "
            "leakage is measured with the protocol synthfaces, whose parameters are the truth"
        )
    numbers, samples = pictures.where.numbers, pictures.where.samples
    people, person = np.unique(numbers, return_inverse=True)
    shots, shot = np.unique(samples, return_inverse=True)
    truth = table(people, shots, columns=list(names))
    return truth[list(names)].iloc[person * len(shots) + shot].reset_index(drop=True)
