"""`nbnet data list`, `info`, `get`, `check` and `rehearse`."""

import json
import re

import pytest

from nbnet_lib.cli import main


@pytest.fixture(scope="module")
def lfw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lfw") / "data"
    command = ["data", "rehearse", "lfw", "--identities", "20-23", "--samples", "2"]
    assert main([*command, "--workers", "1", "--out", str(folder)]) == 0
    return folder


def test_list(nbnet):
    rows = json.loads(nbnet("data", "list", "--json"))
    assert {row["name"] for row in rows} >= {"lfw", "celeba", "color-feret", "folder"}
    assert {row["name"]: row["rehearsal"] for row in rows}["lfw"]
    text = nbnet("data", "list")
    assert "13,233" in text and "request = its owners give it out" in text


def test_info(nbnet):
    text = nbnet("data", "info", "celeba")
    assert "202,599 pictures, 10,177 people" in text and "non-commercial research" in text
    assert "00d2c5bc6d35e252742224ab0c1e8fcb" in text and max(map(len, text.splitlines())) <= 100
    facts = json.loads(nbnet("data", "info", "vggface2", "--json"))
    assert facts["parts"]["test"] == {"pictures": 169_396, "people": 500}
    assert facts["files"][0]["name"] == "vggface2_train.tar.gz" and not facts["files"][0]["urls"]


def test_rehearse_says_how_to_go_on(nbnet, lfw):
    command = ["data", "rehearse", "lfw", "--identities", "20-23", "--samples", "2"]
    text = nbnet(*command, "--out", lfw)  # everything is there: nothing is drawn
    assert "8 pictures of 4 people who do not exist, in the layout of lfw" in text
    assert f"nbnet data check lfw {lfw}" in text and f"nbnet data align {lfw / 'lfw'}" in text
    done = json.loads(nbnet(*command, "--out", lfw, "--json"))
    assert (done["pictures"], done["people"], done["root"]) == (8, 4, str(lfw / "lfw"))


def test_check_accepts_a_rehearsal(nbnet, lfw):
    text = nbnet("data", "check", "lfw", lfw)
    assert "note: 8 pictures, fewer than the published 13,233" in text
    assert text.rstrip().endswith("in the layout of the benchmark")
    found = json.loads(nbnet("data", "check", "lfw", lfw, "--every", "--json"))
    assert found["rehearsal"] and found["problems"] == [] and found["opened"] == 8
    assert found["published"] == {"pictures": 13_233, "people": 5_749}


def test_what_is_incomplete_ends_with_status_1(lfw, tmp_path, capsys):
    import shutil

    shutil.copytree(lfw / "lfw", tmp_path / "lfw")
    assert main(["data", "check", "lfw", str(tmp_path)]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "problem: 8 pictures, fewer than the published 13,233" in text
    assert re.search(r"note: no pairs.txt .*in the folder or beside it", text)
    assert text.endswith("NOT as published")


def test_get_takes_a_folder(lfw, nbnet):
    assert "8 pictures of 4 people" in nbnet("data", "get", "lfw", "--path", lfw)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "mfw"], "no benchmark is called 'mfw'"),
        (["check", "lfw", "missing"], "missing is not a folder"),
        (["rehearse", "lfw", "--identities", "10000-10009", "--out", "x"], "10000 is kept for"),
        (["get", "lfw"], "give --out"),
        (["get", "color-feret", "--out", "x"], "`nbnet data get color-feret --path FOLDER`"),
        (["get", "digiface-1m", "--out", "x"], "give --accept-licence if you agree"),
    ],
)
def test_bad_input(fails, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in fails("data", *arguments)
    assert not list(tmp_path.iterdir())
