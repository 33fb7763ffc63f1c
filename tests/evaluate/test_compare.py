"""Two attacks on the same targets: paired intervals and sign flips against cases worked by hand."""

from itertools import product

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import evaluate_attack
from nbnet_lib.evaluate.compare import _sign_flip, compare_attacks
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap


def attacked(seed=0, n=80, per=3, spread=1.0):
    """Return (originals, who, noise, ease): people differ much in how easily they fall."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), per)
    originals = rng.normal(size=(n, 24))[who] + 0.7 * rng.normal(size=(n * per, 24))
    ease = np.exp(spread * rng.normal(size=n))[who, None]
    return originals, who, rng.normal(size=originals.shape), ease


def attack(strength, data=None, **options):
    originals, who, noise, ease = data or attacked()
    options = {"fars": (0.01,), "resamples": 20, **options}
    return evaluate_attack(originals, who, originals + ease * noise / strength, **options)


def test_the_difference_is_that_of_the_rates():
    a, b = attack(1.2), attack(1)
    found = compare_attacks(a, b, 0.01)
    assert (found.a, found.b) == (a.rates[0.01]["type2"].tar, b.rates[0.01]["type2"].tar)
    assert found.value == pytest.approx(found.a - found.b)
    assert found.ci95[0] <= found.value <= found.ci95[1]
    assert (found.far, found.kind, found.identities) == (0.01, "type2", 80)
    back = compare_attacks(b, a, 0.01)
    assert back.value == -found.value
    assert back.ci95 == pytest.approx((-found.ci95[1], -found.ci95[0]))
    assert back.p == found.p
    first = compare_attacks(a, b, 0.01, kind="type1")
    assert first.a == a.rates[0.01]["type1"].tar


def test_the_same_people_are_drawn_for_both():
    """A small but steady lead: unpaired draws would hide it, paired ones show it."""
    a, b = attack(1.1), attack(1)
    found = compare_attacks(a, b, 0.01)
    assert found.ci95[0] > 0 and found.p < 0.01
    impostor = a.comparisons["impostor"]
    left = IdentityBootstrap(a.owners["type2"], 1000, 1).tar(a.comparisons["type2"], impostor, 0.01)
    right = IdentityBootstrap(a.owners["type2"], 1000, 2).tar(
        b.comparisons["type2"], impostor, 0.01
    )
    low, high = np.quantile(left - right, [0.025, 0.975])
    assert low < 0 < high
    assert found.ci95[1] - found.ci95[0] < 0.5 * (high - low)


def test_equal_attacks():
    a = attack(1)
    found = compare_attacks(a, attack(1), 0.01)
    assert (found.value, found.ci95, found.p) == (0, (0, 0), 1)


def test_sign_flips_of_few_people_are_all_tried():
    data = attacked(n=8, per=3, seed=3)
    a, b = attack(0.3, data, fars=(0.05,)), attack(0.2, data, fars=(0.05,))
    found = compare_attacks(a, b, 0.05)
    limit = a.thresholds[0.05]
    more = (a.scores["type2"] > limit).astype(int) - (b.scores["type2"] > limit)
    persons = [int(more[a.owners["type2"] == i].sum()) for i in range(8)]
    assert sum(p != 0 for p in persons) > 3
    sums = [abs(sum(s * p for s, p in zip(signs, persons, strict=True)))
            for signs in product((-1, 1), repeat=8)]  # fmt: skip
    assert found.p == pytest.approx(np.mean([s >= abs(sum(persons)) for s in sums]))
    # Drawn at random they come to about the same, and never to zero.
    drawn = compare_attacks(a, b, 0.05, permutations=200)
    assert drawn.p == pytest.approx(found.p, abs=0.1)
    assert compare_attacks(attack(9), attack(0.3), 0.01, permutations=99).p == 0.01


@pytest.mark.parametrize("persons", [[3, -1, 2, 2, -1, 0], [1, 1, 1, 1], [2, -2], [0, 0], [-4]])
def test_sign_flips_by_hand(persons):
    sums = [abs(np.dot(signs, persons)) for signs in product((-1, 1), repeat=len(persons))]
    expected = np.mean([value >= abs(sum(persons)) for value in sums])
    assert _sign_flip(np.array(persons), 9999, 0) == pytest.approx(expected)


def test_random_sign_flips_against_all_of_them():
    persons = np.array([3, -1, 2, 2, -1, 4, -2, 1, 1, -3, 2, 1])
    every = _sign_flip(persons, 2**12, 0)
    assert 0.1 < every < 0.3
    assert _sign_flip(persons, 2**12 - 1, 0) == pytest.approx(every, abs=0.02)


def test_given_thresholds_stay():
    a, b = attack(1.2, thresholds={0.01: 0.5}), attack(1, thresholds={0.01: 0.5})
    found = compare_attacks(a, b, 0.01, resamples=500, seed=7)
    bootstrap = IdentityBootstrap(a.owners["type2"], 500, 7)
    samples = [bootstrap.tar_at(result.comparisons["type2"], 0.5) for result in (a, b)]
    assert found.ci95 == pytest.approx(bootstrap.interval(samples[0] - samples[1]))


def test_refusals():
    a = attack(1)
    fewer = attack(1, attacked(n=79))
    other = attack(1, attacked(seed=1))
    originals, who, noise, ease = attacked()
    renamed = attack(1, (originals, who + 1, noise, ease))
    with pytest.raises(NbnetError, match="attack other pictures"):
        compare_attacks(a, fewer, 0.01)
    with pytest.raises(NbnetError, match="attack other pictures"):
        compare_attacks(a, renamed, 0.01)
    with pytest.raises(NbnetError, match="originals of the two results have other scores"):
        compare_attacks(a, other, 0.01)
    with pytest.raises(NbnetError, match="thresholds at FAR 0.01 are"):
        compare_attacks(a, attack(1, thresholds={0.01: 0.5}), 0.01)
    with pytest.raises(NbnetError, match="FAR 0.001 was not measured: choose one of 0.01"):
        compare_attacks(a, a, 0.001)
    with pytest.raises(NbnetError, match="kind='type3' is not known: choose one of original"):
        compare_attacks(a, a, 0.01, kind="type3")
