"""Type-I and type-II by hand, lists of pairs, several tries, and the bootstrap of one rate."""

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import (
    bootstrap_rate,
    evaluate_attack,
    tar_at,
    threshold_at_far,
)
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap


def unit(degrees):
    radians = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def counts(result):
    return {kind: len(found) for kind, found in result.comparisons.items()}


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
    assert counts(result) == {"genuine": 2, "impostor": 4, "type1": 4, "type2": 4}


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
    b = evaluate_attack(originals, who, reconstructed + 3 * reconstructed[::-1])
    assert a.thresholds == b.thresholds
    assert a.thresholds[0.01] == threshold_at_far(a.scores["impostor"], 0.01)


def test_rates_and_table():
    originals, who, reconstructed = noisy()
    result = evaluate_attack(torch.from_numpy(originals), who, reconstructed, decoder="nbnet-b-64")
    assert (result.decoder, result.identities, result.tries) == ("nbnet-b-64", 60, 1)
    assert list(result.rates) == list(result.thresholds) == [0.01, 0.001]
    for rates in result.rates.values():
        assert list(rates) == ["original", "type1", "type2"]
        for rate in rates.values():
            assert 0 <= rate.ci95[0] <= rate.tar <= rate.ci95[1] <= 1
    table = result.table()
    assert list(table.index) == ["original", "type-I", "type-II"]
    assert list(table.columns) == ["TAR @ FAR 1 %", "TAR @ FAR 0.1 %"]


def test_a_person_with_one_picture_is_left_out_of_type_two():
    who = [1, 1, 2, 3, 3]
    result = evaluate_attack(
        unit([0, 20, 90, 180, 200]), who, unit([5, 25, 95, 185, 205]), fars=(0.3,)
    )
    assert counts(result) == {"genuine": 2, "impostor": 8, "type1": 5, "type2": 4}
    assert 2 not in result.owners["type2"] and 2 in result.owners["type1"]
    assert np.isnan(result.per_identity(0.3).set_index("identity").loc[2, "type2"])


def test_intervals_include_the_threshold():
    """Each is that of `IdentityBootstrap.tar`, and wider than with the threshold held still."""
    originals, who, reconstructed = noisy(noise=1.2, attack=4)
    result = evaluate_attack(originals, who, reconstructed, fars=(0.001,), seed=3)
    bootstrap = IdentityBootstrap(who, seed=3)
    for name, kind in (("original", "genuine"), ("type1", "type1"), ("type2", "type2")):
        rate, found = result.rates[0.001][name], result.comparisons[kind]
        moving = bootstrap.tar(found, result.comparisons["impostor"], 0.001)
        accepted = found.scores > result.thresholds[0.001]
        drawn = bootstrap.interval(moving)
        assert rate.ci95 == share_interval(accepted, found.first, drawn)
        still = bootstrap.interval(bootstrap.tar_at(found, result.thresholds[0.001]))
        assert rate.ci95[1] - rate.ci95[0] > 1.1 * (still[1] - still[0])


def test_owners_and_results_per_identity():
    who = [7, 7, 2, 2, 2]
    originals = unit([0, 20, 90, 130, 110])
    result = evaluate_attack(originals, who, unit([5, 50, 90, 190, 100]), fars=(0.2,))
    np.testing.assert_array_equal(result.owners["type1"], who)
    assert list(result.owners) == ["genuine", "type1", "type2"]
    assert all(len(result.owners[k]) == len(result.scores[k]) for k in result.owners)
    # Impostors: 90, 130, 110, 70, 110, 90 degrees: one of six may pass, the threshold is cos 90.
    table = result.per_identity(0.2).set_index("identity")
    assert list(table.columns) == ["pictures", "original", "type1", "type2"]
    # Type-II of 2: 90-130, 90-110, 190-90, 190-110, 100-90, 100-130: 100 degrees is refused.
    assert table.loc[2].to_dict() == {
        "pictures": 3, "original": 1, "type1": 1, "type2": pytest.approx(5 / 6),
    }  # fmt: skip
    assert table.loc[7].to_dict() == {"pictures": 2, "original": 1, "type1": 1, "type2": 1}
    with pytest.raises(NbnetError, match="FAR 0.1 was not measured: choose one of 0.2"):
        result.per_identity(0.1)


