"""Who is drawn and how: identities, shapes and pictures as draws, and the difficulty dial."""

import dataclasses

import numpy as np
import pytest

from synthfaces.dice import Dice
from synthfaces.hair_styles import TIEABLE
from synthfaces.identity import GLASSES, STYLE_SHARES, eye_color_rgb, hair_colors, make_identity
from synthfaces.model import head_model
from synthfaces.sample import EXPRESSIONS, make_sample
from synthfaces.shape import draw_shape, identity_mesh, shape_axes

PEOPLE = 300
DIFFICULTIES = (0.25, 1.0, 2.0)


def _flat(thing) -> dict[str, object]:
    """Return the fields of a dataclass, arrays as tuples."""
    fields = dataclasses.asdict(thing)
    return {k: tuple(v.ravel()) if isinstance(v, np.ndarray) else v for k, v in fields.items()}


def test_the_same_integers_draw_the_same_person_and_picture():
    assert _flat(make_sample(12, 3)) == _flat(make_sample(12, 3))
    assert _flat(make_identity(12)) == _flat(make_identity(12))
    assert _flat(make_identity(12))["shape"] != _flat(make_identity(13))["shape"]
    assert _flat(make_sample(12, 3))["yaw"] != _flat(make_sample(12, 4))["yaw"]


