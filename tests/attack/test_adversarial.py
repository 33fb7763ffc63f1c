"""The adversary: what it learns, where its gradients go, what a resumed run repeats."""

import pytest
import torch

from nbnet_lib.attack.adversarial import Adversary, PatchDiscriminator, create_adversary
from nbnet_lib.decoders import create_decoder


def batches(steps, n=8, size=40):
    """Pictures with sharp edges, and the same blurred, as a decoder would draw them."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        coarse = torch.randint(0, 2, (n, 3, 10, 10), generator=generator) * 1.6 - 0.8
        sharp = torch.nn.functional.interpolate(coarse, size=size)
        yield torch.nn.functional.avg_pool2d(sharp, 5, 1, 2), sharp


def test_patches():
    network = PatchDiscriminator()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 8, 8)
    assert network(torch.zeros(2, 3, 40, 40)).shape == (2, 5, 5)
    assert sum(p.numel() for p in network.parameters()) == 661_185
    # One logit sees 38 x 38 pixels and no more.
    images = torch.randn(1, 3, 160, 160, requires_grad=True)
    network(images)[0, 10, 10].backward()
    seen = images.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [38, 38]


@pytest.mark.parametrize("kind", ["patches", "dcgan"])
def test_it_learns_blurred_from_sharp(kind):
    if kind == "patches":
        adversary = create_adversary(16, lr=1e-3)
    else:
        torch.manual_seed(0)
        network = create_decoder("dcgan-discriminator", image_size=40, base_channels=64)
        adversary = Adversary(network, lr=1e-3, penalty=0.1)
    numbers = [adversary.update(b, s, k) for k, (b, s) in enumerate(batches(40))]
    assert 1.2 < float(numbers[0]["adversary_loss"]) < 1.6  # 2 log 2: it knows nothing
    assert float(numbers[-1]["adversary_loss"]) < 0.8
    assert float(numbers[-1]["adversary_right"]) > 0.85
    blurred, sharp = next(batches(1))
    assert float(adversary.loss(sharp)) < 0.6 < float(adversary.loss(blurred))
    # The decoder's side of the game: following the gradient, blurred pictures pass.
    made, before = blurred, float(adversary.loss(blurred))
    for _ in range(20):
        made = made.detach().requires_grad_()
        (slope,) = torch.autograd.grad(adversary.loss(made), made)
        made = made - 0.02 * slope.sign()
    assert float(adversary.loss(made).detach()) < 0.5 * before


def test_the_decoder_gets_the_gradient_and_the_adversary_none():
    adversary = create_adversary(8)
    for k, (blurred, sharp) in enumerate(batches(3)):
        adversary.update(blurred, sharp, k)
    before = {k: v.clone() for k, v in adversary.discriminator.state_dict().items()}
    adversary.optimizer.zero_grad()
    made = (0.1 * torch.randn(4, 3, 40, 40)).requires_grad_()
    adversary.loss(made).backward()
    assert float(made.grad.abs().sum()) > 0
    assert all(p.grad is None and p.requires_grad for p in adversary.discriminator.parameters())
    assert all(torch.equal(v, before[k]) for k, v in adversary.discriminator.state_dict().items())
    # And the way back: learning from pictures that hang on a decoder leaves the decoder alone.
    made.grad = None
    adversary.update(made * 1, torch.rand(4, 3, 40, 40), 3)
    assert made.grad is None


def test_the_penalty_keeps_its_slope_small():
    slopes = []
    for penalty in (0.0, 10.0):
        adversary = create_adversary(16, lr=2e-3, penalty=penalty, penalty_every=2)
        for k, (blurred, sharp) in enumerate(batches(40)):
            adversary.update(blurred, sharp, k)
        real = next(batches(1))[1].requires_grad_()
        logits = adversary.discriminator(real).flatten(1).mean(1)
        (slope,) = torch.autograd.grad(logits.sum(), real)
        slopes.append(float(slope.square().flatten(1).sum(1).mean()))
    assert slopes[1] < 0.3 * slopes[0]


def test_it_repeats_itself_and_continues_from_a_checkpoint(one_network, tmp_path):
    def same(a, b):
        return one_network(a.discriminator, b.discriminator)

    state = torch.get_rng_state()
    whole, again = create_adversary(8, seed=3), create_adversary(8, seed=3)
    assert same(whole, again) and not same(whole, create_adversary(8, seed=4))
    assert torch.equal(torch.get_rng_state(), state)
    steps = list(batches(20))
    for k, (blurred, sharp) in enumerate(steps):
        whole.update(blurred, sharp, k)
        if k < 11:
            again.update(blurred, sharp, k)
    torch.save(again.state_dict(), tmp_path / "state.pt")
    resumed = create_adversary(8, seed=9)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for k, (blurred, sharp) in list(enumerate(steps))[11:]:
        resumed.update(blurred, sharp, k)
    assert same(whole, resumed)


def test_under_autocast_it_calculates_in_float32():
    adversary = create_adversary(8)
    blurred, sharp = next(batches(1))
    plain = float(adversary.loss(blurred))
    with torch.autocast("cpu", torch.bfloat16):
        assert float(adversary.loss(blurred)) == plain
        numbers = adversary.update(blurred.bfloat16(), sharp, 0)
    assert numbers["adversary_loss"].dtype == torch.float32
    assert adversary.to("cpu") is adversary
