"""Running one notebook through papermill or nbval, as a reader's machine would."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """Exit status and everything printed."""

    status: int
    text: str


def _run(command, folder):
    # The working folder of a reader may be anywhere: the package is found by its installation, or
    # here, by the path of this very copy.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "NBNET_PROFILE": "quick"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=420,
    )
    return Outcome(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def papermill(tmp_path):
    """Run a notebook through papermill's own command, quick profile, output elsewhere."""

    def run(notebook):
        copy = tmp_path / "papermill" / Path(notebook).name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(notebook, copy)
        command = ["papermill", copy, copy.with_suffix(".out.ipynb"), "-k", "python3"]
        command += ["--no-progress-bar", "-p", "profile", "quick", "-p", "device", "cpu"]
        return _run(command, copy.parent)

    return run


@pytest.fixture
def nbval(tmp_path):
    """Run a notebook through nbval: every cell runs, tagged cells are compared."""

    def run(notebook, option="--nbval-lax"):
        copy = tmp_path / "nbval" / Path(notebook).name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(notebook, copy)
        # A configuration of its own: this repository's options are not for one notebook.
        (copy.parent / "pytest.ini").write_text("[pytest]\n")
        command = ["pytest", option, "--nbval-current-env", "-p", "no:cacheprovider"]
        command += ["-p", "no:xdist", "-q", "--tb=short", "--nbval-cell-timeout=300", copy]
        return _run(command, copy.parent)

    return run
