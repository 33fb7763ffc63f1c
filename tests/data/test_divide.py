"""Looking at all pictures, and dividing the people: nobody, and no file, is on both sides."""

import shutil

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.data.divide import divide
from nbnet_lib.data.listing import from_folder, from_synthfaces, open_source, table_of
from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.reading import identical_files
from nbnet_lib.data.survey import survey
from nbnet_lib.errors import NbnetError


def test_measuring(people, put):
    manifest = survey(open_source(people), progress=False)
    assert manifest.size == 24 and set(manifest.table["height"]) == {24}
    assert manifest.notes == ("people with one picture, which makes no genuine pair: 1",)
    put(people / "Ann" / "wide.png", 77, size=(30, 20))
    manifest = survey(open_source(people), progress=False)
    row = manifest.images.index("Ann/wide.png")
    assert manifest.table[["width", "height"]].iloc[row].tolist() == [30, 20]
    assert manifest.size is None
    assert manifest.notes == ("pictures that are not square, for `nbnet data align` to cut: 1",)


@pytest.mark.parametrize("quick", [False, True])
def test_pictures_that_cannot_be_read(people, quick):
    (people / "Cem" / "1.png").write_bytes(b"")
    (people / "Zoë" / "5.png").write_text("no picture")
    with pytest.raises(NbnetError, match=r"Cem/1\.png .*\(and 1 pictures more\); --leave-out"):
        survey(open_source(people), quick, progress=False)
    manifest = survey(open_source(people), quick, leave_out_unreadable=True, progress=False)
    assert len(manifest) == 13 and "Cem/1.png" not in manifest.images
    assert "(not a picture, zero bytes): 2, the first: " in manifest.notes[0]


def test_only_a_full_look_finds_a_picture_that_is_cut_short(people):
    path = people / "Cem" / "1.png"
    path.write_bytes(path.read_bytes()[:-600])
    assert len(survey(open_source(people), quick=True, progress=False)) == 15
    with pytest.raises(NbnetError, match=r"Cem/1\.png"):
        survey(open_source(people), progress=False)
    for other in people.rglob("*.png"):
        other.write_bytes(b"")
    with pytest.raises(NbnetError, match="none of the pictures of set can be read"):
        survey(open_source(people), leave_out_unreadable=True, progress=False)


def test_one_file_under_two_people_is_noted(people):
    shutil.copy(people / "Ben_B" / "1.png", people / "Dana" / "again.png")
    shutil.copy(people / "Cem" / "1.png", people / "Cem" / "again.png")
    # A file of equal length and other bytes is none of these.
    one, other = people / "Zoë" / "1.png", people / "Zoë" / "2.png"
    other.write_bytes(one.read_bytes()[:-1] + b"\0")
    manifest = open_source(people)
    same = [{manifest.images[r] for r in rows} for rows in identical_files(manifest, False)]
    assert same == [{"Ben_B/1.png", "Dana/again.png"}, {"Cem/1.png", "Cem/again.png"}]
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(other)
    notes = survey(open_source(people), progress=False).notes
    assert "copies of another picture of the same person: 1" in notes
    assert "wrong: 1 (Ben_B/1.png = Dana/again.png)" in notes[-1]


def crowd(counts):
    """A manifest of people p000, p001 ... with so many pictures each; no files."""
    people = [f"p{p:03d}" for p, count in enumerate(counts) for _ in range(count)]
    return [f"{name}/{n}.png" for n, name in enumerate(people)], people


@pytest.fixture
def no_files(monkeypatch):
    """Divide without looking at files."""
    monkeypatch.setattr("nbnet_lib.data.divide.identical_files", lambda manifest, progress: [])


def test_sides_share_nobody_and_are_alike(tmp_path, no_files):
    counts = [1] * 50 + [2] * 30 + [4] * 10 + [20] * 10
    images, people = crowd(counts)
    manifest = Manifest(table_of(images, people), tmp_path, "crowd")
    divided = divide(manifest, 0.2, seed=3)
    who = np.array(divided.identities)
    sides = {side: set(who[np.array(divided.splits) == side]) for side in ("train", "evaluation")}
    assert not sides["train"] & sides["evaluation"]
    assert len(sides["evaluation"]) == 20 and len(sides["train"]) == 80
    number = dict(zip(*np.unique(people, return_counts=True), strict=True))
    tested = sorted(number[name] for name in sides["evaluation"])
    assert tested == [1] * 10 + [2] * 6 + [4] * 2 + [20] * 2  # a fifth of each kind
    # The same for any order of the rows, another for another seed.
    shuffled = manifest.select(np.random.default_rng(0).permutation(len(manifest)))
    again = divide(shuffled, 0.2, seed=3)
    assert (
        set(np.array(again.identities)[np.array(again.splits) == "evaluation"])
        == (sides["evaluation"])
    )
    other = divide(manifest, 0.2, seed=4)
    assert other.splits != divided.splits


@pytest.mark.parametrize(("share", "wanted"), [(0.001, 1), (0.5, 4), (0.999, 6)])
def test_no_side_is_empty(tmp_path, no_files, share, wanted):
    images, people = crowd([1, 1, 2, 3, 3, 9, 30])
    divided = divide(Manifest(table_of(images, people), tmp_path, "crowd"), share)
    assert divided.counts()["evaluation_identities"] == wanted


def test_people_who_share_a_file_stay_together(people):
    for name, other in [("Ann", "Ben_B"), ("Ben_B", "Cem")]:
        shutil.copy(people / name / "1.png", people / other / f"from_{name}.png")
    manifest = open_source(people)
    for seed in range(8):
        divided = divide(manifest, 0.34, seed, progress=False)
        side = dict(zip(divided.identities, divided.splits, strict=True))
        assert side["Ann"] == side["Ben_B"] == side["Cem"]
        assert set(side.values()) == {"train", "evaluation"}
        assert divided.notes == ("kept on one side because they share a picture: Ann, Ben_B, Cem",)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: divide(open_source(root), 0), "share is 0"),
        (lambda root: divide(open_source(root), 1.0), "share is 1.0"),
        (lambda root: divide(from_synthfaces([1, 2])), "divided by their numbers"),
        (lambda root: divide(from_folder(root, "none")), "15 pictures of unknown people"),
        (lambda root: divide(from_folder(root / "Ann", "picture")), "nobody can be kept apart"),
    ],
)
def test_what_cannot_be_divided(people, make, said):
    with pytest.raises(NbnetError, match=said):
        make(people)


def test_nobody_can_be_kept_apart(people, tmp_path):
    for name in ("A", "B"):
        (tmp_path / "two" / name).mkdir(parents=True)
        shutil.copy(people / "Ann" / "1.png", tmp_path / "two" / name / "1.png")
    with pytest.raises(NbnetError, match="nobody can be kept apart"):
        divide(open_source(tmp_path / "two"), progress=False)
