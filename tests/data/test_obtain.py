"""Getting a benchmark: from a server on this machine, and from what a user was given."""

import hashlib
import http.server
import shutil
import tarfile
import threading
import zipfile
from dataclasses import replace

import pytest

from nbnet_lib.data.benchmarks import Part, find_benchmark, get_benchmark
from nbnet_lib.data.remote import RemoteFile
from nbnet_lib.errors import NbnetError


@pytest.fixture(scope="module")
def served(tmp_path_factory, published):
    """A folder with the archives and lists as their publishers have them."""
    made, folder = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("served")
    lfw = published("lfw", made / "lfw")
    with tarfile.open(folder / "lfw.tgz", "w:gz") as archive:
        archive.add(lfw / "lfw", "lfw")
    celeba = published("celeba", made / "celeba")
    pack(folder / "img_align_celeba.zip", celeba / "img_align_celeba", "img_align_celeba/")
    for path in (*lfw.glob("*.txt"), *celeba.glob("*.txt")):
        shutil.copy(path, folder / path.name)
    part = "subjects_0-1999_72_imgs"
    pack(folder / f"{part}.zip", published("digiface-1m", made / "digiface") / part, "")
    return folder


def pack(path, folder, inside):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, inside + file.relative_to(folder).as_posix())


@pytest.fixture
def server(served):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def served_as(name, served, url=""):
    """The benchmark with the checksums of what is served here, and its address."""
    dataset = find_benchmark(name)
    parts = []
    for part in dataset.parts:
        path = served / part.file.name
        if path.is_file():
            urls = (url + part.file.name,) if url else ()
            parts.append(replace(part, file=RemoteFile(path.name, urls, sha256=sha256(path))))
    return replace(dataset, parts=tuple(parts), counts={}, size=None)


def test_lfw_is_downloaded_unpacked_and_checked(tmp_path, served, server):
    url, asked = server
    dataset = served_as("lfw", served, url)
    found = get_benchmark(dataset, tmp_path / "lfw", progress=False)
    assert (found.pictures, found.people, found.problems) == (3, 2, ())
    assert found.root == tmp_path / "lfw" / "lfw"
    assert len(asked) == 4
    # Again: nothing is asked for, even when the archive was deleted to save space.
    (tmp_path / "lfw" / "lfw.tgz").unlink()
    assert get_benchmark(dataset, tmp_path / "lfw", progress=False) == found
    assert len(asked) == 4


def test_wrong_bytes_are_never_unpacked(tmp_path, served, server):
    url, _ = server
    dataset = served_as("lfw", served, url)
    wrong = replace(dataset.parts[0].file, sha256="0" * 64)
    dataset = replace(dataset, parts=(Part(wrong, "lfw"), *dataset.parts[1:]))
    with pytest.raises(NbnetError, match=r"lfw\.tgz"):
        get_benchmark(dataset, tmp_path, progress=False)
    assert not (tmp_path / "lfw").exists()


def test_an_archive_without_a_folder_gets_one(tmp_path, served, server):
    url, _ = server
    dataset = served_as("digiface-1m", served, url)
    found = get_benchmark(dataset, tmp_path, accept_licence=True, progress=False)
    assert (found.pictures, found.people) == (2, 2)
    assert (tmp_path / "subjects_0-1999_72_imgs" / "7" / "0.png").is_file()


def test_a_licence_has_to_be_accepted(tmp_path, served, server):
    url, asked = server
    dataset = served_as("digiface-1m", served, url)
    with pytest.raises(NbnetError, match="non-commercial research .* give --accept-licence"):
        get_benchmark(dataset, tmp_path / "out", progress=False)
    assert not asked and not (tmp_path / "out").exists()


@pytest.fixture
def given(tmp_path, served):
    """What a user downloaded from the page of CelebA."""
    folder = tmp_path / "given"
    folder.mkdir()
    for name in ("img_align_celeba.zip", "identity_CelebA.txt", "list_eval_partition.txt"):
        shutil.copy(served / name, folder / name)
    return folder


@pytest.mark.parametrize("inside", ["", "img_align_celeba.zip"])
def test_given_archives_are_verified_and_unpacked(tmp_path, served, given, inside):
    found = get_benchmark(
        served_as("celeba", served), tmp_path / "out", given / inside, progress=False
    )
    assert (found.pictures, found.people, found.problems) == (2, 2, ())
    assert found.root == tmp_path / "out" / "img_align_celeba"
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert [name for name in names if not name.startswith(".")] == [
        "identity_CelebA.txt",
        "img_align_celeba",
        "list_eval_partition.txt",
    ]


def test_given_archives_may_stay_where_they_are(served, given):
    found = get_benchmark(served_as("celeba", served), given, given, progress=False)
    assert found.pictures == 2 and (given / "img_align_celeba.zip").is_file()
    # From now on the folder is there: it is checked where it is, without --out.
    assert get_benchmark(served_as("celeba", served), None, given, progress=False) == found


def test_a_given_folder_is_checked_where_it_is(tmp_path, served):
    with tarfile.open(served / "lfw.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = get_benchmark(served_as("lfw", served), given=tmp_path, progress=False)
    assert found.root == tmp_path / "lfw" and found.pictures == 3


def change(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            lambda g: change(g / "img_align_celeba.zip"),
            r"\.zip is not the published file \(its SHA",
        ),
        (lambda g: change(g / "identity_CelebA.txt"), r"_CelebA\.txt is not the published file"),
        (lambda g: (g / "identity_CelebA.txt").unlink(), "no identity_CelebA.txt"),
        (
            lambda g: (g / "img_align_celeba.zip").unlink(),
            "no identity_CelebA.txt|does not fit|holds no pictures",
        ),
        (shutil.rmtree, "given is neither a folder"),
    ],
)
def test_what_is_wrong_with_what_was_given(tmp_path, served, given, harm, said):
    harm(given)
    with pytest.raises(NbnetError, match=said):
        get_benchmark(served_as("celeba", served), tmp_path / "out", given, progress=False)


def test_given_archives_need_a_folder(served, given):
    with pytest.raises(NbnetError, match=r"holds archives \(img_align_celeba\.zip\): give --out"):
        get_benchmark(served_as("celeba", served), None, given, progress=False)
