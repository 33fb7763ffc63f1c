"""Exercises of chapter 10: attack scores, rank-one, the interval of a difference, sources."""

from __future__ import annotations

import numpy as np

from course_checks.base import (
    Answer,
    check_choices,
    close,
    describe,
    exercise,
    short,
)


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
    all_scores = rebuilt @ originals.T
    same = identities[:, None] == identities[None, :]
    own = np.eye(9, dtype=bool)
    want1, want2 = np.diag(all_scores), all_scores[same & ~own]
    raw = attack_scores.call(originals, rebuilt, identities, returns="(type1, type2)")
    first, second = attack_scores.pair(raw, "type1, type2")
    got1, got2 = (np.sort(attack_scores.array(part).ravel()) for part in (first, second))
    if not _equal(got1, want1):
        if _equal(got1, want2) and _equal(got2, want1):
            raise attack_scores.wrong("the two are swapped", "return type-I first")
        why = "compare reconstruction i with original image i and no other (np.diag)"
        if got1.size == 9 and _equal(got1, np.diag(rebuilt @ rebuilt.T)):
            why = "you compared reconstructions with themselves; compare them with originals"
        raise attack_scores.wrong(
            f"type-I: expected {want1.size} scores of mean {want1.mean():.3f}, got "
            f"{got1.size} of mean {_mean(got1)}",
            why,
        )
    if not _equal(got2, want2):
        upper = np.triu(np.ones((9, 9), dtype=bool))
        if _equal(got2, all_scores[same]):
            why = "the very image that leaked belongs to type-I only; leave the diagonal out"
        elif _equal(got2, all_scores[~same]):
            why = "those are impostors; type-II is another image of the same person"
        elif _equal(got2, all_scores[~own]):
            why = "other people's images belong to no type; keep equal identities only"
        elif _equal(got2, all_scores[same & ~own & upper]):
            why = (
                "(i, j) and (j, i) are two comparisons here: reconstruction i with image j, and "
                "reconstruction j with image i"
            )
        elif _equal(got2, (originals @ originals.T)[same & ~own]):
            why = "that compares originals with originals; one side must be the reconstruction"
        else:
            why = "reconstruction i with every other image of the same person"
        raise attack_scores.wrong(
            f"type-II: expected {want2.size} scores of mean {want2.mean():.3f}, got "
            f"{got2.size} of mean {_mean(got2)}",
            why,
        )
    return "9 images of 3 people give 9 type-I and 18 type-II scores"


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
    whose = np.tile(np.arange(8), 2)[rng.permutation(16)]
    gallery = _unit(faces[whose] + 0.36 * rng.normal(size=(16, 12)))
    asked = np.tile(np.arange(6), 5)
    probes = _unit(faces[asked] + 0.42 * rng.normal(size=(30, 12)))
    scores = probes @ gallery.T
    best = scores.argmax(axis=1)
    right = people[whose][best] == people[asked]
    want = right.mean()
    raw = rank_one.call(probes, people[asked], gallery, people[whose], returns="a share, 0 to 1")
    answer = rank_one.array(raw)
    if answer.shape == (30,):
        raise rank_one.wrong(
            "expected one number, got one for each probe", "take the mean over the probes"
        )
    got = rank_one.number(raw)
    if close(got, want):
        return f"{right.sum()} of {right.size} probes find their person first"
    means = np.array([scores[:, people[whose] == p].mean(axis=1) for p in people])
    slips = {
        "that is how many, not which share: divide by the number of probes": right.sum(),
        "a share lies between 0 and 1, not in percent": 100 * want,
        "that is the share of misses": 1 - want,
        "argmax gives a row number of the gallery, not a person: look up gallery_identities[...]": (
            best == people[asked]
        ).mean(),
        "take the largest score of each probe: argmax over the gallery (axis=1)": (
            people[asked][scores.argmax(axis=0)] == people[whose]
        ).mean(),
        "the highest cosine is the most alike: argmax, not argmin": (
            people[whose][scores.argmin(axis=1)] == people[asked]
        ).mean(),
        "a person counts by the best of its templates, not by their mean": (
            people[means.argmax(axis=0)] == people[asked]
        ).mean(),
    }
    why = next((text for text, value in slips.items() if close(got, float(value))), "")
    raise rank_one.wrong(f"expected {want:.3f}, got {short(got)}", why)


