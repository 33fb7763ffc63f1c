"""Exercises of chapter 03: correct variants pass, typical slips get the right hint."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional


def by_torch(x, kernel, stride, padding):
    x, kernel = (torch.from_numpy(np.ascontiguousarray(a))[None, None] for a in (x, kernel))
    return functional.conv_transpose2d(x, kernel, stride=stride, padding=padding)[0, 0]


def test_size(passes):
    passes(
        "6.1",
        lambda s, k, stride, p: (s - 1) * stride + k - 2 * p,
        lambda s, k, stride, p: by_torch(np.ones((s, s)), np.ones((k, k)), stride, p).shape[0],
        lambda s, k, stride, p: k + sum(stride for _ in range(s - 1)) - p - p,
    )


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda s, k, stride, p: (s + 2 * p - k) // stride + 1, "after a convolution"),
        (lambda s, k, stride, p: (s - 1) * stride + k, "smaller here"),
        (lambda s, k, stride, p: (s - 1) * stride + k - p, "both ends"),
        (lambda s, k, stride, p: (s - 1) * stride + k + 2 * p, "smaller here"),
        (lambda s, k, stride, p: s * stride + k - 2 * p, "size - 1 times"),
    ],
)
def test_size_slips(answer, part, is_told):
    is_told("6.1", answer, part)


def stamped(x, kernel, stride, padding, add=True, crop=True):
    k = len(kernel)
    h, w = x.shape
    out = np.zeros(((h - 1) * stride + k, (w - 1) * stride + k))
    for r in range(h):
        for c in range(w):
            patch = out[r * stride : r * stride + k, c * stride : c * stride + k]
            patch[:] = (patch if add else 0) + x[r, c] * kernel
    return out[padding : out.shape[0] - padding, padding : out.shape[1] - padding] if crop else out


def by_matrix(x, kernel, stride, padding):
    """Build the matrix column by column, multiply, reshape."""
    columns = [stamped(e.reshape(x.shape), kernel, stride, padding) for e in np.eye(x.size)]
    matrix = np.stack([c.ravel() for c in columns], axis=1)
    return (matrix @ x.ravel()).reshape(columns[0].shape)


def test_transposed_conv(passes):
    passes("6.2", stamped, by_torch, by_matrix)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda x, k, s, p: stamped(x, k, s, p, add=False), "add up"),
        (lambda x, k, s, p: stamped(x, k, s, p, crop=False), "cut `padding`"),
        (lambda x, k, s, p: stamped(x, k[::-1, ::-1], s, p), "turned by 180"),
        (lambda x, k, s, p: stamped(x, k.T, s, p), "kernel is transposed"),
        (lambda x, k, s, p: stamped(x.T, k, s, p), "exchanged"),
        (lambda x, k, s, p: x * k, "stopped with ValueError"),
    ],
)
def test_transposed_slips(answer, part, is_told):
    is_told("6.2", answer, part)


def unit(channels):
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=1e-4),
        nn.ReLU(),
        nn.Conv2d(channels, 8, kernel_size=3, padding=1, bias=False),
    )


def block_class(forward, inputs=lambda channels, i: channels + 8 * i):
    class NbBlock(nn.Module):
        def __init__(self, channels, units):
            super().__init__()
            self.units = nn.ModuleList(unit(inputs(channels, i)) for i in range(units))

    NbBlock.forward = forward
    return NbBlock


def growing(self, x):
    for u in self.units:
        x = torch.cat([x, u(x)], dim=1)
    return x


def listed(self, x):
    made = [x]
    for u in self.units:
        made.append(u(torch.cat(made, 1)))
    return torch.cat(made, 1)


def newest_first(self, x):
    for u in self.units:
        x = torch.cat((u(x), x), dim=1)
    return x


def only_new(self, x):
    made = []
    for u in self.units:
        made.append(u(torch.cat([x, *made], dim=1)))
    return torch.cat(made, dim=1)


def only_last(self, x):
    for u in self.units:
        y = u(x)
    return torch.cat([x, y], dim=1)


def chain(self, x):
    y = x
    for u in self.units:
        y = u(y)
        x = torch.cat([x, y], dim=1)
    return x


def stale(self, x):
    made = [u(x) for u in self.units]
    return torch.cat([x, *made], dim=1)


def sequential(self, x):
    for u in self.units:
        x = u(x)
    return x


def activated(self, x):
    return torch.relu(growing(self, x))


def unfinished(self, x):
    return None  # your code


def test_block(passes):
    passes("6.3", *(block_class(f) for f in (growing, listed, newest_first)))


def test_an_unfinished_block():
    from nbnet_lib.course.check import check

    assert check("6.3", block_class(unfinished)).status == "not attempted"


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (block_class(only_new), "input belongs into the output"),
        (block_class(only_last, lambda c, i: c), "every earlier output"),
        (block_class(chain), "unit i must see"),
        (block_class(sequential), "unit i must see"),
        (block_class(chain, lambda c, i: c if i == 0 else 8), "does not see everything"),
        (block_class(stale, lambda c, i: c), "does not see everything"),
        (block_class(stale), "unit i must see"),
        (block_class(activated), "unchanged"),
        (block_class(lambda self, x: torch.cat([x, x], 0)), "dim=1"),
        (nn.Linear(2, 2), "expected a class"),
    ],
)
def test_block_slips(answer, part, is_told):
    is_told("6.3", answer, part)


def test_count(passes):
    def by_torch_modules(channels, units, growth):
        modules = [
            (nn.BatchNorm2d(c), nn.Conv2d(c, growth, 3, bias=False))
            for c in range(channels, channels + growth * units, growth)
        ]
        return sum(p.numel() for pair in modules for m in pair for p in m.parameters())

    def closed(channels, units, growth):
        return (2 + 9 * growth) * (units * channels + growth * units * (units - 1) // 2)

    passes("6.4", by_torch_modules, closed)


def seen(channels, units, growth):
    return [channels + growth * i for i in range(units)]


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda c, u, g: sum(9 * g * s for s in seen(c, u, g)), "batch norm has values"),
        (lambda c, u, g: sum(s * (2 + 9 * g) + g for s in seen(c, u, g)), "no bias"),
        (lambda c, u, g: u * c * (2 + 9 * g), "input grows"),
        (lambda c, u, g: (c + (u - 1) * g) * (2 + 9 * g), "NbNet-A"),
        (lambda c, u, g: sum(s * (4 + 9 * g) for s in seen(c, u, g)), "running mean"),
        (lambda c, u, g: sum(s * (2 + g) for s in seen(c, u, g)), "9 values"),
    ],
)
def test_count_slips(answer, part, is_told):
    is_told("6.4", answer, part)


def test_the_checks_numbers_are_the_librarys():
    from nbnet_lib.decoders import count_parameters, create_decoder

    first = create_decoder("nbnet-b", image_size=160).blocks[0]
    assert count_parameters(first) == 899_840
