"""Reconstruction losses by name (chapter 4).

A loss is a function of two float32 batches [N, 3, H, W] in [-1, 1], reconstruction first, that
returns one number to minimise. "pixel" is the paper's M (mean absolute error).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nbnet_lib.errors import NbnetError

Loss = Callable[[Tensor, Tensor], Tensor]


def pixel_loss(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference, 0 (equal) to 2 (black against white)."""
    return (reconstruction - target).abs().mean()


_LOSSES: dict[str, Loss] = {"pixel": pixel_loss}


def loss_names() -> list[str]:
    """Return the names that `create_loss` knows."""
    return list(_LOSSES)


def create_loss(name: str) -> Loss:
    """Return the loss called ``name``.

    Raises:
        NbnetError: unknown name.
    """
    if name not in _LOSSES:
        raise NbnetError(f"no loss is named {name!r}: choose one of {', '.join(_LOSSES)}")
    return _LOSSES[name]
