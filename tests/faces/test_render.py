"""SynthFaces: pure function of its integers, the same everywhere, and clear when asked wrongly.

The pictures in ``golden/`` must not change unless ``RENDERER_VERSION`` does. To draw them anew:
``python tests/faces/test_render.py``.
"""

import dataclasses
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.faces import make_identity, make_sample, render
from synthfaces.drawing import draw, finish, render_person
from synthfaces.geometry import build_person

# identity, sample, size: between them every kind of hair, beard, headwear, light and camera.
GOLDEN = [
    (0, 0, 64), (1, 2, 64), (3, 1, 64), (6, 0, 112), (17, 3, 64), (23, 5, 64), (36, 1, 64),
    (42, 1, 64), (52, 2, 64), (73, 0, 64), (99, 5, 160), (149, 0, 64), (153, 5, 64), (340, 2, 64),
    (356, 5, 64),
]  # fmt: skip
UNCOMPRESSED = {"jpeg_quality": 0}
EVERY_DAY = {
    "headwear": "none", "scarf": False, "foreground": False, "wears_glasses": False,
    "sunglasses": False, "defocus": 0.0, "motion_blur": 0.0, "noise": 0.0, "jpeg_quality": 0,
    "vignette": 0.0, "yaw": 0.0, "pitch": 0.0, "roll": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def person():
    return build_person(make_identity(3))


@pytest.fixture(scope="module")
def plain():
    return dataclasses.replace(make_sample(3, 1), **EVERY_DAY)


def _golden_file(identity: int, sample: int, size: int) -> Path:
    return Path(__file__).parent / "golden" / f"{identity:06d}-{sample:03d}-{size}.png"


def _digest(*numbers: int) -> str:
    return hashlib.sha256(render(*numbers).tobytes()).hexdigest()


def test_a_picture_has_the_size_and_type_that_were_asked_for():
    for size in (32, 64, 160):
        picture = render(4, 1, size)
        assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert len({_digest(1, 0, 64), _digest(1, 1, 64), _digest(2, 0, 64)}) == 3


@pytest.mark.parametrize("numbers", GOLDEN)
def test_pictures_are_the_stored_ones(numbers):
    """The contract across platforms: one grey level at most, for 99.9 % of the values.

    Before compression: a JPEG file turns one level in one pixel into several in its block.
    """
    with Image.open(_golden_file(*numbers)) as image:
        stored = np.array(image, int)
    difference = np.abs(render(*numbers, changes=UNCOMPRESSED).astype(int) - stored)
    assert (difference <= 1).mean() >= 0.999


def test_the_same_integers_give_the_same_bytes_in_another_process():
    """Also with another number of BLAS threads, which may not take part in drawing."""
    code = (
        "import hashlib; from nbnet_lib.faces import render;"
        "print(hashlib.sha256(render(17, 3, 64).tobytes()).hexdigest())"
    )
    for threads in ("1", "2"):
        other = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
        )
        assert other.stdout.strip() == _digest(17, 3, 64)


def test_threads_draw_what_one_thread_draws():
    numbers = [(identity, sample, 48) for identity in (8, 9) for sample in range(4)]
    alone = [_digest(*n) for n in numbers]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: _digest(*n), numbers)) == alone


def test_threads_share_one_person():
    """Whoever comes first grows the hair; the others wait for it."""
    person = build_person(make_identity(8))
    with ThreadPoolExecutor(4) as pool:
        drawn = pool.map(lambda k: render_person(person, make_sample(8, k), 48), range(4))
        assert np.array_equal(list(drawn), [render(8, k, 48) for k in range(4)])


def test_order_of_drawing_does_not_matter():
    first = _digest(5, 0, 64)
    for identity in range(20, 26):  # pushes identity 5 out of the cache of built persons
        render(identity, 0, 64)
    assert _digest(5, 0, 64) == first


def test_a_face_fills_the_picture():
    """The middle is skin: brighter in red than in blue, whatever the person."""
    for identity in range(8):
        middle = render(identity, 0, 64)[26:44, 24:40].reshape(-1, 3).mean(0)
        assert middle[0] > middle[2]


def test_exposure_neither_clips_nor_greys_out():
    middles = [render(i, 1, 64)[20:52, 18:46].astype(float) for i in range(24)]
    levels = [m.mean() for m in middles]
    assert 40 < min(levels) and max(levels) < 215
    assert np.mean([(m >= 254).all(-1).mean() for m in middles]) < 0.005
    assert np.mean([m.std() for m in middles]) > 18


def test_a_small_change_of_pose_is_a_small_change_of_the_picture(person, plain):
    base = render_person(person, plain, 64).astype(int)
    turned = render_person(person, dataclasses.replace(plain, yaw=1.0), 64).astype(int)
    far = render_person(person, dataclasses.replace(plain, yaw=25.0), 64).astype(int)
    assert 0 < np.abs(turned - base).mean() < np.abs(far - base).mean() / 2


@pytest.mark.parametrize("headwear", ["beanie", "cap", "hood"])
def test_headwear_covers_hair_and_leaves_the_face(headwear, person, plain):
    bare = draw(person, plain, 64, truth=True)
    worn = draw(person, dataclasses.replace(plain, headwear=headwear), 64, truth=True)
    top = slice(0, 30)
    assert worn.hair[top].sum() < 0.5 * bare.hair[top].sum()
    eyes_to_mouth = (slice(50, 96), slice(44, 84))
    assert np.allclose(bare.depth[eyes_to_mouth], worn.depth[eyes_to_mouth])


def test_glasses_are_in_front_of_the_eyes(person, plain):
    worn = draw(person, dataclasses.replace(plain, wears_glasses=True), 64)
    without = draw(person, plain, 64)
    frame = worn.glasses >= 0
    assert frame.sum() > 60 and (worn.lenses >= 0).sum() > 300
    assert (worn.depth[frame] >= without.depth[frame]).all()
    assert not (without.glasses >= 0).any()
    dark = draw(person, dataclasses.replace(plain, sunglasses=True), 64)
    lens = dark.lenses >= 0
    assert dark.linear[lens].mean() < 0.5 * without.linear[lens].mean()


def test_something_in_front_hides_a_corner_only(person, plain):
    hidden = finish(draw(person, plain, 64), dataclasses.replace(plain, foreground=True))
    changed = np.abs(hidden.astype(int) - render_person(person, plain, 64)).max(-1) > 8
    assert 0.01 < changed.mean() < 0.35
    assert not changed[20:34, 24:40].any()


def test_a_harder_light_has_darker_shadows(person, plain):
    """A small lamp from the side leaves less light on the far cheek than a large one."""
    side = dataclasses.replace(plain, light_azimuth=80.0, light_elevation=10.0, rim_strength=0.0)
    soft = draw(person, dataclasses.replace(side, softness=0.9), 64).linear
    hard = draw(person, dataclasses.replace(side, softness=0.0), 64).linear
    far, near = (slice(64, 84), slice(38, 50)), (slice(64, 84), slice(78, 90))
    assert hard[far].mean() / hard[near].mean() < 0.8 * soft[far].mean() / soft[near].mean()


if __name__ == "__main__":
    for numbers in GOLDEN:
        _golden_file(*numbers).parent.mkdir(exist_ok=True)
        picture = render(*numbers, changes=UNCOMPRESSED)
        Image.fromarray(picture).save(_golden_file(*numbers), optimize=True)
