"""`nbnet train`: recipes, what is kept aside, baselines, extensions, and what its card tells."""

import json
import re
import socket
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.attack import run_training
from nbnet_lib.attack.checkpoint import list_checkpoints
from nbnet_lib.attack.data import Pairs
from nbnet_lib.attack.precision import best_precision
from nbnet_lib.attack.recipes import RECIPES, Recipe
from nbnet_lib.attack.run import (
    _begin_with,
    _provenance,
    _surrogate,
    training_options,
    training_seconds,
)
from nbnet_lib.cli import main
from nbnet_lib.decoders import create_decoder, load_decoder, save_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.weights import load_card

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


def test_recipes_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--list-recipes"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"{name}: {recipe.what}" in said for name, recipe in RECIPES.items())
    assert "loss pixel, steps 400000; then loss perceptual-vgg19, steps 100000" in said


def test_what_is_given_takes_precedence_over_the_recipe(nbnet, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "--recipe", "laptop", "--decoder", "dcnn", *TINY, *PEOPLE]
    report = json.loads(nbnet(*arguments, "--steps", "2", "--out", out, "--json"))
    card = report["card"]
    assert card["recipe"] == "laptop" and card["architecture"]["name"] == "dcnn"
    assert card["data"].startswith("SynthFaces identities 10000-10009 (10) x 4")
    wanted = {"steps": 2, "batch_size": 8, "lr": 2e-3, "schedule": "onecycle", "ema_decay": 0.998}
    wanted["precision"] = best_precision("cpu", "dcnn")
    assert {key: card["config"][key] for key in wanted} == wanted
    assert card["delivered"] == "averaged weights of step 2 (last)"


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
    # A loss of one's own: one stage.
    nbnet(*command, "--loss", "pixel", "--out", tmp_path / "one")
    assert "earlier_configs" not in load_card(tmp_path / "one" / "decoder.safetensors")
    assert not same(
        tmp_path / "both" / "decoder.safetensors", tmp_path / "one" / "decoder.safetensors"
    )


def test_pictures_kept_aside_decide(nbnet, tmp_path):
    out = tmp_path / "run"
    watch = ["--holdout", "6", "--evaluate-every", "1", "--deliver", "best"]
    watch += ["--template-noise", "0.2", "--accumulate", "2"]
    said = nbnet("train", *SMALL, *PEOPLE, *watch, "--out", out)
    assert re.search(r"last loss 0\.\d{4}, last cosine -?0\.\d{4}", said)
    card = load_card(out / "decoder.safetensors")
    assert card["kept_aside"] == 8  # two people of four pictures
    history = json.loads((out / "history.json").read_text())
    cosines = [entry["cosine"] for entry in history]
    assert len(cosines) == 4
    chosen = history[int(np.argmax(cosines))]["step"]
    assert card["delivered"] == f"weights of step {chosen} (best)"
    best = torch.load(out / "checkpoints" / "best.pt", weights_only=True)
    stored = load_decoder(out / "decoder.safetensors").state_dict()
    for name, value in best["parts"]["network"].items():
        torch.testing.assert_close(stored[name], value, atol=1e-3, rtol=1e-3)  # float16
    assert best["step"] == chosen


def test_the_card_names_the_machine_and_nobody(nbnet, tmp_path):
    out = tmp_path / "run"
    nbnet("train", *SMALL, *PEOPLE, "--seed", "3", "--out", out)
    card = load_card(out / "decoder.safetensors")
    assert set(card["machine"]) >= {"processor", "cores", "threads", "system", "torch"}
    assert card["machine"]["threads"] == torch.get_num_threads()
    assert card["training_seconds"] >= 0 and card["seed"] == 3
    told = json.dumps(card)
    assert str(tmp_path) not in told and socket.gethostname() not in told


def test_seconds_add_up_over_resumes():
    seconds = [10.0, 20.0, 5.0, 9.0, 1.0]
    assert training_seconds([{"seconds": s} for s in seconds]) == 20 + 9 + 1


