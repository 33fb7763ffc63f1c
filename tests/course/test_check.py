"""The machinery of checks: one line, no exception, whatever the learner hands in."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_checks import CHAPTERS, base, load_all
from nbnet_lib.course.checking import CheckResult, check, hint

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
@pytest.mark.parametrize("nothing", [None, ...])
def test_an_unfinished_answer_is_not_attempted(number, nothing, capsys):
    result = check(number, *[nothing] * len(ALL[number].names))
    assert result.status == "not attempted" and not result
    assert capsys.readouterr().out.startswith(f"[----] {number} not attempted yet")


@pytest.mark.parametrize("number", ALL)
def test_an_unfinished_function_never_counts_as_a_wrong_one(number):
    """A class or a value may be asked for instead; the starters are run elsewhere."""
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
@pytest.mark.parametrize("junk", JUNK)
def test_junk_fails_in_one_line_and_never_raises(number, junk, capsys):
    result = check(number, *[junk] * len(ALL[number].names))
    out = capsys.readouterr().out
    assert result.status == "failed" or (junk in ({}, print) and result.status == "not attempted")
    assert str(result) in out
    assert "\n" not in str(result)
    assert re.match(r"\[(FAIL|----)\] ", str(result))


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


def test_a_missing_return_is_told_from_an_unfinished_answer():
    result = check("1.1", forgets_return)
    assert result.status == "failed" and "return" in result.message


@pytest.mark.parametrize("number", ["9.99", "1.99", "12.1", "one", "", "0.99", None, 1.1])
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
    tensor = torch.ones(3)
    base.call("spoil", spoil, tensor)
    assert tensor.sum() == 3

    def grow(values):
        values.append(1)
        return values

    numbers = [1]
    base.call("grow", grow, numbers)
    assert numbers == [1]


def test_a_tensor_in_a_graph_is_handed_over_itself():
    leaf = torch.ones(2, requires_grad=True)
    base.call("square", lambda x: (x**2).sum(), leaf).backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [2, 2]


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0],
        (1, 2),
        np.array([1, 2], dtype=np.float32),
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([1, 2], dtype=torch.bfloat16),
        [torch.tensor(1.0), np.float64(2)],
        [torch.tensor(1.0, requires_grad=True), 2],
    ],
)
def test_answers_may_be_lists_arrays_or_tensors(value):
    assert base.array("x", value, (2,)).tolist() == [1, 2]
    assert base.number("x", value[0]) == base.number("x", [value[0]]) == 1


def test_doubles_keep_their_digits():
    third = torch.tensor(1 / 3, dtype=torch.float64)
    assert base.number("x", third) == 1 / 3


def test_the_doctor_speaks_where_torch_or_matplotlib_is_broken():
    code = (
        "import sys\nimport nbnet_lib.course.doctor, nbnet_lib.course.progress\n"
        "assert not {'torch', 'matplotlib', 'ipywidgets'} & set(sys.modules)\n"
        "from nbnet_lib.course import check, explore, hint, quiz, show, start\n"
        "check('1.1', None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("[----] 1.1"), done.stderr
    with pytest.raises(ImportError):
        from nbnet_lib.course import nothing  # noqa: F401
