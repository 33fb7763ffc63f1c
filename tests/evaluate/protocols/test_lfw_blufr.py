"""BLUFR: the authors' MATLAB lists, and random trials of our own in the same proportions."""

import numpy as np
import pytest
from scipy.io import savemat

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import lfw_blufr, open_protocol
from nbnet_lib.evaluate.protocols.lfw import _draw
from nbnet_lib.evaluate.protocols.pictures import Folder, Pictures

COUNTS = [1, 2, 3, 4, 5] * 8  # pictures of 40 people


@pytest.fixture(scope="module")
def folder(faces, save, tmp_path_factory):
    root = tmp_path_factory.mktemp("blufr") / "lfw"
    for person, count in enumerate(COUNTS):
        for number in range(1, count + 1):
            name = f"Person_{person:02}"
            save(faces[person % 20, number % 2], root / name / f"{name}_{number:04d}.png")
    return root


def test_own_trials_have_the_proportions_of_blufr(folder):
    protocol = open_protocol("lfw-blufr", data=folder, seed=3)
    assert protocol.name == "lfw-blufr-style" and protocol.source.startswith("BLUFR-style, not")
    assert protocol.spread == "trials" and len(protocol.trials) == 10
    who = protocol.pictures.identities
    for trial in protocol.trials:
        assert len(np.unique(who[trial.train])) == round(40 * 1500 / 5749) == 10
        assert len(np.unique(who[trial.rows])) == 30
        assert not np.intersect1d(who[trial.train], who[trial.rows]).size
        np.testing.assert_array_equal(
            np.sort(np.concatenate([trial.train, trial.rows])), np.arange(120)
        )
        assert len(trial.gallery) == len(np.unique(who[trial.gallery])) == 7
        assert (np.bincount(who)[who[trial.gallery]] >= 2).all()
        np.testing.assert_array_equal(
            np.sort(np.concatenate([trial.gallery, trial.probes["others"]])), trial.rows
        )
    counts = protocol.to_dict()["trials"][0]
    assert (
        counts["genuine"] + counts["impostor"] == counts["pictures"] * (counts["pictures"] - 1) // 2
    )
    assert 0 < counts["non_mated"] < counts["probes"]["others"]


def test_own_trials_depend_on_the_seed_only(folder):
    first, again, other = (lfw_blufr(folder, seed=s, trials=2) for s in (0, 0, 1))
    for a, b in zip(first.trials, again.trials, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.gallery, b.gallery)
    assert not np.array_equal(first.trials[0].rows, other.trials[0].rows)
    assert not np.array_equal(first.trials[0].rows, first.trials[1].rows)
    assert lfw_blufr(folder, trials=1).spread == "bootstrap"
    # A trial does not depend on how many are drawn.
    np.testing.assert_array_equal(lfw_blufr(folder, trials=1).trials[0].rows, first.trials[0].rows)


def test_the_size_of_lfw_gives_the_counts_of_the_publication(tmp_path):
    """5,749 people: 1,500 train, 4,249 test, gallery 1,000; counts of pictures like LFW's."""
    rng = np.random.default_rng(0)
    counts = np.ones(5749, int)
    counts[:1680] = 2 + rng.geometric(0.235, 1680)  # 1,680 people of LFW have two or more
    codes = np.repeat(np.arange(5749), counts)
    names = tuple(map(str, range(len(codes))))
    pictures = Pictures(names, codes, tuple(map(str, range(5749))), Folder(tmp_path, names))
    trial = _draw(pictures, rng, tmp_path)
    assert len(np.unique(codes[trial.train])) == 1500
    assert len(np.unique(codes[trial.rows])) == 4249
    assert len(trial.gallery) == len(np.unique(codes[trial.gallery])) == 1000


