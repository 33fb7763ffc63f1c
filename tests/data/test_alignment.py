"""Aligning folders in which much is wrong: nothing lost, reasons for all, and going on."""

import bz2
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from filelock import FileLock
from PIL import Image

from nbnet_lib.data import alignment
from nbnet_lib.data.alignment import (
    COLUMNS,
    JOURNAL,
    AlignOptions,
    align,
    choose,
    find_faces,
    find_pictures,
)
from nbnet_lib.data.alignment_file import read_alignment
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render
from nbnet_lib.faces.detect import DetectedFace, FaceDetector
from nbnet_lib.faces.framing import FRAMINGS

BROKEN = {
    "ann/zero.jpg": "zero bytes",
    "ann/half.jpg": "truncated",
    "bob/login.jpg": "not a picture",
    "bob/nobody.png": "no face",
    "bob/tiny.png": "too small",
}
NOTED = {
    "ann/0.jpg": "",
    "ann/grey.png": "grey",
    "ann/inks.jpg": "CMYK",
    "ann/deep.png": "16-bit; grey",
    "bob/turned.jpg": "EXIF-turned",
    "bob/moving.gif": "animated",
    "bob/packed.ppm.bz2": "",
    "bob/deeper/two.png": "several faces",
}


def scene(width: int, height: int, *placed: tuple[int, int, int, int]) -> np.ndarray:
    """Return a picture of people: identity, side, left, top of each."""
    picture = np.random.default_rng(0).integers(90, 130, (height, width, 3), np.uint8)
    for identity, side, left, top in placed:
        picture[top : top + side, left : left + side] = render(identity, 0, side)
    return picture


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    """A folder of pictures of all kinds; copied by the tests that change it."""
    folder = tmp_path_factory.mktemp("originals")
    (folder / "ann").mkdir()
    (folder / "bob" / "deeper").mkdir(parents=True)
    one = Image.fromarray(scene(200, 180, (1, 120, 30, 40)))
    one.save(folder / "ann/0.jpg", quality=95)
    one.convert("L").save(folder / "ann/grey.png")
    one.convert("CMYK").save(folder / "ann/inks.jpg", quality=95)
    Image.fromarray(np.asarray(one.convert("L")).astype(np.uint16) * 257).save(
        folder / "ann/deep.png"
    )
    side = one.transpose(Image.Transpose.ROTATE_90)
    exif = side.getexif()
    exif[0x0112] = 6
    side.save(folder / "bob/turned.jpg", quality=95, exif=exif)
    one.save(folder / "bob/moving.gif", save_all=True, append_images=[side.resize(one.size)])
    one.save(folder / "bob/plain.ppm")
    packed = bz2.compress((folder / "bob/plain.ppm").read_bytes())
    (folder / "bob/plain.ppm").unlink()
    (folder / "bob/packed.ppm.bz2").write_bytes(packed)
    two = scene(330, 180, (1, 150, 10, 10), (7, 110, 205, 40))
    Image.fromarray(two).save(folder / "bob/deeper/two.png")

    (folder / "ann/zero.jpg").touch()
    (folder / "ann/half.jpg").write_bytes((folder / "ann/0.jpg").read_bytes()[:3000])
    (folder / "bob/login.jpg").write_text("<html>please log in</html>")
    Image.fromarray(scene(90, 80)).save(folder / "bob/nobody.png")
    Image.fromarray(scene(9, 300)).save(folder / "bob/tiny.png")
    (folder / "pairs.txt").write_text("no picture")
    (folder / "ann/.DS_Store").write_text("no picture")
    return folder


def quick(source, out, **options):
    options = AlignOptions(**{"size": 64} | options)
    return align(source, out, options, workers=1, progress=False)


def table(out) -> pd.DataFrame:
    return pd.read_parquet(out / "alignment.parquet").set_index("image", drop=False)


def results(out) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*.png")}


