"""The working commands on tiny sets: encoder, train, reconstruct, evaluate."""

import json
import shlex
import sys

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.decoders import create_decoder, load_decoder, save_decoder
from nbnet_lib.encoders.synth import MobileEncoder, SynthEncoder
from nbnet_lib.evaluate.result import schema
from nbnet_lib.faces import render
from nbnet_lib.faces.dlib_models import networks
from nbnet_lib.weights import load_card, save_weights


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Faces are drawn into a fresh cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    """An untrained encoder's weights: the commands do not depend on how good it is."""
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_weights(path, SynthEncoder().state_dict(), {"name": "synth"})
    return str(path)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "decoder.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_decoder(create_decoder("dcnn", 128, 64, base_channels=64), path)
    return str(path)


def test_encoder_train_writes_weights_and_card(nbnet, tmp_path):
    out = tmp_path / "encoder.safetensors"
    arguments = ["encoder", "train", "--identities", "300000-300015", "--samples", "8"]
    card = json.loads(nbnet(*arguments, "--epochs", "1", "--seed", "3", "--out", out, "--json"))
    assert card["seed"] == 3
    assert out.is_file() and load_card(out)["seed"] == 3


def test_encoder_train_refuses_evaluation_identities(fails, tmp_path):
    refused = fails("encoder", "train", "--identities", "0-9", "--out", tmp_path / "x.safetensors")
    assert "identity 0 is kept for evaluation" in refused


def test_embed_then_reconstruct(nbnet, encoder, decoder, tmp_path):
    templates = tmp_path / "templates.npz"
    arguments = ["--encoder", encoder, "--identities", "0-2", "--samples", "2"]
    nbnet("encoder", "embed", *arguments, "--out", templates)
    with np.load(templates) as stored:
        assert stored["templates"].shape == (6, 128)
        assert stored["identities"].tolist() == [0, 0, 1, 1, 2, 2]
        # Whose templates they are goes with them.
        assert stored["encoder_sha256"] == load_card(encoder)["sha256"]
        assert str(stored["encoder"]).endswith("encoder.safetensors")
    out = tmp_path / "faces"
    arguments = ["reconstruct", "--templates", templates, "--decoder", decoder, "--out", out]
    report = json.loads(nbnet(*arguments, "--json"))
    assert "the card of" in report["notes"][0]  # that decoder was trained against nobody
    assert report["files"] == [f"{i:04d}.png" for i in range(6)]
    assert np.asarray(Image.open(out / "0000.png")).shape == (64, 64, 3)
    assert (out / "contact_sheet.png").is_file()


def test_reconstruct_takes_one_template_in_an_npy_file(nbnet, decoder, tmp_path):
    np.save(tmp_path / "one.npy", np.eye(128)[0])
    arguments = ["--templates", tmp_path / "one.npy", "--decoder", decoder]
    report = json.loads(nbnet("reconstruct", *arguments, "--out", tmp_path / "out", "--json"))
    assert report["files"] == ["0000.png"]


SYNTH, MOBILE = (load_card(name)["sha256"] for name in ("synth", "synth-mobile"))


def test_templates_of_another_recogniser_are_refused(nbnet, fails, tmp_path):
    """As long as those of the decoder's own: nothing else would tell."""
    for name in ("synth", "synth-mobile"):
        files = ["--encoder", name, "--identities", "0", "--out", tmp_path / f"{name}.npz"]
        nbnet("encoder", "embed", *files)
    command = ["reconstruct", "--decoder", "nbnet-b-64", "--out", tmp_path / "faces"]
    report = json.loads(nbnet(*command, "--templates", tmp_path / "synth.npz", "--json"))
    assert report["notes"] == []
    said = fails(*command, "--templates", tmp_path / "synth-mobile.npz")
    assert f"synth (SHA-256 {SYNTH[:12]})" in said
    assert f"synth-mobile.npz are of synth-mobile (SHA-256 {MOBILE[:12]})" in said


