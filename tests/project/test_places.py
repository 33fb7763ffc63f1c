"""The installation cannot be written to and there is no home: everything works all the same."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from nbnet_lib.files import cache_dir, user_dir
from synthfaces.places import temporary_home

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def run(tmp_path, root, *arguments):
    """Run nbnet where the repository is mounted read-only and there is no home."""
    as_root = ["unshare", "-rm"]
    if not shutil.which("unshare") or subprocess.run([*as_root, "true"]).returncode:
        pytest.skip("this system does not let a user mount anything")
    command = [*as_root, "sh", "-c", READ_ONLY, str(root), sys.executable, "-m", "nbnet_lib.cli"]
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [*command, *arguments],
        # Not even root can make a folder there.
        env=kept | {"HOME": "/proc/none", "TMPDIR": str(tmp_path), "PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_face_is_drawn_without_a_home_and_its_compiled_code_is_kept(tmp_path, root):
    out = tmp_path / "face.png"
    done = run(tmp_path, root, "faces", "render", "--identity", "7", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert out.is_file()
    (home,) = tmp_path.glob("nbnet-*")
    assert done.stderr.count(str(home)) == 1
    assert list(home.glob("numba/**/*.nbi"))
    assert home.stat().st_mode & 0o077 == 0


def test_the_doctor_names_each_place_that_is_written_to(tmp_path, root):
    done = run(tmp_path, root, "doctor", "--json")
    found = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    for place in ("compiled code", "progress", "cache folder"):
        assert found[place]["status"] == "ok", found[place]
        assert f"{tmp_path}/nbnet-" in found[place]["message"]


def test_a_home_that_can_be_written_to_is_used(monkeypatch, tmp_path):
    monkeypatch.delenv("NBNET_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "not" / "yet"))
    assert tmp_path in cache_dir().parents
    assert tmp_path in user_dir("A", "NBNET_NO_SUCH_VARIABLE", ".b").parents


def test_somebody_elses_folder_is_not_trusted(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    temporary_home.cache_clear()
    usual = temporary_home()
    assert usual.parent == tmp_path and str(usual) in capsys.readouterr().err
    usual.chmod(0o777)  # anybody may have put compiled code there
    temporary_home.cache_clear()
    other = temporary_home()
    temporary_home.cache_clear()
    assert other != usual and other.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "encoding, command",
    [
        ("cp1252", ["progress"]),
        ("cp437", ["--help"]),
        ("cp932", ["train", "--list-recipes"]),
        ("ascii", ["progress"]),
    ],
)
def test_a_terminal_without_unicode_loses_the_sign_and_nothing_else(
    root, tmp_path, encoding, command
):
    env = {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(root)}
    env["NBNET_PROGRESS"] = str(tmp_path / "progress.json")
    done = subprocess.run(
        [sys.executable, "-m", "nbnet_lib.cli", *command],
        env=os.environ | env,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert len(done.stdout) > 100
