"""Own lists: pictures or pairs as CSV, as people and spreadsheets write them."""

import codecs
import unicodedata

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.evaluate.protocols import from_csv, open_protocol

FOLDERS = ["ann", "ben, jr", "so", "zoë"]  # CSV must quote the comma


@pytest.fixture(scope="module")
def folder(faces, save, tmp_path_factory):
    """Four people with two pictures each: ann/1.png and so on."""
    root = tmp_path_factory.mktemp("own")
    for name, pictures in zip(FOLDERS, faces, strict=False):
        for number, image in enumerate(pictures, 1):
            save(image, root / name / f"{number}.png")
    return root


@pytest.fixture
def csv(tmp_path):
    def write(*lines, ending="\n", before=b"", encoding="utf-8"):
        path = tmp_path / "own.csv"
        path.write_bytes(before + (ending.join(lines) + ending).encode(encoding))
        return path

    return write


PICTURES = [
    "image,identity",
    "ann/1.png,ann",
    "ann/2.png,ann",
    '"ben, jr/1.png",ben',
    '"ben, jr/2.png",ben',
    "zoë/1.png,007",
]


def with_column(name, *values):
    return [f"{line},{value}" for line, value in zip(PICTURES, (name, *values), strict=True)]


def test_pictures_all_against_all(folder, csv, faces):
    protocol = open_protocol(csv(*PICTURES), data=folder)
    assert protocol.name == "own" and protocol.spread == "bootstrap"
    assert protocol.pictures.people == ("007", "ann", "ben")  # text, so 007 stays 007
    assert protocol.pictures.identities.tolist() == [1, 1, 2, 2, 0]
    assert protocol.pictures.names[2] == "ben, jr/1.png"
    reported = protocol.to_dict()["trials"][0]
    assert reported["genuine"] == 2 and reported["impostor"] == 8 and "gallery" not in reported
    np.testing.assert_array_equal(protocol.pictures.read([3], 64)[0], faces[1, 1])


def test_a_list_in_another_unicode_form_than_the_disk(folder, csv, faces):
    lines = [unicodedata.normalize("NFD", line) for line in PICTURES]
    with pytest.warns(NbnetWarning, match="accents of 1 names"):
        protocol = open_protocol(csv(*lines), data=folder)
    assert protocol.pictures.names[4] == "zoë/1.png"
    np.testing.assert_array_equal(protocol.pictures.read([4], 64)[0], faces[3, 0])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("before", [b"", codecs.BOM_UTF8])
def test_spreadsheets_leave_the_list_readable(folder, csv, ending, before):
    lines = [PICTURES[0], "", *(line.replace(",", " , ") for line in PICTURES[1:3])]
    lines += ['"ben, jr\\1.png","ben"', ",", "", " "]
    protocol = from_csv(csv(*lines, ending=ending, before=before), folder)
    assert protocol.pictures.names == ("ann/1.png", "ann/2.png", "ben, jr/1.png")
    assert protocol.pictures.people == ("ann", "ben")


def test_sets_of_pictures(folder, csv):
    lines = with_column("set", "gallery", "probe", "test", "test", "probe")
    trial = from_csv(csv(*lines), folder).trials[0]
    assert trial.rows.tolist() == [0, 1, 2, 3, 4] and trial.train is None
    assert trial.gallery.tolist() == [0] and trial.probes["probe"].tolist() == [1, 4]
    lines = with_column("set", "test", "test", "train", "train", "test")
    protocol = from_csv(csv(*lines), folder)
    assert protocol.trials[0].train.tolist() == [2, 3] and protocol.trials[0].gallery is None
    assert protocol.to_dict()["trials"][0] == {
        "pictures": 3,
        "identities": 2,
        "genuine": 1,
        "impostor": 2,
        "train": 2,
    }


