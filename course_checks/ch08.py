"""Checks of chapter 08, Faces without people."""

from __future__ import annotations

import numpy as np
import torch

from course_checks.base import Answer, close, exercise, short

FAKE, REAL = (0.0, 0.3), (0.7, 1.2)


@exercise(
    "8.1 ★★ the two losses",
    "three cross entropies, each with its own labels: pictures and drawings for the "
    "discriminator, drawings once more for the generator; which labels does it wish for?",
    "labels = torch.from_numpy(rng.uniform(0.7, 1.2, len(logits))).float(); "
    "F.binary_cross_entropy_with_logits(logits, labels); for drawings 0 to 0.3, and for the "
    "generator drawings with 0.7 to 1.2",
)
def _losses(gan_losses: Answer) -> str:
    n = 4000
    of = ("the discriminator's loss", "the generator's loss")
    slopes: dict[str, np.ndarray] = {}  # n times the slope of a loss: the key ends with the logit
    for level in (0, -30):
        logits = [torch.full((n,), float(level), requires_grad=True) for _ in range(2)]
        both = gan_losses.call(*logits, np.random.default_rng(81), returns="two losses")
        for part, what, who in zip(both.pair(", ".join(of)), of, "dg", strict=True):
            loss = Answer(what, part.value)
            loss.number()
            loss.expect(
                isinstance(loss.value, torch.Tensor) and loss.value.requires_grad,
                "no gradient can flow back from it",
                "stay with tensors: no .item(), float(), .detach() or numpy on the logits",
            )
            found = torch.autograd.grad(loss.value, logits, allow_unused=True, retain_graph=True)
            for kind, slope in zip(("real", "fake"), found, strict=True):
                slopes[f"{who}_{kind}{level}"] = np.zeros(n) if slope is None else n * slope.numpy()
    # The slope of a cross entropy is sigmoid(logit) - label: the labels can be read off.
    Answer("the generator's loss", None).expect(
        np.abs(slopes["g_real0"]).mean() <= 1e-6,
        "it depends on the logits of pictures",
        "the generator only made the drawings: take their logits alone",
    )
    for key, what, ends in (
        ("d_real", "the discriminator's loss on pictures", REAL),
        ("d_fake", "the discriminator's loss on drawings", FAKE),
        ("g_fake", "the generator's loss", REAL),
    ):
        _read_labels(what, slopes[f"{key}0"], slopes[f"{key}-30"], ends, is_generator=key[0] == "g")
    return "labels of pictures in 0.7 to 1.2, of drawings in 0 to 0.3, drawn anew for each"


def _read_labels(
    what: str, middle: np.ndarray, low: np.ndarray, ends: tuple[float, float], is_generator: bool
) -> None:
    """Recover the labels from the slopes at logits 0 and -30, and judge them."""
    expect = Answer(what, None).expect
    scale = float((middle - low).mean()) / 0.5  # sigmoid(0) - sigmoid(-30) is 0.5
    expect(abs(scale) >= 1e-6, "it does not depend on its logits as a cross entropy does")
    summed = close(scale, len(middle), 1e-2)
    expect(not summed, "that is a sum over the batch", "take the mean (the default)")
    # The mean of both halves instead of their sum is as good; both have half the slope then.
    # The two calls may have drawn other labels, so the scale found is near one of these, not equal.
    allowed = [1.0] if is_generator else [1.0, 0.5]
    exact = next((value for value in allowed if close(scale, value, 0.04)), None)
    expect(exact, f"its slopes are {short(scale)} times those of a mean cross entropy")
    labels = -low / (exact or 1.0)
    value = float(labels.mean())
    if close(value, round(value), 1e-3):
        hint = f"draw them from {ends[0]} to {ends[1]}: that is the authors' trick"
    else:
        hint = "draw one for each picture, len(logits)"
    expect(labels.std() >= 1e-3, f"every label is {round(value, 2):g}", hint)
    found = f"labels from {labels.min():.2f} to {labels.max():.2f}"
    why = "are the labels of drawings and pictures swapped?"
    if is_generator:
        why = "the generator wants its drawings to be taken for pictures"
    elif abs(value - np.mean(ends)) < 0.2:
        why = "look at the range again"
    inside = labels.min() >= ends[0] - 0.01 and labels.max() <= ends[1] + 0.01
    expect(inside, f"{found}, not {ends[0]} to {ends[1]}", why)
    wide = labels.max() - labels.min() >= 0.8 * (ends[1] - ends[0])
    expect(wide, f"{found} only", f"use the whole range, {ends[0]} to {ends[1]}")


