"""Who may be used for what, and the way from bytes to tensors."""

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import (
    check_images,
    require_evaluation,
    require_training,
    resize,
    to_tensor,
    to_uint8,
)


def test_training_and_evaluation_identities_do_not_mix():
    require_training([10_000, 20_000])
    require_evaluation(np.arange(10_000))
    with pytest.raises(NbnetError, match="9999 is kept for evaluation"):
        require_training([10_000, 9_999])
    with pytest.raises(NbnetError, match="10000 is not for evaluation"):
        require_evaluation([10_000])
    with pytest.raises(NbnetError, match="no identities"):
        require_training([])


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
