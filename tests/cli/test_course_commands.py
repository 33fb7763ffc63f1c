"""`nbnet course`, `lab` and `build`: what they call and what they print."""

import json
import sys
from pathlib import Path

import pytest

from nbnet_lib.cli import lab, main
from nbnet_lib.course import build as builder
from nbnet_lib.course import run as runner

RATE = {"tar": 0.5, "ci95": [0.25, 0.75]}
ATTACK = {
    "decoder": "nbnet-b-64",
    "encoder": "synth",
    "seed": 0,
    "identities": 300,
    "far": {"0.001": {"threshold": 0.59, "original": RATE, "type1": RATE, "type2": RATE}},
}


@pytest.fixture
def course(monkeypatch):
    """Replace `run_course` by a recorder with a given result."""
    seen: dict = {}

    def install(attack):
        def run_course(**options):
            seen.update(options)
            print("[1/1] progress")
            return {"profile": options["profile"], "attack": attack}

        monkeypatch.setattr(runner, "run_course", run_course)
        return seen

    return install


def test_course_prints_the_attack_table_last(course, capsys):
    seen = course(ATTACK)
    assert main(["course", "--profile", "quick", "--output", "build/x"]) == 0
    assert seen == {
        "profile": "quick",
        "only": None,
        "output": Path("build/x"),
        "progress": True,
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1/1] progress"
    assert "300 identities the attack never saw" in lines[1]
    assert lines[4].split("  ")[0] == "0.1 %" and lines[4].count("50.0 % [25.0, 75.0]") == 3
    assert lines[-1].endswith(str(Path("build/x")))


def test_course_json_is_the_summary(course, capsys):
    course(None)
    assert main(["course", "--only", "01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"profile": "auto", "attack": None}


def test_course_names_an_unknown_chapter(capsys):
    assert main(["course", "--only", "99"]) == 2
    assert "there is no chapter '99'" in capsys.readouterr().err


def test_build_passes_its_options_on(monkeypatch, capsys):
    seen = {}

    def build_all(**options):
        seen.update(options)
        return {"written": ["a.ipynb"], "checked": ["b.ipynb"]}

    monkeypatch.setattr(builder, "build_all", build_all)
    assert main(["build", "--only", "01", "04", "--no-execute"]) == 0
    assert seen == {"only": ["01", "04"], "check": False, "execute": False}
    assert capsys.readouterr().out == "written: a.ipynb\nup to date: b.ipynb\n"


def test_lab_opens_the_chapters_with_this_python(monkeypatch, tmp_path):
    (tmp_path / "chapters").mkdir()
    monkeypatch.chdir(tmp_path)
    started = []

    class Process:
        def __init__(self, command):
            started.append(command)
            self.waits = iter([KeyboardInterrupt, 3])

        def wait(self):  # Ctrl-C is JupyterLab's to answer
            result = next(self.waits)
            if result is KeyboardInterrupt:
                raise result
            return result

    monkeypatch.setattr(lab.subprocess, "Popen", Process)
    assert main(["lab", "--", "--no-browser"]) == 3
    folder = str(tmp_path / "chapters")
    assert started == [[sys.executable, "-m", "jupyterlab", folder, "--no-browser"]]


def test_lab_without_chapters_says_where_to_go(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "a" / "b" / "lab.py"))
    assert main(["lab"]) == 2
    assert "no chapters folder" in capsys.readouterr().err
