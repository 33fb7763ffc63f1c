"""`--only`: color FERET holds every picture in three sizes, under the same names."""

import pytest

from nbnet_lib.data.alignment.inputs import find_inputs
from nbnet_lib.errors import NbnetError


@pytest.fixture
def feret(tmp_path):
    root = tmp_path / "colorferet"
    for size in ("images", "smaller"):
        for pose in ("fa", "fb", "pl"):
            path = root / "dvd1/data" / size / "00002" / f"00002_931230_{pose}.ppm.bz2"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def test_a_pattern_chooses_pictures_and_the_rest_is_counted(feret, tmp_path):
    inputs = find_inputs(feret, tmp_path / "out", "*/data/images/*_f[ab]*")
    assert inputs.results == (
        "dvd1/data/images/00002/00002_931230_fa.png",
        "dvd1/data/images/00002/00002_931230_fb.png",
    )
    assert len(inputs.skipped) == 4
    assert len(find_inputs(feret, tmp_path / "out").pictures) == 6


def test_a_pattern_that_nothing_fits(feret, tmp_path):
    with pytest.raises(NbnetError, match=r"holds no picture like \*\.jpg \(6 other files\)"):
        find_inputs(feret, tmp_path / "out", "*.jpg")
