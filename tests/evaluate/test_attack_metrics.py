"""Type-I and type-II by hand, the bootstrap, and the JSON that `nbnet evaluate` prints."""

import json

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import (
    bootstrap_rate,
    evaluate_attack,
    same_person_pairs,
    threshold_at_far,
)


def unit(degrees):
    radians = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_type_two_rule_by_hand():
    """Two persons on a circle: 0 and 20 degrees, 90 and 130 degrees."""
    who = [1, 1, 2, 2]
    originals = unit([0, 20, 90, 130])
    # Made from each: 5 off the first, 30 beyond the second, exact, 60 off.
    reconstructed = unit([5, 50, 90, 190])
    result = evaluate_attack(originals, who, reconstructed, fars=(0.25,))
    # Impostors: 90, 130, 70, 110 degrees apart: one of four may pass, the threshold is cos 90.
    assert result.thresholds[0.25] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(
        result.scores["type1"], np.cos(np.deg2rad([5, 30, 0, 60])), atol=1e-6
    )
    # Never against its own original: 5-20, 50-0, 90-130, 190-90.
    np.testing.assert_allclose(
        result.scores["type2"], np.cos(np.deg2rad([15, 50, 40, 100])), atol=1e-6
    )
    np.testing.assert_allclose(
        np.sort(result.scores["genuine"]), np.cos(np.deg2rad([40, 20])), atol=1e-6
    )
    rates = result.rates[0.25]
    assert (rates["original"].tar, rates["type1"].tar, rates["type2"].tar) == (1, 1, 0.75)
    assert result.extra["comparisons"] == {"genuine": 2, "impostor": 4, "type1": 4, "type2": 4}


def test_same_person_pairs_are_ordered_and_never_reflexive():
    who = np.array([3, 1, 3, 3, 1])
    j, k = same_person_pairs(who)
    assert sorted(zip(j.tolist(), k.tolist(), strict=True)) == [
        (0, 2), (0, 3), (1, 4), (2, 0), (2, 3), (3, 0), (3, 2), (4, 1),
    ]  # fmt: skip


def noisy(seed=0, n=60, per=4, noise=0.5, attack=1.0):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), per)
    centre = rng.normal(size=(n, 32))[who]
    originals = centre + noise * rng.normal(size=centre.shape)
    return originals, who, originals + attack * rng.normal(size=centre.shape)


def test_perfect_and_random_attackers():
    originals, who, _ = noisy()
    perfect = evaluate_attack(originals, who, originals)
    for rates in perfect.rates.values():
        assert rates["type1"].tar == 1
        assert rates["type2"].tar == pytest.approx(rates["original"].tar)
    noise = np.random.default_rng(1).normal(size=originals.shape)
    blind = evaluate_attack(originals, who, noise, fars=(0.1,))
    assert blind.rates[0.1]["type1"].tar == pytest.approx(0.1, abs=0.06)
    assert blind.rates[0.1]["type2"].tar == pytest.approx(0.1, abs=0.06)


def test_threshold_comes_from_originals_only():
    originals, who, reconstructed = noisy()
    a = evaluate_attack(originals, who, reconstructed)
    b = evaluate_attack(originals, who, -reconstructed)
    assert a.thresholds == b.thresholds
    assert a.thresholds[0.01] == threshold_at_far(a.scores["impostor"], 0.01)


def test_json_layout_and_table():
    originals, who, reconstructed = noisy()
    result = evaluate_attack(
        torch.from_numpy(originals),
        who,
        reconstructed,
        seed=3,
        decoder="nbnet-b-64",
        encoder="synth",
    )
    told = json.loads(json.dumps(result.to_dict()))
    assert list(told)[:5] == ["decoder", "encoder", "seed", "identities", "far"]
    assert (told["decoder"], told["encoder"], told["seed"], told["identities"]) == (
        "nbnet-b-64", "synth", 3, 60,
    )  # fmt: skip
    assert list(told["far"]) == ["0.01", "0.001"]
    for entry in told["far"].values():
        assert list(entry) == ["threshold", "original", "type1", "type2"]
        for name in ("original", "type1", "type2"):
            assert list(entry[name]) == ["tar", "ci95"]
            low, high = entry[name]["ci95"]
            assert 0 <= low <= entry[name]["tar"] <= high <= 1
    table = result.table()
    assert list(table.index) == ["original", "type-I", "type-II"]
    assert list(table.columns) == ["TAR @ FAR 1 %", "TAR @ FAR 0.1 %"]


