"""`unpack` on good archives, and on what strangers and cut lines make of them."""

import errno
import gzip
import io
import lzma
import os
import random
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from types import SimpleNamespace

import pytest

from nbnet_lib.data.fetch import unpack as module
from nbnet_lib.data.fetch.archives import _telling_damage, open_archive
from nbnet_lib.data.fetch.unpack import Limits, unpack, unpacked_from
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file

NOISE = random.Random(0).randbytes(70_000)
TREE = {
    "lfw/Synth_Person_0001/Synth_Person_0001_0001.jpg": NOISE,
    "lfw/Synth_Person_0001/Synth_Person_0001_0002.jpg": NOISE[:1536],  # whole blocks of tar
    "lfw/Synth_Person_0002/Synth_Person_0002_0001.jpg": b"",
    "lists/pairs.txt": b"10\t300\n" * 1000,
    "Gr\u00fc\u00dfe.txt": b"hello",
    "inner.zip": b"PK\x03\x04 is not looked into",
}
FORMS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


def make(path, tree=TREE, members=()):
    """Write a zip or tar archive, by the ending of its name; ``members`` are TarInfos (no data)."""
    form = path.name.partition(".")[2]
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in tree.items():
                info = zipfile.ZipInfo(name)
                info.external_attr = 0o644 << 16
                file.writestr(info, content, zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(path, f"w:{form[4:]}") as file:
            for name, content in tree.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0o6777
                file.addfile(info, io.BytesIO(content))
            for info in members:
                file.addfile(info)
    return path


def tree_of(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != module.NOTE)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def refused(archive, match, folder=None, **options):
    """Check that the archive is refused, that its name is told, and that nothing is left."""
    parent = archive.parent / "out"
    with pytest.raises(NbnetError, match=match) as told:
        unpack(archive, folder or parent / "set", progress=False, **options)
    assert str(archive) in str(told.value) and "\n" not in str(told.value)
    assert not parent.exists() or [p.name for p in parent.iterdir()] in ([".set.lock"], [])
    return str(told.value)


# ---- good archives ----


@pytest.mark.parametrize("form", FORMS)
def test_all_of_an_archive_is_there(tmp_path, form):
    archive = make(tmp_path / f"a.{form}")
    folder = unpack(archive, tmp_path / "new" / "set", progress=False)
    assert folder == tmp_path / "new" / "set" and tree_of(folder) == TREE
    note = unpacked_from(folder)
    assert note["archive"] == archive.name and note["sha256"] == sha256_file(archive)
    assert note["files"] == len(TREE) and note["unpacked_bytes"] == sum(map(len, TREE.values()))
    assert {p.name for p in folder.parent.iterdir()} <= {"set", ".set.lock"}


def test_the_kind_is_seen_from_the_bytes(tmp_path):
    archive = make(tmp_path / "a.tar.xz").rename(tmp_path / "a.zip")
    assert tree_of(unpack(archive, tmp_path / "set", progress=False)) == TREE


def test_empty_folders_and_odd_slashes_are_kept(tmp_path):
    folders = [tarfile.TarInfo(name) for name in ("./", "./empty/deep/")]
    for info in folders:
        info.type = tarfile.DIRTYPE
    archive = make(tmp_path / "a.tar", {"./a//b.txt": b"1"}, folders)
    folder = unpack(archive, tmp_path / "set", progress=False)
    assert tree_of(folder) == {"a/b.txt": b"1"} and (folder / "empty" / "deep").is_dir()


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_the_only_folder_can_become_the_target(tmp_path, form):
    archive = make(tmp_path / f"a.{form}", {"lfw/A/1.jpg": b"1", "lfw/B/2.jpg": b"2"})
    folder = unpack(archive, tmp_path / "set", progress=False, flatten=True)
    assert tree_of(folder) == {"A/1.jpg": b"1", "B/2.jpg": b"2"}
    assert unpacked_from(folder)["files"] == 2
    unpack(archive, folder, progress=False, flatten=True)
    assert {p.name for p in tmp_path.iterdir()} <= {archive.name, "set", ".set.lock"}
    for tree in ({"a/1": b"1", "b/2": b"2"}, {"1": b"1"}):  # two folders; a file
        archive = make(tmp_path / f"b.{form}", tree)
        assert tree_of(unpack(archive, tmp_path / str(len(tree)), None, False, 0, True)) == tree


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_no_file_becomes_a_program(tmp_path, form):
    folder = unpack(make(tmp_path / f"a.{form}"), tmp_path / "set", progress=False)
    assert {stat.S_IMODE(p.stat().st_mode) & 0o7111 for p in folder.rglob("*.jpg")} == {0}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


def test_a_second_call_does_nothing(tmp_path):
    archive, folder = make(tmp_path / "a.tar.gz"), tmp_path / "set"
    unpack(archive, folder, progress=False)
    (folder / "mine.txt").write_text("kept")
    unpack(archive, folder, progress=False)
    os.utime(archive, (1, 1))  # a copy of it, elsewhere
    unpack(archive.rename(tmp_path / "b.tar.gz"), folder, progress=False)
    assert (folder / "mine.txt").exists()


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "set").mkdir()
    assert tree_of(unpack(make(tmp_path / "a.zip"), tmp_path / "set", progress=False)) == TREE


