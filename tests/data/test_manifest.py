"""Manifests: what is found in a folder, kept in a file, and refused."""

import json
import os
import sys
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbnet_lib.data.alignment_file import read_alignment
from nbnet_lib.data.listing import from_folder, from_synthfaces, open_source
from nbnet_lib.data.manifest import Manifest, load_manifest, save_manifest
from nbnet_lib.data.people import people_digest
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS, Framing
from synthfaces import RENDERER_VERSION


def test_a_folder_of_identity_folders(people, put):
    put(people / "Cem" / "holiday" / "deep" / "9.jpg", 99)
    manifest = open_source(people)
    assert manifest.images[:3] == ("Ann/1.png", "Ben_B/1.png", "Ben_B/2.png")
    assert "Cem/holiday/deep/9.jpg" in manifest.images
    assert manifest.table["identity"].value_counts().to_dict() == {
        "Ann": 1,
        "Ben_B": 2,
        "Cem": 4,
        "Dana": 4,
        "Zoë": 5,
    }
    assert manifest.counts() == {"pictures": 16, "identities": 5}
    assert (manifest.source, manifest.framing, manifest.notes) == ("set", None, ())


def test_what_is_no_picture_is_counted(people):
    (people / "Ann" / "notes.txt").write_text("x")
    (people / "Ann" / "Thumbs.db").write_text("x")
    (people / ".nbnet-unpacked.json").write_text("{}")
    (people / ".hidden").mkdir()
    (people / ".hidden" / "1.png").write_bytes(b"x")
    os.symlink(people / "Ann", people / "Anna", target_is_directory=True)
    manifest = open_source(people)
    assert manifest.counts() == {"pictures": 15, "identities": 5}
    assert manifest.notes == ("passed over in set: 1 .db files, 1 .txt files, 1 linked folders",)


@pytest.mark.parametrize(
    ("how", "people_found"),
    [
        ("prefix", ["00001", "00001", "00002"]),
        ("picture", ["00001_930831_fa_a.png", "00001_930831_fb.png", "in/00002-1.png"]),
        ("none", ["", "", ""]),
    ],
)
def test_other_ways_to_name_people(tmp_path, put, how, people_found):
    for number, name in enumerate(["00001_930831_fa_a.png", "00001_930831_fb.png"]):
        put(tmp_path / name, number)
    put(tmp_path / "in" / "00002-1.png", 5)
    manifest = from_folder(tmp_path, how)
    assert list(manifest.identities) == people_found
    unknown = manifest.counts().get("without_identity", 0)
    assert unknown == (3 if how == "none" else 0)


def test_the_second_folder_may_name_people(tmp_path, people):
    top = tmp_path / "top"
    for side in ("train", "test"):
        (top / side).mkdir(parents=True)
    os.rename(people / "Ann", top / "test" / "Ann")
    os.rename(people / "Zoë", top / "train" / "Zoë")
    with pytest.raises(NbnetError, match=r"test, train, which are not people.*identity-level 2"):
        open_source(top)
    manifest = from_folder(top, level=2)
    assert set(zip(manifest.identities, manifest.splits, strict=True)) == {
        ("Ann", "evaluation"),
        ("Zoë", "train"),
    }
    # Folders that share people divide nobody.
    (top / "train" / "Ann").mkdir()
    os.rename(people / "Cem" / "1.png", top / "train" / "Ann" / "9.png")
    manifest = from_folder(top, level=2)
    assert set(manifest.splits) == {""}
    assert manifest.notes[0].startswith("the folders test, train share people (1, such as Ann)")


def test_names_have_one_spelling(tmp_path, put):
    apart = unicodedata.normalize("NFD", "Zoë")
    put(tmp_path / apart / "1.png", 1)
    put(tmp_path / "Zoë" / "2.png", 2)
    manifest = open_source(tmp_path)
    assert manifest.counts()["identities"] == 1
    assert manifest.images.count(f"{apart}/1.png") == 1  # as the disk spells it


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root, put: put(root / "loose.png", 1), "loose.png is in no folder"),
        (lambda root, put: put(root / "all" / "Ann" / "1.png", 1), "all 1 pictures are in"),
        (
            lambda root, put: [put(root / side / "1.png", 1) for side in ("train", "Test")],
            "are Test, train, which are not people",
        ),
        (lambda root, put: (root / "Ann").mkdir(), "holds no pictures"),
        (lambda root, put: None, "there is no "),
    ],
)
def test_folders_that_name_nobody(tmp_path, put, make, said):
    root = tmp_path / "root"
    if said != "there is no ":
        root.mkdir()
    make(root, put)
    with pytest.raises(NbnetError, match=said):
        open_source(root)