@pytest.fixture(scope="module")
def aligned(originals, tmp_path_factory):
    """The folder aligned, once for all tests that only look."""
    out = tmp_path_factory.mktemp("results") / "out"
    options = AlignOptions(FRAMINGS["arcface"], 112)
    return out, align(originals, out, options, workers=1, progress=False)


def test_every_picture_has_a_row_and_every_failure_a_reason(originals, aligned):
    out, done = aligned
    rows = table(out)
    assert list(rows.columns) == list(COLUMNS)
    assert rows.index.tolist() == sorted([*BROKEN, *NOTED])  # all of them, in order
    failed = rows[rows.status == "failed"]
    assert failed.reason.to_dict() == BROKEN
    assert (failed.detail != "").all() and (failed.out == "").all()
    fine = rows[rows.status == "aligned"]
    assert fine.notes.to_dict() == NOTED
    assert (fine.reason == "").all() and fine.score.between(0.9, 1).all()
    assert {r["image"]: r["reason"] for r in done.failures} == BROKEN
    assert results(out) == set(fine.out)
    assert rows.loc["bob/packed.ppm.bz2", "out"] == "bob/packed.png"
    assert rows.loc["bob/deeper/two.png", "faces"] == 2
    assert rows.loc["bob/turned.jpg", ["width", "height"]].tolist() == [200, 180]  # upright
    assert rows.loc["ann/zero.jpg", "width"] == 0 and rows.loc["bob/nobody.png", "width"] == 90
    assert rows.loc["bob/nobody.png", "box"] is None and len(rows.loc["ann/0.jpg", "points"]) == 10
    assert done.kept == 0 and done.speed > 0


def test_faces_lie_where_the_framing_says(aligned):
    out, _ = aligned
    detector = FaceDetector()
    for name in sorted(results(out)):
        picture = np.asarray(Image.open(out / name))
        assert picture.shape == (112, 112, 3) and picture.dtype == np.uint8
        (face,) = detector.find(picture)
        assert np.abs(face.points - FRAMINGS["arcface"].pixels(112)).mean() < 4, name


def test_the_summary_tells_how(originals, aligned):
    out, done = aligned
    summary = json.loads((out / "alignment.json").read_text())
    assert summary["framing"] == "arcface" and summary["size"] == 112
    assert summary["points"] == [list(p) for p in FRAMINGS["arcface"].points]
    assert summary["source"] == originals.name and "MTCNN (facenet-pytorch 2" in summary["detector"]
    assert summary["skipped"] == ["ann/.DS_Store", "pairs.txt"]
    counts = summary["counts"]
    assert counts == done.counts
    assert counts["pictures"] == len(BROKEN) + len(NOTED) == counts["aligned"] + counts["failed"]
    assert counts["failed"] == len(BROKEN) and counts["skipped"] == 2
    assert counts["reasons"] == dict.fromkeys(BROKEN.values(), 1)
    assert counts["notes"]["grey"] == 2
    assert not any(str(originals.parent) in p.read_text("utf8", "replace") for p in out.glob("*.*"))
    found = read_alignment(out / "bob")
    assert found is not None and found.framing == FRAMINGS["arcface"] and found.size == 112


