"""Exercises of chapter 10: attack scores, rank-one, the interval of a difference, sources."""

from __future__ import annotations

import numpy as np

from course_checks.base import Answer, check_choices, describe, exercise


@exercise(
    "10.1 ★★★ type-I and type-II scores",
    "all cosines at once are rebuilt @ originals.T; entry (i, j) says how much reconstruction "
    "i is like original image j",
    "type-I is the diagonal; type-II is where identities[:, None] == identities[None, :], "
    "without the diagonal",
)
def _attack(attack_scores: Answer) -> str:
    rng = np.random.default_rng(43)
    identities = np.array([5, 5, 5, 8, 8, 8, 2, 2, 2])
    originals = _unit(rng.normal(size=(9, 16)))
    rebuilt = _unit(originals + 0.4 * rng.normal(size=(9, 16)))
    scores = rebuilt @ originals.T
    same = identities[:, None] == identities[None, :]
    own = np.eye(9, dtype=bool)
    want1, want2 = np.diag(scores), scores[same & ~own]
    both = attack_scores.call(originals, rebuilt, identities, returns="(type1, type2)")
    got1, got2 = (part.array().ravel() for part in both.pair("type1, type2"))
    swapped = _equal(got1, want2) and _equal(got2, want1)
    attack_scores.expect(not swapped, "the two are swapped", "return type-I first")
    why = "compare reconstruction i with original image i and no other (np.diag)"
    if _equal(got1, np.diag(rebuilt @ rebuilt.T)):
        why = "you compared reconstructions with themselves; compare them with originals"
    _expect_scores(attack_scores, "type-I", got1, want1, why)
    slips = {
        "the very image that leaked belongs to type-I only; leave the diagonal out": scores[same],
        "those are impostors; type-II is another image of the same person": scores[~same],
        "other people's images belong to no type; keep equal identities only": scores[~own],
        "(i, j) and (j, i) are two comparisons here: reconstruction i with image j, and "
        "reconstruction j with image i": scores[np.triu(same & ~own)],
        "that compares originals with originals; one side must be the reconstruction": (
            (originals @ originals.T)[same & ~own]
        ),
    }
    fitting = (why for why, slip in slips.items() if _equal(got2, slip))
    why = next(fitting, "reconstruction i with every other image of the same person")
    _expect_scores(attack_scores, "type-II", got2, want2, why)
    return "9 images of 3 people give 9 type-I and 18 type-II scores"


def _expect_scores(answer: Answer, kind: str, got: np.ndarray, want: np.ndarray, why: str) -> None:
    mean = f"{got.mean():.3f}" if got.size else "nothing"
    answer.expect(
        _equal(got, want),
        f"{kind}: expected {want.size} scores of mean {want.mean():.3f}, got {got.size} of "
        f"mean {mean}",
        why,
    )


@exercise(
    "10.2 ★★ rank-one rate",
    "one row of probes @ gallery.T holds the scores of one probe with the whole gallery: which "
    "column is the largest, and whose is it?",
    "best = (probes @ gallery.T).argmax(axis=1) are row numbers of the gallery; compare "
    "gallery_identities[best] with probe_identities and take the mean",
)
def _rank_one(rank_one: Answer) -> str:
    rng = np.random.default_rng(46)
    faces = _unit(rng.normal(size=(8, 12)))
    people = np.array([31, 4, 17, 9, 52, 8, 23, 60])
    # Two templates of each person, shuffled; probes of six people, noisy enough to miss some.
    of_gallery = np.tile(np.arange(8), 2)[rng.permutation(16)]
    gallery = _unit(faces[of_gallery] + 0.36 * rng.normal(size=(16, 12)))
    of_probes = np.tile(np.arange(6), 5)
    probes = _unit(faces[of_probes] + 0.42 * rng.normal(size=(30, 12)))
    whose, who = people[of_gallery], people[of_probes]
    scores = probes @ gallery.T
    best = scores.argmax(axis=1)
    right = whose[best] == who
    want = right.mean()
    share = rank_one.call(probes, who, gallery, whose, returns="a share, 0 to 1")
    each = "expected one number, got one for each probe"
    rank_one.expect(share.array().shape != (30,), each, "take the mean over the probes")
    means = np.array([scores[:, whose == p].mean(axis=1) for p in people])
    rank_one.compare(
        share.number(),
        want,
        {
            "that is how many, not which share: divide by the number of probes": right.sum(),
            "a share lies between 0 and 1, not in percent": 100 * want,
            "that is the share of misses": 1 - want,
            "argmax gives a row number of the gallery, not a person: look up "
            "gallery_identities[...]": (best == who).mean(),
            "take the largest score of each probe: argmax over the gallery (axis=1)": (
                who[scores.argmax(axis=0)] == whose
            ).mean(),
            "the highest cosine is the most alike: argmax, not argmin": (
                whose[scores.argmin(axis=1)] == who
            ).mean(),
            "a person counts by the best of its templates, not by their mean": (
                people[means.argmax(axis=0)] == who
            ).mean(),
        },
    )
    return f"{right.sum()} of {right.size} probes find their person first"


