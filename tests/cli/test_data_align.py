"""`nbnet data align`: the command, its table of failures, its JSON and its errors."""

import json

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.cli import main
from nbnet_lib.faces import render


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "ann").mkdir(parents=True)
    for number in range(2):
        Image.fromarray(render(1, number, 160)).save(folder / f"ann/{number}.png")
    for number in range(6):
        Image.fromarray(np.full((60, 60, 3), 128, np.uint8)).save(folder / f"wall{number}.png")
    (folder / "ann/empty.jpg").touch()
    (folder / "ann/2.HEIC").write_bytes(b"ftypheic")
    return folder


def test_what_was_done_and_what_failed(nbnet, pictures, tmp_path):
    out = tmp_path / "out"
    text = nbnet("data", "align", pictures, out, "--workers", 1, "--framing", "arcface")
    first, telephone, _, header, _, walls, empty, _, last, following = text.splitlines()
    # In no row of the table, and nobody shall think that they were looked at.
    assert "1 of the skipped are" in telephone and "(ann/2.HEIC)" in telephone
    assert following.startswith("next: nbnet data split")
    assert first == "9 pictures: 2 aligned, 7 failed; 1 other files skipped"
    assert header.split() == ["failed", "reason", "pictures"]
    assert walls.split(maxsplit=3)[:3] == ["6", "no", "face"] and walls.endswith("wall4.png, ...")
    assert empty.split() == ["1", "zero", "bytes", "ann/empty.jpg"]
    assert "0 kept from earlier" in last and str(out) in last
    assert Image.open(out / "ann/0.png").size == (160, 160)
    summary = json.loads((out / "alignment.json").read_text())
    assert (summary["framing"], summary["size"]) == ("arcface", 160)

    options = ("--workers", 1, "--framing", "arcface", "--json")
    report = json.loads(nbnet("data", "align", pictures, out, *options))
    assert report["kept"] == report["pictures"] == 9 and report["aligned"] == 2
    assert report["reasons"] == {"no face": 6, "zero bytes": 1}
    assert report["failures"][0] == {
        "image": "ann/empty.jpg",
        "reason": "zero bytes",
        "detail": "it is empty",
    }


def test_as_an_encoder_wants_it(nbnet, pictures, tmp_path):
    command = ("data", "align", pictures, tmp_path / "out", "--workers", 1, "--missing", "centre")
    text = nbnet(*command, "--encoder", "synth")
    assert "6 of the aligned ones are the middle of a picture without a face" in text
    assert "6  centre of the picture" in text
    summary = json.loads((tmp_path / "out/alignment.json").read_text())
    assert (summary["framing"], summary["size"]) == ("synthfaces", 64)


def test_nothing_aligned_is_a_failure(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").touch()
    assert main(["data", "align", str(tmp_path / "in"), str(tmp_path / "out"), "--workers=1"]) == 1
    assert "1 pictures: 0 aligned, 1 failed" in capsys.readouterr().out


def test_errors_in_one_line(fails, pictures, tmp_path):
    out = tmp_path / "out"
    assert "there is no folder" in fails("data", "align", tmp_path / "nowhere", out)
    assert "no framing is named 'oval'" in fails(
        "data", "align", pictures, out, "--framing", "oval"
    )
    assert "size is 9" in fails("data", "align", pictures, out, "--size", 9)
