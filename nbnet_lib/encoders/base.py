"""What every encoder (template extractor) offers, whatever network is behind it.

An encoder is the recogniser's half that turns a face into a template; the attacker of this course
may only call it. Introduced in chapter 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.transforms import check_images, resize, to_tensor


class Encoder:
    """A black box from aligned faces to unit-length templates; no gradient comes out of it.

    Attributes:
        name: registry name.
        template_dim: length of a template.
        image_size: side of the images it takes, pixels.
        card: where the weights come from and how well they verify.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        image_size: int,
        template_dim: int,
        card: dict[str, Any],
    ):
        self.name, self.image_size, self.template_dim, self.card = (
            name,
            image_size,
            template_dim,
            card,
        )
        self._network = network.eval().requires_grad_(False)
        self.device = next(network.parameters()).device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Turn float32 [N, 3, S, S] in [-1, 1] into templates, float32 [N, template_dim], unit.

        Raises:
            NbnetError: wrong type, size or range.
        """
        check_images(images, self.image_size)
        templates = self._network(images.to(self.device, torch.float32))
        return F.normalize(templates.float())

    def embed(
        self, images: Tensor | np.ndarray, batch_size: int = 256, progress: bool = False
    ) -> Tensor:
        """Return the templates of many images, float32 [N, template_dim] on the CPU.

        Args:
            images: tensor [N, 3, H, W] in [-1, 1] or uint8 array [N, H, W, 3], any size from 32
                pixels; resized to the encoder's own.
            batch_size: images at a time.
            progress: show a bar on stderr.

        Raises:
            NbnetError: wrong type, shape or range, or smaller than 32 pixels.
        """
        starts = range(0, len(images), batch_size)
        templates = [torch.empty(0, self.template_dim)]
        for start in tqdm(starts, desc=f"templates ({self.name})", disable=not progress):
            batch = images[start : start + batch_size]
            pixels = batch if isinstance(batch, Tensor) else to_tensor(batch)
            check_images(pixels)
            if min(pixels.shape[2:]) < 32:
                raise NbnetError(
                    f"images are {pixels.shape[2]}x{pixels.shape[3]} pixels: expected 32 at least"
                )
            templates.append(self(resize(pixels, self.image_size)).cpu())
        return torch.cat(templates)

    def __repr__(self) -> str:
        """Name and interface in one line."""
        return (
            f"Encoder({self.name!r}: {self.image_size}x{self.image_size} pixels -> "
            f"{self.template_dim}-D template)"
        )
