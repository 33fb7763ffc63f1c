"""The machinery of checks: one line, no exception, whatever the learner hands in."""

import re

import numpy as np
import pytest

from nbnet_lib.course.check import CheckResult, check
from nbnet_lib.course.checks import CHAPTERS, base, load_all
from nbnet_lib.course.hints import hint

ALL = load_all()


def unfinished(*args):
    """Return nothing yet."""
    return None  # your code


def raises(*args):
    raise ValueError("a bug\nwith a second line")


def forgets_return(*args):
    total = args[0]
    total = total if args else 0  # computed, then lost


@pytest.mark.parametrize("number", ALL)
def test_every_exercise_has_two_hints_and_a_chapter(number):
    exercise = ALL[number]
    assert int(number.split(".")[0]) in CHAPTERS
    assert exercise.title and exercise.names
    assert len(exercise.hints) == 2 and exercise.hints[0] != exercise.hints[1]


FUNCTIONS = [n for n in ALL if ALL[n].names[0] not in ("confirmed", "NbBlock")]


@pytest.mark.parametrize(
    ("number", "nothing"),
    [(n, nothing) for n in ALL for nothing in (None, ...)] + [(n, unfinished) for n in FUNCTIONS],
)
def test_an_unfinished_answer_is_not_attempted(number, nothing, capsys):
    result = check(number, nothing)
    assert result.status == "not attempted" and not result
    assert capsys.readouterr().out.startswith(f"[----] {number} not attempted yet")


JUNK = [
    raises,
    forgets_return,
    3,
    "text",
    [],
    {},
    object(),
    lambda *a: "text",
    lambda *a: object(),
    lambda *a: np.array([]),
    lambda *a: float("nan"),
    lambda: 1,
    lambda *a: (1, 2, 3),
    int,
    lambda *a: [[1], [1, 2]],
    lambda *a: np.zeros((2, 2)),
    print,
]


@pytest.mark.parametrize("number", ALL)
@pytest.mark.parametrize("junk", JUNK)
def test_junk_fails_in_one_line_and_never_raises(number, junk, capsys):
    result = check(number, junk)
    out = capsys.readouterr().out
    assert result.status == "failed" or (junk in ({}, print) and result.status == "not attempted")
    assert str(result) in out
    assert "\n" not in str(result)
    assert re.match(r"\[(FAIL|----)\] ", str(result))


def test_a_bug_is_shown_as_one_line():
    result = check("1.1", raises)
    assert str(result) == "[FAIL] cosine: it stopped with ValueError: a bug"


def test_a_missing_return_is_told_from_an_unfinished_answer():
    result = check("1.1", forgets_return)
    assert result.status == "failed" and "return" in result.message


@pytest.mark.parametrize("number", ["9.9", "1.99", "one", "", "0.1", None, 1.1])
def test_an_unknown_number_is_told(number, capsys):
    result = check(number, unfinished)
    if number == 1.1:  # forgiven: it reads the same
        assert result.status == "not attempted"
    else:
        assert result.status == "failed" and "there " in result.message
    hint(number)
    assert capsys.readouterr().out.count("\n") == 2


def test_the_wrong_number_of_answers_is_told():
    assert "expected cosine after the number, got 2 values" in str(check("1.1", unfinished, 1))


def test_hints_come_in_two_levels(capsys):
    hint("1.1")
    first = capsys.readouterr().out
    hint("1.1", level=2)
    second = capsys.readouterr().out
    assert 'hint("1.1", level=2)' in first and first.startswith("Hint 1 for 1.1")
    assert second.startswith("Hint 2 for 1.1") and "linalg.norm" in second
    hint("1.1", level=3)
    assert "level is 1 or 2" in capsys.readouterr().out


def test_a_result_is_true_only_when_passed_and_shows_itself_once():
    assert CheckResult("1.1", "passed", "x")
    assert not CheckResult("1.1", "failed", "x")
    assert CheckResult("1.1", "failed", "x")._ipython_display_() is None


def test_a_learner_cannot_change_the_checks_data():
    given = np.ones(3)

    def spoil(a):
        a[:] = 0
        return 1

    base.call("spoil", spoil, given)
    assert given.sum() == 3
