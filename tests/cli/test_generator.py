"""`nbnet generator`: train, stop, resume, draw; and `nbnet train` with what it draws."""

import json

import numpy as np
import pytest
import torch
from accelerate import PartialState
from PIL import Image

from nbnet_lib.attack import sources
from nbnet_lib.attack.gan import sample_faces
from nbnet_lib.cli import main
from nbnet_lib.decoders import create_decoder, load_decoder, save_decoder
from nbnet_lib.weights import load_card

PEOPLE = ["--identities", "10000-10003", "--samples", "2"]
SMALL = ["--image-size", "40", "--batch-size", "4", "--base-channels", "16", "--device", "cpu"]
DECODER = ["--decoder", "dcnn", "--batch-size", "4", "--steps", "2", "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    generator = create_decoder("dcgan-generator", image_size=40, base_channels=16)
    generator.head.weight.data *= 1e4  # fresh weights draw grey
    path = tmp_path_factory.mktemp("generator") / "faces.safetensors"
    return save_decoder(generator, path, {"data": "SynthFaces, some", "licence": "MIT"})


def test_train_stop_and_resume(nbnet, fails, tmp_path):
    train = ["generator", "train", *PEOPLE, *SMALL, "--checkpoint-every", "2"]
    whole = json.loads(nbnet(*train, "--epochs", "3", "--out", tmp_path / "whole", "--json"))
    card = load_card(tmp_path / "whole" / "generator.safetensors")
    assert whole["card"] == json.loads(json.dumps(card))
    assert card["config"]["steps"] == 6  # 8 pictures, batches of 4
    assert card["data"] == "SynthFaces identities 10000-10003 (4) x 2, 40 px"
    assert card["framing"] == "synthfaces" and card["architecture"]["name"] == "dcgan-generator"
    assert card["metrics"]["step"] == 6 and "epochs" in card["command"]
    assert card["machine"]["processor"] and card["training_seconds"] >= 0
    history = json.loads((tmp_path / "whole" / "history.json").read_text(encoding="utf-8"))
    assert history[-1] == card["metrics"]
    with Image.open(tmp_path / "whole" / "samples.png") as picture:
        assert picture.size == (320, 320)

    nbnet(*train, "--steps", "4", "--out", tmp_path / "parts")
    again = [*train, "--steps", "6", "--out", tmp_path / "parts"]
    assert "--resume" in fails(*again)
    nbnet(*again, "--resume")
    one, other = (
        load_decoder(tmp_path / name / "generator.safetensors").state_dict()
        for name in ("whole", "parts")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
    # What it draws is in the very form that `nbnet train` takes.
    path = tmp_path / "whole" / "generator.safetensors"
    nbnet("train", *DECODER, "--data", f"generator:{path}:12", "--out", tmp_path / "run")
    card = load_card(tmp_path / "run" / "decoder.safetensors")
    assert "12 faces of the generator generator.safetensors (seed 0" in card["data"]
    assert np.load(tmp_path / "run" / "templates.npy").shape == (12, 128)


def test_only_the_main_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(PartialState, "is_main_process", False)
    command = ["generator", "train", *PEOPLE, *SMALL, "--steps", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_pictures_of_the_progress(nbnet, tmp_path):
    pictures = ["--pictures-every", "1", "--steps", "2", "--out", tmp_path]
    nbnet("generator", "train", *PEOPLE, *SMALL, *pictures)
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert names == ["samples-000001.png", "samples-000002.png", "samples.png"]


def test_what_is_refused_before_the_work(fails, tmp_path):
    train = ["generator", "train", *SMALL, "--out", tmp_path]
    assert "identity 5" in fails(*train, "--identities", "5-9")
    assert "image_size=50" in fails(*train, *PEOPLE, "--image-size", "50")
    assert "base_channels=20" in fails(*train, *PEOPLE, "--base-channels", "20")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "read_sources", lambda *_: pytest.fail("pictures were drawn"))
        assert "lr_generator=2.0" in fails(*train, *PEOPLE, "--lr-generator", "2")
    assert "20005-20000" in fails(*train, "--data", "synthfaces:20005-20000")
    both = ["--data", "synthfaces:10000", *PEOPLE]
    assert "--identities and --samples" in fails(*train, *both)
    assert not list(tmp_path.glob("*.safetensors"))


def test_sample(nbnet, weights, tmp_path):
    expected = sample_faces(load_decoder(weights), 10, 3)
    sample = ["generator", "sample", "--weights", weights, "--count", "10", "--seed", "3", "--out"]
    nbnet(*sample, tmp_path / "faces.npz")
    assert np.array_equal(np.load(tmp_path / "faces.npz")["images"], expected)
    nbnet(*sample, tmp_path / "faces")
    files = sorted((tmp_path / "faces").iterdir())
    assert [path.name for path in files][:2] == ["000000.png", "000001.png"] and len(files) == 10
    assert all(
        np.array_equal(np.asarray(Image.open(path)), face)
        for path, face in zip(files, expected, strict=True)
    )
    report = json.loads(nbnet(*sample, tmp_path / "faces.png", "--json"))
    assert report["count"] == 10 and report["image_size"] == 40
    sheet = np.asarray(Image.open(tmp_path / "faces.png"))
    assert sheet.shape == (80, 320, 3)
    assert np.array_equal(sheet[40:, :40], expected[8]) and (sheet[40:, 80:] == 255).all()


def test_sample_refuses(fails, weights, tmp_path):
    sample = ["generator", "sample", "--weights", weights, "--out"]
    assert "do not fit into one picture" in fails(*sample, tmp_path / "x.png", "--count", "2000")
    assert "neither a folder nor a .png" in fails(*sample, tmp_path / "x.jpg")
    assert "no weights at" in fails("generator", "sample", "--weights", "nothing", "--out", "x")
    other = save_decoder(
        create_decoder("dcnn", 16, 40, base_channels=16), tmp_path / "d.safetensors"
    )
    assert "not by a dcnn" in fails("generator", "sample", "--weights", other, "--out", tmp_path)


def test_a_mixture_trains_a_decoder_and_resumes(nbnet, fails, weights, tmp_path):
    data = ["--data", "synthfaces:10000-10003x2", "--data", f"generator:{weights}:6:1"]
    train = ["train", *DECODER, *data, "--out", tmp_path / "run"]
    nbnet(*train)
    card = load_card(tmp_path / "run" / "decoder.safetensors")
    assert [source["pictures"] for source in card["sources"]] == [8, 6]
    assert card["framing"] == "synthfaces" and "synthfaces:10000-10003x2" in card["command"]
    templates = np.load(tmp_path / "run" / "templates.npy")
    assert templates.shape == (14, 128)
    nbnet(*train, "--resume")
    assert np.array_equal(np.load(tmp_path / "run" / "templates.npy"), templates)
    other = [word.replace(":6:1", ":6:2") for word in map(str, train)]
    assert "with pictures" in fails(*other, "--resume")
