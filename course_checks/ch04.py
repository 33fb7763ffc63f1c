"""Checks of chapter 04, Back to pixels, the linear way."""

from __future__ import annotations

import numpy as np

from course_checks.base import Answer, exercise


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
    want = pictures.mean(axis=0)
    answer = best_constant.call(pictures, returns="one picture")
    got = answer.array()
    got = got[0] if got.shape == (1, 6) else got
    why = {
        (9, 6): "one picture for all of them: one row is enough",
        (9,): "that is one number for each picture; average over the pictures: axis=0",
        (): "average over the pictures only: axis=0",
    }.get(got.shape, "")
    best_constant.expect(
        got.shape == (6,), f"expected a picture of shape [6], got {list(got.shape)}", why
    )
    if _near(got, want):
        return "the mean: no other picture has a smaller squared error"
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
    mine, yours = (float(np.square(pictures - one).mean()) for one in (want, got))
    raise best_constant.wrong(f"its error is {yours:.4f}, and {mine:.4f} is possible", why)


@exercise(
    "4.2 ★★ eigenfaces: project and rebuild",
    "two matrix products: pictures minus mean to k numbers, k numbers back to pictures; "
    "check the shapes [N, P] -> [N, k] -> [N, P]",
    "numbers = (pictures - mean) @ components[:k].T, then numbers @ components[:k] + mean",
)
def _rebuild(rebuild: Answer) -> str:
    rng = np.random.default_rng(42)
    basis = np.linalg.qr(rng.normal(size=(12, 5)))[0].T.astype(np.float32)  # [5, 12]
    mean = rng.normal(size=12).astype(np.float32)
    pictures = rng.normal(size=(7, 12)).astype(np.float32)

    def answer(m: np.ndarray, c: np.ndarray) -> np.ndarray:
        return (pictures - m) @ c.T @ c + m

    for k in (2, 5, 1):
        drawn, first = rebuild.call(pictures, mean, basis, k, returns="drawings"), basis[:k]
        rebuild.expect(
            drawn.array().shape != (7, k),
            f"expected drawings [7, 12], got [7, {k}]",
            "those are the numbers; draw with them: numbers @ components[:k] + mean",
        )
        got, want = drawn.array((7, 12)), answer(mean, first)
        if _near(got, want):
            continue
        if _near(got, answer(mean, basis)):
            why = "that uses all components; keep the first k: components[:k]"
        elif _near(got, want - mean):
            why = "add the mean again at the end"
        elif _near(got, pictures @ first.T @ first + mean):
            why = "take the mean off before you project"
        elif _near(got, pictures @ first.T @ first):
            why = "the components describe how pictures differ from the mean: take it off, add it"
        elif _near(got, answer(mean, basis[-k:])):
            why = "the first components are the largest ones: components[:k], not [-k:]"
        elif _near(got, pictures):
            why = "nothing was lost; only k numbers may be kept of each picture"
        elif _near(got, answer(pictures.mean(axis=0), first)):
            why = "use the mean that was given: it belongs to the components, not to these pictures"
        else:
            why = "project with components[:k].T, rebuild with components[:k]"
        off = float(np.abs(got - want).max())
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
        both = ridge.call(templates, pictures, strength, returns="(weights, bias)")
        weights, bias = (part.array() for part in both.pair("weights, bias"))
        swapped = weights.shape == (p,) and bias.shape == (d, p)
        ridge.expect(not swapped, "the two are swapped", "return weights, bias")
        ridge.expect(
            weights.shape == (d, p),
            f"weights: expected shape {[d, p]}, got {list(weights.shape)}",
            "templates @ weights must be pictures: transpose them"
            if weights.shape == (p, d)
            else "",
        )
        ridge.expect(
            bias.size == p,
            f"bias: expected shape {[p]}, got {list(bias.shape)}",
            "one number for each pixel: the mean picture minus the mean template @ weights",
        )
        _check_ridge(ridge, templates, pictures, strength, (weights, bias.reshape(p)))
    return "one equation, no training loop; twice checked against the smallest possible sum"


