"""Every recogniser names its weights by their SHA-256; what was made with it is held to that."""

import hashlib

import pytest
import torch

from nbnet_lib.encoders import create_encoder
from nbnet_lib.encoders.origin import Origin, origin_in, origin_of, require_trained_against
from nbnet_lib.encoders.synth import SynthEncoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import dlib_models
from nbnet_lib.weights import load_card, save_weights


def sha256(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """Other weights for synth: what another release might ship under the same name."""
    path = tmp_path_factory.mktemp("weights") / "synth.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return save_weights(path, SynthEncoder().state_dict(), {"name": "synth"})


def test_weights_of_one_name_have_their_own(changed):
    shipped, other = create_encoder("synth"), create_encoder("synth", weights=changed)
    assert shipped.sha256 == load_card("synth")["sha256"]
    assert other.sha256 == sha256(changed) and other.name == shipped.name
    assert other.with_preprocess(mean=0).sha256 == other.sha256


def test_of_an_onnx_file_with_all_that_belongs_to_it(make_onnx):
    pytest.importorskip("onnxruntime")
    path = make_onnx()
    assert create_encoder(f"onnx:{path}").sha256 == sha256(path)
    path = make_onnx("folder/model.onnx", external=True)
    both = path, path.parent / "weights.bin"
    assert create_encoder(f"onnx:{path}").sha256 == sha256(*both)
    # Other weights behind the same graph.
    values = bytearray(both[1].read_bytes())
    values[0] ^= 1
    both[1].write_bytes(values)
    before = sha256(path)
    assert create_encoder(f"onnx:{path}").sha256 == sha256(*both) != before


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_of_a_torchscript_file(tmp_path, tiles):
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.trace(tiles, torch.zeros(2, 3, 64, 64)), path)
    assert create_encoder(f"torchscript:{path}", image_size=64).sha256 == sha256(path)


def test_of_dlibs_network():
    pytest.importorskip("dlib", reason='pip install -e ".[dlib]"')
    file = dlib_models.model_file(dlib_models.RECOGNISER)
    assert create_encoder("dlib", workers=1).sha256 == sha256(file)


def test_a_function_has_none(tiles):
    encoder = create_encoder(tiles, image_size=64)
    assert encoder.sha256 is None and "unknown" in str(origin_of(encoder))


def test_other_weights_are_refused_and_both_are_named(changed):
    shipped, other = create_encoder("synth"), create_encoder("synth", weights=changed)
    card = origin_of(shipped).entries()
    assert require_trained_against("mine", card, origin_of(shipped), "the templates") == []
    # The same weights under another name.
    assert require_trained_against("mine", card, Origin("x", shipped.sha256), "they") == []
    with pytest.raises(NbnetError, match="mine.*synth.*synth") as error:
        require_trained_against("mine", card, origin_of(other), "the templates")
    for known in (shipped, other):
        assert known.sha256[:12] in str(error.value)


@pytest.mark.parametrize(
    ("card", "given", "word"),
    [
        ({"encoder": "a"}, Origin("a", "1" * 64), "unknown"),
        ({"encoder": "a", "encoder_sha256": "1" * 64}, Origin("a", None), "111111111111"),
        ({"encoder": "a"}, Origin("b", "1" * 64), "encoder a, and the templates are of b"),
        ({"encoder": "a"}, Origin(None, None), "the templates do not say"),
        ({"seed": 0}, Origin("a", "1" * 64), "the card of mine does not say"),
    ],
)
def test_what_nobody_knows_is_noted(card, given, word):
    (note,) = require_trained_against("mine", card, given, "the templates")
    assert word in note and ("anew" in note) == ("encoder_sha256" not in card)


def test_without_a_card_there_is_nothing_to_say():
    assert require_trained_against("mine", {}, Origin("a", None), "the templates") == []
    assert origin_in({}) == Origin(None, None)