def test_a_folder_with_something_else_is_left_as_it_is(tmp_path):
    one, two = make(tmp_path / "a.zip"), make(tmp_path / "b.zip", {"x": b"1"})
    folder = unpack(one, tmp_path / "set", progress=False)
    refused(two, r"was unpacked from another archive \(a.zip\)", folder)
    (folder / module.NOTE).unlink()
    refused(two, "is not empty", folder)
    refused(two, "is a file", folder / "inner.zip")
    assert tree_of(folder) == TREE


def test_members_of_whole_blocks_do_not_make_it_read_from_the_start_again(tmp_path):
    tree = {f"{n}.npy": random.Random(n).randbytes(512 << (n % 12)) for n in range(60)}
    with open_archive(make(tmp_path / "a.tar.gz", tree)) as archive:
        positions = [0]
        for member in archive.members():
            while member.read(1 << 20):
                positions.append(archive.position)
            positions.append(archive.position)
            assert len(archive._tar.members) <= 1  # a million of them would fill the memory
    assert positions == sorted(positions)


def test_progress_goes_to_stderr_only(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "tqdm", lambda **options: tqdm_now(**options))
    unpack(make(tmp_path / "a.tar.gz"), tmp_path / "set")
    seen = capsys.readouterr()
    assert seen.out == "" and "unpacking a.tar.gz: 100%" in seen.err


def tqdm_now(**options):
    from tqdm import tqdm

    return tqdm(**{**options, "delay": 0})


# ---- names ----

NAMES = {
    "/etc/passwd": "absolute",
    "../evil": "leads out",
    "a/../../evil": "leads out",
    "a/..": "leads out",
    "C:evil": "a drive",
    "C:/evil": "a drive",
    "\\\\host\\share": "absolute",
    "a\\b": "character",
    "a:stream": "drive",
    "ab:stream": "character",
    "what?": "character",
    "line\nbreak": "character",
    "con": "device on Windows",
    "a/AUX.txt": "device on Windows",
    "lpt1 .jpg": "device on Windows",
    "dot.": "dot or a space",
    "space /x": "dot or a space",
    "x" * 256: "256 characters",
}


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_safe_everywhere(tmp_path, form, name):
    if os.name == "nt" and form == "zip" and name == "a\\b":
        pytest.skip("zipfile writes it as a/b on Windows")
    archive = make(tmp_path / f"a.{form}", {"good.txt": b"1", name: b"2"})
    refused(archive, NAMES[name])
    assert not (tmp_path / "evil").exists() and not (tmp_path / "out" / "evil").exists()


CLASHES = [
    ("Face.png", "face.png", "twice, or another name"),
    ("a/x", "A/y", "'a' and 'A'"),
    ("stra\u00dfe", "STRASSE", "twice, or another name"),
    ("\u00e9", "e\u0301", "twice, or another name"),
    ("a", "a/b", "'a' as a file and as a folder"),
    ("a/b", "a", "'a' as a file and as a folder"),
    ("same", "./same", "twice"),
]


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize(("one", "two", "told"), CLASHES)
def test_names_that_are_one_on_some_system(tmp_path, form, one, two, told):
    refused(make(tmp_path / f"a.{form}", {one: b"1", two: b"2"}), told)


