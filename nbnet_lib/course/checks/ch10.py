"""Checks of chapter 10, Train NbNet and attack."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from nbnet_lib.course.checks.base import (
    NotAttempted,
    Wrong,
    array,
    call,
    close,
    describe,
    exercise,
    number,
    pair,
    short,
)


@exercise(
    "10.1",
    "pixel loss",
    1,
    ["pixel_loss"],
    (
        "how far is each colour value off, on average, whatever the direction?",
        "(output - target).abs().mean()",
    ),
)
def _pixel(pixel_loss: Any) -> str:
    name = "pixel_loss"
    generator = torch.Generator().manual_seed(41)
    for scale in (1.0, 0.1):
        output = (torch.rand(4, 3, 8, 8, generator=generator) * 2 - 1) * scale
        target = (torch.rand(4, 3, 8, 8, generator=generator) * 2 - 1) * scale
        output.requires_grad_(True)
        difference = (output - target).detach()
        want = float(difference.abs().mean())
        raw = call(name, pixel_loss, output, target, returns="a number in a tensor")
        got = number(name, raw)
        if not close(got, want, 1e-5):
            if close(got, float((difference**2).mean()), 1e-5):
                why = "that is the squared error; take the absolute value"
            elif close(got, float(difference.abs().sum()), 1e-4):
                why = "that is the sum; the mean does not depend on the size of the picture"
            elif close(got, float(difference.mean()), 1e-5) or close(
                got, abs(float(difference.mean())), 1e-5
            ):
                why = "plus and minus cancel; take the absolute value of each difference first"
            elif close(got, float(difference.abs().sum() / len(difference)), 1e-4):
                why = "divide by the number of colour values, not by the number of images"
            else:
                why = "the mean of |output - target|"
            raise Wrong(name, f"expected {want:.4f}, got {short(got)}", why)
        if not isinstance(raw, torch.Tensor) or not raw.requires_grad:
            raise Wrong(
                name,
                "the value is right, but no gradient can flow back from it",
                "stay with tensors: no .item(), float(), .detach() or numpy",
            )
    return "mean absolute error, and gradients flow"


@exercise(
    "10.2",
    "one training step",
    2,
    ["training_step"],
    (
        "five lines: decode, loss, forget the old gradients, go backward, let the optimiser step",
        "loss = (decoder(templates) - images).abs().mean(); optimizer.zero_grad(); "
        "loss.backward(); optimizer.step(); return loss.item()",
    ),
)
def _step(training_step: Any) -> str:
    name = "training_step"
    templates, images, learner, optimizer = _tiny()
    twin_losses, twin = _twin_steps(zero=True)
    _, hoarder = _twin_steps(zero=False)
    losses = []
    for i in range(3):
        before = [p.detach().clone() for p in learner.parameters()]
        raw = call(name, training_step, learner, templates, images, optimizer, returns="the loss")
        losses.append(number(name, raw))
        moved = any(
            not torch.equal(a, b) for a, b in zip(before, learner.parameters(), strict=True)
        )
        if not moved:
            grads = any(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.parameters())
            why = (
                "call optimizer.step()"
                if grads
                else ("loss.backward() comes after zero_grad() and before optimizer.step()")
            )
            raise Wrong(name, "the decoder's weights did not change", why)
        if i == 0 and not close(losses[0], twin_losses[0], 1e-4):
            if close(losses[0], twin_losses[1], 1e-4):
                continue  # measured after the step: another honest choice
            raise Wrong(
                name,
                f"expected a loss of {twin_losses[0]:.4f}, got {short(losses[0])}",
                "return the pixel loss of 4.1 between decoder(templates) and images",
            )
    got = [p.detach() for p in learner.parameters()]

    def same(other: list[torch.Tensor]) -> bool:
        return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, other, strict=True))

    if same(twin):
        return "the loss falls " + " -> ".join(f"{x:.3f}" for x in losses)
    if same(hoarder):
        raise Wrong(
            name,
            "gradients of earlier steps were added up",
            "call optimizer.zero_grad() before loss.backward()",
        )
    raise Wrong(
        name,
        "the weights moved elsewhere than one step of the pixel loss moves them",
        "one backward() and one step() for each call, with the loss of 4.1",
    )


def _tiny() -> tuple[torch.Tensor, torch.Tensor, nn.Module, torch.optim.Optimizer]:
    generator = torch.Generator().manual_seed(42)
    templates = torch.randn(8, 4, generator=generator)
    images = torch.rand(8, 3, 2, 2, generator=generator) * 2 - 1
    decoder = nn.Sequential(nn.Linear(4, 12), nn.Unflatten(1, (3, 2, 2)))
    with torch.no_grad():
        for p in decoder.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return templates, images, decoder, torch.optim.SGD(decoder.parameters(), lr=0.5)


def _twin_steps(zero: bool) -> tuple[list[float], list[torch.Tensor]]:
    templates, images, decoder, optimizer = _tiny()
    losses = []
    for _ in range(3):
        if zero:
            optimizer.zero_grad()
        loss = (decoder(templates) - images).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach() for p in decoder.parameters()]


@exercise(
    "10.3",
    "type-I and type-II scores",
    3,
    ["attack_scores"],
    (
        "all cosines at once are reconstructed @ originals.T; entry (i, j) says how much "
        "reconstruction i is like original image j",
        "type-I is the diagonal; type-II is where identities[:, None] == identities[None, :], "
        "without the diagonal",
    ),
)
def _attack(attack_scores: Any) -> str:
    name = "attack_scores"
    rng = np.random.default_rng(43)
    identities = np.array([5, 5, 5, 8, 8, 8, 2, 2, 2])
    originals = _unit(rng.normal(size=(9, 16)))
    rebuilt = _unit(originals + 0.4 * rng.normal(size=(9, 16)))
    all_scores = rebuilt @ originals.T
    same = identities[:, None] == identities[None, :]
    own = np.eye(9, dtype=bool)
    want1, want2 = np.diag(all_scores), all_scores[same & ~own]
    raw = call(name, attack_scores, originals, rebuilt, identities, returns="(type1, type2)")
    first, second = pair(name, raw, "type1, type2")
    got1, got2 = (np.sort(array(name, part).ravel()) for part in (first, second))
    if not _equal(got1, want1):
        if _equal(got1, want2) and _equal(got2, want1):
            raise Wrong(name, "the two are swapped", "return type-I first")
        why = "compare reconstruction i with original image i and no other (np.diag)"
        if got1.size == 9 and _equal(got1, np.diag(rebuilt @ rebuilt.T)):
            why = "you compared reconstructions with themselves; compare them with originals"
        raise Wrong(
            name,
            f"type-I: expected {want1.size} scores of mean {want1.mean():.3f}, got "
            f"{got1.size} of mean {_mean(got1)}",
            why,
        )
    if not _equal(got2, want2):
        upper = np.triu(np.ones((9, 9), dtype=bool))
        if _equal(got2, all_scores[same]):
            why = "the very image that leaked belongs to type-I only; leave the diagonal out"
        elif _equal(got2, all_scores[~same]):
            why = "those are impostors; type-II is another image of the same person"
        elif _equal(got2, all_scores[~own]):
            why = "other people's images belong to no type; keep equal identities only"
        elif _equal(got2, all_scores[same & ~own & upper]):
            why = (
                "(i, j) and (j, i) are two comparisons here: reconstruction i with image j, and "
                "reconstruction j with image i"
            )
        elif _equal(got2, (originals @ originals.T)[same & ~own]):
            why = "that compares originals with originals; one side must be the reconstruction"
        else:
            why = "reconstruction i with every other image of the same person"
        raise Wrong(
            name,
            f"type-II: expected {want2.size} scores of mean {want2.mean():.3f}, got "
            f"{got2.size} of mean {_mean(got2)}",
            why,
        )
    return "9 images of 3 people give 9 type-I and 18 type-II scores"


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _equal(got: np.ndarray, want: np.ndarray) -> bool:
    return got.size == want.size and np.allclose(
        np.sort(got.ravel()), np.sort(want.ravel()), atol=1e-4
    )


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.3f}" if values.size else "nothing"


_SOURCES = {"A": True, "B": False, "C": True, "D": False, "E": True, "F": False}
_SOURCE_HINTS = {
    "A": "look at the type-II figure of the abstract",
    "B": "a number without a source: which page, table or abstract says it?",
    "C": "look at the FERET sentence of the abstract",
    "D": "which data sets does the abstract name?",
    "E": "an earlier version counts as a source too, if it is named as such",
    "F": "the abstract gives its LFW results at one FAR only; a number needs its FAR",
}


@exercise(
    "10.4",
    "reading sources",
    1,
    ["confirmed"],
    (
        "compare each statement with the box of confirmed results, number by number, and with its "
        "condition (data, type, FAR)",
        "three of the six can be found in the abstract (of one version or the other)",
    ),
)
def _sources(confirmed: Any) -> str:
    name = "confirmed"
    if confirmed is None or confirmed is ...:
        raise NotAttempted(f" ({name} is {confirmed})")
    if not isinstance(confirmed, dict):
        raise Wrong(name, f"expected a dict such as {{'A': True}}, got {describe(confirmed)}")
    answers = {str(key).upper(): value for key, value in confirmed.items()}
    if all(value is None or value is ... for value in answers.values()):
        raise NotAttempted(f" (every answer in {name} is open)")
    missing = [key for key in _SOURCES if answers.get(key) is None or answers[key] is ...]
    if missing:
        raise Wrong(name, f"no answer yet for {', '.join(missing)}", "True or False for each")
    strange = [key for key in _SOURCES if answers[key] not in (True, False)]
    if strange:
        raise Wrong(
            name, f"{strange[0]}: expected True or False, got {describe(answers[strange[0]])}"
        )
    wrong = [key for key, value in _SOURCES.items() if bool(answers[key]) != value]
    if wrong:
        right = len(_SOURCES) - len(wrong)
        raise Wrong(
            name,
            f"{right} of {len(_SOURCES)} right, look again at {wrong[0]}",
            _SOURCE_HINTS[wrong[0]],
        )
    return "a number counts when its source says it, with its condition"
