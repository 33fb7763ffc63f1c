"""How near the target's templates the reconstructions come, on pictures kept aside (chapter 9).

The authors' code prints the distance between the templates of original and reconstruction every
1,000 batches. Here it is the mean cosine, on training-range pictures that the decoder does not
learn from; no person of the evaluation is touched. The target, as a black box, gives the templates
of the reconstructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nbnet_lib.attack.reconstruct import reconstruct
from nbnet_lib.faces.framing import Framing

MAX_HELD_OUT, SHARE = 128, 20  # pictures kept aside by default: at most 128, and one of 20


def first_held_out(
    count: int, identities: Sequence[int] | np.ndarray | None, wanted: int | None = None
) -> int:
    """Return the row from which on ``count`` pictures are kept aside: the last ones, whole people.

    Args:
        count: pictures in all.
        identities: of each picture, where known: nobody is cut in two.
        wanted: how many to keep aside; None for 128, or a twentieth of a smaller set.

    Returns:
        a row from 1 to ``count``; ``count`` keeps none aside.
    """
    wanted = min(MAX_HELD_OUT, count // SHARE) if wanted is None else wanted
    first = count - wanted
    if wanted and identities is not None:
        while first > 0 and identities[first - 1] == identities[first]:
            first -= 1
    return first


class TemplateCosine:
    """The mean cosine of original and reconstructed templates, for `train_decoder(evaluate=...)`.

    Args:
        encoder: the target, as a black box.
        templates: float32 [N, d], of pictures that are not trained on.
        framing: where faces are in the reconstructions; see `Encoder.embed`.
    """

    def __init__(self, encoder: Any, templates: np.ndarray | Tensor, framing: Framing | None):
        self.encoder, self.framing = encoder, framing
        self.templates = torch.as_tensor(templates).float().clone()

    def __call__(self, decoder: nn.Module, step: int) -> dict[str, float]:
        """Return {"cosine": -1 to 1}."""
        pictures = reconstruct(decoder, self.templates)
        again = self.encoder.embed(pictures, framing=self.framing)
        return {"cosine": float((again * self.templates).sum(1).mean())}
