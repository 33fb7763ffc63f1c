"""Shards of any set: what WebDataset and this library read of them, kept when whole."""

import io
import json
import tarfile

import numpy as np
import pytest
import webdataset
from filelock import FileLock
from PIL import Image

from nbnet_lib import files
from nbnet_lib.data.divide import divide
from nbnet_lib.data.listing import from_shards, from_synthfaces, manifest_of, open_source
from nbnet_lib.data.reading import Reader
from nbnet_lib.data.shards import shard_manifest, write_shards
from nbnet_lib.errors import NbnetError
from synthfaces import Recipe


def shard(source, folder, **options):
    manifest = open_source(source)
    return shard_manifest(manifest, folder, **(dict(per_shard=4, progress=False) | options))


def test_webdataset_reads_them(people, tmp_path):
    index = shard(people, tmp_path / "out")
    counts = [(s["file"], s["images"], s["identities"]) for s in index["shards"]]
    assert counts == [  # 1 + 2, 3, 4 and 5 pictures: nobody is split
        ("pictures-000000.tar", 3, 2),
        ("pictures-000001.tar", 3, 1),
        ("pictures-000002.tar", 4, 1),
        ("pictures-000003.tar", 5, 1),
    ]
    urls = [str(tmp_path / "out" / s["file"]) for s in index["shards"]]
    items = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [item["__key__"] for item in items[:2]] == ["00000000", "00000001"]
    assert len(items) == 15
    assert items[14]["json"] == {"identity": "Zoë", "split": "", "image": "Zoë/5.png"}
    exact = np.asarray(Image.open(people / "Zoë" / "5.png"))
    np.testing.assert_array_equal(items[14]["png"], exact)


def test_they_come_back_as_the_set_that_they_were(people, tmp_path):
    divided = divide(open_source(people), 0.4, progress=False)
    index = shard_manifest(divided, tmp_path / "out", per_shard=4, progress=False)
    assert {s["file"].split("-")[0] for s in index["shards"]} == {"train", "evaluation"}
    back = from_shards(tmp_path / "out")
    assert back.counts() == divided.counts() and back.source == "set"
    side = dict(zip(divided.identities, divided.splits, strict=True))
    assert dict(zip(back.identities, back.splits, strict=True)) == side
    for row, image in enumerate(back.images):
        assert image.startswith(back.splits[row] + "-")
    original, reader = Reader(divided), Reader(back)
    contents = {original.content(row) for row in range(15)}  # byte for byte
    assert {reader.content(row) for row in range(15)} == contents


@pytest.mark.parametrize("form", ["jpg", "npy"])
def test_other_sizes_and_formats(people, tmp_path, form):
    index = shard(people, tmp_path / "out", form=form, size=16)
    assert (index["size"], index["format"]) == (16, form)
    back = open_source(tmp_path / "out")
    assert back.size == 16 and back.images[0] == f"pictures-000000.tar/00000000.{form}"
    exact = Reader(open_source(people)).read(4, 16)
    found = Reader(back).read(4)
    assert found.shape == (16, 16, 3) and found.dtype == np.uint8
    difference = np.abs(found.astype(int) - exact).mean()
    assert difference < 8 if form == "jpg" else difference == 0


def test_endings_are_kept(tmp_path, people):
    import bz2

    image = Image.open(people / "Ann" / "1.png")
    for name, packed in (("A/x.PPM", False), ("B/y.ppm.bz2", True)):
        path = tmp_path / "mixed" / name
        path.parent.mkdir(parents=True)
        content = io.BytesIO()
        image.save(content, "PPM")
        path.write_bytes(bz2.compress(content.getvalue()) if packed else content.getvalue())
    shard(tmp_path / "mixed", tmp_path / "out")
    back = open_source(tmp_path / "out")
    names = [name.partition("/")[2] for name in back.images]
    assert names == ["00000000.ppm", "00000001.ppm.bz2"]
    for row in (0, 1):
        np.testing.assert_array_equal(Reader(back).read(row), np.asarray(image))


def test_whole_shards_are_kept_and_others_written_again(people, tmp_path, put):
    out = tmp_path / "out"
    index = shard(people, out)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.tar")}
    assert shard(people, out) == index
    assert {p.name: p.stat().st_mtime_ns for p in out.glob("*.tar")} == before
    path = out / "pictures-000001.tar"
    path.write_bytes(path.read_bytes()[:-600])
    put(people / "Zoë" / "5.png", 4321)  # a picture that changed
    new = shard(people, out)
    after = {p.name: p.stat().st_mtime_ns for p in out.glob("*.tar")}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"pictures-000001.tar", "pictures-000003.tar"}
    assert new["shards"][1] == index["shards"][1] and new["shards"][3] != index["shards"][3]
    (out / "shards.json").write_text("{")  # damaged: all are written again, as they were
    assert shard(people, out) == new


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(size=16), r"holds other shards \(size, format\)"),
        (dict(per_shard=5), "other shards .per_shard"),
        (dict(form="gif"), "format 'gif'"),
        (dict(per_shard=0), "per_shard 0"),
        (dict(size=0), "size is 0"),
    ],
)
def test_bad_requests_are_refused(people, tmp_path, options, said):
    shard(people, tmp_path / "out")
    with pytest.raises(NbnetError, match=said):
        shard(people, tmp_path / "out", **options)
    few = open_source(people).select([0, 1, 2])
    with pytest.raises(NbnetError, match="holds other shards .*pictures-000001.tar"):
        shard_manifest(few, tmp_path / "out", per_shard=4, progress=False)


