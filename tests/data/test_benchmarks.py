"""Descriptions of benchmarks and the check of a copy, right and wrong."""

import bz2
import hashlib
import re
import shutil
import sys
from dataclasses import replace

import pytest
from PIL import Image

from nbnet_lib.data import layouts
from nbnet_lib.data.benchmarks import (
    Count,
    Part,
    benchmarks,
    check_benchmark,
    find_benchmark,
)
from nbnet_lib.data.layouts import LOOKS, Tally
from nbnet_lib.data.rehearsal import PLANS, rehearse
from nbnet_lib.data.remote import RemoteFile
from nbnet_lib.errors import NbnetError

NAMES = {
    "lfw", "celeba", "vggface2", "casia-webface", "color-feret", "frgc", "multi-pie",
    "digiface-1m", "sfhq", "folder",
}  # fmt: skip
PEOPLE = {
    "lfw": range(20, 24),
    "color-feret": [3, 740],
    "celeba": [7, 10_000],
    "vggface2": [7, 10_000],
    "casia-webface": [10_000, 10_001],
    "digiface-1m": [10_000, 10_001],
    "folder": [1, 2],
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    return {
        name: rehearse(name, folder / name, who, 2, workers=1, progress=False)
        for name, who in PEOPLE.items()
    }


@pytest.fixture
def copy_of(originals, tmp_path):
    """Copy a rehearsal; without its stamp it is checked as the real one."""

    def copy(name, real=True):
        target = tmp_path / name
        shutil.copytree(originals[name].folder, target)
        if real:
            (target / "rehearsal.json").unlink()
        return target

    return copy


def check(name, folder, **options):
    return check_benchmark(find_benchmark(name), folder, progress=False, **options)


def test_all_benchmarks_are_described():
    datasets = benchmarks()
    assert set(datasets) == set(LOOKS) == NAMES and set(PLANS) <= NAMES
    assert list(datasets) == sorted(datasets)
    for dataset in datasets.values():
        for text in (dataset.licence, dataset.forbids):
            assert text.endswith(".") and len(text) > 15, dataset.name
        assert dataset.access in ("download", "request", "own")
        assert dataset.home.startswith("http") or dataset.access == "own"
        assert dataset.obtain and not dataset.obtain.endswith(".") and dataset.layout
        assert dataset.sources or dataset.access == "own"
        # Only what may be downloaded names addresses.
        urls = [url for part in dataset.parts for url in part.file.urls]
        assert bool(urls) == (dataset.access == "download"), dataset.name
        for part in dataset.parts:
            assert part.folder or not part.file.name.endswith((".zip", ".gz", ".tgz"))


def test_published_numbers():
    datasets = benchmarks()
    lfw, celeba, vgg = (datasets[name] for name in ("lfw", "celeba", "vggface2"))
    assert (lfw.pictures, lfw.people) == (13_233, 5_749)
    assert (celeba.pictures, celeba.people) == (202_599, 10_177)
    assert (vgg.pictures, vgg.people) == (3_311_286, 9_131)
    assert datasets["sfhq"].pictures == 425_258 and datasets["sfhq"].people is None
    assert datasets["frgc"].pictures is None
    # 10,000 people x 72 and, by the names of the parts, 99,999 x 5.
    assert datasets["digiface-1m"].pictures == 720_000 + 499_995


def test_checksums_are_those_that_others_publish():
    from sklearn.datasets import _lfw
    from torchvision.datasets import CelebA

    ours = {part.file.name: part.file for part in find_benchmark("lfw").parts}
    for theirs in (_lfw.ARCHIVE, *_lfw.TARGETS):
        assert ours[theirs.filename].sha256 == theirs.checksum
        assert ours[theirs.filename].urls[0] == theirs.url
    celeba = {part.file.name: part.file.md5 for part in find_benchmark("celeba").parts}
    theirs = {name: md5 for _, md5, name in CelebA.file_list}
    assert celeba == {name: theirs[name] for name in celeba} and len(celeba) == 4


@pytest.mark.parametrize("name", sorted(PEOPLE))
def test_rehearsals_are_accepted(originals, name):
    done = originals[name]
    found = check(name, done.folder)
    assert found.problems == () and found.rehearsal
    assert (found.pictures, found.people) == (done.pictures, done.people)
    assert found.opened == done.pictures
    assert sorted(found.folders) == sorted(done.folders) or name == "digiface-1m"
    # All of them, and none of FERET's smaller copies.
    everything = check(name, done.folder, every=True)
    assert everything.opened == done.pictures and everything.problems == ()
    if name in ("lfw", "celeba", "casia-webface"):
        assert found.root == done.root
    published = find_benchmark(name).pictures
    if published:
        assert any(
            "pictures" in note and "fewer than the published" in note for note in found.notes
        )


@pytest.mark.parametrize("name", sorted(set(PEOPLE) - {"folder"}))
def test_without_the_stamp_too_few_is_a_problem(copy_of, name):
    found = check(name, copy_of(name))
    assert not found.rehearsal
    assert any(re.search("pictures.*, fewer than the published", p) for p in found.problems)


def test_the_pictures_folder_itself_is_taken_too(originals):
    for name in ("lfw", "casia-webface", "color-feret"):
        found = check(name, originals[name].root)
        assert found.rehearsal and not found.problems


def test_too_many_is_a_problem_even_in_a_rehearsal(originals):
    dataset = replace(find_benchmark("casia-webface"), counts={"": Count(3, 2)})
    (problem,) = check_benchmark(dataset, originals["casia-webface"].folder).problems
    assert problem.startswith("4 pictures, more than the published 3")


def test_a_rehearsal_of_something_else(originals):
    with pytest.raises(NbnetError, match="is a rehearsal of lfw, not of celeba: check it as lfw"):
        check("celeba", originals["lfw"].folder)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def first(folder, pattern):
    return sorted(folder.glob(pattern))[0]


# What can happen to a copy: each returns a function of its folder.
def move(pattern, target):
    return lambda folder: first(folder, pattern).rename(folder / target)


def put(name, text=""):
    return lambda folder: write(folder / name, text)


def drop(*patterns):
    def harm(folder):
        for path in (path for pattern in patterns for path in sorted(folder.glob(pattern))):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return harm


LFW, CELEBA, CASIA = "lfw/Synth_Person_0020", "img_align_celeba", "CASIA-WebFace"
DVD1, DVD2 = "colorferet/dvd1/data/images", "colorferet/dvd2/data/images"
BREAKS = {
    "lfw": [
        (move("lfw/*/*", f"{LFW}/me.jpg"), "me.jpg does not fit"),
        (drop(f"{LFW}/*_0001.jpg"), r"pairs.txt:\d+: the picture 1 of Synth_Person_0020"),
        (put("pairs.txt", "10 300\n"), "0 pairs, but its header"),
        (drop("lfw"), "holds no lfw/ or lfw_funneled/"),
    ],
    "celeba": [
        (drop("identity_CelebA.txt"), "holds no identity_CelebA.txt"),
        (drop(f"{CELEBA}/000001.jpg"), "000001.jpg is in one of them only"),
        (put("identity_CelebA.txt", "000001.jpg 1\n"), "000002.jpg is in one of them only"),
        (put("identity_CelebA.txt", "000001.jpg one\n"), "identity_CelebA.txt:1: "),
        (put("identity_CelebA.txt", "000001.jpg 1\n" * 2), ":2: .* twice"),
        (put("list_eval_partition.txt", "000001.jpg 3\n"), "partition.txt:1: "),
        (move(f"{CELEBA}/*", f"{CELEBA}/1.jpg"), "1.jpg does not fit"),
        (drop(CELEBA), "holds no img_align_celeba/ or"),
    ],
    "vggface2": [
        (move("train/n010000", "train/Ann"), "Ann does not fit"),
        (move("test/n000007", "test/n010000"), "n010000 is in train/ and"),
        (move("train/*/*", "train/n010000/1.jpg"), "1.jpg does not fit"),
        (put("train/n010000/more/0001_01.jpg"), "more does not fit"),
        (drop("test/*/*"), "n000007 holds no pictures"),
        (drop("train", "test"), "holds no data/ or"),
    ],
    "casia-webface": [
        (put("train.rec", "x"), "holds MXNet records"),
        (move(f"{CASIA}/0010000", f"{CASIA}/7"), "7 does not fit"),
        (drop(CASIA), "holds no CASIA-WebFace/"),
    ],
    "digiface-1m": [
        (move("subjects*", "faces"), "holds none of the parts"),
        (move("subjects*/0/*", "subjects_0-1999_72_imgs/0/a.png"), "a.png does not fit"),
    ],
    "color-feret": [
        (drop(DVD1), "dvd1 holds no data/images/"),
        (move(f"{DVD1}/*", f"{DVD1}/me"), "me does not fit"),
        (
            move(f"{DVD1}/*/*", f"{DVD2}/00740/00003_940101_fa.ppm.bz2"),
            "00003_940101_fa.ppm.bz2 does",
        ),
        (drop(f"{DVD1}/*/*_fa*"), r"fa.txt:1: 00003_940101_fa.ppm is not in"),
        (put(f"{DVD1}/00003/00003_940101_fa.ppm", "P6"), "is there a second time"),
        (drop("colorferet"), "holds no data/images/"),
    ],
    "folder": [
        (drop("people/Synth_Person_0001/*"), "Synth_Person_0001 holds no pictures"),
        (drop("people"), "holds no folders with pictures"),
    ],
}
CASES = [pytest.param(n, *b, id=f"{n}-{b[1]}") for n, breaks in BREAKS.items() for b in breaks]


@pytest.mark.parametrize(("name", "harm", "said"), CASES)
def test_the_first_thing_that_is_wrong_is_named(copy_of, name, harm, said):
    folder = copy_of(name, real=False)
    check(name, folder)  # right before
    harm(folder)
    with pytest.raises(NbnetError, match=said) as error:
        check(name, folder)
    assert "\n" not in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(NbnetError, match="missing is not a folder: give the folder that holds"):
        check("lfw", tmp_path / "missing")


def test_broken_files_are_counted_and_named(copy_of):
    folder = copy_of("casia-webface", real=False)
    pictures = sorted(folder.glob("CASIA-WebFace/*/*.jpg"))
    pictures[0].write_bytes(b"")
    pictures[1].write_bytes(pictures[1].read_bytes()[:3000])
    found = check("casia-webface", folder)
    assert len(found.problems) == 2 and found.pictures == 4
    assert found.problems[0].startswith("1 files have no bytes (001.jpg): ")
    assert found.problems[1].startswith("1 of 4 opened pictures: ")
    assert str(pictures[1]) in found.problems[1]


def test_wrong_size_is_a_problem(copy_of):
    folder = copy_of("digiface-1m", real=False)
    path = first(folder, "*/1/1.png")
    Image.new("RGB", (113, 112)).save(path)
    (problem,) = check("digiface-1m", folder).problems
    assert problem.startswith("1 of 4 opened pictures do not have the published 112x112 pixels")
    assert f"({path} is 113x112 first)" in problem


def test_every_picture_can_be_opened(copy_of, monkeypatch):
    monkeypatch.setattr(layouts, "SAMPLE", 1)
    folder = copy_of("casia-webface", real=False)
    last = sorted(folder.glob("CASIA-WebFace/*/*.jpg"))[-1]
    last.write_bytes(b"\xff\xd8\xff no picture")
    (last.parent / "._001.jpg").write_bytes(b"hidden")  # as a Mac leaves them
    assert check("casia-webface", folder).opened == 1
    found = check("casia-webface", folder, every=True)
    assert found.opened == 4 and len(found.problems) == 1 and str(last) in found.problems[0]


def with_list(text):
    """LFW whose pairs.txt has the checksum of ``text``."""
    file = RemoteFile("pairs.txt", sha256=hashlib.sha256(text).hexdigest())
    return replace(find_benchmark("lfw"), parts=(Part(file),), counts={})


def test_lists_are_compared_with_the_published_ones(copy_of):
    folder = copy_of("lfw")
    text = (folder / "pairs.txt").read_bytes()
    dataset = with_list(text)
    assert check_benchmark(dataset, folder, progress=False).problems == ()
    (folder / "pairs.txt").write_bytes(text.replace(b"\n", b"\r\n"))  # through Windows
    assert check_benchmark(dataset, folder, progress=False).problems == ()
    lines = text.splitlines(keepends=True)
    (folder / "pairs.txt").write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))
    (problem,) = check_benchmark(dataset, folder, progress=False).problems
    assert "pairs.txt is not the published list (its SHA-256 is" in problem


