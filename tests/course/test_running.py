"""Several notebooks at once: cores shared, failures reported, nothing left when interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from authoring import running
from authoring.running import run_all, thread_settings

ROOT = Path(__file__).resolve().parents[2]
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def notebook(*cells):
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "x", "language": "python"}
    first = nbformat.v4.new_code_cell("seed = 0")
    first.metadata["tags"] = ["parameters"]
    made.cells = [first, *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    return made


def text(run):
    return run.notebook.cells[-1].outputs[0].text.strip()


def test_each_gets_its_share_and_a_failing_one_stops_no_other(monkeypatch):
    for name in running.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(running, "cores", lambda workers: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")  # the user's own number is kept
    threads = f"import os\nprint([os.environ.get(n) for n in {running.THREADS!r}])"
    begun = []
    runs = dict(
        run_all(
            [
                notebook(threads),
                notebook("1 / 0"),
                notebook("import os\nos._exit(1)"),
                notebook("import time\nblock = bytearray(200_000_000)\ntime.sleep(1)\nprint(seed)"),
            ],
            {"seed": 5},
            jobs=3,
            at=lambda index, *cell: begun.append((index, *cell)),
        )
    )
    assert {index for index, *_ in begun} == set(runs) == {0, 1, 2, 3}
    assert begun[0][1] == 0 and (3, 3, 3, "") in begun
    assert runs[0].error is None and text(runs[0]) == str(["5", "2", "2", "2"])
    assert "ZeroDivisionError" in runs[1].error
    assert "died" in runs[2].error
    assert runs[3].error is None and text(runs[3]) == "5"
    assert runs[3].peak_mb > 220 and runs[0].peak_mb > 20
    assert all(run.seconds > 0 for run in runs.values())
    assert thread_settings(1) == {} and set(thread_settings(9).values()) == {"1"}


def test_one_at_a_time_ends_before_the_next_begins():
    order = []
    begins = lambda index, cell, *rest: order.append(index) if cell == 0 else None  # noqa: E731
    for index, _ in run_all([notebook("1"), notebook("2")], {}, at=begins):
        order.append(f"{index} ended")
    assert order == [0, "0 ended", 1, "1 ended"]


def test_a_caller_that_stops_early_ends_the_others():
    before = set(psutil.Process().children(recursive=True))
    slow = notebook("import time\ntime.sleep(120)")
    began = time.monotonic()
    for index, _ in run_all([notebook("1"), slow, slow], {}, jobs=2):
        assert index == 0
        break
    assert time.monotonic() - began < 60
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


PARENT = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/tools", {here!r}]
from test_running import notebook, run_all
cell = '''import os, time
open({folder!r} + f"/{{os.getpid()}}.kernel", "w").close()
time.sleep(120)'''
try:
    list(run_all([notebook(cell)] * 3, {{}}, jobs=2))
except KeyboardInterrupt:
    print("interrupted")
"""


@POSIX
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_parent_that_is_ended_takes_its_kernels_along(how, tmp_path):
    code = PARENT.format(root=str(ROOT), here=str(Path(__file__).parent), folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 90
        while len(list(tmp_path.glob("*.kernel"))) < 2:
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        kernels = [int(path.stem) for path in tmp_path.glob("*.kernel")]
        assert all(map(psutil.pid_exists, kernels))
        parent.send_signal(getattr(signal, how))
        out, _ = parent.communicate(timeout=30)
        assert (out.strip() == "interrupted") == (how == "SIGINT")
        deadline = time.monotonic() + 15
        while any(map(runs, kernels)):
            assert time.monotonic() < deadline, "a kernel outlives the course"
            time.sleep(0.1)
    finally:
        parent.kill()
    assert len(list(tmp_path.glob("*.kernel"))) == 2  # the third never began


def runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