@exercise(
    "10.3 ★★ the interval of a difference",
    "first the difference of each person, then draw people: a - b belongs to one person and "
    "stays together",
    "differences = (a - b)[draws].mean(axis=1), one for each draw; then np.percentile(..., "
    "[2.5, 97.5])",
)
def _difference(difference_interval: Answer) -> str:
    rng = np.random.default_rng(45)
    people = 30
    luck = rng.uniform(0.1, 0.9, people)  # what both attacks have in common
    gap = rng.normal(0.12, 0.12, people)
    a, b = luck + gap / 2, luck - gap / 2
    draws = rng.integers(0, people, (800, people))
    of_a, of_b = a[draws].mean(axis=1), b[draws].mean(axis=1)
    want = _ends(of_a - of_b)
    raw = difference_interval.call(a, b, draws, returns="(low, high)")
    answer = difference_interval.array(raw)
    if answer.size == len(draws):
        raise difference_interval.wrong(
            f"got all {len(draws)} differences", "take their 2.5 and 97.5 percentile"
        )
    if answer.size == people:
        raise difference_interval.wrong(
            f"got one number for each of the {people} people",
            "the mean of each draw comes first: [draws] has one row a draw, so mean(axis=1)",
        )
    if answer.size != 2:
        raise difference_interval.wrong(f"expected two values (low, high), got {describe(raw)}")
    low, high = (float(end) for end in answer.ravel())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise difference_interval.wrong(f"expected two finite numbers, got {low} and {high}")
    if _near((low, high), want):
        width = (_ends(of_a)[1] - _ends(of_a)[0]) / (want[1] - want[0])
        return f"the interval of one attack alone is {width:.1f} times as wide here"
    la, ha = _ends(of_a)
    lb, hb = _ends(of_b)
    order = np.random.default_rng(1).permutation(len(draws))
    each = np.percentile(a - b, [2.5, 97.5])
    slips: dict[str, tuple[float, float]] = {
        "low comes first": (want[1], want[0]),
        "that is b less a": (-want[1], -want[0]),
        "5 and 95 leave out 10 %; a 95 % interval is cut at 2.5 and 97.5": _ends(of_a - of_b, 5),
        "np.percentile takes 2.5 and 97.5, not 0.025 and 0.975": _ends(of_a - of_b, 0.025, 0.975),
        "subtracting the ends of two intervals forgets that the same people were drawn: subtract "
        "within each draw, then take percentiles": (la - lb, ha - hb),
        "that treats the two attacks as if they had met other people: subtract within each draw, "
        "then take percentiles": (la - hb, ha - lb),
        "both attacks must use the same row of draws": _ends(of_a - of_b[order]),
        "that is the spread of single people; take the mean of each draw first": (
            float(each[0]),
            float(each[1]),
        ),
        "that is the interval of a alone": (la, ha),
    }
    why = next((text for text, ends in slips.items() if _near((low, high), ends)), "")
    raise difference_interval.wrong(
        f"expected about [{want[0]:.3f}, {want[1]:.3f}], got [{low:.3f}, {high:.3f}]",
        why,
    )


def _ends(samples: np.ndarray, cut: float = 2.5, other: float | None = None) -> tuple[float, float]:
    low, high = np.percentile(samples, [cut, 100 - cut if other is None else other])
    return float(low), float(high)


def _near(got: tuple[float, float], want: tuple[float, float]) -> bool:
    return max(abs(got[0] - want[0]), abs(got[1] - want[1])) < 0.004


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _equal(got: np.ndarray, want: np.ndarray) -> bool:
    return got.size == want.size and np.allclose(
        np.sort(got.ravel()), np.sort(want.ravel()), atol=1e-4
    )


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.3f}" if values.size else "nothing"


_SOURCES = {"A": True, "B": False, "C": True, "D": False, "E": True, "F": False}
_SOURCE_HINTS = {
    "A": "look at the type-II figure of the abstract",
    "B": "a number without a source: which page, table or abstract says it?",
    "C": "look at the FERET sentence of the abstract",
    "D": "which data sets does the abstract name?",
    "E": "an earlier version counts as a source too, if it is named as such",
    "F": "the abstract gives its LFW results at one FAR only; a number needs its FAR",
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
        {statement: (truth,) for statement, truth in _SOURCES.items()},
        (True, False),
        lambda statement, truth: _SOURCE_HINTS[statement],
    )
    return "a number counts when its source says it, with its condition"
