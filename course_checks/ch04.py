"""Checks of chapter 04, Back to pixels, the linear way."""

from __future__ import annotations

import numpy as np

from course_checks.base import Answer, array, close, exercise, short


def _near(got: np.ndarray, want: np.ndarray, tolerance: float = 1e-3) -> bool:
    """Say whether two arrays agree, whatever their precision."""
    if got.shape != want.shape:
        return False
    return bool(np.allclose(got, want, atol=tolerance * max(1.0, float(np.abs(want).max()))))


@exercise(
    "4.1 ★ the best constant",
    "look at one pixel alone: which number has the smallest squared distance to many numbers?",
    "the mean over the pictures, pixel by pixel: pictures.mean(axis=0)",
)
def _constant(best_constant: Answer) -> str:
    rng = np.random.default_rng(41)
    pictures = rng.gamma(1.0, 0.4, size=(9, 6)).astype(np.float32) - 1  # mean and median differ
    raw = best_constant.call(pictures, returns="one picture")
    want = pictures.mean(axis=0)
    got = best_constant.array(raw)
    if got.ndim == 2 and got.shape == pictures.shape and _near(got, np.broadcast_to(want, (9, 6))):
        raise best_constant.wrong(
            "expected one picture of shape [6], got [9, 6]", "one row is enough"
        )
    if got.shape == (1, 6):
        got = got[0]
    if got.size == 1:
        raise best_constant.wrong(
            f"expected a picture of shape [6], got one number {short(float(got.ravel()[0]))}",
            "average over the pictures only: axis=0",
        )
    if got.shape == (9,):
        raise best_constant.wrong(
            "expected a picture of shape [6], got [9]",
            "that is one number for each picture; average over the pictures: axis=0",
        )
    got = best_constant.array(got, (6,))
    if not _near(got, want):
        if _near(got, np.median(pictures, axis=0)):
            why = "that is the median, the best for the absolute error; squares ask for the mean"
        elif any(_near(got, p) for p in pictures):
            why = "that is one of the pictures; something between them all is nearer to them all"
        elif _near(got, (pictures.min(axis=0) + pictures.max(axis=0)) / 2):
            why = "the middle between the extremes listens to two pictures only"
        elif _near(got, pictures.sum(axis=0)):
            why = "divide the sum by the number of pictures"
        else:
            why = "each pixel is the mean of this pixel over all pictures"
        mine = float(np.square(pictures - want).mean())
        yours = float(np.square(pictures - got).mean())
        raise best_constant.wrong(f"its error is {yours:.4f}, and {mine:.4f} is possible", why)
    return "the mean: no other picture has a smaller squared error"


@exercise(
    "4.2 ★★ eigenfaces: project and rebuild",
    "two matrix products: pictures less mean to k numbers, k numbers back to pictures; "
    "check the shapes [N, P] -> [N, k] -> [N, P]",
    "numbers = (pictures - mean) @ components[:k].T, then numbers @ components[:k] + mean",
)
def _rebuild(rebuild: Answer) -> str:
    rng = np.random.default_rng(42)
    basis = np.linalg.qr(rng.normal(size=(12, 5)))[0].T.astype(np.float32)  # [5, 12]
    mean = rng.normal(size=12).astype(np.float32)
    pictures = rng.normal(size=(7, 12)).astype(np.float32)

    def answer(x: np.ndarray, m: np.ndarray, c: np.ndarray) -> np.ndarray:
        return (x - m) @ c.T @ c + m

    for k in (2, 5, 1):
        raw = rebuild.call(pictures, mean, basis, k, returns="drawings")
        got, first = rebuild.array(raw), basis[:k]
        if got.shape == (7, k):
            raise rebuild.wrong(
                f"expected drawings [7, 12], got [7, {k}]",
                "those are the numbers; draw with them: numbers @ components[:k] + mean",
            )
        got = rebuild.array(got, (7, 12))
        if _near(got, answer(pictures, mean, first)):
            continue
        if _near(got, answer(pictures, mean, basis)):
            why = "that uses all components; keep the first k: components[:k]"
        elif _near(got, answer(pictures, mean, first) - mean):
            why = "add the mean again at the end"
        elif _near(got, pictures @ first.T @ first + mean):
            why = "take the mean off before you project"
        elif _near(got, pictures @ first.T @ first):
            why = "the components describe how pictures differ from the mean: take it off, add it"
        elif _near(got, answer(pictures, mean, basis[-k:])):
            why = "the first components are the largest ones: components[:k], not [-k:]"
        elif _near(got, pictures):
            why = "nothing was lost; only k numbers may be kept of each picture"
        elif _near(got, answer(pictures, pictures.mean(axis=0), first)):
            why = "use the mean that was given: it belongs to the components, not to these pictures"
        else:
            why = "project with components[:k].T, rebuild with components[:k]"
        off = float(np.abs(got - answer(pictures, mean, first)).max())
        raise rebuild.wrong(f"with k = {k} the drawings are off by up to {off:.3f}", why)
    return "two matrix products: down to k numbers, and up again"


