"""The machinery of checks: one line, no exception, whatever the learner hands in."""

import re

import numpy as np
import pytest
import torch

from course_checks import CHAPTERS, base, load_all
from nbnet_lib.course.checking import check, hint

ALL = load_all()


def unfinished(*args):
    """Return nothing yet."""
    return None  # your code


def raises(*args):
    raise ValueError("a bug\nwith a second line")


def forgets_return(*args):
    total = args[0]
    total = total if args else 0  # computed, then lost


def test_exercises_are_in_order_and_thirty_at_least():
    pairs = [tuple(map(int, number.split("."))) for number in ALL]
    assert pairs == sorted(pairs)
    assert len(pairs) >= 30 and {chapter for chapter, _ in pairs} == set(CHAPTERS) == set(range(12))
    assert {exercise.stars for exercise in ALL.values()} == {1, 2, 3}


@pytest.mark.parametrize("number", ALL)
def test_every_exercise_has_two_hints_a_difficulty_and_a_chapter(number):
    exercise = ALL[number]
    assert exercise.number == number and exercise.stars in (1, 2, 3)
    assert exercise.test.__module__.endswith(f".ch{int(number.split('.')[0]):02d}")
    assert exercise.title.strip() == exercise.title != "" and "★" not in exercise.title
    assert exercise.names and len(set(exercise.names)) == len(exercise.names)
    assert len(exercise.hints) == 2 and len(set(exercise.hints)) == 2
    assert all(len(hint.strip()) > 20 and "\n" not in hint for hint in exercise.hints)


@pytest.mark.parametrize("number", ALL)
def test_an_unfinished_answer_is_not_attempted(number, capsys):
    for nothing in (None, ...):
        result = check(number, *[nothing] * len(ALL[number].names))
        assert result.status == "not attempted" and not result
        assert capsys.readouterr().out.startswith(f"[----] {number} not attempted yet")
    # A class or a value may be asked for instead of a function; the starters are run elsewhere.
    result = check(number, *[unfinished] * len(ALL[number].names))
    assert result.status == "not attempted" or "expected" in result.message


JUNK = [
    raises,
    forgets_return,
    -12345.678,
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
def test_junk_fails_in_one_line_and_never_raises(number, capsys):
    for junk in JUNK:
        result = check(number, *[junk] * len(ALL[number].names))
        assert result.status == "failed" or (
            junk in ({}, print) and result.status == "not attempted"
        )
        assert str(result) in capsys.readouterr().out
        assert re.fullmatch(r"\[(FAIL|----)\] [^\n]+", str(result))


def test_a_bug_is_shown_as_one_line():
    result = check("1.1", raises)
    assert str(result) == "[FAIL] cosine: it stopped with ValueError: a bug"


@pytest.mark.parametrize(
    "body",
    ["return None  # your code", "pass", "...", "return ...", '"""Say."""\n    return None'],
)
def test_a_function_that_only_returns_nothing_is_unfinished_whatever_the_python(body):
    scope: dict = {}
    exec(f"def plain(a, b=1):\n    {body}\n\ndef busy(a, b=1):\n    c = a\n    {body}", scope)
    assert base.is_unfinished(scope["plain"]) and not base.is_unfinished(scope["busy"])
    assert not base.is_unfinished(len) and not base.is_unfinished(None)


def test_a_missing_return_differs_from_an_unfinished_answer():
    result = check("1.1", forgets_return)
    assert result.status == "failed" and "return" in result.message


@pytest.mark.parametrize("number", ["9.99", "12.1", "one", "", None, 1.1])
def test_an_unknown_number_is_named(number, capsys):
    result = check(number, unfinished)
    if number == 1.1:  # forgiven: it reads the same
        assert result.status == "not attempted"
    else:
        assert result.status == "failed" and "there " in result.message
    hint(number)
    assert capsys.readouterr().out.count("\n") == 2


def test_the_wrong_number_of_answers_is_named():
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


def test_a_learner_cannot_change_the_checks_data():
    def spoil(values):
        values[:] = values[:1]
        return 1

    for given in (np.arange(3), torch.arange(3), [0, 1, 2]):
        base.Answer("spoil", spoil).call(given)
        assert list(given) == [0, 1, 2]


def test_a_tensor_in_a_graph_is_handed_over_itself():
    leaf = torch.ones(2, requires_grad=True)
    base.Answer("square", lambda x: (x**2).sum()).call(leaf).value.backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [2, 2]


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0],
        np.array([1, 2], dtype=np.float32),
        torch.tensor([1.0, 2.0], requires_grad=True),
        [torch.tensor(1.0, requires_grad=True), 2],
    ],
)
def test_answers_may_be_lists_arrays_or_tensors(value):
    assert base.Answer("x", value).array((2,)).tolist() == [1, 2]
    assert base.Answer("x", value[0]).number() == base.Answer("x", [value[0]]).number() == 1


def test_doubles_keep_their_digits():
    assert base.Answer("x", torch.tensor(1 / 3, dtype=torch.float64)).number() == 1 / 3