def test_a_file_that_names_no_recogniser_is_noted(nbnet, tmp_path):
    np.save(tmp_path / "bare.npy", np.eye(128)[:1])
    np.savez(tmp_path / "old.npz", templates=np.eye(128)[:1], identities=[0], encoder=np.eye(2))
    command = ["reconstruct", "--decoder", "nbnet-b-64", "--out", tmp_path / "faces", "--templates"]
    for name in ("bare.npy", "old.npz"):
        said = nbnet(*command, tmp_path / name)
        assert f"{name} do not say" in said and f"synth (SHA-256 {SYNTH[:12]})" in said


def test_a_decoder_of_before_the_recogniser_changed_is_refused(fails, encoder):
    """The same name and the same length of a template, but other weights."""
    said = fails("evaluate", "--encoder-weights", encoder, "--decoder", "nbnet-b-64", *FEW)
    assert f"nbnet-b-64 was trained against synth (SHA-256 {SYNTH[:12]})" in said
    assert f"encoder.safetensors (SHA-256 {load_card(encoder)['sha256'][:12]})" in said


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (np.ones((2, 64), np.float32), "takes [N, 128]"),
        (np.full((1, 128), np.nan), "NaN"),
        (np.eye(3, 128, 1) - np.eye(128)[2], "row 1 is all zeros"),
        (np.array(["a"]), "give floats"),
    ],
)
def test_reconstruct_refuses_wrong_templates(fails, decoder, tmp_path, array, part):
    np.save(tmp_path / "t.npy", array)
    arguments = ["--templates", tmp_path / "t.npy", "--decoder", decoder]
    assert part in fails("reconstruct", *arguments, "--out", tmp_path / "out")


def test_reconstruct_refuses_wrong_files(fails, decoder, tmp_path):
    def refused(path, weights=decoder) -> str:
        out = tmp_path / "out"
        return fails("reconstruct", "--templates", path, "--decoder", weights, "--out", out)

    assert "no file" in refused(tmp_path / "missing.npy")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04broken")
    assert "not a readable" in refused(tmp_path / "broken.npz")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "not a readable" in refused(tmp_path / "objects.npy")
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    assert "holds the arrays a, b" in refused(tmp_path / "two.npz")
    np.save(tmp_path / "t.npy", np.eye(128))
    assert "no weights at" in refused(tmp_path / "t.npy", "no-such-decoder")


def test_an_output_that_cannot_be_written_is_found_first(fails, decoder, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    np.save(tmp_path / "t.npy", np.eye(128))
    commands = [
        ["reconstruct", "--templates", tmp_path / "t.npy", "--decoder", decoder, "--out", blocked],
        ["faces", "render", "--out", blocked / "x"],
        ["faces", "sheet", "--out", blocked / "x.png"],
        ["encoder", "embed", "--out", blocked / "x.npz"],
        ["encoder", "train", "--out", blocked / "x.safetensors"],
        ["train", "--out", blocked / "x"],
        ["course", "--output", blocked / "x"],
    ]
    for command in commands:
        assert f"cannot write to the folder {blocked}" in fails(*command), command


TRAIN = ["--decoder", "dcnn", "--identities", "10000-10003", "--samples", "2", "--batch-size", "4"]


def test_train_writes_a_decoder_that_can_be_loaded(nbnet, fails, encoder, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", *TRAIN, "--encoder", encoder, "--seed", "5", "--out", out]
    arguments += ["--schedule", "constant"]
    report = json.loads(nbnet(*arguments, "--steps", "2", "--json"))
    card = load_card(out / "decoder.safetensors")
    assert shlex.split(card["command"])[:2] == ["nbnet", "train"]
    assert card["seed"] == 5 and card["metrics"]["step"] == 2
    assert card["architecture"]["name"] == "dcnn"
    assert report["card"]["data"].startswith("SynthFaces identities 10000-10003 (4) x 2")
    first = load_decoder(out / "decoder.safetensors")
    assert (first.image_size, first.template_dim) == (64, 128)
    # Another run may not overwrite this one by accident; --resume continues.
    assert "add --resume" in fails(*arguments, "--steps", "3")
    nbnet(*arguments, "--steps", "3", "--resume")
    history = json.loads((out / "history.json").read_text())
    assert [entry["step"] for entry in history] == [2, 3]


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (["--identities", "9999-10001"], "identity 9999 is kept for evaluation"),
        (["--loss", "magic"], "no loss is named 'magic'"),
        (["--image-size", "50"], "50"),
        (["--template-weight", "-1"], "template_weight=-1"),
        (["--device", "cuda:99"], "cuda:99"),
    ],
)
def test_train_refuses_bad_settings_before_it_draws(fails, encoder, tmp_path, wrong, part):
    arguments = ["train", *TRAIN, "--encoder", encoder, "--steps", "1", "--out", tmp_path / "run"]
    assert part in fails(*arguments, *wrong)