@exercise(
    "4.3 ★★ ridge regression",
    "three steps: take the means off, solve (T' T + strength I) W = T' X with np.linalg.solve, "
    "then choose the bias so that the mean template gives the mean picture",
    "T = templates - templates.mean(0); X = pictures - pictures.mean(0); "
    "W = np.linalg.solve(T.T @ T + strength * np.eye(T.shape[1]), T.T @ X); "
    "bias = pictures.mean(0) - templates.mean(0) @ W",
)
def _ridge(ridge: Answer) -> str:
    rng = np.random.default_rng(43)
    d, p, n = 4, 6, 15
    templates = rng.normal(size=(n, d)).astype(np.float32) + 0.7
    pictures = templates @ rng.normal(size=(d, p)) + rng.normal(size=(n, p)) + 1.5
    pictures = pictures.astype(np.float32)
    for strength in (2.0, 20.0):
        raw = ridge.call(templates, pictures, strength, returns="(weights, bias)")
        first, second = ridge.pair(raw, "weights, bias")
        weights, bias = ridge.array(first), ridge.array(second)
        if weights.shape == (p, d):
            raise ridge.wrong(
                f"weights: expected shape {[d, p]}, got {[p, d]}",
                "templates @ weights must be pictures: transpose them",
            )
        if weights.shape == (p,) and bias.shape == (d, p):
            raise ridge.wrong("the two are swapped", "return weights, bias")
        weights = array(f"{ridge.name}: weights", weights, (d, p))
        if bias.size != p:
            raise ridge.wrong(
                f"bias: expected shape {[p]}, got {list(bias.shape)}",
                "one number for each pixel: the mean picture less the mean template @ weights",
            )
        bias = bias.reshape(p)
        want_w, want_b = _solve(templates, pictures, strength)
        if _near(weights, want_w) and _near(bias, want_b):
            continue
        raise ridge.wrong(*_ridge_slip(templates, pictures, strength, weights, bias))
    return "one equation, no training loop; twice checked against the smallest possible sum"


