"""The surrogate encoder (our extension): it imitates, it is saved, and the target stays closed."""

import os
import signal

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.attack import TrainConfig, train_decoder
from nbnet_lib.attack import surrogate as module
from nbnet_lib.attack.surrogate import (
    SurrogateConfig,
    load_surrogate,
    save_surrogate,
    train_surrogate,
)
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor
from nbnet_lib.weights import save_weights


@pytest.fixture(scope="module")
def tiles():
    """Coloured tiles; the template is a linear map of them."""
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (64, 4, 4, 3), dtype=np.uint8)
    images = tiles.repeat(10, axis=1).repeat(10, axis=2)
    matrix = torch.from_numpy(rng.normal(size=(48, 16))).float()
    flat = torch.from_numpy(tiles.reshape(64, 48)).float() / 127.5 - 1
    return images, F.normalize(flat @ matrix, dim=1)


@pytest.fixture(scope="module")
def surrogate(tiles):
    return distil(tiles, steps=60, batch_size=8)


def distil(tiles, *, folder=None, resume=False, **settings):
    config = SurrogateConfig(**settings)
    options = {"identities": None, "progress": False, "folder": folder, "resume": resume}
    return train_surrogate(*tiles, config, **options)


def agreement(surrogate, images, templates):
    """The mean cosine of its templates with the target's."""
    with torch.no_grad():
        return float(F.cosine_similarity(surrogate(to_tensor(images)), templates).mean())


def test_it_imitates_the_target(tiles, surrogate):
    assert agreement(surrogate, *tiles) > 0.8
    assert [entry["step"] for entry in surrogate.history] == [50, 60]
    assert surrogate.history[0]["agreement"] < surrogate.history[1]["agreement"] < 1
    assert not surrogate.training
    assert not any(p.requires_grad for p in surrogate.parameters())


def test_seed_and_global_state(tiles, one_network):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a = distil(tiles, steps=2, batch_size=4)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    assert one_network(a, distil(tiles, steps=2, batch_size=4))
    assert not one_network(a, distil(tiles, steps=2, batch_size=4, seed=1))


def test_ctrl_c_loses_nothing(tiles, one_network, tmp_path, monkeypatch):
    settings = {"steps": 6, "batch_size": 4}
    whole, disturb = distil(tiles, **settings), module.disturb

    def press(images, step, seed):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return disturb(images, step=step, seed=seed)

    with monkeypatch.context() as patch:
        patch.setattr(module, "disturb", press)
        with pytest.raises(KeyboardInterrupt, match="step 4, saved .*--resume"):
            distil(tiles, folder=tmp_path, **settings)
    assert one_network(whole, distil(tiles, folder=tmp_path, resume=True, **settings))
    with pytest.raises(NbnetError, match="steps: 6 then, 9 now"):
        distil(tiles, folder=tmp_path, resume=True, steps=9, batch_size=4)


def test_round_trip(tiles, surrogate, tmp_path):
    path = save_surrogate(surrogate, tmp_path / "s.safetensors", SurrogateConfig(steps=60))
    loaded = load_surrogate(path)
    before, after = (agreement(s, *tiles) for s in (surrogate, loaded))
    assert before == pytest.approx(after, abs=1e-3)


def test_template_loss_brings_templates_closer(tiles, surrogate, make_decoder):
    def closeness(weight):
        decoder = make_decoder("dcnn")
        config = TrainConfig(
            steps=30, batch_size=8, lr=5e-3, schedule="cosine", template_weight=weight
        )
        options = {"identities": None, "recogniser": surrogate if weight else None}
        train_decoder(decoder, *tiles, config, progress=False, device="cpu", **options)
        with torch.no_grad():
            return float(F.cosine_similarity(surrogate(decoder(tiles[1])), tiles[1]).mean())

    assert closeness(2.0) > closeness(0.0) + 0.02


def test_refusals(tiles, tmp_path):
    with pytest.raises(NbnetError, match="kept for evaluation"):
        train_surrogate(*tiles, identities=np.arange(64), progress=False)
    with pytest.raises(NbnetError, match="steps=0"):
        SurrogateConfig(steps=0)
    path = save_weights(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, {})
    with pytest.raises(NbnetError, match="surrogate"):
        load_surrogate(path)
