"""D-CNN: the plain de-convolutional decoder, the baseline of NbNet (chapter 5).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
IEEE TPAMI 2019 (arXiv 1703.00832), the "D-CNN" row. De-convolutions only: each one has to invent
all the channels of the next resolution from the few it is given.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nbnet_lib.decoders.base import Decoder, require_multiple, stem_and_ups


class DCNN(Decoder):
    """De-convolution 5x5, then one de-convolution 4x4 stride 2 per doubling, then conv 3x3, tanh.

    Args:
        template_dim: length d of a template.
        image_size: edge of the picture in pixels (40, 64, 80, 112 or 160).
        base_channels: channels after the stem; each doubling of the edge halves them (paper: 512).

    Input float32 [N, d] (unit length), output float32 [N, 3, S, S] in [-1, 1].
    4,432,304 trainable values at d = 128, S = 160.
    """

    def __init__(self, template_dim: int = 128, image_size: int = 160, base_channels: int = 512):
        super().__init__()
        stem_size, ups = stem_and_ups(image_size)
        require_multiple(base_channels, of=2**ups)
        self.template_dim, self.image_size = template_dim, image_size
        # Shapes for S = 160, d = 128:                                    128 x   1 x   1
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(template_dim, base_channels, stem_size, bias=False),
            nn.SELU(),  # 512 x 5 x 5
        ]
        channels = base_channels
        for _ in range(ups):  # 256x10x10, 128x20x20, 64x40x40, 32x80x80, 16x160x160
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1, bias=False),
                nn.SELU(),
            ]
            channels //= 2
        self.deconvolutions = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 3, 3, padding=1, bias=False)  # 3 x 160 x 160
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every kernel from N(0, 1/fan_in), what SELU needs to keep unit variance."""
        stem, *ups = [m for m in self.deconvolutions if isinstance(m, nn.ConvTranspose2d)]
        nn.init.normal_(stem.weight, std=math.sqrt(1 / self.template_dim))
        for up in ups:  # a 4x4 kernel with stride 2 puts 2x2 of its taps on each output pixel
            nn.init.normal_(up.weight, std=math.sqrt(1 / (4 * up.in_channels)))
        nn.init.normal_(self.head.weight, std=math.sqrt(1 / (9 * self.head.in_channels)))

    def forward(self, templates: Tensor) -> Tensor:
        """Draw one picture per template: float32 [N, d] -> float32 [N, 3, S, S] in [-1, 1]."""
        # A unit vector has entries of size 1/sqrt(d); bring them to size 1, as SELU expects.
        x = templates * math.sqrt(self.template_dim)
        x = self.deconvolutions(x[:, :, None, None])
        return torch.tanh(self.head(x))
