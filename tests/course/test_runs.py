"""The steps that chapter 09 continues with, where the learner's own are not there yet."""

from nbnet_lib.course.checking import check
from nbnet_lib.course.runs import pack_run, pixel_step


def test_they_solve_the_exercises():
    assert check("9.1", pixel_step)
    assert check("9.3", pack_run)
