"""Finding faces by facenet-pytorch's MTCNN: in any picture, and where there is nothing to find."""

import numpy as np
import pytest
from facenet_pytorch import MTCNN
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render
from nbnet_lib.faces.detect import FaceDetector
from nbnet_lib.faces.framing import FRAMINGS


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


@pytest.fixture(scope="module")
def face():
    return render(3, 0, 160)


def scene(width: int, height: int, *placed: tuple[int, int, int, int]) -> np.ndarray:
    """Return a picture of people: identity, side, left, top of each."""
    picture = np.random.default_rng(0).integers(90, 130, (height, width, 3), np.uint8)
    for identity, side, left, top in placed:
        picture[top : top + side, left : left + side] = render(identity, 1, side)
    return picture


def test_what_the_package_itself_fails_on(detector, face):
    empty = np.full_like(face, 90)
    with pytest.raises(ValueError, match="inhomogeneous"):  # the day it passes, say so in detect.py
        MTCNN()(np.stack([face, empty]))
    with pytest.raises((ValueError, RuntimeError), match="non-empty"):
        MTCNN().detect(face[:10, :10])
    assert [len(detector.find(p)) for p in (face, empty, face[:10, :10])] == [1, 0, 0]


def test_points_lie_where_the_framing_says(detector):
    found = [detector.find(render(identity, 0, 160)) for identity in range(8)]
    faces = [faces[0] for faces in found if faces]
    assert len(faces) >= 7
    points = np.mean([face.points for face in faces], axis=0)
    # People and poses differ; on average they do not.
    assert np.abs(points - FRAMINGS["synthfaces"].pixels(160)).max() < 4
    assert all(face.points.dtype == face.box.dtype == np.float32 for face in faces)


def test_several_faces_the_most_certain_first(detector):
    faces = detector.find(scene(330, 170, (6, 140, 10, 10), (7, 120, 190, 30)))
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score >= 0.7
    middles = sorted(float(face.points[:, 0].mean()) for face in faces)
    assert 60 < middles[0] < 100 and 230 < middles[1] < 270


def test_a_large_picture_is_shrunk_when_only_large_faces_are_wanted(detector):
    small = scene(300, 240, (4, 180, 60, 30))
    large = np.asarray(Image.fromarray(small).resize((1200, 960), Image.Resampling.BICUBIC))
    (shrunk,) = detector.find(large, min_face=200)  # by 4, as 200 // 48
    (plain,) = detector.find(small)
    eyes = np.linalg.norm(plain.points[1] - plain.points[0])
    assert np.abs(shrunk.points / 4 - plain.points).max() < 0.1 * eyes
    assert np.abs(shrunk.box / 4 - plain.box).max() < 0.3 * eyes
    assert detector.find(large, min_face=961) == []  # more than the picture's height


@pytest.mark.parametrize("shape", [(1, 1), (13, 200), (20, 21)])
def test_pictures_with_room_for_no_face(detector, shape):
    assert detector.find(np.full((*shape, 3), 128, np.uint8)) == []


def test_wrong_pictures_and_settings_are_named(detector, face):
    with pytest.raises(NbnetError, match=r"the picture is float64 \[5, 5, 3\]: expected uint8"):
        detector.find(np.zeros((5, 5, 3)))
    with pytest.raises(NbnetError, match="min_face is 3"):
        detector.find(face, min_face=3)


def test_a_view_of_a_picture_will_do(detector, face):
    (found,) = detector.find(face[:, ::-1])  # not contiguous
    assert found.points[0, 0] < found.points[1, 0]  # left in the picture comes first
