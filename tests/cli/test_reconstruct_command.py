"""nbnet reconstruct: templates of any length, many of them, and what is kept when it stops."""

import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

import nbnet_lib.attack
from nbnet_lib.cli import reconstruct as command
from nbnet_lib.decoders import create_decoder, save_decoder

COUNT = 11


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("decoder") / "small.safetensors"
    save_decoder(create_decoder("dcnn", 16, 40, base_channels=32), path, {"encoder": "some"})
    return path


@pytest.fixture
def few_at_once(monkeypatch):
    monkeypatch.setattr(command, "SHEET", 4)


@pytest.fixture
def run(nbnet, decoder, tmp_path, few_at_once):
    """Reconstruct templates, with options; return what --json says."""
    templates = np.random.default_rng(0).normal(size=(COUNT, 16))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)

    def written(folder, *options, change=lambda x: x):
        np.save(tmp_path / "t.npy", change(templates))
        arguments = ["--templates", tmp_path / "t.npy", "--decoder", decoder, "--batch-size", 2]
        out = ["--out", tmp_path / folder]
        return json.loads(nbnet("reconstruct", *arguments, *out, *options, "--json"))

    return written


def pictures(folder):
    return {p.name: np.asarray(Image.open(p)).astype(int) for p in sorted(folder.glob("*.png"))}


def test_raw_templates_draw_the_same_faces(run, tmp_path):
    assert not [n for n in run("unit")["notes"] if "length" in n]
    expected = pictures(tmp_path / "unit")
    for kind in ("float64", "float16", ">f4", "int16"):
        notes = run(kind, change=lambda x, kind=kind: (1000 * x).astype(kind))["notes"]
        assert any("11 of 11 templates in" in n and "unit length" in n for n in notes)
        found = pictures(tmp_path / kind)
        assert found.keys() == expected.keys()
        assert max(np.abs(found[name] - expected[name]).mean() for name in found) < 1


def test_memory_that_runs_out_keeps_what_is_written_and_the_same_command_continues(
    run, fails, decoder, tmp_path, monkeypatch
):
    calls, real = [], nbnet_lib.attack.reconstruct

    def without_memory(*arguments, **options):
        calls.append(1)
        return real(*arguments, **options) if len(calls) < 3 else torch.empty(1 << 50)

    run("whole")
    with monkeypatch.context() as patch:
        patch.setattr(nbnet_lib.attack, "reconstruct", without_memory)
        arguments = ["--templates", tmp_path / "t.npy", "--decoder", decoder]
        said = fails("reconstruct", *arguments, "--batch-size", 2, "--out", tmp_path / "part")
    assert "memory ran out" in said and "--batch-size" in said
    assert len(pictures(tmp_path / "part")) == 2 * 4 + 1  # and the contact sheet
    (tmp_path / "part" / "0001.png").write_bytes(b"")  # as after a power cut
    assert run("part")["kept"] == 4
    expected, found = pictures(tmp_path / "whole"), pictures(tmp_path / "part")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)


def test_first_templates_only_and_the_rest_later(run, tmp_path):
    assert run("some", "--limit", 5)["files"] == [f"000{i}.png" for i in range(5)]
    assert len(pictures(tmp_path / "some")) == 5 + 1
    assert run("some")["kept"] == 4 and len(pictures(tmp_path / "some")) == COUNT + 1


def test_other_templates_in_the_same_folder_are_refused(run, fails, decoder, tmp_path):
    run("out")
    np.save(tmp_path / "t.npy", np.eye(16))
    arguments = ["--templates", tmp_path / "t.npy", "--decoder", decoder]
    assert "other templates" in fails("reconstruct", *arguments, "--out", tmp_path / "out")


def test_shards_hold_the_same_faces(run, tmp_path):
    run("png")
    index = run("shards", "--shards", 4)
    assert [shard["images"] for shard in index["shards"]] == [4, 4, 3]
    with tarfile.open(tmp_path / "shards" / "reconstructions-000002.tar") as tar:
        assert tar.getnames()[:2] == ["00000008.png", "00000008.json"]
        image = np.asarray(Image.open(tar.extractfile("00000008.png")))
    assert np.array_equal(image, pictures(tmp_path / "png")["0008.png"])
    first = tmp_path / "shards" / "reconstructions-000000.tar"
    before = first.stat().st_mtime_ns
    assert run("shards", "--shards", 4)["shards"] == index["shards"]
    assert first.stat().st_mtime_ns == before  # it was there, and whole