def test_a_tar_name_that_is_no_text(tmp_path):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as file:
        file.addfile(tarfile.TarInfo("M\u00fcller.jpg"))
    refused(archive, "character that not every system takes")


# ---- what is no plain file ----

KINDS = {
    tarfile.SYMTYPE: "a link to",
    tarfile.LNKTYPE: "a link to",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "with holes",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tar_member_that_is_no_file(tmp_path, kind):
    info = tarfile.TarInfo("thing")
    info.type, info.linkname = kind, "../../target"
    refused(make(tmp_path / "a.tar", {"good": b"1"}, [info]), KINDS[kind])


def zip_with(path, **changes):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("good.txt", b"1")
        info = zipfile.ZipInfo("thing.txt")
        info.external_attr = changes.get("attr", 0) << 16
        file.writestr(info, b"target" * 100)
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device"), (stat.S_IFIFO, "a dev")],
)
def test_a_zip_member_that_is_no_file(tmp_path, kind, told):
    refused(zip_with(tmp_path / "a.zip", attr=kind | 0o777), told)


def patch(path, old, new, count=-1):
    content = path.read_bytes()
    assert old in content and len(old) == len(new)
    path.write_bytes(content.replace(old, new, count))
    return path


def patch_headers(path, local_at, new):
    """Write bytes into all headers of a zip: at an offset in the local ones, 2 more centrally."""
    content = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", local_at), (b"PK\x01\x02", local_at + 2)):
        start = content.find(magic)
        while start >= 0:
            content[start + at : start + at + len(new)] = new
            start = content.find(magic, start + 4)
    path.write_bytes(content)
    return path


def test_a_zip_with_a_password(tmp_path):
    refused(patch_headers(zip_with(tmp_path / "a.zip"), 6, b"\x01\x00"), "needs a password")


def test_a_zip_packed_in_an_unknown_way(tmp_path):
    refused(patch_headers(zip_with(tmp_path / "a.zip"), 8, b"\x63\x00"), "cannot be read here")


def test_a_zip_name_with_a_zero_byte(tmp_path):
    refused(patch(zip_with(tmp_path / "a.zip"), b"thing.txt", b"thing\0txt"), "zero byte")


# ---- bombs ----


def test_a_zip_bomb_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    archive = make(tmp_path / "a.zip", {"zeros": bytes(70 << 20)})
    monkeypatch.setattr(module._Unpacking, "_write", None)
    told = refused(archive, "unpacks to more than 67,108,864 bytes")
    assert "bomb" in told


@pytest.mark.parametrize("form", ["tar.gz", "tar.xz"])
def test_a_tar_bomb_is_refused_on_the_way(tmp_path, form):
    refused(make(tmp_path / f"a.{form}", {"zeros": bytes(70 << 20)}), "a bomb")


def test_many_small_members_are_a_bomb_too(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RATIO_FROM", 1 << 20)
    tree = {f"{n}.txt": bytes(100_000) for n in range(30)}
    refused(make(tmp_path / "a.tar.xz", tree), "a bomb")
    assert unpack(make(tmp_path / "b.tar.xz", {"1": NOISE * 30}), tmp_path / "set", progress=False)


@pytest.mark.parametrize("form", ["zip", "tar.bz2"])
def test_limits_can_be_chosen(tmp_path, form):
    archive = make(tmp_path / f"a.{form}")
    size = sum(map(len, TREE.values()))
    refused(archive, f"more than {size - 1:,} bytes", limits=Limits(bytes=size - 1))
    refused(archive, "more than 5 files", limits=Limits(members=5))
    assert unpack(archive, tmp_path / "set", Limits(size, 6), progress=False)


def test_folders_that_stand_in_names_only_take_room_too(tmp_path, monkeypatch):
    deep = make(tmp_path / "a.tar.gz", {f"{n}/" * 40 + "f": b"" for n in range(5)})
    refused(deep, "more than 199 files and folders", limits=Limits(members=199))
    asked = []
    monkeypatch.setattr(module, "LOOK", 50 * module.CLUSTER)
    monkeypatch.setattr(module, "require_free_space", lambda folder, needed: asked.append(needed))
    assert unpack(deep, tmp_path / "set", Limits(members=200), progress=False)
    assert len(asked) == 1 + 2  # at the start, and with every second name: 80 folders


def test_a_size_that_is_only_claimed(tmp_path):
    info = tarfile.TarInfo("huge")
    info.size = 10**15
    (tmp_path / "a.tar").write_bytes(info.tobuf())
    refused(tmp_path / "a.tar", "more than 67,108,864 bytes")


def test_a_name_that_would_fill_the_memory(tmp_path):
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * (5 << 20)}
        file.write(info.tobuf(tarfile.PAX_FORMAT))
    refused(tmp_path / "a.tar.gz", "more than 4 MB")


