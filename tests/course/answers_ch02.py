"""Chapter 02: answers that pass, and slips with words of the hint (see test_exercises.py)."""

from itertools import combinations
from math import comb, floor

import numpy as np
import torch

RIGHT, SLIPS = {}, {}


def by_comb(people, samples):
    genuine = people * comb(samples, 2)
    return genuine, comb(people * samples, 2) - genuine


def listed(people, samples):  # slow and obvious; also shows that the check's numbers are right
    if people > 20:
        return people * comb(samples, 2), comb(people, 2) * samples**2
    owners = [p for p in range(people) for _ in range(samples)]
    same = [a == b for a, b in combinations(owners, 2)]
    return sum(same), len(same) - sum(same)


RIGHT["2.1"] = [by_comb, listed, lambda p, s: [p * s * (s - 1) / 2, p * (p - 1) / 2 * s * s]]

SLIPS["2.1"] = [
    (lambda p, s: (p * s * (s - 1), p * (p - 1) * s * s), "are one comparison"),
    (lambda p, s: (comb(p, 2) * s * s, p * comb(s, 2)), "swapped"),
    (lambda p, s: (p * comb(s, 2), comb(p * s, 2)), "minus the genuine"),
    (lambda p, s: (p * comb(s, 2), comb(p, 2)), "samples * samples"),
    (lambda p, s: (p * s * s, comb(p, 2) * s * s), "with itself"),
    (lambda p, s: (comb(s, 2), comb(p, 2) * s * s), "one person's"),
    (lambda p, s: p * s, "expected two values"),
]


def by_partition(impostor, far):
    k = floor(far * len(impostor))
    n = len(impostor)
    return np.partition(impostor, n - 1 - k)[n - 1 - k]


def between(impostor, far):  # anywhere between two neighbouring scores accepts the same
    ordered = np.sort(impostor)[::-1]
    k = int(far * len(ordered))
    return (
        ordered[k]
        if k == 0 or ordered[k] == ordered[k - 1]
        else (ordered[k] * 0.7 + ordered[k - 1] * 0.3)
    )


RIGHT["2.2"] = [lambda i, far: sorted(i, reverse=True)[int(far * len(i))], by_partition, between]


def largest_but(scores, k):  # fails only where nobody may pass: [0 - 1] is the lowest
    ordered = np.sort(scores)[::-1]
    return (
        ordered[k] * 0.7 + ordered[k - 1] * 0.3
        if ordered[k] < ordered[k - 1]
        else ordered[k - 1 + (k > 0)]
    )


SLIPS["2.2"] = [
    (lambda i, far: np.sort(i)[int(far * len(i))], "low end"),
    (lambda i, far: np.sort(i)[::-1][int(far * len(i)) - 1], "one too strict"),
    (lambda i, far: np.sort(i)[::-1][int(far * len(i)) + 1], "too lenient"),
    (lambda i, far: i.max(), "too strict"),
    (lambda i, far: np.quantile(i, 1 - far), "interpolates"),
    (lambda i, far: np.sort(i)[::-1][int(far * len(i))] - 1e-9, "too lenient"),
    (lambda i, far: np.sort(i), "expected one number"),
    (lambda i, far: int(far * len(i)), "FAR"),
    (lambda i, far: np.sort(i)[::-1][np.floor(far * len(i))], "must be an int"),
    (lambda i, far: sorted(i)[::-1][np.floor(far * len(i))], "must be an int"),
    (lambda i, far: np.sort(i)[-1 - int(far * len(i)) if far * len(i) >= 1 else 0], "k = 0"),
    (lambda i, far: largest_but(i, int(far * len(i))), "k = 0"),
    (lambda i, far: i[len(i)], "out of bounds"),
]

RIGHT["2.3"] = [
    lambda g, t: np.mean(g > t),
    lambda g, t: sum(1 for x in g if x > t) / len(g),
    lambda g, t: np.count_nonzero(g > t) / g.size,
]

SLIPS["2.3"] = [
    (lambda g, t: np.mean(g >= t), "use >"),
    (lambda g, t: 100 * np.mean(g > t), "per cent"),
    (lambda g, t: np.sum(g > t), "count"),
    (lambda g, t: np.mean(g <= t), "share refused"),
    (lambda g, t: g > t, "average it"),
]


def quantiles(values, low=0.025, high=0.975):
    return tuple(np.quantile(values, [low, high]))


def rows(accepted, rng, repeats):
    n = len(accepted)
    return quantiles([accepted[rng.integers(0, n, n)].mean() for _ in range(repeats)])