@pytest.mark.parametrize("name", ["linear", "rbf"])
def test_baselines_are_fitted(nbnet, tmp_path, name):
    out = tmp_path / "run"
    people = ["--identities", "10000-10019", "--samples", "4", "--holdout", "4"]
    report = nbnet("train", "--decoder", name, *TINY, *people, "--out", out)
    assert "last cosine" in report and f"--decoder {out}" in report
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


def test_the_strong_recipe_brings_portraits_and_a_surrogate(nbnet, tmp_path):
    small = ["--recipe", "strong", "--decoder", "dcnn", *TINY, *PEOPLE, "--steps", "2"]
    nbnet("train", *small, "--surrogate-steps", "2", "--out", tmp_path)
    card = load_card(tmp_path / "decoder.safetensors")
    assert card["draws"] == "portraits" and card["config"]["template_weight"] == 0.5
    assert (tmp_path / "surrogate.safetensors").exists() and card["surrogate"]["steps"] == 2


def test_portraits_of_a_recipe_can_be_left_out():
    options = training_options("run", recipe="strong", portraits=False)
    assert options.portraits is False and options.stages[0].template_weight == 0.5
    assert training_options("run", recipe="strong").portraits is True


def test_a_surrogate_of_other_settings_or_pictures_is_not_taken_up(tmp_path):
    options = training_options(tmp_path, surrogate_steps=2, device="cpu")
    images = np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3)).astype(np.uint8)
    templates = torch.nn.functional.normalize(torch.eye(8, 16), dim=1)

    def values(images, keep=True):
        return _surrogate(Pairs(images, templates, None), options, keep).state_dict()

    first, again = values(images, keep=False), values(images)
    assert all(torch.equal(first[name], again[name]) for name in first)
    with pytest.raises(NbnetError, match=r"surrogate\.safetensors was made .*another --out"):
        values(images[::-1])
    options = replace(options, surrogate_steps=3)
    with pytest.raises(NbnetError, match="2 steps then, 3 now"):
        values(images)


def test_a_card_names_the_weights_that_a_run_began_with(tmp_path):
    torch.manual_seed(0)
    network = create_decoder("dcnn", 16, 40, base_channels=16)
    people = {"folder": "ours", "digests": ["a"]}
    told = {"people": people, "data": "ours", "licence": "ask them", "encoder": "dlib"}
    path = save_decoder(network, tmp_path / "earlier.safetensors", told)
    options = training_options(tmp_path, init=str(path))
    fresh = create_decoder("dcnn", 16, 40, base_channels=16)
    earlier = _begin_with(options, fresh)
    torch.testing.assert_close(fresh.state_dict(), load_decoder(path).state_dict())
    data = {"data": "SynthFaces", "licence": "MIT; some"}
    card = _provenance(earlier, data)
    # People of the earlier training are not to be evaluated on either.
    assert card["people"] == people and card["licence"] == "ask them"
    assert card["data"] == "SynthFaces" and card["init"]["encoder"] == "dlib"
    other = _provenance(earlier, data | {"people": {"folder": "new", "digests": ["b"]}})
    assert other["people"]["digests"] == ["a", "b"]
    other = replace(options, init=None)
    assert _begin_with(other, fresh) == {} and _provenance({}, data) == data
    _begin_with(options, fresh)
    options.checkpoints[0].mkdir()
    (options.checkpoints[0] / "step-00000001.pt").touch()
    assert _begin_with(options, fresh) == earlier
    with pytest.raises(NbnetError, match="--init"):
        _begin_with(other, fresh)


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
        (["--holdout", "0", "--patience", "2"], "patience=2"),
        (["--holdout", "0", "--deliver", "best"], "deliver"),
        (["--deliver", "all"], "deliver='all'"),
        (["--white-box"], "--template-weight"),
        (["--accumulate", "9"], "accumulate=9"),
        (["--decoder", "dcgan-generator"], "generator"),
        (["--decoder", "linear", "--template-weight", "1"], "linear .*--template-weight"),
        (["--precision", "fp8"], "precision='fp8'"),
        (["--template-weight", "-1"], "template_weight=-1"),
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
