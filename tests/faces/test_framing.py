"""Framings: fixed warps that bring faces to where a recogniser expects them."""

import json

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set, resize, to_tensor
from nbnet_lib.faces.framing import FRAMINGS, Framing, find_framing, reframe


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
    with pytest.raises(NbnetError, match="as shares"):
        Framing.from_card([[10**400, 0.5], *FRAMINGS["dlib"].points[1:]])
    source, target = FRAMINGS["synthfaces"], FRAMINGS["dlib"]
    with pytest.raises(NbnetError, match="images are 64x32 pixels: a framing needs squares"):
        reframe(torch.zeros(1, 3, 32, 64), source, target, 64)
    with pytest.raises(NbnetError, match="images are torch.uint8: expected a tensor"):
        reframe(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), source, target, 64)