@exercise(
    "8.2 ★★ has it collapsed?",
    "how far apart are two different drawings, on average? and two different pictures?",
    "torch.pdist(x).mean() is the mean distance of all pairs of different rows; divide that of "
    "the drawings by that of the pictures",
)
def _variety(variety: Answer) -> str:
    rng = np.random.default_rng(82)
    for n, m, spread in ((5, 9, 1.0), (12, 4, 0.3), (8, 8, 2.0)):
        drawn = (rng.normal(size=(n, 6)) * spread + rng.normal(size=6)).astype(np.float32)
        real = rng.normal(size=(m, 6)).astype(np.float32)
        want = _spread(drawn) / _spread(real)
        cross = np.linalg.norm(drawn[:, None] - real[None], axis=2).mean()
        variety.compare(
            variety.call(torch.from_numpy(drawn), torch.from_numpy(real)).number(),
            want,
            {
                "the ratio is upside down: drawings above, pictures below": 1 / want,
                "divide by the same number of the pictures: 1 then means as various": (
                    _spread(drawn)
                ),
                "the distance of a drawing to itself is 0 and tells nothing: leave it out": (
                    _spread(drawn, own=True) / _spread(real, own=True)
                ),
                "take the distance, not its square": (
                    _spread(drawn, power=2) / _spread(real, power=2)
                ),
                "that is the distance to the mean; take the distance of two drawings": (
                    _center(drawn) / _center(real)
                ),
                "that is the spread of values; take distances of whole rows": (
                    drawn.std() / real.std(),
                    drawn.std(0).mean() / real.std(0).mean(),
                ),
                "drawings against pictures does not show a collapse: compare drawings with "
                "drawings": (cross, cross / _spread(real)),
            },
            "mean distance of two different drawings, over that of two different pictures",
            tolerance=1e-3,
            case=f"{n} drawings, {m} pictures",
        )
    got = variety.call(torch.ones(4, 6), torch.from_numpy(real)).number()
    variety.compare(got, 0, {}, case="a generator that always draws the same", tolerance=1e-3)
    return "0 for a generator that draws one face, 1 for one as various as the pictures"


def _spread(x: np.ndarray, own: bool = False, power: int = 1) -> float:
    distances = np.linalg.norm(x[:, None].astype(float) - x[None], axis=2) ** power
    return float(distances.mean() if own else distances[~np.eye(len(x), dtype=bool)].mean())


def _center(x: np.ndarray) -> float:
    return float(np.linalg.norm(x - x.mean(0), axis=1).mean())


@exercise(
    "8.3 ★★ a walk on the sphere",
    "the straight line cuts through the sphere; go along the arc: what is the angle between "
    "the two, and which share of it is left at t?",
    "w = arccos(cosine of a and b); (sin((1 - t) w) a + sin(t w) b) / sin(w)",
)
def _slerp(slerp: Answer) -> str:
    rng = np.random.default_rng(83)
    a, b = rng.normal(size=50), rng.normal(size=50)
    length = np.linalg.norm(a)
    b *= length / np.linalg.norm(b)
    angle = np.arccos(a @ b / length**2)
    for t in (0.0, 1.0, 0.5, 0.25, 0.8):
        want = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
        got = slerp.call(a, b, t).array((50,)).astype(float)

        def same(other: np.ndarray, got: np.ndarray = got) -> bool:
            return np.allclose(got, other, atol=2e-3)

        if same(want):
            continue
        line = (1 - t) * a + t * b
        direction = line / np.linalg.norm(line)
        if not np.isfinite(got).all():
            why = "divide by sin(w), with w above 0"
        elif same(line):
            why = "that is the straight line: half way it is too short"
        elif same((np.sin(t * angle) * a + np.sin((1 - t) * angle) * b) / np.sin(angle)):
            why = "t = 0 is a, t = 1 is b"
        elif same(direction * length):
            why = "on the sphere, but not at an even pace: use angles"
        elif same(direction) or same(want / length):
            why = "keep the length of a and b: use unit vectors for the angle only"
        else:
            why = "is the angle that of the unit vectors, in radians?"
        expected, found = (f"length {short(float(np.linalg.norm(x)))}" for x in (want, got))
        raise slerp.wrong(f"at t = {t}: expected a vector of {expected}, got {found}", why)
    nearly = slerp.call(a, a.copy(), 0.5).array((50,))
    slerp.expect(
        np.allclose(nearly, a, atol=1e-2),
        "from a to a itself: expected a, got " + ("NaN" if np.isnan(nearly).any() else "other"),
        "sin(0) is 0: where the angle is tiny, the straight line will do",
    )
    return "same length all the way, and the angle grows evenly"


@exercise(
    "8.4 ★★★ does it copy?",
    "for each drawing: how far is its nearest training picture, and how far its nearest "
    "picture that was not trained on? how often is the first nearer?",
    "torch.cdist(drawn, training).min(dim=1).values against the same with held_out; the mean "
    "of first < second",
)
def _copies(share_nearer: Answer) -> str:
    rng = np.random.default_rng(84)
    # Cases in which nearest and mean distance, or the direction of the search, disagree.
    for n, m in ((16, 30), (40, 25), (10, 60)):
        drawn = rng.normal(size=(n, 3)).astype(np.float32) * 2
        training = rng.normal(size=(m, 3)).astype(np.float32) * 2 + 0.5
        held_out = rng.normal(size=(m, 3)).astype(np.float32) * 2
        held_out[0] += 4
        to_training = np.linalg.norm(drawn[:, None] - training[None], axis=2)
        to_held = np.linalg.norm(drawn[:, None] - held_out[None], axis=2)
        want = float((to_training.min(1) < to_held.min(1)).mean())
        tensors = [torch.from_numpy(x) for x in (drawn, training, held_out)]
        share_nearer.compare(
            share_nearer.call(*tensors, returns="a share").number(),
            want,
            {
                "that is the share that is nearer to the held-out pictures": 1 - want,
                "a share from 0 to 1, not percent": 100 * want,
                "that is how many; divide by the number of drawings": want * n,
                "the mean distance says nothing about a copy: take the nearest": (
                    to_training.mean(1) < to_held.mean(1)
                ).mean(),
                "search for each drawing, not for each picture: min over dim=1": (
                    to_training.min(0) < to_held.min(0)
                ).mean(),
                "take the nearest picture of each set first": (to_training < to_held).mean(),
            },
            "the share of drawings whose nearest training picture is the nearer one",
            tolerance=1e-6,
            case=f"{n} drawings",
        )
    return "0.5 is what a generator without memory gives, 1 what a copier gives"
