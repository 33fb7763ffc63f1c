"""Chapter 04: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np
import torch

from nbnet_lib.course.linear import fit_line, floor_of, project

RIGHT, SLIPS = {}, {}

RIGHT["4.1"] = [
    lambda x: x.mean(axis=0),
    lambda x: [sum(column) / len(x) for column in x.T],
    lambda x: torch.from_numpy(x).double().mean(0, keepdim=True),
    lambda x: np.linalg.lstsq(np.ones((len(x), 1)), x, rcond=None)[0][0],
]

SLIPS["4.1"] = [
    (lambda x: np.median(x, axis=0), "median"),
    (lambda x: x.mean(), "axis=0"),
    (lambda x: x.mean(axis=1), "one number for each picture"),
    (lambda x: x[0], "one of the pictures"),
    (lambda x: x.sum(axis=0), "divide the sum"),
    (lambda x: (x.min(axis=0) + x.max(axis=0)) / 2, "extremes"),
    (lambda x: np.tile(x.mean(axis=0), (len(x), 1)), "one row is enough"),
    (lambda x: np.zeros(x.shape[1]), "is possible"),
]


def by_loop(pictures, mean, components, k):
    made = []
    for picture in pictures:
        drawing = mean.copy()
        for component in components[:k]:
            drawing = drawing + ((picture - mean) @ component) * component
        made.append(drawing)
    return made


RIGHT["4.2"] = [
    project,
    by_loop,
    lambda x, m, c, k: torch.from_numpy((x - m) @ (c[:k].T @ c[:k]) + m),
    lambda x, m, c, k: (np.linalg.lstsq(c[:k].T, (x - m).T, rcond=None)[0].T @ c[:k]) + m,
]

SLIPS["4.2"] = [
    (lambda x, m, c, k: (x - m) @ c[:k].T, "those are the numbers"),
    (lambda x, m, c, k: (x - m) @ c.T @ c + m, "all components"),
    (lambda x, m, c, k: (x - m) @ c[:k].T @ c[:k], "add the mean"),
    (lambda x, m, c, k: x @ c[:k].T @ c[:k] + m, "before you project"),
    (lambda x, m, c, k: x @ c[:k].T @ c[:k], "differ from the mean"),
    (lambda x, m, c, k: (x - m) @ c[-k:].T @ c[-k:] + m, "not [-k:]"),
    (lambda x, m, c, k: x, "nothing was lost"),
    (lambda x, m, c, k: (x - x.mean(0)) @ c[:k].T @ c[:k] + x.mean(0), "that was given"),
    (lambda x, m, c, k: (x - m) @ c[:k], "ValueError"),
]


def augmented(t, x, strength):
    """Ridge as least squares with extra rows, a textbook trick."""
    d = t.shape[1]
    tm, xm = t.mean(0), x.mean(0)
    rows = np.vstack([t - tm, np.sqrt(strength) * np.eye(d)])
    weights = np.linalg.lstsq(rows, np.vstack([x - xm, np.zeros((d, x.shape[1]))]), rcond=None)[0]
    return weights, xm - tm @ weights


def sklearn_ridge(t, x, strength):
    from sklearn.linear_model import Ridge

    found = Ridge(alpha=strength).fit(t, x)
    return torch.from_numpy(found.coef_.T.copy()), found.intercept_


def free_bias(t, x, strength):
    """A column of ones whose weight is not penalised."""
    ones = np.column_stack([t, np.ones(len(t))]).astype(float)
    fine = strength * np.eye(ones.shape[1])
    fine[-1, -1] = 0
    weights = np.linalg.inv(ones.T @ ones + fine) @ ones.T @ x
    return weights[:-1], weights[-1:]


RIGHT["4.3"] = [fit_line, augmented, sklearn_ridge, free_bias]


def slip(fine=None, centre=True, bias=None):
    """Return ridge regression with one thing wrong."""

    def ridge(t, x, strength):
        tm, xm = t.mean(0), x.mean(0)
        T, X = (t - tm, x - xm) if centre else (t, x)
        more = strength * np.eye(t.shape[1]) if fine is None else fine(strength, t)
        weights = np.linalg.solve(T.T @ T + more, T.T @ X)
        right = xm - tm @ weights
        return weights, right if bias is None else bias(right, xm)

    return ridge


def fined_bias(t, x, strength):
    ones = np.column_stack([t, np.ones(len(t))])
    weights = np.linalg.solve(ones.T @ ones + strength * np.eye(ones.shape[1]), ones.T @ x)
    return weights[:-1], weights[-1]


SLIPS["4.3"] = [
    (slip(fine=lambda s, t: 0 * np.eye(t.shape[1])), "the penalty is missing"),
    (slip(fine=lambda s, t: s), "diagonal only"),
    (slip(fine=lambda s, t: len(t) * s * np.eye(t.shape[1])), "sum over pairs"),
    (slip(fine=lambda s, t: s**2 * np.eye(t.shape[1])), "not its square"),
    (slip(centre=False), "take the means off"),
    (slip(bias=lambda right, xm: xm), "subtract what the mean template adds"),
    (slip(bias=lambda right, xm: 0 * xm), "the bias is zero"),
    (slip(bias=lambda right, xm: right + 1), "must give the mean picture"),
    (slip(bias=lambda right, xm: 0.0), "one number for each pixel"),
    (fined_bias, "the bias is penalised"),
    (lambda t, x, s: fit_line(t, x, s)[::-1], "swapped"),
    (lambda t, x, s: (fit_line(t, x, s)[0].T, fit_line(t, x, s)[1]), "transpose"),
    (lambda t, x, s: fit_line(t, x, s)[0], "expected two values"),
]


def per_picture(pictures, identities):
    errors = []
    for picture, who in zip(pictures, identities, strict=True):
        errors.append(((picture - pictures[identities == who].mean(0)) ** 2).mean())
    return sum(errors) / len(errors)


def with_pandas(pictures, identities):
    import pandas as pd

    frame = pd.DataFrame(pictures)
    return ((frame - frame.groupby(identities).transform("mean")) ** 2).to_numpy().mean()


RIGHT["4.4"] = [floor_of, per_picture, with_pandas, lambda p, i: torch.tensor(floor_of(p, i))]


def groups(pictures, identities):
    return [pictures[identities == i] for i in np.unique(identities)]


def within(group):
    return (group - group.mean(0)) ** 2


SLIPS["4.4"] = [
    (lambda p, i: np.mean([within(g).mean() for g in groups(p, i)]), "count more"),
    (lambda p, i: p.var(axis=0).mean(), "mean of everybody"),
    (lambda p, i: sum(within(g).sum() for g in groups(p, i)), "that is the sum"),
    (lambda p, i: sum(within(g).sum() for g in groups(p, i)) / len(p), "not of pictures"),
    (lambda p, i: sum(((g - g.mean()) ** 2).sum() for g in groups(p, i)) / p.size, "colour"),
    (lambda p, i: np.mean([g.var(0, ddof=1).mean() for g in groups(p, i)]), "n - 1"),
    (lambda p, i: sum(within(g).sum() for g in groups(p, i)) / (8 * 7), "n - 1"),
    (lambda p, i: np.sqrt(floor_of(p, i)), "root"),
    (lambda p, i: floor_of(p, np.sort(i)), "not sorted"),
    (lambda p, i: within(p), "expected one number"),
]