def test_a_person_cannot_be_changed_by_one_of_its_users():
    person = make_identity(3)
    for name in ("shape", "hair_rgb", "eye_rgb", "moles", "glasses_rgb"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(person, name)[...] = 0
    arch = person.brow["arch"]
    person.brow["arch"] = person.ancestry["asian"] = 9.0  # its own copies
    assert make_identity(3).brow["arch"] == arch and make_identity(3).ancestry["asian"] <= 1


def test_a_picture_agrees_with_its_person():
    """Nobody wears glasses that they do not own, or ties up hair that is too short."""
    owners = tied = 0
    for i in range(PEOPLE):
        person = make_identity(i)
        assert sum(person.ancestry.values()) == pytest.approx(1)
        assert person.ancestry_main == max(person.ancestry, key=person.ancestry.get)
        female = person.gender == "female"
        assert not female or (person.beard == "none" and person.stubble_habit == 0)
        assert female or person.makeup_habit == 0
        for k in range(4):
            s = make_sample(i, k)
            owners += s.wears_glasses
            tied += s.hair_state != "usual"
            assert not (s.wears_glasses and person.glasses == "none")
            assert s.hair_state in ("usual", *TIEABLE.get(person.hair_style, ()))
            assert s.makeup == 0 or person.makeup_habit > 0
            assert s.stubble == 0 or person.stubble_habit > 0
            assert set(s.actions) <= set(head_model().actions)
            assert s.expression in EXPRESSIONS and 0.2 < s.exposure < 4
    assert owners > 0 and tied > 0


def test_people_are_as_mixed_as_the_tables_say():
    people = [make_identity(i) for i in range(1000)]
    assert 0.45 < np.mean([p.gender == "male" for p in people]) < 0.55
    for name, share in (("african", 0.3), ("asian", 0.3), ("caucasian", 0.4)):
        assert abs(np.mean([p.ancestry_main == name for p in people]) - share) < 0.05
    styles = {p.hair_style for p in people}
    assert styles == {style for table in STYLE_SHARES.values() for style in table}
    assert {p.glasses for p in people} == {"none", *GLASSES}


def test_difficulty_widens_pictures_and_narrows_people():
    yaw, shape, neutral = [], [], []
    for d in DIFFICULTIES:
        samples = [make_sample(i, 0, d) for i in range(PEOPLE)]
        yaw.append(np.std([s.yaw for s in samples]))
        neutral.append(np.mean([s.expression == "neutral" for s in samples]))
        shape.append(np.std([make_identity(i, d).shape for i in range(PEOPLE)]))
    assert yaw[0] < 0.5 * yaw[1] < yaw[1] < yaw[2]
    assert neutral[0] > neutral[1] > neutral[2]
    assert shape[0] > shape[1] > shape[2] > 0.8 * shape[0]


def test_difficulty_is_a_dial_on_the_same_picture():
    """All but the stretched numbers stay: the random numbers behind a picture are the same."""
    for i in range(40):
        easy, default, hard = (make_sample(i, 2, d) for d in DIFFICULTIES)
        assert easy.background_seed == default.background_seed == hard.background_seed
        assert easy.foreground_seed == hard.foreground_seed
        assert easy.scene == hard.scene
        assert np.sign(easy.yaw) == np.sign(hard.yaw)
        assert abs(easy.yaw) <= abs(default.yaw) <= abs(hard.yaw)
        easy_person, hard_person = make_identity(i, 0.25), make_identity(i, 2)
        assert easy_person.hair_style == hard_person.hair_style
        assert easy_person.skin_seed == hard_person.skin_seed


def test_dice_stay_in_step_whatever_is_asked():
    one, other = Dice([1, 2]), Dice([1, 2])
    one.chance(0.0), other.chance(1.0)
    one.pick({"a": 1.0}), other.pick({"a": 0.2, "b": 0.8})
    one.normal(0, 1), other.normal(5, 0.1, 4, 6)
    assert one.uniform() == other.uniform()
    assert one.normal(0, 1) == other.normal(0, 1)
    picks = [Dice([3, i]).pick({"a": 3.0, "b": 1.0}) for i in range(400)]
    assert 0.68 < np.mean([p == "a" for p in picks]) < 0.82


def test_no_axis_moves_a_part_of_the_face_sideways():
    """A symmetric axis leaves the mean head symmetric: nose tip and chin stay in the middle."""
    model, axes = head_model(), shape_axes()
    middle = np.flatnonzero(np.abs(model.mean[:, 0]) < 1e-4)
    for name, up in zip(axes.names, axes.positive, strict=True):
        moved = sum(model.offsets[row].toarray().reshape(-1, 3)[middle, 0] for row in up)
        assert np.abs(moved).max() < 0.02, name


def test_distances_on_faces_stay_plausible():
    """Eye spacing, nose, mouth, jaw and heights keep within 2.3 deviations of their mean."""
    axes = shape_axes()
    away = np.array([axes.distances @ make_identity(i).shape for i in range(PEOPLE)])
    assert np.abs(away).max() < 2.6
    assert (away.std(0) > 0.4).all(), "people no longer differ in a distance"
    wild = draw_shape(np.random.default_rng(0).standard_normal(sum(axes.loadings.shape)) * 6, 1.0)
    assert np.abs(axes.distances @ wild).max() < 4


def test_parts_of_a_face_go_together():
    axes = shape_axes()
    shape = np.array([make_identity(i).shape for i in range(PEOPLE)])
    at = {name: k for k, name in enumerate(axes.names)}
    wide_head, wide_mouth = at["head/head-scale-horiz-incr"], at["mouth/mouth-scale-horiz-incr"]
    upper, lower = at["mouth/mouth-upperlip-volume-incr"], at["mouth/mouth-lowerlip-volume-incr"]
    assert np.corrcoef(shape[:, wide_head], shape[:, wide_mouth])[0, 1] > 0.1
    assert np.corrcoef(shape[:, upper], shape[:, lower])[0, 1] > 0.25


def test_women_and_men_differ_as_means():
    """The female mean has a lower face and fuller lips."""
    model = head_model()
    fine = model.subdivide @ model.mean

    def height(mesh, top, bottom):
        ends = [((fine - np.array(p)) ** 2).sum(1).argmin() for p in (top, bottom)]
        return np.subtract(*(model.subdivide @ mesh)[ends, 1])

    meshes = {}
    for gender, axis in (("female", 0.0), ("male", 1.0)):
        person = make_identity(7)
        person = dataclasses.replace(
            person, gender=gender, gender_axis=axis, shape=0 * person.shape, age_years=30.0,
            asymmetry=0 * person.asymmetry,
        )  # fmt: skip
        meshes[gender] = identity_mesh(person)
    face = {g: height(m, (0, 7.29, 1.51), (0, 6.165, 1.32)) for g, m in meshes.items()}
    lips = {g: height(m, (0, 6.69, 1.60), (0, 6.50, 1.56)) for g, m in meshes.items()}
    assert face["female"] < 0.95 * face["male"]
    assert lips["female"] / face["female"] > 1.1 * lips["male"] / face["male"]


def test_one_shape_number_moves_its_part_only():
    person = make_identity(5)
    axes = shape_axes()
    k = axes.names.index("nose/nose-scale-horiz-incr")
    shape = person.shape.copy()
    shape[k] += 1.0
    before, after = identity_mesh(person), identity_mesh(dataclasses.replace(person, shape=shape))
    moved = np.abs(after - before).max(1) > 1e-4
    assert 10 < moved.sum() < 0.3 * len(moved)
    assert before[moved][:, 2].min() > 0.8, "vertices behind the face moved with the nose"


def test_colours_are_functions_of_stored_numbers():
    for i in range(30):
        p = make_identity(i)
        hair, brows = hair_colors(p.hair_color, p.greyness, p.hair_tone)
        np.testing.assert_array_equal(hair, p.hair_rgb)
        np.testing.assert_array_equal(brows, p.brow_rgb)
        np.testing.assert_array_equal(eye_color_rgb(p.eye_color, p.eye_tone), p.eye_rgb)
