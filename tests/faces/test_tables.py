"""The ground truth as a table, and the data card that documents it."""

import runpy

import numpy as np
import pytest

from nbnet_lib.faces import LANDMARKS, describe, make_sample, render_truth, table
from synthfaces import SynthFacesError
from synthfaces.parameters import parameters


def _names(owner):
    return [p.name for p in parameters().values() if p.owner == owner]


def test_a_table_holds_every_parameter():
    people = table(range(4))
    assert list(people.columns) == ["identity", *_names("identity")]
    pictures = table([5, 6], samples=3)
    assert list(pictures.columns) == [
        "identity",
        *_names("identity"),
        "sample",
        *_names("sample"),
    ]
    assert pictures["sample"].tolist() == [0, 1, 2] * 2
    assert pictures.groupby("identity")["age_years"].nunique().eq(1).all()
    assert pictures["yaw_deg"][4] == make_sample(6, 1).yaw
    assert pictures["wears_glasses"].dtype == bool
    assert pictures["skin_seed"].dtype == np.int64
    assert pictures["melanin"].dtype == np.float64


def test_columns_and_difficulty_can_be_chosen():
    assert table([5], samples=np.int64(2), columns=["yaw_deg"])["sample"].tolist() == [0, 1]
    hard = table([5], samples=[4, 2], difficulty=2, columns=["yaw_deg", "melanin"])
    assert list(hard.columns) == ["identity", "melanin", "sample", "yaw_deg"]
    assert hard["yaw_deg"].tolist() == [make_sample(5, s, 2).yaw for s in (4, 2)]
    assert list(table([5], columns=["melanin"]).columns) == ["identity", "melanin"]


def test_landmarks_are_those_of_the_picture():
    frame = table([3, 9], samples=2, columns=["yaw_deg"], landmarks_size=96)
    columns = [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
    assert list(frame.columns)[-10:] == columns
    want = render_truth(9, 1, 96).landmarks
    assert np.array_equal(frame[columns].to_numpy()[3].reshape(5, 2), want)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"identities": [-1]}, "identity is -1"),
        ({"identities": 3}, "identity numbers are 3"),
        ({"identities": [1], "samples": [0.5]}, "sample numbers"),
        ({"identities": [1], "difficulty": 3}, "difficulty is 3"),
        ({"identities": [1], "columns": ["yaw"]}, "yaw_deg"),
        ({"identities": [1], "columns": ["yaw_deg"]}, "yaw_deg belongs to a picture"),
        ({"identities": [1], "landmarks_size": 64}, "landmark belongs to a picture"),
        ({"identities": [1], "samples": 1, "landmarks_size": 8}, "size is 8"),
    ],
)
def test_what_cannot_be_tabled_is_refused(arguments, said):
    with pytest.raises(SynthFacesError, match=said):
        table(**arguments)


def test_the_description_has_a_row_for_each_parameter():
    frame = describe()
    assert list(frame.index) == list(parameters())
    assert frame.loc["yaw_deg", "allowed"] == "a number from -40 to 40 degrees"
    assert frame.loc["yaw_deg", "of"] == "sample"


def test_the_card_shows_the_registry(root):
    """Where it does not, ``python tools/data_card.py`` writes it anew."""
    card = runpy.run_path(str(root / "tools" / "data_card.py"))
    text = card["CARD"].read_text(encoding="utf-8")
    assert card["filled"](text) == text
    assert "| `melanin` | a number from 0 to 1 |" in text
    with pytest.raises(SystemExit, match="no place for a table"):
        card["filled"](text.replace("SAMPLE: end", ""))