def test_a_missing_part_is_a_note(copy_of):
    folder = copy_of("vggface2", real=False)
    shutil.rmtree(folder / "test")
    found = check("vggface2", folder)
    assert found.problems == () and any(n.startswith("not there: test;") for n in found.notes)


def picture(path, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".bz2":
        Image.new("RGB", size).save(path.with_suffix(""), "PPM")
        path.write_bytes(bz2.compress(path.with_suffix("").read_bytes()))
        path.with_suffix("").unlink()
    else:
        Image.new("RGB", size).save(path)


def test_multi_pie(tmp_path):
    root = tmp_path / "data"
    right = root / "session01/multiview/001/01/05_1/001_01_01_051_06.png"
    picture(right)
    picture(root / "session02/multiview/002/02/19_1/002_02_02_191_00.png")
    found = check("multi-pie", tmp_path)
    assert (found.pictures, found.people, found.root) == (2, 2, root)
    assert "2 of 4 sessions" in found.notes
    assert [p for p in found.problems if "2 people, fewer than the published 337" in p]
    right.rename(right.with_name("002_01_01_051_06.png"))
    with pytest.raises(NbnetError, match="002_01_01_051_06.png does not fit"):
        check("multi-pie", tmp_path)
    shutil.rmtree(root)
    with pytest.raises(NbnetError, match="session01/"):
        check("multi-pie", tmp_path)


def test_frgc(tmp_path):
    root = tmp_path / "FRGC-2.0-dist"
    picture(root / "nd1/Fall2003/02463d453.jpg")
    picture(root / "nd1/Fall2002/2002-247/04514d04.JPG")
    (root / "nd1/Fall2003/02463d453.abs.gz").write_bytes(b"3-D")
    entry = (
        '<presentation name="r1" modality="Face" file-name="nd1/Fall2002/2002-247/04514d04.jpg"/>'
    )
    path = root / "BEE_DIST/FRGC2.0/signature_sets/experiments/FRGC_Exp_2.0.1_Target.xml"
    write(path, f"<signatures><signature>{entry}</signature></signatures>")
    found = check("frgc", tmp_path)
    assert (found.pictures, found.people, found.problems) == (2, 2, ())
    assert "FRGC_Exp_2.0.1_Target.xml: 1 pictures" in found.notes
    write(path, path.read_text().replace("04514d04", "04514d05"))
    with pytest.raises(NbnetError, match=r"04514d05\.jpg, which is not in"):
        check("frgc", tmp_path)
    write(path, "<signatures>")
    with pytest.raises(NbnetError, match="is not XML"):
        check("frgc", tmp_path)
    path.unlink()
    picture(root / "nd1/Fall2003/face.jpg")
    with pytest.raises(NbnetError, match=r"face\.jpg does not fit"):
        check("frgc", tmp_path)


def test_sfhq(tmp_path):
    for part in (1, 3):
        picture(tmp_path / f"SFHQ_part{part}/images/SFHQ_pt{part}_00000001.jpg")
    found = check("sfhq", tmp_path)
    assert (found.pictures, found.people) == (2, None)
    assert [f.relative_to(tmp_path).as_posix() for f in found.folders] == [
        "SFHQ_part1/images",
        "SFHQ_part3/images",
    ]
    assert any(note.startswith("not there: part 2, part 4;") for note in found.notes)
    assert "1 pictures of part 3, fewer than the published 118,358" in " ".join(found.problems)
    assert "do not have the published 1024x1024" in found.problems[-1]
    assert check("sfhq", tmp_path / "SFHQ_part1").pictures == 1
    shutil.copytree(tmp_path / "SFHQ_part1", tmp_path / "again part1")
    with pytest.raises(NbnetError, match="holds part 1 twice"):
        check("sfhq", tmp_path)
    with pytest.raises(NbnetError, match="holds no SFHQ_part1/images/"):
        check("sfhq", tmp_path / "SFHQ_part1" / "images")


def test_own_folders(tmp_path):
    for name in ("Ann/1.png", "Ann/2.jpg", "Bob/holiday/1.ppm.bz2", "loose.png"):
        picture(tmp_path / name)
    found = check("folder", tmp_path)
    assert (found.pictures, found.people, found.problems) == (3, 2, ())
    assert any(note.startswith("1 pictures are outside") for note in found.notes)
    assert any(note.startswith("1 people have one picture only") for note in found.notes)


def test_a_tally_samples_all_pictures_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "SAMPLE", 10)
    picture(tmp_path / "1.png")
    first = 0
    for seed in range(100):
        tally = Tally()
        tally._dice.seed(seed)
        for number in range(100):
            tally.add(tmp_path / "1.png" if number < 50 else tmp_path, f"{number // 10}")
        assert (tally.pictures, tally.number_of_people, len(tally.sample)) == (100, 10, 10)
        first += tally.sample.count(tmp_path / "1.png")
    assert 400 < first < 600  # of 1,000; half of the pictures


def test_nothing_of_the_working_folder_is_run(tmp_path, monkeypatch):
    write(tmp_path / "data_scripts" / "mine.py", "raise SystemExit('run')\nDATASET = None\n")
    monkeypatch.chdir(tmp_path)
    benchmarks.cache_clear()
    assert set(benchmarks()) == NAMES
    with pytest.raises(NbnetError, match="no benchmark is called 'mfw': choose one of casia-"):
        find_benchmark("mfw")


def test_scripts_run_by_themselves(root, monkeypatch, capsys, originals):
    import runpy

    path = root / "data_scripts" / "lfw.py"
    monkeypatch.setattr(sys, "argv", [str(path), "--path", str(originals["lfw"].folder)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(path), run_name="__main__")
    assert end.value.code == 0
    assert "lfw: 8 pictures of 4 people" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_linked_folders_are_nobody(copy_of):
    folder = copy_of("folder")
    found = check("folder", folder)
    (found.root / "circle").symlink_to(found.root)
    again = check("folder", folder)
    assert (again.pictures, again.people) == (found.pictures, found.people)
    assert "1 linked folders are passed over" in again.notes
