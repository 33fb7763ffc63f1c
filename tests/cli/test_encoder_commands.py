"""nbnet encoder: list, info, test, embed and export, on the shipped encoder and on files."""

import json

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.encoders import create_encoder, facenet
from nbnet_lib.encoders.card import find_card, read_card, write_verification
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set

FEW = ["--identities", "0-11", "--samples", "2", "--resamples", "50", "--profile", "0"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    """The shipped encoder as somebody else's file."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from nbnet_lib.encoders.onnx_export import export_onnx

    path = tmp_path_factory.mktemp("models") / "theirs.onnx"
    export_onnx(create_encoder("synth-colour"), path)
    return path


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)


def test_list_names_all_encoders_and_makes_none(nbnet, no_weights, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("list makes no encoder and downloads nothing")

    monkeypatch.setattr("nbnet_lib.encoders.registry.create_encoder", refuse)
    monkeypatch.setattr(facenet, "open_facenet", refuse)
    monkeypatch.setattr("nbnet_lib.data.remote.download", refuse)
    monkeypatch.setattr("nbnet_lib.encoders.synth.load_weights", refuse)
    listed = {e["name"]: e for e in json.loads(nbnet("encoder", "list", "--json"))}
    courses = ["synth", "synth-mobile", "synth-colour", "synth-colour-mobile"]
    names = [*courses, "facenet-vggface2", "facenet-casia", "dlib"]
    assert list(listed) == names
    assert (listed["synth"]["template_dim"], listed["synth"]["weights"]) == (128, "shipped")
    assert "sha256" in listed["synth"]["card"]
    assert (listed["facenet-casia"]["template_dim"], listed["facenet-casia"]["ready"]) == (
        512,
        False,
    )
    text = nbnet("encoder", "list")
    assert "onnx:FILE.onnx" in text and "not here: downloaded when used" in text


def test_info_prints_the_whole_card(nbnet, fails, no_weights, onnx_file):
    report = json.loads(nbnet("encoder", "info", "facenet-vggface2", "--json"))
    assert {"source", "licence", "training_data", "verification", "framing"} <= set(report["card"])
    assert report["card"]["verification"] is None and report["card"]["verification_missing"]
    report = json.loads(nbnet("encoder", "info", "synth", "--json"))
    assert report["card"]["input"]["channels"] == "rgb"
    assert report["card"]["verification"]["far"]["0.01"]["tar"] > 0.9
    text = nbnet("encoder", "info", "synth")
    assert "tar: 98.9 %" in text
    report = json.loads(nbnet("encoder", "info", f"onnx:{onnx_file}", "--json"))
    assert (report["template_dim"], report["image_size"]) == (128, 64)
    assert "no encoder named 'x'" in fails("encoder", "info", "x")


def test_test_prints_rates_with_intervals_and_a_diagnosis(nbnet):
    report = json.loads(nbnet("encoder", "test", *FEW, "--diagnose", "12", "--json"))
    assert (report["genuine_pairs"], report["impostor_pairs"]) == (12, 264)
    assert report["far"].keys() == {"0.01", "0.001"}
    assert all(0 <= rate["tar"] <= 1 for rate in report["far"].values())
    assert any("cannot show a FAR of 0.001" in note for note in report["notes"])
    assert report["diagnosis"]["people"] == 12
    assert report["diagnosis"]["findings"] == []
    text = nbnet("encoder", "test", *FEW, "--diagnose", "12")
    assert "Diagnosis: nothing that was tried fits better" in text
    assert "pictures upside down" in text


def test_test_prints_what_the_recogniser_looks_at(nbnet, tmp_path):
    arguments = ["encoder", "test", "--encoder", "synth-colour", *FEW[:-2], "--diagnose", "0"]
    arguments += ["--profile", "12"]
    saved = [tmp_path / name for name in ("p.json", "p.png", "p.svg", "p.html")]
    arguments += [word for path in saved for word in ("--save", path)]
    text = nbnet(*arguments, "--beside", "synth-mobile")
    assert "What it looks at" in text and "TAR of synth-mobile" in text
    assert "warning: colour matcher" in text
    assert "Rank correlation of strangers' scores with synth-mobile" in text
    assert "What it weighs" in text
    kept = json.loads(saved[0].read_text())
    assert [row["name"] for row in kept["rates"]][:2] == ["plain", "grey"]
    assert saved[1].read_bytes()[:4] == b"\x89PNG" and b"<svg" in saved[2].read_bytes()
    page = saved[3].read_text(encoding="utf-8")
    assert "What synth-colour looks at" in page and "TAR of synth-mobile" in page
    assert "colour matcher" in page and "hair colour" in page and "--save p.html" in page
    assert "http" not in page.replace("http-equiv", "")  # it loads nothing


def test_a_wrong_card_of_an_onnx_file_is_found(nbnet, onnx_file, tmp_path):
    card = tmp_path / "card.yaml"
    card.write_text("image_size: 64\nframing: synthfaces\nchannels: bgr\nmean: 127.5\nstd: 127.5\n")
    arguments = ["--encoder", f"onnx:{onnx_file}", "--encoder-card", card]
    arguments += ["--identities", "0-29", "--samples", "3", "--resamples", "20"]
    arguments += ["--profile", "0"]
    text = nbnet("encoder", "test", *arguments, "--diagnose", "30")
    assert "this network seems to expect RGB: EER" in text
    assert "set channels: rgb in its card" in text
    assert "with RGB kept" in text


def test_test_refuses_before_the_work(fails, tmp_path):
    arguments = ["encoder", "test", "--identities"]
    assert "identity 10000 is kept for" in fails(*arguments, "9999-10000")
    assert "at least 2 of both" in fails(*arguments, "0-4", "--samples", "1")
    assert "give 10 people or more, or 0" in fails("encoder", "test", "--diagnose", "5")
    assert "give 10 people or more, or 0" in fails("encoder", "test", "--profile", "5")
    assert "synth is the recogniser" in fails("encoder", "test", "--beside", "synth")
    assert "no encoder named 'y'" in fails("encoder", "test", "--beside", "y")
    assert "ends in" in fails("encoder", "test", "--save", tmp_path / "profile.txt")
    save = ["--save", tmp_path / "profile.png"]
    assert "--profile 0" in fails("encoder", "test", "--profile", "0", *save)
    assert "is not a card" in fails("encoder", "test", "--into-card", tmp_path / "x.onnx")
    (tmp_path / "x.yaml").write_text("size: 3\n")
    assert "'size' that is not known" in fails(
        "encoder", "test", "--into-card", tmp_path / "x.yaml"
    )
    assert "no encoder named 'x'" in fails("encoder", "test", "--encoder", "x", "--diagnose", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("people")
    faces = render_set(range(4), 2, 64, progress=False)
    for i, (image, who) in enumerate(zip(faces.images, faces.identities, strict=True)):
        (root / f"Synth_Person_{who:04d}").mkdir(exist_ok=True)
        Image.fromarray(image).save(root / f"Synth_Person_{who:04d}" / f"{i}.png")
    return root


def test_test_takes_a_folder_and_says_where_a_diagnosis_ends(nbnet, folder):
    report = json.loads(nbnet("encoder", "test", "--data", folder, "--resamples", "20", "--json"))
    assert (report["identities"], report["pictures"], report["genuine_pairs"]) == (4, 8, 4)
    assert "diagnosis" not in report
    text = nbnet("encoder", "test", "--data", folder, "--resamples", "20")
    assert "No diagnosis: it needs 10 people or more with two pictures each." in text
    assert "No profile: it needs 10 people or more with two pictures each." in text


def test_into_card_keeps_the_rest_of_the_card(nbnet, tmp_path):
    card = tmp_path / "model.yaml"
    written = "# written by hand\nname: mine\nverification:\n  eer: 0.9\n\nlicence: none\n"
    card.write_text(written)
    nbnet("encoder", "test", *FEW, "--diagnose", "0", "--into-card", card)
    assert card.read_text() == written
    read = read_card(card)
    assert read["name"] == "mine" and read["licence"] == "none"
    assert read["verification"]["identities"] == 12
    nbnet("encoder", "test", *FEW, "--diagnose", "0", "--into-card", tmp_path / "new.json")
    assert json.loads((tmp_path / "new.json").read_text())["verification"]["pictures"] == 24


def test_measured_rates_belong_to_a_card(tmp_path):
    model, card = tmp_path / "m.onnx", tmp_path / "m.yml"
    write_verification(card, {"eer": 0.25})  # before there is a card
    assert find_card(None, model) == {"verification": {"eer": 0.25}}
    card.write_text("name: a\nverification: {eer: 1}\n")
    assert find_card(None, model) == {"name": "a", "verification": {"eer": 0.25}}
    other = tmp_path / "n.json"
    other.write_text('{"name": "b"}')
    write_verification(other, {"eer": 0.5})
    assert read_card(other) == {"name": "b", "verification": {"eer": 0.5}}
    card.write_text("name: [1\n")
    with pytest.raises(NbnetError, match="not valid text"):
        write_verification(card, {"eer": 0.125})
    card.write_text("")
    write_verification(card, {"eer": 0.125})
    assert json.loads((tmp_path / "m.verification.json").read_text()) == {"eer": 0.125}


def test_embed_takes_pictures_of_ones_own(nbnet, fails, folder, tmp_path):
    out = tmp_path / "t.npz"
    report = json.loads(nbnet("encoder", "embed", "--data", folder, "--out", out, "--json"))
    assert (report["templates"], report["template_dim"]) == (8, 128)
    with np.load(out, allow_pickle=False) as stored:
        assert stored["templates"].shape == (8, 128)
        assert sorted(set(stored["identities"])) == [f"Synth_Person_{i:04d}" for i in range(4)]
        assert stored["names"][0] == "Synth_Person_0000/0.png"
    assert "there is no" in fails("encoder", "embed", "--data", tmp_path / "x", "--out", out)
    assert "written as .npz" in fails("encoder", "embed", "--out", tmp_path / "t.csv")


def test_export_writes_a_file_that_works_the_same(nbnet, fails, tmp_path):
    pytest.importorskip("onnx")
    out = tmp_path / "synth.onnx"
    report = json.loads(nbnet("encoder", "export", "--out", out, "--json"))
    assert report["max_difference"] <= 1e-5 and report["bytes"] == out.stat().st_size
    assert "written as .onnx" in fails("encoder", "export", "--out", tmp_path / "x.pt")
