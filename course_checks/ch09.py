"""Checks of chapter 09, Training NbNet in full."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from course_checks.base import (
    Answer,
    check_choices,
    close,
    describe,
    exercise,
    is_unfinished,
    short,
)


@exercise(
    "9.1 ★★ one training step",
    "five lines: decode, loss, forget the old gradients, go backward, let the optimiser step",
    "loss = (decoder(templates) - images).abs().mean(); optimizer.zero_grad(); "
    "loss.backward(); optimizer.step(); return loss.item()",
)
def _step(training_step: Answer) -> str:
    expect, (templates, images, learner, optimizer) = training_step.expect, _tiny()
    twin_losses, twin = _twin_steps(zero=True)
    _, hoarder = _twin_steps(zero=False)
    losses = []
    for i in range(3):
        before = [p.detach().clone() for p in learner.parameters()]
        loss = training_step.call(learner, templates, images, optimizer, returns="the loss")
        losses.append(loss.number())
        grads = any(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.parameters())
        why = "loss.backward() comes after zero_grad() and before optimizer.step()"
        expect(
            any(not torch.equal(a, b) for a, b in zip(before, learner.parameters(), strict=True)),
            "the decoder's weights did not change",
            "call optimizer.step()" if grads else why,
        )
        # Measured before the step, or after it: both are honest.
        expect(
            i > 0 or close(losses[0], twin_losses[0]) or close(losses[0], twin_losses[1]),
            f"expected a loss of {twin_losses[0]:.4f}, got {short(losses[0])}",
            "return the pixel loss, the mean of |decoder(templates) - images|",
        )
    got = [p.detach() for p in learner.parameters()]

    def same(other: list[torch.Tensor]) -> bool:
        return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, other, strict=True))

    expect(
        not same(hoarder),
        "gradients of earlier steps were added up",
        "call optimizer.zero_grad() before loss.backward()",
    )
    expect(
        same(twin),
        "the weights moved elsewhere than one step of the pixel loss moves them",
        "one backward() and one step() for each call, with the mean absolute difference",
    )
    return "the loss falls " + " -> ".join(f"{x:.3f}" for x in losses)


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
    "9.2 ★ the schedule",
    "how many times has it been lowered before this update? updates are counted from 0",
    "2e-4 * 0.94 ** (update // 5000)",
)
def _schedule(learning_rate: Answer) -> str:
    for update in (0, 4999, 5000, 7500, 9999, 10_000, 100_000, 399_999):
        want, times = 2e-4 * 0.94 ** (update // 5000), update // 5000
        got = learning_rate.call(update).number()
        early = "the first 5,000 updates run at 2e-4: nothing is lowered yet"
        late = "update 4,999 is the last of the first 5,000: // instead of rounding"
        slips = {
            "it falls in stairs, not with every update: use //": 2e-4 * 0.94 ** (update / 5000),
            late if update else early: 2e-4 * 0.94 ** (times + 1),
            "each time by the factor 0.94, not by the same amount": 2e-4 * (1 - 0.06 * times),
            "it keeps 94 %, it does not lose them": 2e-4 * 0.06**times,
            "times 2e-4, the rate at the beginning": 0.94**times,
            "a power, not a product: 0.94 ** k": 2e-4 * 0.94 * times,
            "lowered every 5,000 updates, not with every one": 2e-4 * 0.94**update,
        }
        fitting = (why for why, slip in slips.items() if math.isclose(got, slip, rel_tol=1e-6))
        learning_rate.expect(
            math.isclose(got, want, rel_tol=1e-6),
            f"update {update:,}: expected {want:.3e}, got {got:.3e}",
            next(fitting, ""),
        )
    return "2.0e-4 at first, 1.88e-4 from update 5,000 on, and so down in stairs"


_PARTS = {
    "decoder": "the weights, with decoder.state_dict()",
    "optimizer": "Adam remembers two numbers for each weight: optimizer.state_dict()",
    "generator": "the next batches follow from it: generator.get_state()",
    "step": "the learning rate follows from it",
}


@exercise(
    "9.3 ★★★ what a checkpoint holds",
    "all that the next update looks at: weights, running statistics, Adam's two moments, "
    "where the random numbers stand, the step; and it must not change when training continues",
    'copy.deepcopy({"decoder": decoder.state_dict(), "optimizer": optimizer.state_dict(), '
    '"generator": generator.get_state(), "step": step})',
)
def _checkpoint(pack: Answer) -> str:
    decoder, optimizer, generator = run = _run()
    _train(*run, 3)
    then: tuple[Any, ...] = copy.deepcopy(_states(*run))
    state = pack.call(decoder, optimizer, generator, 3, returns="a dict").value
    pack.expect(isinstance(state, dict), f"expected a dict, got {describe(state)}")
    for key, why in _PARTS.items():
        pack.expect(state.get(key) is not None, f'"{key}" is missing', why)
    pack.expect(_same(_states(*run), then), "packing changed the run itself", "only read, and copy")
    _train(*run, 3)  # the run continues: the checkpoint must not
    fresh = _run()
    _restore(pack, state, *fresh)
    for key, got, want in zip(_PARTS, _states(*fresh), then, strict=False):
        if key == "optimizer":
            got, want = got["state"], want["state"]
        pack.expect(
            _same(got, want),
            f"{key}: it changed after it was packed",
            "state_dict() hands out the very tensors that training continues to change: "
            "copy.deepcopy them",
        )
    step = Answer(f'{pack.name}: "step"', state["step"]).number()
    pack.expect(step == 3, f"step: expected 3, got {describe(state['step'])}")
    _train(*fresh, 3)
    resumed = _same(fresh[0].state_dict(), decoder.state_dict())
    pack.expect(resumed, "the run that resumed from it ended with other weights")
    return "3 updates, a checkpoint, 3 more in a fresh process: equal to 6 in one go, bit for bit"


def _restore(pack: Answer, state: Any, decoder: Any, optimizer: Any, generator: Any) -> None:
    """Do what the chapter's `restore` does, and say which part cannot be read back."""
    for key, load, why in (
        ("decoder", decoder.load_state_dict, "give decoder.state_dict(): parameters() alone leaves "
         "out batch norm's running statistics"),
        ("optimizer", optimizer.load_state_dict, "give optimizer.state_dict()"),
        ("generator", generator.set_state, "give generator.get_state()"),
    ):  # fmt: skip
        try:
            load(state[key])
        except Exception as error:
            raise pack.wrong(f'"{key}" cannot be read back', why) from error