@pytest.fixture
def folders(originals, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(originals, source)
    quick(source, out)
    return source, out


def test_what_is_done_is_kept_and_what_changed_is_not(folders):
    source, out = folders
    stamps = {name: (out / name).stat().st_mtime_ns for name in results(out)}
    again = quick(source, out)
    assert again.kept == len(BROKEN) + len(NOTED) and again.speed == 0
    assert {name: (out / name).stat().st_mtime_ns for name in stamps} == stamps

    Image.fromarray(scene(170, 170, (4, 120, 20, 20))).save(source / "bob/nobody.png")  # now one
    (source / "ann/0.jpg").write_bytes(b"")  # no longer one
    (source / "ann/grey.png").unlink()
    (out / "ann/deep.png").unlink()
    (out / "ann/inks.png").write_bytes(b"cut short by a power failure")
    Image.fromarray(scene(170, 170, (5, 120, 20, 20))).save(source / "ann/new.png")
    again = quick(source, out)
    assert again.kept == len(BROKEN) + len(NOTED) - 5
    rows = table(out)
    assert rows.status["bob/nobody.png"] == rows.status["ann/new.png"] == "aligned"
    assert rows.reason["ann/0.jpg"] == "zero bytes" and "ann/grey.png" not in rows.index
    gone = {"ann/0.png", "ann/grey.png"}
    assert results(out) == {*stamps, "bob/nobody.png", "ann/new.png"} - gone
    assert (out / "ann/inks.png").stat().st_size > 1000


def test_a_journal_with_half_a_line(folders):
    source, out = folders
    journal = out / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]) + lines[-1][:40])
    assert quick(source, out).kept == len(BROKEN) + len(NOTED) - 1
    assert len(table(out)) == len(BROKEN) + len(NOTED)
    journal.write_text("no journal")
    with pytest.raises(NbnetError, match="aligned differently"):
        quick(source, out)


def test_other_settings_are_refused(folders, tmp_path):
    source, out = folders
    with pytest.raises(NbnetError, match=r"\(faces, min_face, missing, size differ\)"):
        quick(source, out, missing="centre", faces="only", min_face=40, size=65)
    shutil.copytree(source, tmp_path / "other")
    with pytest.raises(NbnetError, match=r"\(framing, source differ\)"):
        quick(tmp_path / "other", out, framing=FRAMINGS["facenet"])


def test_missing_faces_and_several(originals, tmp_path):
    for name in ("bob/nobody.png", "bob/deeper/two.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(originals / name, tmp_path / "in" / name)
    done = quick(tmp_path / "in", tmp_path / "only", faces="only", missing="centre")
    rows = table(tmp_path / "only")
    assert rows.reason.to_dict() == {
        "bob/deeper/two.png": "several faces",
        "bob/nobody.png": "no face",
    }
    assert rows.status.tolist() == ["failed", "aligned"] and done.counts["centred"] == 1
    assert rows.notes["bob/nobody.png"] == "centre of the picture"
    middle = np.asarray(Image.open(tmp_path / "only/bob/nobody.png"))
    whole = np.asarray(Image.open(originals / "bob/nobody.png"))
    square = Image.fromarray(whole[:, 5:85]).resize((64, 64), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(middle, np.asarray(square))
    quick(tmp_path / "in", tmp_path / "largest", faces="largest")
    left, top, right, bottom = table(tmp_path / "largest").box["bob/deeper/two.png"]
    assert right < 170  # the larger face is the one on the left


def test_the_central_face_is_not_always_the_largest():
    def face(left, top, side):
        box = np.array([left, top, left + side, top + side], np.float32)
        return DetectedFace(box, np.zeros((5, 2), np.float32), 1.0)

    large, middle = face(0, 60, 80), face(105, 80, 50)
    assert choose([middle, large], (200, 260), "largest") is large
    assert choose([middle, large], (200, 260), "central") is middle
    speck = face(128, 98, 5)  # a knob in the very middle is not what a picture is about
    assert choose([speck, face(90, 40, 110)], (200, 260), "central") is not speck


def test_guesses_count_only_where_nothing_is_sure(monkeypatch):
    def face(score):
        return DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), score)

    looked = []

    class Looks:
        def __init__(self, *answers):
            self.answers = list(answers)

        def find(self, image, min_face):
            looked.append(min_face)
            return self.answers.pop(0)

    image = np.zeros((800, 1600, 3), np.uint8)
    assert [f.score for f in find_faces(image, Looks([face(0.99), face(0.8)]))] == [0.99]
    assert looked == [100]
    assert [f.score for f in find_faces(image, Looks([face(0.75)], [face(0.8)]))] == [0.8]
    assert looked == [100, 100, 20]
    unsure, two = [face(0.75)], [face(0.95), face(0.93)]
    assert find_faces(image, Looks(unsure, two)) == two
    assert find_faces(image[:100, :100], Looks([])) == [] and looked[-1] == 20  # one look


