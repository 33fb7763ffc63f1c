"""Template consistency: the reconstruction should have the template that it was made from.

An extension beyond the paper (Mai et al., arXiv 1703.00832, compare pixels or features only). The
template of the reconstruction comes from a network that can be differentiated through: the
attacker's own imitation of the target (`attack.surrogate`; the target stays a black box), or the
target itself (`attack.white_box`).

Left alone, such a network is easier to fool than to please: the decoder learns a fine pattern
that means the right template to this one network and nothing to anybody else. So each picture is
disturbed at random before it is judged: moved by a pixel or two, blurred, made noisy. What survives
all that is coarse and does not depend on its exact place, as a face does. The idea is "expectation
over transformation" (Athalye et al., "Synthesizing robust adversarial examples", ICML 2018). Which
share of a score is a pattern all the same is what an independent judge shows (chapter 10).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHIFT = 1 / 32  # of the edge: 2 pixels of 64
NOISE = 0.05  # standard deviation, where pixels go from -1 to 1
SMALLEST = 0.35  # of the edge, before it is enlarged again: a strong blur


def template_consistency(
    network: nn.Module, reconstruction: Tensor, template: Tensor, *, step: int, seed: int
) -> Tensor:
    """Return the mean of 1 - cosine between the templates of disturbed pictures and the given ones.

    Args:
        network: pictures [N, 3, S, S] in [-1, 1] -> templates [N, d]; frozen, in evaluation mode.
        reconstruction: float32 [N, 3, S, S]; gradients flow into it.
        template: float32 [N, d], what the pictures were made from.
        step: of the training; the disturbance is a function of it and the seed, so that a resumed
            run sees the same one.
        seed: of the run.

    Returns:
        one number, 0 (all templates agree) to 2.
    """
    seen = network(disturb(reconstruction, step=step, seed=seed)).float()
    return (1 - F.cosine_similarity(seen, template)).mean()


def spread_of(templates: Tensor) -> float:
    """Return 1 minus the mean cosine between two of the templates [N, d] of unit length.

    Some recognisers use a small part of the sphere: dlib's templates of two strangers have a cosine
    of 0.89 on average, so all that tells people apart lies within 0.11. Divided by this number, the
    consistency term weighs as much for such a recogniser as for one whose strangers are orthogonal.
    """
    mean = templates.mean(dim=0).double()
    return max(1 - float(mean @ mean), 1e-3)  # never 0: all templates may be one


def disturb(images: Tensor, *, step: int, seed: int) -> Tensor:
    """Move, blur and add noise to a batch [N, 3, S, S]; differentiable, the same for equal numbers.

    A quarter of the batches stays as it is, so that the network also judges the picture
    itself.
    """
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    kind, blur, *shift = torch.rand(4, generator=generator).tolist()
    if kind < 0.25 or not len(images):
        return images
    size = images.shape[-1]
    most = max(1, round(size * SHIFT))
    down, right = (round((2 * s - 1) * most) for s in shift)
    # Padding repeats the edge: what leaves on one side must not come in on the other.
    padded = F.pad(images, (most, most, most, most), mode="replicate")
    moved = padded[..., most - down : most - down + size, most - right : most - right + size]
    smaller = round(size * (SMALLEST + (1 - SMALLEST) * blur))
    if smaller < size:
        moved = F.interpolate(moved, size=smaller, mode="bilinear", antialias=True)
        moved = F.interpolate(moved, size=size, mode="bilinear")
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return moved + NOISE * noise
