"""What every decoder has in common, and which pictures one can draw (chapter 5)."""

from __future__ import annotations

from typing import Any

from torch import nn

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing

# image size -> (edge of the stem's output, number of doublings)
SIZES = {40: (5, 3), 64: (4, 4), 80: (5, 4), 112: (7, 4), 160: (5, 5)}


class Decoder(nn.Module):
    """A network from templates [N, d] to pictures [N, 3, S, S] in [-1, 1], and what is known of it.

    Attributes:
        training_method: how it gets its weights: "gradient" (`train_decoder`), "fit" (one call of
            ``decoder.fit``) or "adversarial" (the face generator's training).
        name: what reports call it.
        architecture: what `create_decoder` made it from; None if something else made it.
        card: where its weights come from; empty for fresh ones.
        framing: where faces are in its pictures; None where nobody knows.
    """

    training_method = "gradient"

    def __init__(self) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.architecture: dict[str, Any] | None = None
        self.card: dict[str, Any] = {}
        self.framing: Framing | None = None


def stem_and_ups(image_size: int) -> tuple[int, int]:
    """Return (stem edge in pixels, doublings): 160 -> (5, 5), because 5 x 2^5 = 160.

    Raises:
        NbnetError: no decoder draws this size.
    """
    if image_size not in SIZES:
        raise NbnetError(
            f"image_size={image_size!r} is not a size that a decoder draws: "
            f"choose one of {', '.join(map(str, SIZES))}"
        )
    return SIZES[image_size]


def require_halvings(base_channels: int, ups: int) -> None:
    """Raise unless ``base_channels`` can be halved once per doubling of the edge.

    Raises:
        NbnetError: it cannot.
    """
    if base_channels < 1 or base_channels % 2**ups:
        raise NbnetError(
            f"base_channels={base_channels} cannot be halved {ups} times: "
            f"give a multiple of {2**ups}"
        )
