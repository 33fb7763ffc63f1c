"""Sources of training pictures: how they are written, mixed, framed, kept, and what cards say."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.attack import sources
from nbnet_lib.attack.data import Pairs, Pictures
from nbnet_lib.attack.gan import sample_faces
from nbnet_lib.attack.sources import (
    Generated,
    OwnPictures,
    People,
    choose_sources,
    common_framing,
    parse_source,
    read_sources,
)
from nbnet_lib.attack.templates import extract_templates
from nbnet_lib.data.people import people_digest
from nbnet_lib.decoders import create_decoder, load_decoder, save_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import RENDERER_VERSION, render_set, to_tensor, to_uint8
from nbnet_lib.faces.framing import FRAMINGS, reframe

DRAWN = "synthfaces:10000-10003x2"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("NBNET_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def faces():
    return render_set(range(10_000, 10_004), 2, 64, progress=False)


def make_generator(path, framing="synthfaces", seed=0, **card):
    torch.manual_seed(seed)
    generator = create_decoder("dcgan-generator", 16, 64, base_channels=32)
    generator.head.weight.data *= 1e4  # fresh weights draw grey
    generator.framing = None if framing is None else FRAMINGS[framing]
    card = {"data": "SynthFaces, some", "licence": "MIT; trained on synthetic faces only", **card}
    return save_decoder(generator, path / "faces.safetensors", card)


def make_folder(path, faces, framing="synthfaces", names="Person_{}"):
    for image, who, shot in zip(faces.images, faces.identities, faces.samples, strict=True):
        folder = path / names.format(who)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{shot}.png")
    if framing:
        alignment = json.dumps({"framing": framing, "size": 64})
        (path / "alignment.json").write_text(alignment, encoding="utf-8")
    return path


def read(*words, size=64):
    return read_sources([parse_source(word) for word in words], size, progress=False)


def test_words(tmp_path, faces):
    assert parse_source(DRAWN) == People((10_000, 10_001, 10_002, 10_003), 2)
    assert parse_source("synthfaces:20000-20001,30000") == People((20_000, 20_001, 30_000), 8)
    (tmp_path / "of:colons").mkdir()
    path = make_generator(tmp_path / "of:colons")
    assert parse_source(f"generator:{path}:20") == Generated(path, 20, 0)
    assert parse_source(f"generator:{path}:20:7") == Generated(path, 20, 7)
    assert isinstance(parse_source(make_folder(tmp_path / "mine", faces)), OwnPictures)


@pytest.mark.parametrize(
    ("word", "key_word"),
    [
        ("synthfaces:20000x", "synthfaces:20000-23999x5"),
        ("synthfaces:20005-20000", "20005-20000"),
        ("synthfaces:20000,20000", "twice"),
        ("synthfaces:20000x0", "0 pictures"),
        ("synthfaces:9999-10005", "identity 9999"),
        ("generator:x.pt:20", "generator:FILE"),
        ("generator:x.safetensors:20:1:2", "generator:FILE"),
        ("generator:none.safetensors:20", "none.safetensors"),
        ("synthface:20000", "there is no synthface:20000"),
    ],
)
def test_wrong_words(word, key_word):
    with pytest.raises(NbnetError, match=key_word):
        parse_source(word)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), People(tuple(range(20_000, 23_000)), 8)),
        ((None, range(10_005, 10_007), 3), People((10_005, 10_006), 3)),
        (
            (None, None, None, {"identities": "20000-20001", "samples": 5}),
            People((20_000, 20_001), 5),
        ),
        ((None, None, 1, {"identities": "20000", "samples": 5}), People((20_000,), 1)),
        (([DRAWN], None, None), People((10_000, 10_001, 10_002, 10_003), 2)),
    ],
)
def test_whose_pictures_are_drawn(given, expected):
    assert choose_sources(*given) == (expected,)


def test_weights_that_draw_no_faces(tmp_path):
    path = make_generator(tmp_path)
    with pytest.raises(NbnetError, match="0 faces of"):
        Generated(path, 0)
    decoder = create_decoder("dcnn", 16, 64, base_channels=16)
    other = save_decoder(decoder, tmp_path / "decoder.safetensors")
    with pytest.raises(NbnetError, match="dcnn"):
        Generated(other, 5)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(NbnetError, match="does not match the sha256"):
        read(f"generator:{path}:5")


def test_drawn_people(faces, monkeypatch):
    found = read(DRAWN)
    assert np.array_equal(found.images, faces.images)
    assert np.array_equal(found.identities, faces.identities)
    assert found.framing == FRAMINGS["synthfaces"]
    assert found.card == {
        "data": "SynthFaces identities 10000-10003 (4) x 2, 64 px",
        "renderer_version": RENDERER_VERSION,
        "licence": "MIT; trained on synthetic faces only",
    }
    monkeypatch.setattr(sources, "IN_MEMORY", 0)
    mapped = read(DRAWN)
    assert isinstance(mapped.images, np.memmap) and np.array_equal(mapped.images, faces.images)
    assert np.array_equal(mapped.identities, faces.identities)


def test_a_generator_draws_once(tmp_path, monkeypatch, cache):
    path = make_generator(tmp_path)
    found = read(f"generator:{path}:70:3")
    assert np.array_equal(found.images, sample_faces(load_decoder(path), 70, 3))
    assert len({image.tobytes() for image in found.images}) == 70
    assert found.identities is None and found.framing == FRAMINGS["synthfaces"]
    assert "70 faces of the generator faces.safetensors (seed 3; trained on" in found.card["data"]
    assert found.card["generator"]["data"] == "SynthFaces, some"
    assert len(found.card["generator"]["sha256"]) == 64
    # The second time it is read, not drawn; and another seed is another set.
    monkeypatch.setattr(
        "nbnet_lib.attack.gan_faces.draw_faces", lambda *a, **b: pytest.fail("drawn again")
    )
    assert np.array_equal(read(f"generator:{path}:70:3").images, found.images)
    monkeypatch.undo()
    monkeypatch.setenv("NBNET_CACHE", str(cache))
    assert not np.array_equal(read(f"generator:{path}:70").images, found.images)
    smaller = read(f"generator:{path}:70:3", size=40)
    assert smaller.images.shape == (70, 40, 40, 3)


def test_a_mixture_is_its_sources_one_behind_the_other(tmp_path, faces):
    path = make_generator(tmp_path)
    folder = make_folder(tmp_path / "mine", faces, names="Mr {}")
    found = read(DRAWN, f"generator:{path}:5", folder)
    drawn = sample_faces(load_decoder(path), 5)
    whole = np.concatenate([faces.images, drawn, faces.images])
    assert isinstance(found.images, Pictures) and found.images.shape == whole.shape
    for rows in (slice(None), slice(6, 15), np.array([20, 0, 9, 12, 8]), np.array([], int), 13):
        assert np.array_equal(found.images[rows], whole[rows])
    assert np.array_equal(np.asarray(found.images), whole)
    assert found.identities is None  # not all are numbers; those that are were checked
    assert found.card["data"] == (
        "SynthFaces identities 10000-10003 (4) x 2 + 5 faces of the generator faces.safetensors "
        "(seed 0; trained on SynthFaces, some) + mine: 8 pictures of 4 people, 64 px"
    )
    assert [source["pictures"] for source in found.card["sources"]] == [8, 5, 8]
    names = [f"Mr {who}" for who in range(10_000, 10_004)]
    assert found.card["people"] == {"folder": "mine", "digests": people_digest(names)}
    assert "may forbid" in found.card["licence"]
    assert found.card["renderer_version"] == RENDERER_VERSION
    text = json.dumps(found.card)
    assert str(tmp_path) not in text and not re.search(r'"/', text)  # no path of this machine


def test_two_ranges_are_all_numbers(faces):
    found = read("synthfaces:10000-10001x2", "synthfaces:10002-10003x2")
    assert np.array_equal(np.asarray(found.images), faces.images)
    assert np.array_equal(found.identities, faces.identities)
    with pytest.raises(NbnetError, match="identity 10001"):
        read("synthfaces:10000-10001x2", "synthfaces:10001-10003x1")


def test_what_the_training_needs_of_a_mixture(tmp_path, faces):
    """Pairs and the cache of templates take `Pictures` as they take an array."""
    path = make_generator(tmp_path)
    mixed, other = (read(DRAWN, f"generator:{path}:5:{seed}") for seed in (0, 1))
    encoder, file = create_encoder("synth"), tmp_path / "templates.npy"
    templates = extract_templates(encoder, mixed.images, file, mixed.framing, progress=False)
    expected = encoder.embed(np.asarray(mixed.images)).numpy()
    np.testing.assert_allclose(templates, expected, atol=1e-5)
    images, rows = Pairs(mixed.images, templates, mixed.identities).batch(np.array([12, 1]))
    assert torch.equal(images[1], to_tensor(faces.images)[1])
    np.testing.assert_allclose(rows, expected[[12, 1]], atol=1e-5)
    with pytest.raises(NbnetError, match="with pictures"):
        extract_templates(encoder, other.images, file, other.framing, progress=False)


def test_framings_are_brought_to_the_tightest(tmp_path, faces):
    folder = make_folder(tmp_path / "mine", faces, framing="dlib")
    for words in ([DRAWN, folder], [folder, DRAWN]):
        found = read(*words)
        assert found.framing == FRAMINGS["dlib"]
        drawn = words.index(DRAWN)
        part = np.asarray(found.images)[8 * drawn : 8 * drawn + 8]
        larger = render_set(range(10_000, 10_004), 2, 91, progress=False).images  # 64 / 0.71
        expected = reframe(to_tensor(larger), FRAMINGS["synthfaces"], FRAMINGS["dlib"], 64)
        assert np.abs(part.astype(int) - to_uint8(expected)).max() <= 1
        # And not what a reframing of pictures of the final size gives, which is blurred.
        blurred = reframe(to_tensor(faces.images), FRAMINGS["synthfaces"], FRAMINGS["dlib"], 64)
        assert np.abs(part.astype(int) - to_uint8(blurred)).mean() > 1
        assert "x 2, cut as dlib has faces" in found.card["data"]
        assert np.array_equal(np.asarray(found.images)[8 - 8 * drawn :][:8], faces.images)


def test_other_people_are_cut_anew(tmp_path, faces):
    """Two lists of as many people that begin and end alike are not one set in the cache."""
    folder = make_folder(tmp_path / "mine", faces, framing="dlib")
    one, other = (
        np.asarray(read(f"synthfaces:10000,{who},10003x1", folder).images) for who in (10001, 10002)
    )
    assert np.array_equal(one[0], other[0]) and not np.array_equal(one[1], other[1])


def test_framings_that_do_not_go_together(tmp_path, faces):
    folder = make_folder(tmp_path / "raw", faces, framing=None)
    with pytest.raises(NbnetError, match="raw: 8 pictures"):
        read(DRAWN, folder)
    assert read(folder).framing is None  # alone it may be used
    left = {"name": "left", "points": [[x - 0.2, y] for x, y in FRAMINGS["dlib"].points]}
    right = {"name": "right", "points": [[x + 0.2, y] for x, y in FRAMINGS["dlib"].points]}
    one, two = (make_folder(tmp_path / each["name"], faces, framing=each) for each in (left, right))
    with pytest.raises(NbnetError, match="left, right"):
        read(one, two)
    names = [FRAMINGS[name] for name in ("synthfaces", "facenet", "arcface")]
    assert common_framing(names, "abc") == FRAMINGS["facenet"]


def test_a_generators_framing_and_people_are_those_of_its_data(tmp_path):
    people = {"folder": "theirs", "digests": people_digest(["Eve", "Mallory"])}
    path = make_generator(tmp_path, framing="dlib", people=people, licence="yours to find out")
    found = read(f"generator:{path}:3")
    assert found.framing == FRAMINGS["dlib"]
    assert found.card["people"] == people and found.card["licence"] == "yours to find out"


def test_people_of_several_folders(tmp_path, faces):
    one = make_folder(tmp_path / "one", faces, names="A {}")
    two = make_folder(tmp_path / "two", faces, names="B {}")
    people = read(one, two).card["people"]
    names = [f"{letter} {who}" for letter in "AB" for who in range(10_000, 10_004)]
    assert people == {
        "folder": "one",
        "folders": ["one", "two"],
        "digests": people_digest(names),
    }
