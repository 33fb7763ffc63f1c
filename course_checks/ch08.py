"""Checks of chapter 08, Faces without people."""

from __future__ import annotations

import numpy as np
import torch

from course_checks.base import Answer, Wrong, close, exercise, number, short

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
    signed: dict[str, np.ndarray] = {}
    for level in (0.0, -30.0):
        real, fake = (torch.full((n,), level, requires_grad=True) for _ in range(2))
        raw = gan_losses.call(real, fake, np.random.default_rng(81), returns="two losses")
        losses = gan_losses.pair(raw, ", ".join(of))
        for loss, what in zip(losses, of, strict=True):
            number(what, loss)
            if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
                raise Wrong(
                    what,
                    "no gradient can flow back from it",
                    "stay with tensors: no .item(), float(), .detach() or numpy on the logits",
                )
        for loss, inputs, keys in (
            (losses[0], (real, fake), ("d_real", "d_fake")),
            (losses[1], (real, fake), ("g_real", "g_fake")),
        ):
            slopes = torch.autograd.grad(loss, inputs, allow_unused=True, retain_graph=True)
            for what, slope in zip(keys, slopes, strict=True):
                signed[f"{what}{level:.0f}"] = np.zeros(n) if slope is None else n * slope.numpy()
    # The slope of a cross entropy is sigmoid(logit) - label: the labels can be read off.
    if np.abs(signed["g_real0"]).mean() > 1e-6:
        raise Wrong(
            "the generator's loss",
            "it depends on the logits of pictures",
            "the generator only made the drawings: take their logits alone",
        )
    for key, what, ends in (
        ("d_real", "the discriminator's loss on pictures", REAL),
        ("d_fake", "the discriminator's loss on drawings", FAKE),
        ("g_fake", "the generator's loss", REAL),
    ):
        _read_labels(what, signed[f"{key}0"], signed[f"{key}-30"], ends, is_generator=key[0] == "g")
    return "labels of pictures in 0.7 to 1.2, of drawings in 0 to 0.3, drawn anew for each"


