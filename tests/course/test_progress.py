"""What a learner has passed: kept once, never in the way of an answer, forgotten when asked."""

import json
import multiprocessing
import os
import sys
from datetime import datetime
from unittest.mock import Mock

import pytest

from nbnet_lib.course import progress
from nbnet_lib.course.checking import check
from nbnet_lib.course.progress import overview, progress_path, read_progress, record, reset_progress
from nbnet_lib.errors import NbnetError

EMPTY = {"exercises": {}, "quizzes": {}}


def right(a, b):
    return sum(x * y for x, y in zip(a, b)) / (  # noqa: B905
        sum(x * x for x in a) ** 0.5 * sum(x * x for x in b) ** 0.5
    )


def wrong(a, b):
    return 3.0 + a[0]


def unfinished(a, b):
    return None  # your code


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file that the progress of this test is kept in."""
    path = tmp_path / "folder" / "progress.json"
    monkeypatch.setenv("NBNET_PROGRESS", str(path))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr(progress, "_reported", set())
    monkeypatch.chdir(tmp_path)
    return path


def test_tries_are_counted_up_to_the_first_pass_which_is_kept(kept):
    check("1.1", unfinished)
    check("99.9", wrong)
    assert not kept.exists()
    check("1.1", wrong)
    check(1.1, wrong)
    assert read_progress()["exercises"] == {"1.1": {"tries": 2, "passed": None}}
    assert check("1.1", right)
    entry = read_progress()["exercises"]["1.1"]
    assert entry["tries"] == 3
    assert datetime.fromisoformat(entry["passed"]).tzinfo is not None
    check("1.1", wrong)
    check("1.1", right)
    assert read_progress() == {"exercises": {"1.1": entry}, "quizzes": {}}


def test_off_keeps_nothing(kept, monkeypatch, capsys):
    for off in ("off", " OFF "):
        monkeypatch.setenv("NBNET_PROGRESS", off)
        assert progress_path() is None
        assert check("1.1", right)
    assert not list(kept.parent.parent.iterdir())
    assert reset_progress()["forgotten"] == 0 and read_progress() == EMPTY
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("session", "is_kept"),
    [
        ("/a/b/solutions/01_x.ipynb", False),
        ("C:\\course\\solutions\\01_x.ipynb", False),
        ("/a/solutions/course/chapters/01_x.ipynb", True),
        ("chapters/01_my_solutions.ipynb", True),
    ],
)
def test_a_solution_that_is_run_in_jupyter_keeps_nothing(kept, monkeypatch, session, is_kept):
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    check("1.1", right)
    assert kept.exists() == is_kept


def test_a_kernel_that_was_started_in_the_folder_of_solutions_keeps_nothing(kept, monkeypatch):
    (kept.parent.parent / "solutions").mkdir()
    monkeypatch.chdir(kept.parent.parent / "solutions")
    check("1.1", right)
    assert not kept.exists()
    assert progress_path() == kept  # the command line may ask from there


def test_the_default_place_is_not_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("NBNET_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    path = progress_path()
    assert path is not None and path.name == "progress.json" and "ache" not in path.parts[-2]
    monkeypatch.setenv("NBNET_PROGRESS", "~/x.json")
    assert "~" not in str(progress_path())


DAMAGED = [
    "{",
    "[]",
    '{"exercises": {"1.1": {"tries": "a", "passed": null}}, "quizzes": {}}',
    '{"exercises": {"one": {"tries": 1, "passed": null}}, "quizzes": {}}',
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_one_sentence_and_the_answer_comes_first(kept, damage, capsys):
    kept.parent.mkdir()
    data = damage if isinstance(damage, bytes) else damage.encode()
    kept.write_bytes(data)
    with pytest.raises(NbnetError, match="cannot be read as progress.*--reset"):
        read_progress()
    assert check("1.1", right)
    assert check("1.1", right)  # the sentence comes once
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("[PASS]") and third == first
    assert second.startswith(f"(progress is not kept: {kept} cannot be read as progress")
    assert kept.read_bytes() == data
    aside = kept.parent / "progress.json.damaged"
    assert reset_progress() == {"forgotten": 0, "put_aside": str(aside)}
    assert aside.read_bytes() == data
    check("1.1", right)
    assert read_progress()["exercises"]["1.1"]["passed"]


def test_a_folder_that_cannot_be_made_is_reported(kept, capsys):
    kept.parent.write_text("a file where the folder should be")
    assert check("1.1", right)
    assert "(progress is not kept: " in capsys.readouterr().out


@pytest.mark.parametrize("error", [RuntimeError("no home"), NotImplementedError("no locks")])
def test_no_home_and_no_locks_are_reported(kept, monkeypatch, capsys, error):
    monkeypatch.setattr(progress, "FileLock", Mock(side_effect=error))
    assert check("1.1", right)
    assert f"(progress is not kept: {error})" in capsys.readouterr().out


def test_reset_forgets_a_chapter_or_everything(kept):
    for number in ("1.1", "1.2", "10.1", "11.2"):
        record("exercises", number, passed=True)
    record("quizzes", "01", passed=True)
    record("quizzes", "10", passed=False)
    assert reset_progress(1)["forgotten"] == 3
    assert set(read_progress()["exercises"]) == {"10.1", "11.2"}
    assert set(read_progress()["quizzes"]) == {"10"}
    assert reset_progress()["forgotten"] == 3
    assert read_progress() == EMPTY and json.loads(kept.read_text()) == EMPTY


def test_the_overview_counts_and_says_what_is_next(kept):
    before = overview()
    assert [c["chapter"] for c in before["chapters"]] == [f"{i:02d}" for i in range(12)]
    one = before["chapters"][1]
    assert one["passed"] == 0 and one["quiz"] == "open" and one["next"] == "1.1"
    record("exercises", "1.1", passed=True)
    record("quizzes", "01", passed=False)
    one = overview(1)["chapters"][0]
    assert one["passed"] == 1 and one["quiz"] == "tried" and one["next"] == "1.2"
    for row in one["details"]:
        record("exercises", row["number"], passed=True)
    assert overview(1)["chapters"][0]["next"] == "quiz"
    assert overview(1)["next"] == "the quiz of chapter 01"
    record("quizzes", "01", passed=True)
    assert overview(1)["chapters"][0]["next"] is None and overview(1)["next"] is None
    assert overview(1)["chapters"][0]["open_stars"] == 0


def write_many(path, chapter):
    os.environ["NBNET_PROGRESS"] = path
    for i in range(1, 16):
        record("exercises", f"{chapter}.{i}", passed=bool(i % 2))
        record("exercises", "5.1", passed=False)


@pytest.mark.skipif(sys.platform == "win32", reason="one system's start of processes is enough")
def test_two_processes_at_once_lose_nothing(kept):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(str(kept), c)) for c in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    exercises = read_progress()["exercises"]
    assert len(exercises) == 31 and exercises["5.1"]["tries"] == 30
    assert sum(bool(e["passed"]) for e in exercises.values()) == 16