def test_bootstrap_repeats_itself_and_seeds_matter():
    rng = np.random.default_rng(0)
    accepted, owners = rng.random(400) < 0.6, np.repeat(np.arange(40), 10)
    assert bootstrap_rate(accepted, owners, seed=1) == bootstrap_rate(accepted, owners, seed=1)
    assert bootstrap_rate(accepted, owners, seed=1) != bootstrap_rate(accepted, owners, seed=2)


def test_bootstrap_against_the_closed_form():
    """One comparison per identity: the usual interval p +- 1.96 sqrt(p q / n)."""
    n, p = 2000, 0.3
    accepted = np.arange(n) < p * n
    low, high = bootstrap_rate(accepted, np.arange(n), resamples=4000)
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    assert low == pytest.approx(p - half, abs=0.1 * half)
    assert high == pytest.approx(p + half, abs=0.1 * half)


def test_dependent_comparisons_widen_the_interval():
    """Ten copies of the same decision per identity say no more than one."""
    decisions = np.arange(50) % 2 == 0
    alone = bootstrap_rate(decisions, np.arange(50))
    copied = bootstrap_rate(np.repeat(decisions, 10), np.repeat(np.arange(50), 10))
    assert copied == pytest.approx(alone)
    by_pairs = bootstrap_rate(np.repeat(decisions, 10), np.arange(500))
    assert by_pairs[1] - by_pairs[0] < 0.5 * (copied[1] - copied[0])


def test_bootstrap_against_drawing_one_by_one():
    rng = np.random.default_rng(4)
    owners = np.repeat(np.arange(30), rng.integers(1, 12, 30))
    accepted = rng.random(len(owners)) < rng.random(30)[owners]
    groups = [accepted[owners == i] for i in range(30)]
    rates = [
        np.concatenate([groups[i] for i in rng.integers(0, 30, 30)]).mean() for _ in range(3000)
    ]
    slow = np.quantile(rates, [0.025, 0.975])
    np.testing.assert_allclose(bootstrap_rate(accepted, owners, 3000), slow, atol=0.02)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"reconstructed": np.eye(3, dtype=np.float32)}, "in the same order"),
        ({"identities": [1, 1, 2]}, "give one each"),
        ({"identities": [1, 1, 2, 3]}, "identity 2 has a single picture"),
        ({"identities": [1, 1, 1, 1]}, "no impostor pair"),
        ({"reconstructed": np.full((4, 2), np.nan)}, "reconstructed templates: row 0 holds NaN"),
        ({"originals": np.full((4, 2), np.inf)}, "original templates: row 0 holds NaN or inf"),
        ({"fars": ()}, "no FAR"),
        ({"fars": (1.5,)}, "between 0 and 1"),
        ({"resamples": 0}, "resamples=0"),
    ],
)
def test_bad_input(change, told):
    good = {
        "originals": unit([0, 20, 90, 130]),
        "identities": [1, 1, 2, 2],
        "reconstructed": unit([0, 20, 90, 130]),
        "fars": (0.3,),
    }
    with pytest.raises(NbnetError, match=told):
        evaluate_attack(**{**good, **change})


def test_bootstrap_input():
    with pytest.raises(NbnetError, match="one owner each"):
        bootstrap_rate(np.ones(3), np.arange(2))
    with pytest.raises(NbnetError, match="at least one"):
        bootstrap_rate(np.ones(0), np.arange(0))
