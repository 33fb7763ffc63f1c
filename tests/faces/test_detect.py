"""Finding faces: against facenet-pytorch's own cascade, and where there is nothing to find."""

import importlib.machinery
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render
from nbnet_lib.faces.cascade import merge
from nbnet_lib.faces.detect import (
    DetectedFace,
    FaceDetector,
    _bins,
    _Means,
    check_picture,
)
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


def test_the_same_faces_as_facenet_pytorch(detector):
    from facenet_pytorch import MTCNN

    theirs = MTCNN(keep_all=True, select_largest=False)
    pictures = [
        *(render(identity, 2, 112) for identity in (0, 1, 2, 5)),
        scene(250, 250, (4, 130, 60, 50)),
        scene(330, 170, (6, 140, 10, 10), (7, 120, 190, 30)),
        np.random.default_rng(1).integers(0, 256, (90, 140, 3), np.uint8),
    ]
    near = 0
    total = 0
    for picture in pictures:
        boxes, scores, points = theirs.detect(picture, landmarks=True)
        order = [] if boxes is None else np.argsort(-scores.astype(float), kind="stable")
        found = detector.find(picture)
        assert len(found) == len(order)
        for mine, i in zip(found, order, strict=True):
            # Boxes of one face and all but the same score may come out in another order of merit.
            assert np.abs(mine.box - boxes[i]).max() < 10
            assert mine.score == pytest.approx(scores[i], abs=1e-3)
            total += 1
            near += np.abs(mine.points - points[i]).max() < 0.01
    assert total >= 7 and near >= total - 1


def test_what_the_packages_own_cascade_fails_on(detector, face):
    from facenet_pytorch import MTCNN

    empty = np.full_like(face, 90)
    with pytest.raises(ValueError, match="inhomogeneous"):  # the day it passes, say so in detect.py
        MTCNN()(np.stack([face, empty]))
    with pytest.raises((ValueError, RuntimeError), match="non-empty"):
        MTCNN().detect(face[:10, :10])
    assert [len(detector.find(p)) for p in (face, empty, face[:10, :10])] == [1, 0, 0]


def test_points_lie_where_the_framing_says(detector):
    found = [detector.find(render(identity, 0, 160)) for identity in range(12)]
    points = np.mean([faces[0].points for faces in found if faces], axis=0)
    wanted = FRAMINGS["synthfaces"].pixels(160)
    assert len([faces for faces in found if faces]) >= 11
    assert np.abs(points - wanted).max() < 4  # people and poses differ; on average they do not
    assert all(
        face.points.dtype == face.box.dtype == np.float32 for faces in found for face in faces
    )


def test_several_faces_the_surest_first(detector):
    faces = detector.find(scene(330, 170, (6, 140, 10, 10), (7, 120, 190, 30)))
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score >= 0.7
    middles = sorted(float(face.points[:, 0].mean()) for face in faces)
    assert 60 < middles[0] < 100 and 230 < middles[1] < 270


def test_a_large_picture_is_shrunk_when_only_large_faces_are_asked_for(detector):
    small = scene(300, 240, (4, 180, 60, 30))
    large = np.asarray(Image.fromarray(small).resize((1200, 960), Image.Resampling.BICUBIC))
    (exact,) = detector.find(large, min_face=95)
    (shrunk,) = detector.find(large, min_face=200)  # by 4, as 200 // 48
    (plain,) = detector.find(small)
    eyes = np.linalg.norm(plain.points[1] - plain.points[0])
    assert np.abs(shrunk.points / 4 - plain.points).max() < 0.1 * eyes
    assert np.abs(exact.points / 4 - plain.points).max() < 0.1 * eyes
    assert np.abs(shrunk.box / 4 - plain.box).max() < 0.3 * eyes
    assert detector.find(large, min_face=961) == []  # more than the picture's height


