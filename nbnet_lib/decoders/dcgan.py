"""The face generator of the attack and its opponent: a DCGAN without batch norm (chapter 8).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
arXiv 1703.00832, and the authors' released code. An attacker with few pictures of faces trains this
pair on them, then draws as many new faces as the decoder's training needs.

The generator is the D-CNN fed with noise: z in R^100 from N(0, 1). The discriminator is its mirror
image: one convolution, then a halving of the edge for every doubling, down to one number. There is
no batch norm in either; SELU keeps the activations in range, and every kernel starts from
N(0, 0.02).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nbnet_lib.decoders.base import Decoder, require_multiple, stem_and_ups
from nbnet_lib.decoders.dcnn import DCNN

NOISE_DIM = 100  # length of z in the authors' code
INITIAL_STD = 0.02


class Generator(DCNN):
    """From noise to a face: the layers of the D-CNN, their start and the scale of the input apart.

    Args:
        template_dim: length of z (paper: 100).
        image_size: edge of the picture in pixels (40, 64, 80, 112 or 160).
        base_channels: channels after the stem; each doubling of the edge halves them (paper: 512).

    Input float32 [N, 100] from N(0, 1), output float32 [N, 3, S, S] in [-1, 1].
    4,073,904 trainable values at S = 160.
    """

    training_method = "adversarial"

    def __init__(
        self, template_dim: int = NOISE_DIM, image_size: int = 160, base_channels: int = 512
    ):
        super().__init__(template_dim, image_size, base_channels)

    def reset_parameters(self) -> None:
        """Draw every kernel from N(0, 0.02), as a DCGAN does."""
        _draw_kernels(self)

    def forward(self, z: Tensor) -> Tensor:
        """Draw one face per z: float32 [N, 100] -> float32 [N, 3, S, S] in [-1, 1]."""
        # No scaling: the entries of z are of size 1 already, those of a template are not.
        return torch.tanh(self.head(self.deconvolutions(z[:, :, None, None])))


class Discriminator(Decoder):
    """Is this a picture or a drawing? The generator's layers backwards.

    Args:
        image_size: edge of the picture in pixels (40, 64, 80, 112 or 160).
        base_channels: channels before the last convolution; the first has as many as the
            generator's last (paper: 512, so 16 at the full edge).

    Input float32 [N, 3, S, S] in [-1, 1], output the logit of "real", float32 [N].
    2,806,704 trainable values at S = 160.
    """

    training_method = "adversarial"

    def __init__(self, image_size: int = 160, base_channels: int = 512):
        super().__init__()
        stem_size, ups = stem_and_ups(image_size)
        require_multiple(base_channels, of=2**ups)
        self.image_size = image_size
        channels = base_channels // 2**ups
        # Shapes for S = 160:                                                 3 x 160 x 160
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.SELU()]
        #                                                                    16 x 160 x 160
        for _ in range(ups):  # 32x80x80, 64x40x40, 128x20x20, 256x10x10, 512x5x5
            layers += [
                nn.Conv2d(channels, channels * 2, 4, stride=2, padding=1, bias=False),
                nn.SELU(),
            ]
            channels *= 2
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 1, stem_size, bias=False)  #          1 x   1 x   1
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every kernel from N(0, 0.02), as a DCGAN does."""
        _draw_kernels(self)

    def forward(self, images: Tensor) -> Tensor:
        """Judge pictures: float32 [N, 3, S, S] in [-1, 1] -> logits float32 [N]."""
        return self.head(self.convolutions(images)).flatten()


def _draw_kernels(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=INITIAL_STD)
