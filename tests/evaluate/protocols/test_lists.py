"""Own lists: pictures or pairs as CSV, as people and spreadsheets write them."""

import codecs

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import from_csv, lists, open_protocol

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
    told = protocol.to_dict()["trials"][0]
    assert told["genuine"] == 2 and told["impostor"] == 8 and "gallery" not in told
    np.testing.assert_array_equal(protocol.pictures.read([3], 64)[0], faces[1, 1])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("before", [b"", codecs.BOM_UTF8])
def test_spreadsheets_leave_the_list_readable(folder, csv, ending, before):
    lines = [PICTURES[0], "", *(line.replace(",", " , ") for line in PICTURES[1:3])]
    lines += ['"ben, jr\\1.png","ben"', ",", "", " "]
    protocol = from_csv(csv(*lines, ending=ending, before=before), folder)
    assert protocol.pictures.names == ("ann/1.png", "ann/2.png", "ben, jr/1.png")
    assert protocol.pictures.people == ("ann", "ben")


def test_the_folder_of_the_list_is_where_pictures_are_looked_for(folder):
    path = folder / "own.csv"
    path.write_text("\n".join(PICTURES), encoding="utf-8")
    assert len(open_protocol(path).pictures) == 5
    path.unlink()


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


def test_folds_with_too_many_pairs(folder, csv, monkeypatch):
    monkeypatch.setattr(lists, "MOST_PAIRS", 1)
    with pytest.raises(NbnetError, match="the folds make 2 pairs, more than 1: choose pairs"):
        from_csv(csv(*with_column("fold", "a", "a", "b", "b", "c")), folder)


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
    with pytest.raises(NbnetError, match=r"own.csv:5: 'ann/1.png' is in fold 2 and, by .*:2, in"):
        from_csv(csv(*lines), folder)


def with_set(*values):
    return with_column("set", *values)


