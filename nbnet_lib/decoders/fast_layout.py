"""Where everything of the fast NbNet lies in memory: sizes, offsets and addresses."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from nbnet_lib.decoders.nbnet import NbNet

STRIP_FLOATS = 48_000  # of all channels of one strip: 192 kB, most of a core's own cache


class Layout:
    """Sizes and offsets of one stage: numbers only, made once per shape (`_layout`).

    Attributes: inputs and channels (of the buffer), side, plane, layers (int64 [L + 1, 4], see
    fast_stage.py), total (channels of all layers), mask, strip, width (of a strip with its halo).
    """

    def __init__(self, dense: bool, inputs: int, count: int, side: int):
        self.inputs, self.side = inputs, side
        self.channels = inputs + 8 * count
        self.pitch = side + 1
        self.halo = self.pitch + 1
        self.plane = -(-side * self.pitch // 16) * 16
        rows, at = [], 0
        for i in range(count + 1):
            last = i == count  # the de-convolution or head, which reads everything
            first, channels = 0, inputs + 8 * i
            if not dense and 0 < i and not last:
                first, channels = inputs + 8 * (i - 1), 8
            rows.append((first, channels, at, at * 72))
            at += channels
        self.layers = np.array(rows, dtype=np.int64)
        self.total = at
        # Strips of equal length that fit in the cache, a multiple of 16 positions.
        fits = max(64, STRIP_FLOATS // self.channels - 2 * self.halo)
        pieces = -(-self.plane // fits)
        self.strip = -(-self.plane // (pieces * 16)) * 16
        self.width = self.strip + 2 * self.halo + 32
        self.mask = np.zeros(self.halo + self.plane + self.width, dtype=np.float32)
        pixels = self.mask[self.halo : self.halo + side * self.pitch]
        pixels.reshape(side, self.pitch)[:, :side] = 1

    def units(self, n: int) -> np.ndarray:
        """Every strip of every picture: int64 [U, 3] of picture, begin, end."""
        strips = [(b, min(b + self.strip, self.plane)) for b in range(0, self.plane, self.strip)]
        return np.array([(i, b, e) for i in range(n) for b, e in strips], dtype=np.int64)


_layout = lru_cache(maxsize=64)(Layout)


class Stage:
    """A stage's layout and its modules: pairs of batch norm and convolution."""

    def __init__(self, net: NbNet, k: int):
        from nbnet_lib.decoders.nbnet import BlockB

        block: Any = net.blocks[k]
        ups: Any = net.ups
        self.up = k < len(net.ups)
        self.modules = [(layer.norm, layer.conv) for layer in block.layers]
        inputs, side = self.modules[0][0].num_features, net.image_size >> (len(net.ups) - k)
        self.layout = _layout(isinstance(block, BlockB), inputs, len(self.modules), side)
        end: Any = (ups[k].norm, ups[k].deconv) if self.up else (net.norm, net.head)
        self.modules.append(end)
        self.outputs: int = end[1].out_channels
        self.eps: float = end[0].eps

    def parameters(self) -> list[Tensor]:
        """Gamma, beta and kernel of each layer, then of the de-convolution or head."""
        return [p for norm, conv in self.modules for p in (norm.weight, norm.bias, conv.weight)]


def places(kernels: list[Tensor], gradients: list[Tensor] | None, up: bool) -> np.ndarray:
    """Where kernels and their gradients lie: int64 [L + 1, 10], see `stage_forward`."""
    rows = []
    for i, kernel in enumerate(kernels):
        row: list[int] = []
        for tensor in (kernel, gradients[i] if gradients else kernel):
            output, channel, y, x = tensor.stride()  # a de-convolution's begins with its inputs
            if up and i == len(kernels) - 1:
                output, channel = channel, output
            row += [tensor.data_ptr(), channel, y, x, output]
        rows.append(row)
    return np.array(rows, dtype=np.int64)


def planes(n: int, layout: Layout) -> Tensor:
    """A buffer for ``n`` pictures: float32 [n, channels, plane], not initialised.

    Strips read their halo, and whole vectors, beyond the first and last plane (and take no notice
    of what they find there): that memory belongs to the buffer.
    """
    margin = layout.halo + 64
    shape = (n, layout.channels, layout.plane)
    whole = torch.empty(n * layout.channels * layout.plane + 2 * margin)
    return whole[margin:-margin].view(shape)
