"""Exercises of chapter 04: correct variants pass, typical slips get the right hint."""

import numpy as np
import pytest
import torch
from torch import nn


def test_pixel_loss(passes):
    passes(
        "10.1",
        lambda a, b: (a - b).abs().mean(),
        nn.L1Loss(),
        lambda a, b: torch.stack([(x - y).abs().mean() for x, y in zip(a, b, strict=True)]).mean(),
        lambda a, b: torch.sqrt((a - b) ** 2 + 1e-20).sum() / a.numel(),
    )


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda a, b: ((a - b) ** 2).mean(), "squared error"),
        (lambda a, b: (a - b).abs().sum(), "that is the sum"),
        (lambda a, b: (a - b).mean(), "cancel"),
        (lambda a, b: (a - b).mean().abs(), "cancel"),
        (lambda a, b: (a - b).abs().sum() / len(a), "not by the number of images"),
        (lambda a, b: (a - b).abs().mean().item(), "gradient"),
        (lambda a, b: (a - b).abs().detach().mean(), "gradient"),
        (lambda a, b: (a - b).abs(), "expected one number"),
    ],
)
def test_pixel_slips(answer, part, is_told):
    is_told("10.1", answer, part)


def step(order):
    """Return a training step whose lines run in the given order."""

    def training_step(decoder, templates, images, optimizer):
        loss = (decoder(templates) - images).abs().mean()
        for line in order:
            {"zero": optimizer.zero_grad, "back": loss.backward, "step": optimizer.step}[line]()
        return loss.item()

    return training_step


def after(decoder, templates, images, optimizer):
    step(["zero", "back", "step"])(decoder, templates, images, optimizer)
    return nn.functional.l1_loss(decoder(templates), images).item()


def by_hand(decoder, templates, images, optimizer):
    loss = nn.functional.l1_loss(decoder(templates), images)
    gradients = torch.autograd.grad(loss, list(decoder.parameters()))
    for p, g in zip(decoder.parameters(), gradients, strict=True):
        p.grad = g
    optimizer.step()
    return loss


def squared(decoder, templates, images, optimizer):
    loss = ((decoder(templates) - images) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_training_step(passes):
    passes("10.2", step(["zero", "back", "step"]), step(["back", "step", "zero"]), after, by_hand)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (step(["back", "step"]), "zero_grad"),
        (step(["zero", "back"]), "optimizer.step()"),
        (step(["zero", "step"]), "backward"),
        (step(["back", "zero", "step"]), "after zero_grad"),
        (squared, "pixel loss of 4.1"),
        (lambda decoder, t, i, optimizer: decoder(t), "expected one number"),
    ],
)
def test_training_slips(answer, part, is_told):
    is_told("10.2", answer, part)


def test_a_missing_return_is_told(is_told):
    def no_return(decoder, templates, images, optimizer):
        step(["zero", "back", "step"])(decoder, templates, images, optimizer)

    is_told("10.2", no_return, "return")


def masks(identities):
    same = identities[:, None] == identities[None, :]
    return same, np.eye(len(identities), dtype=bool)


def scores(originals, rebuilt, identities):
    every = rebuilt @ originals.T
    same, own = masks(identities)
    return every[own], every[same & ~own]


def loops(originals, rebuilt, identities):
    first = [float(r @ o) for r, o in zip(rebuilt, originals, strict=True)]
    second = []
    for i in range(len(rebuilt)):
        for j in range(len(originals)):
            if i != j and identities[i] == identities[j]:
                second.append(float(rebuilt[i] @ originals[j]))
    return first, second


def test_attack_scores(passes):
    passes("10.3", scores, loops, lambda o, r, i: ((o * r).sum(1), scores(o, r, i)[1][::-1]))


def variant(select):
    def attack_scores(originals, rebuilt, identities):
        same, own = masks(identities)
        return select(originals, rebuilt, rebuilt @ originals.T, same, own)

    return attack_scores


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (variant(lambda o, r, m, same, own: (m[own], m[same])), "belongs to type-I only"),
        (variant(lambda o, r, m, same, own: (m[own], m[~same])), "impostors"),
        (variant(lambda o, r, m, same, own: (m[own], m[~own])), "belong to no type"),
        (variant(lambda o, r, m, same, own: (m[same & ~own], m[own])), "swapped"),
        (variant(lambda o, r, m, same, own: (m, m[same & ~own])), "np.diag"),
        (variant(lambda o, r, m, same, own: (np.diag(r @ r.T), m[same & ~own])), "themselves"),
        (
            variant(lambda o, r, m, same, own: (m[own], np.triu(m)[np.triu(same & ~own)])),
            "two compar",
        ),
        (variant(lambda o, r, m, same, own: (m[own], (o @ o.T)[same & ~own])), "must be the recon"),
        (variant(lambda o, r, m, same, own: m[own]), "expected two values"),
    ],
)
def test_attack_slips(answer, part, is_told):
    is_told("10.3", answer, part)


RIGHT = {"A": True, "B": False, "C": True, "D": False, "E": True, "F": False}


def test_reading_sources(passes):
    passes("10.4", RIGHT, {k.lower(): int(v) for k, v in RIGHT.items()})


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (dict.fromkeys("ABCDEF", True), "3 of 6 right, look again at B"),
        (RIGHT | {"F": True}, "look again at F"),
        (RIGHT | {"C": None}, "no answer yet for C"),
        (RIGHT | {"A": "yes"}, "True or False"),
        (["A", "C"], "expected a dict"),
    ],
)
def test_source_slips(answer, part, is_told):
    is_told("10.4", answer, part)


def test_open_answers_are_not_attempted():
    from nbnet_lib.course.check import check

    assert check("10.4", dict.fromkeys("ABCDEF")).status == "not attempted"
