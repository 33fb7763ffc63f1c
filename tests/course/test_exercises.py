"""Every exercise: what is right passes, whoever wrote it; a typical slip gets the hint for it.

``answers_chNN.py`` holds by the number of an exercise

- ``RIGHT``: differently written answers that pass,
- ``SLIPS``: wrong answers, each with words of the hint it gets,
- ``OPEN``: answers that do not count as attempted (functions that return None: `test_check`).

A tuple is the answer to an exercise that asks for several things.
"""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from course_checks import load_all
from course_checks.ch00 import SITUATIONS
from nbnet_lib.course.checking import check
from nbnet_lib.course.linear import eigenfaces, fit_line, project
from nbnet_lib.course.losses import strength_at
from nbnet_lib.errors import NbnetError

HERE = Path(__file__).parent
CHAPTERS = [runpy.run_path(str(path)) for path in sorted(HERE.glob("answers_ch*.py"))]


def entries(kind):
    return {n: found for chapter in CHAPTERS for n, found in chapter.get(kind, {}).items()}


RIGHT, SLIPS, OPEN = entries("RIGHT"), entries("SLIPS"), entries("OPEN")


def tried(number, answer):
    return check(number, *(answer if isinstance(answer, tuple) else (answer,)))


def test_every_exercise_has_two_right_answers_and_its_slips():
    assert RIGHT.keys() == SLIPS.keys() == load_all().keys()
    assert min(map(len, RIGHT.values())) >= 2 and min(map(len, SLIPS.values())) >= 4


@pytest.mark.parametrize("number", RIGHT)
def test_right_answers_pass(number):
    for answer in RIGHT[number]:
        result = tried(number, answer)
        assert result.status == "passed", result


@pytest.mark.parametrize(
    ("number", "answer", "part"),
    [(number, *slip) for number, slips in SLIPS.items() for slip in slips],
)
def test_a_slip_gets_its_hint(number, answer, part):
    result = tried(number, answer)
    assert result.status == "failed" and part in result.message, result


@pytest.mark.parametrize("number", OPEN)
def test_open_answers_are_not_attempted(number):
    assert {tried(number, answer).status for answer in OPEN[number]} == {"not attempted"}


def test_the_messages_in_the_text_are_those_that_a_reader_gets():
    text = (HERE.parents[1] / "solutions" / "00_before_you_start.py").read_text(encoding="utf-8")
    for answer in (None, lambda s, n: s * s / (4 * n), lambda s, n: s * s * 3 / (4 * n)):
        line = re.sub(r" \(shrinkage is None\)", "", f"# {check('0.1', answer)}")
        assert line in text.replace(" (shrinkage returns None)", "")


@pytest.mark.parametrize("key", SITUATIONS)
def test_every_wrong_letter_has_its_own_remark(key):
    letters = {key: letter for key, (letter, _) in SITUATIONS.items()}
    want, remarks = SITUATIONS[key]
    assert set(remarks) == set("GCMBS") - {want}
    assert len(set(remarks.values())) == 4
    for letter, remark in remarks.items():
        result = check("0.2", {**letters, key: letter})
        assert result.status == "failed" and remark in result.message
        assert "5 of 6 right" in result.message


def test_the_number_of_values_in_the_praise_of_6_3_is_the_librarys():
    from nbnet_lib.decoders import count_parameters, create_decoder

    first = create_decoder("nbnet-b", image_size=160).blocks[0]
    assert count_parameters(first) == 899_840


def test_the_distance_of_7_2_is_the_librarys():
    from nbnet_lib.attack.features import perceptual_features
    from nbnet_lib.attack.losses import create_loss

    over = CHAPTERS[7]["over"]
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1 for _ in range(2))
    with torch.no_grad():
        mine = sum(over(perceptual_features(a), perceptual_features(b))) / 5
        assert torch.isclose(mine, create_loss("perceptual")(a, b), rtol=1e-4)


def test_a_strength_that_is_not_reached_is_one():
    never = strength_at(lambda a, b: (a - b).abs().mean(), lambda x, a: x, torch.zeros(1), 0.5)
    assert never == pytest.approx(1, abs=1e-5)


def test_fit_line_finds_a_line_and_refuses_what_is_none():
    rng = np.random.default_rng(0)
    t = rng.normal(size=(50, 3))
    weights, bias = rng.normal(size=(3, 4)), rng.normal(size=4)
    found, offset = fit_line(t, t @ weights + bias, 1e-9)
    assert np.allclose(found, weights) and np.allclose(offset, bias)
    with pytest.raises(NbnetError, match="above 0"):
        fit_line(t, t, 0)


def test_eigenfaces_are_those_of_the_covariance():
    pictures = np.random.default_rng(0).normal(size=(9, 20))
    mean, components, share = eigenfaces(pictures, 30)
    assert components.shape == (8, 20) and np.allclose(components @ components.T, np.eye(8))
    assert np.allclose(project(pictures, mean, components), pictures)
    _, singular, rows = np.linalg.svd(pictures - mean, full_matrices=False)
    assert np.allclose(np.abs(rows[:8] * components).sum(1), 1)
    assert np.allclose(share, (singular[:8] ** 2).cumsum() / (singular**2).sum())
