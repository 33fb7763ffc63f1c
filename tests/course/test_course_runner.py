"""The whole walk: every notebook runs, failures are reported, the summary is written."""

import contextlib
import io
import json
import re
import sys

import nbformat
import pytest

from authoring import walk
from authoring.running import execute
from authoring.sources import WIDGET_VIEW
from authoring.walk import run_course, times_table
from nbnet_lib.errors import NbnetError


def notebook(*cells):
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "x", "language": "python"}
    first = nbformat.v4.new_code_cell("profile = 'auto'\nseed = 0\ndevice = 'auto'")
    first.metadata["tags"] = ["parameters"]
    made.cells = [nbformat.v4.new_markdown_cell("# The title"), first]
    made.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    return made


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A course of three notebooks whose second fails, after it ran."""
    root = tmp_path_factory.mktemp("walk")
    (root / "solutions").mkdir()
    widget = "import ipywidgets\ndisplay(ipywidgets.IntSlider())"
    for name, cells in {
        "01_good": ["print(profile, seed, device)", widget],
        "02_bad": ["print('before')", "ok = 1\n1 / 0", "print('after')"],
        "03_last": ["print('last')"],
    }.items():
        (root / "solutions" / f"{name}.py").write_text("# %%\n")
        nbformat.write(notebook(*cells), root / "solutions" / f"{name}.ipynb")
    printed = io.StringIO()
    with pytest.raises(NbnetError) as caught, contextlib.redirect_stderr(printed):
        run_course(
            "quick", output=root / "out", root=root, seed=5, device="cpu", benchmark=False, jobs=2
        )
    summary = json.loads((root / "out" / "summary.json").read_text())
    return root, str(caught.value), summary, printed.getvalue().splitlines()


def test_a_failing_notebook_is_reported_with_its_cell_and_the_others_run(walked):
    root, message, summary, lines = walked
    assert "1 of 3 notebooks failed" in message and "02_bad.ipynb" in message
    assert "cell 4 (it begins `ok = 1`) stopped with ZeroDivisionError: division by zero" in message
    assert [n["status"] for n in summary["notebooks"]] == ["ok", "failed", "ok"]
    assert summary["notebooks"][1]["error"] and not summary["notebooks"][0]["error"]
    # Lines are whole, and a failure ends with the table.
    assert any(re.fullmatch(r"\[1/3\] The title: \d+\.\d s, \d+ MB", line) for line in lines)
    assert any(line.startswith("[2/3] The title: FAILED: cell 4") for line in lines)
    assert lines[-7].split() == ["chapter", "seconds", "peak", "MB", "status"]


def test_the_summary_says_what_ran(walked):
    summary = walked[2]
    assert summary["profile"] == "quick" and summary["seed"] == 5 and summary["device"] == "cpu"
    assert summary["versions"]["torch"] and summary["versions"]["nbnet"]
    assert summary["attack"] is None and summary["seconds"] > 0
    assert {n["title"] for n in summary["notebooks"]} == {"The title"}
    assert [n["file"][:2] for n in summary["notebooks"]] == ["01", "02", "03"]  # in order
    assert all(n["seconds"] > 0 and n["peak_mb"] > 10 for n in summary["notebooks"])
    assert summary["jobs"] == 2


def test_the_closing_table_has_seconds_and_memory(walked):
    rows = [line.split() for line in times_table(walked[2]).splitlines() if "The title" in line]
    assert [row[-1] for row in rows] == ["ok", "failed", "ok"]
    assert [float(row[2]) for row in rows] == [n["seconds"] for n in walked[2]["notebooks"]]
    assert int(rows[0][3]) == walked[2]["notebooks"][0]["peak_mb"]


def test_executed_notebooks_and_pages_are_written(walked):
    root = walked[0]
    done = nbformat.read(root / "out" / "01_good.ipynb", as_version=4)
    assert done.cells[2].outputs[0].text == "quick 5 cpu\n"
    assert "widgets" not in done.metadata
    assert not any(WIDGET_VIEW in o.get("data", {}) for c in done.cells[1:] for o in c.outputs)
    half = nbformat.read(root / "out" / "02_bad.ipynb", as_version=4)
    assert half.cells[2].outputs[0].text == "before\n"
    assert half.cells[3].outputs[0].ename == "ZeroDivisionError"
    for name in ("01_good", "02_bad", "03_last"):
        page = (root / "out" / f"{name}.html").read_text()
        assert "<title>The title</title>" in page
        assert 'src="http' not in page and "src='http" not in page and "<nav" in page
    assert "No description" not in page


def test_the_kernel_is_this_interpreter(tmp_path, monkeypatch):
    # A kernel of the same name in the user's folder, of an environment that is long gone.
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/nowhere/python"], "display_name": "old"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    run = execute(notebook("import sys\nprint(sys.executable)"), {})
    assert run.error is None
    assert run.notebook.cells[-1].outputs[0].text.strip() == sys.executable


def test_progress_goes_to_stderr_and_the_result_is_returned(tmp_path, capsys, monkeypatch):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "01_a.py").write_text("# %%\n")
    nbformat.write(notebook("1"), tmp_path / "solutions" / "01_a.ipynb")
    monkeypatch.setattr(walk, "_benchmark", lambda *args: {"decoder": "x"})
    monkeypatch.chdir(tmp_path)
    summary = run_course("quick", output=tmp_path / "out")
    captured = capsys.readouterr()
    last = captured.err.splitlines()[-1]
    assert re.fullmatch(r"\[1/1\] The title: \d+\.\d s, \d+ MB", last)
    assert captured.out == ""
    assert summary["attack"] == {"decoder": "x"}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert run_course("quick", only=["01"], output=tmp_path / "out")["attack"] is None


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(NbnetError, match="no solutions/"):
        run_course("quick", root=tmp_path, output=tmp_path / "out")
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "01_a.py").write_text("# %%\n")
    with pytest.raises(NbnetError, match=r"01_a.ipynb is missing"):
        run_course("quick", root=tmp_path, output=tmp_path / "out")
    (tmp_path / "solutions" / "01_a.ipynb").write_text("{")
    with pytest.raises(NbnetError, match="is not a notebook"):
        run_course("quick", root=tmp_path, output=tmp_path / "out")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A course of one notebook over a library of three files; a call returns what was printed."""
    library = tmp_path / "clone"
    for name in ("code.py", "weights/a.safetensors"):
        path = library / "nbnet_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    monkeypatch.setattr(walk, "LIBRARY", library)
    stored = tmp_path / "solutions" / "01_a.ipynb"
    stored.parent.mkdir()
    (tmp_path / "solutions" / "01_a.py").write_text("# %%\n")
    nbformat.write(notebook("1"), stored)

    def walk_again(profile="quick", **options):
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            summary = run_course(
                profile, output=tmp_path / "out", root=tmp_path, benchmark=False, **options
            )
        return summary["notebooks"][0], printed.getvalue()

    return tmp_path, walk_again


