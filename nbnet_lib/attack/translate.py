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
        NbnetError: fewer than two pairs.
        ValueError: from scikit-learn: shapes that do not go together, NaN, or alpha < 0.
    """
    from sklearn.linear_model import Ridge  # slow to import

    if len(source) < 2:
        raise NbnetError(f"{len(source)} pairs of templates: a line needs two or more")
    known, wanted, new = (
        torch.as_tensor(part).detach().cpu().double().numpy() for part in (source, target, stolen)
    )
    translated = Ridge(alpha=alpha, solver="cholesky").fit(known, wanted).predict(new)
    return torch.nn.functional.normalize(torch.from_numpy(translated)).float()
