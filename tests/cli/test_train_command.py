"""`nbnet train`: recipes, what is kept aside, baselines, extensions, and what its card says."""

import json
import os
import re
import signal
import socket
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.attack import run_training
from nbnet_lib.attack import surrogate as surrogate_module
from nbnet_lib.attack.checkpoint import list_checkpoints
from nbnet_lib.attack.data import Pairs
from nbnet_lib.attack.precision import best_precision
from nbnet_lib.attack.recipes import RECIPES, Recipe
from nbnet_lib.attack.run import _first_decoder, _surrogate, training_options
from nbnet_lib.attack.training_card import training_seconds, with_beginning
from nbnet_lib.cli import main
from nbnet_lib.decoders import load_decoder, save_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.encoders.origin import Origin
from nbnet_lib.encoders.synth import SynthEncoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.weights import load_card, save_weights

PEOPLE = ["--identities", "10000-10009", "--samples", "4"]
TINY = ["--image-size", "40", "--device", "cpu", "--batch-size", "8"]
SMALL = ["--decoder", "dcnn", *TINY, "--steps", "4"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def same(first, second):
    first, second = (load_decoder(path).state_dict() for path in (first, second))
    return all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_given_takes_precedence_over_the_recipe():
    given = {"decoder": "dcnn", "steps": 2, "batch_size": 8, "portraits": False}
    options = training_options("run", recipe="strong", device="cpu", samples=4, **given)
    (config,) = options.stages
    assert (options.decoder, options.portraits, options.image_size) == ("dcnn", False, 64)
    assert (config.steps, config.batch_size, config.lr, config.ema_decay) == (2, 8, 2e-3, 0.998)
    assert (config.template_weight, config.best, config.evaluate_every) == (0.5, "cosine", 500)
    assert config.precision == best_precision("cpu", "dcnn")
    assert options.sources[0].samples == 4 and len(options.sources[0].identities) == 4000
    assert training_options("run", recipe="strong").portraits is True


def test_the_stages_of_a_recipe_follow_one_another(nbnet, tmp_path, monkeypatch):
    stages = ({"loss": "pixel", "steps": 3}, {"loss": "ms-ssim", "steps": 2})
    options = {"decoder": "dcnn", "image_size": 40, "batch_size": 4, "lr": 1e-3, "precision": "no"}
    options |= {"identities": "10000-10004", "samples": 2}
    monkeypatch.setitem(RECIPES, "two", Recipe("a test", "seconds", options, stages))
    command = ["train", "--recipe", "two", "--device", "cpu"]
    nbnet(*command, "--out", tmp_path / "both")
    card = load_card(tmp_path / "both" / "decoder.safetensors")
    assert [c["loss"] for c in (*card["earlier_configs"], card["config"])] == ["pixel", "ms-ssim"]
    history = json.loads((tmp_path / "both" / "history.json").read_text())
    assert [(entry["stage"], entry["step"]) for entry in history] == [(1, 3), (2, 2)]
    # Stopped between the two: the second begins with what the first has made.
    before = (tmp_path / "both" / "decoder.safetensors").read_bytes()
    for path in list_checkpoints(tmp_path / "both" / "checkpoints-2"):
        path.unlink()
    nbnet(*command, "--out", tmp_path / "both", "--resume")
    assert (tmp_path / "both" / "decoder.safetensors").read_bytes() == before
    # A loss that is given: one stage.
    assert len(training_options("run", recipe="two").stages) == 2
    (only,) = training_options("run", recipe="two", loss="perceptual").stages
    assert (only.loss, only.steps) == ("perceptual", 3)


def test_pictures_kept_aside_decide(nbnet, tmp_path):
    out = tmp_path / "run"
    watch = ["--holdout", "6", "--evaluate-every", "1", "--deliver", "best"]
    watch += ["--template-noise", "0.2", "--accumulate", "2"]
    said = nbnet("train", *SMALL, *PEOPLE, *watch, "--seed", "3", "--out", out)
    assert re.search(r"loss 0\.\d{4}, cosine -?0\.\d{4}", said)
    card = load_card(out / "decoder.safetensors")
    assert card["kept_aside"] == 8  # two people of four pictures
    history = json.loads((out / "history.json").read_text())
    cosines = [entry["cosine"] for entry in history]
    assert len(cosines) == 4
    chosen = history[int(np.argmax(cosines))]["step"]
    assert card["delivered"] == f"weights of step {chosen} (best)"
    assert card["metrics"] == history[int(np.argmax(cosines))]  # not those of the last step
    best = torch.load(out / "checkpoints" / "best.pt", weights_only=True)
    stored = load_decoder(out / "decoder.safetensors").state_dict()
    for name, value in best["parts"]["network"].items():
        torch.testing.assert_close(stored[name], value, atol=1e-3, rtol=1e-3)  # float16
    assert best["step"] == chosen
    # The card names the machine, and nobody.
    assert set(card["machine"]) >= {"processor", "cores", "threads", "system", "torch"}
    assert card["machine"]["threads"] == torch.get_num_threads()
    assert card["training_seconds"] >= 0 and card["seed"] == 3
    text = json.dumps(card)
    assert str(tmp_path) not in text and socket.gethostname() not in text


def test_seconds_add_up_over_resumes():
    seconds = [10.0, 20.0, 5.0, 9.0, 1.0]
    assert training_seconds([{"seconds": s} for s in seconds]) == 20 + 9 + 1


def test_baselines_are_fitted(nbnet, tmp_path):
    out, name = tmp_path / "run", "linear"
    people = ["--identities", "10000-10019", "--samples", "4", "--holdout", "4"]
    report = nbnet("train", "--decoder", name, *TINY, *people, "--out", out)
    assert "cosine" in report and f"--decoder {out}" in report
    card = load_card(out / "decoder.safetensors")
    assert card["architecture"]["name"] == name and card["fit"] and "config" not in card
    assert card["metrics"]["cosine"] <= 1 and card["kept_aside"] == 4
    made = load_decoder(out / "decoder.safetensors")(torch.eye(128)[:2])
    assert made.shape == (2, 3, 40, 40)
    assert not list_checkpoints(out / "checkpoints")


def test_portraits_are_drawn_instead_of_the_pictures(nbnet, tmp_path):
    folder = tmp_path / "portraits"
    nbnet("train", *SMALL, *PEOPLE, "--portraits", "--out", folder)
    nbnet("train", *SMALL, *PEOPLE, "--out", tmp_path / "pictures")
    files = [tmp_path / name / "decoder.safetensors" for name in ("portraits", "pictures")]
    assert load_card(files[0])["draws"] == "portraits" and "draws" not in load_card(files[1])
    assert not same(*files)
    # The target was asked about the pictures, not about portraits.
    one, two = (np.load(path.with_name("templates.npy")) for path in files)
    assert np.array_equal(one, two)


def test_a_surrogate_of_other_settings_or_pictures_is_not_taken_up(tmp_path):
    options = training_options(tmp_path, surrogate_steps=2, device="cpu")
    images = np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3)).astype(np.uint8)
    templates = torch.nn.functional.normalize(torch.eye(8, 16), dim=1)

    synth = Origin("synth", "1" * 64)

    def values(images, main=False, target=synth):
        # The other processes read what the main one has made.
        return _surrogate(Pairs(images, templates, None), target, options, main).state_dict()

    first, again = values(images, main=True), values(images)
    assert all(torch.equal(first[name], again[name]) for name in first)
    with pytest.raises(NbnetError, match=r"surrogate\.safetensors was made .*another --out"):
        values(images[::-1])
    with pytest.raises(NbnetError, match=r"imitates synth \(SHA-256 1{12}\).* other \(SHA-256 2"):
        values(images, target=Origin("other", "2" * 64))
    options = replace(options, surrogate_steps=3)
    with pytest.raises(NbnetError, match="2 steps then, 3 now"):
        values(images)


