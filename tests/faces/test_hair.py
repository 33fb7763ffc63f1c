"""Hair and beards: where they grow, how they differ, what they cover."""

from dataclasses import replace

import numpy as np
import pytest

from synthfaces.camera import aim_camera
from synthfaces.geometry import build_person, landmarks
from synthfaces.hair import draw_hair, grow_beard, grow_hair
from synthfaces.hair_growth import hair_density, hairline_height, scalp_paint
from synthfaces.hair_styles import STYLES, TIEABLE
from synthfaces.identity import STYLE_SHARES, make_identity
from synthfaces.model import head_model
from synthfaces.raster import rasterise
from synthfaces.sample import make_sample

PIXELS = 128
LIGHTS = np.array([[[0, 0.6, 0.8], [1, 1, 1]]], np.float32)
AMBIENT = np.array([[0.5, 0.5, 0.5], [0.3, 0.3, 0.3]], np.float32)


@pytest.fixture(scope="module")
def woman():
    return build_person(replace(make_identity(0), gender="female", hairline=0.0, temples=0.2))


@pytest.fixture(scope="module")
def man():
    return build_person(replace(make_identity(2), gender="male", hairline=0.0))


def _hair(person, style, state="usual"):
    who = replace(person.identity, hair_style=style)
    return grow_hair(who, person.vertices, state)


def _draw(person, strands, **how):
    """Draw strands over a grey head seen from the front: (image, cover)."""
    front = replace(
        make_sample(0, 0), yaw=0.0, pitch=0.0, roll=0.0, zoom=0.0, shift=(0.0, 0.0), distance=12.0
    )
    camera = aim_camera(front, landmarks(person.vertices), person.centre, PIXELS)
    depth = np.full((PIXELS, PIXELS), -1e9, np.float32)
    nothing = np.zeros((PIXELS, PIXELS, 2), np.float32)
    found = np.zeros((PIXELS, PIXELS), np.int32)
    rasterise(camera.project(person.vertices), head_model().screen_triangles, depth, found, nothing)
    image = np.full((PIXELS, PIXELS, 3), 0.5, np.float32)
    cover = np.zeros((PIXELS, PIXELS), np.float32)
    for one in strands:
        draw_hair(one, camera, LIGHTS, AMBIENT, image, depth, cover, **how)
    return image, cover


def test_every_style_that_people_wear_can_grow():
    worn = {style for shares in STYLE_SHARES.values() for style in shares}
    assert worn <= set(STYLES) | {"bald"}
    assert set(TIEABLE) <= set(STYLES)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_strands_are_finite_and_rooted_on_the_scalp(man, style):
    (strands,) = _hair(man, style)
    n = len(strands.points)
    assert n > 500
    for values in (strands.points, strands.color, strands.occlusion, strands.width):
        assert np.isfinite(values).all() and len(values) == n and values.dtype == np.float32
    assert (strands.opacity > 0).all() and (strands.opacity <= 1).all()
    assert strands.color.min() > 0
    if style not in ("afro", "afro_big"):  # their curls hang in the air
        gaps = np.linalg.norm(strands.points[::40, None, 0] - man.vertices[None], axis=-1)
        assert gaps.min(1).max() < 0.12


def test_a_bald_head_has_no_hair_and_a_shaved_chin_no_beard(man):
    assert _hair(man, "bald") == []
    shaved = replace(man.identity, beard="none")
    assert grow_beard(shaved, man.vertices, man.normals) == []


def test_hair_grows_the_same_way_twice(woman):
    first, second = _hair(woman, "wavy")[0], _hair(woman, "wavy")[0]
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.color, second.color)


@pytest.mark.parametrize("style", sorted(TIEABLE))
def test_a_person_can_wear_hair_another_way(woman, style):
    usual = _draw(woman, _hair(woman, style))[1]
    for state in TIEABLE[style]:
        other = _draw(woman, _hair(woman, style, state))[1]
        assert np.abs(usual - other).mean() > 0.02


