"""`nbnet faces shard` and `nbnet faces bench`."""

import json

import pytest

from nbnet_lib.cli import main

SHARD = ["faces", "shard", "--identities", "10000-10002", "--samples", "1", "--size", "32"]


def test_shard_writes_and_keeps(tmp_path, capsys):
    command = [*SHARD, "--per-shard", "2", "--out", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [s["images"] for s in report["shards"]] == [2, 1]
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.tar")}
    assert len(stamps) == 2
    assert main(command) == 0
    assert "3 pictures in 2 shards" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--size", "0"], "size is 0: expected whole pixels from 32 to 512"),
        (["--difficulty", "7"], "difficulty is 7"),
    ],
)
def test_shard_refuses_bad_numbers(tmp_path, capsys, wrong, said):
    assert main([*SHARD, "--out", str(tmp_path), *wrong]) == 2
    assert said in capsys.readouterr().err


def test_shard_names_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main([*SHARD, "--out", str(tmp_path / "file")]) == 2
    assert "cannot write to the folder" in capsys.readouterr().err


def test_bench_prints_one_json_object(capsys, monkeypatch):
    row = {"images_per_second": 151.0, "images": 24, "cpu_ms_per_image": 12.5}
    result = {size: row for size in ("64", "112", "160")}
    result |= {"reference_seconds": 0.1, "samples": 6, "workers": 2}
    monkeypatch.setattr("nbnet_lib.faces.bench.bench", lambda workers: result)
    assert main(["faces", "bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert main(["faces", "bench", "--workers", "2"]) == 0
    text = capsys.readouterr().out
    assert "151.0" in text and "reference work: 0.1 s" in text
