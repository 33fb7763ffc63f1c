"""Drawing with a face generator, and how various the drawings are (chapter 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor, to_uint8


def sample_faces(
    generator: nn.Module, count: int, seed: int = 0, batch_size: int = 64
) -> np.ndarray:
    """Draw faces.

    Args:
        generator: from `train_generator` or ``load_decoder``.
        count: how many.
        seed: of the noise. The first faces of a seed are the same however many are drawn.
        batch_size: faces drawn at once.

    Returns:
        uint8 [count, S, S, 3].

    Raises:
        NbnetError: not a generator, a count that is not above 0, or weights that draw NaN.
    """
    return np.concatenate([faces for _, faces in draw_faces(generator, count, seed, batch_size)])


def draw_faces(
    generator: nn.Module, count: int, seed: int = 0, batch_size: int = 64
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first, uint8 [B, S, S, 3]) until ``count`` faces are drawn.

    For sets larger than memory; see `sample_faces`.
    """
    architecture: Any = getattr(generator, "architecture", None) or {}
    name = architecture.get("name", "network")
    if name != "dcgan-generator":
        raise NbnetError(
            f"faces are drawn by a dcgan-generator, not by a {name}: "
            "train one with `nbnet generator train`"
        )
    if count < 1 or batch_size < 1:
        raise NbnetError(f"count={count} and batch_size={batch_size} must be at least 1")
    weight = next(generator.parameters())
    was_training = generator.training
    generator.eval()
    try:
        for first in range(0, count, batch_size):
            # One stream of noise per face: no batch size, and no other face, changes it.
            z = np.stack(
                [
                    np.random.default_rng([seed, face, 9]).standard_normal(
                        architecture["template_dim"], np.float32
                    )
                    for face in range(first, min(first + batch_size, count))
                ]
            )
            with torch.inference_mode():
                faces = generator(torch.from_numpy(z).to(weight.device)).float().cpu()
            if not torch.isfinite(faces).all():
                raise NbnetError("the generator draws NaN: its weights are damaged, train it again")
            yield first, to_uint8(faces)
    finally:
        generator.train(was_training)


def variety(drawn: np.ndarray, real: Tensor | np.ndarray) -> float:
    """Return how much drawings differ from one another, against how much pictures do.

    1: as much as the pictures. Near 0: the generator has collapsed and draws one face whatever the
    noise is. The distance is that of the pictures at 8 x 8 pixels, so that a pattern of noise does
    not count as variety.

    Args:
        drawn: uint8 [N, S, S, 3], N of 2 at least.
        real: the same, or float32 [N, 3, S, S] in [-1, 1].
    """
    spreads = []
    for images in (drawn, real):
        small = to_tensor(images) if isinstance(images, np.ndarray) else images
        spreads.append(float(torch.pdist(F.adaptive_avg_pool2d(small, 8).flatten(1)).mean()))
    return spreads[0] / max(spreads[1], 1e-9)