def test_growth_lengthens_hair_and_beard(woman, man):
    areas = [_draw(woman, _hair(woman, "bob"), growth=g)[1].sum() for g in (0.3, 0.85, 1.15)]
    assert areas[0] < areas[1] < areas[2]
    bearded = replace(man.identity, beard="full")
    beard = grow_beard(bearded, man.vertices, man.normals)
    areas = [_draw(man, beard, growth=g)[1].sum() for g in (0.5, 1.0, 1.2)]
    assert areas[0] < areas[1] < areas[2]


def test_messy_hair_differs_from_tidy_hair(woman):
    hair = _hair(woman, "long")
    tidy, messy = _draw(woman, hair)[0], _draw(woman, hair, mess=1.0, phase=0.5)[0]
    assert np.abs(tidy - messy).mean() > 0.005


def test_a_hat_hides_the_hair_above_its_rim(woman):
    rim = woman.centre[1] + 0.3
    cover = _draw(woman, _hair(woman, "long"), hat=np.array([0, 1, 0, -rim], np.float32))[1]
    bare = _draw(woman, _hair(woman, "long"))[1]
    top, bottom = slice(0, PIXELS // 8), slice(PIXELS // 2, None)
    assert bare[top].mean() > 0.3
    assert cover[top].max() == 0
    assert cover[bottom].sum() > 0.7 * bare[bottom].sum()


def test_a_beard_follows_the_jaw(man):
    bearded = replace(man.identity, beard="goatee")
    beard = grow_beard(bearded, man.vertices, man.normals)
    still = _draw(man, beard)[1]
    assert np.abs(_draw(man, beard, vertices=man.vertices)[1] - still).mean() < 1e-3
    lower = man.vertices + np.array([0, -0.3, 0], np.float32)
    rows = np.arange(PIXELS)[:, None]
    moved = _draw(man, beard, vertices=lower)[1]
    assert (rows * moved).sum() / moved.sum() > (rows * still).sum() / still.sum() + 5


def test_cover_is_an_opacity_and_optional(woman):
    image, cover = _draw(woman, _hair(woman, "curly"))
    assert cover.min() >= 0 and cover.max() <= 1.0001
    changed = np.abs(image - 0.5).max(-1) > 0.35
    assert cover[changed].min() > 0.05  # beside hair there is only its soft shadow
    hair = _hair(woman, "curly")[0]
    front = replace(make_sample(0, 0), yaw=0.0, pitch=0.0)
    camera = aim_camera(front, landmarks(woman.vertices), woman.centre, PIXELS)
    depth = np.full((PIXELS, PIXELS), -1e9, np.float32)
    blank = np.full((PIXELS, PIXELS, 3), 0.5, np.float32)
    draw_hair(hair, camera, LIGHTS, AMBIENT, blank, depth, np.zeros((0, 0), np.float32))
    assert (blank != 0.5).any()


@pytest.mark.parametrize("style", sorted(STYLES))
def test_the_middle_of_the_face_stays_free(woman, style):
    cover = _draw(woman, _hair(woman, style))[1]
    y, x = int(0.435 * PIXELS), int(0.352 * PIXELS)  # the eyes, see `camera.REFERENCE`
    face = cover[y - 8 : int(0.75 * PIXELS), x - 6 : PIXELS - x + 6]
    assert face.max() < 0.05


def test_hair_gets_thinner_towards_its_edge_and_on_a_bald_crown():
    line = hairline_height(0.0, 0.0, 0.2, True)
    above = [hair_density(0.0, line + d, 0.0, 0.2, True, 0.0) for d in (-0.1, 0.0, 0.1)]
    assert above[0] == 0 and 0 < above[1] < 1 and above[2] == 1
    assert hair_density(0.0, 8.3, 0.0, 0.2, True, scalp_paint("tonsure")[1]) == 0
    assert hairline_height(0.6, 0.0, 1.0, True) > hairline_height(0.6, 0.0, 0.0, True) + 0.1
