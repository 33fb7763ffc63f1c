"""Arrays on disk: computed once, resumed after a kill, shared, made again when they do not fit."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

from nbnet_lib import files
from nbnet_lib.array_cache import cached_array
from nbnet_lib.errors import NbnetError

SHAPE = (10, 3)
VALUES = np.arange(30, dtype=np.float32).reshape(SHAPE)


class Compute:
    """Yields the rows of `VALUES` in blocks of four; dies at a row."""

    def __init__(self, tally=None, dies_at=None):
        self.starts, self.tally, self.dies_at = [], tally, dies_at

    def __call__(self, start):
        self.starts.append(start)
        for row in range(start, 10, 4):
            if self.dies_at is not None and row >= self.dies_at:
                raise KeyboardInterrupt
            block = VALUES[row : row + 4]
            if self.tally is not None:
                self.tally["rows"] = self.tally.get("rows", 0) + len(block)
            yield block


def get(path, compute, seed=0, **options):
    return cached_array(path, SHAPE, np.float32, {"seed": seed}, compute, **options)


def test_computed_once(tmp_path):
    path, first, second = tmp_path / "new" / "a.npy", Compute(), Compute()
    found = get(path, first)
    np.testing.assert_array_equal(found, VALUES)
    assert found.dtype == np.float32 and not found.flags.writeable
    np.testing.assert_array_equal(get(path, second), VALUES)
    assert (first.starts, second.starts) == ([0], [])
    np.testing.assert_array_equal(np.load(path), VALUES)


def test_resumes_behind_the_last_block(tmp_path):
    path, tally = tmp_path / "a.npy", {}
    with pytest.raises(KeyboardInterrupt):
        get(path, Compute(tally, dies_at=8), tally=tally)
    tally = {}
    rest = Compute(tally)
    np.testing.assert_array_equal(get(path, rest, tally=tally), VALUES)
    assert rest.starts == [8] and tally == {"rows": 10}
    again: dict = {}
    get(path, Compute(), tally=again)
    assert again == {"rows": 10}


CHILD = """
import os, signal, sys, time
import numpy as np
from nbnet_lib.array_cache import cached_array
path, kill = sys.argv[1], sys.argv[2] == "kill"
def compute(start):
    print(start, flush=True)
    for row in range(start, 10):
        yield np.full((1, 3), row, np.float32)
        time.sleep(0.05)
        if kill and row == 4:
            os._exit(9)
found = cached_array(path, (10, 3), np.float32, {"seed": 0}, compute)
assert (found[:, 0] == range(10)).all()
"""


def start(path, kill):
    command = [sys.executable, "-c", CHILD, str(path), kill]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_process_and_two_at_once(tmp_path):
    killed = start(tmp_path / "a.npy", "kill")
    assert killed.communicate(timeout=60)[0] == "0\n" and killed.returncode == 9
    both = [start(tmp_path / "a.npy", "-") for _ in range(2)]
    printed = sorted(child.communicate(timeout=60)[0] for child in both)
    assert [child.returncode for child in both] == [0, 0]
    # Row 4 was written but not yet noted or just noted; one of the two did the rest.
    assert printed[0] == "" and printed[1].strip() in ("4", "5")


def test_made_from_something_else(tmp_path):
    path = tmp_path / "a.npy"
    get(path, Compute(), seed=1)
    with pytest.raises(NbnetError, match=r"a\.npy was made with seed 1, not 0"):
        get(path, Compute(), replace=False)
    anew = Compute()
    get(path, anew)
    assert anew.starts == [0]
    with pytest.raises(NbnetError, match="dtype"):
        cached_array(path, SHAPE, np.float64, {"seed": 0}, Compute(), replace=False)


@pytest.mark.parametrize("damage", ["short", "note", "no note"])
def test_damaged_files_are_made_again(tmp_path, damage):
    path = tmp_path / "a.npy"
    get(path, Compute())
    note = path.with_suffix(".json")
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "note":
        note.write_text("{")
    else:
        note.unlink()
    anew = Compute()
    np.testing.assert_array_equal(get(path, anew), VALUES)
    assert anew.starts == [0]


def test_a_full_disk_is_one_sentence_and_resumes(tmp_path, monkeypatch):
    usage = files.shutil.disk_usage(tmp_path)._replace(free=100)
    with monkeypatch.context() as patch, pytest.raises(NbnetError, match="cannot write"):
        patch.setattr(files.shutil, "disk_usage", lambda folder: usage)
        get(tmp_path / "a.npy", Compute())

    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 3:  # of the second block's rows
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(NbnetError, match="No space left"):
        patch.setattr(os, "fsync", full)
        get(tmp_path / "a.npy", Compute())
    rest = Compute()
    np.testing.assert_array_equal(get(tmp_path / "a.npy", rest), VALUES)
    assert rest.starts == [4]


@pytest.mark.skipif(os.name == "nt", reason="modes are a Unix thing")
def test_atomic_files_have_the_mode_of_new_files_and_leave_the_umask_alone(tmp_path, monkeypatch):
    """Setting the umask to read it is seen by every thread: one of them may restore 0."""
    monkeypatch.setattr(os, "umask", None)
    (tmp_path / "plain").touch()

    def write(number):
        with files.atomic_path(tmp_path / f"{number}.json") as temporary:
            temporary.write_text(json.dumps(number))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 9 and len(modes) == 1
