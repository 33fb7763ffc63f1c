"""`nbnet data manifest`, `split` and `shard`: from a folder to what training reads."""

import json

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.data.listing import open_source
from nbnet_lib.data.manifest import load_manifest
from nbnet_lib.faces import render_set


@pytest.fixture
def folder(tmp_path):
    """Six SynthFaces with two pictures each, in folders set/P0 and so on."""
    images = render_set(range(6), 2, 32, workers=1, cache=False, progress=False).images
    for row, image in enumerate(images):
        path = tmp_path / "set" / f"P{row // 2}" / f"{row % 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "set"


def test_from_a_folder_to_shards(folder, tmp_path, nbnet):
    manifest, divided, shards = tmp_path / "m.parquet", tmp_path / "d.parquet", tmp_path / "out"
    (folder / "P0" / "read.me").write_text("x")
    said = nbnet("data", "manifest", folder, "--out", manifest, "--framing", "arcface")
    assert "12 pictures of 6 people (framing: arcface)" in said
    assert "passed over in set: 1 .me files" in said
    report = json.loads(
        nbnet("data", "split", manifest, "--share", 0.3, "--seed", 5, "--out", divided, "--json")
    )
    assert (report["train_identities"], report["evaluation_identities"]) == (4, 2)
    assert report["framing"] == "arcface" and report["size"] == 32
    said = nbnet("data", "shard", divided, "--out", shards, "--per-shard", 4)
    assert said.startswith("12 pictures in 3 shards (")
    back = open_source(shards)
    assert back.framing.name == "arcface"
    listed = load_manifest(divided)
    names = dict(zip(listed.identities, listed.splits, strict=True))
    assert dict(zip(back.identities, back.splits, strict=True)) == names
    said = nbnet("data", "manifest", shards, "--out", tmp_path / "s.parquet", "--quick")
    assert "train: 8 pictures of 4 people" in said and "evaluation: 4 pictures of 2 people" in said


def test_lists(folder, tmp_path, nbnet, fails):
    path = tmp_path / "people.txt"
    path.write_text("P0/0.jpg A\nP1/0.jpg A\nP2/0.jpg B\nP2/7.jpg B\n")
    command = ["data", "manifest", folder, "--list", path, "--out", tmp_path / "m.parquet"]
    assert "P2/7.jpg is not in" in fails(*command)
    report = json.loads(nbnet(*command, "--leave-out-missing", "--name", "Mine", "--json"))
    assert (report["pictures"], report["identities"], report["source"]) == (3, 2, "Mine")
    assert "listed pictures that are not there: 1 of 4" in report["notes"]
    (folder / "P0" / "0.png").write_bytes(b"")
    command.append("--leave-out-missing")
    assert "0.png" in fails(*command)
    report = json.loads(nbnet(*command, "--leave-out-unreadable", "--json"))
    assert report["pictures"] == 2


def test_synthfaces(tmp_path, nbnet, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "m.parquet"
    command = ["data", "manifest", "synthfaces", "--identities", "9999-10000", "--out", out]
    assert "train: 2 pictures of 1 person" in nbnet(*command, "--samples", 2)
    nbnet("data", "shard", out, "--out", tmp_path / "shards", "--size", 32, "--format", "npy")
    assert np.unique(open_source(tmp_path / "shards").numbers).tolist() == [9_999, 10_000]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["manifest", "nowhere", "--out", "m.parquet"], "there is no nowhere"),
        (["manifest", "synthfaces", "--out", "m.parquet"], "say which people"),
        (["manifest", "SET", "--difficulty", 2, "--out", "m.parquet"], "--difficulty says nothing"),
        (
            ["manifest", "SET", "--list", "l", "--identity-from", "none", "--out", "m.parquet"],
            "--identity-from says nothing",
        ),
        (["manifest", "SET", "--framing", "best", "--out", "m.parquet"], "no framing is named"),
        (["manifest", "nowhere", "--out", "m.csv"], "a manifest is a Parquet file"),
        (["split", "m.parquet", "--out", "m.parquet"], "there is no manifest"),
    ],
)
def test_bad_requests(folder, tmp_path, monkeypatch, fails, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in fails("data", *(str(a).replace("SET", str(folder)) for a in arguments))
    assert not list(tmp_path.glob("*.parquet"))


def test_a_framing_that_contradicts_the_alignment(folder, tmp_path, fails):
    (folder / "alignment.json").write_text('{"framing": "facenet"}')
    command = ["data", "manifest", folder, "--framing", "arcface", "--out", tmp_path / "m.parquet"]
    assert "was cut out as facenet, not as arcface" in fails(*command)