FEW = ["--identities", "0-5", "--samples", "2", "--resamples", "50"]


def test_evaluate_prints_one_json_object(nbnet, encoder, decoder):
    arguments = ["evaluate", "--encoder", encoder, "--decoder", decoder, *FEW, "--seed", "1"]
    result = json.loads(nbnet(*arguments, "--json"))
    jsonschema.validate(result, schema())
    assert result["seed"] == 1 and result["fars"] == [0.01, 0.001]
    assert result["judges"] == {}  # not the shipped target: not the shipped judge
    assert any("cannot show a FAR of 0.001" in note for note in result["notes"])
    text = nbnet(*arguments, "--far", "0.1", "--quality")
    assert "type-I, FAR 10 %" in text and "PSNR" in text and "rank-1" in text


def test_evaluate_saves_what_the_ending_says(nbnet, encoder, decoder, tmp_path):
    names = ["page.html", "all.json", "all.csv", "all.md", "table.tex"]
    saved = [word for name in names for word in ("--save", str(tmp_path / "new" / name))]
    people = tmp_path / "people.csv"
    arguments = ["evaluate", "--encoder", encoder, "--decoder", decoder, *FEW, "--far", "0.1"]
    text = nbnet(*arguments, *saved, "--per-identity", str(people), "--leakage", "gender")
    assert "Written: " in text and "gender" in text
    page, stored, rows, document, table = (
        (tmp_path / "new" / name).read_text(encoding="utf-8") for name in names
    )
    assert page.startswith("<!DOCTYPE html>") and page.count("<img") >= 5
    assert len(rows.splitlines()) == len(json.loads(stored)["measures"]) + 1
    assert "| original |" in document and r"\begin{tabular}" in table
    assert people.read_text(encoding="utf-8").startswith("attack,identity,person,pictures,original")
    assert len(people.read_text(encoding="utf-8").splitlines()) == 1 + 6


