"""Chapter 09: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import copy
import io

import torch
from torch import nn

RIGHT, SLIPS, OPEN = {}, {}, {}


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


RIGHT["9.1"] = [step(["zero", "back", "step"]), step(["back", "step", "zero"]), after, by_hand]


def no_return(decoder, templates, images, optimizer):
    step(["zero", "back", "step"])(decoder, templates, images, optimizer)


SLIPS["9.1"] = [
    (no_return, "return"),
    (step(["back", "step"]), "zero_grad"),
    (step(["zero", "back"]), "optimizer.step()"),
    (step(["zero", "step"]), "backward"),
    (step(["back", "zero", "step"]), "after zero_grad"),
    (squared, "return the pixel loss"),
    (lambda decoder, t, i, optimizer: decoder(t), "expected one number"),
]


def with_a_loop(update):
    lr = 2e-4
    while update >= 5000:
        lr *= 0.94
        update -= 5000
    return torch.tensor(lr, dtype=torch.float64)


RIGHT["9.2"] = [lambda u: 2e-4 * 0.94 ** (u // 5000), with_a_loop]

SLIPS["9.2"] = [
    (lambda u: 2e-4 * 0.94 ** (u / 5000), "in stairs"),
    (lambda u: 2e-4 * 0.94 ** (u // 5000 + 1), "nothing is lowered yet"),
    (lambda u: 2e-4 * (1 - 0.06 * (u // 5000)), "by the factor"),
    (lambda u: 2e-4 * 0.06 ** (u // 5000), "keeps 94 %"),
    (lambda u: 0.94 ** (u // 5000), "times 2e-4"),
    (lambda u: 2e-4 * 0.94**u, "not with every one"),
    (lambda u: 2e-4 * 0.94 ** round(u / 5000), "last of the first 5,000"),
    (lambda u: 2e-4 * 0.94 * (u // 5000), "a power"),
    (lambda u: [2e-4, u], "expected one number"),
]


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


RIGHT["9.3"] = [pack, through_a_file]


def without(key):
    return lambda *a: {k: v for k, v in pack(*a).items() if k != key}


def references(decoder, optimizer, generator, step):
    return {
        "decoder": decoder.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "step": step,
    }


def spoils(decoder, optimizer, generator, step):
    state = pack(decoder, optimizer, generator, step)
    torch.randn(3, generator=generator)
    return state


SLIPS["9.3"] = [
    (spoils, "changed the run itself"),
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
]


WARD = {
    "A": "pairs shuffled",
    "B": "healthy",
    "C": "few people",
    "D": "rate too high",
    "E": "batch norm frozen",
    "F": "rate too low",
}

RIGHT["9.4"] = [WARD, {k.lower(): v.upper().replace(" ", "_") for k, v in WARD.items()}]

SLIPS["9.4"] = [
    (WARD | {"A": "healthy"}, "5 of 6 right, look again at A: the loss falls"),
    (WARD | {"C": "rate too high"}, "does not follow"),
    (WARD | {"E": None}, "no answer yet for E"),
    (WARD | {"B": "fine"}, "expected one of batch norm"),
    (list(WARD.values()), "expected a dict"),
]
OPEN["9.4"] = [dict.fromkeys("ABCDEF")]
