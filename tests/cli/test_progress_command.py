"""`nbnet progress`: a table to read, JSON, and forgetting only where it was meant."""

import io
import json

import pytest

from nbnet_lib.cli import main
from nbnet_lib.course.progress import read_progress, record


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A learner who passed 1.1 and failed the quiz of chapter 02."""
    path = tmp_path / "progress.json"
    monkeypatch.setenv("NBNET_PROGRESS", str(path))
    record("exercises", "1.1", passed=True)
    record("exercises", "2.1", passed=False)
    record("quizzes", "02", passed=False)
    return path


class Terminal(io.StringIO):
    def isatty(self):
        return True


def type_in(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", Terminal(text))


def test_the_table_has_a_row_for_each_chapter(kept, nbnet):
    lines = nbnet("progress").splitlines()
    rows = {line[:2]: line for line in lines[2:14]}
    assert list(rows) == [f"{i:02d}" for i in range(12)]
    assert " 1/" in rows["01"] and "open" in rows["01"] and rows["01"].endswith("1.2")
    assert " 0/" in rows["02"] and "tried" in rows["02"] and rows["02"].endswith("2.1")
    assert "1 of " in lines[15] and "0 of 12 quizzes" in lines[15]
    assert lines[16].startswith("Next: ") and lines[-1] == f"Kept in {kept}"


def test_one_chapter_and_json(kept, nbnet):
    assert len(nbnet("progress", "--chapter", "1").splitlines()) == 7
    report = json.loads(nbnet("progress", "--json"))
    assert report["file"] == str(kept) and len(report["chapters"]) == 12
    first = report["chapters"][1]["details"][0]
    assert first["number"] == "1.1" and first["tries"] == 1 and first["passed"]


def test_reset_asks_and_takes_no_for_an_answer(kept, monkeypatch, capsys):
    for answer in ("\n", "nay\n"):
        type_in(monkeypatch, answer)
        assert main(["progress", "--reset"]) == 1
        captured = capsys.readouterr()
        assert captured.err == "Forget all progress? [y/N] "
        assert captured.out == "Nothing was forgotten.\n"
    assert read_progress()["exercises"]["1.1"]["passed"]
    type_in(monkeypatch, "y\n")
    assert main(["progress", "--reset"]) == 0
    assert "Forgot all progress: 3 entries." in capsys.readouterr().out
    assert read_progress() == {"exercises": {}, "quizzes": {}}


def test_reset_of_a_chapter_without_asking(kept, nbnet):
    assert nbnet("progress", "--reset", "--chapter", "02", "--yes") == (
        "Forgot the progress in chapter 02: 2 entries.\n"
    )
    assert list(read_progress()["exercises"]) == ["1.1"]
    assert json.loads(nbnet("progress", "--reset", "--yes", "--json")) == {
        "forgotten": 1,
        "put_aside": None,
    }


def test_nobody_to_ask_is_one_sentence(kept, fails, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert fails("progress", "--reset").endswith("all progress is to be forgotten: add --yes")
    assert read_progress()["exercises"]["1.1"]["passed"]


def test_a_damaged_file_is_named_and_put_aside(kept, fails, nbnet):
    kept.write_text("{")
    assert "cannot be read as progress" in fails("progress")
    done = nbnet("progress", "--reset", "--yes")
    assert done == f"The damaged file was put aside as {kept}.damaged.\n"
    assert "0 of " in nbnet("progress")


@pytest.mark.parametrize("chapter", ["12", "x", "1.1"])
def test_an_unknown_chapter_is_named(kept, fails, chapter):
    assert "there are 00, 01" in fails("progress", f"--chapter={chapter}")


def test_what_makes_no_sense_is_refused(kept, fails, monkeypatch):
    assert "--yes goes with --reset" in fails("progress", "--yes")
    monkeypatch.setenv("NBNET_PROGRESS", "off")
    assert "progress is not kept" in fails("progress")


def test_all_passed_says_so(kept, nbnet):
    for chapter in json.loads(nbnet("progress", "--json"))["chapters"]:
        record("quizzes", chapter["chapter"], passed=True)
        for row in chapter["details"]:
            record("exercises", row["number"], passed=True)
    assert "Everything is passed." in nbnet("progress")
