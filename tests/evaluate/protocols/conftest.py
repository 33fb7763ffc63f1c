"""SynthFaces pictures, and a way to lay them out as the benchmarks do."""

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.faces import render_set


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    """uint8 [20 people, 2 pictures, 64, 64, 3]."""
    cache = tmp_path_factory.mktemp("drawn")
    images = render_set(range(20), 2, 64, workers=1, cache=cache, progress=False).images
    return images.reshape(20, 2, 64, 64, 3)


@pytest.fixture(scope="session")
def save():
    """Write uint8 [H, W, 3] to a path in the format of its ending."""

    def write(image: np.ndarray, path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)

    return write
