"""Results as rows: what is kept, how trials are averaged, what JSON and CSV hold."""

import io
import json
import math

import jsonschema
import numpy as np
import pandas as pd
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.result import Measure, Result, over_trials, schema


def make(**changes):
    measures = [
        Measure("original", "threshold", "", 0.4, 0.01),
        Measure("original", "tar", "original", 0.97, 0.01, n=100, low=0.95, high=0.99),
        Measure("original", "d_prime", "", math.nan),
        Measure("A", "tar", "type1", 0.9, 0.01, n=50, low=0.8, high=0.95),
        Measure("A", "rank", "others", 1.0, rank=1, n=50),
    ]
    reported = {
        "encoder": "synth",
        "decoders": ["A"],
        "protocol": {
            "name": "synthfaces", "source": "x", "pictures": 2, "identities": 1,
            "spread": "bootstrap", "trials": [{}],
        },
        "fars": [0.01],
        "seed": 0,
        "interval": {"method": "bootstrap", "confidence": 0.95, "resamples": 10},
        "measures": measures,
    }  # fmt: skip
    return Result(**{**reported, **changes})


def test_the_schema_is_one_and_the_json_obeys_it():
    jsonschema.Draft202012Validator.check_schema(schema())
    reported = json.loads(make().to_json())
    jsonschema.validate(reported, schema())
    assert reported["measures"][2] == {
        "attack": "original", "measure": "d_prime", "kind": "", "value": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "nbnet-evaluation/2"},
        {"fars": [1.5]},
        {"measures": [{"attack": "A", "measure": "tra", "kind": "", "value": 1}]},
        {"measures": [{"attack": "A", "measure": "tar", "kind": "", "value": 1, "hgih": 1}]},
        {"surplus": 1},
    ],
)
def test_the_schema_refuses_what_is_not_documented(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**make().to_dict(), **change}, schema())


def test_get_names_what_is_not_there():
    with pytest.raises(NbnetError, match="holds no tar of 'B'"):
        make().get("tar", "B", "type1", 0.01)


def test_csv_and_frame_hold_every_row():
    result = make()
    frame = pd.read_csv(io.StringIO(result.to_csv()), keep_default_na=True)
    assert len(frame) == len(result.measures) == len(result.to_frame())
    assert frame.columns.tolist() == [*Measure.__dataclass_fields__, "judge"]
    row = frame[(frame.attack == "A") & (frame.measure == "tar")].iloc[0]
    assert (row.value, row.far, row.n, row.low, row.high) == (0.9, 0.01, 50, 0.8, 0.95)


def trials(values, **more):
    return [[Measure("A", "tar", "type1", v, 0.01, n=10, **more)] for v in values]


def test_folds_give_standard_error_and_t_interval():
    """By hand: values 0.8, 0.9, 1.0: mean 0.9, sd 0.1, se 0.1 / sqrt 3, t(2) = 4.3027."""
    (row,) = over_trials(trials([0.8, 0.9, 1.0]), "folds")
    assert row.value == pytest.approx(0.9)
    assert row.se == pytest.approx(0.1 / np.sqrt(3))
    assert row.low == pytest.approx(0.9 - 4.302653 * 0.1 / np.sqrt(3), abs=1e-6)
    assert row.high == 1  # a share: 1.148 is cut
    assert (row.n, row.sd) == (30, None)


def test_what_says_nothing_about_other_folds_has_no_interval():
    (row,) = over_trials(trials([1.0, 1.0, 1.0]), "folds")
    assert (row.value, row.se, row.low, row.high) == (1, 0, None, None)
    thresholds = [[Measure("original", "threshold", "", t, 0.01)] for t in (0.4, 0.5)]
    (row,) = over_trials(thresholds, "folds")  # each from the other folds: they share pairs
    assert (row.value, row.se, row.low) == (pytest.approx(0.45), None, None)


def test_what_one_trial_could_not_measure_is_left_out():
    some = [*trials([0.8, 0.9]), [Measure("A", "tar", "type2", 0.5, 0.01)]]
    assert over_trials(some, "trials") == []
    some = [row + [Measure("A", "auc", "", 0.5)] for row in some]
    assert [row.measure for row in over_trials(some, "trials")] == ["auc"]


def test_random_trials_give_a_deviation_and_no_interval():
    (row,) = over_trials(trials([0.8, 0.9, 1.0]), "trials")
    assert (row.value, row.sd) == (pytest.approx(0.9), pytest.approx(0.1))
    assert row.low is row.high is row.se is None


def test_one_trial_keeps_its_interval():
    (row,) = over_trials(trials([0.9], low=0.8, high=0.95), "bootstrap")
    assert (row.value, row.low, row.high) == (0.9, 0.8, 0.95)
