"""What an evaluation needs of the pictures themselves: the strip, their quality, their truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack import reconstruct
from nbnet_lib.attack.features import Features
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.evaluate.result import Measure, Strip
from nbnet_lib.evaluate.selection import select_by_score
from nbnet_lib.faces import to_tensor, to_uint8
from nbnet_lib.faces.framing import reframe

if TYPE_CHECKING:
    import pandas as pd


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
    rows = tested[chosen]
    made = to_uint8(reconstruct(decoder, templates[rows]))
    return Strip(pictures.read(rows, made.shape[1]), made, type1[chosen], threshold)


def picture_quality(
    name: str,
    pictures: Pictures,
    decoder: nn.Module,
    templates: Tensor,
    tested: np.ndarray,
    features: Features,
    resamples: int,
    seed: int,
    progress: bool = False,
    at_once: int = 256,
) -> list[Measure]:
    """Return PSNR, SSIM and perceptual distance of reconstructions against their originals.

    Originals of another framing are brought into the decoder's before.

    Args:
        name: of the attack.
        pictures: N of them.
        decoder: the attack.
        templates: float32 [N, d], of the originals.
        tested: the rows to measure.
        features: of the perceptual distance, from `create_features`.
        resamples: of the bootstrap over identities; 0 for no intervals.
        seed: of the bootstrap.
        progress: show a bar on stderr.
        at_once: pictures in memory.
    """
    from nbnet_lib.evaluate.quality import QualityMeter  # torchmetrics is slow to import

    meter = QualityMeter(features=features)
    for start in tqdm(
        range(0, len(tested), at_once), desc=f"quality ({name})", delay=0.3, disable=not progress
    ):
        part = tested[start : start + at_once]
        made = reconstruct(decoder, templates[part])
        originals = to_tensor(pictures.read(part, made.shape[2]))
        framing: Any = decoder.framing
        # Where one of them is not known, the pictures are taken to fit.
        if pictures.framing is not None and framing is not None:
            originals = reframe(originals, pictures.framing, framing, made.shape[2])
        meter.update(originals, made, pictures.identities[part])
    measured = meter.compute()
    found = [
        Measure(name, measure, "type1", float(values.mean()), n=len(tested))
        for measure, values in measured.measures.items()
    ]
    if not resamples:
        return found
    summary = measured.summary(resamples, seed)
    return [row.within(summary[row.measure].ci95) for row in found]


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