def test_other_bad_sources(tmp_path, people):
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(NbnetError, match="set.zip.* is not a set of pictures"):
        open_source(tmp_path / "set.zip")
    with pytest.raises(NbnetError, match="there is no manifest .*nbnet data manifest"):
        open_source(tmp_path / "no.parquet")
    with pytest.raises(NbnetError, match="identity_from is 'name'"):
        from_folder(people, "name")
    with pytest.raises(NbnetError, match=r"1\.png has no '_' or '-'"):
        from_folder(people, "prefix")
    with pytest.raises(NbnetError, match="is not a folder"):
        from_folder(people / "Ann" / "1.png")


def alignment(folder, **summary):
    summary = {"framing": "arcface", "size": 24, "counts": {"failed": 2}} | summary
    (folder / "alignment.json").write_text(json.dumps(summary))


def test_an_aligned_folder_tells_its_framing(people):
    alignment(people.parent)
    manifest = open_source(people)
    assert manifest.framing is FRAMINGS["arcface"] and manifest.size == 24
    assert set(manifest.table["width"]) == {24}
    assert "could not be aligned: 2" in manifest.notes[0]
    rounded = [[round(x, 5), round(y, 5)] for x, y in FRAMINGS["arcface"].points]
    alignment(people, framing="arcface", points=rounded)
    assert read_alignment(people / "Ann").framing is FRAMINGS["arcface"]
    moved = [[x, y + 0.1] for x, y in FRAMINGS["arcface"].points]
    alignment(people, framing={"name": "own", "points": moved})
    assert read_alignment(people).framing == Framing("own", tuple(map(tuple, moved)))


@pytest.mark.parametrize(
    "summary", ["{", "[]", "{}", '{"framing": "x"}', '{"framing": "x", "points": [1]}']
)
def test_a_damaged_alignment_is_refused(people, summary):
    (people / "alignment.json").write_text(summary)
    with pytest.raises(NbnetError, match=r"alignment\.json does not say how the pictures were"):
        open_source(people)


def test_half_an_alignment_is_no_set(people):
    (people / ".alignment.jsonl").write_text("{}\n")  # what a run that was killed leaves
    for source in (people, people / "Ann"):
        with pytest.raises(NbnetError, match="the alignment into .*set is not finished"):
            from_folder(source, "none")
    (people / "alignment.json").write_text(json.dumps({"framing": "arcface", "size": 24}))
    assert len(open_source(people)) == 15


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf8(people, tmp_path, put):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.parquet")
    save_manifest(open_source(people), path)
    assert len(load_manifest(path)) == 15
    os.rename(people / "Ann", os.fsdecode(os.fsencode(people) + b"/Ann\xe9"))
    with pytest.raises(NbnetError, match=r"the picture 'Ann\\udce9/1.png' is not UTF-8: rename it"):
        open_source(people)


def test_nobody_is_on_both_sides(people, tmp_path, put):
    table = open_source(people).table
    sides = ["train", "evaluation", "train"] + [""] * 12  # of Ann, Ben_B and Ben_B
    for name in ("list.csv", "table.parquet"):
        chosen = table.assign(split=sides)[:3]
        if name.endswith("csv"):
            chosen[["image", "identity", "split"]].to_csv(people / name, index=False)
        else:
            chosen.to_parquet(people / name)
        with pytest.raises(NbnetError, match="'Ben_B' is in train and in evaluation .1 such"):
            open_source(people / name)
    unknown = table.assign(identity="", split=sides)  # who may be anybody
    assert Manifest(unknown, people, "set").counts()["train_pictures"] == 2


