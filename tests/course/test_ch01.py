"""Exercises of chapter 01: correct variants pass, typical slips get the right hint."""

import numpy as np
import pytest
import torch

norm = np.linalg.norm


def test_cosine(passes):
    passes(
        "1.1",
        lambda a, b: a @ b / (norm(a) * norm(b)),
        lambda a, b: float(np.sum((a / norm(a)) * (b / norm(b)))),
        lambda a, b: torch.cosine_similarity(torch.tensor(a), torch.tensor(b), dim=0),
        lambda a, b: (
            sum(x * y for x, y in zip(a, b, strict=True))
            / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
        ),
    )


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda a, b: a @ b, "divide by the lengths"),
        (lambda a, b: 1 - a @ b / (norm(a) * norm(b)), "distance; similarity is 1 minus"),
        (lambda a, b: norm(a - b), "Euclidean"),
        (lambda a, b: -(a @ b) / (norm(a) * norm(b)), "sign"),
        (lambda a, b: a @ b / norm(a) ** 2, "both vectors"),
        (lambda a, b: np.arccos(a @ b / (norm(a) * norm(b))), "angle"),
        (lambda a, b: a * b, "expected one number"),
    ],
)
def test_cosine_slips(answer, part, is_told):
    is_told("1.1", answer, part)


def unit(x):
    return x / norm(x, axis=-1, keepdims=True)


def test_nearest(passes):
    def loop(query, gallery):
        best, where = -2.0, None
        for i, row in enumerate(gallery):
            score = row @ query / (norm(row) * norm(query))
            if score > best:
                best, where = score, i
        return where

    passes(
        "1.2", loop, lambda q, g: (unit(g) @ q).argmax(), lambda q, g: np.argsort(-(unit(g) @ q))[0]
    )


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda q, g: (unit(g) @ unit(q)).max(), "that is the score"),
        (lambda q, g: (unit(g) @ q).argmin(), "least similar"),
        (lambda q, g: (g @ q).argmax(), "long rows win"),
        (lambda q, g: g[0], "expected one number"),
    ],
)
def test_nearest_slips(answer, part, is_told):
    is_told("1.2", answer, part)


def test_split_by_identity(passes):
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

    passes("1.3", by_permutation, by_list, without_chance)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda i, share, rng: rng.random(len(i)) < share, "in both halves"),
        (lambda i, share, rng: i, "not ids"),
        (lambda i, share, rng: np.unique(i), "one True or False for each"),
        (
            lambda i, share, rng: ~np.isin(i, np.unique(i)[: round(share * len(np.unique(i)))]),
            "True marks the test half",
        ),
        (lambda i, share, rng: np.isin(i, np.unique(i)[:3]), "multiply the share"),
    ],
)
def test_split_slips(answer, part, is_told):
    is_told("1.3", answer, part)


def test_chance_level(passes):
    from collections import Counter

    passes(
        "1.4",
        lambda labels: np.unique(labels, return_counts=True)[1].max() / len(labels),
        lambda labels: Counter(labels.tolist()).most_common(1)[0][1] / labels.size,
    )


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda labels: 1 / len(np.unique(labels)), "not equally frequent"),
        (lambda labels: 0.5, "not equally frequent"),
        (lambda labels: np.unique(labels, return_counts=True)[1].max(), "divide by the number"),
        (
            lambda labels: 100 * np.unique(labels, return_counts=True)[1].max() / len(labels),
            "per cent",
        ),
        (lambda labels: np.unique(labels, return_counts=True)[1].min() / len(labels), "rarest"),
    ],
)
def test_chance_slips(answer, part, is_told):
    is_told("1.4", answer, part)
