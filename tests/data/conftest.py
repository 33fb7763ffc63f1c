"""Pictures on disk, small and quick to make, for the tests of what reads them."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def put():
    """Write a picture of noise, another one for each number, in the format of the ending."""

    def write(path, number, size=(24, 24), **options):
        rng = np.random.default_rng(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(image).save(path, **options)
        return image

    return write


@pytest.fixture
def people(tmp_path, put):
    """A folder of five people with 1 to 5 pictures: set/Ann/1.png and so on."""
    root = tmp_path / "set"
    for person, name in enumerate(["Ann", "Ben_B", "Cem", "Dana", "Zoë"], 1):
        for number in range(1, person + 1):
            put(root / name / f"{number}.png", 10 * person + number)
    return root
