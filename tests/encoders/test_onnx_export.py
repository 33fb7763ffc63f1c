"""The synth encoder as an ONNX file: the same templates, and a card that needs no other."""

import pytest
import torch
from torch import nn

from nbnet_lib.encoders import Encoder, Preprocess, create_encoder
from nbnet_lib.encoders.onnx_export import export_onnx
from nbnet_lib.errors import NbnetError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def encoder():
    return create_encoder("synth")


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "synth.onnx"
    return path, export_onnx(encoder, path)


def test_the_templates_are_the_same(encoder, exported, faces):
    path, reported = exported
    again = create_encoder(f"onnx:{path}")
    assert reported["max_difference"] <= 1e-5 and reported["bytes"] == path.stat().st_size
    for count in (1, 3, 30):
        one, two = encoder.embed(faces.images[:count]), again.embed(faces.images[:count])
        assert float((one - two).abs().max()) <= 1e-5


def test_the_file_needs_no_other_card(encoder, exported):
    again = create_encoder(f"onnx:{exported[0]}")
    assert again.card["assumed"] == again.card["notes"] == []
    assert again.preprocess == encoder.preprocess and again.framing == encoder.framing
    for key in ("name", "licence", "training_data", "verification", "input", "framing"):
        # Reports tell the file from the network that it was made of.
        expected = "synth-onnx" if key == "name" else encoder.card[key]
        assert again.card[key] == expected, key


def test_a_variant_keeps_what_its_network_is_given(encoder, tmp_path, faces):
    variant = encoder.with_preprocess(channels="bgr", mean=0, std=255, framing="facenet")
    export_onnx(variant, tmp_path / "x.onnx")
    again = create_encoder(f"onnx:{tmp_path / 'x.onnx'}")
    assert again.preprocess == variant.preprocess
    difference = again.embed(faces.images) - variant.embed(faces.images)
    assert float(difference.abs().max()) <= 1e-5


def test_what_cannot_be_exported_is_said(encoder, tmp_path):
    with pytest.raises(NbnetError, match=".onnx files, not x.pt"):
        export_onnx(encoder, tmp_path / "x.pt")
    function = Encoder("mine", lambda x: x, 64, 16, {}, preprocess=Preprocess(64))
    with pytest.raises(NbnetError, match="mine is not a torch network"):
        export_onnx(function, tmp_path / "x.onnx")
    function = create_encoder(lambda x: x.flatten(1)[:, :48], image_size=32)
    with pytest.raises(NbnetError, match="is not a torch network"):
        export_onnx(function, tmp_path / "x.onnx")


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path):
    class Batch(nn.Module):
        """What the exporter writes down is not what happens later."""

        def forward(self, x):
            return x.flatten(1)[:, :48] + (2 if torch.jit.is_tracing() else len(x))

    encoder = Encoder("odd", Batch(), 32, 48, {}, preprocess=Preprocess(32))
    with pytest.raises(NbnetError, match="differ by"):
        export_onnx(encoder, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
