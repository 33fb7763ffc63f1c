"""From the library's pictures to the numbers that one network was trained on.

Every recogniser wants its faces of one size, cut out in one way (`faces.framing`), with the colours
in one order and the pixels in one range. Get one of them wrong and it still answers, only worse:
`nbnet encoder test` looks for that. Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing, find_framing

MIN_SIZE, MAX_SIZE = 32, 1024
CHANNELS, LAYOUTS = ("rgb", "bgr"), ("nchw", "nhwc")


@dataclass(frozen=True)
class Preprocess:
    """What happens between our convention and a network's input.

    input = (pixel - mean) / std, with pixels from 0 to 255 and one mean and std per channel.

    Attributes:
        size: side of the pictures, pixels, 32 to 1024.
        framing: how faces are cut out: a name of `faces.framing.FRAMINGS`, or a `Framing`.
        channels: order of the colours, "rgb" or "bgr".
        layout: "nchw" (colours before rows) or "nhwc" (colours last).
        mean: of each channel, in the order of ``channels``; one number stands for all three.
        std: likewise; not 0.

    Raises:
        NbnetError: a value that is none of these.
    """

    size: int
    framing: str | Framing = "synthfaces"
    channels: str = "rgb"
    layout: str = "nchw"
    mean: tuple[float, ...] = (127.5, 127.5, 127.5)
    std: tuple[float, ...] = (127.5, 127.5, 127.5)

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int | np.integer)
        if not whole or not MIN_SIZE <= self.size <= MAX_SIZE:
            raise NbnetError(
                f"the image size is {self.size!r}: give a whole number of pixels from {MIN_SIZE} "
                f"to {MAX_SIZE}"
            )
        for name, value, choices in (
            ("channels", self.channels, CHANNELS),
            ("layout", self.layout, LAYOUTS),
        ):
            if value not in choices:
                raise NbnetError(f"{name} is {value!r}: give {' or '.join(choices)}")
        if not isinstance(self.framing, Framing):
            object.__setattr__(self, "framing", find_framing(self.framing))
        object.__setattr__(self, "size", int(self.size))
        object.__setattr__(self, "mean", _three("mean", self.mean))
        object.__setattr__(self, "std", _three("std", self.std))
        if 0 in self.std:
            raise NbnetError(f"std is {list(self.std)}: pixels are divided by it, give none of 0")

    def __call__(self, images: Tensor) -> Tensor:
        """Turn float32 [N, 3, size, size] in [-1, 1], already framed, into the network's input.

        Returns:
            float32 of the same device, [N, 3, size, size], or [N, size, size, 3] for "nhwc".
        """
        # With x = pixel / 127.5 - 1 the two steps are one multiplication and one addition, which
        # leave x as it is, bit for bit, where the network wants [-1, 1].
        if (self.mean, self.std) != ((127.5,) * 3, (127.5,) * 3):
            mean, std = self._in_rgb(self.mean), self._in_rgb(self.std)
            scale = images.new_tensor([127.5 / s for s in std])[:, None, None]
            shift = images.new_tensor([(127.5 - m) / s for m, s in zip(mean, std, strict=True)])
            images = images * scale + shift[:, None, None]
        if self.channels == "bgr":
            images = images.flip(1)
        return images.permute(0, 2, 3, 1).contiguous() if self.layout == "nhwc" else images

    def _in_rgb(self, values: tuple[float, ...]) -> tuple[float, ...]:
        return values[::-1] if self.channels == "bgr" else values

    @property
    def own_framing(self) -> Framing:
        """The framing itself, also where it was given by name."""
        assert isinstance(self.framing, Framing)  # __post_init__ looked the name up
        return self.framing

    def describe(self) -> dict[str, object]:
        """Return the entries of a card that make this again: numbers and names only."""
        return {
            "image_size": self.size,
            "channels": self.channels,
            "layout": self.layout,
            "mean": list(self.mean),
            "std": list(self.std),
            "framing": self.own_framing.to_card(),
        }


def _three(name: str, values: object) -> tuple[float, float, float]:
    """Return three floats of three numbers or of one."""
    array = np.asarray(values)
    usable = array.dtype.kind in "iuf" and array.shape in ((), (1,), (3,))
    if not usable or not np.isfinite(array).all():
        raise NbnetError(
            f"{name} is {values!r}: give one number or three, on the scale of pixels from 0 to 255"
        )
    red, green, blue = np.broadcast_to(array.astype(float), (3,)).tolist()
    return (red, green, blue)


def to_bytes(inputs: Tensor) -> np.ndarray:
    """Round network inputs that are pixels from 0 to 255 to uint8, on the CPU, same shape."""
    return inputs.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
