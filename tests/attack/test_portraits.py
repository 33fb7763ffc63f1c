"""Portraits: who is drawn, for which rows, and what is refused."""

import numpy as np
import pytest
import torch

from nbnet_lib.attack import TrainConfig, train_decoder
from nbnet_lib.attack.portraits import portraits_of
from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set

PEOPLE = [10_003, 10_003, 10_001, 10_003]


@pytest.fixture
def portraits(tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path))
    return portraits_of(PEOPLE, 40, progress=False)


def test_each_row_is_its_person_and_nobody_is_held_twice(portraits):
    assert (portraits.shape, portraits.dtype, portraits.ndim) == ((4, 40, 40, 3), np.uint8, 4)
    assert [len(array) for array in portraits.arrays] == [2]
    expected = render_set(PEOPLE, "portrait", 40, progress=False).images
    assert np.array_equal(portraits[np.arange(4)], expected)
    assert np.array_equal(portraits[2], expected[2])
    assert np.array_equal(portraits[1:3], expected[1:3])
    assert np.array_equal(np.asarray(portraits), expected)


def test_a_decoder_learns_from_them_as_from_an_array(portraits):
    def train(images):
        torch.manual_seed(0)
        decoder = create_decoder("dcnn", 16, 40, base_channels=32)
        templates = torch.nn.functional.normalize(torch.eye(4, 16))
        config = TrainConfig(steps=3, batch_size=2)
        train_decoder(
            decoder, images, templates, config, identities=PEOPLE, device="cpu", progress=False
        )
        return decoder.state_dict()

    one, two = train(portraits), train(portraits[:])
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_only_synthfaces_for_training_have_portraits():
    with pytest.raises(NbnetError, match="SynthFaces"):
        portraits_of(None, 40)
    with pytest.raises(NbnetError, match="identity 7 is kept for evaluation"):
        portraits_of([10_000, 7], 40)


def test_a_resume_with_other_pictures_to_draw_is_refused(portraits, tmp_path):
    templates = torch.nn.functional.normalize(torch.eye(4, 16))
    drawn = render_set([10_003, 10_001], 2, 40, progress=False).images

    def train(images, steps):
        decoder = create_decoder("dcnn", 16, 40, base_channels=32)
        config = TrainConfig(steps=steps, batch_size=2)
        options = {"identities": PEOPLE, "device": "cpu", "progress": False}
        train_decoder(decoder, images, templates, config, folder=tmp_path, resume=True, **options)

    train(portraits, 2)
    with pytest.raises(NbnetError, match="other training data"):
        train(drawn, 3)
    train(portraits, 3)
