"""The registry of parameters, and one parameter changed with all else fixed."""

import dataclasses

import numpy as np
import pytest

from nbnet_lib.faces import make_identity, make_sample
from synthfaces import Identity, Sample, SynthFacesError
from synthfaces.changes import change, check_changes, check_value, parse_changes
from synthfaces.checks import check_number, check_size
from synthfaces.parameters import parameters

# Fields that are no parameters, each with the reason.
INTERNAL = {
    "identity": {"identity": "the number itself"},
    "sample": {"identity": "the number itself", "sample": "the number itself"},
}
OWNERS = {"identity": Identity, "sample": Sample}


@pytest.mark.parametrize("owner", OWNERS)
def test_every_field_is_in_the_registry_or_internal(owner):
    fields = {field.name for field in dataclasses.fields(OWNERS[owner])}
    listed = {p.field for p in parameters().values() if p.owner == owner}
    assert listed | INTERNAL[owner].keys() == fields
    assert not listed & INTERNAL[owner].keys()


def test_every_entry_of_arrays_is_in_the_registry():
    person, sample = make_identity(3), make_sample(3, 0)
    for owner, thing in (("identity", person), ("sample", sample)):
        for field in dataclasses.fields(thing):
            value = getattr(thing, field.name)
            if isinstance(value, np.ndarray | tuple) and field.name != "moles":
                at = [p.at[0] for p in parameters().values() if p.field == field.name]
                assert sorted(at) == list(range(len(value))), (owner, field.name)
    keys = {key for p in parameters().values() if p.field == "actions" for key in p.at}
    assert sample.actions.keys() <= keys
    for field in ("ancestry", "brow"):
        keys = {p.at[0] for p in parameters().values() if p.field == field}
        assert keys == getattr(person, field).keys()


def test_the_registry_is_documented():
    for name, parameter in parameters().items():
        assert parameter.name == name and parameter.meaning
        assert parameter.kind in ("number", "whole", "choice", "flag", "label")
        assert (parameter.kind == "choice") == bool(parameter.choices)
        assert (parameter.kind == "label") == bool(parameter.instead)
        assert parameter.low < parameter.high


@pytest.mark.parametrize("difficulty", [0.25, 1.0, 2.0])
def test_what_is_drawn_is_allowed(difficulty):
    """So every picture can be made by changes, and the documented ranges hold."""
    for identity in range(150):
        person = make_identity(identity, difficulty)
        things = {"identity": person, "sample": make_sample(identity, identity % 7, difficulty)}
        for parameter in parameters().values():
            if parameter.kind != "label":
                value = parameter.read(things[parameter.owner])
                assert check_value(parameter, value) == value, parameter.name


def test_a_change_changes_one_thing():
    """Every other parameter stays, but for the documented exceptions."""
    follow = {
        "hair_color": ("hair_r", "hair_g", "hair_b", "brow_r", "brow_g", "brow_b"),
        "eye_color": ("eye_r", "eye_g", "eye_b"),
    }
    follow |= dict.fromkeys(("hair_tone", "greyness"), follow["hair_color"])
    follow |= dict.fromkeys([f"eye_tone_{c}" for c in "rgb"], follow["eye_color"])
    weights = [f"ancestry_{a}" for a in ("african", "asian", "caucasian")]
    follow |= dict.fromkeys(weights, (*weights, "ancestry_main"))
    # Somebody who wears glasses and hair that can be tied, so that nothing has to be taken off.
    worn = {"glasses": "round", "hair_style": "long", "hair_state": "usual"}
    before = change(make_identity(3), make_sample(3, 0), worn)
    for name, parameter in parameters().items():
        old = parameter.read(before[parameter.owner == "sample"])
        if parameter.kind == "label":
            continue
        if parameter.kind == "choice":
            value = next(c for c in parameter.choices if c not in (old, "none", "loose"))
        elif parameter.kind == "flag":
            value = not old
        else:
            value = parameter.low if old != parameter.low else parameter.high
        after = change(*before, {name: value})
        assert parameter.read(after[parameter.owner == "sample"]) == value
        for other in parameters().values():
            same_place = other.field == parameter.field and set(other.at) & set(parameter.at)
            if other.name != name and other.name not in follow.get(name, ()) and not same_place:
                which = other.owner == "sample"
                assert other.read(after[which]) == other.read(before[which]), (name, other.name)


def test_the_arguments_stay_as_they_are():
    person, sample = make_identity(3), make_sample(3, 0)
    shape, actions = person.shape.copy(), dict(sample.actions)
    other, _ = change(person, sample, {"shape/nose/nose-volume-incr": 2.5, "jaw_open": 0.9})
    assert np.array_equal(person.shape, shape) and sample.actions == actions
    assert (other.shape != shape).sum() == 1
    with pytest.raises(ValueError, match="read-only"):
        other.shape[0] = 1


