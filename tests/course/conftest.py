"""Trying answers to an exercise, for the tests of every chapter."""

import pytest

from nbnet_lib.course.checking import check


@pytest.fixture
def passes():
    """Every answer is a correct way to solve the exercise."""

    def all_pass(number, *answers):
        for answer in answers:
            result = check(number, answer)
            assert result.status == "passed", result

    return all_pass


@pytest.fixture
def is_told():
    """The answer is wrong, and the message holds ``part``."""

    def fails_with(number, answer, part):
        result = check(number, answer)
        assert result.status == "failed", result
        assert part in result.message, result

    return fails_with
