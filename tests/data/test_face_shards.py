"""WebDataset shards: what is in them, the same bytes always, kept when whole, rebuilt when not."""

import io
import json
import tarfile

import numpy as np
import pytest
import webdataset
from PIL import Image

from nbnet_lib import files
from nbnet_lib.data.shards import write_shards
from nbnet_lib.faces import make_sample, render
from synthfaces import Recipe

PEOPLE = range(10_000, 10_005)


def shards(folder, people=PEOPLE, **options):
    options = (
        dict(samples=2, size=32, per_shard=5, workers=1, progress=False) | options
    )  # 2 people a shard
    recipe = Recipe(options.pop("samples"), options.pop("size"))
    return write_shards(people, recipe, folder, **options)


@pytest.fixture
def count(monkeypatch):
    """Draw flat pictures, at once, and list whom."""
    drawn: list[int] = []

    def draw(recipe, identity):
        drawn.append(identity)
        return np.full(recipe.shape, identity % 251, np.uint8)

    monkeypatch.setattr(Recipe, "draw", draw)
    return drawn


def names(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock")


def test_webdataset_reads_them(tmp_path):
    index = shards(tmp_path)
    assert [s["file"] for s in index["shards"]] == [f"faces-{n:06d}.tar" for n in range(3)]
    assert [s["identities"] for s in index["shards"]] == [
        [2, 10_000, 10_001],
        [2, 10_002, 10_003],
        [1, 10_004, 10_004],  # nobody is split
    ]
    urls = [str(tmp_path / s["file"]) for s in index["shards"]]
    read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [item["__key__"] for item in read[:3]] == ["0010000-000", "0010000-001", "0010001-000"]
    assert len(read) == 10
    truth = read[3]["json"]
    assert (truth["identity"], truth["sample"], truth["size"]) == (10_001, 1, 32)
    assert np.array_equal(read[3]["png"], render(10_001, 1, 32))
    assert truth["yaw_deg"] == pytest.approx(make_sample(10_001, 1).yaw, rel=1e-5)
    assert {"gender", "age_years", "hair_style", "scene", "difficulty"} <= truth.keys()


def test_the_bytes_depend_on_the_pictures_only(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    first, second = shards(one, workers=1), shards(other, workers=3)
    assert first == second
    for entry in first["shards"]:
        assert (one / entry["file"]).read_bytes() == (other / entry["file"]).read_bytes()
        assert files.sha256_file(one / entry["file"]) == entry["sha256"]
        with tarfile.open(one / entry["file"]) as tar:
            assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(0, 0, 0, "")}
    assert json.loads((one / "shards.json").read_text()) == first


@pytest.mark.parametrize("form", ["jpg", "npy"])
def test_other_formats(tmp_path, form):
    shards(tmp_path, [10_003], samples=[4], form=form)
    with tarfile.open(tmp_path / "faces-000000.tar") as tar:
        content = io.BytesIO(tar.extractfile(f"0010003-004.{form}").read())
    picture = np.load(content) if form == "npy" else np.asarray(Image.open(content))
    exact = render(10_003, 4, 32)
    assert picture.shape == exact.shape and picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - exact).mean() < (1e-9 if form == "npy" else 4)


def test_an_interrupted_run_goes_on(tmp_path, count, monkeypatch):
    good = Recipe.draw

    def stop(recipe, identity):
        if identity == 10_004:
            raise KeyboardInterrupt
        return good(recipe, identity)

    with monkeypatch.context() as patch:
        patch.setattr(Recipe, "draw", stop)
        with pytest.raises(KeyboardInterrupt):
            shards(tmp_path, workers=1)
    assert names(tmp_path) == ["faces-000000.tar", "faces-000001.tar", "shards.json"]
    (tmp_path / ".faces-000002.tar.x.part").write_bytes(b"half")  # as after kill -9
    count.clear()
    shards(tmp_path)
    assert count == [10_004]
    assert names(tmp_path) == [*(f"faces-{n:06d}.tar" for n in range(3)), "shards.json"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(samples=3, form="npy"), "other shards .samples, format"),
        (dict(people=range(10_000, 10_002)), "other shards .faces-000001.tar"),
        (dict(people=[7, 7]), "named twice"),
        (dict(people=[]), "at least one identity"),
        (dict(size=5000), "size is 5000"),
    ],
)
def test_bad_requests_are_refused(tmp_path, count, options, said):
    shards(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.glob("*.*")}
    with pytest.raises(ValueError, match=said):
        shards(tmp_path, **options)
    assert {p: p.read_bytes() for p in tmp_path.glob("*.*")} == before
