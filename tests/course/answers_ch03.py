"""Chapter 03: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import random
from collections import Counter

import numpy as np

from nbnet_lib.evaluate import probes

RIGHT, SLIPS = {}, {}


def by_permutation(identities, share, rng):
    people = np.unique(identities)
    return np.isin(identities, rng.permutation(people)[: round(share * len(people))])


def by_list(identities, share, rng):
    people = list(dict.fromkeys(identities.tolist()))
    rng.shuffle(people)
    test = set(people[: int(share * len(people))])
    return [i in test for i in identities]


def without_chance(identities, share, rng):
    people = np.unique(identities)
    return (identities >= people[int((1 - share) * len(people))]).astype(int)


RIGHT["3.1"] = [by_permutation, by_list, without_chance]

SLIPS["3.1"] = [
    (lambda i, share, rng: rng.random(len(i)) < share, "in both parts"),
    (lambda i, share, rng: i, "not ids"),
    (lambda i, share, rng: np.unique(i), "one True or False for each"),
    (
        lambda i, share, rng: ~np.isin(i, np.unique(i)[: round(share * len(np.unique(i)))]),
        "True marks the test part",
    ),
    (lambda i, share, rng: np.isin(i, np.unique(i)[:3]), "multiply the share"),
]

RIGHT["3.2"] = [
    lambda labels: np.unique(labels, return_counts=True)[1].max() / len(labels),
    lambda labels: Counter(labels.tolist()).most_common(1)[0][1] / labels.size,
]

SLIPS["3.2"] = [
    (lambda labels: 1 / len(np.unique(labels)), "not equally frequent"),
    (lambda labels: 0.5, "not equally frequent"),
    (lambda labels: np.unique(labels, return_counts=True)[1].max(), "divide by the number"),
    (
        lambda labels: 100 * np.unique(labels, return_counts=True)[1].max() / len(labels),
        "per cent",
    ),
    (lambda labels: np.unique(labels, return_counts=True)[1].min() / len(labels), "rarest"),
    (
        lambda labels: (
            labels.mean()
            if labels.dtype == bool
            else np.unique(labels, return_counts=True)[1].max() / len(labels)
        ),
        "always answers yes",
    ),
]


def exchanged(labels, identities, rng):
    people, first, index = np.unique(identities, return_index=True, return_inverse=True)
    return labels[first][rng.permutation(len(people))][index]


def by_dictionary(labels, identities, rng):
    of = dict(zip(identities.tolist(), labels.tolist(), strict=True))
    new = list(of.values())
    random.Random(1).shuffle(new)
    given = dict(zip(of, new, strict=True))
    return [given[person] for person in identities.tolist()]


def rename(labels, identities, rng):  # somebody else's pictures
    people = np.unique(identities)
    other = rng.permutation(people)
    return np.array([labels[identities == other[people == person][0]][0] for person in identities])


RIGHT["3.3"] = [exchanged, by_dictionary, rename, probes.shuffle_between_identities]


def drawn_again(labels, identities, rng):
    people, first, index = np.unique(identities, return_index=True, return_inverse=True)
    return labels[first][rng.integers(0, len(people), len(people))][index]


def in_order_only(labels, identities, rng):
    people, first = np.unique(identities, return_index=True)
    new = labels[first][rng.permutation(len(people))]
    return np.repeat(new, len(labels) // len(people))


def two_exchanged(labels, identities, rng):
    people, first, index = np.unique(identities, return_index=True, return_inverse=True)
    new = labels[first].copy()
    a, b = np.flatnonzero(new)[0], np.flatnonzero(~new)[0]
    new[[a, b]] = new[[b, a]]
    return new[index]


SLIPS["3.3"] = [
    (lambda y, who, rng: rng.permutation(y), "pictures were shuffled"),
    (lambda y, who, rng: y, "nobody's label has changed"),
    (lambda y, who, rng: rng.permutation(who), "not people"),
    (lambda y, who, rng: rng.permutation(y[:: len(y) // 60]), "one per picture"),
    (drawn_again, "do not draw with replacement"),
    (in_order_only, "need not be in order"),
    (two_exchanged, "hardly anybody"),
]


def as_mask(labels, confounder, rng):
    kept = np.zeros(len(labels), bool)
    for value in set(confounder.tolist()):
        sides = [np.flatnonzero((confounder == value) & (labels == s)) for s in (True, False)]
        for side in sides:
            kept[rng.choice(side, min(map(len, sides)), replace=False)] = True
    return kept


def one_by_one(labels, confounder, rng):  # without chance, in plain Python
    waiting, kept = {}, []
    for i, (label, value) in enumerate(zip(labels.tolist(), confounder.tolist(), strict=True)):
        others = waiting.setdefault((value, not label), [])
        if others:
            kept += [others.pop(), i]
        else:
            waiting.setdefault((value, label), []).append(i)
    return kept


RIGHT["3.4"] = [as_mask, one_by_one, probes.matched_people]


def sides(labels, confounder):
    for value in np.unique(confounder):
        here = confounder == value
        yield np.flatnonzero(here & labels), np.flatnonzero(here & ~labels)


def balanced_in_all(labels, confounder, rng):
    yes, no = np.flatnonzero(labels), np.flatnonzero(~labels)
    size = min(len(yes), len(no))
    return np.concatenate([yes[:size], no[:size]])


def one_size_for_all(labels, confounder, rng):
    size = min(min(len(yes), len(no)) for yes, no in sides(labels, confounder))
    return np.concatenate([side[:size] for pair in sides(labels, confounder) for side in pair])


def keeps_the_lonely(labels, confounder, rng):
    kept = []
    for yes, no in sides(labels, confounder):
        size = min(len(yes), len(no)) or max(len(yes), len(no))
        kept += [yes[:size], no[:size]]
    return np.concatenate(kept)


def chosen_twice(labels, confounder, rng):
    kept = []
    for yes, no in sides(labels, confounder):
        size = max(len(yes), len(no))
        kept += [rng.choice(yes, size), rng.choice(no, size)] if len(yes) and len(no) else []
    return np.concatenate(kept)


SLIPS["3.4"] = [
    (balanced_in_all, "not within each value"),
    (one_size_for_all, "one size"),
    (keeps_the_lonely, "one label only"),
    (chosen_twice, "twice"),
    (lambda y, c, rng: np.arange(len(y)), "larger side"),
    (lambda y, c, rng: y[:10], "not labels"),
    (lambda y, c, rng: [], "nobody is left"),
    (lambda y, c, rng: np.flatnonzero(y), "kept"),
]
