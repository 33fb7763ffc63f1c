"""Descriptions of benchmarks and the check of a copy, right and wrong."""

import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nbnet_lib.data import layouts
from nbnet_lib.data.benchmarks import Count, Part, benchmarks, check_benchmark, find_benchmark
from nbnet_lib.data.layouts import Tally
from nbnet_lib.data.rehearsal import PLANS, rehearse
from nbnet_lib.data.remote import RemoteFile
from nbnet_lib.errors import NbnetError


@pytest.fixture
def copy_of(published, tmp_path):
    return lambda name: published(name, tmp_path / name)


def check(name, folder, **options):
    dataset = find_benchmark(name)
    dataset = replace(dataset, size=None)  # the pictures of these tests are smaller
    if not options.pop("lists", False):
        dataset = replace(
            dataset, parts=tuple(replace(p, file=RemoteFile(p.file.name)) for p in dataset.parts)
        )
    return check_benchmark(dataset, folder, progress=False, **options)


def test_all_benchmarks_are_described():
    datasets = benchmarks()
    assert list(datasets) == sorted(datasets) and set(PLANS) <= set(datasets)
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
    with pytest.raises(NbnetError, match="'mfw': choose one of casia-"):
        find_benchmark("mfw")


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


# Pictures, people, root and folders (none: the root itself) of the copies in conftest.
FOUND = {
    "lfw": (3, 2, "lfw", []),
    "celeba": (2, 2, "img_align_celeba", []),
    "vggface2": (2, 2, ".", ["train", "test"]),
    "casia-webface": (3, 2, "CASIA-WebFace", []),
    "digiface-1m": (2, 2, ".", ["subjects_0-1999_72_imgs"]),
    "color-feret": (2, 2, "colorferet", ["dvd1/data/images", "dvd2/data/images"]),
    "frgc": (2, 2, "FRGC-2.0-dist/nd1", []),
    "multi-pie": (2, 2, "data", ["session01/multiview", "session02/multiview"]),
    "sfhq": (2, None, ".", ["SFHQ_part1/images", "SFHQ_part3/images"]),
    "folder": (3, 2, ".", []),
}


@pytest.mark.parametrize("name", benchmarks())
def test_a_copy_is_found_and_counted(copy_of, name):
    folder = copy_of(name)
    found = check(name, folder)
    pictures, people, root, folders = FOUND[name]
    assert (found.pictures, found.people, found.opened) == (pictures, people, pictures)
    assert found.root == folder / root
    assert list(found.folders) == [found.root / part for part in folders or ["."]]
    assert check(name, folder, every=True).opened == pictures  # and none of FERET's smaller copies
    published = find_benchmark(name).pictures
    assert any("pictures" in problem for problem in found.problems) == bool(published)
    assert all("fewer than the published" in problem for problem in found.problems)


def test_what_is_worth_a_note(copy_of):
    lfw, celeba = copy_of("lfw"), copy_of("celeba")
    assert "blufr_lfw_config.mat" in check("lfw", lfw).notes[0]
    assert check("celeba", celeba).notes == ()
    (lfw / "pairs.txt").unlink()
    (celeba / "list_eval_partition.txt").unlink()
    assert check("lfw", lfw).notes[0].startswith("no pairs.txt")
    assert check("celeba", celeba).notes[0].startswith("no list_eval_partition.txt")
    assert check("sfhq", copy_of("sfhq")).notes[0].startswith("not there: part 2, part 4;")
    assert check("folder", copy_of("folder")).notes[0].startswith("1 people have one picture only")


def test_the_pictures_folder_itself_is_taken_too(copy_of):
    for name, root in (("lfw", "lfw"), ("casia-webface", "CASIA-WebFace")):
        assert check(name, copy_of(name) / root).pictures == 3
    assert check("color-feret", copy_of("color-feret") / "colorferet").pictures == 2


@pytest.mark.parametrize("name", ["lfw", "digiface-1m", "vggface2"])
def test_rehearsals_are_accepted(tmp_path, name):
    people = [3, 4, 5, 6] if name == "lfw" else [10_000, 10_001]
    done = rehearse(name, tmp_path, people, 2, workers=1, progress=False)
    found = check_benchmark(find_benchmark(name), tmp_path, progress=False)
    assert found.problems == () and found.rehearsal
    assert (found.pictures, found.people) == (done.pictures, done.people)
    assert sorted(found.folders) == sorted(done.folders)
    assert any("fewer than the published" in note for note in found.notes)
    with pytest.raises(NbnetError, match=f"is a rehearsal of {name}, not of celeba"):
        check("celeba", tmp_path)
    few = replace(find_benchmark(name), counts={part: Count(1, 1) for part in ("", "train")})
    if name != "digiface-1m":  # too many is a problem even in a rehearsal
        problems = check_benchmark(few, tmp_path, progress=False).problems
        assert f"{done.pictures} pictures" in problems[0] and "more than" in problems[0]
    (tmp_path / "rehearsal.json").unlink()
    found = check_benchmark(find_benchmark(name), tmp_path, progress=False)
    assert not found.rehearsal and any("fewer than" in problem for problem in found.problems)