def test_the_table_of_sums_gives_the_means_of_adaptive_pooling():
    picture = np.random.default_rng(0).integers(0, 256, (57, 83, 3), np.uint8)
    means = _Means(picture)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float()

    def pooled(part, *size):
        return F.interpolate(part, size, mode="area")[0].permute(1, 2, 0).numpy()

    np.testing.assert_allclose(means.whole(31, 44), pooled(tensor, 31, 44), atol=1e-3)
    # inside, reaching out on two sides, smaller than what is asked for, beside the picture
    boxes = np.array(
        [[5, 9, 40, 50], [-7.5, -3, 20, 30], [60, 40, 100, 80], [10, 10, 14, 13], [90, 3, 95, 9]],
        np.float32,
    )
    kept, crops = means.crops(boxes, 24)
    np.testing.assert_array_equal(kept, boxes[:4])
    for crop, (left, top, right, bottom) in zip(
        crops, [(4, 8, 40, 50), (0, 0, 20, 30), (59, 39, 83, 57), (9, 9, 14, 13)], strict=True
    ):
        part = tensor[:, :, top:bottom, left:right]
        np.testing.assert_allclose(crop, pooled(part, 24, 24), atol=1e-3)


def test_sums_may_run_over():
    white = np.full((4200, 4200, 3), 255, np.uint8)  # 255 x 4200 x 4200 is more than 32 bits hold
    means = _Means(white)
    assert (means.whole(7, 7) == 255).all()
    assert (means.crops(np.array([[4100, 4100, 4200, 4200]], np.float32), 24)[1] == 255).all()


def test_bins_cover_a_length():
    first, last = _bins(10, 4)
    assert first.tolist() == [0, 2, 5, 7] and last.tolist() == [3, 5, 8, 10]


def test_boxes_that_cover_the_same_place():
    boxes = np.array([[0, 0, 99, 99], [30, 30, 60, 60], [80, 0, 179, 99]], np.float32)
    scores = np.array([0.9, 0.8, 0.95], np.float32)
    assert merge(boxes, scores, 0.7, True).tolist() == [2, 0]  # the second lies in the first
    assert merge(boxes, scores, 0.7, False).tolist() == [2, 0, 1]
    assert merge(boxes[:0], scores[:0], 0.7, True).tolist() == []
    from torchvision.ops import nms

    dice = np.random.default_rng(0)
    corners = dice.uniform(0, 200, (300, 2))
    boxes = np.hstack([corners, corners + dice.uniform(5, 80, (300, 2))]).astype(np.float32)
    scores = dice.uniform(0.5, 1, 300).astype(np.float32)
    for overlap in (0.3, 0.5, 0.7):
        wanted = nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap)
        assert merge(boxes, scores, overlap, False).tolist() == wanted.tolist()


@pytest.mark.parametrize("shape", [(1, 1), (13, 200), (19, 19), (20, 21)])
def test_pictures_with_room_for_no_face(detector, shape):
    assert detector.find(np.full((*shape, 3), 128, np.uint8)) == []


def test_wrong_pictures_and_settings_are_named(detector, face):
    with pytest.raises(NbnetError, match=r"the picture is float64 \[5, 5, 3\]: expected uint8"):
        detector.find(np.zeros((5, 5, 3)))
    for wrong in (np.zeros((5, 5), np.uint8), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(NbnetError, match="expected uint8"):
            check_picture(wrong)
    with pytest.raises(NbnetError, match="min_face is 11: the detector needs faces of 12 pixels"):
        FaceDetector(min_face=11)
    with pytest.raises(NbnetError, match="min_face is 3"):
        detector.find(face, min_face=3)


def test_a_view_of_a_picture_will_do(detector, face):
    mirrored = face[:, ::-1]  # not contiguous
    (found,) = detector.find(mirrored)
    assert isinstance(found, DetectedFace)
    assert found.points[0, 0] < found.points[1, 0]  # left in the picture comes first


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    with pytest.raises(NbnetError, match='come with facenet-pytorch: pip install "facenet-pytorch'):
        FaceDetector()


def test_damaged_weights(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    spec = importlib.machinery.ModuleSpec("facenet_pytorch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("nbnet_lib.faces.cascade.find_spec", lambda name: spec)
    with pytest.raises(NbnetError, match=r"pnet.pt cannot be read .*No such file"):
        FaceDetector()
    (tmp_path / "data/pnet.pt").write_bytes(b"no weights")
    with pytest.raises(NbnetError, match=r"pnet.pt cannot be read .*: install facenet-pytorch"):
        FaceDetector()
