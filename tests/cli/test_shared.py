"""Number ranges, tables and JSON of the command line."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbnet_lib.cli.shared import (
    columns,
    command_line,
    identity_range,
    percent,
    positive,
    share,
    short_name,
    to_json,
    whole,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("0-2,20, 30-31", [0, 1, 2, 20, 30, 31]),
        ("9,1", [9, 1]),
    ],
)
def test_identity_range(text, expected):
    assert identity_range(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not a list of identities"),
        ("1-", "is not a list of identities"),
        ("٣", "is not a list of identities"),
        ("5-2", "runs backwards: write 2-5"),
        ("0-5,3", "names an identity twice"),
        ("0-99999999999", "more than 10,000,000"),
    ],
)
def test_identity_range_errors(text, part):
    with pytest.raises(argparse.ArgumentTypeError, match=part):
        identity_range(text)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20, unique=True))
def test_identity_range_reads_what_is_listed(ids):
    assert identity_range(",".join(map(str, ids))) == ids


def test_numbers():
    assert whole(2)("2") == 2 and positive("0.5") == 0.5 and share("0.5") == 0.5
    refused = {whole(2): "1 x 2.0", positive: "0 -1 nan inf x", share: "0 1 nan x"}
    for kind, texts in refused.items():
        for text in texts.split():
            with pytest.raises(argparse.ArgumentTypeError):
                kind(text)


def test_columns_align():
    assert columns([("a", 1), ("bbb", 22)], ("name", "n")).splitlines() == [
        "name   n",
        "--------",
        "a      1",
        "bbb   22",
    ]


def test_percent():
    assert percent(0.9543) == "95.4 %"
    assert percent(None) == ""


def test_to_json_takes_numpy_and_has_no_nan():
    payload = {
        "a": np.float32(0.5),
        "b": np.arange(2),
        "c": float("nan"),
        "d": Path("x"),
        1: (True, None, np.bool_(False)),
    }
    text = to_json(payload)
    assert json.loads(text) == {
        "a": 0.5,
        "b": [0, 1],
        "c": None,
        "d": "x",
        "1": [True, None, False],
    }


def test_command_line_names_no_home_folder():
    absolute = str(Path.cwd() / "runs" / "my run")
    assert command_line(["train", "--out", absolute]) == "nbnet train --out 'my run'"
    assert command_line(["train", "--out", "runs/x"]) == "nbnet train --out runs/x"


def test_reports_name_weights_without_the_home_folder():
    path = Path.cwd() / "runs" / "mine" / "decoder.safetensors"
    assert short_name(str(path)) == "mine/decoder.safetensors"
    assert short_name("decoder.safetensors") == "decoder.safetensors"
    assert short_name("nbnet-b-64") == "nbnet-b-64"
