"""LFW view 2: the list as it comes, and every way in which it can be wrong."""

import codecs
import shutil
import unicodedata

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.evaluate.protocols import lfw_view2, open_protocol

# As in LFW: hyphens, single names, and what file systems and shells dislike.
NAMES = [
    "Abdullah",
    "Anne-Marie_O'Neil",
    "Zoë_Ünal",
    "Bo Li",
    "Conny",
    "Ken_Griffey_Jr",
    "Kim_&_Co",
    *[f"Person_{i:02}" for i in range(7, 20)],
]


def lfw_lines() -> list[str]:
    """A pairs.txt of 10 folds: in each two people, 2 genuine and 2 impostor pairs."""
    lines = ["10\t2"]
    for a, b in zip(NAMES[::2], NAMES[1::2], strict=True):
        lines += [f"{a}\t1\t2", f"{b}\t1\t2", f"{a}\t1\t{b}\t1", f"{b}\t2\t{a}\t1"]
    return lines


@pytest.fixture(scope="module")
def lfw_folder(faces, save, tmp_path_factory):
    """Two pictures each of 20 people as LFW lies on disk, one of them as PNG, and clutter."""
    root = tmp_path_factory.mktemp("lfw") / "lfw"
    for person, pictures in zip(NAMES, faces, strict=True):
        for number, image in enumerate(pictures, 1):
            ending = ".png" if person == "Abdullah" else ".jpg"
            save(image, root / person / f"{person}_{number:04d}{ending}")
    (root / "Abdullah" / "Thumbs.db").write_bytes(b"x")
    (root / "README.txt").write_text("x")
    return root


@pytest.fixture
def pairs(tmp_path):
    """Write lines as a list and return its path."""

    def write(lines, ending="\n", before=b"", after="\n"):
        path = tmp_path / "pairs.txt"
        path.write_bytes(before + (ending.join(lines) + after).encode())
        return path

    return write


def test_ten_folds_with_thresholds_from_the_other_nine(lfw_folder, pairs):
    protocol = lfw_view2(lfw_folder, pairs(lfw_lines()))
    assert protocol.spread == "folds" and len(protocol.trials) == 10
    assert len(protocol.pictures) == 40 and protocol.pictures.people == tuple(sorted(NAMES))
    counts = protocol.to_dict()["trials"][3]
    assert counts["genuine"] == counts["impostor"] == 2 and counts["threshold_impostor"] == 18
    fourth = protocol.trials[3]
    names = [protocol.pictures.names[r] for r in (fourth.pairs.first[3], fourth.pairs.second[3])]
    assert names == ["Person_07/Person_07_0002.jpg", "Kim_&_Co/Kim_&_Co_0001.jpg"]
    assert fourth.pairs.same.tolist() == [True, True, False, False]
    own = set(protocol.pictures.identities[fourth.rows])
    others = set(protocol.pictures.identities[fourth.threshold_pairs.rows])
    assert len(own) == 2 and len(others) == 18 and not own & others


