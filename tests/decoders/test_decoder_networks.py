"""Decoders: shapes, exact parameter counts, the rule of each block, and names."""

import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders import (
    count_parameters,
    create_decoder,
    decoder_names,
)
from nbnet_lib.decoders.nbnet import BlockA, BlockB, NbNet
from nbnet_lib.errors import NbnetError

PAPER_COUNTS = {"nbnet-a": 2_289_040, "nbnet-b": 3_411_472, "dcnn": 4_432_304}


def templates(n, dim, seed=0):
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_names():
    assert decoder_names("gradient") == ["nbnet-a", "nbnet-b", "dcnn"]
    assert decoder_names("fit") == ["linear", "rbf"]
    assert decoder_names("adversarial") == ["dcgan-generator", "dcgan-discriminator"]
    assert len(decoder_names()) == 7


@pytest.mark.parametrize("name", decoder_names())
def test_the_defaults(name):
    decoder = create_decoder(name)
    assert decoder.image_size == 160
    assert decoder.training_method in ("gradient", "fit", "adversarial")
    dims = {"dcgan-generator": 100, "dcgan-discriminator": None}
    assert decoder.architecture["template_dim"] == dims.get(name, 128)
    assert decoder.name == f"{name}-160"


@pytest.mark.parametrize("name", PAPER_COUNTS)
def test_counts_of_the_paper_at_160(name):
    assert count_parameters(create_decoder(name, 128, 160)) == PAPER_COUNTS[name]


@pytest.mark.parametrize("name", PAPER_COUNTS)
@pytest.mark.parametrize("size", [40, 64, 80, 112, 160])
def test_shape_type_and_range(name, size):
    base = 64 if name == "dcnn" else 256
    decoder = create_decoder(name, 16, size, base_channels=base, **_small(name)).eval()
    with torch.no_grad():
        images = decoder(templates(2, 16))
    assert images.shape == (2, 3, size, size)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert images.std() > 0.01  # not grey


def _small(name):
    return {} if name == "dcnn" else {"growth": 2}


def test_layers_per_block_and_what_the_released_network_counts():
    net = create_decoder("nbnet-b", 128, 160)
    assert [len(block.layers) for block in net.blocks] == [32, 16, 8, 4, 2, 1]
    kinds = [type(m).__name__ for m in net.modules()]
    assert kinds.count("Conv2d") == 64
    assert kinds.count("ConvTranspose2d") == 6
    assert kinds.count("BatchNorm2d") == 69
    assert all(m.eps == 1e-4 for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert not any(name.endswith("conv.bias") for name, _ in net.named_parameters())


@pytest.mark.parametrize("size, ups", [(40, 3), (64, 4), (80, 4), (112, 4), (160, 5)])
def test_smaller_sizes_keep_the_widest_stages(size, ups):
    net = create_decoder("nbnet-b", 128, size)
    assert len(net.ups) == ups
    assert [up.deconv.out_channels for up in net.ups] == [128, 64, 32, 16, 8][:ups]


def test_block_b_sees_everything_so_far():
    torch.manual_seed(0)
    block = BlockB(4, 3, 2).eval()
    x = torch.randn(2, 4, 5, 5)
    y = block(x)
    assert y.shape == (2, 10, 5, 5)
    assert torch.equal(y[:, :4], x)  # the input is kept
    for i, layer in enumerate(block.layers):
        before, made = y[:, : 4 + 2 * i], y[:, 4 + 2 * i : 6 + 2 * i]
        torch.testing.assert_close(layer(before), made)


def test_block_a_sees_only_the_link_before():
    torch.manual_seed(0)
    block = BlockA(4, 3, 2).eval()
    x = torch.randn(2, 4, 5, 5)
    y = block(x)
    assert y.shape == (2, 10, 5, 5)
    torch.testing.assert_close(block.layers[0](x), y[:, 4:6])
    torch.testing.assert_close(block.layers[1](y[:, 4:6]), y[:, 6:8])
    torch.testing.assert_close(block.layers[2](y[:, 6:8]), y[:, 8:])


def test_same_seed_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create_decoder("nbnet-b", 32, 40, base_channels=64).state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_every_parameter_gets_a_gradient(monkeypatch):
    monkeypatch.setattr(NbNet, "implementation", "readable")  # the other takes long to compile
    for name, base in [("nbnet-a", 64), ("nbnet-b", 64), ("dcnn", 16)]:
        decoder = create_decoder(name, 16, 40, base_channels=base)
        decoder(templates(4, 16)).square().mean().backward()
        for key, parameter in decoder.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, (name, key)


@pytest.mark.parametrize(
    "arguments, key_word",
    [
        ({"name": "nbnet-z"}, "nbnet-a, nbnet-b, dcnn"),
        ({"name": "nbnet-b", "image_size": 100}, "40, 64, 80, 112, 160"),
        ({"name": "nbnet-b", "template_dim": 8}, "16 or more"),
        ({"name": "nbnet-b", "template_dim": 128.0}, "16 or more"),
        ({"name": "nbnet-b", "depth": 3}, "depth"),
        ({"name": "dcnn", "growth": 8}, "growth"),
        ({"name": "linear", "centres": 5}, "centres"),
        ({"name": "nbnet-b", "base_channels": 100}, "multiple of 256"),
        ({"name": "dcnn", "base_channels": 100}, "multiple of 32"),
    ],
)
def test_wrong_arguments(arguments, key_word):
    with pytest.raises(NbnetError, match=key_word):
        create_decoder(**arguments)


@pytest.mark.parametrize("name", PAPER_COUNTS)
def test_only_the_stem_depends_on_the_template_s_length(name):
    short, long = (create_decoder(name, dim, 40, base_channels=64) for dim in (16, 2048))
    assert long(templates(2, 2048)).shape == (2, 3, 40, 40)
    # It goes from 1x1 to 5x5, to 64 channels.
    assert count_parameters(long) - count_parameters(short) == (2048 - 16) * 64 * 25
