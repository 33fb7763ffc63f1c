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
        NbnetError: not a generator, or damaged weights that draw NaN.
    """
    return np.concatenate(list(draw_faces(generator, count, seed, batch_size)))


def draw_faces(
    generator: nn.Module, count: int, seed: int = 0, batch_size: int = 64, first: int = 0
) -> Iterator[np.ndarray]:
    """Yield uint8 [B, S, S, 3] from the face number ``first`` on until ``count`` are drawn.

    For sets larger than memory; see `sample_faces`.
    """
    architecture: Any = getattr(generator, "architecture", None) or {}
    name = architecture.get("name", "network")
    if name != "dcgan-generator":
        raise NbnetError(
            f"faces are drawn by a dcgan-generator, not by a {name}: "
            "train one with `nbnet generator train`"
        )
    weight = next(generator.parameters())
    was_training = generator.training
    generator.eval()
    try:
        for start in range(first, count, batch_size):
            # One stream of noise per face: no batch size, and no other face, changes it.
            z = np.stack(
                [
                    np.random.default_rng([seed, face, 9]).standard_normal(
                        architecture["template_dim"], np.float32
                    )
                    for face in range(start, min(start + batch_size, count))
                ]
            )
            with torch.inference_mode():
                faces = generator(torch.from_numpy(z).to(weight.device)).float().cpu()
            yield to_uint8(faces)
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


def slerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Return the point at ``share`` of the way from ``a`` to ``b`` along the arc between them.

    Spherical interpolation (White, arXiv 1609.04468): noise of many dimensions has nearly one
    length, and the straight line between two of its vectors leaves it.

    Args:
        a, b: float [d], not opposite to each other.
        share: 0 for ``a``, 1 for ``b``.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    left = 1 - share
    if angle < 1e-6:
        return left * a + share * b
    weights = np.sin([left * angle, share * angle]) / np.sin(angle)
    return weights[0] * a + weights[1] * b


def share_nearer(drawn: Tensor, training: Tensor, held_out: Tensor) -> float:
    """Return the share of drawings that are nearer to a training picture than to a held-out one.

    A generator without a memory of single pictures gives what other people's pictures give, about
    0.5; one that copies gives 1.

    Args:
        drawn: float32 [N, d], pixels or templates.
        training, held_out: float32 [M, d], as many of each.

    Raises:
        NbnetError: not as many, so that the nearer one would be a matter of numbers.
    """
    if len(training) != len(held_out):
        raise NbnetError(
            f"{len(training)} training pictures against {len(held_out)} held-out ones: give equal "
            "numbers, the larger set is nearer by chance"
        )
    near = [torch.cdist(drawn, others).amin(1) for others in (training, held_out)]
    return float((near[0] < near[1]).double().mean())
