"""Arrays of pictures: the same from every source, and resumed."""

import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.data import arrays
from nbnet_lib.data.arrays import picture_array
from nbnet_lib.data.listing import from_synthfaces, open_source
from nbnet_lib.data.manifest import save_manifest
from nbnet_lib.data.reading import Reader
from nbnet_lib.data.shards import shard_manifest, write_shards
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set
from nbnet_lib.faces.framing import FRAMINGS
from synthfaces import Recipe

NUMBERS = range(10_000, 10_003)


@pytest.fixture(scope="module")
def faces():
    """uint8 [3 people x 2, 32, 32, 3]."""
    return render_set(NUMBERS, 2, 32, workers=1, cache=False, progress=False).images


@pytest.fixture
def array(tmp_path):
    """Make an array in a cache of its own."""

    def make(source, size=32, **options):
        options = dict(cache=tmp_path / "arrays", workers=2, progress=False) | options
        return picture_array(source, size, **options)

    return make


@pytest.fixture
def reads(monkeypatch):
    """List the rows that are read."""
    rows: list[int] = []
    read = Reader.read
    monkeypatch.setattr(
        Reader, "read", lambda self, row, size=None: rows.append(row) or read(self, row, size)
    )
    return rows


def test_every_source_gives_the_same_pictures(faces, tmp_path, array, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "set"
    for row, image in enumerate(faces):
        path = root / f"P{row // 2}" / f"{row % 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    folder = open_source(root)
    shard_manifest(folder, tmp_path / "shards", per_shard=2, progress=False)
    write_shards(NUMBERS, Recipe(2, 32), tmp_path / "npy", "npy", workers=1, progress=False)
    drawn = from_synthfaces(NUMBERS, 2)
    for source in (
        root,
        save_manifest(folder, tmp_path / "m.parquet"),
        tmp_path / "shards",
        tmp_path / "npy",
        drawn,
    ):
        found = array(source)
        np.testing.assert_array_equal(found.images, faces, err_msg=str(source))
        assert found.images.dtype == np.uint8 and not found.images.flags.writeable
        assert (found.size, len(found)) == (32, 6)
    assert found.framing is FRAMINGS["synthfaces"]
    assert found.numbers.tolist() == np.repeat(NUMBERS, 2).tolist()
    assert array(tmp_path / "npy").numbers.tolist() == found.numbers.tolist()
    own = array(root)
    assert own.identities == ("P0", "P0", "P1", "P1", "P2", "P2") and own.names[1] == "P0/1.png"
    assert own.numbers is None and own.framing is None
    assert own.source == "set: 6 pictures of 3 people"
    assert len(own.people_digest()) == 3


def test_pictures_are_resized_as_the_evaluation_does(people, array):
    from nbnet_lib.evaluate.protocols.pictures import read_square

    found = array(people, 17)
    for image, name in zip(found.images, found.names, strict=True):
        np.testing.assert_array_equal(image, read_square(people / name, 17))


def test_one_side_of_a_set(faces, array, tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "cache"))
    found = array(from_synthfaces([9_999, 10_000], 2), split="train")
    assert found.numbers.tolist() == [10_000, 10_000]
    np.testing.assert_array_equal(found.images, faces[:2])
    assert found.source.endswith(": 2 pictures of 1 person, split train")


def test_a_second_call_reads_nothing(people, array, reads):
    first = array(people)
    assert sorted(reads) == list(range(15))
    reads.clear()
    np.testing.assert_array_equal(array(people).images, first.images)
    assert reads == []
    # People may be named anew without reading a picture.
    manifest = open_source(people)
    table = manifest.table.assign(identity="one")
    assert set(array(type(manifest)(table, people, "x")).identities) == {"one"}
    assert reads == []


def test_a_changed_picture_makes_another_array(people, array, put):
    before = array(people)
    time.sleep(0.01)
    new = put(people / "Ann" / "1.png", 1234)
    after = array(people, 24)
    np.testing.assert_array_equal(after.images[0], new)
    assert array(people).key != before.key


def test_an_interrupted_call_resumes(people, array, tmp_path, reads, monkeypatch):
    expected = array(people, cache=tmp_path / "other").images
    monkeypatch.setattr(arrays, "BLOCK", 4 * 32 * 32 * 3)  # note every four pictures
    read = Reader.read

    def stop(self, row, size=None):
        if row == 10:
            raise KeyboardInterrupt
        return read(self, row, size)

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "read", stop)
        with pytest.raises(KeyboardInterrupt):
            array(people, workers=1)
    reads.clear()
    np.testing.assert_array_equal(array(people).images, expected)
    assert sorted(reads) == list(range(8, 15))


@pytest.mark.parametrize(("size", "said"), [(0, "size is 0"), (2000, "size is 2000")])
def test_bad_sizes(people, array, size, said):
    with pytest.raises(NbnetError, match=said):
        array(people, size)


def test_pictures_that_cannot_go_into_an_array(people, array, put):
    put(people / "Ann" / "2.png", 5, size=(30, 20))
    with pytest.raises(NbnetError, match=r"2\.png is 30x20 pixels: cut the faces .*data align"):
        array(people)
    (people / "Ann" / "2.png").write_bytes(b"no")
    with pytest.raises(NbnetError, match=r"2\.png cannot be read as a picture"):
        array(people)
    manifest = open_source(people)
    (people / "Ann" / "2.png").unlink()
    with pytest.raises(NbnetError, match=r"2\.png cannot be read \(No such file"):
        array(manifest)


def test_drawn_pictures_of_another_renderer(array):
    manifest = from_synthfaces([1, 2], 1)
    old = type(manifest.drawn)(1)
    with pytest.raises(NbnetError, match="faces of renderer 1, this library draws"):
        array(replace(manifest, drawn=old))
