"""`nbnet train` on pictures that the user brings, and from weights of an earlier training."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.data.people import people_digest
from nbnet_lib.decoders import create_decoder, load_decoder, save_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set
from nbnet_lib.faces.framing import FRAMINGS
from nbnet_lib.weights import load_card

SMALL = ["--decoder", "dcnn", "--batch-size", "4", "--steps", "2", "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Six people with two aligned pictures each, in the framing of dlib."""
    root = tmp_path_factory.mktemp("mine")
    faces = render_set(range(10_000, 10_006), 2, 64, progress=False)
    for image, who, shot in zip(faces.images, faces.identities, faces.samples, strict=True):
        folder = root / f"Synth_Person_{who}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{shot}.png")
    alignment = {"framing": "dlib", "size": 64}
    (root / "alignment.json").write_text(json.dumps(alignment), encoding="utf-8")
    return root


def test_a_folder_of_people(nbnet, people, tmp_path):
    out = tmp_path / "run"
    nbnet("train", *SMALL, "--data", people, "--out", out)
    card = load_card(out / "decoder.safetensors")
    assert card["data"] == f"{people.name}: 12 pictures of 6 people, 64 px"
    everybody = [f"Synth_Person_{i}" for i in range(10_000, 10_006)]
    assert card["people"] == {"folder": people.name, "digests": people_digest(everybody)}
    assert "may forbid" in card["licence"] and "renderer_version" not in card
    # Faces are in its pictures where they were in those that it learned from.
    assert card["framing"] == "dlib"
    assert load_decoder(out / "decoder.safetensors").framing == FRAMINGS["dlib"]
    assert np.load(out / "templates.npy").shape == (12, 128)


@pytest.mark.parametrize(("alignment", "framing"), [("detect", None), ("framing", "synthfaces")])
def test_of_pictures_that_nobody_aligned(nbnet, people, tmp_path, alignment, framing):
    """Where a detector found the faces, it must look for them in the reconstructions too."""
    raw = tmp_path / "raw"
    shutil.copytree(people, raw, ignore=shutil.ignore_patterns("alignment.json"))
    out = tmp_path / "run"
    said = nbnet("train", *SMALL, "--data", raw, "--alignment", alignment, "--out", out)
    assert f"--encoder synth --alignment {alignment} --decoder" in said  # or it measures another
    card = load_card(out / "decoder.safetensors")
    assert card["framing"] == framing
    # A detector takes no notice of where faces are; who relies on it has been checked.
    assert card.get("alignment", {}).get("checked") == (None if framing is None else 12)
    decoder = load_decoder(out / "decoder.safetensors")
    assert decoder.framing == (None if framing is None else FRAMINGS[framing])
    attack = ["evaluate", "--decoder", out / "decoder.safetensors", "--alignment", alignment]
    attack += ["--identities", "0-4", "--samples", "2", "--far", "0.5", "--resamples", "5"]
    notes = json.loads(nbnet(*attack, "--quality", "--device", "cpu", "--json"))["notes"]
    # Two steps of training make no faces: a detector that was asked has missed them.
    looked_for = any("of 10 pictures of the reconstructions" in note for note in notes)
    assert looked_for == (alignment == "detect")


def test_only_the_training_people_of_a_divided_set(nbnet, fails, people, tmp_path):
    listed = tmp_path / "faces.parquet"
    nbnet("data", "split", people, "--share", "0.5", "--out", listed)
    out = tmp_path / "run"
    nbnet("train", *SMALL, "--data", listed, "--out", out)
    card = load_card(out / "decoder.safetensors")
    assert len(card["people"]["digests"]) == 3 and ": 6 pictures of 3 people" in card["data"]
    # The others may be attacked, and only they.
    attack = ["evaluate", "--decoder", out / "decoder.safetensors", "--resamples", "20"]
    attack += ["--far", "0.2"]
    report = json.loads(nbnet(*attack, "--protocol", listed, "--json"))
    assert report["protocol"]["identities"] == 3
    said = fails(*attack, "--protocol", "folder", "--data", people)
    assert "was trained with pictures of 3 of the 6 people" in said


def test_own_people_and_drawn_people_are_not_mixed_up(fails, people, tmp_path):
    arguments = ["train", *SMALL, "--data", people, "--out", tmp_path / "run"]
    assert "--identities and --samples" in fails(*arguments, "--samples", "3")
    assert "there is no" in fails(
        "train", *SMALL, "--data", tmp_path / "x", "--out", tmp_path / "run"
    )


def test_other_pictures_in_the_same_run_are_refused(nbnet, fails, people, tmp_path):
    arguments = ["train", *SMALL, "--data", people, "--out", tmp_path / "run"]
    nbnet(*arguments)
    picture = people / "Synth_Person_10000" / "0.png"
    before = picture.read_bytes()
    try:
        Image.fromarray(np.asarray(Image.open(picture))[::-1]).save(picture)
        assert "with pictures" in fails(*arguments, "--resume")
    finally:
        picture.write_bytes(before)


def test_training_begins_with_earlier_weights(nbnet, fails, people, tmp_path):
    torch.manual_seed(0)
    earlier = create_decoder("dcnn", 128, 64)
    save_decoder(earlier, tmp_path / "earlier.safetensors")
    begun = ["train", *SMALL, "--data", people, "--init", tmp_path / "earlier.safetensors"]
    nbnet(*begun, "--lr", "1e-12", "--out", tmp_path / "run")
    state = load_decoder(tmp_path / "run" / "decoder.safetensors").state_dict()
    stored = load_decoder(tmp_path / "earlier.safetensors").state_dict()
    assert all(torch.allclose(state[name], stored[name], atol=1e-6) for name in stored)
    said = fails(*begun, "--decoder", "nbnet-a", "--out", tmp_path / "other")
    assert "give weights of the same network" in said


def test_templates_are_of_pictures_as_the_recogniser_sees_them(nbnet, tmp_path):
    """A decoder of 40 pixels learns from templates of faces of 64."""
    people = ["--identities", "10000-10003", "--samples", "2"]
    nbnet("train", *SMALL, *people, "--image-size", "40", "--out", tmp_path / "run")
    faces = render_set(range(10_000, 10_004), 2, 64, progress=False)
    expected = create_encoder("synth").embed(faces.images).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "run" / "templates.npy"), expected, atol=1e-5)
    assert load_card(tmp_path / "run" / "decoder.safetensors")["data"].endswith("40 px")
