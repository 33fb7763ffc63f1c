"""Which picture sizes a decoder can draw, and from how small a seed it grows them (chapter 5)."""

from __future__ import annotations

from nbnet_lib.errors import NbnetError

# image size -> (edge of the stem's output, number of doublings)
SIZES = {40: (5, 3), 64: (4, 4), 80: (5, 4), 112: (7, 4), 160: (5, 5)}


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
