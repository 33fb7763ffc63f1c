"""Recorded templates: the right ones, of the right recogniser and pictures only, and no others."""

import numpy as np
import pytest
import torch

from nbnet_lib.attack.run import run_training, training_options
from nbnet_lib.encoders import create_encoder, recorded
from nbnet_lib.encoders.base import CountedTemplates
from nbnet_lib.encoders.recorded import look_up
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.embedding import embed_originals
from nbnet_lib.evaluate.protocols import synthfaces
from nbnet_lib.faces import RENDERER_VERSION, render_set
from nbnet_lib.faces.framing import FRAMINGS
from nbnet_lib.weights import load_weights, save_weights

SHIPPED = recorded.FOLDER / "dlib.safetensors"
SIZE, DIM = 64, 16


class Slow:
    """A recogniser by brightness that counts what it is asked."""

    name, sha256, alignment, image_size, template_dim = "slow", "ab" * 32, "detect", SIZE, DIM
    framing = FRAMINGS["synthfaces"]

    def __init__(self, **changes):
        self.asked = 0
        vars(self).update(changes)

    def embed(self, images, framing=None):
        return self.embed_counted(images, framing=framing).templates

    def embed_counted(self, images, framing=None):
        self.asked += len(images)
        pixels = torch.as_tensor(np.asarray(images)).float().reshape(len(images), -1)
        templates = torch.stack([part.mean(1) for part in pixels.chunk(DIM, 1)], 1)
        unit = torch.nn.functional.normalize(templates)
        return CountedTemplates(unit, len(images), len(images))


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """What `Slow` answered to pictures 0 and 1 of eight people; one face was not found."""
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    recorded._read.cache_clear()
    faces = render_set([0, 1, *range(20_000, 20_006)], 2, SIZE, progress=False)
    state = {
        "templates": Slow().embed(faces.images),
        "found": torch.tensor([1] * 5 + [0] + [1] * 10, dtype=torch.uint8),
        "identities": torch.from_numpy(faces.identities.astype(np.int32)),
        "samples": torch.from_numpy(faces.samples.astype(np.int16)),
    }
    made_from = {"sha256": Slow.sha256, "alignment": "detect", "image_size": SIZE}
    made_from["renderer_version"] = RENDERER_VERSION
    save_weights(tmp_path / "slow.safetensors", state, {"made_from": made_from})
    yield state["templates"].numpy()
    recorded._read.cache_clear()


def test_rows_are_found_by_person_and_picture(answers):
    found = look_up(Slow(), np.array([20_001, 7, 0, 20_000, 0]), np.array([1, 0, 2, 1, 0]), SIZE)
    assert found.known.tolist() == [True, False, False, True, True]
    assert found.found.tolist() == [True, False, False, False, True]
    np.testing.assert_allclose(found.templates[found.known], answers[[7, 5, 0]], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.templates[found.known], axis=1), 1, atol=1e-6)
    assert "3 of 5" in found.note


@pytest.mark.parametrize(
    "changes", [{"sha256": "cd" * 32}, {"sha256": None}, {"alignment": "framing"}]
)
def test_another_recogniser_of_the_same_name_is_asked(answers, changes):
    found = look_up(Slow(**changes), np.array([0]), np.array([0]), SIZE)
    assert not found.known.any() and "not used" in found.note


def test_another_renderer_or_size_is_asked(answers, monkeypatch):
    assert "image_size" in look_up(Slow(), np.array([0]), np.array([0]), SIZE + 1).note
    monkeypatch.setattr(recorded, "RENDERER_VERSION", RENDERER_VERSION + 1)
    found = look_up(Slow(), np.array([0]), np.array([0]), SIZE)
    assert not found.known.any() and "renderer_version" in found.note


def test_without_a_record_nothing_is_said(answers):
    found = look_up(Slow(name="other"), np.array([0]), np.array([0]), SIZE)
    assert not found.known.any() and not found.note
    assert not look_up(Slow(), np.array([5, 20_000]), np.array([0, -1]), SIZE).note


def test_a_damaged_record_is_refused(answers, tmp_path):
    file = tmp_path / "slow.safetensors"
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))
    with pytest.raises(NbnetError, match="sha256"):
        look_up(Slow(), np.array([0]), np.array([0]), SIZE)


