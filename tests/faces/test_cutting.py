"""Cutting faces out: exact where nothing moves, antialiased, and edges that go on."""

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render
from nbnet_lib.faces.cutting import cut
from nbnet_lib.faces.framing import FRAMINGS

ARCFACE = FRAMINGS["arcface"]


@pytest.fixture(scope="module")
def face():
    return render(3, 0, 160)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("name", FRAMINGS)
def test_points_that_lie_right_change_nothing(face, name):
    framing = FRAMINGS[name]
    np.testing.assert_array_equal(cut(face, framing.pixels(160), framing, 160), face)


def test_turned_scaled_and_shifted_pictures_come_back(face):
    at = ARCFACE.pixels(160)
    large = np.asarray(Image.fromarray(face).resize((320, 320), Image.Resampling.BICUBIC))
    halved = np.asarray(Image.fromarray(large).resize((160, 160), Image.Resampling.BILINEAR))
    assert difference(cut(large, at * 2, ARCFACE, 160), halved) < 0.01
    assert difference(halved, face) < 3  # the check above is not of two flat pictures
    # A quarter turn to the left: (x, y) goes to (y, 160 - x).
    turned = np.rot90(face)
    points = np.stack([at[:, 1], 160 - at[:, 0]], axis=1)
    assert difference(cut(turned, points, ARCFACE, 160), face) < 0.01
    wide = np.full((300, 400, 3), 99, np.uint8)
    wide[70:230, 200:360] = face
    np.testing.assert_array_equal(cut(wide, at + [200, 70], ARCFACE, 160), face)


def test_points_arrive_where_the_framing_has_them():
    """Five bright spots of a dark picture, which lie in no framing, are found again."""
    picture = np.zeros((240, 320, 3), np.uint8)
    source = ARCFACE.pixels(100) @ np.array([[0.9, 0.3], [-0.3, 0.9]]) + [120, 60]
    ys, xs = np.mgrid[:240, :320] + 0.5
    for x, y in source:
        spot = 250 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 18)
        picture = np.maximum(picture, spot[..., None].astype(np.uint8))
    result = cut(picture, source, ARCFACE, 112)[..., 0].astype(float)
    ys, xs = np.mgrid[:112, :112] + 0.5
    for x, y in ARCFACE.pixels(112):
        near = result * ((xs - x) ** 2 + (ys - y) ** 2 < 49)
        centre = np.array([(near * xs).sum(), (near * ys).sum()]) / near.sum()
        assert np.abs(centre - [x, y]).max() < 0.25


def test_shrinking_averages():
    """Stripes of one pixel become grey; sampling alone would give bars (moire)."""
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    small = cut(stripes, ARCFACE.pixels(600), ARCFACE, 67)
    assert small[8:-8, 8:-8].std() < 6
    assert abs(float(small.mean()) - 127.5) < 3


def test_growing_is_smooth(face):
    large = cut(face, ARCFACE.pixels(160), ARCFACE, 480)
    reference = np.asarray(Image.fromarray(face).resize((480, 480), Image.Resampling.BICUBIC))
    assert difference(large, reference) < 1


def test_the_edges_go_on():
    picture = np.full((100, 100, 3), 50, np.uint8)
    picture[:, :50] = (200, 10, 10)
    picture[-1] = (0, 250, 0)
    result = cut(picture, ARCFACE.pixels(100) + [-45, 40], ARCFACE, 100)
    assert (result[:50, :40] == (200, 10, 10)).all()  # what lies left of the picture
    assert (result[70:] == (0, 250, 0)).all()  # and below it
    beside = cut(picture, ARCFACE.pixels(100) + [5000, -9000], ARCFACE, 64)
    assert (beside == 50).all()  # nothing of it is seen but the nearest corner


def test_a_face_as_large_as_a_huge_picture_stays_cheap():
    picture = np.full((3000, 4000, 3), 77, np.uint8)
    points = (ARCFACE.pixels(1) - 0.5) * 9000 + [2000, 1500]  # nine thousand pixels wide
    assert (cut(picture, points, ARCFACE, 112) == 77).all()


@pytest.mark.parametrize("size", [1, 2, 33])
def test_sizes(face, size):
    result = cut(face, ARCFACE.pixels(160), ARCFACE, size)
    assert result.shape == (size, size, 3) and result.dtype == np.uint8


def test_nonsense_is_named(face):
    right = ARCFACE.pixels(160)
    with pytest.raises(NbnetError, match="size is 0"):
        cut(face, right, ARCFACE, 0)
    with pytest.raises(NbnetError, match="five pairs of finite numbers"):
        cut(face, right[:4], ARCFACE, 64)
    with pytest.raises(NbnetError, match="five pairs of finite numbers"):
        cut(face, np.where(right > 100, np.nan, right), ARCFACE, 64)
    with pytest.raises(NbnetError, match="are all at"):
        cut(face, np.full((5, 2), 7.0), ARCFACE, 64)
    with pytest.raises(NbnetError, match="expected uint8"):
        cut(face.astype(float), right, ARCFACE, 64)
    # Points whose pattern has nothing in common with a face: no turn or scale fits.
    centred = ARCFACE.pixels(1) - ARCFACE.pixels(1).mean(0)
    basis = np.linalg.svd(centred.ravel()[None])[2]
    turned = (centred @ np.array([[0, 1], [-1, 0]])).ravel()
    free = basis[2] - turned * (turned @ basis[2]) / (turned @ turned)
    strange = free.reshape(5, 2)
    strange = strange - strange.mean(0)
    with pytest.raises(NbnetError, match="do not resemble the framing 'arcface'"):
        cut(face, 50 + 40 * strange, ARCFACE, 64)
