"""Framings: pictures moved, and faces cut out, to where a recogniser expects them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render, render_set, resize, to_tensor
from nbnet_lib.faces.framing import FRAMINGS, Framing, cut, find_framing, reframe

ARCFACE = FRAMINGS["arcface"]


def marked(framing: Framing, size: int) -> torch.Tensor:
    """A black picture with a soft white spot on each of the framing's points."""
    y, x = np.mgrid[:size, :size] + 0.5
    picture = np.full((size, size), -1.0)
    for px, py in framing.pixels(size):
        spot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (0.02 * size) ** 2))
        picture = np.maximum(picture, 2 * spot - 1)
    return torch.tensor(picture, dtype=torch.float32).expand(1, 3, size, size).contiguous()


def spots(picture: torch.Tensor) -> np.ndarray:
    """Where the five spots are, as shares of the side, in the order of the rows from above."""
    from scipy import ndimage

    light = picture[0, 0].numpy()
    labels, count = ndimage.label(light > 0)
    assert count == 5
    centres = ndimage.center_of_mass(light + 1, labels, range(1, 6))
    return (np.array(centres)[:, ::-1] + 0.5) / len(light)


# Of the same proportions as SynthFaces', turned by 20 degrees and half as large.
turn = 0.5 * np.array([[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]])
TURNED = Framing(
    "turned",
    tuple(map(tuple, (np.asarray(FRAMINGS["synthfaces"].points) - 0.5) @ turn.T + [0.55, 0.45])),
)


@pytest.mark.parametrize("size", [112, 240])
def test_points_land_where_the_target_has_them(size):
    moved = spots(
        reframe(marked(FRAMINGS["synthfaces"], 160), FRAMINGS["synthfaces"], TURNED, size)
    )
    expected = np.asarray(TURNED.points)
    for point in expected:
        assert np.abs(moved - point).sum(1).min() < 0.01
    back = spots(reframe(marked(TURNED, 160), TURNED, FRAMINGS["synthfaces"], size))
    for point in np.asarray(FRAMINGS["synthfaces"].points):
        assert np.abs(back - point).sum(1).min() < 0.01


@pytest.mark.parametrize("name", ["arcface", "facenet", "dlib"])
def test_other_proportions_are_met_in_the_middle(name):
    """A similarity cannot stretch: points are off by little, and their middle is right."""
    source = FRAMINGS["synthfaces"]
    moved = spots(reframe(marked(source, 160), source, find_framing(name), 160))
    wanted = np.asarray(find_framing(name).points)
    distances = [np.hypot(*(moved - point).T).min() for point in wanted]
    assert max(distances) < 0.08
    assert np.abs(moved.mean(0) - wanted.mean(0)).max() < 0.01


def test_the_same_framing_is_a_resize():
    faces = to_tensor(render_set([3], 2, 64, cache=False, progress=False).images)
    same = FRAMINGS["synthfaces"]
    assert torch.equal(reframe(faces, same, same, 64), faces)
    assert torch.equal(reframe(faces, same, same, 112), resize(faces, 112))


def test_shrinking_does_not_alias():
    """Stripes of one pixel become grey, not wide stripes."""
    stripes = torch.ones(1, 3, 256, 256)
    stripes[..., ::2] = -1
    small = reframe(stripes, FRAMINGS["synthfaces"], FRAMINGS["arcface"], 64)
    assert small[..., 8:-8, 8:-8].abs().max() < 0.1


def test_beyond_the_edge_the_edge_goes_on():
    picture = torch.full((1, 3, 64, 64), 0.5)
    moved = reframe(picture, FRAMINGS["synthfaces"], TURNED, 64)  # shows twice as much
    assert torch.allclose(moved, picture, atol=1e-5)


def test_gradients_flow():
    picture = torch.zeros(1, 3, 64, 64, requires_grad=True)
    reframe(picture, FRAMINGS["synthfaces"], FRAMINGS["dlib"], 64).sum().backward()
    assert picture.grad is not None and float(picture.grad.abs().sum()) > 0


@pytest.mark.parametrize("framing", [*FRAMINGS.values(), TURNED], ids=lambda f: f.name)
def test_to_a_card_and_back(framing):
    card = json.loads(json.dumps(framing.to_card()))
    assert Framing.from_card(card) == framing
    assert (card == framing.name) == (framing is not TURNED)
    assert Framing.from_card([list(p) for p in framing.points]).points == framing.points


@pytest.mark.parametrize("value", ["tight", None, 3, [[1, 2]], {"points": "eyes"}, {"name": "x"}])
def test_a_card_that_names_no_framing(value):
    with pytest.raises(NbnetError, match="no framing is named|as shares of the picture"):
        Framing.from_card(value)


def test_bad_input():
    with pytest.raises(NbnetError, match="no framing is named 'tight': choose one of synthfaces"):
        find_framing("tight")
    with pytest.raises(NbnetError, match="as shares of the picture's side"):
        Framing("four", ((0.1, 0.2),) * 4)
    with pytest.raises(NbnetError, match="as shares"):
        Framing("one place", ((0.5, 0.5),) * 5)
    with pytest.raises(NbnetError, match="as shares"):  # ArcFace's template as it is published
        Framing("pixels", tuple(map(tuple, FRAMINGS["arcface"].pixels(112))))
    source, target = FRAMINGS["synthfaces"], FRAMINGS["dlib"]
    with pytest.raises(NbnetError, match="images are 64x32 pixels: a framing needs squares"):
        reframe(torch.zeros(1, 3, 32, 64), source, target, 64)
    with pytest.raises(NbnetError, match="images are torch.uint8: expected a tensor"):
        reframe(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), source, target, 64)


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


def test_what_cannot_be_cut(face):
    right = ARCFACE.pixels(160)
    for points in (right[:4], np.where(right > 100, np.nan, right), np.full((5, 2), 7.0)):
        with pytest.raises(NbnetError, match="five pairs of numbers"):
            cut(face, points, ARCFACE, 64)
    with pytest.raises(NbnetError, match="is float64"):
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