def _solve(
    t: np.ndarray, x: np.ndarray, strength: float, centre: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    t, x = t.astype(np.float64), x.astype(np.float64)
    t_mean, x_mean = (t.mean(0), x.mean(0)) if centre else (np.zeros(t.shape[1]), np.zeros(1))
    T = t - t_mean
    weights = np.linalg.solve(T.T @ T + strength * np.eye(t.shape[1]), T.T @ (x - x_mean))
    return weights, x_mean - t_mean @ weights


def _ridge_slip(
    t: np.ndarray, x: np.ndarray, strength: float, weights: np.ndarray, bias: np.ndarray
) -> tuple[str, str]:
    """Return what was found and the hint that belongs to it."""
    ones = np.column_stack([t, np.ones(len(t))])
    with_ones = _solve(ones, x, strength, centre=False)[0]
    candidates = {
        "the bias is penalised as well; take the means off first, then it goes free": (
            with_ones[:-1]
        ),
        "the penalty is missing: add strength * np.eye(d) to T' T": _solve(t, x, 1e-9)[0],
        "take the means off templates and pictures first; without it the line must pass zero": (
            _solve(t, x, strength, centre=False)[0]
        ),
        "T' T is a sum over pairs, not a mean: add strength to it as it is": (
            _solve(t, x, strength * len(t))[0]
        ),
        "add strength itself, not its square": _solve(t, x, strength**2)[0],
        "take the mean off the templates on both sides of the equation": _half_centred(
            t, x, strength
        ),
        "strength belongs on the diagonal only: strength * np.eye(d)": _everywhere(t, x, strength),
    }
    want_w, want_b = _solve(t, x, strength)
    if _near(weights, want_w):
        if _near(bias, x.mean(axis=0)):
            return (
                "the weights are right, the bias is the mean picture",
                "subtract what the mean template adds: pictures.mean(0) - templates.mean(0) @ W",
            )
        if _near(bias, np.zeros(len(bias))):
            return "the weights are right, the bias is zero", "the mean template gives the mean"
        return (
            "the weights are right, the bias is not",
            "the mean template must give the mean picture: bias = x_mean - t_mean @ weights",
        )
    off = float(np.abs(weights - want_w).max())
    found = f"at strength {strength:g} the weights are off by up to {off:.3f}"
    for why, other in candidates.items():
        if _near(weights, other):
            return found, why
    return found, "solve (T' T + strength I) W = T' X for centred T and X"


def _half_centred(t: np.ndarray, x: np.ndarray, strength: float) -> np.ndarray:
    """The weights where only the right-hand side was centred."""
    centred = t - t.mean(axis=0)
    return np.linalg.solve(t.T @ t + strength * np.eye(t.shape[1]), centred.T @ (x - x.mean(0)))


def _everywhere(t: np.ndarray, x: np.ndarray, strength: float) -> np.ndarray:
    """The weights where the strength was added to every entry."""
    centred = t - t.mean(axis=0)
    return np.linalg.solve(centred.T @ centred + strength, centred.T @ (x - x.mean(0)))


@exercise(
    "4.4 ★★★ the floor",
    "for each person: the pictures where identities == person, their mean picture, the squared "
    "differences; at the end the mean over all pixels of all pictures",
    "total += ((own - own.mean(axis=0)) ** 2).sum() for own = pictures[identities == person]; "
    "return total / pictures.size",
)
def _floor(identity_floor: Answer) -> str:
    rng = np.random.default_rng(44)
    identities = np.array([7, 3, 7, 3, 3, 9, 7, 3, 3, 9])  # unsorted, and not equally often
    people = {i: rng.normal(size=8) for i in (3, 7, 9)}
    noise = {3: 0.2, 7: 0.9, 9: 0.5}
    pictures = np.stack([people[i] + noise[i] * rng.normal(size=8) for i in identities])
    pictures = pictures.astype(np.float32)
    raw = identity_floor.call(pictures, identities, returns="one number")
    got = identity_floor.number(raw)
    groups = [pictures[identities == i] for i in (3, 7, 9)]
    parts = [np.square(g - g.mean(axis=0)) for g in groups]
    want = float(sum(p.sum() for p in parts) / pictures.size)
    if close(got, want):
        return f"mean squared error {want:.3f}: all that is not identity"
    slips = {
        "that is the mean of the people's means; people with more pictures count more": float(
            np.mean([p.mean() for p in parts])
        ),
        "that is the distance to the mean of everybody; take the mean of each person": float(
            np.square(pictures - pictures.mean(axis=0)).mean()
        ),
        "that divides by n - 1; here divide by the number of values (the chapter corrects later)": (
            float(np.mean([g.var(axis=0, ddof=1).mean() for g in groups]))
        ),
        "take the mean picture (axis=0), not one mean colour for all pixels": float(
            sum(np.square(g - g.mean()).sum() for g in groups) / pictures.size
        ),
        "that is the sum; divide by pictures.size": float(sum(p.sum() for p in parts)),
        "divide by the number of values, not of pictures: pictures.size": float(
            sum(p.sum() for p in parts) / len(pictures)
        ),
        "that is the distance between the people's means; the floor is what remains within a "
        "person": float(
            np.square(np.concatenate([g * 0 + g.mean(0) for g in groups]) - pictures.mean(0)).mean()
        ),
        "that is the root; leave the square": float(np.sqrt(want)),
        "that is the absolute error; take squares": float(
            sum(np.abs(g - g.mean(axis=0)).sum() for g in groups) / pictures.size
        ),
        "these pictures are not sorted by person: select them with identities == person": float(
            _as_if_sorted(pictures, identities)
        ),
    }
    for why, value in slips.items():
        if close(got, value):
            raise identity_floor.wrong(f"expected {want:.4f}, got {short(got)}", why)
    pooled = sum(p.sum() for p in parts) / (8 * (len(pictures) - len(groups)))
    if close(got, float(pooled)):
        raise identity_floor.wrong(
            f"expected {want:.4f}, got {short(got)}",
            "that divides by n - 1 for each person; here divide by pictures.size",
        )
    raise identity_floor.wrong(
        f"expected {want:.4f}, got {short(got)}", "each picture against its person's mean"
    )


def _as_if_sorted(pictures: np.ndarray, identities: np.ndarray) -> float:
    """The floor where blocks of neighbouring rows are taken for one person."""
    ends = np.cumsum([(identities == i).sum() for i in np.unique(identities)])[:-1]
    return sum(np.square(g - g.mean(0)).sum() for g in np.split(pictures, ends)) / pictures.size
