"""Losses by name: what they compare, where their gradients go, and what they need."""

import pytest
import torch

from nbnet_lib.attack import TrainConfig, create_loss, loss_names, train_decoder
from nbnet_lib.attack.features import VGG19_FILE
from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set, to_tensor


@pytest.fixture(scope="module")
def faces():
    images = render_set(range(10_000, 10_004), 1, 64, cache=False, progress=False).images
    return images, to_tensor(images)


def test_names():
    assert loss_names() == ["pixel", "perceptual", "perceptual-vgg19"]
    with pytest.raises(NbnetError, match="no loss is named 'perceptive'"):
        create_loss("perceptive")


def test_perceptual_loss_sees_another_face_and_not_a_little_light(faces):
    loss = create_loss("perceptual")
    target = faces[1]
    assert float(loss(target, target)) == 0
    brighter = (target + 0.05).clamp(-1, 1)
    assert 0 < float(loss(brighter, target)) < 0.5 * float(loss(target.roll(1, 0), target))


def test_its_gradient_reaches_the_reconstruction_alone(faces):
    loss = create_loss("perceptual")
    target = faces[1].clone().requires_grad_()
    reconstruction = (0.5 * faces[1].roll(1, 0)).requires_grad_()
    loss(reconstruction, target).backward()
    assert target.grad is None
    assert reconstruction.grad is not None and float(reconstruction.grad.abs().sum()) > 0
    assert all(not p.requires_grad for p in loss.parameters())


def test_vgg19_compares_one_layer_as_it_is(faces, tmp_path, monkeypatch):
    """With random weights in torch.hub's cache: the squared distance of relu3_2, nothing scaled."""
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    (tmp_path / "checkpoints").mkdir()
    network = torchvision.models.vgg19(weights=None)
    torch.save(network.state_dict(), tmp_path / "checkpoints" / VGG19_FILE)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    loss = create_loss("perceptual-vgg19")
    a, b = faces[1][:2], faces[1][2:]
    layers = [
        torch.nn.AvgPool2d(2) if isinstance(m, torch.nn.MaxPool2d) else m
        for m in network.features[:14]  # conv3_2 and its ReLU are 12 and 13
    ]
    trunk = torch.nn.Sequential(*layers)
    with torch.no_grad():
        expected = (trunk(a) - trunk(b)).square().mean()
        assert torch.allclose(loss(a, b), expected, rtol=1e-4)


def test_vgg19_without_weights_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(NbnetError, match="no VGG-19 weights at .*nothing is downloaded"):
        create_loss("perceptual-vgg19")


def test_training_lowers_the_perceptual_loss(faces):
    torch.manual_seed(0)
    decoder = create_decoder("dcnn", 16, 64, base_channels=64)
    config = TrainConfig(steps=16, batch_size=4, lr=1e-3, loss="perceptual", log_every=4)
    history = train_decoder(
        decoder,
        faces[0],
        torch.nn.functional.normalize(torch.randn(4, 16)),
        config,
        identities=range(10_000, 10_004),
        device="cpu",
        progress=False,
    )
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