def test_members_that_share_their_bytes(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("one", NOISE)
        for name in ("two", "three"):  # listed at the end only, with the place of the first
            info = zipfile.ZipInfo(name)
            first = file.getinfo("one")
            for name in ("file_size", "compress_size", "CRC", "header_offset"):
                setattr(info, name, getattr(first, name))
            file.filelist.append(info)
    refused(archive, "overlap")


# ---- damage ----


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_is_cut_anywhere(tmp_path, form):
    whole = make(tmp_path / f"whole.{form}", {**TREE, "last": NOISE[:1024]}).read_bytes()
    if form == "tar":  # without what pads it to 10,240 bytes
        whole = whole[: len(whole.rstrip(b"\0")) // 512 * 512 + 1024]
    archive = tmp_path / f"a.{form}"
    places = {1, 3, 100, 511, 512, 600, len(whole) // 2, *range(len(whole) - 1600, len(whole), 199)}
    # A plain tar ends with two blocks of zeros; one is enough to know that nothing is missing.
    most = len(whole) - (512 if form == "tar" else 0)
    for length in sorted({n for n in places if n < most} | {most - 1}):
        archive.write_bytes(whole[:length])
        refused(archive, "is damaged or cut short|is no zip or tar|no tar archive inside")
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "out" / "set", progress=False)


def test_a_checksum_far_behind_the_last_member_is_compared(tmp_path):
    padded = make(tmp_path / "whole.tar").read_bytes() + bytes(1 << 20)  # GNU tar: -b 2048
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(padded, mtime=0)[:-4])
    refused(archive, "damaged or cut short")
    archive.write_bytes(gzip.compress(padded, mtime=0))
    assert tree_of(unpack(archive, tmp_path / "out" / "set", progress=False)) == TREE


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_byte_that_changed(tmp_path, form):
    archive = make(tmp_path / f"a.{form}", {"noise": NOISE})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    refused(archive, "is damaged or cut short")


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tar.xz"])
def test_any_byte_that_changed_is_told_or_without_harm(tmp_path, form):
    rng = random.Random(3)
    text = "".join(f"{rng.randrange(10**6)}\n" for _ in range(200)).encode()
    whole = make(tmp_path / f"whole.{form}", {"a/text": text, "a/b": b"", "c": text}).read_bytes()
    archive = tmp_path / f"a.{form}"
    faults = 0
    for place in rng.sample(range(min(len(whole), 6000)), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        archive.write_bytes(damaged)
        folder = tmp_path / "out" / f"{place}"
        try:
            unpack(archive, folder, progress=False)
        except NbnetError:  # and nothing else
            faults += 1
            assert not folder.exists()
    assert faults > (10 if form == "tar" else 30)  # a tar has no checksums of contents


def test_an_error_of_the_disk_is_not_the_archives_fault():
    with pytest.raises(OSError, match="Input/output"), _telling_damage():
        raise OSError(errno.EIO, "Input/output error")


def test_a_header_that_changed_is_not_the_end(tmp_path):
    archive = make(tmp_path / "a.tar", {"one": b"1", "two": b"2", "three": b"3"})
    refused(patch(archive, b"two", b"twx"), "its end is missing")


def test_a_zip_that_states_wrong_sizes(tmp_path):
    archive = zip_with(tmp_path / "a.zip")
    refused(patch_headers(archive, 22, (599).to_bytes(4, "little")), "damaged")


def test_a_short_member_is_not_whole(tmp_path):
    archive = zip_with(tmp_path / "a.zip")
    content = archive.read_bytes()
    at = content.rfind(b"PK\x01\x02")
    archive.write_bytes(
        content[: at + 24] + (10**6).to_bytes(4, "little") + content[at + 28 :]
    )  # the list at the end says a million bytes
    refused(archive, "damaged|shorter")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"hello", "no zip or tar archive"),
        (bytes(10240), "no zip or tar archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "a Zstandard archive"),
        (gzip.compress(b"one picture", mtime=0), "a gzip file, with no tar archive inside"),
        (lzma.compress(b"x" * 600), "a xz file, with no tar archive inside"),
    ],
)
def test_what_is_no_archive(tmp_path, content, told):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", told)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_an_archive_of_nothing(tmp_path, form):
    refused(make(tmp_path / f"a.{form}", {}), "holds no files|no zip or tar archive")


