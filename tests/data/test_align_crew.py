"""Processes that do the work: nothing is lost when one dies, and none outlives its parent."""

import importlib
import os
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from nbnet_lib.data.alignment import crew
from nbnet_lib.data.alignment.crew import Died, in_processes
from nbnet_lib.errors import NbnetError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the work here uses signals")

# A module, because a fresh process imports what it is to do.
WORK = """
import os, pathlib, signal, time
from nbnet_lib.errors import NbnetError

def squares(place):
    pathlib.Path(place, f"pid-{os.getpid()}").touch()
    def work(item):
        if item == "slow":
            time.sleep(60)
        if item == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "exit":
            os._exit(3)
        if item == "once" and not (mark := pathlib.Path(place, "marked")).exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "refuse":
            raise NbnetError("the disk is full: make room")
        if item == "fail":
            return 1 / 0
        if item == "eof":
            raise EOFError("of a file of ours")
        return item * 2
    return work

def dies(place):
    os._exit(7)

def refuses(place):
    raise NbnetError("no detector: install it")
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "crew_test_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("crew_test_work", None)
    module = importlib.import_module("crew_test_work")
    return lambda name="squares": partial(getattr(module, name), str(tmp_path))


def alive(folder) -> list[int]:
    """Return the processes that began in a folder and have not ended."""
    pids = [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]
    return [
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def test_every_item_once(work, tmp_path):
    results = list(in_processes(work(), range(60), 2))
    assert sorted(results) == [(i, 2 * i) for i in range(60)]
    assert len(list(tmp_path.glob("pid-*"))) == 2 and alive(tmp_path) == []


def test_no_items(work):
    assert list(in_processes(work(), [], 2)) == []


def test_an_item_that_kills_is_found_out_and_the_rest_is_done(work, tmp_path):
    items = [*range(10), "kill", *range(10, 20), "exit", *range(20, 30)]
    results = dict(in_processes(work(), items, 2))
    assert results.pop("kill") == Died(-signal.SIGKILL) and results.pop("exit") == Died(3)
    assert results == {i: 2 * i for i in range(30)}
    assert alive(tmp_path) == []


def test_a_second_try_alone(work, tmp_path):
    results = dict(in_processes(work(), [1, "once", 2], 2))
    assert results == {1: 2, 2: 4, "once": "onceonce"}
    assert (tmp_path / "marked").exists()


def test_errors_of_the_work_end_it(work, tmp_path):
    with pytest.raises(NbnetError, match="^the disk is full: make room$"):
        list(in_processes(work(), [1, "refuse", 2], 2))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(in_processes(work(), ["fail"], 1))
    with pytest.raises(RuntimeError, match="of a file of ours"):  # not taken for the pipe's end
        list(in_processes(work(), ["eof"], 1))
    assert alive(tmp_path) == []


def test_processes_that_do_not_begin(work):
    with pytest.raises(NbnetError, match=r"ended before it could begin \(exit status 7\)"):
        list(in_processes(work("dies"), [1], 2))
    with pytest.raises(NbnetError, match="no detector: install it"):
        list(in_processes(work("refuses"), [1], 2))


def test_when_all_die_it_is_not_the_items(work, monkeypatch):
    monkeypatch.setattr(crew, "DEATHS_IN_A_ROW", 3)
    with pytest.raises(NbnetError, match="3 worker processes died one after the other .*-9"):
        list(in_processes(work(), ["kill"] * 20, 2))


def test_leaving_early_ends_the_processes(work, tmp_path):
    results = in_processes(work(), [1, *["slow"] * 5], 2)
    assert next(results) == (1, 2)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 10
    assert alive(tmp_path) == []


def test_a_script_without_a_main_guard_is_told(tmp_path):
    (tmp_path / "crew_test_work.py").write_text(WORK)
    script = tmp_path / "script.py"
    script.write_text(
        "from functools import partial\n"
        "import crew_test_work\n"
        "from nbnet_lib.data.alignment.crew import in_processes\n"
        f"print(list(in_processes(partial(crew_test_work.squares, {str(tmp_path)!r}), [1], 1)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode and 'below `if __name__ == "__main__":`' in done.stderr


def test_no_process_outlives_a_parent_that_is_killed(tmp_path):
    (tmp_path / "crew_test_work.py").write_text(WORK.replace("time.sleep(60)", "time.sleep(1)"))
    script = tmp_path / "script.py"
    script.write_text(
        "from functools import partial\n"
        "import crew_test_work\n"
        "from nbnet_lib.data.alignment.crew import in_processes\n"
        "if __name__ == '__main__':\n"
        f"    prepare = partial(crew_test_work.squares, {str(tmp_path)!r})\n"
        "    list(in_processes(prepare, ['slow'] * 100, 2))\n"
    )
    parent = subprocess.Popen([sys.executable, script])
    try:
        deadline = time.monotonic() + 30
        while len(alive(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(alive(tmp_path)) == 2
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
        deadline = time.monotonic() + 15
        while alive(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alive(tmp_path) == []
    finally:
        for pid in alive(tmp_path):
            os.kill(pid, signal.SIGKILL)
