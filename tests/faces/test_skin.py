"""The skin of SynthFaces: shapes and ranges, determinism, and what is painted where."""

from dataclasses import replace

import numpy as np
import pytest

from synthfaces.identity import make_identity
from synthfaces.sample import make_sample
from synthfaces.skin import makeup_colors, overlays, skin_layers, skin_tone, stubble_rgb
from synthfaces.skin_map import (
    HEIGHT,
    NOISE,
    WIDTH,
    ZONE,
    ZONES,
    noise,
    texels,
    texture_points,
    vertex_texels,
    zones,
)


def _first(gender: str):
    return next(p for p in map(make_identity, range(40)) if p.gender == gender)


@pytest.fixture(scope="module")
def man():
    return replace(_first("male"), beard="none", stubble_habit=0.5, moles=np.zeros((0, 3)))


@pytest.fixture(scope="module")
def woman():
    return replace(_first("female"), moles=np.zeros((0, 3)))


def test_layers_have_the_documented_shape_and_ranges():
    for identity in range(12):
        base = skin_layers(make_identity(identity)).base
        assert base.shape == (HEIGHT, WIDTH, 7) and base.dtype == np.float32
        assert base[..., :3].min() >= 0 and base[..., :3].max() <= 1  # no NaN either
        assert 0 < base[..., 3].min() < base[..., 3].max() < 2
        assert np.abs(base[..., 4:6]).max() < 2
        assert 0 <= base[..., 6].min() <= base[..., 6].max() <= 1


def test_relief_is_level_on_average(man):
    relief = skin_layers(man).base[..., 4:6]
    assert np.abs(relief.mean((0, 1))).max() < 0.005
    assert relief.std() > 0.01


def test_the_same_person_has_the_same_skin():
    person = make_identity(3)
    first = skin_layers(person).base
    skin_layers(make_identity(4))
    np.testing.assert_array_equal(skin_layers(person).base, first)
    assert np.abs(skin_layers(replace(person, skin_seed=1)).base - first).max() > 0.01


def test_shared_maps_are_symmetric_and_bounded():
    maps, masks = zones(), overlays()
    assert maps.shape == (len(ZONES), HEIGHT, WIDTH) and maps.min() >= 0
    np.testing.assert_array_equal(maps, maps[..., ::-1])
    assert noise().shape[0] == len(NOISE)
    assert masks.shape == (HEIGHT, WIDTH, 3) and masks.dtype == np.float32
    assert 0 <= masks.min() <= masks.max() <= 1


def test_texture_points_find_the_texels_of_a_position():
    x, y = np.array([-0.4, 0.0, 0.3]), np.array([7.0, 7.8, 6.5])
    column, row = texture_points(x, y)
    grid = texels()
    found = grid.x[row.astype(int), column.astype(int)]
    np.testing.assert_allclose(found, x, atol=0.02)
    np.testing.assert_allclose(grid.y[row.astype(int)], y, atol=0.01)
    assert np.abs(vertex_texels()[:, 0] - WIDTH / 2).max() <= WIDTH / 2


def test_only_men_grow_stubble(man, woman):
    assert skin_layers(woman).base[..., 6].max() == 0
    grown = skin_layers(man).base[..., 6]
    chin = zones()[ZONE["beard"]] > 0.9
    assert grown[chin].mean() > 0.3
    forehead = texels().y > 7.3
    assert grown[forehead].max() < 1e-6
    assert stubble_rgb(man).shape == (3,)
    assert (stubble_rgb(man) < skin_tone(man)).all()


def test_a_kept_beard_darkens_the_skin_below(man):
    where = zones()[ZONE["goatee"]] > 0.9
    bare = skin_layers(man).base[where, :3].mean()
    assert skin_layers(replace(man, beard="goatee")).base[where, :3].mean() < 0.8 * bare


def test_moles_lie_where_the_identity_says(woman):
    x, y = 0.30, 6.95
    marked = skin_layers(replace(woman, moles=np.array([[x, y, 0.02]]))).base[..., :3]
    changed = np.abs(marked - skin_layers(woman).base[..., :3]).max(2) > 0.05
    rows, columns = np.nonzero(changed)
    column, row = texture_points(np.array([x]), np.array([y]))
    assert len(rows) > 4
    assert np.abs(rows + 0.5 - row).max() < 6
    assert np.abs(columns + 0.5 - column).max() < 6


def test_dark_skin_is_darker_than_fair_skin(woman):
    tones = [skin_tone(replace(woman, melanin=m)).mean() for m in (0.0, 0.3, 0.6, 1.0)]
    assert tones == sorted(tones, reverse=True)


def test_makeup_is_worn_only_when_the_sample_says_so(woman):
    sample = make_sample(woman.identity, 0)
    bare, worn = (makeup_colors(woman, replace(sample, makeup=m)) for m in (0.0, 1.0))
    assert bare.shape == (3, 4) and (bare[:, 3] == 0).all()
    assert (worn[:, 3] > 0.2).all() and (worn[:, 3] <= 1).all()
    assert 0 <= worn[:, :3].min() <= worn[:, :3].max() <= 1