def at_once(accepted, rng, repeats):
    n = len(accepted)
    return np.percentile(
        accepted.mean(axis=1)[rng.choice(n, (repeats, n))].mean(axis=1), [2.5, 97.5]
    )


def normal(accepted, rng, repeats):  # the normal approximation of the same
    n = len(accepted)
    values = [accepted[rng.integers(0, n, n)].mean() for _ in range(repeats)]
    middle, spread = np.mean(values), np.std(values)
    return middle - 1.96 * spread, middle + 1.96 * spread


RIGHT["2.4"] = [rows, at_once, normal]


def drawn_rows(accepted, rng, repeats):
    n = len(accepted)
    return [accepted[rng.integers(0, n, n)].mean() for _ in range(repeats)]


ELSEWHERE = np.random.default_rng(5)  # a generator that the check does not know


def rows_between(accepted, rng, repeats, low, high):
    n = len(accepted)
    return quantiles([accepted[rng.integers(low, high, n)].mean() for _ in range(repeats)])


def columns_drawn(accepted, rng, repeats):
    n = accepted.shape[1]
    return quantiles([accepted[:, rng.integers(0, n, n)].mean() for _ in range(repeats)])


def pairs_drawn(accepted, rng, repeats):
    flat = accepted.ravel()
    return quantiles([rng.choice(flat, flat.size).mean() for _ in range(repeats)])


def not_replaced(accepted, rng, repeats):
    return quantiles([rng.permutation(accepted).mean() for _ in range(repeats)])


SLIPS["2.4"] = [
    (pairs_drawn, "people (rows)"),
    (not_replaced, "with replacement"),
    (lambda a, rng, n: quantiles(drawn_rows(a, rng, n), 0.05, 0.95), "0.975"),
    (lambda a, rng, n: (min(drawn_rows(a, rng, n)), max(drawn_rows(a, rng, n))), "too wide"),
    (lambda a, rng, n: quantiles(drawn_rows(a, rng, n))[::-1], "low first"),
    (lambda a, rng, n: a.mean(), "expected two values"),
    (lambda a, rng, n: columns_drawn(a, rng, n), "draw rows"),
    (lambda a, rng, n: rows_between(a, rng, n, 0, len(a) - 1), "is person 59 ever drawn"),
    (lambda a, rng, n: rows_between(a, rng, n, 1, len(a)), "is person 0 ever drawn"),
    (lambda a, rng, n: quantiles(drawn_rows(a, ELSEWHERE, n)), "same rng"),
    (lambda a, rng, n: tuple(100 * x for x in quantiles(drawn_rows(a, rng, n))), "from 0 to 1"),
]


def own_scores(scores, mates):
    return scores[np.arange(len(scores)), mates][:, None]


def sorted_rows(scores, mates, k):
    best = np.argsort(-scores, axis=1)[:, :k]
    return (best == mates[:, None]).any(axis=1).mean()


def loop(scores, mates, k):
    hits = 0
    for row, mate in zip(scores, mates, strict=True):
        others = np.delete(row, mate)
        hits += 1 + sum(others >= row[mate]) <= k
    return hits / len(scores)


def in_torch(scores, mates, k):
    best = torch.as_tensor(scores).topk(k, dim=1).indices
    return (best == torch.as_tensor(mates)[:, None]).any(dim=1).float().mean()


RIGHT["2.5"] = [
    sorted_rows,
    loop,
    in_torch,
    lambda s, m, k: np.mean((s >= own_scores(s, m)).sum(axis=1) <= k),
]


def ranks(scores, mates):
    return (scores >= own_scores(scores, mates)).sum(axis=1)


SLIPS["2.5"] = [
    (lambda s, m, k: np.mean((s > own_scores(s, m)).sum(axis=1) < k), "ties"),
    (lambda s, m, k: np.mean((s > own_scores(s, m)).sum(axis=1) <= k), "one too lenient"),
    (lambda s, m, k: np.mean(ranks(s, m) < k), "one too strict"),
    (lambda s, m, k: np.mean(s.argmax(axis=1) == m), "that is rank-1"),
    (lambda s, m, k: np.mean(ranks(s, m) == k), "exactly at rank"),
    (lambda s, m, k: np.sum(ranks(s, m) <= k), "count"),
    (lambda s, m, k: 100 * np.mean(ranks(s, m) <= k), "per cent"),
    (
        lambda s, m, k: (np.argsort(s, axis=1)[:, :k] == m[:, None]).any(axis=1).mean(),
        "lowest scores",
    ),
    (lambda s, m, k: 1.0, "own person"),
    (lambda s, m, k: np.mean((s >= s[:, m]).sum(axis=1) <= k), "one score per row"),
    (lambda s, m, k: ranks(s, m), "expected one number"),
]