def test_drawn_pictures_need_a_size(tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "cache"))
    drawn = from_synthfaces([10_000, 9], 1)
    with pytest.raises(NbnetError, match="name one"):
        shard_manifest(drawn, tmp_path / "out", progress=False)
    shard_manifest(drawn, tmp_path / "out", size=32, progress=False)
    back = open_source(tmp_path / "out")
    assert back.numbered and back.splits == ("evaluation", "train")
    assert back.framing.name == "synthfaces"


def test_a_folder_has_one_writer_and_enough_room(people, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"):
        with pytest.raises(NbnetError, match="another process is writing"):
            shard(people, tmp_path / "out")
    usage = files.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(NbnetError, match="cannot write .* MB"):
        shard(people, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tar"))


def test_a_broken_picture_stops_the_work_and_is_named(people, tmp_path):
    (people / "Cem" / "2.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(NbnetError, match=r"Cem/2\.png cannot be read"):
        shard(people, tmp_path / "out", form="png", size=16)
    # The shard of Ann and Ben was whole before; Cem's and the two after it are missing.
    assert [path.name for path in (tmp_path / "out").glob("*.tar")] == ["pictures-000000.tar"]
    with pytest.raises(NbnetError, match="3 were not written yet"):
        open_source(tmp_path / "out")
    (people / "Cem" / "2.png").write_bytes((people / "Cem" / "1.png").read_bytes())
    shard(people, tmp_path / "out", form="png", size=16)
    assert len(open_source(tmp_path / "out")) == 15
    (people / "Cem" / "2.png").write_bytes(b"\x89PNG broken")
    # Bytes that are only passed on are not looked at: `nbnet data manifest` does that.
    shard(people, tmp_path / "kept")


def tar(path, *members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


@pytest.fixture
def png(people):
    return (people / "Ann" / "1.png").read_bytes()


def test_shards_of_others(tmp_path, png):
    tar(
        tmp_path / "a.tar",
        ("x/1.png", png),
        ("x/1.cls", b"17\n"),
        ("x/2.PNG", png),
        ("x/2.json", b'{"identity": 3}'),
        ("x/3.png", png),
        ("x/4.txt", b"no picture"),
    )
    manifest = open_source(tmp_path)
    assert manifest.identities == ("17", "3", "")
    assert manifest.images[1] == "a.tar/x/2.PNG"
    assert manifest.notes == ("keys without a picture, passed over: 1",)
    assert manifest.counts()["without_identity"] == 1
    assert manifest.framing is None and not manifest.numbered


def test_shards_of_synthfaces_say_so(tmp_path):
    write_shards([10_000, 7], Recipe(1, 32), tmp_path, workers=1, progress=False)
    manifest = open_source(tmp_path)
    assert manifest.numbers.tolist() == [10_000, 7]
    assert manifest.framing.name == "synthfaces" and manifest.size == 32


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("1.txt", b"x")], "hold no pictures"),
        ([("1.png", "png"), ("1.jpg", "png")], "1.png and 1.jpg have one key"),
        ([("1.png", "png"), ("1.json", b"[1]")], "1.png is not a JSON object"),
        ([("1.png", "png"), ("1.cls", b"\xff\xfe")], "1.png is not .* class number"),
        ([("1.png", "png"), ("1.png", "png")], "holds 1.png twice"),
    ],
)
def test_bad_shards_are_refused(tmp_path, png, members, said):
    tar(tmp_path / "a.tar", *((n, png if c == "png" else c) for n, c in members))
    with pytest.raises(NbnetError, match=said) as caught:
        open_source(tmp_path)
    assert "a.tar" in str(caught.value) or "hold no" in said


def test_damaged_shards_are_refused(people, tmp_path):
    shard(people, tmp_path / "out")
    path = tmp_path / "out" / "pictures-000003.tar"
    whole = path.read_bytes()
    for content in (b"", b"no tar", whole[:700], whole[:3000]):
        path.write_bytes(content)
        with pytest.raises(NbnetError, match=r"pictures-000003\.tar"):
            open_source(tmp_path / "out")
    path.unlink()
    with pytest.raises(NbnetError, match=r"000003\.tar is in one of them only"):
        open_source(tmp_path / "out")
    path.write_bytes(whole)
    (tmp_path / "out" / "more.tar").write_bytes(whole)
    with pytest.raises(NbnetError, match=r"more\.tar is in one"):
        open_source(tmp_path / "out")
    (tmp_path / "out" / "shards.json").write_text(json.dumps([]))
    with pytest.raises(NbnetError, match=r"shards\.json .* damaged"):
        open_source(tmp_path / "out")


def test_a_shard_that_changed_since_it_was_listed(people, tmp_path, png):
    tar(tmp_path / "a.tar", ("1.png", png), ("2.png", png))
    manifest = open_source(tmp_path)
    tar(tmp_path / "a.tar", ("1.png", png))
    with pytest.raises(NbnetError, match=r"a\.tar has no member 2\.png"):
        Reader(manifest).content(1)
    (tmp_path / "a.tar").unlink()
    with pytest.raises(NbnetError, match=r"a\.tar"):
        Reader(manifest).content(0)


def test_arrays_of_numbers_are_checked(tmp_path):
    def npy(array):
        content = io.BytesIO()
        np.save(content, array, allow_pickle=True)
        return content.getvalue()

    for number, (content, said) in enumerate(
        [
            (npy(np.zeros((4, 4, 3))), r"holds float64 \[4, 4, 3\]"),
            (npy(np.zeros((4, 4), np.uint8)), r"holds uint8 \[4, 4\]"),
            (npy(np.array([{}], object)), "is not a .npy file"),  # a pickle: never opened
            (b"\x93NUMPY", "is not a .npy file"),
        ]
    ):
        tar(tmp_path / f"{number}.tar", ("1.npy", content))
        images = [f"{number}.tar/1.npy"]
        with pytest.raises(NbnetError, match=said):
            Reader(manifest_of(tmp_path, images, [""])).read(0)