def test_too_few_people(faces, save, tmp_path):
    for person in ("A", "B", "C"):
        save(faces[0, 0], tmp_path / person / f"{person}_0001.png")
    with pytest.raises(NbnetError, match="3 people: too few"):
        lfw_blufr(tmp_path)
    with pytest.raises(NbnetError, match="0 trials"):
        lfw_blufr(tmp_path, trials=0)


def cells(lists):
    """A column of cells, as MATLAB stores lists that differ in length."""
    column = np.empty((len(lists), 1), object)
    for i, numbers in enumerate(lists):
        column[i, 0] = np.array(numbers, np.uint16)[:, None]
    return column


def config():
    """Two trials over ten pictures of four people, in the authors' layout, 1-based."""
    names = [f"Person_{p:02}_{n:04d}.jpg" for p in (1, 2, 3, 4) for n in range(1, COUNTS[p] + 1)]
    assert len(names) == 14
    image_list = np.empty((14, 1), object)
    image_list[:, 0] = names
    labels = np.repeat([1, 2, 3, 4], [COUNTS[p] for p in (1, 2, 3, 4)])
    return {
        "imageList": image_list,
        "labels": labels[:, None],
        "devTrainIndex": np.array([[1]]),
        "trainIndex": cells([[1, 2], [10, 11, 12, 13, 14]]),
        "testIndex": cells([range(3, 15), range(1, 10)]),
        "galIndex": cells([[5, 9], [2, 4]]),
        "probIndex": cells([[3, 4, 6, 7, 8, 10, 11, 12, 13, 14], [1, 3, 5, 6, 7, 8, 9]]),
    }


def test_the_authors_lists(folder, tmp_path):
    savemat(tmp_path / "lists.mat", config())
    protocol = lfw_blufr(folder, config=tmp_path / "lists.mat")
    assert protocol.name == "lfw-blufr" and protocol.spread == "trials"
    assert protocol.source == "lists.mat: 2 trials over 14 pictures"
    assert protocol.pictures.names[4] == "Person_02/Person_02_0003.png"
    second = protocol.trials[1]
    assert second.train.tolist() == [9, 10, 11, 12, 13] and second.rows.tolist() == [*range(9)]
    assert second.gallery.tolist() == [1, 3]
    assert protocol.to_dict()["trials"][1]["non_mated"] == 4  # Person_03
    assert protocol.pictures.read([4], 64).shape == (1, 64, 64, 3)


def replaced(key, value):
    return {**config(), key: value}


def without(key):
    return {k: v for k, v in config().items() if k != key}


def renamed(row, name):
    changed = config()
    changed["imageList"][row, 0] = name
    return changed


BROKEN = {
    "lacks a variable": (without("galIndex"), "galIndex"),
    "a missing picture": (renamed(0, "No_One_0001.jpg"), "No_One_0001"),
    "different lengths": (replaced("galIndex", cells([[5, 9]])), "cannot be read"),
    "index too large": (replaced("trainIndex", cells([[1], [10, 15]])), "trial 2: rows"),
    "test set not covered": (
        replaced("galIndex", cells([[5], [2, 4]])),
        "trial 1: .*test set",
    ),
    "people on both sides": (
        replaced("trainIndex", cells([[1, 2, 3], [10]])),
        "'Person_02' is in the training",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_lists_that_contradict_themselves(folder, tmp_path, case):
    content, why = BROKEN[case]
    savemat(tmp_path / "lists.mat", content)
    with pytest.raises(NbnetError, match=why):
        lfw_blufr(folder, config=tmp_path / "lists.mat")


def test_lists_that_are_no_matlab_file(folder, tmp_path):
    path = tmp_path / "lists.mat"
    savemat(path, config())
    whole = path.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], b"MATLAB 7.3 MAT-file".ljust(512)):
        path.write_bytes(content)
        with pytest.raises(NbnetError, match="lists.mat cannot be read"):
            lfw_blufr(folder, config=path)
    with pytest.raises(NbnetError, match="nowhere.mat cannot be read"):
        lfw_blufr(folder, config=tmp_path / "nowhere.mat")
