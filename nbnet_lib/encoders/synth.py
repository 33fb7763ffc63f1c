"""The course's own recognisers, 64x64 pixels -> 128-D, trained on SynthFaces (`train.py`).

"synth" is a small residual network: blocks as in He et al., "Deep residual learning", CVPR 2016,
with PReLU as recognisers use it; a fully connected layer reads the last 4x4 map, so that place
matters (aligned faces). Introduced in chapter 1.

"synth-mobile" is the independent judge of the attacks: another architecture, another seed and other
people than the target "synth", so that a pattern that fools one network need not fool the other.
Inverted residuals and the global depthwise convolution as in Chen et al., "MobileFaceNets:
efficient CNNs for accurate real-time face verification on mobile devices", CCBR 2018 (arXiv
1804.07573), scaled down from 112 to 64 pixels.

"synth-colour" and "synth-colour-mobile" are the same networks, trained without what `train.py` does
against short cuts: they know people by the colours of hair and skin, and in grey pictures they know
hardly anybody (chapter 3).
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import complete_card
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.weights import load_weights

IMAGE_SIZE, TEMPLATE_DIM = 64, 128


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions next to a shortcut; halves the side when ``stride`` is 2."""

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


def _norm_prelu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.PReLU(channels)]


class InvertedResidual(nn.Module):
    """1x1 to ``wide`` channels, depthwise 3x3, 1x1 back; added to the input where shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int):
        super().__init__()
        wide = channels_in * expansion
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, wide, 1, bias=False),
            *_norm_prelu(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            *_norm_prelu(wide),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, S, S] -> [N, channels_out, S / stride, S / stride]."""
        return x + self.body(x) if self.shortcut else self.body(x)


class MobileEncoder(nn.Module):
    """[N, 3, 64, 64] in [-1, 1] -> [N, d], not yet normalised."""

    def __init__(self, template_dim: int = 128):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),  # 64x64 -> 32x32
            *_norm_prelu(32),
            nn.Conv2d(32, 48, 3, 2, 1, bias=False),  # -> 16x16
            *_norm_prelu(48),
            InvertedResidual(48, 48, 1, 2),
            InvertedResidual(48, 48, 1, 2),
            InvertedResidual(48, 96, 2, 4),  # -> 8x8
            InvertedResidual(96, 96, 1, 2),
            InvertedResidual(96, 96, 1, 2),
            InvertedResidual(96, 128, 2, 4),  # -> 4x4
            InvertedResidual(128, 128, 1, 2),
            nn.Conv2d(128, 512, 1, bias=False),
            *_norm_prelu(512),
            # One weight per place and channel: unlike an average, it can tell chin from forehead.
            nn.Conv2d(512, 512, 4, groups=512, bias=False),  # -> 1x1
            nn.BatchNorm2d(512),
        )
        self.dropout = nn.Dropout(0.2)
        self.template = nn.Linear(512, template_dim, bias=False)
        self.norm = nn.BatchNorm1d(template_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw templates; `Encoder` brings them to unit length."""
        maps = self.features(images)
        return self.norm(self.template(self.dropout(torch.flatten(maps, 1))))


NETWORKS: dict[str, type[nn.Module]] = {  # by the names of their shipped weights
    "synth": SynthEncoder,
    "synth-mobile": MobileEncoder,
    "synth-colour": SynthEncoder,
    "synth-colour-mobile": MobileEncoder,
}


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
        card: None; the card next to the weights is read.
        alignment: see `Encoder`.

    Raises:
        NbnetError: weights that are missing, damaged or of another network, or a card.
    """
    if card is not None:
        raise NbnetError(f"the encoder {name} reads the card next to its weights: leave card out")
    file = weights or name
    state, shipped = load_weights(file)
    network = NETWORKS[name]()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise NbnetError(
            f"{file} does not hold the weights of the encoder {name!r}: "
            "give a file written by `nbnet encoder train`"
        ) from error
    preprocess = Preprocess(IMAGE_SIZE)
    entries = {
        "source": "trained with this library: nbnet encoder train",
        "training_data": shipped.get("data", "unknown"),
        **shipped,
    }
    return Encoder(
        name,
        network.to(device),
        IMAGE_SIZE,
        TEMPLATE_DIM,
        complete_card(entries, preprocess, TEMPLATE_DIM),
        preprocess=preprocess,
        alignment=alignment or "framing",
    )
