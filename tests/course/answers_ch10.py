"""Chapter 10: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np
import torch

RIGHT, SLIPS, OPEN = {}, {}, {}


def masks(identities):
    same = identities[:, None] == identities[None, :]
    return same, np.eye(len(identities), dtype=bool)


def scores(originals, rebuilt, identities):
    every = rebuilt @ originals.T
    same, own = masks(identities)
    return every[own], every[same & ~own]


def loops(originals, rebuilt, identities):
    first = [float(r @ o) for r, o in zip(rebuilt, originals, strict=True)]
    second = []
    for i in range(len(rebuilt)):
        for j in range(len(originals)):
            if i != j and identities[i] == identities[j]:
                second.append(float(rebuilt[i] @ originals[j]))
    return first, second


RIGHT["10.1"] = [scores, loops, lambda o, r, i: ((o * r).sum(1), scores(o, r, i)[1][::-1])]


def variant(select):
    def attack_scores(originals, rebuilt, identities):
        same, own = masks(identities)
        return select(originals, rebuilt, rebuilt @ originals.T, same, own)

    return attack_scores


SLIPS["10.1"] = [
    (variant(lambda o, r, m, same, own: (m[own], m[same])), "belongs to type-I only"),
    (variant(lambda o, r, m, same, own: (m[own], m[~same])), "impostors"),
    (variant(lambda o, r, m, same, own: (m[own], m[~own])), "belong to no type"),
    (variant(lambda o, r, m, same, own: (m[same & ~own], m[own])), "swapped"),
    (variant(lambda o, r, m, same, own: (m, m[same & ~own])), "np.diag"),
    (variant(lambda o, r, m, same, own: (np.diag(r @ r.T), m[same & ~own])), "themselves"),
    (
        variant(lambda o, r, m, same, own: (m[own], np.triu(m)[np.triu(same & ~own)])),
        "two compar",
    ),
    (variant(lambda o, r, m, same, own: (m[own], (o @ o.T)[same & ~own])), "must be the recon"),
    (variant(lambda o, r, m, same, own: m[own]), "expected two values"),
]


def rank_numpy(probes, who, gallery, whose):
    return np.mean(whose[(probes @ gallery.T).argmax(axis=1)] == who)


def rank_loops(probes, who, gallery, whose):
    hits = 0
    for probe, person in zip(probes, who, strict=True):
        scores = [float(probe @ one) for one in gallery]
        hits += whose[scores.index(max(scores))] == person
    return hits / len(probes)


def rank_torch(probes, who, gallery, whose):
    nearest = torch.cdist(torch.tensor(probes), torch.tensor(gallery)).argmin(dim=1)
    return (torch.tensor(whose)[nearest] == torch.tensor(who)).double().mean()


RIGHT["10.2"] = [rank_numpy, rank_loops, rank_torch]


def by_mean(p, who, g, whose):
    people = np.unique(whose)
    means = np.stack([(p @ g.T)[:, whose == one].mean(axis=1) for one in people])
    return (people[means.argmax(axis=0)] == who).mean()


SLIPS["10.2"] = [
    (lambda p, who, g, whose: (p @ g.T).argmax(1) == who, "mean over the probes"),
    (lambda p, who, g, whose: ((p @ g.T).argmax(1) == who).mean(), "not a person"),
    (lambda p, who, g, whose: (whose[(p @ g.T).argmax(1)] == who).sum(), "how many"),
    (lambda p, who, g, whose: 100 * rank_numpy(p, who, g, whose), "not in percent"),
    (lambda p, who, g, whose: 1 - rank_numpy(p, who, g, whose), "misses"),
    (lambda p, who, g, whose: (who[(p @ g.T).argmax(0)] == whose).mean(), "axis=1"),
    (lambda p, who, g, whose: (whose[(p @ g.T).argmin(1)] == who).mean(), "not argmin"),
    (by_mean, "not by their mean"),
    (lambda p, who, g, whose: "all", "array of numbers"),
]


def paired(a, b, draws):
    return np.percentile((a - b)[draws].mean(axis=1), [2.5, 97.5])


def paired_loops(a, b, draws):
    found = sorted(sum(a[i] - b[i] for i in draw) / len(draw) for draw in draws)
    return found[int(0.025 * len(found))], found[int(0.975 * len(found))]


def paired_quantile(a, b, draws):
    apart = torch.tensor(a)[draws].mean(1) - torch.tensor(b)[draws].mean(1)
    return torch.quantile(apart, torch.tensor([0.025, 0.975], dtype=torch.float64))


RIGHT["10.3"] = [paired, paired_loops, paired_quantile]


def ends(x, cut=2.5):
    return np.percentile(x, [cut, 100 - cut])


SLIPS["10.3"] = [
    (lambda a, b, d: ends(a[d].mean(1)) - ends(b[d].mean(1)), "subtract within each draw"),
    (
        lambda a, b, d: (
            ends(a[d].mean(1))[0] - ends(b[d].mean(1))[1],
            ends(a[d].mean(1))[1] - ends(b[d].mean(1))[0],
        ),
        "other people",
    ),
    (lambda a, b, d: -paired(a, b, d)[::-1], "b minus a"),
    (lambda a, b, d: paired(a, b, d)[::-1], "low comes first"),
    (lambda a, b, d: ends((a - b)[d].mean(1), 5), "2.5 and 97.5"),
    (lambda a, b, d: ends((a - b)[d].mean(1), 0.025)[[0]].repeat(2), "expected about"),
    (lambda a, b, d: np.percentile((a - b)[d].mean(1), [0.025, 0.975]), "not 0.025"),
    (lambda a, b, d: (a - b)[d].mean(1), "percentile"),
    (lambda a, b, d: (a - b)[d].mean(0), "mean(axis=1)"),
    (lambda a, b, d: ends(a - b), "spread of single people"),
    (lambda a, b, d: ends(a[d].mean(1)), "of a alone"),
    (lambda a, b, d: 0.1, "expected two values"),
]


SOURCES = {"A": True, "B": False, "C": True, "D": False, "E": True, "F": False}

RIGHT["10.4"] = [SOURCES, {k.lower(): int(v) for k, v in SOURCES.items()}]

SLIPS["10.4"] = [
    (dict.fromkeys("ABCDEF", True), "3 of 6 right, look again at B"),
    (SOURCES | {"F": True}, "look again at F"),
    (SOURCES | {"C": None}, "no answer yet for C"),
    (SOURCES | {"A": "yes"}, "one of True, False"),
    (["A", "C"], "expected a dict"),
]
OPEN["10.4"] = [dict.fromkeys("ABCDEF")]
