"""From the library's pictures to the numbers a network was trained on."""

import numpy as np
import pytest
import torch

from nbnet_lib.encoders import Preprocess
from nbnet_lib.encoders.preprocess import to_bytes
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS, Framing


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), np.uint8)


def test_the_default_changes_no_bit(pixels):
    images = to_tensor(pixels)
    assert torch.equal(Preprocess(40)(images), images)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_it_is_pixel_minus_mean_by_std_in_the_order_of_the_channels(pixels, channels, layout):
    mean, std = (104.0, 117.0, 123.0), (57.4, 57.1, 58.4)
    given = Preprocess(40, channels=channels, layout=layout, mean=mean, std=std)(to_tensor(pixels))
    expected = pixels.astype(np.float64)
    if channels == "bgr":
        expected = expected[..., ::-1]
    expected = (expected - mean) / std
    if layout == "nchw":
        expected = expected.transpose(0, 3, 1, 2)
    assert given.dtype == torch.float32 and given.shape == expected.shape
    np.testing.assert_allclose(given, expected, atol=2e-5)


def test_bytes_come_out_as_they_went_in(pixels):
    inputs = Preprocess(40, layout="nhwc", mean=0, std=1)(to_tensor(pixels))
    assert np.array_equal(to_bytes(inputs), pixels)


def test_one_number_stands_for_three_and_names_for_framings():
    preprocess = Preprocess(64, "arcface", mean=0, std=[255])
    assert preprocess.mean == (0, 0, 0) and preprocess.std == (255, 255, 255)
    assert preprocess.own_framing is FRAMINGS["arcface"]
    assert Preprocess(64, FRAMINGS["arcface"], mean=0, std=255) == preprocess


def test_a_description_makes_it_again():
    own = Framing("own", tuple((x + 0.01, y) for x, y in FRAMINGS["facenet"].points))
    for framing in ("dlib", own):
        given = Preprocess(96, framing, "bgr", "nhwc", (1, 2, 3), 4.5).describe()
        given["framing"] = Framing.from_card(given["framing"])
        size = given.pop("image_size")
        assert Preprocess(size, **given) == Preprocess(96, framing, "bgr", "nhwc", (1, 2, 3), 4.5)


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"size": 16}, "image size is 16"),
        ({"size": 112.0}, "image size is 112.0"),
        ({"channels": "gbr"}, "channels is 'gbr': give rgb or bgr"),
        ({"layout": "hwc"}, "layout is 'hwc': give nchw or nhwc"),
        ({"framing": "mtcnn"}, "no framing is named 'mtcnn'"),
        ({"mean": (1, 2)}, "mean is"),
        ({"mean": "127.5"}, "mean is '127.5'"),
        ({"mean": float("nan")}, "mean is nan"),
        ({"mean": None}, "mean is None"),
        ({"std": (1, 0, 1)}, "give none of 0"),
    ],
)
def test_what_it_cannot_use_is_named(wrong, words):
    with pytest.raises(NbnetError, match=words):
        Preprocess(**{"size": 64, **wrong})


def test_bytes_are_the_nearest_ones():
    given = torch.tensor([254.9999, 0.6, -3.0, 300.0])
    assert to_bytes(given).tolist() == [255, 1, 0, 255]
