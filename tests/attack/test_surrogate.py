"""The surrogate encoder (our extension): it imitates, it is saved, and the target stays closed."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.attack import TrainConfig, train_decoder
from nbnet_lib.attack.surrogate import (
    SurrogateConfig,
    load_surrogate,
    save_surrogate,
    train_surrogate,
)
from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor
from nbnet_lib.weights import save_weights


@pytest.fixture(scope="module")
def pairs():
    """Coloured tiles; the template is a linear map of them."""
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (64, 4, 4, 3), dtype=np.uint8)
    images = tiles.repeat(10, axis=1).repeat(10, axis=2)
    matrix = torch.from_numpy(rng.normal(size=(48, 16))).float()
    flat = torch.from_numpy(tiles.reshape(64, 48)).float() / 127.5 - 1
    return images, F.normalize(flat @ matrix, dim=1)


@pytest.fixture(scope="module")
def surrogate(pairs):
    return train_surrogate(
        *pairs, SurrogateConfig(steps=60, batch_size=8), identities=None, progress=False
    )


def agreement(surrogate, images, templates):
    """The mean cosine of its templates with the target's."""
    with torch.no_grad():
        return float(F.cosine_similarity(surrogate(to_tensor(images)), templates).mean())


def test_it_imitates_the_target(pairs, surrogate):
    assert agreement(surrogate, *pairs) > 0.8
    assert surrogate.history[-1]["step"] == 60
    assert not surrogate.training
    assert not any(p.requires_grad for p in surrogate.parameters())


def test_seed_and_global_state(pairs):
    config = SurrogateConfig(steps=2, batch_size=4)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a = train_surrogate(*pairs, config, identities=None, progress=False).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    b = train_surrogate(*pairs, config, identities=None, progress=False).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_round_trip(pairs, surrogate, tmp_path):
    path = save_surrogate(surrogate, tmp_path / "s.safetensors", SurrogateConfig(steps=60))
    loaded = load_surrogate(path)
    before, after = (agreement(s, *pairs) for s in (surrogate, loaded))
    assert before == pytest.approx(after, abs=1e-3)


def test_template_loss_brings_templates_closer(pairs, surrogate):
    def closeness(weight):
        torch.manual_seed(0)
        decoder = create_decoder("dcnn", 16, 40, base_channels=32)
        config = TrainConfig(
            steps=30, batch_size=8, lr=5e-3, schedule="cosine", template_weight=weight
        )
        recogniser = surrogate if weight else None
        train_decoder(
            decoder, *pairs, config, identities=None, recogniser=recogniser, progress=False
        )
        with torch.no_grad():
            return float(F.cosine_similarity(surrogate(decoder(pairs[1])), pairs[1]).mean())

    assert closeness(2.0) > closeness(0.0) + 0.02


def test_refusals(pairs, tmp_path):
    with pytest.raises(NbnetError, match="kept for evaluation"):
        train_surrogate(*pairs, identities=np.arange(64), progress=False)
    with pytest.raises(NbnetError, match="steps=0"):
        SurrogateConfig(steps=0)
    path = save_weights(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, {})
    with pytest.raises(NbnetError, match="surrogate"):
        load_surrogate(path)