EXPERIMENT = "FRGC-2.0-dist/BEE_DIST/FRGC2.0/signature_sets/experiments/FRGC_Exp_2.0.1_Target.xml"
DVD1 = "colorferet/dvd1/data/images"
# What can happen to a copy: a file gets another text or another name, or (None) is gone.
BREAKS = [
    ("lfw", "lfw/Cem/Cem_0001.jpg", "lfw/Cem/me.jpg", "me.jpg does not fit"),
    ("lfw", "lfw", None, "holds no pictures in the published layout"),
    ("celeba", "identity_CelebA.txt", None, "no identity_CelebA.txt"),
    ("celeba", "img_align_celeba/000001.jpg", None, "000001.jpg is in one of them only"),
    ("celeba", "identity_CelebA.txt", "000001.jpg 1\n", "000002.jpg is in one of them only"),
    ("celeba", "identity_CelebA.txt", "000001.jpg 1\n000002.jpg 2\n" * 2, "twice"),
    ("vggface2", "train/n000002", "train/Ann", "train/Ann/0001_01.jpg does not fit"),
    ("vggface2", "test/n000001", "test/n000002", "n000002 is in train/ and"),
    ("casia-webface", "CASIA-WebFace/0000099", "CASIA-WebFace/7", "7/001.jpg does not fit"),
    ("casia-webface", "CASIA-WebFace", "faces", "faces/0000045/001.jpg does not fit"),
    ("digiface-1m", "subjects_0-1999_72_imgs", "faces", "holds no pictures in"),
    ("color-feret", f"{DVD1}/00002", f"{DVD1}/me", "me/00002_931230_fa.ppm.bz2 does not fit"),
    ("multi-pie", "data/session01", "data/session03", "001_01_01_051_06.png does not fit"),
    ("folder", "Ann/1.png", "1.png", "1.png does not fit"),
]


@pytest.mark.parametrize(("name", "path", "change", "said"), BREAKS)
def test_the_first_thing_that_is_wrong_is_named(copy_of, name, path, change, said):
    folder = copy_of(name)
    path = folder / path
    if change is None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif path.suffix == ".txt":
        path.write_text(change)
    else:
        path.rename(folder / change)
    with pytest.raises(NbnetError, match=said) as error:
        check(name, folder)
    assert "\n" not in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(NbnetError, match="missing is not a folder: give the folder that holds"):
        check("lfw", tmp_path / "missing")


def test_broken_files_are_counted_and_named(copy_of, monkeypatch):
    folder = copy_of("casia-webface")
    first, second, last = sorted(folder.glob("CASIA-WebFace/*/*.jpg"))
    first.write_bytes(b"")
    last.write_bytes(last.read_bytes()[:300])
    (last.parent / "._001.jpg").write_bytes(b"hidden")  # as a Mac leaves them
    empty, broken = check("casia-webface", folder).problems[0::3]
    assert empty.startswith("1 files have no bytes (001.jpg): ")
    assert broken.startswith("1 of 3 opened pictures: ") and str(last) in broken
    monkeypatch.setattr(layouts, "SAMPLE", 1)
    assert check("casia-webface", folder).opened == 1
    assert check("casia-webface", folder, every=True).opened == 3
    dataset = replace(find_benchmark("casia-webface"), size=(24, 25))
    problems = check_benchmark(dataset, folder, every=True, progress=False).problems
    assert "1 of 3 opened pictures do not have the published 24x25 pixels" in problems[-1]


def test_lists_are_compared_with_the_published_ones(copy_of):
    folder = copy_of("lfw")
    text = (folder / "pairs.txt").read_bytes()
    file = RemoteFile("pairs.txt", sha256=hashlib.sha256(text).hexdigest())
    dataset = replace(find_benchmark("lfw"), parts=(Part(file),), counts={}, size=None)

    def problems():
        return check_benchmark(dataset, folder, progress=False).problems

    assert problems() == ()
    (folder / "pairs.txt").write_bytes(text.replace(b"\n", b"\r\n"))  # through Windows
    assert problems() == ()
    (folder / "pairs.txt").write_bytes(text.replace(b"1\t2", b"2\t1"))
    assert "pairs.txt is not the published list (its SHA-256 is" in problems()[0]


def test_kaggles_copies_are_found(copy_of, put):
    """A folder in a folder of the same name, with lists of another form beside them."""
    for name, inner, lists in (
        ("lfw", "lfw-deepfunneled", {"pairs.txt": "pairs.csv"}),
        ("celeba", "img_align_celeba", {"list_eval_partition.txt": "list_eval_partition.csv"}),
    ):
        folder = copy_of(name)
        pictures = next(path for path in folder.iterdir() if path.is_dir())
        pictures.rename(folder / "moved")
        (folder / inner).mkdir()
        (folder / "moved").rename(folder / inner / inner)
        for published, kaggles in lists.items():
            (folder / published).rename(folder / kaggles)
        found = check(name, folder)
        assert found.root == folder / inner / inner
        assert not any(note.startswith("no pairs") or "division" in note for note in found.notes)


def test_a_tally_samples_all_pictures_alike(tmp_path, put, monkeypatch):
    monkeypatch.setattr(layouts, "SAMPLE", 10)
    put(tmp_path / "1.png", 1)
    first = 0
    for seed in range(100):
        tally = Tally()
        tally._dice.seed(seed)
        for number in range(100):
            tally.add(tmp_path / "1.png" if number < 50 else tmp_path, f"{number // 10}")
        assert (tally.pictures, len(tally.people), len(tally.sample)) == (100, 10, 10)
        first += tally.sample.count(tmp_path / "1.png")
    assert 400 < first < 600  # of 1,000; half of the pictures


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_linked_folders_are_nobody(copy_of):
    folder = copy_of("folder")
    (folder / "circle").symlink_to(folder)
    assert check("folder", folder).people == 2


def test_scripts_are_the_command():
    """data_scripts/NAME.py does what `nbnet data get NAME` does."""
    scripts = Path(__file__).parents[2] / "data_scripts"
    for name in benchmarks():
        text = (scripts / f"{name.replace('-', '_')}.py").read_text()
        assert f'["data", "get", "{name}", *sys.argv[1:]]' in text