def test_folds_of_pictures(folder, csv):
    lines = ["image,identity,fold"]
    for name, fold in zip(("ann", '"ben, jr"', "so", "zoë"), "xyxy", strict=True):
        bare = name.strip('"')
        lines += [f'"{bare}/{n}.png",{name},{fold}' for n in (1, 2)]
    protocol = from_csv(csv(*lines), folder)
    assert protocol.spread == "folds" and len(protocol.trials) == 2
    x, y = protocol.trials
    assert x.rows.tolist() == [0, 1, 4, 5] and y.rows.tolist() == [2, 3, 6, 7]
    assert len(x.pairs) == 6 and x.pairs.same.sum() == 2
    for one, other in ((x, y), (y, x)):
        np.testing.assert_array_equal(one.threshold_pairs.first, other.pairs.first)
        np.testing.assert_array_equal(one.threshold_pairs.second, other.pairs.second)


PAIRS = [
    "first,second,same",
    "ann/1.png,ann/2.png,1",
    '"ben, jr/1.png","ben, jr/2.png",yes',
    'ann/1.png,"ben, jr/1.png",0',
    'ann/2.png,"ben, jr/2.png",False',
    'zoë/1.png,"ben, jr/2.png",no',
]


def test_pairs_with_people_from_the_genuine_pairs(folder, csv):
    protocol = from_csv(csv(*PAIRS), folder)
    assert protocol.pictures.names == (
        "ann/1.png",
        "ann/2.png",
        "ben, jr/1.png",
        "ben, jr/2.png",
        "zoë/1.png",
    )
    assert protocol.pictures.people == ("ann/1.png", "ben, jr/1.png", "zoë/1.png")
    assert protocol.pictures.identities.tolist() == [0, 0, 1, 1, 2]
    pairs = protocol.trials[0].pairs
    assert pairs.first.tolist() == [0, 2, 0, 1, 4] and pairs.second.tolist() == [1, 3, 2, 3, 3]
    assert pairs.same.tolist() == [True, True, False, False, False]
    assert protocol.trials[0].threshold_pairs is None


def test_pairs_with_named_people(folder, csv):
    lines = [
        "first,second,same,identity_first,identity_second",
        "ann/1.png,ann/2.png,1,A,A",
        "ann/1.png,so/1.png,0,A,S",
        "ann/1.png,so/2.png,0,A,S",  # no genuine pair connects the two pictures of S
    ]
    protocol = from_csv(csv(*lines), folder)
    assert protocol.pictures.people == ("A", "S")
    assert protocol.pictures.identities.tolist() == [0, 0, 1, 1]


def test_pairs_in_folds(folder, csv):
    lines = [
        "first,second,same,fold",
        "ann/1.png,ann/2.png,1,1",
        'ann/1.png,"ben, jr/1.png",0,1',
        "so/1.png,so/2.png,1,2",
        "so/1.png,zoë/1.png,0,2",
    ]
    protocol = from_csv(csv(*lines), folder)
    assert protocol.spread == "folds"
    assert [len(t.pairs) for t in protocol.trials] == [2, 2]
    np.testing.assert_array_equal(protocol.trials[0].threshold_pairs.rows, protocol.trials[1].rows)
    lines[4] = "so/1.png,ann/2.png,0,2"
    with pytest.raises(NbnetError, match="'ann/1.png' is in .*fold 2"):
        from_csv(csv(*lines), folder)


def with_set(*values):
    return with_column("set", *values)


