"""Chapter 07: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import torch
from torch import nn

from nbnet_lib.course.losses import strength_at, wish

RIGHT, SLIPS = {}, {}

RIGHT["7.1"] = [
    lambda a, b: (a - b).abs().mean(),
    nn.L1Loss(),
    lambda a, b: torch.stack([(x - y).abs().mean() for x, y in zip(a, b, strict=True)]).mean(),
    lambda a, b: torch.sqrt((a - b) ** 2 + 1e-20).sum() / a.numel(),
]

SLIPS["7.1"] = [
    (lambda a, b: ((a - b) ** 2).mean(), "squared error"),
    (lambda a, b: (a - b).abs().sum(), "that is the sum"),
    (lambda a, b: (a - b).mean(), "cancel"),
    (lambda a, b: (a - b).mean().abs(), "cancel"),
    (lambda a, b: (a - b).abs().sum() / len(a), "not by the number of images"),
    (lambda a, b: (a - b).abs().mean().item(), "gradient"),
    (lambda a, b: (a - b).abs().detach().mean(), "gradient"),
    (lambda a, b: (a - b).abs(), "expected one number"),
]


def relative(a, b):
    return ((a - b) ** 2).mean() / (b**2).mean()


def over(made, wanted, part=relative):
    return [part(a, b) for a, b in zip(made, wanted, strict=True)]


def with_mse_loss(made, wanted):
    total = 0.0
    for a, b in zip(made, wanted, strict=True):
        total = total + nn.functional.mse_loss(a, b) / b.pow(2).mean().clamp_min(1e-8)
    return total / len(made)


def last_only(made, wanted):
    for a, b in zip(made, wanted, strict=True):
        part = relative(a, b)
    return part


def pooled(made, wanted):
    return torch.cat([(a - b).flatten() for a, b in zip(made, wanted, strict=True)]).square().mean()


RIGHT["7.2"] = [
    lambda m, w: torch.stack(over(m, w)).mean(),
    lambda m, w: sum(over(m, w)) / len(w),
    with_mse_loss,
    lambda m, w: sum((a - b).norm() ** 2 / b.norm() ** 2 for a, b in zip(m, w, strict=True)) / 3,
]

SLIPS["7.2"] = [
    (lambda m, w: sum(over(m, w, nn.functional.mse_loss)) / 3, "drowns the others"),
    (lambda m, w: sum(over(m, w)), "sum over the layers"),
    (lambda m, w: sum(over(w, m)) / 3, "not of made"),
    (
        lambda m, w: sum(over(m, w, lambda a, b: ((a - b) ** 2).mean() / b.var())) / 3,
        "mean square",
    ),
    (pooled, "do not pool"),
    (lambda m, w: over(m, w)[0], "first layer alone"),
    (last_only, "last layer alone"),
    (
        lambda m, w: sum(over(m, w, lambda a, b: ((a - b) ** 2).mean() / b.abs().mean())) / 3,
        "square the denominator",
    ),
    (lambda m, w: (sum(over(m, w)) / 3).item(), "gradient"),
    (lambda m, w: torch.stack(over(m, w)), "expected one number"),
]


def by_grid(loss, disturb, picture, wanted):
    strengths = torch.linspace(0, 1, 2001)
    values = torch.stack([loss(disturb(picture, float(a)), picture) for a in strengths])
    return strengths[(values - wanted).abs().argmin()]


def by_scipy(loss, disturb, picture, wanted):
    from scipy.optimize import brentq

    return brentq(lambda a: float(loss(disturb(picture, a), picture)) - wanted, 0, 1)


RIGHT["7.3"] = [strength_at, by_grid, by_scipy]


def halving(steps=20, turned=False):
    def strength_for(loss, disturb, picture, wanted):
        low, high = 0.0, 1.0
        for _ in range(steps):
            middle = (low + high) / 2
            if (loss(disturb(picture, middle), picture) < wanted) != turned:
                low = middle
            else:
                high = middle
        return middle

    return strength_for


def proportional(loss, disturb, picture, wanted):
    return wanted / float(loss(disturb(picture, 1.0), picture))


SLIPS["7.3"] = [
    (halving(turned=True), "end of the interval"),
    (halving(steps=5), "too coarse"),
    (lambda loss, d, p, wanted: wanted, "not proportional"),
    (proportional, "not proportional"),
    (lambda loss, d, p, wanted: 2.5, "between 0 and 1"),
    (lambda loss, d, p, wanted: 0.5 + 0 * wanted, "was wanted"),
]


def by_backward(loss, made, target):
    made = made.clone().requires_grad_()
    loss(made, target).backward()
    return -made.grad


def by_func(loss, made, target):
    return -torch.func.grad(loss)(made, target)


RIGHT["7.4"] = [wish, by_backward, by_func, lambda f, m, t: by_backward(f, m, t).numpy()]


def hoarding(loss, made, target):
    made.requires_grad_(True)
    loss(made, target).backward()
    return -made.grad.clone()


def stepping(loss, made, target):
    change = by_backward(loss, made, target)
    made += 0.1 * change
    return change


SLIPS["7.4"] = [
    (lambda f, m, t: -by_backward(f, m, t), "opposite direction"),
    (lambda f, m, t: -torch.func.grad(f, argnums=1)(m, t), "respect to target"),
    (lambda f, m, t: t - m, "difference of the pictures"),
    (lambda f, m, t: torch.zeros_like(m), "all zero"),
    (lambda f, m, t: by_backward(f, m, t).sign(), "only the sign"),
    (lambda f, m, t: by_backward(f, m, t) / len(m), "do not divide"),
    (lambda f, m, t: by_backward(f, m, t).mean(dim=1), "expected shape"),
    (lambda f, m, t: torch.autograd.grad(f(m, t), m)[0], "stopped with"),
    (hoarding, "second call"),
    (stepping, "made itself was changed"),
]
