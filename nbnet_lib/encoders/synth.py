"""The course's own recognisers; the first is a small residual network, 64x64 pixels -> 128-D.

Residual blocks as in He et al., "Deep residual learning", CVPR 2016, with PReLU as recognisers
use it; a fully connected layer reads the last 4x4 map, so that place matters (aligned faces).
Trained from scratch on SynthFaces (`train.py`). Introduced in chapter 1.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import complete_card
from nbnet_lib.encoders.mobile import MobileEncoder
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.weights import load_weights

IMAGE_SIZE, TEMPLATE_DIM = 64, 128


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; halves the side when ``stride`` is 2."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.PReLU(channels_out),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.activation = nn.PReLU(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, S, S] -> [N, channels_out, S / stride, S / stride]."""
        return self.activation(self.body(x) + self.shortcut(x))


class SynthEncoder(nn.Module):
    """[N, 3, 64, 64] in [-1, 1] -> [N, 128], not yet normalised."""

    def __init__(self, template_dim: int = TEMPLATE_DIM):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1, bias=False),  # 64x64 -> 32x32
            nn.BatchNorm2d(24),
            nn.PReLU(24),
            ResidualBlock(24, 48, 2),  # -> 16x16
            ResidualBlock(48, 96, 2),  # -> 8x8
            ResidualBlock(96, 176, 2),  # -> 4x4
        )
        self.dropout = nn.Dropout(0.2)
        self.template = nn.Linear(176 * 4 * 4, template_dim, bias=False)
        self.norm = nn.BatchNorm1d(template_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw templates; `Encoder` brings them to unit length."""
        maps = self.features(images)
        return self.norm(self.template(self.dropout(torch.flatten(maps, 1))))


NETWORKS: dict[str, type[nn.Module]] = {"synth": SynthEncoder, "synth-mobile": MobileEncoder}
WEIGHTS = {"synth": "synth-encoder", "synth-mobile": "synth-mobile"}  # shipped


def open_synth(
    name: str = "synth",
    device: str | torch.device = "cpu",
    weights: str | os.PathLike[str] | None = None,
    card: Any = None,
    alignment: str | None = None,
) -> Encoder:
    """Make the encoder of the shipped weights, or of a file written by `nbnet encoder train`.

    Args:
        name: one of `NETWORKS`.
        device: where it runs.
        weights: a file with its weights instead of the shipped ones.
        card: None; the card beside the weights is read.
        alignment: see `Encoder`.

    Raises:
        NbnetError: weights that are missing, damaged or of another network, or a card.
    """
    if card is not None:
        raise NbnetError(f"the encoder {name} reads the card beside its weights: leave card out")
    file = weights or WEIGHTS[name]
    state, told = load_weights(file)
    network = NETWORKS[name]()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise NbnetError(
            f"{file} does not hold the weights of the encoder {name!r}: "
            "give a file written by `nbnet encoder train`"
        ) from error
    preprocess = Preprocess(IMAGE_SIZE)
    told = {
        "source": "trained with this library: nbnet encoder train",
        "training_data": told.get("data", "unknown"),
        **told,
    }
    return Encoder(
        name,
        network.to(device),
        IMAGE_SIZE,
        TEMPLATE_DIM,
        complete_card(told, preprocess, TEMPLATE_DIM),
        preprocess=preprocess,
        alignment=alignment or "framing",
    )
