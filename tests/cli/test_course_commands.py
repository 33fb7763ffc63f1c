"""`nbnet course`, `lab`, `build`, `html`, `slides`: what they call and what they print."""

import json
import re
import sys
from pathlib import Path

import pytest

from authoring import build as builder
from authoring import rules, walk
from nbnet_lib.cli import course as module
from nbnet_lib.cli import main

GOLDEN = Path(__file__).parents[1] / "project" / "golden" / "evaluate.json"
ATTACK = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.fixture
def course(monkeypatch):
    """Replace `run_course` by a recorder with a given result."""
    seen: dict = {}

    def install(attack):
        def run_course(**options):
            seen.update(options)
            print("[1/1] progress")
            return {
                "profile": options["profile"],
                "attack": attack,
                "notebooks": [{"title": "A", "seconds": 7.0, "peak_mb": 812, "status": "ok"}],
                "seconds": 9.0,
            }

        monkeypatch.setattr(walk, "run_course", run_course)
        return seen

    return install


def test_course_prints_the_attack_table_last(course, capsys):
    seen = course(ATTACK)
    assert main(["course", "--profile", "quick", "--output", "build/x"]) == 0
    assert seen == {
        "profile": "quick",
        "only": None,
        "output": Path("build/x"),
        "jobs": 1,
        "force": False,
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1/1] progress"
    assert lines[3].split() == ["A", "7.0", "812", "ok"]
    assert any("36 pictures of 12 people" in line for line in lines[5:8])
    assert any(line.startswith("nbnet-b-64") and "[" in line for line in lines)
    assert lines[-1].endswith(str(Path("build/x")))
    assert any("not computed now" in line for line in lines)  # dlib's rows


def test_the_recorded_table_is_the_readmes(root):
    """README and `make course` print one table of the attack on dlib."""
    printed = walk.recorded_table().splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed if "]" in line]
    readme = (root / "README.md").read_text(encoding="utf-8")
    section = readme.split("| templates of dlib, drawn by |")[1].split("\n\n")[0]
    wanted = [[c.strip(" `") for c in line.split("|")[1:-1]] for line in section.splitlines()[2:]]
    assert len(rows) == len(wanted) >= 6
    for row, cells in zip(rows, wanted, strict=True):
        assert row[1:] == cells[1:] and cells[0] in ("", row[0])


def test_course_json_is_the_summary(course, capsys):
    seen = course(None)
    assert main(["course", "--only", "01", "--jobs", "2", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["profile"] == "auto" and summary["notebooks"][0]["peak_mb"] == 812
    assert seen["only"] == ["01"] and seen["jobs"] == 2


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


def test_build_check_asks_the_rules_too(monkeypatch, capsys):
    monkeypatch.setattr(builder, "build_all", lambda **options: {"written": [], "checked": []})
    monkeypatch.setattr(rules, "read_chapter", lambda source: source)
    monkeypatch.setattr(rules, "complaints", lambda chapter: [])
    assert main(["build", "--check", "--only", "02"]) == 0
    monkeypatch.setattr(rules, "complaints", lambda chapter: [f"{chapter.stem[:2]}, small: 2 MB"])
    assert main(["build", "--check", "--only", "02"]) == 2
    assert capsys.readouterr().err == "error: 02, small: 2 MB\n"


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

    monkeypatch.setattr(module.subprocess, "Popen", Process)
    assert main(["lab", "--", "--no-browser"]) == 3
    folder = str(tmp_path / "chapters")
    assert started == [[sys.executable, "-m", "jupyterlab", folder, "--no-browser"]]


def test_lab_without_chapters_says_where_to_go(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "CLONE", tmp_path)
    assert main(["lab"]) == 2
    assert "no chapters folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["course", "build", "html", "slides"])
def test_without_a_clone_the_authors_commands_say_what_they_need(
    command, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(module, "CLONE", tmp_path)
    assert main([command]) == 2
    assert "clone" in capsys.readouterr().err