def test_evaluate_a_folder_by_a_list(nbnet, encoder, decoder, tmp_path):
    """Pictures on disk and a CSV: the way of own data."""
    lines = ["image,identity"]
    for identity in range(4):
        for sample in range(2):
            name = f"{identity}_{sample}.png"
            Image.fromarray(render(identity, sample, 64)).save(tmp_path / name)
            lines.append(f"{name},person {identity}")
    (tmp_path / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["evaluate", "--encoder", encoder, "--decoder", decoder, "--far", "0.2", "--json"]
    read = json.loads(nbnet(*arguments, "--protocol", str(tmp_path / "own.csv")))
    assert read["protocol"]["name"] == "own" and read["protocol"]["pictures"] == 8
    same = json.loads(nbnet(*arguments, "--identities", "0-3", "--samples", "2"))
    rates = [
        [m["value"] for m in result["measures"] if m["measure"] in ("tar", "eer")]
        for result in (read, same)
    ]
    assert rates[0] == rates[1]  # the same pictures, drawn or read


def test_evaluate_the_recogniser_alone(nbnet, encoder):
    result = json.loads(nbnet("evaluate", "--encoder", encoder, "--no-attack", *FEW, "--json"))
    assert result["decoders"] == [] and {m["attack"] for m in result["measures"]} == {"original"}


def test_evaluate_writes_into_the_card(nbnet, encoder, decoder):
    before = load_card(decoder)
    arguments = ["evaluate", "--encoder", encoder, "--decoder", decoder, "--into-card"]
    result = json.loads(nbnet(*arguments, *FEW, "--json"))
    card = load_card(decoder)
    benchmark = card.pop("benchmark")
    assert benchmark["measures"] == result["measures"] and "seconds" not in benchmark
    assert card == before
    load_decoder(decoder)  # the checksum still fits


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> str:
    """Weights of the second network, untrained."""
    path = tmp_path_factory.mktemp("weights") / "judge.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        card = {"name": "synth-mobile", "network": "synth-mobile"}
        save_weights(path, MobileEncoder().state_dict(), card)
    return str(path)


def test_evaluate_with_judges(nbnet, encoder, decoder, judge):
    arguments = ["evaluate", "--encoder", encoder, "--decoder", decoder, *FEW, "--far", "0.1"]
    judges = ["--judge", f"mine={judge}", "--judge", "synth-mobile"]
    result = json.loads(nbnet(*arguments, *judges, "--json"))
    jsonschema.validate(result, schema())
    assert list(result["judges"]) == ["mine", "synth-mobile"]
    for judged in result["judges"].values():
        assert judged.keys() == result["far"].keys() == {"0.1"}
        assert judged["0.1"].keys() == result["far"]["0.1"].keys()


def test_evaluate_asks_the_shipped_judge_about_the_shipped_target(nbnet, decoder):
    arguments = ["evaluate", "--decoder", decoder, *FEW, "--far", "0.1"]
    result = json.loads(nbnet(*arguments, "--json"))
    assert list(result["judges"]) == ["independent"]
    judge = result["judge_encoders"]["independent"]
    assert judge["encoder"] == "synth-mobile" and judge["card"]["data"].startswith("SynthFaces")
    assert "by the judge independent (synth-mobile)" in nbnet(*arguments)
    assert json.loads(nbnet(*arguments, "--judge", "none", "--json"))["judges"] == {}


def test_a_judge_that_is_not_installed_is_named(fails, decoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)  # as where the package is missing
    networks.cache_clear()
    message = fails("evaluate", "--decoder", decoder, *FEW, "--judge", "dlib")
    assert "pip install" in message and "dlib" in message


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--judge", "synth"], "the judge synth is the attacked recogniser synth itself"),
        (["--judge", "dlib", "--judge", "dlib"], "two judges are called 'dlib'"),
        (["--judge", "independent", "--judge", "synth-mobile"], "are one recogniser"),
        (["--judge", "none", "--judge", "dlib"], "give it alone"),
        (["--judge", "target=synth-mobile"], "cannot be called 'target'"),
        (["--judge", "x=nowhere.safetensors"], "no weights at"),
        (["--identities", "10000-10009"], "identity 10000 is kept for"),
        (["--save", "report.pdf"], ".json, .csv, .md, .tex, .html"),
        (["--per-identity", "people.txt"], ".csv"),
        (["--into-card", "--decoder", "nbnet-b-64"], "give one --decoder"),
        (["--protocol", "lfww"], "no protocol is called 'lfww'"),
        (["--leakage", "shoe_size"], "shoe_size"),
    ],
)
def test_evaluate_refuses(fails, decoder, arguments, part):
    assert part in fails("evaluate", "--decoder", decoder, *FEW, *arguments)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--judge", "independent"], "--no-attack"),
        (["--save", "table.tex"], "table of attacks"),
        (["--per-identity", "people.csv"], "--no-attack"),
        (["--decoder", "nbnet-b-64"], "not both"),
    ],
)
def test_without_an_attack_nothing_of_attacks(fails, arguments, part):
    assert part in fails("evaluate", "--no-attack", *FEW, *arguments)
