"""Rehearsals: SynthFaces in the layouts of benchmarks, read back by the readers of others."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.data.rehearsal import View, read_stamp, rehearse
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.lfw import lfw_view2
from synthfaces import make_identity
from synthfaces.geometry import build_person

QUIET = {"workers": 1, "progress": False}


@pytest.fixture(scope="module")
def lfw(tmp_path_factory):
    # Named as scikit-learn and torchvision look for them.
    home = tmp_path_factory.mktemp("home")
    return rehearse("lfw", home / "lfw_home", range(20, 26), 3, **QUIET)


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def test_lfw_is_stored_as_published(lfw):
    pictures = {f"lfw/{n}/{n}_{k:04d}.jpg" for n in names(range(20, 26)) for k in (1, 2, 3)}
    assert set(files_of(lfw.folder)) == {*pictures, *lfw.lists, "rehearsal.json"}
    for name in pictures:
        with Image.open(lfw.folder / name) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (250, 250))
    assert (lfw.people, lfw.pictures, lfw.root) == (6, 18, lfw.folder / "lfw")
    header, *lines = (lfw.folder / "pairs.txt").read_text().splitlines()
    folds, count = map(int, header.split("\t"))
    assert (folds, count) == (3, 6) and len(lines) == 2 * folds * count
    assert [len(line.split("\t")) for line in lines] == ([3] * count + [4] * count) * folds


def names(identities):
    return [f"Synth_Person_{i:04d}" for i in identities]


def test_our_protocol_reads_the_pairs(lfw):
    protocol = lfw_view2(lfw.root)
    assert len(protocol.trials) == 3
    for trial in protocol.trials:
        assert trial.pairs.same.sum() == (~trial.pairs.same).sum() == 6
    # All pictures of a fold's two people: three genuine pairs of each, and 6 of 9 impostor pairs.
    assert len(protocol.pictures) == 18
    assert set(protocol.pictures.people) == set(names(range(20, 26)))


def test_scikit_learn_reads_pairs_and_people(lfw, monkeypatch):
    import joblib
    from sklearn.datasets import fetch_lfw_pairs, fetch_lfw_people

    monkeypatch.setattr(joblib.Memory, "__init__", lambda self, **kwargs: None)
    monkeypatch.setattr(joblib.Memory, "cache", lambda self, function: function)
    given = {"data_home": lfw.folder.parent, "funneled": False, "download_if_missing": False}
    people = fetch_lfw_people(min_faces_per_person=0, **given)
    assert Counter(people.target_names[people.target].tolist()) == {
        name.replace("_", " "): 3 for name in names(range(20, 26))
    }
    for subset in ("train", "test", "10_folds"):
        pairs = fetch_lfw_pairs(subset=subset, **given)
        assert pairs.target.mean() == 0.5 and len(pairs.target) >= 12
    assert len(pairs.target) == 36


def test_torchvision_reads_pairs_and_people(lfw, monkeypatch):
    from torchvision.datasets import lfw as module

    monkeypatch.setattr(module._LFW, "base_folder", lfw.folder.name)
    # It compares checksums with those of the published lists, which these are not.
    monkeypatch.setattr(module._LFW, "_check_integrity", lambda self: True)
    pairs = module.LFWPairs(lfw.folder.parent, "10fold", "original")
    assert len(pairs) == 36
    first, second, same = pairs[0]
    assert first.size == second.size == (250, 250) and same == 1
    people = module.LFWPeople(lfw.folder.parent, "10fold", "original")
    assert len(people) == 18 and Counter(people.targets) == dict.fromkeys(range(6), 3)


def test_the_seed_draws_the_pairs(tmp_path, lfw):
    again = rehearse("lfw", tmp_path / "same", range(20, 26), 2, **QUIET)
    same = rehearse("lfw", tmp_path / "again", range(20, 26), 2, **QUIET)
    other = rehearse("lfw", tmp_path / "other", range(20, 26), 2, seed=1, **QUIET)
    pairs = [(r.folder / "pairs.txt").read_bytes() for r in (again, same, other)]
    assert pairs[0] == pairs[1] != pairs[2]


def test_a_picture_is_cut_out_of_the_middle_of_a_square():
    person = build_person(make_identity(3))
    whole = View(218, 218).photograph(person, 3, 1)
    np.testing.assert_array_equal(View(178, 218).photograph(person, 3, 1), whole[:, 20:198])


@pytest.mark.parametrize(
    ("name", "who", "expected"),
    [
        ("vggface2", [5, 10_000], {"test/n000005/0001_01.jpg", "train/n010000/0001_01.jpg"}),
        ("casia-webface", [10_000], {"CASIA-WebFace/0010000/001.jpg"}),
        ("digiface-1m", [10_007], {"subjects_0-1999_72_imgs/7/0.png"}),
    ],
)
def test_folders_of_people(tmp_path, name, who, expected):
    done = rehearse(name, tmp_path, who, 1, **QUIET)
    assert set(files_of(tmp_path)) == {*expected, "rehearsal.json"}
    assert done.pictures == len(who)
    if name == "vggface2":
        assert done.folders == (tmp_path / "test", tmp_path / "train")
    else:
        assert done.folders == (done.root,)


def test_a_second_run_draws_what_is_missing_only(tmp_path):
    first = rehearse("casia-webface", tmp_path, [10_000, 10_001], 2, **QUIET)
    before = {name: p.read_bytes() for name, p in files_of(tmp_path).items()}
    gone = first.root / "0010001" / "002.jpg"
    gone.unlink()
    marked = first.root / "0010000" / "001.jpg"
    marked.write_bytes(b"kept as it is")
    # In two processes: the same bytes.
    rehearse("casia-webface", tmp_path, [10_000, 10_001], 2, workers=2, progress=False)
    assert marked.read_bytes() == b"kept as it is"
    assert gone.read_bytes() == before["CASIA-WebFace/0010001/002.jpg"]


def test_nothing_is_mixed_with_what_is_there(tmp_path):
    rehearse("casia-webface", tmp_path / "a", [10_000], 1, **QUIET)
    with pytest.raises(NbnetError, match="another rehearsal"):
        rehearse("casia-webface", tmp_path / "a", [10_000], 2, **QUIET)
    with pytest.raises(NbnetError, match="another rehearsal"):
        rehearse("vggface2", tmp_path / "a", [10_000], 1, **QUIET)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(NbnetError, match="holds something else"):
        rehearse("casia-webface", tmp_path / "b", [10_000], 1, **QUIET)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["holiday.jpg"]


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_damaged_stamp(tmp_path, content):
    (tmp_path / "rehearsal.json").write_text(content)
    with pytest.raises(NbnetError, match=r"rehearsal\.json"):
        read_stamp(tmp_path)


@pytest.mark.parametrize(
    ("name", "people", "samples", "said"),
    [
        ("lfw", [10_000, 1, 2, 3], 2, "identity 10000 is kept for"),
        ("casia-webface", [9_999], 2, "identity 9999 is kept for evaluation"),
        ("digiface-1m", [9_999], 2, "identity 9999 is kept for evaluation"),
        ("digiface-1m", [12_000], 2, "up to 11999"),
        ("digiface-1m", [10_000], 73, "72 pictures"),
        ("lfw", [1, 2, 3], 2, "at least 4 identities"),
        ("lfw", range(4), 1, "with 2 pictures each"),
        ("folder", [], 1, "0 identities"),
        ("folder", [1, 1], 1, "each once"),
        ("folder", [-1], 1, "from 0"),
        ("folder", [1], 0, "at least one picture"),
        ("frgc", [1], 1, "'frgc': choose one of lfw,"),
    ],
)
def test_what_cannot_be_rehearsed(tmp_path, name, people, samples, said):
    with pytest.raises(NbnetError, match=said):
        rehearse(name, tmp_path / "out", people, samples, **QUIET)
    assert not (tmp_path / "out").exists()


def test_no_room_is_said_before_drawing(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(NbnetError, match="the disk is full"):
        rehearse("casia-webface", tmp_path, [10_000], 1, **QUIET)
    assert not files_of(tmp_path)


def test_stamps_say_that_nobody_exists(lfw):
    stamp = json.loads((lfw.folder / "rehearsal.json").read_text())
    assert stamp["rehearsal_of"] == "lfw" and "nobody" in stamp["people"]
    assert stamp["identities"] == [20, 21, 22, 23, 24, 25] and stamp["samples"] == 3
