"""Who may be used for what, and the way from bytes to tensors."""

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import (
    check_images,
    require_attack,
    require_evaluation,
    require_recogniser,
    resize,
    to_tensor,
    to_uint8,
)


@pytest.mark.parametrize(
    "require, allowed, refused",
    [
        (require_evaluation, [0, 9_999], {10_000: "retired", 300_000: "recognisers of your own"}),
        (require_attack, [20_000, 99_999], {9_999: "evaluation", 100_000: "target"}),
        (require_recogniser, [100_000, 10**7], {99_999: "the attacker", 0: "evaluation"}),
    ],
)
def test_people_are_used_for_one_thing(require, allowed, refused):
    require(allowed)
    require(np.array(allowed))
    for identity, purpose in refused.items():
        with pytest.raises(NbnetError, match=f"identity {identity} is kept for .*{purpose}"):
            require([*allowed, identity])
    with pytest.raises(NbnetError, match="no identities"):
        require([])
    with pytest.raises(NbnetError, match="negative"):
        require([-1, *allowed])


def test_bytes_to_tensor_and_back_is_exact():
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    tensor = to_tensor(images)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (2, 3, 40, 40)
    assert -1 <= tensor.min() and tensor.max() <= 1
    assert np.array_equal(to_uint8(tensor), images)


@pytest.mark.parametrize(
    "images, word",
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "uint8"),
        (torch.zeros(1, 1, 64, 64), "shape"),
        (torch.zeros(1, 3, 32, 32), "32x32"),
        (torch.full((1, 3, 64, 64), 200.0), "200"),
        (torch.full((1, 3, 64, 64), float("nan")), "NaN"),
    ],
)
def test_wrong_images_are_named(images, word):
    with pytest.raises(NbnetError, match=word):
        check_images(images, 64)


def test_wrong_bytes_are_named():
    with pytest.raises(NbnetError, match="float64"):
        to_tensor(np.zeros((1, 64, 64, 3)))
    with pytest.raises(NbnetError, match="NaN"):
        to_uint8(torch.full((1, 3, 4, 4), float("nan")))


def test_resize_keeps_range_and_mean():
    images = torch.rand(2, 3, 160, 160) * 2 - 1
    small = resize(images, 64)
    assert small.shape == (2, 3, 64, 64)
    assert abs(small.mean() - images.mean()) < 0.01
    assert resize(images, 160) is images
