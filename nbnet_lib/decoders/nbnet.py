"""NbNet: the neighbourly de-convolutional decoder, variants A and B (chapter 6).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
IEEE TPAMI 2019 (arXiv 1703.00832). The idea: a de-convolution that must make many channels from
few inputs makes repeated and noisy ones. NbNet lets each de-convolution make only half of them and
refines those with a neighbourhood of cheap 3x3 convolutions, 8 channels each, whose outputs are
concatenated to the block's input.

This is the version to read. On a CPU, in float32, the same network is run by the package `fast`,
which gives the same numbers in less than half the time; `NbNet.implementation` chooses.

Order inside: batch norm - ReLU - convolution (as in DenseNet), no biases. The widths, the order and
eps come from the authors' released code; the initialisation is ours (see `NbNet.reset_parameters`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nbnet_lib.decoders import fast
from nbnet_lib.decoders.base import Decoder, require_multiple, stem_and_ups

EPS = 1e-4  # the paper's code; PyTorch's default is 1e-5
MOMENTUM = 0.1  # share of the new batch in the running statistics; PyTorch's (and MXNet's) default


class NormReluConv(nn.Module):
    """Batch norm, ReLU, 3x3 convolution to ``growth`` channels: one neighbour."""

    def __init__(self, channels: int, growth: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, growth, H, W]."""
        return self.conv(torch.relu(self.norm(x)))


class BlockA(nn.Module):
    """A chain of neighbours: each sees only the 8 channels of the one before.

    [N, C, H, W] -> [N, C + layers * growth, H, W]; one concatenation at the end.
    """

    def __init__(self, channels: int, layers: int, growth: int):
        super().__init__()
        inputs = [channels] + [growth] * (layers - 1)
        self.layers = nn.ModuleList(NormReluConv(c, growth) for c in inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the input and the output of every link of the chain."""
        pieces = [x]
        for layer in self.layers:
            pieces.append(layer(pieces[-1]))
        return torch.cat(pieces, dim=1)


class BlockB(nn.Module):
    """A dense neighbourhood: each convolution sees everything that was made before it.

    [N, C, H, W] -> [N, C + layers * growth, H, W].
    """

    def __init__(self, channels: int, layers: int, growth: int):
        super().__init__()
        self.layers = nn.ModuleList(
            NormReluConv(channels + i * growth, growth) for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Grow ``x`` by 8 channels per layer."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Up(nn.Module):
    """Batch norm, ReLU, de-convolution 4x4 with stride 2: doubles the edge."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)
        self.deconv = nn.ConvTranspose2d(channels, out_channels, 4, 2, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, out_channels, 2H, 2W]."""
        return self.deconv(torch.relu(self.norm(x)))


class NbNet(Decoder):
    """Stem, then block and up in turn, then the head.

    Args:
        variant: "a" (chains) or "b" (dense blocks).
        template_dim: length d of a template.
        image_size: edge of the picture in pixels (40, 64, 80, 112 or 160).
        base_channels: channels of the stem; block k has base/8/2^k layers (paper: 256,
            so 32, 16, 8, 4, 2, 1 layers).
        growth: channels that each neighbour adds (paper: 8).

    ``implementation`` says who does the work: "auto" (default) the fast version of `fast` where it
    applies, the readable one elsewhere; "readable" always this file; "fast" fails with the reason
    where the fast version does not apply.

    Input float32 [N, d] (unit length), output float32 [N, 3, S, S] in [-1, 1].
    Trainable values at d = 128, S = 160: 2,289,040 (A) and 3,411,472 (B).
    """

    implementation = "auto"

    def __init__(
        self,
        variant: str,
        template_dim: int = 128,
        image_size: int = 160,
        base_channels: int = 256,
        growth: int = 8,
    ):
        super().__init__()
        stem_size, ups = stem_and_ups(image_size)
        require_multiple(base_channels, of=8 * 2**ups)  # so that the last block has a layer
        block = {"a": BlockA, "b": BlockB}[variant]
        self.template_dim, self.image_size = template_dim, image_size

        # Shapes for S = 160, d = 128:                                       128 x   1 x   1
        self.stem = nn.ConvTranspose2d(template_dim, base_channels, stem_size, bias=False)
        channels = base_channels  #                                          256 x   5 x   5
        blocks: list[nn.Module] = []
        doublings: list[nn.Module] = []
        for k in range(ups + 1):
            layers = base_channels // 8 // 2**k  # 32, 16, 8, 4, 2, 1
            blocks.append(block(channels, layers, growth))
            # 512x5x5, 256x10x10, 128x20x20, 64x40x40, 32x80x80, 16x160x160
            channels += layers * growth
            if k < ups:
                out_channels = base_channels // 2 ** (k + 1)
                doublings.append(Up(channels, out_channels))
                # 128x10x10, 64x20x20, 32x40x40, 16x80x80, 8x160x160
                channels = out_channels
        self.blocks = nn.ModuleList(blocks)
        self.ups = nn.ModuleList(doublings)
        self.norm = nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)
        self.head = nn.Conv2d(channels, 3, 1, bias=False)  #                   3 x 160 x 160
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every kernel from N(0, gain/fan_in): gain 2 after a ReLU (He), 1 elsewhere.

        fan_in counts the inputs that reach one output pixel: a 4x4 kernel with stride 2 puts 2x2 of
        its taps there. Batch norm starts at gamma 1, beta 0.
        """
        nn.init.normal_(self.stem.weight, std=math.sqrt(1 / self.template_dim))
        for module in self.modules():
            if isinstance(module, NormReluConv):
                fan_in = 9 * module.conv.in_channels
                nn.init.normal_(module.conv.weight, std=math.sqrt(2 / fan_in))
            elif isinstance(module, Up):
                fan_in = 4 * module.deconv.in_channels
                nn.init.normal_(module.deconv.weight, std=math.sqrt(2 / fan_in))
        nn.init.normal_(self.head.weight, std=math.sqrt(1 / self.head.in_channels))

    def forward(self, templates: Tensor) -> Tensor:
        """Draw one picture per template: float32 [N, d] -> float32 [N, 3, S, S] in [-1, 1]."""
        # A unit vector has entries of size 1/sqrt(d); at size 1 Adam's steps suit the stem too.
        x = templates * math.sqrt(self.template_dim)
        x = self.stem(x[:, :, None, None])
        if fast.applies(self, x):
            return torch.tanh(fast.fast_trunk(self, x))
        for k, block in enumerate(self.blocks):
            x = block(x)
            if k < len(self.ups):
                x = self.ups[k](x)
        return torch.tanh(self.head(torch.relu(self.norm(x))))