def test_any_of_several_tries():
    originals, who, first = noisy(attack=4)
    _, _, second = noisy(attack=3.9)
    second[::2] = second[1::2]  # half of them made from another picture of the person
    tries = np.stack([first, second, -first])
    both = evaluate_attack(originals, who, tries, fars=(0.05,), resamples=100)
    one = evaluate_attack(originals, who, first, fars=(0.05,), resamples=100)
    other = evaluate_attack(originals, who, second, fars=(0.05,), resamples=100)
    for kind in ("type1", "type2"):
        best = np.maximum(one.scores[kind], other.scores[kind])
        best = np.maximum(best, -one.scores[kind])
        np.testing.assert_array_equal(both.scores[kind], best)
        limit = both.thresholds[0.05]
        assert both.rates[0.05][kind].tar == tar_at(best, limit) > one.rates[0.05][kind].tar
    assert both.tries == 3
    assert list(both.rates[0.05]) == ["original", "type1", "type2", "zero_effort"]
    assert list(both.table().index)[-1] == "zero effort"
    torch_too = evaluate_attack(
        torch.from_numpy(originals), who, torch.from_numpy(tries), fars=(0.05,), resamples=100
    )
    assert torch_too.rates == both.rates


def test_zero_effort_by_hand():
    """Two tries with pictures of other people, for each of four targets on a circle."""
    who = [1, 1, 2, 2]
    originals = unit([0, 20, 90, 130])
    result = evaluate_attack(originals, who, np.stack([originals] * 2), fars=(0.25,))
    # Only 20-90 passes: two of the four targets accept one of the two pictures of the other person.
    rate = result.rates[0.25]["zero_effort"]
    assert rate.tar == pytest.approx((2 * (1 - 0.5**2) + 2 * 0) / 4)
    originals, who, _ = noisy(noise=2)
    result = evaluate_attack(originals, who, np.stack([originals] * 3), fars=(0.01,))
    rate = result.rates[0.01]["zero_effort"]
    assert rate.ci95[0] < rate.tar < rate.ci95[1]
    assert rate.tar == pytest.approx(1 - 0.99**3, rel=0.1)  # less: some targets fall to many


def test_zero_effort_of_each_draw_written_out():
    originals, who, _ = noisy(n=12, per=3, noise=1.5)
    result = evaluate_attack(originals, who, np.stack([originals] * 2), fars=(0.1,), resamples=40)
    bootstrap = IdentityBootstrap(who, 40)
    x = originals / np.linalg.norm(originals, axis=1, keepdims=True)
    rates = []
    for weights in bootstrap.weights:
        rows = np.repeat(np.arange(len(who)), weights[who])  # pictures of the people drawn
        score, other = x[rows] @ x[rows].T, who[rows, None] != who[rows]
        above = (score > result.thresholds[0.1] + 1e-6) & other
        rates.append(np.mean(1 - (1 - above.sum(axis=1) / other.sum(axis=1)) ** 2))
    assert result.rates[0.1]["zero_effort"].ci95 == pytest.approx(bootstrap.interval(rates))


def test_a_list_of_pairs():
    who = np.array([1, 1, 2, 2, 3, 3, 4])
    originals = unit([0, 20, 90, 130, 200, 230, 300])
    reconstructed = unit([5, 50, 90, 190, 205, 200, 0])
    pairs = (np.array([0, 3, 0, 2]), np.array([1, 2, 2, 6]), np.array([True, True, False, False]))
    result = evaluate_attack(originals, who, reconstructed, fars=(0.5,), pairs=pairs)
    cos = {kind: np.rad2deg(np.arccos(values)) for kind, values in result.scores.items()}
    np.testing.assert_allclose(cos["genuine"], [20, 40], atol=1e-3)
    np.testing.assert_allclose(cos["impostor"], [90, 150], atol=1e-3)
    # Type-I of the four pictures in genuine pairs; type-II of both pairs in both directions.
    np.testing.assert_allclose(cos["type1"], [5, 30, 0, 60], atol=0.1)
    np.testing.assert_array_equal(result.owners["type1"], [1, 1, 2, 2])
    np.testing.assert_allclose(cos["type2"], [15, 100, 50, 40], atol=1e-3)
    assert result.identities == 3  # of pictures 0, 1, 2, 3 and 6
    table = result.per_identity(0.5).set_index("identity")
    assert table["pictures"].to_dict() == {1: 2, 2: 2, 4: 1}
    assert table.loc[4, ["original", "type1", "type2"]].isna().all()