def _read_labels(
    what: str, middle: np.ndarray, low: np.ndarray, ends: tuple[float, float], is_generator: bool
) -> None:
    """Recover the labels from the slopes at logits 0 and -30, and judge them."""
    scale = float((middle - low).mean()) / 0.5  # sigmoid(0) - sigmoid(-30) is 0.5
    if abs(scale) < 1e-6:
        raise Wrong(what, "it does not depend on its logits as a cross entropy does")
    if close(scale, len(middle), 1e-2):
        raise Wrong(what, "that is a sum over the batch", "take the mean (the default)")
    # The mean of both halves instead of their sum is as good; both have half the slope then.
    # The two calls may have drawn other labels, so the scale found is near one of these, not equal.
    allowed = [1.0] if is_generator else [1.0, 0.5]
    exact = next((value for value in allowed if close(scale, value, 0.04)), None)
    if exact is None:
        raise Wrong(what, f"its slopes are {short(scale)} times those of a mean cross entropy")
    labels = -low / exact
    if labels.std() < 1e-3:
        value = float(labels.mean())
        if close(value, 1, 1e-3) or close(value, 0, 1e-3):
            found = f"every label is {value:.0f}"
            hint = f"draw them from {ends[0]} to {ends[1]}: that is the authors' trick"
        else:
            found, hint = f"every label is {value:.2f}", "draw one for each picture, len(logits)"
        raise Wrong(what, found, hint)
    if labels.min() < ends[0] - 0.01 or labels.max() > ends[1] + 0.01:
        why = "is it told the truth about drawings and pictures? labels seem swapped"
        if is_generator:
            why = "the generator wants its drawings to be taken for pictures"
        elif abs(labels.mean() - np.mean(ends)) < 0.2:
            why = "look at the range again"
        raise Wrong(
            what,
            f"labels from {labels.min():.2f} to {labels.max():.2f}, not {ends[0]} to {ends[1]}",
            why,
        )
    if labels.max() - labels.min() < 0.8 * (ends[1] - ends[0]):
        raise Wrong(
            what,
            f"labels from {labels.min():.2f} to {labels.max():.2f} only",
            f"use the whole range, {ends[0]} to {ends[1]}",
        )


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
        got = variety.number(variety.call(torch.from_numpy(drawn), torch.from_numpy(real)))
        if close(got, want, 1e-3):
            continue
        slips = {
            1 / want: "the ratio is upside down: drawings above, pictures below",
            _spread(drawn): "divide by the same number of the pictures: 1 then means as various",
            _spread(drawn, own=True) / _spread(real, own=True): (
                "the distance of a drawing to itself is 0 and tells nothing: leave those pairs out"
            ),
            _spread(drawn, power=2) / _spread(real, power=2): "take the distance, not its square",
            _center(drawn) / _center(real): (
                "that is the distance to the mean; take the distance of two drawings"
            ),
            drawn.std() / real.std(): "that is the spread of values; take distances of whole rows",
            float(drawn.std(0).mean() / real.std(0).mean()): (
                "that is the spread of values; take distances of whole rows"
            ),
        }
        cross = np.linalg.norm(drawn[:, None] - real[None], axis=2).mean()
        slips[float(cross)] = slips[float(cross / _spread(real))] = (
            "drawings against pictures does not show a collapse: compare drawings with drawings"
        )
        why = next((w for slip, w in slips.items() if close(got, float(slip), 1e-3)), "")
        raise variety.wrong(
            f"{n} drawings, {m} pictures: expected {want:.3f}, got {short(got)}",
            why or "mean distance of two different drawings, over that of two different pictures",
        )
    one_face = torch.ones(4, 6)
    got = variety.number(variety.call(one_face, torch.from_numpy(real)))
    if abs(got) > 1e-3:
        raise variety.wrong(f"a generator that always draws the same: expected 0, got {short(got)}")
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
    a = rng.normal(size=50)
    b = rng.normal(size=50)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    b += 0.0 * a
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    for t in (0.0, 1.0, 0.5, 0.25, 0.8):
        want = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
        got = slerp.array(slerp.call(a, b, t), (50,)).astype(float)
        if np.allclose(got, want, atol=2e-3):
            continue
        line = (1 - t) * a + t * b
        back = (np.sin(t * angle) * a + np.sin((1 - t) * angle) * b) / np.sin(angle)
        lengths = f"length {short(float(np.linalg.norm(got)))}"
        if not np.isfinite(got).all():
            why = "divide by sin(w), with w above 0"
        elif np.allclose(got, line, atol=2e-3):
            why = "that is the straight line: half way it is too short"
        elif np.allclose(got, back, atol=2e-3):
            why = "t = 0 is a, t = 1 is b"
        elif np.allclose(got, line / np.linalg.norm(line) * np.linalg.norm(a), atol=2e-3):
            why = "on the sphere, but not at an even pace: use angles"
        elif np.allclose(got, line / np.linalg.norm(line), atol=2e-3) or np.allclose(
            got, want / np.linalg.norm(a), atol=2e-3
        ):
            why = "keep the length of a and b: use unit vectors for the angle only"
        else:
            why = "is the angle that of the unit vectors, in radians?"
        expected = f"length {short(float(np.linalg.norm(want)))}"
        raise slerp.wrong(f"at t = {t}: expected a vector of {expected}, got {lengths}", why)
    nearly = slerp.array(slerp.call(a, a.copy(), 0.5), (50,))
    if not np.allclose(nearly, a, atol=1e-2):
        raise slerp.wrong(
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
        got = share_nearer.number(share_nearer.call(*tensors, returns="a share"))
        if close(got, want, 1e-6):
            continue
        slips = {
            1 - want: "that is the share that is nearer to the held-out pictures",
            100 * want: "a share from 0 to 1, not percent",
            want * n: "that is how many; divide by the number of drawings",
            float((to_training.mean(1) < to_held.mean(1)).mean()): (
                "the mean distance says nothing about a copy: take the nearest"
            ),
            float((to_training.min(0) < to_held.min(0)).mean()): (
                "search for each drawing, not for each picture: min over dim=1"
            ),
            float((to_training < to_held).mean()): "take the nearest picture of each set first",
        }
        why = next((w for slip, w in slips.items() if close(got, slip, 1e-6)), "")
        raise share_nearer.wrong(
            f"{n} drawings: expected {want:.3f}, got {short(got)}",
            why or "the share of drawings whose nearest training picture is the nearer one",
        )
    return "0.5 is what a generator without memory gives, 1 what a copier gives"
