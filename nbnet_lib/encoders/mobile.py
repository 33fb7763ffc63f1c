"""The course's second recogniser: MobileFaceNet's blocks, 64x64 pixels -> 128-D template.

It is the independent judge of the attacks: another architecture, another seed and other people
than the target "synth", so that a pattern that fools one network need not fool the other.
Inverted residuals and the global depthwise convolution as in Chen et al., "MobileFaceNets:
efficient CNNs for accurate real-time face verification on mobile devices", CCBR 2018
(arXiv 1804.07573), scaled down from 112 to 64 pixels. Trained by `train.py`; introduced in
chapter 10.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
