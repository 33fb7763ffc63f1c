"""Templates on disk: asked once, resumable, and never of something else."""

import json

import numpy as np
import pytest
import torch

from nbnet_lib.attack import templates as module
from nbnet_lib.attack.templates import extract_templates
from nbnet_lib.encoders.base import CountedTemplates
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS


class Counting:
    """A recogniser that counts what it is asked; its template is the picture's mean colours."""

    name, template_dim = "counting", 16

    def __init__(self, turn: int = 0, stop_at: int | None = None):
        self.asked, self.turn, self.stop_at = 0, turn, stop_at

    def embed(self, images, framing=None):
        self.asked += len(images)
        if self.stop_at is not None and self.asked > self.stop_at:
            raise KeyboardInterrupt
        flat = torch.from_numpy(images).float().reshape(len(images), -1)[:, :16] - 127
        return torch.nn.functional.normalize(flat.roll(self.turn, 1))


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 32)


def test_all_rows_in_order(images, tmp_path):
    encoder = Counting()
    found = extract_templates(encoder, images, tmp_path / "t.npy", progress=False)
    assert found.dtype == np.float32 and encoder.asked == 100
    assert np.array_equal(found, Counting().embed(images).numpy())
    again = Counting()
    assert np.array_equal(
        extract_templates(again, images, tmp_path / "t.npy", progress=False), found
    )
    assert again.asked == module.PROBES  # nothing is asked twice but the probes


def test_continues_behind_the_last_full_batch(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        extract_templates(Counting(stop_at=70), images, tmp_path / "t.npy", progress=False)
    assert json.loads((tmp_path / "t.json").read_text())["rows"] == 64
    rest = Counting()
    found = extract_templates(rest, images, tmp_path / "t.npy", progress=False)
    assert rest.asked == 36 + module.PROBES
    assert np.array_equal(found, Counting().embed(images).numpy())


def test_rows_without_their_note_are_asked_again(images, tmp_path):
    extract_templates(Counting(), images, tmp_path / "t.npy", progress=False)
    (tmp_path / "t.json").write_text("{", encoding="utf-8")  # cut by a crash of the machine
    encoder = Counting()
    extract_templates(encoder, images, tmp_path / "t.npy", progress=False)
    assert encoder.asked == 100


def test_templates_of_an_earlier_version_are_not_overwritten(images, tmp_path):
    np.save(tmp_path / "t.npy", np.zeros((100, 16), np.float32))
    note = {"rows": 100, "template_dim": 16, "done": 64, "checksum": 1, "framing": None}
    (tmp_path / "t.json").write_text(json.dumps(note), encoding="utf-8")
    with pytest.raises(NbnetError, match="earlier version"):
        extract_templates(Counting(), images, tmp_path / "t.npy", progress=False)


class Detecting(Counting):
    """Finds no face in the first picture of every batch."""

    def embed_counted(self, images, framing=None):
        return CountedTemplates(self.embed(images), len(images), len(images) - 1)


def test_faces_that_were_not_found_are_counted_over_all_runs(images, tmp_path):
    path = tmp_path / "t.npy"
    with pytest.raises(KeyboardInterrupt):
        extract_templates(Detecting(stop_at=70), images, path, progress=False)
    for _ in range(2):  # 32 + 32, then 32 + 4 pictures; later nothing: the probes are not counted
        tally = {}
        extract_templates(Detecting(), images, path, progress=False, tally=tally)
        assert tally == {"n_attempted": 100, "n_detected": 96}


def test_other_pictures_or_another_recogniser_are_refused(images, tmp_path):
    path = tmp_path / "t.npy"
    extract_templates(Counting(), images, path, progress=False)
    with pytest.raises(NbnetError, match="another recogniser"):
        extract_templates(Counting(turn=1), images, path, progress=False)
    with pytest.raises(NbnetError, match="with pictures"):
        extract_templates(Counting(), images[::-1], path, progress=False)
    with pytest.raises(NbnetError, match=r"shape \[100, 16\], not \[50, 16\]"):
        extract_templates(Counting(), images[:50], path, progress=False)


class Weighted(Counting):
    """A recogniser with weights of its own; ``turn`` decides what it answers."""

    def __init__(self, sha256: str | None, name: str = "synth", turn: int = 0):
        super().__init__(turn)
        self.sha256, self.name = sha256 and sha256 * 64, name


def test_other_weights_under_the_same_name_are_refused_before_they_are_asked(images, tmp_path):
    path, other = tmp_path / "t.npy", Weighted("2", turn=1)
    extract_templates(Weighted("1"), images, path, progress=False)
    with pytest.raises(NbnetError, match=r"synth \(SHA-256 1{12}\).*synth \(SHA-256 2{12}\)"):
        extract_templates(other, images, path, progress=False)
    assert other.asked == 0
    # The same weights under another name are the same recogniser.
    renamed = Weighted("1", name="mine")
    extract_templates(renamed, images, path, progress=False)
    assert renamed.asked == module.PROBES
    assert json.loads((tmp_path / "t.json").read_text())["made_from"]["encoder"] == "synth"


def test_a_file_of_before_recognisers_were_named_is_noted_and_probed(images, tmp_path, capsys):
    path, note = tmp_path / "t.npy", tmp_path / "t.json"
    extract_templates(Weighted("1"), images, path, progress=False)
    content = json.loads(note.read_text())
    for key in ("encoder", "encoder_sha256"):
        del content["made_from"][key]
    note.write_text(json.dumps(content))
    capsys.readouterr()
    extract_templates(Weighted("1"), images, path, progress=True)
    assert "does not say which recogniser" in capsys.readouterr().err
    with pytest.raises(NbnetError, match="another recogniser"):
        extract_templates(Weighted("2", turn=1), images, path, progress=False)


def test_answers_that_are_not_numbers_are_refused(images, tmp_path):
    class Broken(Counting):
        def embed(self, images, framing=None):
            found = super().embed(images)
            found[3] = torch.nan
            return found

    with pytest.raises(NbnetError, match="answers picture 3 with NaN"):
        extract_templates(Broken(), images, tmp_path / "t.npy", progress=False)


@pytest.mark.parametrize("stop_at", [None, 70])
def test_one_exchanged_picture_is_noticed(images, tmp_path, stop_at):
    """As where another division of the people begins and ends with the same pictures."""
    path = tmp_path / "t.npy"
    if stop_at is None:
        extract_templates(Counting(), images, path, progress=False)
    else:
        with pytest.raises(KeyboardInterrupt):
            extract_templates(Counting(stop_at=stop_at), images, path, progress=False)
    other = images.copy()
    other[40] = 0
    with pytest.raises(NbnetError, match="with pictures"):
        extract_templates(Counting(), other, path, progress=False)
    extract_templates(Counting(), images, path, progress=False)


def test_another_alignment_or_framing_is_refused(images, tmp_path):
    path, encoder = tmp_path / "t.npy", Counting()
    encoder.alignment = "detect"
    extract_templates(encoder, images, path, FRAMINGS["dlib"], progress=False)
    extract_templates(encoder, images, path, FRAMINGS["dlib"], progress=False)
    with pytest.raises(NbnetError, match="framing dlib, not arcface"):
        extract_templates(encoder, images, path, FRAMINGS["arcface"], progress=False)
    encoder.alignment = "framing"
    with pytest.raises(NbnetError, match="alignment detect, not framing"):
        extract_templates(encoder, images, path, FRAMINGS["dlib"], progress=False)