def test_a_manifest_comes_back_from_its_file(people, tmp_path):
    own = Framing("own", tuple((x, y - 0.05) for x, y in FRAMINGS["arcface"].points))
    found = open_source(people)
    manifest = Manifest(found.table, found.root, "My faces", own, 24)
    path = save_manifest(manifest, tmp_path / "lists" / "m.parquet")
    back = load_manifest(path)
    pd.testing.assert_frame_equal(back.table, manifest.table, check_dtype=False)
    assert (back.source, back.framing, back.size) == ("My faces", own, 24)
    assert back.root.resolve() == people.resolve()
    assert str(tmp_path) not in str(pq.read_schema(path).metadata)  # the root is relative
    (tmp_path / "new").mkdir()
    os.rename(people, tmp_path / "new" / "set")
    os.rename(tmp_path / "lists", tmp_path / "new" / "lists")  # moved together
    assert load_manifest(tmp_path / "new" / "lists" / "m.parquet").root.name == "set"


def test_a_manifest_whose_pictures_are_elsewhere(people, tmp_path):
    path = save_manifest(open_source(people), tmp_path / "m.parquet")
    os.rename(people, tmp_path / "moved")
    with pytest.raises(NbnetError, match=r"m\.parquet .*set, which is not there"):
        load_manifest(path)
    assert len(load_manifest(path, tmp_path / "moved")) == 15


def write_table(path, metadata=None, **columns):
    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata({b"nbnet": metadata})
    pq.write_table(table, path)


GOOD = {"image": ["a.png"], "identity": ["A"], "split": [""], "width": [0], "height": [0]}


@pytest.mark.parametrize(
    ("metadata", "columns", "said"),
    [
        (None, {"image": ["a.png"]}, "not a manifest .*identity"),
        (None, GOOD | {"identity": [None]}, "has empty cells"),
        (None, GOOD | {"split": ["test"]}, "split is 'test'"),
        (None, GOOD | {"image": ["../a.png"]}, "leaves the folder"),
        (None, GOOD | {"image": ["./a.png"]}, "write the path .* as 'a.png'"),
        (None, {k: v * 2 for k, v in GOOD.items()}, "lists a.png twice"),
        (b'{"version": 99}', GOOD, "newer version of this library"),
        (b'{"version": 1, "framing": "x"}', GOOD, "no framing is named 'x'"),
        (b'{"version": 1, "numbered": true}', GOOD, "identity is not a number"),
        (b'{"version": 1, "drawn": {"pen": 1}}', GOOD, "not a manifest"),
    ],
)
def test_bad_files_are_refused(tmp_path, metadata, columns, said):
    path = tmp_path / "m.parquet"
    write_table(path, metadata, **columns)
    with pytest.raises(NbnetError, match=said) as caught:
        load_manifest(path)
    assert "m.parquet" in str(caught.value)


def test_files_that_are_no_parquet(tmp_path, people):
    path = tmp_path / "m.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(NbnetError, match="not a manifest"):
        load_manifest(path)
    whole = save_manifest(open_source(people), path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NbnetError, match="not a manifest"):
        load_manifest(path)
    with pytest.raises(NbnetError, match=r"name it m\.csv\.parquet"):
        save_manifest(open_source(people), tmp_path / "m.csv")


def test_synthfaces_are_divided_by_number(tmp_path):
    manifest = from_synthfaces([7, 9_999, 10_000], [0, 3])
    assert manifest.images[1] == "0000007-003.png"
    assert manifest.table["split"].tolist() == ["evaluation"] * 4 + ["train"] * 2
    back = load_manifest(save_manifest(manifest, tmp_path / "s.parquet"))
    assert back.drawn.renderer_version == RENDERER_VERSION
    assert back.numbers.tolist() == [7, 7, 9_999, 9_999, 10_000, 10_000]
    assert back.part("train").numbers.tolist() == [10_000, 10_000]
    with pytest.raises(NbnetError, match="twice"):
        from_synthfaces([1, 1])


def test_selecting_a_side(people):
    manifest = open_source(people)
    with pytest.raises(NbnetError, match="no pictures in the split 'train'"):
        manifest.part("train")
    few = manifest.select([3, 0])
    assert few.images == (manifest.images[3], manifest.images[0])
    assert few.select(np.array([False, True])).images == (manifest.images[0],)


def test_digests_of_people():
    apart = unicodedata.normalize("NFD", "Zoë")
    assert people_digest(["Zoë", "", 7]) == people_digest([apart, "7", "7", " Zoë "])
    assert people_digest(["Zoë"]) != people_digest(["Zoe"])
    assert all(len(d) == 12 for d in people_digest(["a", "b"]))
    # As on any machine, in any version of this library: cards are compared with it.
    assert people_digest(["Ann"]) == ["17239b6e2501"]