@pytest.mark.parametrize(("people", "samples", "asked"), [(2, 2, 0), (3, 2, 2), (2, 3, 2)])
def test_an_evaluation_asks_for_what_is_missing(answers, people, samples, asked):
    pictures, slow, live = synthfaces(range(people), samples).pictures, Slow(), Slow(name="live")
    embedded = embed_originals({"a": slow, "b": Slow(image_size=SIZE + 1)}, pictures)["a"]
    expected = embed_originals({"": live}, pictures)[""]
    np.testing.assert_allclose(embedded.templates, expected.templates, atol=1e-3)
    assert (slow.asked, live.asked) == (asked, people * samples)
    assert embedded.n_attempted == embedded.n_detected == people * samples
    assert any("recorded" in note for note in embedded.notes("originals"))


def test_judges_of_one_size_share_what_is_drawn(answers):
    pictures, slow, other = synthfaces(range(2), 2).pictures, Slow(), Slow(name="other")
    embedded = embed_originals({"a": slow, "b": other}, pictures)
    assert slow.asked == other.asked == len(pictures)
    assert not embedded["a"].notes("originals")


@pytest.mark.parametrize(
    ("people", "asked"), [(range(20_000, 20_006), 0), ((20_007, *range(20_000, 20_006)), 2)]
)
@pytest.mark.parametrize("size", [40, SIZE])
def test_a_training_asks_for_what_is_missing(answers, tmp_path, capsys, people, asked, size):
    templates = {}
    for slow in (Slow(), Slow(name="live")):
        options = training_options(
            tmp_path / slow.name,
            identities=people,
            samples=2,
            decoder="linear",
            image_size=size,
            holdout=0,
        )
        card = run_training(slow, options).card
        templates[slow.name] = np.load(tmp_path / slow.name / "templates.npy")
        said = capsys.readouterr().err
        if slow.name == "slow":
            assert slow.asked == asked and "recorded" in said
            assert card["faces_not_found"] == 1
    np.testing.assert_allclose(templates["slow"], templates["live"], atol=1e-3)


@pytest.fixture(scope="module")
def shipped():
    return load_weights(SHIPPED)


def test_the_shipped_record_is_as_its_card_says(shipped):
    state, card = shipped
    count = card["pictures"]
    assert {name: list(t.shape) for name, t in state.items()} == {
        "templates": [count, 128],
        "found": [count],
        "identities": [count],
        "samples": [count],
    }
    assert SHIPPED.stat().st_size < 6_000_000
    assert card["faces_not_found"] == count - int(state["found"].sum())
    assert card["made_from"]["renderer_version"] == RENDERER_VERSION
    torch.testing.assert_close(state["templates"].norm(dim=1), torch.ones(count), atol=1e-3, rtol=0)


def test_the_shipped_record_is_of_the_right_people(shipped):
    """The default benchmark, whole, and the attacker's people; nobody else."""
    state, _ = shipped
    who, samples = state["identities"].numpy(), state["samples"].numpy()
    benchmark = who < 10_000
    pairs = list(zip(who.tolist(), samples.tolist(), strict=True))
    assert pairs == sorted(set(pairs))  # each once, in the order that they are looked up in
    assert set(pairs[: benchmark.sum()]) == {(i, s) for i in range(300) for s in range(6)}
    assert (who[~benchmark] >= 20_000).all() and (who < 100_000).all()


def test_the_shipped_record_is_what_dlib_answers(shipped):
    pytest.importorskip("dlib", reason='pip install -e ".[dlib]"')
    encoder = create_encoder("dlib", workers=1)
    state, card = shipped
    who = state["identities"].numpy()
    for people in ([0, 299], [who[who >= 20_000].min(), who.max()]):
        faces = render_set(people, 2, encoder.image_size, progress=False)
        found = look_up(encoder, faces.identities, faces.samples, encoder.image_size)
        assert found.known.all()
        live = encoder.embed(faces.images, framing=FRAMINGS["synthfaces"]).numpy()
        assert ((live * found.templates).sum(1) > 0.9999).all()
    assert card["made_from"]["sha256"] == encoder.sha256
