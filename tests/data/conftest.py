"""Pictures on disk, small and quick to make, for the tests of what reads them."""

import bz2
import io

import numpy as np
import pytest
from PIL import Image

# A copy of each benchmark as its owners give it out, of the fewest files; lists with their lines.
TREES = {
    "lfw": {
        "lfw/Ann_B/Ann_B_0001.jpg": None,
        "lfw/Ann_B/Ann_B_0002.jpg": None,
        "lfw/Cem/Cem_0001.jpg": None,
        "pairs.txt": "1\t1\nAnn_B\t1\t2\nAnn_B\t1\tCem\t1\n",
        "pairsDevTrain.txt": "1\nAnn_B\t1\t2\nAnn_B\t1\tCem\t1\n",
        "pairsDevTest.txt": "1\nAnn_B\t1\t2\nAnn_B\t1\tCem\t1\n",
    },
    "celeba": {
        "img_align_celeba/000001.jpg": None,
        "img_align_celeba/000002.jpg": None,
        "identity_CelebA.txt": "000001.jpg 7\n000002.jpg 2880\n",
        "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 2\n",
    },
    "vggface2": {"train/n000002/0001_01.jpg": None, "test/n000001/0001_01.jpg": None},
    "casia-webface": {
        "CASIA-WebFace/0000045/001.jpg": None,
        "CASIA-WebFace/0000045/002.jpg": None,
        "CASIA-WebFace/0000099/001.jpg": None,
    },
    "digiface-1m": {
        "subjects_0-1999_72_imgs/0/0.png": None,
        "subjects_0-1999_72_imgs/7/0.png": None,
    },
    "color-feret": {
        "colorferet/dvd1/data/images/00002/00002_931230_fa.ppm.bz2": None,
        "colorferet/dvd1/data/smaller/00002/00002_931230_fa.ppm.bz2": None,
        "colorferet/dvd2/data/images/00740/00740_931230_fb_a.ppm": None,
    },
    "frgc": {
        "FRGC-2.0-dist/nd1/Fall2003/02463d453.jpg": None,
        "FRGC-2.0-dist/nd1/Fall2002/2002-247/04514d04.JPG": None,
        "FRGC-2.0-dist/nd1/Fall2003/02463d453.abs.gz": "3-D",
    },
    "multi-pie": {
        "data/session01/multiview/001/01/05_1/001_01_01_051_06.png": None,
        "data/session02/multiview/002/02/19_1/002_02_02_191_00.png": None,
        "data/session02/highres/002/02/002_02_02.jpg": None,
    },
    "sfhq": {
        "SFHQ_part1/images/SFHQ_pt1_00000001.jpg": None,
        "SFHQ_part3/images/SFHQ_pt3_00000001.jpg": None,
    },
    "folder": {"Ann/1.png": None, "Ann/2.jpg": None, "Bob/holiday/1.ppm.bz2": None},
}


def write_picture(path, number, size=(24, 24), **options):
    """Write a picture of noise, another one for each number, in the format of the ending."""
    rng = np.random.default_rng(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    if path.suffix == ".bz2":
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PPM")
        path.write_bytes(bz2.compress(content.getvalue()))
    else:
        Image.fromarray(image).save(path, **options)
    return image


def write_copy(name, folder):
    """Write the copy of a benchmark in `TREES` and return its folder."""
    for number, (path, text) in enumerate(TREES[name].items()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            write_picture(folder / path, number)
        else:
            (folder / path).write_text(text)
    return folder


@pytest.fixture
def put():
    return write_picture


@pytest.fixture(scope="session")
def published():
    """``published(name, folder)`` writes a small copy of a benchmark."""
    return write_copy


@pytest.fixture
def people(tmp_path, put):
    """A folder of five people with 1 to 5 pictures: set/Ann/1.png and so on."""
    root = tmp_path / "set"
    for person, name in enumerate(["Ann", "Ben_B", "Cem", "Dana", "Zoë"], 1):
        for number in range(1, person + 1):
            put(root / name / f"{number}.png", 10 * person + number)
    return root
