"""The data objects, SynthFaces, and pictures from files."""

import bz2
import json

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import (
    Pairs,
    Pictures,
    Protocol,
    Trial,
    open_protocol,
    synthfaces,
)
from nbnet_lib.evaluate.protocols.pictures import Drawn, Folder, read_square
from nbnet_lib.faces import render, render_set


def ints(*values):
    return np.array(values, np.int64)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path))
    return tmp_path


def test_synthfaces_is_the_default_benchmark():
    protocol = synthfaces()
    assert protocol.to_dict() == {
        "name": "synthfaces",
        "source": "SynthFaces, renderer 2: 300 identities (0 to 299), 6 pictures each",
        "spread": "bootstrap",
        "pictures": 1800,
        "identities": 300,
        "trials": [
            {
                "pictures": 1800,
                "identities": 300,
                "genuine": 300 * 15,
                "impostor": 1800 * 1799 // 2 - 300 * 15,
                "gallery": 200,
                "probes": {"enrolled": 200, "others": 1000, "strangers": 600},
                "non_mated": 600,
            }
        ],
    }
    json.dumps(protocol.to_dict())


def test_drawn_pictures_are_those_of_render_in_any_order(cache):
    protocol = synthfaces([17, 3, 42], samples=3)
    pictures = protocol.pictures
    assert pictures.people == ("17", "3", "42") and pictures.names[4] == "3-1"
    assert pictures.identities.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    got = pictures.read([8, 3, 8], 64)
    np.testing.assert_array_equal(got, [render(42, 2, 64), render(3, 0, 64), render(42, 2, 64)])
    whole = np.concatenate(list(pictures.batches(64, at_once=4)))
    np.testing.assert_array_equal(whole, render_set([17, 3, 42], 3, 64, progress=False).images)


def test_batches_draw_each_picture_once(cache, monkeypatch):
    from nbnet_lib import parallel
    from synthfaces import Recipe

    drawn = []

    def draw(recipe, identity):
        drawn.append(identity)
        return np.full(recipe.shape, identity, np.uint8)

    monkeypatch.setattr(Recipe, "draw", draw)
    monkeypatch.setattr(parallel, "FEW", 10**9)  # threads only: processes would not see this
    pictures = synthfaces(range(25), samples=2).pictures  # 20 to 24: a part of a block
    for _ in range(2):
        values = np.concatenate(list(pictures.batches(64, at_once=7)))[:, 0, 0, 0]
        assert values.tolist() == np.repeat(np.arange(25), 2).tolist()
    assert sorted(drawn) == list(range(25))


@pytest.mark.parametrize(
    ("identities", "samples", "message"),
    [
        ([0, 10_000], 2, "10000 is kept for"),
        ([0], 2, "1 identities with 2 samples each: .* at least 2 of both"),
        ([0, 1], 1, "at least 2 of both"),
        ([0, 0], 2, "named twice"),
        ([], 2, "at least one"),
    ],
)
def test_synthfaces_refuses(identities, samples, message):
    with pytest.raises(ValueError, match=message):
        synthfaces(identities, samples)


def test_opening_by_name():
    assert len(open_protocol("synthfaces", identities=range(4), samples=3).pictures) == 12
    for arguments, message in {
        ("lwf",): "no protocol is called 'lwf': give one of synthfaces, lfw, lfw-blufr, feret",
        ("synthfaces", "."): "draws its own pictures",
        ("lfw",): "lfw needs its pictures",
        ("lfw", "nowhere"): "nowhere is not a folder: give the folder of the LFW pictures",
        ("feret", "nowhere"): "nowhere is not a folder: give the folder of the FERET pictures",
        ("lfw-blufr", "nowhere"): "nowhere is not a folder",
        ("lfw", ".", range(3)): "lfw takes its people from its data",
        ("own.csv", None, None, 3): "own.csv takes its people from its data",
        ("synthfaces", None, None, 0): "0 samples each",
        ("nowhere.csv",): "nowhere.csv cannot be read",
    }.items():
        with pytest.raises(NbnetError, match=message):
            open_protocol(*arguments)


def test_pairs_refuse_what_is_no_comparison():
    same = np.array([True, False])
    with pytest.raises(NbnetError, match="pair 1 compares picture 4 with itself"):
        Pairs(ints(1, 4), ints(2, 4), same)
    with pytest.raises(NbnetError, match="pair 1 occurs twice"):
        Pairs(ints(1, 2), ints(2, 1), same)
    with pytest.raises(NbnetError, match="pairs of shapes"):
        Pairs(ints(1, 2), ints(2), same)
    with pytest.raises(NbnetError, match=r"same int64: give .* bool"):
        Pairs(ints(1, 2), ints(3, 4), ints(1, 0))