def test_folders_that_cannot_be_used(originals, tmp_path):
    with pytest.raises(NbnetError, match="no folder .*nowhere"):
        quick(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").touch()
    with pytest.raises(NbnetError, match=r"text holds no picture \(1 other files\)"):
        quick(tmp_path / "text", tmp_path / "out")
    for out in (originals, originals / "out", originals.parent):
        with pytest.raises(NbnetError, match="inside each other"):
            quick(originals, out)
    with pytest.raises(NbnetError, match="holds files that no alignment has written"):
        quick(originals, tmp_path / "text")
    (tmp_path / "locked").mkdir()
    with FileLock(tmp_path / "locked/.lock"):
        with pytest.raises(NbnetError, match="another process is aligning into"):
            quick(originals, tmp_path / "locked")
    for options, said in (({"faces": "all"}, "'all'"), ({"min_face": 5}, "min_face is 5")):
        with pytest.raises(NbnetError, match=said):
            AlignOptions(**options)
    assert not (tmp_path / "out").exists() and not (originals / "out").exists()


def test_two_pictures_of_one_name(tmp_path):
    for name in ("a.png", "b/A.ppm.bz2", "b/a.JPG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(NbnetError, match=r"b/A.ppm.bz2 and b/a.JPG would both become b/a.png"):
        find_pictures(tmp_path, tmp_path.parent / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links(originals, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").symlink_to(originals / "ann/0.jpg")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    done = quick(tmp_path / "in", tmp_path / "out")
    assert done.counts["aligned"] == 1 and done.counts["skipped"] == 1
    assert [(row["image"], row["reason"]) for row in done.failures] == [("gone.jpg", "missing")]
    shutil.copy(originals / "ann/0.jpg", tmp_path / "nowhere.jpg")
    again = quick(tmp_path / "in", tmp_path / "out")  # what was missing is looked for again
    assert again.counts["aligned"] == 2 and again.kept == 1


def test_too_little_memory_and_a_full_disk(folders, tmp_path, monkeypatch):
    source, _ = folders
    read = alignment.read_picture

    def short(path, smallest):
        if path.name == "0.jpg":
            raise MemoryError
        return read(path, smallest)

    monkeypatch.setattr(alignment, "read_picture", short)
    done = quick(source / "ann", tmp_path / "memory")
    assert {"image": "0.jpg", "reason": "out of memory"}.items() <= done.failures[0].items()
    monkeypatch.undo()
    again = quick(source / "ann", tmp_path / "memory")
    assert again.kept == 5 and again.counts["reasons"].keys() == {"zero bytes", "truncated"}

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(NbnetError, match="cannot write .*No space left on device"):
        quick(source / "ann", tmp_path / "disk")
    monkeypatch.undo()
    assert quick(source / "ann", tmp_path / "disk").counts["aligned"] == 4


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_process_that_the_system_ends_is_named(originals, tmp_path):
    """The run ends with what to do; a second one resumes."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.png", "z.png"):
        shutil.copy(originals / "ann/grey.png", source / name)
    os.mkfifo(source / "never.png")  # its reader waits until it is killed
    code = f"""
from nbnet_lib.data.alignment import AlignOptions, align
align({str(source)!r}, {str(out)!r}, AlignOptions(size=64), workers=2, progress=False)
"""
    run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    journal, deadline = out / JOURNAL, time.monotonic() + 400
    while time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.1)
        if journal.exists() and len(journal.read_text().splitlines()) == 3:
            break
    for child in psutil.Process(run.pid).children(recursive=True):
        if "loky" in " ".join(child.cmdline()) and "tracker" not in " ".join(child.cmdline()):
            child.kill()
    _, said = run.communicate(timeout=60)
    assert "NbnetError: the system ended a process after 2 of 3 pictures" in said
    (source / "never.png").unlink()
    assert quick(source, out).kept == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_is_killed_resumes(originals, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(60):
        shutil.copy(originals / "ann/0.jpg", source / f"{number:03d}.jpg")
    command = ["data", "align", source, out, "--size", "64", "--workers", "2"]
    run = subprocess.Popen(
        [sys.executable, "-m", "nbnet_lib.cli", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 400
    done = 0
    while done < 10 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.02)
        done = len((out / JOURNAL).read_text().splitlines()) if (out / JOURNAL).exists() else 0
    assert done >= 10 and run.poll() is None
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait(timeout=60) != 0
    assert not (out / "alignment.json").exists()  # which would say that all is there
    again = quick(source, out)
    assert again.kept >= done - 1 and again.counts["aligned"] == 60
    assert len(table(out)) == 60 and len(results(out)) == 60


def test_a_pattern_chooses_pictures_and_the_rest_is_counted(tmp_path):
    """Color FERET holds every picture in several sizes, under the same names."""
    for size in ("images", "smaller"):
        for pose in ("fa", "pl"):
            path = tmp_path / "dvd1/data" / size / "00002" / f"00002_931230_{pose}.ppm.bz2"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    out = tmp_path.parent / "out"
    pictures, skipped = find_pictures(tmp_path, out, "*/data/images/*_f[ab]*")
    assert list(pictures.values()) == ["dvd1/data/images/00002/00002_931230_fa.png"]
    assert len(skipped) == 3 and len(find_pictures(tmp_path, out)[0]) == 4
    with pytest.raises(NbnetError, match=r"holds no picture like \*\.jpg \(4 other files\)"):
        find_pictures(tmp_path, out, "*.jpg")


def test_pictures_on_their_side_are_turned_or_listed(tmp_path):
    """Each direction of two faces; what looks like a face on its side only is doubtful."""
    source = tmp_path / "in"
    source.mkdir()
    upright = {}
    for identity in (1, 7):
        picture = scene(200, 200, (identity, 120, 40, 40))
        for quarters in range(4):
            name = f"{identity}-{quarters}.png"
            Image.fromarray(np.rot90(picture, -quarters)).save(source / name)
            upright[name] = f"{identity}-0.png"
    done = quick(source, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert done.counts["aligned"] == 8
    for name, first in upright.items():
        quarters = int(name[2])
        noted = f"turned by {90 * quarters} degrees" if quarters else ""
        assert rows.loc[name, "notes"].removesuffix("; doubtful direction") == noted
        a, b = (np.asarray(Image.open(tmp_path / "out" / n), int) for n in (name, first))
        assert np.abs(a - b).mean() < 3  # as if it had been upright
    assert done.counts["notes"]["turned by 90 degrees"] == 2
    assert done.counts["doubtful"] == len(done.doubtful)


class Doubtful:
    """A detector that sees a weak face, with its eyes one above the other, in every direction."""

    def find(self, picture, min_face=20):
        points = np.array([[50, 30], [50, 70], [60, 50], [70, 30], [70, 70]], np.float32)
        return [DetectedFace(np.array([20, 20, 80, 80], np.float32), points, 0.93)]


def test_a_find_that_no_direction_explains_is_listed(tmp_path, monkeypatch):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    Image.fromarray(scene(100, 100)).save(source / "a.png")
    monkeypatch.setattr(alignment, "FaceDetector", lambda device: Doubtful())
    alignment._detector.cache_clear()
    done = quick(source, out)
    alignment._detector.cache_clear()
    assert done.doubtful == ("a.png",) and done.counts["doubtful"] == 1
    assert json.loads((out / "alignment.json").read_text())["counts"]["doubtful"] == 1
    assert table(out).loc["a.png", "notes"] == "doubtful direction"
