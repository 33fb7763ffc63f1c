"""Chapter 11: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np
import torch

RIGHT, SLIPS, OPEN = {}, {}, {}


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_ridge(a, b, stolen):
    middle, mean = a.mean(0), b.mean(0)
    t = a - middle
    weights = np.linalg.solve(t.T @ t + 1e-3 * np.eye(a.shape[1]), t.T @ (b - mean))
    return (stolen - middle) @ weights + mean


def by_ones(a, b, stolen):
    ones = [np.column_stack([x, np.ones(len(x))]) for x in (a, stolen)]
    return unit(ones[1] @ np.linalg.lstsq(ones[0], b, rcond=None)[0])


def by_torch(a, b, stolen):
    a, b, stolen = (torch.tensor(x, dtype=torch.float32) for x in (a, b, stolen))
    weights = torch.linalg.lstsq(a - a.mean(0), b - b.mean(0)).solution
    return torch.nn.functional.normalize((stolen - a.mean(0)) @ weights + b.mean(0))


RIGHT["11.1"] = [lambda *x: unit(by_ridge(*x)), by_ones, by_torch]

SLIPS["11.1"] = [
    (by_ridge, "divide each row"),
    (lambda a, b, s: by_ridge(a, b, s) / np.linalg.norm(by_ridge(a, b, s)), "whole array"),
    (
        lambda a, b, s: by_ridge(a, b, s) / np.linalg.norm(by_ridge(a, b, s), axis=0),
        "the columns",
    ),
    (lambda a, b, s: unit(by_ridge(a, b, a)), "not those that the map was fitted on"),
    (lambda a, b, s: s, "not from b to a"),
    (lambda a, b, s: unit(by_ridge(a, b, s)).T, "transpose"),
    (lambda a, b, s: unit(np.tile(b.mean(0), (len(s), 1))), "depend on stolen"),
    (lambda a, b, s: unit(s @ np.ones((12, 10)) + np.eye(60, 10)), "fit the line"),
    (lambda a, b, s: s @ a, "ValueError"),
]


def cost(n, tar, tries, detected, revoked):
    return n * (1 - revoked) * tar * (1 - detected**tries)


def by_sum(n, tar, tries, detected, revoked):
    """The account falls at try k if the k before it were caught."""
    falls = sum(detected**k * (1 - detected) for k in range(tries))
    return np.array([n - n * revoked]) * tar * falls


RIGHT["11.2"] = [cost, by_sum]

SLIPS["11.2"] = [
    (lambda n, t, k, d, r: n * (1 - r) * (1 - (1 - t * (1 - d)) ** k), "refuses it again"),
    (lambda n, t, k, d, r: n * (1 - r) * t * (1 - d) * k, "tries do not multiply"),
    (lambda n, t, k, d, r: n * (1 - r) * t * (1 - d) ** k, "not (1 - detected) ** tries"),
    (lambda n, t, k, d, r: n * (1 - r) * t * (1 - (1 - d) ** k), "is caught"),
    (lambda n, t, k, d, r: n * (1 - r) * t * (1 - d), "number of tries plays no part"),
    (lambda n, t, k, d, r: n * (1 - r) * t, "detection plays no part"),
    (lambda n, t, k, d, r: n * t * (1 - d**k), "revoked templates open nothing"),
    (lambda n, t, k, d, r: n * r * t * (1 - d**k), "lost to the attacker"),
    (lambda n, t, k, d, r: (1 - r) * t * (1 - d**k), "for one account"),
    (lambda n, t, k, d, r: "many", "expected one number"),
]


PLAN = dict(zip("ABCDEFG", "hours never hours never days days never".split(), strict=True))

RIGHT["11.3"] = [PLAN, PLAN | {"E": "hours"}, {k.lower(): v.upper() for k, v in PLAN.items()}]

SLIPS["11.3"] = [
    (PLAN | {"D": "hours"}, "6 of 7 right, look again at D: who will say"),
    (PLAN | {"G": "days"}, "what is out is out"),
    (PLAN | {"B": "days"}, "is it true"),
    (PLAN | {"A": "days"}, "worth pairs"),
    (PLAN | {"F": None}, "no answer yet for F"),
    (PLAN | {"C": "soon"}, "one of hours"),
    (["hours"], "expected a dict"),
]


FACTS = {
    "people": 120,
    "pictures": 720,
    "questions": 2000,
    0.01: {
        "honest": (0.99, 0.97, 1.0),
        "type1": (0.999, 0.95, 1.0),
        "type2": (0.9, 0.86, 0.94),
        "judge type2": (0.84, 0.8, 0.88),
    },
    0.001: {
        "honest": (0.95, 0.92, 0.97),
        "type1": (0.985, 0.93, 1.0),
        "type2": (0.7, 0.63, 0.77),
        "judge type2": (0.6, 0.53, 0.66),
    },
}


GOOD = {
    "recogniser": "gate 7",
    "finding": "The gate takes a drawn picture for the person in 70 %, honest users in 95 %.",
    "far": 0.001,
    "people": 120,
    "questions": 2000,
    "honest": (0.95, 0.92, 0.97),
    "type1": (0.985, 0.93, 1.0),
    "type2": (0.7, 0.63, 0.77),
    "judge_type2": (0.6, 0.53, 0.66),
    "limits": ["All pictures are synthetic.", "One decoder, fitted once."],
    "advice": ["Treat templates as photographs.", "Close the box to outsiders."],
}

PERCENT = {k: [100 * x for x in GOOD[k]] for k in ("honest", "type1", "type2", "judge_type2")}
AT_ONE = {k.replace(" ", "_"): v for k, v in FACTS[0.01].items()} | {"far": np.float32(0.01)}
NEAR = {"type2": np.array([0.71, 0.62, 0.78]), "limits": tuple(GOOD["limits"])}
RIGHT["11.4"] = [(GOOD | change, FACTS) for change in ({}, PERCENT, AT_ONE, NEAR)]

SLIPS["11.4"] = [
    ((GOOD | change, FACTS), part)
    for change, part in (
        ({"type2": 0.7}, "give its interval"),
        ({"type2": (0.63, 0.7, 0.77)}, "the order is rate, low, high"),
        ({"type2": FACTS[0.01]["type2"]}, "another FAR"),
        ({"type2": GOOD["type1"]}, "row 'type1'"),
        ({"type2": (0.7, 0.5, 0.9)}, "its interval is not"),
        ({"type2": (0.3, 0.2, 0.4)}, "expected 0.700"),
        ({"far": 0.1}, "0.1 % is 0.001"),
        ({"far": 0.05}, "the audit measured at 0.01, 0.001"),
        ({"people": 720}, "the interval is over people"),
        ({"questions": 5}, "expected 2,000"),
        ({"limits": ["One decoder only, one seed.", "No camera was used."]}, "kind of pictures"),
        ({"limits": "none"}, "list of sentences"),
        ({"advice": ["Encrypt it well, please."]}, "two sentences"),
        ({"finding": "broken"}, "40 characters"),
        ({"finding": "The recogniser is not secure at all, everybody can see that."}, "no number"),
        ({"judge_type2": None}, "lacks judge_type2"),
    )
]
OPEN["11.3"] = [{}]
OPEN["11.4"] = [(None, FACTS), ({}, FACTS), (dict.fromkeys(GOOD), FACTS)]
