"""The numbers that the project stands on: the shipped weights on identities 0-299 x 6."""

import pytest

from nbnet_lib.decoders import load_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.evaluate import run_benchmark
from nbnet_lib.weights import load_card

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result():
    encoder, decoder = create_encoder("synth"), load_decoder("nbnet-b-64")
    return run_benchmark(encoder, decoder, range(300), 6, seed=0, progress=False).to_dict()


def test_the_protocol_has_its_size(result):
    assert result["identities"] == 300
    assert result["comparisons"] == {
        "genuine": 4_500,
        "impostor": 1_614_600,
        "type1": 1_800,
        "type2": 9_000,
    }


def test_the_recogniser_recognises(result):
    assert result["far"]["0.01"]["original"]["tar"] >= 0.99
    assert result["far"]["0.001"]["original"]["tar"] >= 0.93


def test_the_attack_works(result):
    assert result["far"]["0.001"]["type1"]["tar"] >= 0.60
    assert result["far"]["0.001"]["type2"]["tar"] >= 0.30


def test_the_intervals_hold_their_rates_and_a_looser_far_accepts_more(result):
    for far in result["far"].values():
        for rate in (far["original"], far["type1"], far["type2"]):
            low, high = rate["ci95"]
            assert 0 <= low <= rate["tar"] <= high <= 1
    loose, strict = result["far"]["0.01"], result["far"]["0.001"]
    assert loose["threshold"] < strict["threshold"]
    assert all(loose[k]["tar"] >= strict[k]["tar"] for k in ("original", "type1", "type2"))


@pytest.mark.parametrize("row", ["original", "type1", "type2"])
def test_the_card_tells_what_is_measured(result, row):
    """Another platform may draw a few pixels differently: one percentage point is allowed."""
    card = load_card("nbnet-b-64")["benchmark"]["far"]
    for far, rates in result["far"].items():
        assert card[far][row]["tar"] == pytest.approx(rates[row]["tar"], abs=0.01)
