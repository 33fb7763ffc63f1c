"""Checks of chapter 01, What is a template?"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbnet_lib.course.checks.base import Wrong, array, call, close, exercise, number, short


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@exercise(
    "1.1",
    "cosine similarity",
    1,
    ["cosine"],
    (
        "two vectors point the same way when their dot product is large, measured against their "
        "lengths",
        "(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))",
    ),
)
def _cosine(cosine: Any) -> str:
    rng = np.random.default_rng(11)
    for trial in range(4):
        a, b = rng.normal(size=(2, 128)) * (1.0 if trial == 0 else rng.uniform(0.2, 4, (2, 1)))
        want = float(_unit(a) @ _unit(b))
        got = number("cosine", call("cosine", cosine, a, b, returns="a number"))
        if close(got, want, 1e-3):
            continue
        if close(got, 1 - want, 1e-3):
            why = "that is the cosine distance; similarity is 1 minus it"
        elif close(got, float(a @ b), 1e-3):
            why = "that is the dot product; divide by the lengths of both vectors"
        elif close(got, float(np.linalg.norm(a - b)), 1e-3):
            why = "that is the Euclidean distance; start from the dot product a @ b"
        elif close(got, -want, 1e-3):
            why = "the sign is turned; larger must mean more alike"
        elif close(got, float(a @ b / (a @ a)), 1e-3) or close(got, float(a @ b / (b @ b)), 1e-3):
            why = "divide by the lengths of both vectors, not twice by one"
        elif close(got, float(np.degrees(np.arccos(want))), 1e-2) or close(
            got, float(np.arccos(want)), 1e-3
        ):
            why = "that is the angle; the similarity is its cosine"
        else:
            why = "dot product divided by both lengths"
        raise Wrong("cosine", f"expected {want:.4f}, got {short(got)}", why)
    return "right for vectors of any length"


@exercise(
    "1.2",
    "nearest neighbour",
    2,
    ["nearest"],
    (
        "one matrix product gives the similarity of the query with every row of the gallery",
        "normalise the rows of gallery, multiply with query, take np.argmax",
    ),
)
def _nearest(nearest: Any) -> str:
    rng = np.random.default_rng(12)
    for target, decoy in ((7, 20), (0, 39), (39, 3)):
        gallery = rng.normal(size=(40, 16))
        # A long row that is somewhat like the query wins where lengths are not divided out.
        gallery[decoy] = 4 * (gallery[target] + gallery[decoy])
        query = _unit(gallery[target]) + rng.normal(scale=0.04, size=16)
        scores = _unit(gallery) @ _unit(query)
        got = number("nearest", call("nearest", nearest, query, gallery, returns="an index"))
        if got == target:
            continue
        if close(got, float(scores.max()), 1e-3):
            raise Wrong(
                "nearest",
                f"expected the row number {target}, got {short(got)}",
                "that is the score; which row has it? (np.argmax)",
            )
        if got == int(scores.argmin()):
            raise Wrong(
                "nearest",
                f"expected row {target}, got {short(got)}",
                "that is the least similar row; higher cosine is more alike",
            )
        if got == int((gallery @ query).argmax()):
            raise Wrong(
                "nearest",
                f"expected row {target}, got {short(got)}",
                "long rows win by their length; divide each row by its length first",
            )
        raise Wrong(
            "nearest",
            f"expected row {target}, got {short(got)}",
            "the row with the highest cosine to the query",
        )
    return "finds the most similar row, whatever the rows' lengths"


@exercise(
    "1.3",
    "split by identity",
    2,
    ["split_by_identity"],
    (
        "draw people, not pictures: np.unique(identities) lists the people",
        "shuffle the people with rng.permutation, keep the first share of them, then "
        "np.isin(identities, chosen)",
    ),
)
def _split(split_by_identity: Any) -> str:
    name = "split_by_identity"
    for people, samples, share, step in ((40, 5, 0.25, 1), (30, 4, 0.5, 3)):
        identities = np.repeat(np.arange(people) * step + 100, samples)
        rng = np.random.default_rng(13)
        identities = rng.permutation(identities) if step == 3 else identities
        raw = call(name, split_by_identity, identities, share, rng, returns="a mask")
        mask = array(name, raw)
        if mask.shape != identities.shape:
            raise Wrong(
                name,
                f"expected one True or False for each of {identities.size} images, "
                f"got shape {list(mask.shape)}",
                "np.isin(identities, chosen) gives that",
            )
        if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
            raise Wrong(name, "expected True (test) or False (training)", "return a mask, not ids")
        mask = mask.astype(bool)
        shared = np.intersect1d(identities[mask], identities[~mask])
        if shared.size:
            raise Wrong(
                name,
                f"{shared.size} of {people} people are in both halves",
                "draw people, not images: every image of a person goes the same way",
            )
        tested = np.unique(identities[mask]).size
        if abs(tested - share * people) > 1.01:
            turned = abs(tested - (1 - share) * people) <= 1.01
            raise Wrong(
                name,
                f"expected {share:.0%} of {people} people in the test half, got {tested}",
                "True marks the test half"
                if turned
                else "multiply the share by the number of people",
            )
    return "no person is on both sides"


@exercise(
    "1.4",
    "chance level",
    1,
    ["chance_level"],
    (
        "how often is the guesser right who always gives the most frequent answer?",
        "np.unique(labels, return_counts=True); the largest count divided by the number of labels",
    ),
)
def _chance(chance_level: Any) -> str:
    name = "chance_level"
    rng = np.random.default_rng(14)
    cases = (
        np.array(["female"] * 20 + ["male"] * 60),
        rng.permutation(np.array(["a"] * 20 + ["b"] * 50 + ["c"] * 30)),
        np.array([1, 1, 1, 1]),
    )
    for labels in cases:
        counts = np.unique(labels, return_counts=True)[1]
        want = counts.max() / labels.size
        got = number(name, call(name, chance_level, labels, returns="a number from 0 to 1"))
        if close(got, want, 1e-3):
            continue
        if got == counts.max():
            why = "that is a count; divide by the number of labels"
        elif close(got, 100 * want, 1e-3):
            why = "that is in per cent; give a share from 0 to 1"
        elif close(got, 1 / counts.size, 1e-3) or got == 0.5:
            why = "labels are not equally frequent; count the most frequent one"
        elif close(got, counts.min() / labels.size, 1e-3):
            why = "that is the rarest answer; the best blind guess is the most frequent one"
        elif close(got, float(((counts / labels.size) ** 2).sum()), 1e-3):
            why = "that guesses at random in proportion; always giving the top answer does better"
        else:
            why = "the share of the most frequent label"
        raise Wrong(name, f"expected {want:.2f}, got {short(got)}", why)
    return "the bar that every probe has to clear"
