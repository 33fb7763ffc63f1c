"""`unpack`: all of an archive or nothing, and nothing outside its folder."""

import io
import tarfile
import zipfile

import pytest

from nbnet_lib.data.archives import unpack
from nbnet_lib.errors import NbnetError

FILES = {"lfw/Ann/1.jpg": b"one" * 5000, "lfw/Bob/1.jpg": b"two" * 5000, "lfw/readme.txt": b"x"}
FORMS = {"a.zip": "zip", "a.tar": "", "a.tgz": "gz", "a.tar.bz2": "bz2", "a.tar.xz": "xz"}


def pack(path, members=FILES):
    """Write an archive of {name: content, or a TarInfo or ZipInfo}."""
    kind = FORMS[path.name]
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, f"w:{kind}") as archive:
            for name, content in members.items():
                if isinstance(content, tarfile.TarInfo):
                    archive.addfile(content)
                    continue
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def inside(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def untouched(folder):
    """Nothing but archives and locks is left beside the target."""
    names = {path.name for path in folder.iterdir()} - set(FORMS)
    return all(name.endswith(".lock") for name in names)


@pytest.mark.parametrize("form", FORMS)
def test_all_of_an_archive_is_there(tmp_path, form):
    archive = pack(tmp_path / form)
    assert unpack(archive, tmp_path / "new/out", progress=False) == tmp_path / "new/out"
    assert inside(tmp_path / "new/out") == FILES
    (tmp_path / "empty").mkdir()
    flat = unpack(archive, tmp_path / "empty", progress=False, flatten=True)
    assert inside(flat) == {name.removeprefix("lfw/"): content for name, content in FILES.items()}


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(NbnetError, match="out is not empty"):
        unpack(pack(tmp_path / "a.zip"), tmp_path / "out", progress=False)
    assert inside(tmp_path / "out") == {"mine.txt": b"mine"}


@pytest.mark.parametrize("form", ["a.zip", "a.tgz"])
def test_nothing_is_written_outside(tmp_path, form):
    archive = pack(tmp_path / form, FILES | {"in/../../out.txt": b"x"})
    if form == "a.zip":  # zipfile leaves the ".." out
        unpack(archive, tmp_path / "deep/er/out", progress=False)
    else:
        with pytest.raises(NbnetError, match=r"cannot unpack .*out\.txt"):
            unpack(archive, tmp_path / "deep/er/out", progress=False)
        assert untouched(tmp_path / "deep/er")
    assert not list(tmp_path.glob("out.txt")) + list(tmp_path.glob("deep/out.txt"))
    assert not (tmp_path / "deep/er/out.txt").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_that_lead_outside_and_devices(tmp_path, kind):
    info = tarfile.TarInfo("lfw/evil.txt")
    info.type, info.linkname = kind, "../../../etc/passwd"
    archive = pack(tmp_path / "a.tar", FILES | {"": info})
    with pytest.raises(NbnetError, match="cannot unpack"):
        unpack(archive, tmp_path / "out", progress=False)
    assert untouched(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_is_cut(tmp_path, form):
    archive = pack(tmp_path / form)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(0.6 * len(content))])
    with pytest.raises(NbnetError, match="download it again"):
        unpack(archive, tmp_path / "out", progress=False)
    assert untouched(tmp_path)


def test_the_checksum_at_the_very_end_is_compared(tmp_path):
    archive = pack(tmp_path / "a.tgz")
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1  # of the CRC of gzip, behind the last member
    archive.write_bytes(content)
    with pytest.raises(NbnetError, match="CRC"):
        unpack(archive, tmp_path / "out", progress=False)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"7z\xbc\xaf\x27\x1c rest"])
def test_what_is_not_an_archive(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(NbnetError, match=r"cannot unpack .*a\.zip"):
        unpack(tmp_path / "a.zip", tmp_path / "out", progress=False)
    with pytest.raises(NbnetError, match=r"there is no archive .*b\.zip"):
        unpack(tmp_path / "b.zip", tmp_path / "out", progress=False)


def test_a_password(tmp_path):
    archive = pack(tmp_path / "a.zip")
    content = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1  # flag: encrypted
    archive.write_bytes(content)
    with pytest.raises(NbnetError, match="encrypted|password"):
        unpack(archive, tmp_path / "out", progress=False)
    assert untouched(tmp_path)
