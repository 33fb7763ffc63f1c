"""The attacker's training pairs: its own pictures and the templates the target made of them.

The attack of Mai et al. (arXiv 1703.00832, algorithm of section 3) needs nothing else: the target
is asked once for the template of each picture and is never differentiated through (chapter 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.decoders.base import check_templates, require_pictures
from nbnet_lib.faces import to_tensor

AT_ONCE = 256  # pictures that a fingerprint holds in memory; a set may be larger


class Pictures:
    """Arrays of pictures one behind the other, or some rows of them, without a copy.

    They may be memory maps, and a row may occur more than once. It has what training asks of an
    array: ``shape``, ``dtype``, ``ndim``, ``len``, and rows by number, slice or array of numbers.

    Args:
        arrays: uint8 [N_i, S, S, 3] each, of one size; `Pictures` are fine, too.
        rows: which rows of all arrays together, in order; None for all.
    """

    def __init__(self, arrays: Sequence[np.ndarray], rows: np.ndarray | None = None):
        self.arrays = list(arrays)
        self.starts = np.cumsum([0, *(len(array) for array in self.arrays)])
        self.rows = np.arange(self.starts[-1]) if rows is None else rows
        self.shape = (len(self.rows), *self.arrays[0].shape[1:])
        self.dtype, self.ndim = self.arrays[0].dtype, len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> np.ndarray:
        rows = self.rows[which]
        found = np.empty((np.size(rows), *self.shape[1:]), self.dtype)
        of = np.searchsorted(self.starts, np.atleast_1d(rows), side="right") - 1
        for number in np.unique(of):
            at = np.flatnonzero(of == number)
            found[at] = self.arrays[number][np.atleast_1d(rows)[at] - self.starts[number]]
        return found if np.ndim(rows) else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


class Pairs:
    """Pictures uint8 [N, S, S, 3] (a memory map is fine) with templates float32 [N, d].

    Args:
        images: the pictures.
        templates: array or tensor, unit length, one row per picture.
        identities: the SynthFaces identity of each picture (the attacker's), or None for
            pictures that are not SynthFaces.

    Raises:
        NbnetError: wrong shape or type, lengths that differ, NaN or infinite templates, or an
            identity that is reserved for evaluation.
    """

    def __init__(
        self,
        images: Any,
        templates: np.ndarray | Tensor,
        identities: Sequence[int] | np.ndarray | None,
    ):
        require_pictures(images, identities)
        templates = check_templates(templates, count=len(images))
        self.images, self.templates = images, templates
        self.image_size, self.template_dim = int(images.shape[1]), int(templates.shape[1])

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return (images float32 [B, 3, S, S] in [-1, 1], templates float32 [B, d])."""
        return to_tensor(self.images[rows]), self.templates[torch.from_numpy(rows)]

    def fingerprint(self) -> str:
        """Return a short hash that differs when other data is given (checked at resume)."""
        # The same templates may be given with other pictures to draw.
        return fingerprint(self.images, self.templates)


def fingerprint(images: Any, templates: Tensor | None = None) -> str:
    """Return 32 hexadecimal digits of all pictures and templates, in their order.

    Every byte is read: a second for 20,000 pictures of 64 pixels.
    """
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    if templates is not None:
        digest.update(templates.numpy().tobytes())
    for first in range(0, len(images), AT_ONCE):
        digest.update(np.ascontiguousarray(images[first : first + AT_ONCE]).data)
    return digest.hexdigest()[:32]


def batch_rows(n: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """Return the rows of batch ``step`` (0, 1, 2...): each epoch is one seeded permutation.

    A pure function of its arguments, so a resumed run draws exactly the batches that it missed.
    Rows that do not fill a last batch are left for another epoch's permutation.
    """
    batch_size = min(batch_size, n)
    epoch, position = divmod(step, n // batch_size)
    return _permutation(n, epoch, seed)[position * batch_size : (position + 1) * batch_size]


@lru_cache(maxsize=1)  # the running epoch's
def _permutation(n: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def noisy_templates(templates: Tensor, length: float, step: int, seed: int) -> Tensor:
    """Push unit templates float32 [B, d] off their direction, as another picture would.

    To each a normally distributed vector of about ``length`` is added, then it is brought back to
    unit length: 0.5 leaves a cosine of about 0.89. A pure function of its arguments, so a resumed
    run draws the noise that it missed.
    """
    if length == 0:
        return templates
    generator = torch.Generator().manual_seed(
        int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
    )
    noise = torch.randn(templates.shape, generator=generator) * length / templates.shape[1] ** 0.5
    return torch.nn.functional.normalize(templates + noise, dim=1)