def _solve(
    t: np.ndarray, x: np.ndarray, strength: float, centre: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    t, x = t.astype(np.float64), x.astype(np.float64)
    t_mean, x_mean = (t.mean(0), x.mean(0)) if centre else (np.zeros(t.shape[1]), np.zeros(1))
    T = t - t_mean
    weights = np.linalg.solve(T.T @ T + strength * np.eye(t.shape[1]), T.T @ (x - x_mean))
    return weights, x_mean - t_mean @ weights


def _check_ridge(
    ridge: Answer, t: np.ndarray, x: np.ndarray, strength: float, got: tuple[np.ndarray, np.ndarray]
) -> None:
    (weights, bias), (want_w, want_b) = got, _solve(t, x, strength)
    if _near(weights, want_w):
        why = "the mean template must give the mean picture: bias = x_mean - t_mean @ weights"
        if _near(bias, x.mean(axis=0)):
            why = "subtract what the mean template adds: pictures.mean(0) - templates.mean(0) @ W"
        found = "zero" if _near(bias, np.zeros(len(bias))) else "wrong"
        ridge.expect(_near(bias, want_b), f"the weights are right, the bias is {found}", why)
        return
    ones, centred, of_x = np.column_stack([t, np.ones(len(t))]), t - t.mean(0), x - x.mean(0)
    penalty = strength * np.eye(t.shape[1])
    slips = {
        "the bias is penalised as well; take the means off first, then it goes free": (
            _solve(ones, x, strength, centre=False)[0][:-1]
        ),
        "the penalty is missing: add strength * np.eye(d) to T' T": _solve(t, x, 1e-9)[0],
        "take the means off templates and pictures first; without it the line must pass zero": (
            _solve(t, x, strength, centre=False)[0]
        ),
        "T' T is a sum over pairs, not a mean: add strength to it as it is": (
            _solve(t, x, strength * len(t))[0]
        ),
        "add strength itself, not its square": _solve(t, x, strength**2)[0],
        "take the mean off the templates on both sides of the equation": (
            np.linalg.solve(t.T @ t + penalty, centred.T @ of_x)
        ),
        "strength belongs on the diagonal only: strength * np.eye(d)": (
            np.linalg.solve(centred.T @ centred + strength, centred.T @ of_x)
        ),
    }
    off = float(np.abs(weights - want_w).max())
    raise ridge.wrong(
        f"at strength {strength:g} the weights are off by up to {off:.3f}",
        next(
            (why for why, slip in slips.items() if _near(weights, slip)),
            "solve (T' T + strength I) W = T' X for centred T and X",
        ),
    )


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
    groups = [pictures[identities == i] for i in (3, 7, 9)]
    parts = [np.square(g - g.mean(axis=0)) for g in groups]
    total, size = sum(p.sum() for p in parts), pictures.size
    between = np.concatenate([g * 0 + g.mean(0) for g in groups]) - pictures.mean(0)
    # Blocks of neighbouring rows, taken for one person each.
    blocks = np.split(pictures, np.cumsum([len(g) for g in groups])[:-1])
    identity_floor.compare(
        identity_floor.call(pictures, identities, returns="one number").number(),
        float(total / size),
        {
            "that is the mean of the people's means; people with more pictures count more": (
                np.mean([p.mean() for p in parts])
            ),
            "that is the distance to the mean of everybody; take the mean of each person": (
                np.square(pictures - pictures.mean(axis=0)).mean()
            ),
            "that divides by n - 1; here divide by pictures.size (the chapter corrects later)": (
                np.mean([g.var(axis=0, ddof=1).mean() for g in groups]),
                total / (8 * (len(pictures) - len(groups))),
            ),
            "take the mean picture (axis=0), not one mean colour for all pixels": (
                sum(np.square(g - g.mean()).sum() for g in groups) / size
            ),
            "that is the sum; divide by pictures.size": total,
            "divide by the number of values, not of pictures: pictures.size": total / len(pictures),
            "that is the distance between the people's means; the floor is what remains within a "
            "person": np.square(between).mean(),
            "that is the root; leave the square": np.sqrt(total / size),
            "that is the absolute error; take squares": (
                sum(np.abs(g - g.mean(axis=0)).sum() for g in groups) / size
            ),
            "these pictures are not sorted by person: select them with identities == person": (
                sum(np.square(g - g.mean(0)).sum() for g in blocks) / size
            ),
        },
        "each picture against its person's mean",
    )
    return f"mean squared error {total / size:.3f}: all that is not identity"
