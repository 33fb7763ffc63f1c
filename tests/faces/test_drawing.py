"""Sharing the work out: in order, bounded, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from joblib.externals import loky

from nbnet_lib.faces import drawing, render, render_set


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_few_wait(workers):
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    def slow_at_first(i):
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    for i, result in enumerate(drawing.in_parallel(slow_at_first, items(), workers)):
        assert result == i * i
        assert len(taken) <= i + 2 * workers + 2
    assert len(taken) == 100


def test_an_error_ends_it():
    done = []

    def work(i):
        if i == 3:
            raise ValueError("three")
        time.sleep(0.01)
        done.append(i)

    with pytest.raises(ValueError, match="three"):
        list(drawing.in_parallel(work, range(1000), 2))
    assert len(done) < 20


def test_processes_draw_the_same(monkeypatch):
    monkeypatch.setattr(drawing, "FEW", 0)
    try:
        faces = render_set(range(3), 1, 32, workers=2, cache=False, progress=False)
    finally:
        loky.get_reusable_executor(reuse=True).shutdown(wait=True)
    assert np.array_equal(faces.images, [render(i, 0, 32) for i in range(3)])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a Unix thing")
def test_processes_end_with_a_killed_parent():
    code = """
from nbnet_lib.faces import drawing, render_set
drawing.FEW = 0
render_set(range(100_000), 1, 32, workers=2, cache=False, progress=False)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        children: list[psutil.Process] = []
        while len(children) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            children = psutil.Process(parent.pid).children(recursive=True)
        time.sleep(2)  # let them begin to draw
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