def test_pictures_are_read_in_order_of_rows(lfw_folder, pairs, faces):
    pictures = lfw_view2(lfw_folder, pairs(lfw_lines())).pictures
    row = pictures.names.index("Abdullah/Abdullah_0002.png")  # lossless, so exact
    np.testing.assert_array_equal(pictures.read([row], 64)[0], faces[0, 1])
    for row in (5, 11):
        person, number = pictures.names[row].split("/")[0], pictures.names[row][-8:-4]
        drawn = faces[NAMES.index(person), int(number) - 1].astype(float)
        assert np.abs(pictures.read([row], 64)[0] - drawn).mean() < 6
    batches = list(pictures.batches(32, at_once=15))
    assert [b.shape for b in batches] == [(15, 32, 32, 3), (15, 32, 32, 3), (10, 32, 32, 3)]
    np.testing.assert_array_equal(np.concatenate(batches), pictures.read(range(40), 32))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("before", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("after", ["", "\n", "\n\n \n"])
def test_editors_leave_the_list_readable(lfw_folder, pairs, ending, before, after):
    protocol = lfw_view2(lfw_folder, pairs(lfw_lines(), ending, before, after))
    assert len(protocol.trials) == 10 and len(protocol.pictures) == 40


def test_the_list_is_found_in_the_folder_or_beside_it(lfw_folder):
    with pytest.raises(NbnetError, match=r"no pairs.txt in .*lfw or beside it"):
        open_protocol("lfw", data=lfw_folder)
    for folder in (lfw_folder.parent, lfw_folder):
        path = folder / "pairs.txt"
        path.write_text("\n".join(lfw_lines()), encoding="utf-8")
        assert open_protocol("lfw", data=lfw_folder).name == "lfw"
        path.unlink()


def kaggle_lines() -> list[str]:
    """The same pairs as Kaggle's copy has them."""
    rows = [line.split("\t") for line in lfw_lines()[1:]]
    return ["name,imagenum1,imagenum2,", *[",".join([*row, ""][:4]) for row in rows]]


@pytest.fixture
def kaggle(lfw_folder, tmp_path):
    """Kaggle's copy of LFW: a folder in a folder of the same name, the lists beside them."""
    root = tmp_path / "archive"
    shutil.copytree(lfw_folder, root / "lfw-deepfunneled" / "lfw-deepfunneled")
    (root / "pairs.csv").write_text("\n".join(kaggle_lines()) + "\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("below", ["", "lfw-deepfunneled", "lfw-deepfunneled/lfw-deepfunneled"])
def test_kaggles_copy_is_read_from_any_of_its_folders(lfw_folder, pairs, kaggle, below):
    as_published = lfw_view2(lfw_folder, pairs(lfw_lines()))
    found = open_protocol("lfw", data=kaggle / below)
    assert found.pictures.names == as_published.pictures.names
    for ours, theirs in zip(found.trials, as_published.trials, strict=True):
        assert np.array_equal(ours.pairs.first, theirs.pairs.first)
        assert np.array_equal(ours.pairs.same, theirs.pairs.same)


@pytest.mark.parametrize(
    "lines",
    [
        ["name,imagenum1,imagenum2", "Abdullah,1,2", "Conny,1,2"],  # matchpairsDevTest.csv
        ["name,imagenum1,name,imagenum2", "Abdullah,1,Conny,2"],  # mismatchpairsDevTest.csv
        kaggle_lines()[:-1],
        ["Abdullah,1,2,", "Abdullah,1,Conny,1"],
    ],
)
def test_kaggles_other_lists_are_named(kaggle, lines):
    (kaggle / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(NbnetError, match=r"pairs\.csv.*view 2"):
        open_protocol("lfw", data=kaggle)


def test_kaggles_lists_as_lists_of_ones_own_are_sent_to_the_protocol(kaggle):
    for name in ("pairs.csv", "matchpairsDevTest.csv"):
        path = kaggle / name
        path.write_text("\n".join(kaggle_lines()), encoding="utf-8")
        with pytest.raises(NbnetError, match="--protocol lfw --data FOLDER"):
            open_protocol(path, data=kaggle)


def test_names_as_a_mac_unpacks_them(lfw_folder, pairs, tmp_path):
    root = tmp_path / "mac"
    for path in lfw_folder.rglob("*.*g"):
        name = unicodedata.normalize("NFD", path.relative_to(lfw_folder).as_posix())
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / name)
    with pytest.warns(NbnetWarning, match="accents of 2 names"):
        protocol = lfw_view2(root, pairs(lfw_lines()))
    assert protocol.pictures.people == tuple(sorted(NAMES))
    assert protocol.pictures.read(np.arange(40), 32).shape == (40, 32, 32, 3)


def changed(line, new):
    lines = lfw_lines()
    lines[line - 1] = new
    return lines


# What is wrong, and what the message must name: the line and the culprit.
BROKEN = {
    "header of view 1": (changed(1, "1100"), ":1: .*'1100'"),
    "one fold": (["1\t2", *lfw_lines()[1:5]], "'folds' with 1 trials"),
    "too few lines": (lfw_lines()[:-1], "39 pairs, .* = 40"),
    "too few fields": (changed(2, "Abdullah\t1"), ":2: .* 'Name n1 n2'"),
    "impostor too early": (changed(3, lfw_lines()[3]), ":3: .* 'Name n1 n2'"),
    "not a number": (changed(2, "Abdullah\t1\ttwo"), ":2: .*two"),
    "no such picture": (changed(2, "Abdullah\t1\t3"), ":2: .*Abdullah/Abdullah_0003.jpg"),
    "out of the folder": (changed(2, "../lfw/Conny\t1\t2"), r":2: .*\.\./lfw/Conny"),
    "with itself": (changed(2, "Abdullah\t2\t2"), ":2: .*_0002.png .*itself"),
    "one person as two": (changed(4, "Abdullah\t1\tAbdullah\t2"), ":4: .*impostor pair"),
    "twice": (changed(3, "Abdullah\t1\t2"), ":3: .*twice"),
    "a person in two folds": (changed(9, "Zoë_Ünal\t1\tAbdullah\t1"), "'Abdullah' is in .*fold 2"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_named(lfw_folder, pairs, case):
    lines, why = BROKEN[case]
    with pytest.raises(NbnetError, match=why):
        lfw_view2(lfw_folder, pairs(lines))


def test_folders_that_are_not_lfw(faces, save, tmp_path):
    (tmp_path / "pairs.txt").write_text("\n".join(lfw_lines()), encoding="utf-8")
    with pytest.raises(NbnetError, match="nowhere is not a folder: give the folder of the LFW"):
        lfw_view2(tmp_path / "nowhere")
    with pytest.raises(NbnetError, match="holds no pictures in folders named after people"):
        lfw_view2(tmp_path)
    save(faces[0, 0], tmp_path / "Conny" / "Conny_0001.jpg")
    save(faces[0, 0], tmp_path / "Conny" / "Conny_0001.png")
    with pytest.raises(NbnetError, match="Conny holds both Conny_0001.jpg and"):
        lfw_view2(tmp_path)
    save(faces[0, 0], tmp_path / "Abel" / "holiday.jpg")
    with pytest.raises(NbnetError, match="holiday.jpg is not named Abel_0001"):
        lfw_view2(tmp_path)


def test_the_list_may_lie_elsewhere(lfw_folder, tmp_path):
    """As after an alignment, which copies pictures and not lists."""
    text = "\n".join(lfw_lines())
    (tmp_path / "mine.txt").write_text(text, encoding="utf-8")
    protocol = open_protocol("lfw", data=lfw_folder, lists=[tmp_path / "mine.txt"])
    assert protocol.source.startswith("mine.txt")
    with pytest.raises(NbnetError, match="lfw reads 1 list of a benchmark, 2 given"):
        open_protocol("lfw", data=lfw_folder, lists=["a.txt", "b.txt"])
    with pytest.raises(NbnetError, match="synthfaces reads no lists of a benchmark, 1 given"):
        open_protocol("synthfaces", lists=["a.txt"])
