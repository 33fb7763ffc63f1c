"""Portraits: who is drawn, for which rows, and what is refused."""

import numpy as np
import pytest

from nbnet_lib.attack.data import fingerprint
from nbnet_lib.attack.portraits import portraits_of
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set

PEOPLE = [10_003, 10_003, 10_001, 10_003]


def test_each_row_is_its_person_and_nobody_is_held_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path))
    portraits = portraits_of(PEOPLE, 40, progress=False)
    assert (portraits.shape, portraits.dtype, portraits.ndim) == ((4, 40, 40, 3), np.uint8, 4)
    assert [len(array) for array in portraits.arrays] == [2]
    expected = render_set(PEOPLE, "portrait", 40, progress=False).images
    for rows in (np.arange(4), 2, slice(1, 3)):
        assert np.array_equal(portraits[rows], expected[rows])
    # Other pictures to draw are other training data, which a resume refuses.
    assert fingerprint(portraits) == fingerprint(expected)
    assert fingerprint(portraits) != fingerprint(render_set(PEOPLE, 1, 40, progress=False).images)


def test_only_synthfaces_for_training_have_portraits():
    with pytest.raises(NbnetError, match="SynthFaces"):
        portraits_of(None, 40)
    with pytest.raises(NbnetError, match="identity 7 is kept for evaluation"):
        portraits_of([10_000, 7], 40)