@exercise(
    "10.3 ★★ the interval of a difference",
    "first the difference of each person, then draw people: a - b belongs to one person and "
    "stays together",
    "differences = (a - b)[draws].mean(axis=1), one for each draw; then np.percentile(..., "
    "[2.5, 97.5])",
)
def _difference(difference_interval: Answer) -> str:
    expect, rng = difference_interval.expect, np.random.default_rng(45)
    people = 30
    luck = rng.uniform(0.1, 0.9, people)  # what both attacks have in common
    gap = rng.normal(0.12, 0.12, people)
    a, b = luck + gap / 2, luck - gap / 2
    draws = rng.integers(0, people, (800, people))
    of_a, of_b = a[draws].mean(axis=1), b[draws].mean(axis=1)
    ends = difference_interval.call(a, b, draws, returns="(low, high)")
    got = ends.array().ravel()
    expect(
        got.size != len(draws),
        f"got all {len(draws)} differences",
        "take their 2.5 and 97.5 percentile",
    )
    expect(
        got.size != people,
        f"got one number for each of the {people} people",
        "the mean of each draw comes first: [draws] has one row a draw, so mean(axis=1)",
    )
    expect(got.size == 2, f"expected two values (low, high), got {describe(ends.value)}")
    expect(np.isfinite(got).all(), f"expected two finite numbers, got {got[0]} and {got[1]}")
    (low, high), (la, ha), (lb, hb) = _ends(of_a - of_b), _ends(of_a), _ends(of_b)
    order = np.random.default_rng(1).permutation(len(draws))
    slips = {
        "low comes first": (high, low),
        "that is b minus a": (-high, -low),
        "5 and 95 leave out 10 %; a 95 % interval is cut at 2.5 and 97.5": (
            _ends(of_a - of_b, 5, 95)
        ),
        "np.percentile takes 2.5 and 97.5, not 0.025 and 0.975": _ends(of_a - of_b, 0.025, 0.975),
        "subtracting the ends of two intervals forgets that the same people were drawn: subtract "
        "within each draw, then take percentiles": (la - lb, ha - hb),
        "that treats the two attacks as if they had met other people: subtract within each draw, "
        "then take percentiles": (la - hb, ha - lb),
        "both attacks must use the same row of draws": _ends(of_a - of_b[order]),
        "that is the spread of single people; take the mean of each draw first": _ends(a - b),
        "that is the interval of a alone": (la, ha),
    }
    expect(
        _near(got, (low, high)),
        f"expected about [{low:.3f}, {high:.3f}], got [{got[0]:.3f}, {got[1]:.3f}]",
        next((why for why, slip in slips.items() if _near(got, slip)), ""),
    )
    return f"the interval of one attack alone is {(ha - la) / (high - low):.1f} times as wide here"


def _ends(samples: np.ndarray, low: float = 2.5, high: float = 97.5) -> tuple[float, float]:
    first, last = np.percentile(samples, [low, high])
    return float(first), float(last)


def _near(got: np.ndarray, want: tuple[float, float]) -> bool:
    return bool(np.abs(got - want).max() < 0.004)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _equal(got: np.ndarray, want: np.ndarray) -> bool:
    return got.size == want.size and np.allclose(
        np.sort(got.ravel()), np.sort(want.ravel()), atol=1e-4
    )


_SOURCES = {  # statement: whether it is confirmed, and the hint
    "A": (True, "look at the type-II figure of the abstract"),
    "B": (False, "a number without a source: which page, table or abstract says it?"),
    "C": (True, "look at the FERET sentence of the abstract"),
    "D": (False, "which data sets does the abstract name?"),
    "E": (True, "an earlier version counts as a source too, if it is named as such"),
    "F": (False, "the abstract gives its LFW results at one FAR only; a number needs its FAR"),
}


@exercise(
    "10.4 ★ reading sources",
    "compare each statement with the table of confirmed results, number by number, and with "
    "its condition (data, type, FAR)",
    "three of the six can be found in the abstract (of one version or the other)",
)
def _sources(confirmed: Answer) -> str:
    check_choices(
        confirmed,
        {statement: (truth,) for statement, (truth, _) in _SOURCES.items()},
        (True, False),
        lambda statement, truth: _SOURCES[statement][1],
    )
    return "a number counts when its source says it, with its condition"
