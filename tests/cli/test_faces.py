"""`nbnet faces`: pictures, sheets, tables, parameters, shards and speed."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nbnet_lib.faces import render, table
from synthfaces.parameters import parameters

MANY = ["--identities", "0,2", "--samples", "2", "--size", "48"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Faces are drawn into a fresh cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def pixels(path):
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def test_many_pictures_and_their_sheet(nbnet, tmp_path):
    out = tmp_path / "faces"
    report = json.loads(nbnet("faces", "render", *MANY, "--out", out, "--json"))
    assert report["files"] == [
        "000000-000.png",
        "000000-001.png",
        "000002-000.png",
        "000002-001.png",
    ]
    assert sorted(p.name for p in out.iterdir()) == report["files"]
    tile = pixels(out / "000002-001.png")
    assert np.array_equal(tile, render(2, 1, 48))
    nbnet("faces", "sheet", *MANY, "--out", tmp_path / "sheet.png")
    sheet = pixels(tmp_path / "sheet.png")
    assert sheet.shape == (4 + 2 * 52, 4 + 2 * 52, 3)
    assert np.array_equal(sheet[56:104, 56:104], tile)  # second row, second column


def test_one_picture_with_changes(nbnet, tmp_path):
    file = tmp_path / "new" / "face.png"
    arguments = ["--identity", "3", "--sample", "1", "--size", "48", "--out", file]
    arguments += ["--set", "yaw_deg=20", "--set", "hair_style=bob", "--difficulty", "0.5"]
    report = json.loads(nbnet("faces", "render", *arguments, "--json"))
    changes = {"yaw_deg": 20.0, "hair_style": "bob"}
    assert report["files"] == ["face.png"] and report["changes"] == changes
    assert np.array_equal(pixels(file), render(3, 1, 48, 0.5, changes))
    assert nbnet("faces", "render", "--identity", 3, "--size", 48, "--out", file)
    assert np.array_equal(pixels(file), render(3, 0, 48))


def test_truth_lies_beside_each_picture(nbnet, tmp_path):
    changed = ["--truth", "--set", "jaw_open=0.5", "--out", tmp_path]
    report = json.loads(nbnet("faces", "render", *MANY, *changed, "--json"))
    assert report["files"][:2] == ["000000-000.png", "000000-000.npz"]
    with np.load(tmp_path / "000002-001.npz") as truth:
        assert truth["mask_mouth"].shape == truth["depth"].shape == (48, 48)
        assert truth["normals"].shape == (48, 48, 3) and truth["landmarks"].shape == (5, 2)
    picture = pixels(tmp_path / "000002-001.png")
    assert np.array_equal(picture, render(2, 1, 48, changes={"jaw_open": 0.5}))


def test_the_table_as_text_csv_and_json(nbnet, tmp_path):
    rows = json.loads(nbnet("faces", "table", "--identities", "3-5", "--json"))
    assert [row["identity"] for row in rows] == [3, 4, 5]
    assert {"gender", "age_years", "shape/nose/nose-volume-incr"} <= rows[0].keys()
    (tmp_path / "t.csv").write_text(nbnet("faces", "table", "--identities", "0-2", "--csv"))
    frame = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert list(frame.columns) == list(table([0]).columns)
    assert frame["identity"].tolist() == [0, 1, 2]
    text = nbnet("faces", "table", "--identities", "3", "--samples", "2")
    assert "yaw_deg" in text and "shape/" not in text
    narrow = nbnet("faces", "table", "--columns", "yaw_deg, melanin", "--samples", "1",
                   "--landmarks", "64", "--difficulty", "2", "--csv")  # fmt: skip
    assert narrow.splitlines()[0].startswith("identity,melanin,sample,yaw_deg,right_eye_x,")


def test_parameters_are_listed_and_searched(nbnet):
    rows = json.loads(nbnet("faces", "parameters", "--json"))
    assert [row["name"] for row in rows] == list(parameters())
    text = nbnet("faces", "parameters")
    assert "yaw_deg" in text and "a number from -40 to 40 degrees" in text
    assert "52 named action/...: nbnet faces parameters action/" in text
    text = nbnet("faces", "parameters", "Nose")
    assert "shape/nose/nose-volume-incr" in text and "yaw_deg" not in text


ONE = ["render", "--identity", "3", "--out", "x.png"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([*ONE, "--size", "0"], "size is 0"),
        ([*ONE, "--set", "yaw=1"], "no parameter is named 'yaw'"),
        ([*ONE, "--set", "yaw_deg=99"], "yaw_deg is 99"),
        ([*ONE, "--difficulty", "9"], "difficulty is 9"),
        (["sheet", "--set", "melanin=2", "--out", "x.png"], "melanin is 2"),
        ([*ONE, "--samples", "2"], "--identity draws one picture: give --sample, not a range"),
        (["render", "--identity", "3", "--out", "x"], "--out is x: give a file ending in .png"),
        (["render", "--out", "x.png"], "give a folder, or --identity for one picture"),
        (["render", "--sample", "3", "--out", "x"], "--sample needs --identity"),
        (["sheet", "--out", "x"], "--out is x: give a file ending in .png"),
        (["table", "--columns", "yaw_deg"], "yaw_deg belongs to a picture"),
        (["shard", "--size", "0", "--out", "x"], "size is 0"),
        (["shard", "--out", "file"], "cannot write to the folder"),
        (["parameters", "qqq"], "no parameter has 'qqq' in its name"),
    ],
)
def test_bad_input_is_one_sentence(fails, command, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    assert said in fails("faces", *command)
    assert not list(tmp_path.rglob("*.p*"))


def test_shard_writes_and_keeps(nbnet, tmp_path):
    command = ["faces", "shard", "--identities", "10000-10002", "--samples", "1", "--size", "32"]
    command += ["--per-shard", "2", "--out", tmp_path]
    report = json.loads(nbnet(*command, "--json"))
    assert [s["images"] for s in report["shards"]] == [2, 1]
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.tar")}
    assert len(stamps) == 2
    assert "3 pictures in 2 shards" in nbnet(*command)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_bench_prints_one_json_object(nbnet, monkeypatch):
    row = {"images_per_second": 151.0, "images": 24, "cpu_ms_per_image": 12.5}
    result = {size: row for size in ("64", "112", "160")}
    result |= {"reference_seconds": 0.1, "samples": 6, "workers": 2}
    monkeypatch.setattr("nbnet_lib.faces.bench.bench", lambda workers: result)
    assert json.loads(nbnet("faces", "bench", "--json")) == result
    text = nbnet("faces", "bench", "--workers", "2")
    assert "151.0" in text and "reference work: 0.1 s" in text