WITH_PEOPLE = PAIRS[0] + ",identity_first,identity_second"
# What is wrong, and what the message must name: the line and the culprit.
BROKEN = {
    "unknown columns": (["image,name", "ann/1.png,ann"], ":1: .*image, name"),
    "header only": (PICTURES[:1], "no rows"),
    "a cell too many": ([*PICTURES, "so/1.png,so,1"], "line 7, saw 3"),
    "too many in the first row": ([PICTURES[0], "so/1.png,so,1"], ":2: more cells"),
    "an empty cell": ([*PICTURES, "so/1.png, "], ":7: 'identity' is empty"),
    "missing image": ([*PICTURES, "so/9.png,so"], ":7: .*so/9.png is not in .*own"),
    "outside": ([*PICTURES, "../x.png,so"], ":7: '../x.png'"),
    "absolute": ([*PICTURES, "/etc/passwd,so"], ":7: '/etc/passwd'"),
    "image twice": ([*PICTURES, "./ann/1.png,ann"], ":7: ann/1.png is listed twice"),
    "unknown set": (with_set(*["test"] * 4, "tset"), ":6: .*'tset'.*gallery"),
    "train and test": (with_set("test", "train", *["test"] * 3), "'ann' is in the training"),
    "no probe": (with_set(*["gallery"] * 5), "gallery and probes go together"),
    "one fold": (with_column("fold", *"11111"), "'folds' with 1 trials"),
    "set and fold": (["image,identity,set,fold", "ann/1.png,b,c,d"], "both 'set' and 'fold'"),
    "no genuine pair": (PICTURES[:2] + PICTURES[5:], "own: 0 genuine and 1 impostor"),
    "no impostor pair": (PICTURES[:3], "own: 1 genuine and 0 impostor"),
    "same is unclear": ([*PAIRS, "so/1.png,so/2.png,maybe"], ":7: same is 'maybe'"),
    "pair with itself": ([*PAIRS, "so/1.png,so/1.png,1"], ":7: so/1.png .*itself"),
    "pair twice": ([*PAIRS, "ann/2.png,ann/1.png,1"], ":7: .*ann/2.png .*twice"),
    "contradiction by a chain": (
        [*PAIRS, "so/1.png,zoë/1.png,1", "so/2.png,zoë/1.png,1", "so/1.png,so/2.png,0"],
        ":9: same is 0, but genuine",
    ),
    "one identity": (["first,second,same,identity_first", "a,b,1,c"], ":1: .*identity_first"),
    "identities differ": ([WITH_PEOPLE, "ann/1.png,ann/2.png,1,A,B"], ":2: same is 1.*'A' and 'B'"),
    "two people on one": (
        [WITH_PEOPLE, "ann/1.png,ann/2.png,1,A,A", "so/1.png,ann/2.png,0,S,B"],
        ":2: ann/2.png shows 'A', but somebody else|:3: ann/2.png shows 'B'",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_named(folder, csv, case):
    content, why = BROKEN[case]
    with pytest.raises(NbnetError, match=why):
        from_csv(csv(*content), folder)


def test_a_person_in_two_folds_is_refused(folder, csv):
    lines = ["image,identity,fold"]
    for name, identity, fold in (("ann", "a", 1), ("so", "s", 1), ("zoë", "a", 2), ("so", "x", 2)):
        lines.append(f"{name}/{fold}.png,{identity},{fold}")
    lines += ["ann/2.png,a,1", "zoë/1.png,a,2"]
    with pytest.raises(NbnetError, match="'a' is in own, fold 2"):
        from_csv(csv(*lines), folder)


def test_files_that_are_no_lists(folder, csv, tmp_path):
    for path in (csv("", " "), csv(*PICTURES, encoding="latin-1"), tmp_path, tmp_path / "none.csv"):
        with pytest.raises(NbnetError, match=path.name):
            from_csv(path, folder)
    for encoding in ("utf-16", "utf-16-le"):
        with pytest.raises(NbnetError, match="own.csv"):
            from_csv(csv(*PICTURES, encoding=encoding), folder)
    with pytest.raises(NbnetError, match="nowhere is not a folder"):
        from_csv(csv(*PICTURES), tmp_path / "nowhere")
    braces = tmp_path / "{set}"
    braces.mkdir()
    with pytest.raises(NbnetError, match="ann/1.png is not in .*{set}"):
        from_csv(csv(*PICTURES), braces)
