"""The face generator and its discriminator: mirrored layers, start, counts, files."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nbnet_lib.decoders import (
    count_parameters,
    create_decoder,
    load_decoder,
    require_gradient_training,
    save_decoder,
)
from nbnet_lib.decoders.base import SIZES
from nbnet_lib.errors import NbnetError


def pair(size=160, **options):
    torch.manual_seed(0)
    return [create_decoder(f"dcgan-{w}", image_size=size, **options) for w in PARTS]


PARTS = ("generator", "discriminator")


def kernels(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_and_mirrored_layers(size):
    generator, discriminator = pair(size, base_channels=64)
    with torch.no_grad():
        images = generator(torch.randn(2, 100))
        logits = discriminator(images)
    assert images.shape == (2, 3, size, size) and images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert logits.shape == (2,) and logits.dtype == torch.float32
    forth, back = kernels(generator), kernels(discriminator)[::-1]
    assert len(forth) == len(back) == SIZES[size][1] + 2
    for one, other in zip(forth, back, strict=True):
        assert one.kernel_size == other.kernel_size
        assert one.stride == other.stride
        if one is not forth[0]:
            assert one.in_channels == other.out_channels
        if one is not forth[-1]:
            assert one.out_channels == other.in_channels


def test_the_paper_s_layers_at_160():
    generator, discriminator = pair()
    assert generator.template_dim == 100
    # 100 -> 512 (5x5), halved five times (4x4), 3 (3x3): the D-CNN with a shorter input
    dcnn = count_parameters(create_decoder("dcnn", 128, 160))
    assert count_parameters(generator) == dcnn - 28 * 512 * 25 == 4_073_904
    assert count_parameters(discriminator) == 2_806_704
    assert [m.out_channels for m in kernels(discriminator)] == [16, 32, 64, 128, 256, 512, 1]
    for network in (generator, discriminator):
        assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
        assert sum(isinstance(m, nn.SELU) for m in network.modules()) == 6
        for module in kernels(network):
            assert module.bias is None
            assert module.weight.mean().abs() < 0.004
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.12)


def test_noise_is_not_scaled_but_templates_are():
    generator, _ = pair(40, base_channels=64)
    dcnn = create_decoder("dcnn", 100, 40, base_channels=64)
    dcnn.load_state_dict(generator.state_dict())
    z = torch.randn(3, 100)
    with torch.no_grad():
        torch.testing.assert_close(generator(z), dcnn(z / 10))


def test_the_discriminator_passes_gradients_to_the_generator():
    generator, discriminator = pair(40, base_channels=32)
    F.softplus(-discriminator(generator(torch.randn(4, 100)))).mean().backward()
    for network in (generator, discriminator):
        for key, parameter in network.named_parameters():
            assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("part", PARTS)
def test_files(part, tmp_path):
    network = dict(zip(PARTS, pair(40, base_channels=32), strict=True))[part]
    path = save_decoder(network, tmp_path / "g.safetensors", {"seed": 0})
    again = load_decoder(path)
    assert again.architecture == network.architecture
    assert again.training_method == "adversarial"
    given = torch.randn(2, 100) if part == "generator" else torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(again(given), network(given), atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("part", PARTS)
def test_wrong_use(part):
    network = create_decoder(f"dcgan-{part}", image_size=40, base_channels=32)
    with pytest.raises(NbnetError, match="face generator.*nbnet-a, nbnet-b, dcnn"):
        require_gradient_training(network)
    with pytest.raises(NbnetError, match="multiple of 8"):
        create_decoder(f"dcgan-{part}", image_size=40, base_channels=20)


def test_length_of_noise_can_be_chosen():
    assert create_decoder("dcgan-generator", 16, 40, base_channels=32).template_dim == 16