def test_an_archive_that_is_not_there(tmp_path):
    refused(tmp_path / "a.zip", "there is no archive")


# ---- the disk, and other processes ----


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_the_disk_is_too_small(tmp_path, monkeypatch, form):
    archive = make(tmp_path / f"a.{form}", {"text": b"1" * 200_000, "noise": NOISE})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=150_000))
    with pytest.raises(NbnetError, match="the disk is full"):
        unpack(archive, tmp_path / "set", progress=False, needed=270_000)
    if form == "zip":  # it says what it needs
        with pytest.raises(NbnetError, match="the disk is full"):
            unpack(archive, tmp_path / "set", progress=False)
    assert not (tmp_path / "set").exists()


def test_the_free_space_is_looked_at_on_the_way(tmp_path, monkeypatch):
    archive = make(tmp_path / "a.tar.gz", {f"{n}": NOISE for n in range(5)})
    monkeypatch.setattr(module, "LOOK", 100_000)
    monkeypatch.setattr(module, "require_free_space", lambda *_: None)
    looks = []

    def look(folder, needed):
        looks.append(needed)
        if len(looks) > 2:
            raise NbnetError("the disk is full")

    monkeypatch.setattr(module, "require_free_space", look)
    with pytest.raises(NbnetError, match="the disk is full"):
        unpack(archive, tmp_path / "set", progress=False)
    assert looks[1:] == [100_000, 100_000]
    assert sorted(p.name for p in tmp_path.iterdir()) in (["a.tar.gz"], [".set.lock", "a.tar.gz"])


@pytest.mark.skipif(os.name == "nt", reason="the system cannot limit the length of a file")
def test_the_disk_fills_up_on_the_way(tmp_path):
    import resource

    archive = make(tmp_path / "a.tar.xz")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, usual[1]))
    try:
        refused(archive, "cannot unpack .* too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


SLOW = """
import sys, time
from nbnet_lib.data.fetch import unpack as module
write = module._Unpacking._write
def slowly(self, member, path):
    write(self, member, path)
    time.sleep(float(sys.argv[3]))
module._Unpacking._write = slowly  # a slow disk
module.unpack(sys.argv[1], sys.argv[2])
"""


def start(archive, folder, pause):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, archive, folder, str(pause)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen within 20 s"
        time.sleep(0.02)


def test_a_killed_process_leaves_no_folder_and_is_cleaned_up_after(tmp_path):
    archive, folder = make(tmp_path / "a.zip"), tmp_path / "set"
    process = start(archive, folder, 30)
    hidden = tmp_path / ".set.unpacking"
    wait_for(lambda: hidden.exists() and any(hidden.rglob("*.jpg")))
    process.kill()
    process.communicate(timeout=20)
    assert not folder.exists() and hidden.exists()
    (hidden / "stale.txt").write_text("of the killed one")
    assert tree_of(unpack(archive, folder, progress=False)) == TREE
    assert not hidden.exists()


def test_two_processes_unpack_once(tmp_path):
    archive, folder = make(tmp_path / "a.zip"), tmp_path / "set"
    first = start(archive, folder, 0.2)
    wait_for((tmp_path / ".set.unpacking").exists)
    second = start(archive, folder, 30)  # it would take 3 minutes if it did the work again
    assert "another process is unpacking set" in second.communicate(timeout=20)[1]
    first.communicate(timeout=20)
    assert first.returncode == second.returncode == 0 and tree_of(folder) == TREE