def test_what_is_up_to_date_is_not_run_again(small):
    folder, walk_again = small
    first, printed = walk_again()
    assert "not run again" not in printed
    again, printed = walk_again()
    assert again == first and "unchanged since 20" in printed and "not run again" in printed
    forced, printed = walk_again(force=True)
    assert "not run again" not in printed and forced["seconds"] > 0
    (folder / "out" / "01_a.html").unlink()  # an incomplete output is made again
    assert "not run again" not in walk_again()[1]
    (folder / "out" / "01_a.ipynb").write_text("{")
    assert "not run again" not in walk_again()[1]


@pytest.mark.parametrize("what", ["source", "library", "weights", "profile", "seed"])
def test_each_thing_that_the_outputs_rest_on_runs_it_again(small, what):
    folder, walk_again = small
    walk_again()
    if what == "source":
        nbformat.write(notebook("2"), folder / "solutions" / "01_a.ipynb")
    elif what in ("library", "weights"):
        name = {"library": "code.py", "weights": "weights/a.safetensors"}[what]
        (folder / "clone" / "nbnet_lib" / name).write_text("2")
    changed = {"profile": {"profile": "laptop"}, "seed": {"seed": 8}}.get(what, {})
    assert "not run again" not in walk_again(**changed)[1]
    assert "not run again" in walk_again(**changed)[1]


def test_a_failed_notebook_is_run_again(small):
    folder, walk_again = small
    nbformat.write(notebook("1 / 0"), folder / "solutions" / "01_a.ipynb")
    for _ in range(2):
        with pytest.raises(NbnetError, match="ZeroDivisionError"):
            walk_again()


def test_a_long_notebook_says_which_cell_runs(small, monkeypatch):
    folder, walk_again = small
    monkeypatch.setattr(walk, "EVERY", 0.3)
    nbformat.write(notebook("import time\ntime.sleep(2)"), folder / "solutions" / "01_a.ipynb")
    assert re.search(r"\[1/1\] The title: \d+ s, cell 4 of 4, The title\n", walk_again()[1])
