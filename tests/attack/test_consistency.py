"""Template consistency: disturbed pictures, a gradient into them, nothing into the network."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nbnet_lib.attack.consistency import disturb, spread_of, template_consistency


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    tiles = torch.from_numpy(rng.uniform(-1, 1, (6, 3, 8, 8))).float()
    return F.interpolate(tiles, scale_factor=5, mode="bilinear")


class Means(nn.Module):
    """A recogniser that reads the mean colours of the four quarters: 12-D."""

    def forward(self, images):
        """[N, 3, S, S] -> [N, 12], unit length."""
        return F.normalize(F.adaptive_avg_pool2d(images, 2).flatten(1))


def test_the_spread_is_the_mean_distance_of_strangers():
    draw = torch.Generator().manual_seed(0)
    everywhere = F.normalize(torch.randn(2000, 16, generator=draw), dim=1)
    assert spread_of(everywhere) == pytest.approx(1, abs=0.01)
    crowded = F.normalize(everywhere + 3 * everywhere[0], dim=1)
    pairs = 1 - (crowded @ crowded.T)[torch.triu_indices(2000, 2000, 1).unbind()]
    assert spread_of(crowded) == pytest.approx(float(pairs.mean()), rel=0.01)
    assert pairs.mean() < 0.2
    assert spread_of(crowded[:1].expand(5, -1)) > 0  # a target that says the same to all


def test_the_same_numbers_disturb_alike_and_others_do_not(images):
    state = torch.get_rng_state()
    steps = [disturb(images, step=step, seed=3) for step in range(12)]
    again = [disturb(images, step=step, seed=3) for step in range(12)]
    assert all(torch.equal(a, b) for a, b in zip(steps, again, strict=True))
    assert torch.equal(state, torch.get_rng_state())
    changed = [s for s in steps if not torch.equal(s, images)]
    assert 4 <= len(changed) < 12  # some batches stay as they are
    assert len({float(s.sum()) for s in changed}) == len(changed)
    assert not torch.equal(disturb(images, step=1, seed=4), steps[1])
    assert all(s.shape == images.shape for s in steps)
    for shape in ((0, 3, 40, 40), (1, 3, 8, 8)):  # no pictures, or tiny ones
        for step in range(12):
            assert disturb(torch.zeros(shape), step=step, seed=0).shape == shape


def test_a_coarse_picture_survives_and_a_fine_pattern_does_not(images):
    fine = 0.5 * (-1.0) ** torch.arange(40).expand(6, 3, 40, 40)
    blurred = [disturb(fine, step=step, seed=0) for step in range(40)]
    left = [float(b.sub(b.mean()).abs().mean()) for b in blurred]
    assert np.median(left) < 0.15  # of 0.5; what remains is the noise
    drift = [float((disturb(images, step=s, seed=0) - images).abs().mean()) for s in range(40)]
    assert np.median(drift) < 0.15


def test_the_loss_is_small_for_the_right_picture_and_has_a_gradient(images):
    network = Means()
    template = network(images)
    right = [
        float(template_consistency(network, images, template, step=s, seed=0)) for s in range(8)
    ]
    wrong = [
        float(template_consistency(network, images.flip(0), template, step=s, seed=0))
        for s in range(8)
    ]
    assert max(right) < 0.05 < min(wrong)
    picture = images.flip(0).clone().requires_grad_()
    template_consistency(network, picture, template, step=1, seed=0).backward()
    assert torch.isfinite(picture.grad).all() and picture.grad.abs().sum() > 0
    # A step against the gradient helps.
    moved = (picture - 20 * picture.grad / picture.grad.abs().max()).detach()
    after = template_consistency(network, moved, template, step=1, seed=0)
    assert after < template_consistency(network, picture.detach(), template, step=1, seed=0)


def test_an_undisturbed_step_is_the_plain_cosine(images):
    steps = [s for s in range(40) if torch.equal(disturb(images, step=s, seed=0), images)]
    network, template = Means(), F.normalize(torch.ones(6, 12))
    plain = (1 - F.cosine_similarity(network(images), template)).mean()
    for step in steps:
        assert torch.equal(
            template_consistency(network, images, template, step=step, seed=0), plain
        )
