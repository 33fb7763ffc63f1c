"""Checks of chapter 03, What a template gives away."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_checks.base import Answer, describe, exercise


@exercise(
    "3.1 ★★ split by identity",
    "draw people, not pictures: np.unique(identities) lists the people",
    "shuffle the people with rng.permutation, keep the first share of them, then "
    "np.isin(identities, chosen)",
)
def _split(split_by_identity: Answer) -> str:
    expect = split_by_identity.expect
    for people, samples, share, step in ((40, 5, 0.25, 1), (30, 4, 0.5, 3)):
        identities = np.repeat(np.arange(people) * step + 100, samples)
        rng = np.random.default_rng(13)
        identities = rng.permutation(identities) if step == 3 else identities
        mask = split_by_identity.call(identities, share, rng, returns="a mask").array()
        expect(
            mask.shape == identities.shape,
            f"expected one True or False for each of {identities.size} images, "
            f"got shape {list(mask.shape)}",
            "np.isin(identities, chosen) gives that",
        )
        expect(
            np.isin(mask, (0, 1)).all(),
            "expected True (test) or False (training)",
            "return a mask, not ids",
        )
        mask = mask.astype(bool)
        shared = np.intersect1d(identities[mask], identities[~mask])
        expect(
            not shared.size,
            f"{shared.size} of {people} people are in both parts",
            "draw people, not images: every image of a person goes the same way",
        )
        tested = np.unique(identities[mask]).size
        turned = abs(tested - (1 - share) * people) <= 1.01
        expect(
            abs(tested - share * people) <= 1.01,
            f"expected {share:.0%} of {people} people in the test part, got {tested}",
            "True marks the test part" if turned else "multiply the share by the number of people",
        )
    return "no person is on both sides"


@exercise(
    "3.2 ★ chance level",
    "how often is the guesser right who always gives the most frequent answer?",
    "np.unique(labels, return_counts=True); the largest count divided by the number of labels",
)
def _chance(chance_level: Answer) -> str:
    rng = np.random.default_rng(14)
    cases = (
        np.array(["female"] * 20 + ["male"] * 60),
        rng.permutation(np.array(["a"] * 20 + ["b"] * 50 + ["c"] * 30)),
        rng.random(50) < 0.2,
        np.array([1, 1, 1, 1]),
    )
    for labels in cases:
        shares = np.unique(labels, return_counts=True)[1] / labels.size
        want = float(shares.max())
        chance_level.compare(
            chance_level.call(labels, returns="a number from 0 to 1").number(),
            want,
            {
                "that is a count; divide by the number of labels": want * labels.size,
                "that is in per cent; give a share from 0 to 1": 100 * want,
                "labels are not equally frequent; count the most frequent one": (
                    1 / shares.size,
                    0.5,
                ),
                "that always answers yes; no may be the more frequent answer": (
                    labels.mean() if labels.dtype == bool else []
                ),
                "that is the rarest answer; the best blind guess is the most frequent one": (
                    shares.min()
                ),
                "that guesses at random in proportion; always giving the top answer does better": (
                    (shares**2).sum()
                ),
            },
            "the share of the most frequent label",
            tolerance=1e-3,
        )
    return "the bar that every probe has to clear"


@exercise(
    "3.3 ★★★ shuffle between people",
    "make a list with one label per person, shuffle it, then give each picture the label "
    "that its person has now",
    "people, first, index = np.unique(identities, return_index=True, return_inverse=True); "
    "labels[first] is the list, and [index] spreads it over the pictures",
)
def _shuffle(shuffle_between_people: Answer) -> str:
    expect, changed = shuffle_between_people.expect, []
    for trial, (people, samples) in enumerate(((60, 5), (40, 3), (60, 5))):
        rng = np.random.default_rng(30 + trial)
        of_person = rng.permutation(np.arange(people) < people // 4)
        who = np.repeat(np.arange(people) * 7 + 3, samples)
        who = rng.permutation(who) if trial == 1 else who
        labels = of_person[(who - 3) // 7]
        got = shuffle_between_people.call(labels, who, rng, returns="labels [N]").array()
        expect(
            got.shape == labels.shape,
            f"expected {labels.size} labels, one per picture, got {describe(got)}",
            "spread the people's labels over their pictures again"
            if got.shape == (people,)
            else "return labels in the order of identities",
        )
        expect(
            np.isin(got, (0, 1)).all(),
            "expected labels, got other values",
            "return labels, not people",
        )
        got = got.astype(bool)
        now = np.array([np.unique(got[who == person]).size for person in np.unique(who)])
        expect(
            (now == 1).all(),
            f"{(now > 1).sum()} of {people} people have both labels on their pictures",
            "pictures were shuffled; shuffle one label per person, then spread it"
            if trial != 1
            else "identities need not be in order; spread the labels by person, with the index "
            "that np.unique(..., return_inverse=True) gives",
        )
        expect(
            got.sum() == labels.sum(),
            f"{labels.sum() // samples} people had the label, now {got.sum() // samples} have",
            "exchange the labels (a permutation); do not draw with replacement or throw coins",
        )
        changed.append(float(np.mean(got != labels)))
    nobody = "use rng.permutation on the people's labels"
    expect(max(changed) > 0, "nobody's label has changed", nobody)
    few = "hardly anybody's label has changed"
    expect(min(changed) >= 0.1, few, "shuffle all people, not a few")  # 37 % are expected
    return "people exchanged their labels, and their pictures went along"


@exercise(
    "3.4 ★★ matched people",
    "take one value of the confounder at a time: who has a True label, who a False? Keep as "
    "many of each as the smaller side has",
    "for value in np.unique(confounder): yes = np.flatnonzero((confounder == value) & labels), "
    "no likewise with ~labels; keep min(len(yes), len(no)) of each; np.concatenate at the end",
)
def _matched(matched: Answer) -> str:
    for trial, shares in enumerate(((0.1, 0.7), (0.3, 1.0, 0.5))):
        rng = np.random.default_rng(34 + trial)
        groups = np.arange(len(shares))
        confounder = np.repeat(groups, 40 + 9 * groups)  # not equally many
        labels = rng.random(confounder.size) < np.array(shares)[confounder]
        mixed = rng.permutation(confounder.size)
        confounder, labels = confounder[mixed], labels[mixed]
        if trial == 0:
            confounder = confounder.astype(bool)
        kept = _indices(matched.call(labels, confounder, rng, returns="indices"), labels.size)
        twice = "somebody was chosen twice"
        matched.expect(np.unique(kept).size == kept.size, twice, "draw without replacement")

        def count(people: np.ndarray, y: np.ndarray = labels, c: np.ndarray = confounder) -> Any:
            """For each value of the confounder, how many of ``people`` are True and False."""
            return np.array(
                [
                    [np.sum((c[people] == v) & (y[people] == s)) for s in (1, 0)]
                    for v in np.unique(c)
                ]
            )

        _complain(matched, count(kept), count(np.arange(labels.size)).min(axis=1))
    return "whoever reads the confounder now guesses"


def _indices(answer: Answer, people: int) -> np.ndarray:
    """Return the learner's choice as indices; a mask is as good."""
    kept = answer.array()
    if kept.dtype == bool and kept.shape == (people,):
        return np.flatnonzero(kept)
    answer.expect(
        kept.ndim == 1 and np.array_equal(kept, np.round(kept)),
        f"expected a list of indices, got {describe(kept)}",
        "np.flatnonzero",
    )
    answer.expect(kept.size, "nobody is left", "keep min(len(yes), len(no)) of each side")
    answer.expect(
        kept.min() >= 0 and kept.max() < people and kept.dtype != bool,
        f"expected indices from 0 to {people - 1}",
        "return who, not labels",
    )
    return kept.astype(int)


def _complain(matched: Answer, counts: np.ndarray, best: np.ndarray) -> None:
    """Raise `Wrong` where (yes, no) per value of the confounder are not equal and largest."""
    message = ", ".join(f"{yes} True and {no} False" for yes, no in counts)
    if counts[:, 0].sum() == counts[:, 1].sum():
        why = "equal in all, but not within each value; the confounder still tells the label"
    elif ((counts[:, 0] == 0) != (counts[:, 1] == 0)).any() and (best == 0).any():
        why = "where a value comes with one label only, nobody of it can stay"
    elif np.ptp(counts.sum(axis=1)) == 0:
        why = "you made the values of the confounder equally frequent; make the labels so"
    else:
        why = "keep as many of the larger side as the smaller one has"
    same = (counts[:, 0] == counts[:, 1]).all()
    matched.expect(same, f"kept for the values of the confounder: {message}", why)
    matched.expect(
        (counts[:, 0] >= best).all(),
        f"kept: {message}; possible are {', '.join(map(str, best))} of each",
        "each value of the confounder has a smaller side of its own; do not take one size for all",
    )