def test_a_surrogate_that_was_interrupted_is_resumed(nbnet, tmp_path, monkeypatch):
    """Ctrl-C in its training; with --resume the run ends as if it had been left alone."""
    command = ["train", *SMALL, *PEOPLE, "--template-weight", "1", "--surrogate-steps", "6"]
    nbnet(*command, "--out", tmp_path / "whole")
    disturb, steps = surrogate_module.disturb, []

    def press(images, step, seed):
        steps.append(step)
        if steps == [0, 1, 2]:
            os.kill(os.getpid(), signal.SIGINT)
        return disturb(images, step=step, seed=seed)

    monkeypatch.setattr(surrogate_module, "disturb", press)
    command = [str(word) for word in (*command, "--out", tmp_path / "run")]
    assert main(command) == 130
    assert not (tmp_path / "run" / "surrogate.safetensors").exists()
    nbnet(*command, "--resume")
    assert steps == [0, 1, 2, 3, 4, 5]
    assert not (tmp_path / "run" / "checkpoints-surrogate").exists()
    assert same(*(tmp_path / name / "decoder.safetensors" for name in ("whole", "run")))


def test_a_card_names_the_weights_that_a_run_began_with(tmp_path):
    encoder = create_encoder("synth")
    settings = {"decoder": "dcnn", "image_size": 40, "device": "cpu"}
    network, _ = _first_decoder(encoder, training_options(tmp_path / "first", **settings, seed=1))
    people = {"folder": "ours", "digests": ["a"]}
    terms = {"people": people, "data": "ours", "licence": "ask them", "encoder": "dlib"}
    path = save_decoder(network, tmp_path / "earlier.safetensors", terms)
    options = training_options(tmp_path, **settings, init=str(path))
    fresh, earlier = _first_decoder(encoder, options)
    torch.testing.assert_close(fresh.state_dict(), load_decoder(path).state_dict())
    data = {"data": "SynthFaces", "licence": "MIT; some"}
    card = with_beginning(data, earlier)
    # People of the earlier training are not to be evaluated on either.
    assert card["people"] == people and card["licence"] == "ask them"
    assert card["data"] == "SynthFaces" and card["init"]["encoder"] == "dlib"
    other = with_beginning(data | {"people": {"folder": "new", "digests": ["b"]}}, earlier)
    assert other["people"]["digests"] == ["a", "b"] and with_beginning(data, {}) == data
    options.checkpoints[0].mkdir()
    (options.checkpoints[0] / "step-00000001.pt").touch()
    assert _first_decoder(encoder, options)[1] == earlier
    with pytest.raises(NbnetError, match="--init"):
        _first_decoder(encoder, replace(options, init=None))


