"""Chapter 01: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np
import torch

RIGHT, SLIPS = {}, {}


norm = np.linalg.norm

RIGHT["1.1"] = [
    lambda a, b: a @ b / (norm(a) * norm(b)),
    lambda a, b: float(np.sum((a / norm(a)) * (b / norm(b)))),
    lambda a, b: torch.cosine_similarity(torch.tensor(a), torch.tensor(b), dim=0),
    lambda a, b: (
        sum(x * y for x, y in zip(a, b, strict=True))
        / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
    ),
]

SLIPS["1.1"] = [
    (lambda a, b: a @ b, "divide by the lengths"),
    (lambda a, b: 1 - a @ b / (norm(a) * norm(b)), "distance; similarity is 1 minus"),
    (lambda a, b: norm(a - b), "Euclidean"),
    (lambda a, b: -(a @ b) / (norm(a) * norm(b)), "sign"),
    (lambda a, b: a @ b / norm(a) ** 2, "both vectors"),
    (lambda a, b: np.arccos(a @ b / (norm(a) * norm(b))), "angle"),
    (lambda a, b: a * b, "expected one number"),
]


def unit(x):
    return x / norm(x, axis=-1, keepdims=True)


def loop(query, gallery):
    best, where = -2.0, None
    for i, row in enumerate(gallery):
        score = row @ query / (norm(row) * norm(query))
        if score > best:
            best, where = score, i
    return where


RIGHT["1.3"] = [
    loop,
    lambda q, g: (unit(g) @ q).argmax(),
    lambda q, g: np.argsort(-(unit(g) @ q))[0],
]

SLIPS["1.3"] = [
    (lambda q, g: (unit(g) @ unit(q)).max(), "that is the score"),
    (lambda q, g: (unit(g) @ q).argmin(), "least similar"),
    (lambda q, g: (g @ q).argmax(), "long rows win"),
    (lambda q, g: g[0], "expected one number"),
]


def by_lstsq(source, target):
    x, y = np.asarray(source).T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.r_[np.c_[x, -y, one, none], np.c_[y, x, none, one]]
    a, b, right, down = np.linalg.lstsq(rows, np.asarray(target).T.ravel(), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])


def umeyama(source, target):
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, np.sign(np.linalg.det(u @ vt))])
    linear = np.trace(np.diag(d) @ sign) / (a**2).sum() * u @ sign @ vt
    return linear, target.mean(0) - linear @ source.mean(0)


def as_complex_numbers(source, target):
    p, q = source @ [1, 1j], target @ [1, 1j]
    z = np.vdot(p - p.mean(), q - q.mean()) / np.vdot(p - p.mean(), p - p.mean())
    s = q.mean() - z * p.mean()
    return [[z.real, -z.imag, s.real], [z.imag, z.real, s.imag], [0, 0, 1]]


RIGHT["1.2"] = [
    by_lstsq,
    umeyama,
    as_complex_numbers,
    lambda s, t: torch.tensor(by_lstsq(s, t), dtype=torch.float32),
]


def affine(source, target):
    return np.linalg.lstsq(np.c_[source, np.ones(len(source))], target, rcond=None)[0].T


def no_scale(source, target):
    matrix = by_lstsq(source, target)
    matrix[:, :2] /= np.linalg.det(matrix[:, :2]) ** 0.5
    matrix[:, 2] = target.mean(0) - matrix[:, :2] @ source.mean(0)
    return matrix


def no_turn(source, target):
    linear = 0.7 * np.eye(2)
    return np.c_[linear, target.mean(0) - linear @ source.mean(0)]


def transposed(source, target):
    matrix = by_lstsq(source, target)
    return np.c_[matrix[:, :2].T, matrix[:, 2]]


def without_sign(source, target):
    x, y = source.T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.r_[np.c_[x, y, one, none], np.c_[-y, x, none, one]]
    return np.linalg.lstsq(rows, target.T.ravel(), rcond=None)[0]


def procrustes_scale(source, target):
    linear = no_scale(source, target)[:, :2] * target.std() / source.std() * 1.05
    return linear, target.mean(0) - linear @ source.mean(0)


def orthogonal(source, target):  # Procrustes without a look at the determinant
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    linear = d.sum() / (a**2).sum() * u @ vt
    return linear, target.mean(0) - linear @ source.mean(0)


SLIPS["1.2"] = [
    (orthogonal, "mirrors"),
    (lambda s, t: by_lstsq(t, s), "the other way"),
    (lambda s, t: np.c_[by_lstsq(s, t)[:, :2], t.mean(0) - s.mean(0)], "the shift is not"),
    (transposed, "wrong way"),
    (lambda s, t: np.c_[np.eye(2), t.mean(0) - s.mean(0)], "only shifts"),
    (affine, "stretches or shears"),
    (lambda s, t: by_lstsq(s[:2], t[:2]), "all of them vote"),
    (no_scale, "scale is missing"),
    (no_turn, "turn is missing"),
    (procrustes_scale, "scale is not that of least squares"),
    (without_sign, "put them in place"),
    (lambda s, t: by_lstsq(s, t).T, "transpose it"),
    (lambda s, t: by_lstsq(s, t)[:, :2], "expected shape [2, 3]"),
    (lambda s, t: by_lstsq(s, t) * np.nan, "NaN"),
]

RIGHT["1.4"] = [
    lambda several: unit(several.mean(0)),
    lambda several: several.sum(0) / np.sqrt((several.sum(0) ** 2).sum()),
    lambda several: torch.nn.functional.normalize(torch.tensor(several).mean(0), dim=0),
    lambda several: unit(sum(several)).tolist(),
]

SLIPS["1.4"] = [
    (lambda several: several.mean(0), "that is the mean; divide"),
    (lambda several: several.sum(0), "that is the sum"),
    (lambda several: several.mean(1), "axis=0"),
    (lambda several: unit(several.mean(1)), "axis=0"),
    (lambda several: several[0], "the first of them"),
    (lambda several: several.mean(0) / np.abs(several.mean(0)).sum(), "length is not"),
    (lambda several: unit(np.median(several, axis=0)), "median"),
    (lambda several: several, "one template"),
    (lambda several: several.mean(), "expected shape [128]"),
]
