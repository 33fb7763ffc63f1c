"""Templates of one recogniser as templates of another, without a picture (chapter 11).

Two recognisers that were shown the same pictures give pairs of templates. Where both hold the same
facts of a face in linear ways, a straight line leads from one to the other, and a leak of the first
is a leak of the second; two databases without names can be joined.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.errors import NbnetError


def translate_templates(
    source: Tensor | np.ndarray,
    target: Tensor | np.ndarray,
    stolen: Tensor | np.ndarray,
    alpha: float = 1.0,
) -> Tensor:
    """Fit a straight line from ``source`` to ``target`` and translate ``stolen`` with it.

    Args:
        source: float [N, d], templates of N pictures by the recogniser that leaked.
        target: float [N, e], templates of the same pictures by the other recogniser.
        stolen: float [M, d], templates of the first recogniser.
        alpha: the ridge penalty, > 0.

    Returns:
        float32 [M, e], rows of length 1.

    Raises:
        NbnetError: shapes that do not go together, fewer than two pairs, NaN, or alpha <= 0.
    """
    a, b, new = (torch.as_tensor(part).detach().cpu().double() for part in (source, target, stolen))
    if any(part.ndim != 2 for part in (a, b, new)) or len(a) != len(b) or len(a) < 2:
        raise NbnetError(
            f"templates have shapes {tuple(a.shape)} and {tuple(b.shape)}: give [N, d] and [N, e], "
            "two templates of each of two or more pictures"
        )
    if new.shape[1] != a.shape[1]:
        raise NbnetError(
            f"stolen templates have length {new.shape[1]} but the pairs {a.shape[1]}: give "
            "templates of the recogniser that `source` comes from"
        )
    if not alpha > 0:
        raise NbnetError(f"alpha={alpha} must be above 0")
    if not all(bool(torch.isfinite(part).all()) for part in (a, b, new)):
        raise NbnetError("a template holds NaN or infinity: extract it again")
    middle, mean = a.mean(0), b.mean(0)
    t = a - middle
    square = t.T @ t + alpha * torch.eye(a.shape[1], dtype=a.dtype)
    weights = torch.linalg.solve(square, t.T @ (b - mean))  # [d, e]
    return torch.nn.functional.normalize((new - middle) @ weights + mean).float()
