"""``kill -9`` at any moment: the resumed run ends with the weights of one that was left alone.

With everything on that has a state or draws at random; see `killed.py`. The random moments are
counted in calls of functions, not in seconds, so that a failure can be repeated.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nbnet_lib.attack.checkpoint import list_checkpoints, load_checkpoint

SCRIPT = Path(__file__).with_name("killed.py")
KILLED = -9

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="forks after torch was imported, which only Linux promises"
)


@pytest.fixture(scope="module")
def start():
    """Start a training; returns its exit status."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:

        def ask(folder, way="call", number=0):
            print(folder, way, number, file=server.stdin, flush=True)
            return int(server.stdout.readline())

        yield ask
        server.stdin.close()


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """The run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert start(folder) == 0
    return _result(folder)


def _result(folder):
    return torch.load(f"{folder}.pt", weights_only=True)


def _require_same(folder, whole):
    found = _result(folder)
    for name, value in whole["state"].items():
        assert torch.equal(found["state"][name], value), name
    assert found["history"] == whole["history"]
    parts = [p.name for p in folder.iterdir() if p.name.startswith(".")]
    assert not parts  # what was half written is swept away


def test_at_random_moments(start, whole, tmp_path):
    moments, deaths = random.Random(0), 0
    folder = tmp_path / "run"
    while start(folder, "call", moments.randrange(1, whole["count"])) == KILLED:
        deaths += 1
        if list_checkpoints(folder):
            load_checkpoint(folder)  # whatever has its name is whole
        assert deaths < 50
    assert deaths
    _require_same(folder, whole)


@pytest.mark.parametrize("number", [2, 4])
def test_while_a_checkpoint_is_written(start, whole, tmp_path, number):
    """The second of the five files is best.pt, the fourth a numbered one."""
    folder = tmp_path / "run"
    assert start(folder, "write", number) == KILLED
    kept = list_checkpoints(folder)
    assert not kept or load_checkpoint(folder)["step"] <= 2 * number
    assert start(folder) == 0
    _require_same(folder, whole)