BROKEN = {
    "unknown columns": (["image,name", "ann/1.png,ann"], r":1: the columns are image, name: exp"),
    "semicolons": (
        ["image;identity", "ann/1.png;ann"],
        r":1: the columns are image;identity: .*com",
    ),
    "one column more": (with_column("age", *"12345"), r":1: unknown column 'age': known are image"),
    "pairs, one more": (
        [PAIRS[0] + ",x", PAIRS[1] + ",1"],
        r":1: unknown column 'x': known are fi",
    ),
    "a column twice": (["image,identity,image", "a,b,c"], r":1: the column 'image' occurs twice"),
    "header only": (PICTURES[:1], r"own.csv has a header and no rows"),
    "a cell too few": ([*PICTURES, "so/1.png"], r":7: 1 cells under 2 columns"),
    "a cell too many": ([*PICTURES, "so/1.png,so,1"], r":7: 3 cells under 2 columns"),
    "an empty cell": ([*PICTURES, "so/1.png, "], r":7: 'identity' is empty"),
    "broken quoting": ([*PICTURES, '"so/1.png"x,so'], r":7: not a CSV row"),
    "quote left open": ([*PICTURES, '"so/1.png,so'], r":7: not a CSV row"),
    "missing image": ([*PICTURES, "so/9.png,so"], r":7: the image so/9.png is not in .*own"),
    "a folder": ([*PICTURES, "so,so"], r":7: the image so is not in"),
    "outside": ([*PICTURES, "../x.png,so"], r":7: '../x.png' leaves the folder"),
    "outside, backslash": ([*PICTURES, "so\\..\\..\\x.png,so"], r":7: .* leaves the folder"),
    "absolute": ([*PICTURES, "/etc/passwd,so"], r":7: '/etc/passwd' leaves the folder"),
    "drive": ([*PICTURES, "C:x.png,so"], r":7: 'C:x.png' leaves the folder"),
    "image twice": ([*PICTURES, "./ann/1.png,ann"], r":7: ann/1.png stands already in .*csv:2"),
    "image of two": ([*PICTURES, "ann/1.png,ben"], r":7: ann/1.png stands already in .*csv:2"),
    "unknown set": (with_set(*["test"] * 4, "tset"), r":6: set is 'tset': expected one of gall"),
    "train and test": (
        with_set("test", "train", "test", "test", "test"),
        r":3: 'ann' is in set 'train' and, by .*csv:2, on another side",
    ),
    "train and gallery": (
        with_set("train", "probe", "gallery", "probe", "probe"),
        r":3: 'ann' is in set 'probe' and, by .*csv:2, on another side",
    ),
    "no probe": (with_set(*["gallery"] * 5), r"lists gallery pictures and no probe pictures"),
    "no gallery": (with_set(*["probe"] * 5), r"lists probe pictures and no gallery pictures"),
    "training only": (with_set(*["train"] * 5), r"lists training pictures only"),
    "a person in two folds": (
        with_column("fold", *"12222"),
        r":3: 'ann' is in fold '2' and, by .*:2",
    ),
    "one fold": (with_column("fold", *"11111"), r"all pictures are in fold '1'"),
    "set and fold": (["image,identity,set,fold", "a,b,c,d"], r":1: both 'set' and 'fold'"),
    "no genuine pair": (PICTURES[:2] + PICTURES[5:], r"own: 0 genuine and 1 impostor"),
    "no impostor pair": (PICTURES[:3], r"own: 1 genuine and 0 impostor"),
    "same is unclear": (
        [*PAIRS, "so/1.png,so/2.png,maybe"],
        r":7: same is 'maybe': expected 1 or 0",
    ),
    "pair with itself": ([*PAIRS, "so/1.png,so/1.png,1"], r":7: so/1.png is paired with itself"),
    "not itself": ([*PAIRS, "so/1.png,so/1.png,0"], r":7: so/1.png is paired with itself"),
    "pair twice": ([*PAIRS, "ann/2.png,ann/1.png,1"], r":7: the pair .* stands already in .*csv:2"),
    "pair twice, unlike": ([*PAIRS, "ann/2.png,ann/1.png,0"], r":7: same is 0, but genuine pairs"),
    "contradiction by a chain": (
        [*PAIRS, "so/1.png,zoë/1.png,1", "so/2.png,zoë/1.png,1", "so/1.png,so/2.png,0"],
        r":9: same is 0, but genuine pairs of this list connect",
    ),
    "missing in a pair": ([*PAIRS, "so/1.png,so/9.png,1"], r":7: the image so/9.png is not in"),
    "one fold of pairs": (
        [f"{p},{f}" for p, f in zip(PAIRS, ["fold", *"11111"], strict=True)],
        r":6: all pairs are in fold '1'",
    ),
    "one identity": (["first,second,same,identity_first", "a,b,1,c"], r":1: identity_first alone"),
    "identities differ": (
        [PAIRS[0] + ",identity_first,identity_second", "ann/1.png,ann/2.png,1,A,B"],
        r":2: same is 1, but names 'A' and 'B'",
    ),
    "identities agree": (
        [PAIRS[0] + ",identity_first,identity_second", "ann/1.png,so/2.png,0,A,A"],
        r":2: same is 0, but names 'A' and 'A'",
    ),
    "two people on one": (
        [
            PAIRS[0] + ",identity_first,identity_second",
            "ann/1.png,ann/2.png,1,A,A",
            "so/1.png,ann/2.png,0,S,B",
        ],
        r":3: ann/2.png shows 'B', but 'A' in an earlier line",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_named_with_file_and_line(folder, csv, case):
    content, told = BROKEN[case]
    path = csv(*content)
    with pytest.raises(NbnetError, match=told) as error:
        from_csv(path, folder)
    assert "own" in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_no_lists(folder, csv, tmp_path):
    with pytest.raises(NbnetError, match="own.csv is empty"):
        from_csv(csv("", " "), folder)
    with pytest.raises(NbnetError, match=r"own.csv:6: byte 0xeb is not UTF-8"):
        from_csv(csv(*PICTURES, encoding="latin-1"), folder)
    with pytest.raises(NbnetError, match=r"own.csv:1: byte 0xff is not UTF-8"):
        from_csv(csv(*PICTURES, encoding="utf-16"), folder)
    with pytest.raises(NbnetError, match="nowhere is not a folder"):
        from_csv(csv(*PICTURES), tmp_path / "nowhere")
    with pytest.raises(NbnetError, match=r"the list .* cannot be read"):
        from_csv(tmp_path, folder)
