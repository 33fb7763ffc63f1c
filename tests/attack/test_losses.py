"""Losses by name: what they compare, where their gradients go, and what they need."""

import pytest
import torch

from nbnet_lib.attack import TrainConfig, create_loss, loss_names, train_decoder
from nbnet_lib.attack.features import VGG19_FILE
from nbnet_lib.attack.losses import MsSsimLoss, pixel_loss
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set, to_tensor
from nbnet_lib.settings import loss_text


@pytest.fixture(scope="module")
def faces():
    images = render_set(range(10_000, 10_004), 1, 64, cache=False, progress=False).images
    return images, to_tensor(images)


def test_names():
    assert loss_names() == ["pixel", "perceptual", "perceptual-vgg19", "ms-ssim"]


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
    vgg = pytest.importorskip("torchvision").models.vgg
    torch.manual_seed(0)
    layers = vgg.make_layers(vgg.cfgs["E"])[:14]  # conv3_2 and its ReLU are 12 and 13
    (tmp_path / "checkpoints").mkdir()
    weights = {f"features.{name}": value for name, value in layers.state_dict().items()}
    torch.save(weights, tmp_path / "checkpoints" / VGG19_FILE)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    pooled = (torch.nn.AvgPool2d(2) if isinstance(m, torch.nn.MaxPool2d) else m for m in layers)
    trunk = torch.nn.Sequential(*pooled)
    a, b = faces[1][:2], faces[1][2:]
    with torch.no_grad():
        expected = (trunk(a) - trunk(b)).square().mean()
        assert torch.allclose(create_loss("perceptual-vgg19")(a, b), expected, rtol=1e-4)


def test_training_lowers_the_perceptual_loss(pairs, make_decoder):
    config = TrainConfig(steps=16, batch_size=4, lr=1e-3, loss="perceptual", log_every=4)
    options = {"identities": None, "device": "cpu", "progress": False}
    four = [part[:4] for part in pairs]
    history = train_decoder(make_decoder("dcnn"), *four, config, **options)
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


