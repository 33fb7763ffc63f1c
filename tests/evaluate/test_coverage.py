"""Do 95 % intervals hold the truth 95 times of 100? Simulated, where the truth has a formula.

Random effects on scores: some persons are easy to recognise (it moves all their genuine scores),
some look like everybody ("wolves", all impostor scores of theirs), each picture is good or bad. All
effects are normal, so the threshold, TAR and EER of the whole population are known.

Measured once, with `PYTHONPATH=. python tests/evaluate/test_coverage.py`: 1,000 simulations of 400
resamples (standard error 0.8 points; of the EER 300, 1.5 points), TAR at FAR 1 %, 4 pictures each:

    share of the intervals that hold the truth            30 people   60 people
    TAR, people drawn, threshold set anew in each draw       91.9 %      93.6 %
    TAR, people drawn, threshold held                        75.8 %      79.8 %
    TAR, comparisons drawn instead of people                 55.8 %      56.0 %
    TAR, Wilson's interval                                   50.9 %      54.0 %
    EER, people drawn                                        89.7 %      92.7 %
    difference of two attacks, same people drawn             97.6 %      98.6 %
    difference, other people drawn (3.8 times as wide)      100.0 %     100.0 %
"""

import numpy as np
import pytest
from scipy.stats import norm

from nbnet_lib.evaluate import threshold_at_far, wilson_interval
from nbnet_lib.evaluate.scores import Comparisons
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap

MEAN, PERSON, PICTURE, NOISE, WOLF, PAIR = 3.0, 0.7, 0.4, 0.4, 0.4, 0.6
LEAD = 0.3  # attack a scores that much higher than attack b
FAR = 0.01
PICTURES = 4

GENUINE_SD = np.sqrt(2 * PICTURE**2 + NOISE**2 + PERSON**2)
IMPOSTOR_SD = np.sqrt(2 * PICTURE**2 + NOISE**2 + 2 * WOLF**2 + PAIR**2)
THRESHOLD = norm.isf(FAR) * IMPOSTOR_SD
TAR = norm.sf((THRESHOLD - MEAN) / GENUINE_SD)
TAR_A = norm.sf((THRESHOLD - MEAN - LEAD) / GENUINE_SD)
# Where sf(t / impostor) meets cdf((t - mean) / genuine).
EER = norm.sf(MEAN / (IMPOSTOR_SD + GENUINE_SD))


def draw(rng, people):
    """Return (genuine, impostor, attack a) of people drawn anew."""
    j, k = np.triu_indices(people * PICTURES, 1)
    a, b = j // PICTURES, k // PICTURES
    picture = rng.normal(0, PICTURE, people * PICTURES)
    person, wolf = rng.normal(0, PERSON, people), rng.normal(0, WOLF, people)
    pair = rng.normal(0, PAIR, (people, people))
    scores = picture[j] + picture[k] + rng.normal(0, NOISE, len(j))
    scores += np.where(a == b, MEAN + person[a], wolf[a] + wolf[b] + pair[a, b])
    both = Comparisons(scores, a, b)
    genuine, impostor = both.select(a == b), both.select(a != b)
    # The same people under another attack: easy persons stay easy, the noise is new.
    again = genuine.scores + LEAD + rng.normal(0, 0.1, len(genuine))
    return genuine, impostor, Comparisons(again, genuine.first, genuine.second)


def by_pairs(genuine, impostor, rng, resamples):
    """Return TAR samples when comparisons are drawn, not people (threshold estimated anew).

    Drawing n scores with replacement is drawing n numbers in (0, 1) and taking the scores at these
    quantiles, and the (k + 1)-th smallest of n such numbers is beta distributed.
    """
    n = len(impostor)
    rank = rng.beta(int(FAR * n) + 1, n - int(FAR * n), resamples) * n
    limits = np.sort(impostor.scores)[::-1][rank.astype(int)]
    return rng.binomial(len(genuine), [(genuine.scores > t).mean() for t in limits]) / len(genuine)


def simulate(people, simulations, resamples, slow):
    """Return {interval: (share that holds the truth, mean width)}.

    The EER takes longer, so only the first ``slow`` simulations have it.
    """
    found = {}
    for simulation in range(simulations):
        rng = np.random.default_rng([1, simulation])  # not the stream of the bootstrap
        genuine, impostor, better = draw(rng, people)
        bootstrap = IdentityBootstrap(range(people), resamples, simulation)
        other = IdentityBootstrap(range(people), resamples, simulation + simulations)
        threshold = threshold_at_far(impostor.scores, FAR)
        accepted = int((genuine.scores > threshold).sum())
        tar, tar_a = (bootstrap.tar(x, impostor, FAR) for x in (genuine, better))
        intervals = {
            "identities": (bootstrap.interval(tar), TAR),
            "held": (bootstrap.interval(bootstrap.tar_at(genuine, threshold)), TAR),
            "pairs": (bootstrap.interval(by_pairs(genuine, impostor, rng, resamples)), TAR),
            "wilson": (wilson_interval(accepted, len(genuine)), TAR),
            "paired": (bootstrap.interval(tar_a - tar), TAR_A - TAR),
            "unpaired": (
                bootstrap.interval(other.tar(better, impostor, FAR) - tar), TAR_A - TAR,
            ),
        }  # fmt: skip
        if simulation < slow:
            intervals["eer"] = bootstrap.interval(bootstrap.eer(genuine, impostor)), EER
        for name, ((low, high), truth) in intervals.items():
            found.setdefault(name, []).append((low <= truth <= high, high - low))
    return {name: tuple(np.mean(rows, axis=0)) for name, rows in found.items()}


@pytest.fixture(scope="module")
def covered():
    return simulate(people=60, simulations=200, resamples=300, slow=60)


def test_drawing_people_covers(covered):
    """95 % is meant; 4.6 points are three standard errors of 200 simulations, 8.4 of 60."""
    assert abs(covered["identities"][0] - 0.95) < 0.046
    assert abs(covered["eer"][0] - 0.95) < 0.084


def test_paired_difference_covers(covered):
    """It errs on the safe side here: a threshold that moves meets the roughness of few scores."""
    assert covered["paired"][0] > 0.95 - 0.046


def test_drawing_pairs_does_not(covered):
    assert covered["pairs"][0] < 0.7
    assert covered["wilson"][0] < 0.7
    assert covered["pairs"][1] < 0.6 * covered["identities"][1]


def test_holding_the_threshold_is_too_sure(covered):
    assert covered["held"][0] < 0.87
    assert covered["pairs"][0] < covered["held"][0]


def test_unpaired_draws_are_far_too_wide(covered):
    assert covered["unpaired"][0] == 1
    assert covered["unpaired"][1] > 2 * covered["paired"][1]


if __name__ == "__main__":
    for number in (30, 60):
        for interval, (share, width) in simulate(number, 1000, 400, 300).items():
            print(f"{number:4d} people  {interval:12s} {100 * share:5.1f} %  width {width:.3f}")