def _states(decoder: Any, optimizer: Any, generator: Any) -> tuple[Any, ...]:
    return decoder.state_dict(), optimizer.state_dict(), generator.get_state()


def _same(a: Any, b: Any) -> bool:
    """Compare nested states to the bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _run() -> tuple[nn.Module, torch.optim.Optimizer, torch.Generator]:
    """A small decoder with batch norm, Adam, and the generator that draws its batches."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(93)
        decoder = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6))
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.05)
    return decoder, optimizer, torch.Generator().manual_seed(93)


def _train(decoder: nn.Module, optimizer: Any, generator: torch.Generator, steps: int) -> None:
    for _ in range(steps):
        templates = torch.randn(16, 4, generator=generator)
        loss = (decoder(templates) - templates[:, [0, 1, 2, 3, 0, 1]]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


_WARD = {  # patient: diagnosis, and the hint for every other one
    "A": ("pairs shuffled", "the loss falls as far as one average face gets it, and the cosine "
          "stays near 0: what has the decoder not been able to learn?"),
    "B": ("healthy", "both losses fall together, and the cosine climbs"),
    "C": ("few people", "the loss on training pairs continues to fall, that on other people does "
          "not follow"),
    "D": ("rate too high", "it begins to fall and then gets stuck far up, or jumps"),
    "E": ("batch norm frozen", "fine while it trains, far off in evaluation mode: what differs "
          "between the two modes?"),
    "F": ("rate too low", "nothing is wrong with it, it only gets nowhere"),
}  # fmt: skip
ILLNESSES = sorted(illness for illness, _ in _WARD.values())


@exercise(
    "9.4 ★★ the ward",
    "look at the gap between the two losses first, then at where the cosine ends",
    "a gap that opens slowly: few people; a huge gap from the start: frozen statistics; no gap "
    "and no cosine: shuffled pairs; hardly any fall: rate too low; stuck high or jumping: too "
    "high",
)
def _ward(diagnosis: Answer) -> str:
    if is_unfinished(diagnosis.value):
        diagnosis = Answer(diagnosis.name, diagnosis.value())
    check_choices(
        diagnosis,
        {patient: (illness,) for patient, (illness, _) in _WARD.items()},
        ILLNESSES,
        lambda patient, illness: _WARD[patient][1],
        lambda value: " ".join(str(value).lower().replace("_", " ").split()),
    )
    return "six patients, six diagnoses"
