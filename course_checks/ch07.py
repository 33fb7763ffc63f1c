"""Checks of chapter 07, What should the loss see?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from course_checks.base import Answer, close, exercise, short


@exercise(
    "7.1 ★ pixel loss",
    "how far is each colour value off, on average, whatever the direction?",
    "(output - target).abs().mean()",
)
def _pixel(pixel_loss: Answer) -> str:
    generator = torch.Generator().manual_seed(71)
    for scale in (1.0, 0.1):
        output = (torch.rand(4, 3, 8, 8, generator=generator) * 2 - 1) * scale
        target = (torch.rand(4, 3, 8, 8, generator=generator) * 2 - 1) * scale
        output.requires_grad_(True)
        difference = (output - target).detach()
        loss = pixel_loss.call(output, target, returns="a number in a tensor")
        pixel_loss.compare(
            loss.number(),
            float(difference.abs().mean()),
            {
                "that is the squared error; take the absolute value": difference.square().mean(),
                "that is the sum; the mean does not depend on the size of the picture": (
                    difference.abs().sum()
                ),
                "plus and minus cancel; take the absolute value of each difference first": (
                    difference.mean(),
                    -difference.mean(),
                ),
                "divide by the number of colour values, not by the number of images": (
                    difference.abs().sum() / len(difference)
                ),
            },
            "the mean of |output - target|",
            tolerance=1e-5,
        )
        _needs_gradient(loss)
    return "mean absolute error, and gradients flow"


def _needs_gradient(loss: Answer) -> None:
    loss.expect(
        isinstance(loss.value, torch.Tensor) and loss.value.requires_grad,
        "the value is right, but no gradient can flow back from it",
        "stay with tensors: no .item(), float(), .detach() or numpy",
    )


@exercise(
    "7.2 ★★ a feature distance",
    "layer by layer: the mean squared difference over the mean square of wanted; then the mean "
    "of these numbers",
    "parts.append((a - b).square().mean() / b.square().mean()) for each pair a, b; "
    "return torch.stack(parts).mean()",
)
def _features(feature_distance: Answer) -> str:
    generator = torch.Generator().manual_seed(72)
    shapes = [(2, 3, 8, 8), (2, 5, 4, 4), (2, 9, 2, 2)]
    scales = (1.0, 30.0, 0.2)  # layers of very different size, as in a real network
    wanted = [s * torch.randn(n, generator=generator) for n, s in zip(shapes, scales, strict=True)]
    errors = (0.5, 0.2, 0.9)
    made = [
        b + e * s * torch.randn(b.shape, generator=generator)
        for b, s, e in zip(wanted, scales, errors, strict=True)
    ]
    pairs = list(zip([a.clone() for a in made], wanted, strict=True))
    for one in made:
        one.requires_grad_(True)

    def mean_of(part: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        return float(sum(part(a, b) for a, b in pairs)) / len(pairs)

    relative = [float((a - b).square().mean() / b.square().mean()) for a, b in pairs]
    loss = feature_distance.call(made, wanted, returns="a number in a tensor")
    feature_distance.compare(
        loss.number(),
        sum(relative) / len(relative),
        {
            "the layer with large values drowns the others: divide each by b.square().mean()": (
                mean_of(lambda a, b: (a - b).square().mean())
            ),
            "that is the sum over the layers; return their mean": sum(relative),
            "divide by the mean square of wanted, not of made": (
                mean_of(lambda a, b: (a - b).square().mean() / a.square().mean())
            ),
            "divide by the mean square of wanted, not by its variance": (
                mean_of(lambda a, b: (a - b).square().mean() / b.var())
            ),
            "every layer counts once, however many values it has; do not pool the values": (
                torch.cat([(a - b).flatten() for a, b in pairs]).square().mean()
            ),
            "that is the first layer alone; average over all": relative[0],
            "that is the last layer alone; is the return inside the loop?": relative[-1],
            "take squares, not absolute values": (
                mean_of(lambda a, b: (a - b).abs().mean() / b.abs().mean())
            ),
            "squared difference over mean square: square the denominator, too": (
                mean_of(lambda a, b: (a - b).square().mean() / b.abs().mean())
            ),
        },
        "the mean over layers of (a - b)² over b², each averaged within its layer",
        tolerance=1e-3,
    )
    _needs_gradient(loss)
    return f"{len(shapes)} layers count alike, though their values differ by a factor of 150"


@exercise(
    "7.3 ★★ equal pixel loss",
    "keep an interval [low, high] that holds the answer; look at its middle; which half must "
    "hold it?",
    "middle = (low + high) / 2; if loss(disturb(picture, middle), picture) < wanted: low = "
    "middle, else: high = middle; 20 times",
)
def _strength(strength_for: Answer) -> str:
    picture = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(73)) - 0.5

    def absolute(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (made - target).abs().mean()

    def squared(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (made - target).square().mean()

    # (loss, disturbance, wanted, the strength at which it is reached)
    cases = [
        (absolute, lambda x, a: x + a, 0.3, 0.3),
        (absolute, lambda x, a: x + a**2, 0.04, 0.2),
        (squared, lambda x, a: x - 2 * a, 0.25, 0.25),
        (absolute, lambda x, a: x + a**0.5, 0.9, 0.81),
    ]
    for loss, disturb, wanted, want in cases:
        got = strength_for.call(loss, disturb, picture, wanted, returns="a strength").number()
        if close(got, want, 2e-3):
            continue
        reached = float(loss(disturb(picture, got), picture)) if 0 <= got <= 1 else float("nan")
        found = f"expected a strength of {want:.3f}, got {short(got)}"
        if not 0 <= got <= 1:
            why = "the strength lies between 0 and 1"
        elif got < 1e-3 or got > 1 - 1e-3:
            why = (
                "the search ran to an end of the interval: is the right half kept? While the loss "
                "is below wanted, more strength is needed"
            )
        elif close(got, wanted / float(loss(disturb(picture, 1.0), picture)), 1e-4):
            why = "the loss is not proportional to the strength; halve an interval instead"
        elif abs(got - want) < 0.07:
            why = f"near (the loss is {reached:.4f}, wanted {wanted:.4f}), but too coarse: 20 steps"
        else:
            why = f"there the loss is {reached:.4f}, and {wanted:.4f} was wanted"
        raise strength_for.wrong(found, why)
    return "the same pixel loss for every disturbance: now other losses can be compared"


@exercise(
    "7.4 ★★ what does it want?",
    "make the drawing a tensor that asks for a gradient, call the loss, and let autograd "
    "differentiate; mind the sign",
    "made = made.detach().clone().requires_grad_(True); "
    "(gradient,) = torch.autograd.grad(loss(made, target), made); return -gradient",
)
def _wanted(wanted_change: Answer) -> str:
    generator = torch.Generator().manual_seed(74)
    made = torch.rand(2, 3, 5, 5, generator=generator) * 2 - 1
    target = torch.rand(2, 3, 5, 5, generator=generator) * 2 - 1
    weights = torch.rand(3, 5, 5, generator=generator)

    def weighed(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (weights * (a - b).square()).sum() + 0.3 * a.mul(b).sum()  # not symmetric

    by_made = 2 * weights * (made - target) + 0.3 * target
    by_target = -2 * weights * (made - target) + 0.3 * made
    change = wanted_change.call(weighed, made, target, returns="a tensor like made")
    got = torch.as_tensor(change.array(tuple(made.shape)), dtype=torch.float32)

    def same(other: torch.Tensor) -> bool:
        return bool(torch.allclose(got, other, atol=1e-4))

    if same(-by_made):
        used = made.clone()  # `call` gives copies; here the very same tensor comes twice
        answers = [
            Answer(wanted_change.name, wanted_change.value(weighed, used, target)).array()
            for _ in range(2)
        ]
        kept = torch.equal(used.detach(), made)
        wanted_change.expect(kept, "made itself was changed", "return the change, do not make it")
        wanted_change.expect(
            np.allclose(answers[1], -by_made.numpy(), atol=1e-4),
            "the second call gives another answer",
            "gradients add up in made.grad: work on made.detach().clone()",
        )
        return "minus the gradient: one step this way and the loss falls"
    if same(by_made):
        why = "that is the gradient; the loss falls in the opposite direction"
    elif same(-by_target) or same(by_target):
        why = "that is with respect to target; the drawing is to change, not what is wanted"
    elif same(target - made):
        why = "that is the difference of the pictures; ask the loss, by autograd"
    elif not bool(got.any()):
        why = "all zero: the gradient was cut, or never computed"
    elif same(-torch.sign(by_made)):
        why = "that is only the sign; return the gradient as it is"
    elif same(-by_made / len(made)):
        why = "do not divide by the number of pictures"
    else:
        why = "minus torch.autograd.grad(loss(made, target), made)[0]"
    off = float((got + by_made).abs().max())
    raise wanted_change.wrong(f"off by up to {short(off)}", why)
