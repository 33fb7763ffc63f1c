"""Exercises of chapter 00: correct variants pass, typical slips get the right hint."""

from pathlib import Path

import numpy as np
import pytest

from course_checks.ch00 import SITUATIONS
from nbnet_lib.course.checking import check

SOURCE = Path(__file__).resolve().parents[2] / "solutions" / "00_before_you_start.py"
RIGHT = {key: letter for key, (letter, _) in SITUATIONS.items()}


def test_shrinkage(passes):
    passes(
        "0.1",
        lambda side, numbers: side * side * 3 / (4 * numbers),
        lambda side, numbers: (
            np.zeros((side, side, 3), np.uint8).nbytes / np.zeros(numbers, np.float32).nbytes
        ),
        lambda side, numbers: np.float32(side**2 * 24) / np.float32(numbers * 32),
    )


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda s, n: s * s / (4 * n), "three colours"),
        (lambda s, n: 4 * n / (s * s * 3), "turn the division"),
        (lambda s, n: s * s * 3 / n, "four bytes"),
        (lambda s, n: s * s / n, "three bytes a pixel, and four"),
        (lambda s, n: s * 3 / (4 * n), "side * side"),
        (lambda s, n: s * 3 / n, "side * side"),
        (lambda s, n: s * s * 3 / (32 * n), "bits"),
        (lambda s, n: s * s * 3 / (8 * n), "float64"),
        (lambda s, n: 1.0, "bytes of the picture"),
        (lambda s, n: [s, n], "expected one number"),
    ],
)
def test_shrinkage_slips(answer, part, is_told):
    is_told("0.1", answer, part)


def test_the_messages_in_the_text_are_those_that_a_reader_gets():
    text = SOURCE.read_text(encoding="utf-8")
    answers = (
        None,
        lambda side, numbers: side * side / (4 * numbers),
        lambda side, numbers: side * side * 3 / (4 * numbers),
    )
    for answer in answers:
        assert f"# {check('0.1', answer)}".replace("(shrinkage is None)", "") in text.replace(
            "(shrinkage returns None)", ""
        )


def test_may_i(passes):
    passes(
        "0.2",
        RIGHT,
        {key.upper(): f" {letter.lower()} " for key, letter in RIGHT.items()},
        dict(reversed(RIGHT.items())),
    )


@pytest.mark.parametrize("key", SITUATIONS)
def test_every_wrong_letter_has_its_own_remark(key):
    want, remarks = SITUATIONS[key]
    assert set(remarks) == set("GCMBS") - {want}
    assert len(set(remarks.values())) == 4
    for letter, remark in remarks.items():
        result = check("0.2", {**RIGHT, key: letter})
        assert result.status == "failed" and remark in result.message
        assert "5 of 6 right" in result.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (["G"] * 6, "expected a dict"),
        ({**RIGHT, "g": "G"}, "no 'g'"),
        ({key: RIGHT[key] for key in "abc"}, "no answer yet for d"),
        ({**RIGHT, "c": None}, "no answer yet for c"),
        ({**RIGHT, "e": "yes"}, "one of G, C, M"),
    ],
)
def test_may_i_slips(answer, part, is_told):
    is_told("0.2", answer, part)


@pytest.mark.parametrize("answer", [None, ..., {}, dict.fromkeys("abcdef")])
def test_may_i_is_not_attempted(answer):
    assert check("0.2", answer).status == "not attempted"
