"""SynthFaces: pure function of its integers, and what it says when they are wrong."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import make_identity, make_sample, render


def _digest(*numbers: int) -> str:
    return hashlib.sha256(render(*numbers).tobytes()).hexdigest()


def test_a_picture_has_the_asked_size_and_type():
    for size in (32, 64, 160):
        picture = render(4, 1, size)
        assert picture.shape == (size, size, 3)
        assert picture.dtype == np.uint8


def test_the_same_integers_give_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from nbnet_lib.faces import render;"
        "print(hashlib.sha256(render(17, 3, 64).tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == _digest(17, 3, 64)


def test_order_of_drawing_does_not_matter():
    first = _digest(5, 0, 64)
    for identity in range(20, 26):  # pushes identity 5 out of the cache of built persons
        render(identity, 0, 64)
    assert _digest(5, 0, 64) == first


def test_every_integer_matters():
    assert len({_digest(1, 0, 64), _digest(1, 1, 64), _digest(2, 0, 64)}) == 3


def test_a_face_fills_the_picture():
    """The middle is skin: brighter in red than in blue, whatever the person."""
    for identity in range(8):
        middle = render(identity, 0, 64)[26:44, 24:40].reshape(-1, 3).mean(0)
        assert middle[0] > middle[2]


@pytest.mark.parametrize(
    "numbers, word",
    [
        ((-1, 0, 64), "identity"),
        ((0, -2, 64), "sample"),
        ((0, 0, 8), "size"),
        ((0, 0, 4096), "size"),
    ],
)
def test_bad_numbers_are_named(numbers, word):
    with pytest.raises(NbnetError, match=word):
        render(*numbers)


def test_parameters_stay_in_their_ranges():
    for identity in range(200):
        person = make_identity(identity)
        assert 18 <= person.age_years <= 80
        assert 0 <= person.melanin <= 1
        assert abs(sum(person.ancestry.values()) - 1) < 1e-9
        sample = make_sample(identity, 0)
        assert -32 <= sample.yaw <= 32
        assert all(0 <= v <= 1.2 for v in sample.actions.values())