def test_a_value_that_is_there_already_changes_nothing():
    person, sample = make_identity(8), make_sample(8, 1)
    things = {"identity": person, "sample": sample}
    changes = {
        p.name: p.read(things[p.owner])
        for p in parameters().values()
        if p.kind != "label" and p.name != "smile"  # a mean of two sides
    }
    for old, new in zip((person, sample), change(person, sample, changes), strict=True):
        for field in dataclasses.fields(old):
            a, b = getattr(old, field.name), getattr(new, field.name)
            if field.name == "actions":
                a, b = ({k: v for k, v in d.items() if v} for d in (a, b))
            assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b, field.name


def test_ancestry_weights_share_the_rest():
    person, sample = make_identity(3), make_sample(3, 0)
    other, _ = change(person, sample, {"ancestry_asian": 0.6})
    assert other.ancestry["asian"] == 0.6 and sum(other.ancestry.values()) == pytest.approx(1)
    assert other.ancestry_main == "asian"
    old, new = person.ancestry, other.ancestry
    assert new["african"] / new["caucasian"] == pytest.approx(old["african"] / old["caucasian"])
    pure, _ = change(person, sample, {"ancestry_asian": 1})
    back, _ = change(pure, sample, {"ancestry_asian": 0.5})
    assert back.ancestry == {"african": 0.25, "asian": 0.5, "caucasian": 0.25}
    two, _ = change(person, sample, {"ancestry_asian": 0.5, "ancestry_african": 0.5})
    assert two.ancestry["caucasian"] == 0
    with pytest.raises(SynthFacesError, match=r"sum to 1.2"):
        change(person, sample, {"ancestry_asian": 0.5, "ancestry_african": 0.7})
    with pytest.raises(SynthFacesError, match=r"sum to 0.9"):
        change(person, sample, {n: 0.3 for n in parameters() if n.startswith("ancestry_a")
                                or n == "ancestry_caucasian"})  # fmt: skip


def test_what_is_not_owned_is_not_worn():
    person, sample = make_identity(3), make_sample(3, 0)
    given = {"glasses": "round", "wears_glasses": True}
    person, sample = change(person, sample, given)
    assert sample.wears_glasses
    assert not change(person, sample, {"glasses": "none"})[1].wears_glasses
    with pytest.raises(SynthFacesError, match="glasses"):
        change(person, sample, {"glasses": "none", "wears_glasses": True})


def test_hair_is_worn_as_its_style_allows():
    person, sample = make_identity(3), make_sample(3, 0)
    tied = change(person, sample, {"hair_style": "long", "hair_state": "tied"})
    assert tied[1].hair_state == "tied"
    assert change(*tied, {"hair_style": "buzz"})[1].hair_state == "usual"
    with pytest.raises(SynthFacesError, match="buzz .* usual only"):
        change(person, sample, {"hair_style": "buzz", "hair_state": "tied"})
    with pytest.raises(SynthFacesError, match="long .* usual or tied"):
        change(person, sample, {"hair_style": "long", "hair_state": "loose"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"yaw": 3}, "'yaw': .*yaw_deg"),
        ({"qqq": 3}, "'qqq'"),
        ({"yaw_deg": 300}, "yaw_deg is 300: .* -40 to 40 degrees"),
        ({"yaw_deg": float("nan")}, "yaw_deg is nan"),
        ({"yaw_deg": None}, "yaw_deg is None"),
        ({"skin_seed": 1.5}, "skin_seed is 1.5: .* 2,147,483,647"),
        ({"beard": "long"}, "beard is long: .* moustache"),
        ({"scarf": "perhaps"}, "scarf is perhaps: .* true or false"),
        ({"scarf": 2}, "scarf is 2"),
        ({"gender": "male"}, "gender is a label .* gender_axis"),
        ({"difficulty": 2}, "difficulty is a label .* --difficulty"),
    ],
)
def test_a_wrong_change_is_named(changes, words):
    with pytest.raises(SynthFacesError, match=words):
        check_changes(changes)


def test_changes_are_read_from_the_command_line():
    texts = ["yaw_deg=20", "hair_style = bob", "scarf=yes", "sunglasses=0", "skin_seed=12"]
    assert parse_changes(texts) == {
        "yaw_deg": 20.0,
        "hair_style": "bob",
        "scarf": True,
        "sunglasses": False,
        "skin_seed": 12,
    }
    with pytest.raises(SynthFacesError, match="name=value"):
        parse_changes(["yaw_deg"])
    with pytest.raises(SynthFacesError, match="yaw_deg is set twice"):
        parse_changes(["yaw_deg=1", "yaw_deg=2"])


@pytest.mark.parametrize("wrong", [-1, 1.5, "three", None, float("nan"), float("inf")])
def test_numbers_and_sizes_are_checked(wrong):
    with pytest.raises(SynthFacesError, match="identity is .* whole number"):
        check_number("identity", wrong)
    with pytest.raises(SynthFacesError, match="size is .* 32 to 512"):
        check_size(wrong)
    assert check_number("sample", np.int64(3)) == 3 and check_size(64.0) == 64
