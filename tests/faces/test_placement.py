"""A sample of pictures says whether faces are where a recogniser expects them."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.faces import render_set, to_tensor, to_uint8
from nbnet_lib.faces.framing import FRAMINGS, Framing, reframe
from nbnet_lib.faces.placement import SAMPLE, check_placement


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """uint8 [12, 112, 112, 3]."""
    cache = tmp_path_factory.mktemp("drawn")
    return render_set(range(12), 1, 112, workers=1, cache=cache, progress=False).images


def recogniser(framing, alignment="framing"):
    return SimpleNamespace(framing=framing, alignment=alignment, image_size=112)


def check(images, framing=FRAMINGS["synthfaces"], known=None, **encoder):
    encoders = {"": recogniser(framing, **encoder)}
    return check_placement(encoders, known, lambda row: images[row], len(images)).get("")


def shrunk(images):
    """The faces as they are in pictures that nobody cut: smaller, with something around."""
    wide = np.full((len(images), 112, 112, 3), 90, np.uint8)
    for picture, image in zip(wide, images, strict=True):
        picture[20:92, 20:92] = Image.fromarray(image).resize((72, 72))
    return wide


@pytest.mark.parametrize("name", FRAMINGS)
def test_aligned_faces_raise_nothing(drawn, name):
    images = to_uint8(reframe(to_tensor(drawn), FRAMINGS["synthfaces"], FRAMINGS[name], 112))
    placement = check(images, FRAMINGS[name])
    assert placement.to_dict() == {"checked": 12, "off": 0, "no_face": 0, "framing": name}
    assert placement.notes() == []


def test_faces_elsewhere_are_counted_and_the_way_on_is_named(drawn):
    placement = check(shrunk(drawn))
    assert placement.off == placement.checked == 12
    (note,) = placement.notes()
    assert "--framing synthfaces --size 112" in note
    # One in ten may be elsewhere, two may not.
    assert check(np.concatenate([drawn[:9], shrunk(drawn[:1])])).notes() == []
    assert check(np.concatenate([drawn[:8], shrunk(drawn[:2])])).notes() != []
    # A framing of one's own has no name that `nbnet data align` knows.
    own = Framing("own", FRAMINGS["dlib"].points)
    assert "--encoder NAME" in check(drawn, own).notes()[0]


def test_pictures_without_faces(drawn):
    empty = np.full((3, 64, 64, 3), 90, np.uint8)
    placement = check(empty)
    assert (placement.checked, placement.off, placement.no_face) == (3, 0, 3)
    assert "in 3 no face" in placement.notes()[0]


def test_one_sample_serves_several_recognisers_and_is_taken_where_it_is_needed(drawn):
    read: list[int] = []

    def look(row):
        read.append(row)
        return drawn[row % len(drawn)]

    encoders = {name: recogniser(FRAMINGS[name]) for name in ("synthfaces", "dlib")}
    encoders["detector"] = recogniser(FRAMINGS["dlib"], "detect")
    found = check_placement(encoders, None, look, 60)
    assert list(found) == ["synthfaces", "dlib"]
    assert not found["synthfaces"].notes() and found["dlib"].off == SAMPLE
    assert len(set(read)) == len(read) == SAMPLE
    assert check(drawn, known=FRAMINGS["dlib"]) is None
    assert check(drawn, alignment="detect") is None