@pytest.mark.parametrize(("size", "scales"), [(40, 2), (64, 3), (160, 4)])
def test_ms_ssim_is_made_of_what_torchmetrics_measures(size, scales):
    """At each scale, where the whole window lies within the picture."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    images = render_set(range(10_000, 10_003), 1, size, cache=False, progress=False).images
    target = to_tensor(images)
    weights = torch.tensor((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)[:scales])
    for like in (0.7 * target + 0.1, torch.nn.functional.avg_pool2d(target, 3, 1, 1)):
        expected = torch.ones(3)
        a, b = (like + 1) / 2, (target + 1) / 2
        for weight in weights / weights.sum():
            options = {"data_range": 1.0, "reduction": None}
            _, structure = structural_similarity_index_measure(
                a, b, **options, return_contrast_sensitivity=True
            )
            _, whole = structural_similarity_index_measure(a, b, **options, return_full_image=True)
            whole = whole[..., 5:-5, 5:-5].mean((1, 2, 3))
            last = weight == (weights / weights.sum())[-1]
            expected *= (whole if last else structure) ** weight
            a, b = (torch.nn.functional.avg_pool2d(x, 2) for x in (a, b))
        found = float(MsSsimLoss()(like, target))
        assert 0.005 < found < 0.5
        assert found == pytest.approx(float(1 - expected.mean()), abs=1e-4)


def test_ms_ssim_knows_equal_and_opposite_pictures(faces):
    loss = create_loss("ms-ssim")
    target = faces[1]
    assert float(loss(target, target)) == pytest.approx(0, abs=1e-6)
    unlike = (-target).requires_grad_()
    value = loss(unlike, target)
    value.backward()
    assert 0.9 < float(value.detach()) <= 1
    assert torch.isfinite(unlike.grad).all() and float(unlike.grad.abs().sum()) > 0
    # And it leads the right way, from there on too.
    nearer = unlike.detach()
    for _ in range(40):
        nearer.requires_grad_()
        (slope,) = torch.autograd.grad(loss(nearer, target), nearer)
        nearer = (nearer.detach() - 0.05 * slope.sign()).clamp(-1, 1)
    assert float(loss(nearer, target)) < 0.5


def test_why_not_torchmetrics_ms_ssim(faces):
    """It leaves no gradient where two pictures have nothing in common."""
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure as theirs,
    )

    slopes = []
    for loss in (lambda a, b: 1 - theirs(a, b, betas=(0.3, 0.7), data_range=2.0), MsSsimLoss()):
        unlike = (-faces[1]).requires_grad_()
        loss(unlike, faces[1]).backward()
        slopes.append(float(unlike.grad.abs().sum()))
    assert slopes[0] == 0 < slopes[1]


def test_ms_ssim_has_the_gradient_of_its_values():
    torch.manual_seed(0)
    loss = MsSsimLoss()
    target = torch.rand(1, 3, 24, 24) * 2 - 1
    image = (0.8 * target + 0.05 * torch.randn_like(target)).requires_grad_()
    value = loss(image, target)
    value.backward()
    direction = torch.randn_like(image)
    with torch.no_grad():
        step = 1e-2 * direction
        slope = (loss(image + step, target) - loss(image - step, target)) / 2e-2
    assert float(slope) == pytest.approx(float((image.grad * direction).sum()), rel=0.03)


def test_ms_ssim_of_flat_pictures_and_under_autocast(faces):
    loss = create_loss("ms-ssim")
    flat = torch.full((2, 3, 40, 40), -1.0, requires_grad=True)  # black: no variance at all
    loss(flat, torch.full((2, 3, 40, 40), -1.0)).backward()
    assert torch.isfinite(flat.grad).all()
    like = (0.7 * faces[1] + 0.1).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(like, faces[1])
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(loss(like.float(), faces[1])), rel=1e-6)


def test_a_weighted_sum(faces):
    target = faces[1]
    made = (0.5 * target.roll(1, 0)).requires_grad_()
    total = create_loss("pixel+0.2*perceptual+1e-1*ms-ssim")
    parts = [create_loss(name)(made, target) for name in ("pixel", "perceptual", "ms-ssim")]
    expected = parts[0] + 0.2 * parts[1] + 0.1 * parts[2]
    assert float(total(made, target).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    total(made, target).backward()
    (wanted,) = torch.autograd.grad(expected, made)
    torch.testing.assert_close(made.grad, wanted, rtol=1e-3, atol=1e-7)
    assert sum(1 for _ in total.parameters()) > 0  # so that it can be moved to a device
    other = create_loss("0.1*ms-ssim + pixel + 0.2*perceptual")
    assert float(other(made, target).detach()) == float(total(made, target).detach())


def test_losses_are_written_in_one_way():
    one = {"pixel+0.2*perceptual+0.1*ms-ssim", "0.10*ms-ssim + 1*pixel + 2e-1*perceptual"}
    assert {loss_text(text) for text in one} == {"pixel+0.2*perceptual+0.1*ms-ssim"}
    assert loss_text("1e+2*pixel") == "100*pixel"
    assert loss_text("pixel") == "pixel" and create_loss("1.0*pixel") is pixel_loss
    assert create_loss("0.5*pixel")(torch.ones(1, 3, 4, 4), -torch.ones(1, 3, 4, 4)) == 1


@pytest.mark.parametrize(
    ("text", "key_word"),
    [
        ("", "''"),
        ("pixel+", r"'' \(in 'pixel\+'\)"),
        ("pixel+0.2*cubist", "'cubist'"),
        ("pixel*0.2", "'0.2'"),
        ("pixel-ms-ssim", "'pixel-ms-ssim'"),
        ("pixel+0.1*pixel", "pixel twice"),
        ("pixel+0*ms-ssim", "'0'"),
        ("pixel+-1*ms-ssim", "'-1'"),
        ("nan*pixel", "'nan'"),
        ("*pixel", "weight ''"),
    ],
)
def test_bad_sums(text, key_word):
    for function in (create_loss, loss_text):
        with pytest.raises(NbnetError, match=key_word):
            function(text)
