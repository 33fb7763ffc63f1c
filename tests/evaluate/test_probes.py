"""What the probes are made of, apart from the report in which they are used."""

import numpy as np

from nbnet_lib.evaluate import probes


def test_matched_people_know_nothing_by_the_confounder():
    rng = np.random.default_rng(0)
    confounder = rng.integers(0, 3, 200)
    labels = rng.random(200) < np.array([0.2, 0.5, 0.95])[confounder]
    labels[confounder == 1] = True  # nobody to match with
    kept = probes.matched_people(labels, confounder, rng)
    assert len(np.unique(kept)) == len(kept)
    for value in range(3):
        here = confounder == value
        yes, no = (np.sum(here[kept] & (labels[kept] == side)) for side in (True, False))
        assert yes == no == min(np.sum(here & labels), np.sum(here & ~labels))
    nobody = probes.matched_people(np.ones(5, bool), np.zeros(5), rng)
    assert nobody.shape == (0,) and nobody.dtype == np.int64
