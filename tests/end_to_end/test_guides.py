"""The guides' programs, as they stand there, on smaller sets."""

import contextlib
import io
import re

import pytest
import yaml

from nbnet_lib.encoders import create_encoder
from nbnet_lib.encoders.onnx_export import export_onnx

SMALLER = {
    "range(10_000, 13_000), samples=8": "range(10_000, 10_008), samples=2",
    "steps=2000": "steps=2, batch_size=4",
    "synthfaces(range(300), 6)": "synthfaces(range(12), 3)",
}


@pytest.fixture(scope="module")
def blocks(root) -> list[tuple[str, str]]:
    """(language, text) of the fenced blocks of the audit guide."""
    text = (root / "guides" / "audit_your_recogniser.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ten_lines_audit_a_recogniser(blocks, folder):
    export_onnx(create_encoder("synth"), folder / "model.onnx")
    program = blocks[0][1]
    assert len([line for line in program.splitlines() if line and "import" not in line]) <= 10
    for large, small in SMALLER.items():
        assert large in program, f"the guide changed: {large}"
        program = program.replace(large, small)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "guide", "exec"), {})
    assert "type-II" in printed.getvalue() and "synth-onnx" in printed.getvalue()


def test_the_function_and_its_card(blocks, folder):
    """A device that answers picture by picture, asked through the guide's own file."""
    (function,) = [text for kind, text in blocks if kind == "python" and "ask_the_device" in text]
    (card,) = [text for kind, text in blocks if kind == "yaml" and "takes" in text]
    device = "\n\ndef ask_the_device(picture):\n    return picture[:, ::8, ::8].ravel()\n"
    (folder / "mine.py").write_text(function + device, encoding="utf-8")
    (folder / "mine.yaml").write_text(card, encoding="utf-8")
    encoder = create_encoder("python:mine.py:embed")
    assert (encoder.image_size, encoder.template_dim) == (64, 192)
    assert encoder.framing.name == "synthfaces"


def test_the_card_of_an_onnx_file(blocks, folder):
    """Every entry of the guide's card is known; sizes are those of a network of 112 pixels."""
    (card,) = [text for kind, text in blocks if kind == "yaml" and "gate 7" in text]
    entries = yaml.safe_load(card)

    def network(images):
        return images[:, :, ::14, ::14].reshape(len(images), -1)

    encoder = create_encoder(network, card=entries)
    assert encoder.name == "the door at gate 7"
    assert encoder.preprocess.channels == "bgr" and encoder.framing.name == "arcface"
