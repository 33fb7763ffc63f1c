"""The attacker's training pairs: its own pictures and the templates the target made of them.

The attack of Mai et al. (arXiv 1703.00832, algorithm of section 3) needs nothing else: the target
is asked once for the template of each picture and is never differentiated through (chapter 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import require_training, to_tensor


def require_pictures(images: np.ndarray, identities: Sequence[int] | np.ndarray | None) -> None:
    """Raise unless the pictures can be trained on.

    Args:
        images: uint8 [N, S, S, 3].
        identities: the SynthFaces identity of each, or None for other pictures.

    Raises:
        NbnetError: wrong shape or type, or an identity that is missing or reserved for evaluation.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
        raise NbnetError(f"training images have shape {images.shape}: give [N, S, S, 3]")
    if images.dtype != np.uint8:
        raise NbnetError(f"training images are {images.dtype}: give uint8 (0 to 255)")
    if identities is not None:
        if len(identities) != len(images):
            raise NbnetError(
                f"{len(images)} images but {len(identities)} identities: give one per image"
            )
        require_training(identities)


class Pairs:
    """Pictures uint8 [N, S, S, 3] (a memory map is fine) with templates float32 [N, d].

    Args:
        images: the pictures.
        templates: array or tensor, unit length, one row per picture.
        identities: the SynthFaces identity of each picture (all must be >= 10,000), or None for
            pictures that are not SynthFaces.

    Raises:
        NbnetError: wrong shape or type, lengths that differ, NaN or infinite templates, or an
            identity that is reserved for evaluation.
    """

    def __init__(
        self,
        images: np.ndarray,
        templates: np.ndarray | Tensor,
        identities: Sequence[int] | np.ndarray | None,
    ):
        require_pictures(images, identities)
        templates = torch.as_tensor(templates).detach().to("cpu", torch.float32)
        if templates.ndim != 2 or len(templates) != len(images) or len(images) == 0:
            raise NbnetError(
                f"{len(images)} images with templates of shape {tuple(templates.shape)}: "
                "give one template [d] per image, and at least one image"
            )
        bad = (~torch.isfinite(templates)).any(dim=1).nonzero()
        if len(bad):
            raise NbnetError(
                f"the template in row {int(bad[0])} holds NaN or infinity: "
                "extract the templates again or drop that picture"
            )
        self.images, self.templates = images, templates

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_size(self) -> int:
        """Edge of the pictures in pixels."""
        return int(self.images.shape[1])

    @property
    def template_dim(self) -> int:
        """Length d of a template."""
        return int(self.templates.shape[1])

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return (images float32 [B, 3, S, S] in [-1, 1], templates float32 [B, d])."""
        return to_tensor(self.images[rows]), self.templates[torch.from_numpy(rows)]

    def fingerprint(self) -> str:
        """Return a short hash that differs when other data is given (checked at resume)."""
        digest = hashlib.sha256(repr((self.images.shape, tuple(self.templates.shape))).encode())
        digest.update(self.templates[:: max(1, len(self) // 256)].numpy().tobytes())
        # The same templates may be given with other pictures to draw.
        for row in range(0, len(self), max(1, len(self) // 16)):
            digest.update(np.ascontiguousarray(self.images[row]).tobytes())
        return digest.hexdigest()[:16]


def batch_rows(n: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """Return the rows of batch ``step`` (0, 1, 2...): each epoch is one seeded permutation.

    A pure function of its arguments, so a resumed run draws exactly the batches that it missed.
    Rows that do not fill a last batch are left for another epoch's permutation.
    """
    batch_size = min(batch_size, n)
    per_epoch = n // batch_size
    epoch, position = divmod(step, per_epoch)
    order = _permutation(n, epoch, seed)
    return order[position * batch_size : (position + 1) * batch_size]


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


_LAST: dict[tuple[int, int, int], np.ndarray] = {}


def _permutation(n: int, epoch: int, seed: int) -> np.ndarray:
    key = (n, epoch, seed)
    if key not in _LAST:  # keep only the running epoch's permutation
        _LAST.clear()
        _LAST[key] = np.random.default_rng([seed, epoch]).permutation(n)
    return _LAST[key]
