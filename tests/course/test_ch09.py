"""Exercises of chapter 09: correct variants pass, typical slips get the right hint."""

import copy
import io

import pytest
import torch
from torch import nn

from nbnet_lib.course.checking import check


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
    passes("9.1", step(["zero", "back", "step"]), step(["back", "step", "zero"]), after, by_hand)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (step(["back", "step"]), "zero_grad"),
        (step(["zero", "back"]), "optimizer.step()"),
        (step(["zero", "step"]), "backward"),
        (step(["back", "zero", "step"]), "after zero_grad"),
        (squared, "return the pixel loss"),
        (lambda decoder, t, i, optimizer: decoder(t), "expected one number"),
    ],
)
def test_training_slips(answer, part, is_told):
    is_told("9.1", answer, part)


def test_a_missing_return_is_told(is_told):
    def no_return(decoder, templates, images, optimizer):
        step(["zero", "back", "step"])(decoder, templates, images, optimizer)

    is_told("9.1", no_return, "return")


def with_a_loop(update):
    lr = 2e-4
    while update >= 5000:
        lr *= 0.94
        update -= 5000
    return torch.tensor(lr, dtype=torch.float64)


def test_schedule(passes):
    passes("9.2", lambda u: 2e-4 * 0.94 ** (u // 5000), with_a_loop)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda u: 2e-4 * 0.94 ** (u / 5000), "in stairs"),
        (lambda u: 2e-4 * 0.94 ** (u // 5000 + 1), "nothing is lowered yet"),
        (lambda u: 2e-4 * (1 - 0.06 * (u // 5000)), "by the factor"),
        (lambda u: 2e-4 * 0.06 ** (u // 5000), "keeps 94 %"),
        (lambda u: 0.94 ** (u // 5000), "times 2e-4"),
        (lambda u: 2e-4 * 0.94**u, "not with every one"),
        (lambda u: 2e-4 * 0.94 ** round(u / 5000), "last of the first 5,000"),
        (lambda u: 2e-4 * 0.94 * (u // 5000), "a power"),
        (lambda u: [2e-4, u], "expected one number"),
    ],
)
def test_schedule_slips(answer, part, is_told):
    is_told("9.2", answer, part)


def pack(decoder, optimizer, generator, step):
    return copy.deepcopy(
        {
            "decoder": decoder.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
            "step": step,
        }
    )


def through_a_file(decoder, optimizer, generator, step):
    file = io.BytesIO()
    torch.save(
        {
            "step": torch.tensor(step),
            "decoder": decoder.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
            "note": "more does no harm",
        },
        file,
    )
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_checkpoint(passes):
    passes("9.3", pack, through_a_file)


def without(key):
    return lambda *a: {k: v for k, v in pack(*a).items() if k != key}


def references(decoder, optimizer, generator, step):
    return {
        "decoder": decoder.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "step": step,
    }


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (without("decoder"), "decoder.state_dict()"),
        (without("optimizer"), "Adam remembers"),
        (without("generator"), "next batches"),
        (without("step"), "learning rate follows"),
        (references, "decoder: it changed after"),
        (lambda d, *a: references(d, *a) | {"decoder": pack(d, *a)["decoder"]}, "optimizer: it ch"),
        (
            lambda d, *a: pack(d, *a) | {"decoder": copy.deepcopy(dict(d.named_parameters()))},
            "running statistics",
        ),
        (lambda *a: pack(*a) | {"step": 0}, "expected 3"),
        (lambda *a: pack(*a) | {"generator": 7}, "get_state"),
        (lambda *a: list(pack(*a).values()), "expected a dict"),
    ],
)
def test_checkpoint_slips(answer, part, is_told):
    is_told("9.3", answer, part)


def test_packing_must_not_train(is_told):
    def spoils(decoder, optimizer, generator, step):
        state = pack(decoder, optimizer, generator, step)
        torch.randn(3, generator=generator)
        return state

    is_told("9.3", spoils, "changed the run itself")


RIGHT = {
    "A": "pairs shuffled",
    "B": "healthy",
    "C": "few people",
    "D": "rate too high",
    "E": "batch norm frozen",
    "F": "rate too low",
}


def test_ward(passes):
    passes("9.4", RIGHT, {k.lower(): v.upper().replace(" ", "_") for k, v in RIGHT.items()})


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (RIGHT | {"A": "healthy"}, "5 of 6 right, look again at A: the loss falls"),
        (RIGHT | {"C": "rate too high"}, "does not follow"),
        (RIGHT | {"E": None}, "no answer yet for E"),
        (RIGHT | {"B": "fine"}, "expected one of healthy"),
        (list(RIGHT.values()), "expected a dict"),
    ],
)
def test_ward_slips(answer, part, is_told):
    is_told("9.4", answer, part)


def test_open_answers_are_not_attempted():
    assert check("9.4", dict.fromkeys("ABCDEF")).status == "not attempted"
