"""The same person in other years: what changes, what does not, and that pictures follow."""

import numpy as np

from nbnet_lib.faces import make_identity, render, render_set
from synthfaces import Recipe
from synthfaces.changes import check_changes
from synthfaces.parameters import find
from synthfaces.years import lasting_parameters, looks

BONES = [n for n in lasting_parameters() if n.startswith(("shape/", "gender", "age", "ancestry"))]


def test_year_0_is_the_person_of_the_default_set():
    assert looks(7, 0) == {}
    plain, years = Recipe(3, 32).draw(7), Recipe(3, 32, years=True).draw(7)
    assert np.array_equal(plain[:2], years[:2])
    assert not np.array_equal(plain[2], years[2])


def test_every_look_is_allowed_repeatable_and_leaves_the_bones_alone():
    assert len(BONES) > 100
    for identity in range(60):
        for year in (1, 2):
            changes = looks(identity, year)
            assert check_changes(changes) and changes == looks(identity, year)
            assert not set(changes) & set(BONES)
    assert looks(3, 1) != looks(3, 2)


def test_hair_says_nothing_about_the_person():
    """A colour returns as often as among strangers, where it was the same in all pictures."""
    colors = np.array([[looks(i, year)["hair_color"] for year in (1, 2)] for i in range(400)])
    same = (colors[:, 0] == colors[:, 1]).mean()
    strangers = (colors[:-1, 0] == colors[1:, 1]).mean()
    assert abs(same - strangers) < 0.1
    native = np.array([make_identity(i).hair_color for i in range(400)])
    assert abs((colors[:, 0] == native).mean() - strangers) < 0.1


def test_a_set_over_years_is_what_render_draws_and_has_its_own_place(tmp_path):
    faces = render_set([8, 5], 4, 32, cache=tmp_path, progress=False, years=True)
    changed = render(5, 3, 32, changes=looks(5, 1))
    assert np.array_equal(faces.images[7], changed)
    plain = render_set([8, 5], 4, 32, cache=tmp_path, progress=False)
    assert not np.array_equal(plain.images[7], changed)


def test_what_lasts_are_numbers_of_the_person():
    assert {find(name).owner for name in lasting_parameters()} == {"identity"}
    assert not [n for n in lasting_parameters() if n.startswith(("hair", "brow_r", "glasses"))]
