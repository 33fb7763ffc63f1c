"""Decoders to files and back: the card rebuilds the network, what does not fit is refused."""

import json

import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders import create_decoder, load_decoder, save_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.weights import save_weights


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    decoder = create_decoder("nbnet-b", 32, 40, base_channels=64, growth=4)
    with torch.no_grad():  # float16 on disk: start from values that it can hold
        for value in decoder.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half().float())
    path = save_decoder(decoder, tmp_path / "d.safetensors", {"seed": 0})
    return decoder.eval(), path


def test_round_trip(saved):
    decoder, path = saved
    loaded = load_decoder(path)
    assert not loaded.training
    assert loaded.card["seed"] == 0
    assert loaded.name == str(path)
    assert loaded.card["architecture"] == {
        "name": "nbnet-b",
        "template_dim": 32,
        "image_size": 40,
        "options": {"base_channels": 64, "growth": 4},
    }
    templates = F.normalize(torch.randn(3, 32), dim=1)
    with torch.no_grad():
        torch.testing.assert_close(loaded(templates), decoder(templates))


def test_shipped_weights_go_by_their_name():
    decoder = load_decoder("nbnet-b-64")
    assert decoder.name == "nbnet-b-64"
    assert (decoder.template_dim, decoder.image_size) == (128, 64)


@pytest.mark.parametrize("change", [{"name": "nbnet-a"}, {"template_dim": 64}, {"options": {}}])
def test_weights_of_another_architecture(saved, change):
    _, path = saved
    card = json.loads(path.with_suffix(".json").read_text())
    card["architecture"] |= change
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(NbnetError, match="does not hold a nbnet"):
        load_decoder(path)


def test_missing_tensor(saved, tmp_path):
    decoder, _ = saved
    state = decoder.state_dict()
    del state["head.weight"]
    path = save_weights(tmp_path / "m.safetensors", state, {"architecture": decoder.architecture})
    with pytest.raises(NbnetError, match=r"does not hold a nbnet-b.*head\.weight"):
        load_decoder(path)


def test_weights_of_something_else(tmp_path):
    path = save_weights(tmp_path / "x.safetensors", {"a": torch.zeros(2)}, {})
    with pytest.raises(NbnetError, match="does not describe a decoder"):
        load_decoder(path)


def test_only_made_decoders_are_saved(tmp_path):
    with pytest.raises(NbnetError, match="create_decoder"):
        save_decoder(torch.nn.Linear(2, 2), tmp_path / "d.safetensors")