def test_a_run_is_resumed_with_its_own_recogniser_only(nbnet, fails, capsys, tmp_path):
    """Also where the folder holds checkpoints alone, or was begun by an earlier version."""
    out, shipped = tmp_path / "run", load_card("synth")["sha256"]
    other = tmp_path / "changed.safetensors"
    save_weights(other, SynthEncoder().state_dict(), {"name": "synth"})
    command = ["train", *SMALL, *PEOPLE, "--out", out]
    nbnet(*command)
    card = load_card(out / "decoder.safetensors")
    assert (card["encoder"], card["encoder_sha256"]) == ("synth", shipped)
    resume = [*command, "--steps", "6", "--resume"]
    for file in ("templates", "checkpoint"):
        said = fails(*resume, "--encoder-weights", other)
        assert file in said and f"synth (SHA-256 {shipped[:12]})" in said
        assert f"(SHA-256 {load_card(other)['sha256'][:12]})" in said
        for path in out.glob("templates.*"):
            path.unlink()
    # A run of before: neither the note nor the checkpoint names a recogniser.
    nbnet(*command, "--steps", "5", "--resume")
    note = out / "templates.json"
    content = json.loads(note.read_text())
    for key in ("encoder", "encoder_sha256"):
        del content["made_from"][key]
    note.write_text(json.dumps(content))
    for path in list_checkpoints(out / "checkpoints"):
        state = torch.load(path, weights_only=True)
        del state["target"]
        torch.save(state, path)
    assert "another recogniser" in fails(*resume, "--encoder-weights", other)
    assert main([str(word) for word in resume]) == 0
    assert "does not say which recogniser" in capsys.readouterr().err


def test_a_notebook_trains_as_the_command_does(nbnet, tmp_path):
    nbnet("train", *SMALL, *PEOPLE, "--seed", "2", "--out", tmp_path / "command")
    options = training_options(
        tmp_path / "call",
        data=["synthfaces:10000-10009x4"],
        device="cpu",
        decoder="dcnn",
        image_size=40,
        batch_size=8,
        steps=4,
        seed=2,
    )
    result = run_training(create_encoder("synth"), options)
    assert same(result.weights, tmp_path / "command" / "decoder.safetensors")
    assert result.card == load_card(result.weights) and result.history[-1]["step"] == 4


def test_portraits_need_synthfaces(fails, tmp_path):
    folder = tmp_path / "faces" / "somebody"
    folder.mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(folder / "1.png")
    own = ["--data", tmp_path / "faces", "--portraits", "--out", tmp_path / "run"]
    assert "SynthFaces only" in fails("train", *SMALL, *own)


def test_white_box_and_adversary(nbnet, tmp_path):
    out = tmp_path / "run"
    more = ["--template-weight", "1", "--white-box", "--adversarial-weight", "0.1"]
    nbnet("train", *SMALL, *PEOPLE, *more, "--out", out)
    card = load_card(out / "decoder.safetensors")
    assert card["white_box"] is True and "adversary_loss" in card["metrics"]
    assert not (out / "surrogate.safetensors").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--recipe", "fast"], "'fast'"),
        (["--holdout", "40"], "--holdout 40"),
        (["--holdout", "0", "--deliver", "best"], "deliver"),
        (["--white-box"], "--template-weight"),
        (["--decoder", "dcgan-generator"], "generator"),
        (["--decoder", "linear", "--template-weight", "1"], "linear .*--template-weight"),
        (["--precision", "fp8"], "precision='fp8'"),
    ],
)
def test_wrong_options_are_one_sentence(fails, tmp_path, wrong, said):
    assert re.search(said, fails("train", *SMALL, *PEOPLE, *wrong, "--out", tmp_path / "run"))


def test_white_box_needs_a_target_with_a_gradient(fails, tmp_path):
    function = tmp_path / "own.py"
    function.write_text("def embed(images):\n    return images.flatten(1)[:, :16] + 1.5\n")
    arguments = ["--encoder", f"python:{function}:embed", "--white-box", "--template-weight", "1"]
    said = fails("train", *SMALL, *PEOPLE, *arguments, "--out", tmp_path / "run")
    assert "no gradient" in said


def test_tensorboard_that_is_missing_is_named_first(fails, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said = fails("train", *SMALL, *PEOPLE, "--tensorboard", "--out", tmp_path / "run")
    assert "pip install tensorboard" in said
    assert not (tmp_path / "run" / "templates.npy").exists()
