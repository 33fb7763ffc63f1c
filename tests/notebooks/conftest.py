"""Running one notebook through papermill or nbval, as a reader's machine would."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import papermill as pm
import pytest

ROOT = Path(__file__).resolve().parents[2]
# The working folder of a reader may be anywhere: the package is found by its installation, or
# here, by the path of this very copy.
SEARCHED = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


@dataclass(frozen=True)
class Outcome:
    """Whether every cell ran, and what was printed or went wrong."""

    good: bool
    text: str = ""


@pytest.fixture
def papermill(tmp_path, monkeypatch):
    """Run a notebook through papermill, quick profile, in another folder; NAME.out.ipynb there."""
    monkeypatch.setenv("PYTHONPATH", SEARCHED)

    def run(notebook):
        folder = tmp_path / "papermill"
        folder.mkdir(exist_ok=True)
        settings = {"profile": "quick", "device": "cpu"}
        options = {"kernel_name": "python3", "progress_bar": False, "cwd": folder}
        options |= {"request_save_on_cell_execute": False}  # megabytes, after every cell
        out = folder / f"{notebook.stem}.out.ipynb"
        try:
            pm.execute_notebook(str(notebook), str(out), settings, **options)
        except pm.PapermillExecutionError as error:
            return Outcome(False, str(error))
        return Outcome(True)

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
        command += ["-p", "no:xdist", "-q", "--tb=short", "--nbval-cell-timeout=300", str(copy)]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=copy.parent,
            env={**os.environ, "PYTHONPATH": SEARCHED},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=420,
        )
        return Outcome(done.returncode == 0, done.stdout + done.stderr)

    return run
