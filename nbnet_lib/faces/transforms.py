"""Between bytes on disk and tensors in networks.

Conventions of the whole library: uint8 ``[N, H, W, 3]`` RGB on disk and in numpy; float32
``[N, 3, H, W]`` in [-1, 1] in torch. Introduced in chapter 1.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nbnet_lib.errors import NbnetError

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as cameras and JPEG weigh red, green and blue


def brightness(pixels: Tensor) -> Tensor:
    """Return how bright RGB pixels [N, 3, H, W] are, [N, 1, H, W] of the same range."""
    return (pixels * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def to_tensor(images: np.ndarray) -> Tensor:
    """Turn uint8 [N, H, W, 3] (or one image [H, W, 3]) into float32 [N, 3, H, W] in [-1, 1].

    Raises:
        NbnetError: another type or shape.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise NbnetError(
            f"images are {images.dtype} {list(images.shape)}: expected uint8 [N, H, W, 3]"
        )
    # Torch warns of arrays that it may not write to, as read-only memory maps: those are copied.
    images = np.require(images, requirements=["C", "W"])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    return pixels.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> np.ndarray:
    """Turn float [N, 3, H, W] in [-1, 1] into uint8 [N, H, W, 3]; values outside are clipped.

    Raises:
        NbnetError: another shape, or not a number among the values.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise NbnetError(f"images are {list(images.shape)}: expected [N, 3, H, W]")
    if not torch.isfinite(images).all():
        raise NbnetError("images hold NaN or infinity: expected finite values in [-1, 1]")
    pixels = images.detach().float().cpu().add(1).mul(127.5).round_().clamp_(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def check_images(images: Tensor, image_size: int | None = None) -> None:
    """Raise unless ``images`` follows the library's convention (and has the given size).

    Raises:
        NbnetError: wrong type, shape, size or range, or values that are not finite.
    """
    wanted = "float32 [N, 3, H, W] in [-1, 1]"
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise NbnetError(f"images are {kind}: expected a tensor, {wanted} (see faces.to_tensor)")
    if images.ndim != 4 or images.shape[1] != 3:
        raise NbnetError(f"images have shape {list(images.shape)}: expected {wanted}")
    if image_size is not None and images.shape[2:] != (image_size, image_size):
        raise NbnetError(
            f"images are {images.shape[2]}x{images.shape[3]} pixels: expected "
            f"{image_size}x{image_size} (see faces.resize)"
        )
    if images.numel():
        low, high = (float(v) for v in torch.aminmax(images))
        if not (np.isfinite(low) and np.isfinite(high)):
            raise NbnetError(f"images hold NaN or infinity: expected {wanted}")
        if low < -1.01 or high > 1.01:
            raise NbnetError(
                f"image values run from {low:.4g} to {high:.4g}: expected {wanted} "
                "(bytes: use faces.to_tensor)"
            )


def resize(images: Tensor, size: int) -> Tensor:
    """Resize float [N, 3, H, W] to [N, 3, size, size], antialiased; no copy if it fits already."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(
        images, (size, size), mode="bilinear", antialias=True, align_corners=False
    ).clamp(-1, 1)