def test_thresholds_from_elsewhere():
    originals, who, reconstructed = noisy()
    own = evaluate_attack(originals, who, reconstructed)
    given = evaluate_attack(originals, who, reconstructed, thresholds={0.01: 0.7}, seed=2)
    assert given.thresholds == {0.01: 0.7} and list(given.rates) == [0.01]
    rate = given.rates[0.01]["type2"]
    accepted = own.scores["type2"] > 0.7
    assert rate.tar == accepted.mean()
    assert rate.ci95 == pytest.approx(bootstrap_rate(accepted, own.owners["type2"], seed=2))
    assert given.thresholds_given and not own.thresholds_given
    # A list without impostors is enough then.
    pairs = ([0, 4], [1, 5], [True, True])
    few = evaluate_attack(originals, who, reconstructed, pairs=pairs, thresholds={0.01: 0.7})
    assert counts(few) == {"genuine": 2, "impostor": 0, "type1": 4, "type2": 4}


def test_bootstrap_repeats_itself_and_seeds_matter():
    rng = np.random.default_rng(0)
    accepted, owners = rng.random(400) < 0.6, np.repeat(np.arange(40), 10)
    assert bootstrap_rate(accepted, owners, seed=1) == bootstrap_rate(accepted, owners, seed=1)
    assert bootstrap_rate(accepted, owners, seed=1) != bootstrap_rate(accepted, owners, seed=2)


def test_dependent_comparisons_widen_the_interval():
    """Ten copies of the same decision per identity say no more than one."""
    decisions = np.arange(50) % 2 == 0
    alone = bootstrap_rate(decisions, np.arange(50))
    copied = bootstrap_rate(np.repeat(decisions, 10), np.repeat(np.arange(50), 10))
    assert copied == pytest.approx(alone)
    by_pairs = bootstrap_rate(np.repeat(decisions, 10), np.arange(500))
    assert by_pairs[1] - by_pairs[0] < 0.5 * (copied[1] - copied[0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"reconstructed": np.eye(3, dtype=np.float32)}, "in the same order"),
        ({"identities": [1, 2, 3, 4]}, "nobody has two pictures"),
        ({"identities": [1, 1, 1, 1]}, "no impostor pair"),
        ({"reconstructed": np.full((4, 2), np.nan)}, "reconstructed templates: row 0 holds NaN"),
        ({"fars": ()}, "no FAR"),
        ({"fars": (1.5,)}, "between 0 and 1"),
        ({"reconstructed": np.array([[[1, 0]] * 4, [[0, 0]] * 4])}, "row 0 is all zeros"),
        ({"thresholds": {0.3: np.nan}}, "threshold is NaN"),
        ({"fars": None, "thresholds": {}}, "no FAR"),
        ({"pairs": ([-4], [1], [True])}, "rows from 0"),
        ({"pairs": ([0, 0], [1, 2], [True, True])}, "pair 1 is rows 0 and 2 of identities 1 and 2"),
        ({"pairs": ([0], [2], [False])}, "0 genuine"),
    ],
)
def test_bad_input(change, message):
    good = {
        "originals": unit([0, 20, 90, 130]),
        "identities": [1, 1, 2, 2],
        "reconstructed": unit([0, 20, 90, 130]),
        "fars": (0.3,),
    }
    with pytest.raises(NbnetError, match=message):
        evaluate_attack(**{**good, **change})