@pytest.fixture
def four():
    """Two pictures each of two people."""
    return Pictures(tuple("abcd"), ints(0, 0, 1, 1), ("x", "y"), Drawn(ints(0, 0, 1, 1), ints(0)))


def bool_of(*values):
    return np.array(values, bool)


@pytest.mark.parametrize(
    ("trials", "spread", "message"),
    [
        ([Trial(ints(0, 1, 2, 4))], "bootstrap", "at most once"),
        ([Trial(ints())], "bootstrap", "at most once"),
        ([Trial(ints(0, 2, 1))], "bootstrap", "rows are out of order"),
        ([Trial(ints(0, 1, 1, 2))], "bootstrap", "at most once"),
        (
            [Trial(ints(0, 1, 2), Pairs(ints(0, 0), ints(1, 3), bool_of(1, 0)))],
            "bootstrap",
            "pairs name pictures that are not in its rows",
        ),
        ([Trial(ints(0, 1))], "bootstrap", "1 genuine and 0 impostor"),
        ([Trial(ints(0, 1, 2))], "folds", "'folds' with 1 trials"),
        ([Trial(ints(0, 1, 2))], "guess", "'guess'"),
        ([Trial(ints(0, 1, 2))] * 2, "folds", "'x' is in mine, fold 2"),
        ([Trial(ints(0, 1, 2), gallery=ints(0))], "bootstrap", "gallery and probes go together"),
        ([Trial(ints(0, 1, 2), train=ints(3))], "bootstrap", "'y' is in the training"),
        (
            [Trial(ints(0, 1, 2), Pairs(ints(0, 0), ints(1, 2), bool_of(1, 1)))],
            "bootstrap",
            "pair 1 is marked same=True but shows 'x' and 'y'",
        ),
    ],
)
def test_protocols_refuse_what_cannot_be_measured(four, trials, spread, message):
    with pytest.raises(NbnetError, match=message):
        Protocol("mine", four, tuple(trials), spread, "by hand")


def test_pictures_need_an_identity_each():
    where = Drawn(ints(0, 1), ints(0, 0))
    for codes in (ints(0), ints(0, 1), ints(0, -1)):
        with pytest.raises(NbnetError, match="an index into the 1 people"):
            Pictures(("a", "b"), codes, ("x",), where)
    with pytest.raises(NbnetError, match="b is listed twice"):
        Pictures(("a", "b", "b"), ints(0, 1, 1), ("x", "y"), where)
    with pytest.raises(NbnetError, match="10000 is kept for"):
        Drawn(ints(10_000), ints(0))


def test_files_in_many_formats_are_read_as_rgb(faces, tmp_path):
    image = Image.fromarray(faces[0, 0])
    for ending in ("png", "ppm", "bmp", "tif"):
        image.save(tmp_path / f"a.{ending}")
        np.testing.assert_array_equal(read_square(tmp_path / f"a.{ending}", 64), faces[0, 0])
    packed = tmp_path / "b.ppm.bz2"
    packed.write_bytes(bz2.compress((tmp_path / "a.ppm").read_bytes()))
    np.testing.assert_array_equal(read_square(packed, 64), faces[0, 0])
    image.convert("L").save(tmp_path / "grey.png")
    grey = read_square(tmp_path / "grey.png", 32)
    assert grey.shape == (32, 32, 3) and (grey[..., 0] == grey[..., 2]).all()
    turned = Image.fromarray(np.rot90(faces[0, 0]).copy())  # lies on its side, EXIF says so
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_square(tmp_path / "turned.png", 64), faces[0, 0])
    rows = Folder(tmp_path, ("a.png", "b.ppm.bz2")).read(ints(), 16)
    assert rows.shape == (0, 16, 16, 3) and rows.dtype == np.uint8


def test_files_that_are_no_pictures_are_named(faces, tmp_path):
    with pytest.raises(NbnetError, match=r"a.png is missing: put the picture there"):
        read_square(tmp_path / "a.png", 64)
    Image.fromarray(faces[0, 0][:40]).save(tmp_path / "wide.png")
    with pytest.raises(NbnetError, match="wide.png is 64x40 pixels"):
        read_square(tmp_path / "wide.png", 64)
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(NbnetError, match=r"deep.png holds more than 8 bits a channel"):
        read_square(tmp_path / "deep.png", 8)
    (tmp_path / "text.png").write_bytes(b"no picture")
    with pytest.raises(NbnetError, match="text.png cannot be read as a picture"):
        read_square(tmp_path / "text.png", 64)
