"""Chapter 05: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np
import torch
from torch.nn import functional

RIGHT, SLIPS = {}, {}


def by_torch(x, kernel, stride, padding):
    x, kernel = (torch.from_numpy(np.ascontiguousarray(a))[None, None] for a in (x, kernel))
    return functional.conv_transpose2d(x, kernel, stride=stride, padding=padding)[0, 0]


RIGHT["5.1"] = [
    lambda s, k, stride, p: (s - 1) * stride + k - 2 * p,
    lambda s, k, stride, p: by_torch(np.ones((s, s)), np.ones((k, k)), stride, p).shape[0],
    lambda s, k, stride, p: k + sum(stride for _ in range(s - 1)) - p - p,
]

SLIPS["5.1"] = [
    (lambda s, k, stride, p: (s + 2 * p - k) // stride + 1, "after a convolution"),
    (lambda s, k, stride, p: (s - 1) * stride + k, "smaller here"),
    (lambda s, k, stride, p: (s - 1) * stride + k - p, "both ends"),
    (lambda s, k, stride, p: (s - 1) * stride + k + 2 * p, "smaller here"),
    (lambda s, k, stride, p: s * stride + k - 2 * p, "size - 1 times"),
]


def stamped(x, kernel, stride, padding, add=True, crop=True, step=None):
    k, step = len(kernel), step or stride
    h, w = x.shape
    out = np.zeros(((h - 1) * stride + k, (w - 1) * stride + k))
    for r in range(h):
        for c in range(w):
            patch = out[r * step : r * step + k, c * step : c * step + k]
            patch[:] = (patch if add else 0) + x[r, c] * kernel
    return out[padding : out.shape[0] - padding, padding : out.shape[1] - padding] if crop else out


def by_matrix(x, kernel, stride, padding):
    """Build the matrix column by column, multiply, reshape."""
    columns = [stamped(e.reshape(x.shape), kernel, stride, padding) for e in np.eye(x.size)]
    matrix = np.stack([c.ravel() for c in columns], axis=1)
    return (matrix @ x.ravel()).reshape(columns[0].shape)


RIGHT["5.2"] = [stamped, by_torch, by_matrix]

SLIPS["5.2"] = [
    (lambda x, k, s, p: stamped(x, k, s, p, add=False), "add up"),
    (lambda x, k, s, p: stamped(x, k, s, p, crop=False), "cut `padding`"),
    (lambda x, k, s, p: stamped(x, k[::-1, ::-1], s, p), "turned by 180"),
    (lambda x, k, s, p: stamped(x, k.T, s, p), "kernel is transposed"),
    (lambda x, k, s, p: stamped(x.T, k, s, p), "exchanged"),
    (lambda x, k, s, p: x * k, "stopped with ValueError"),
    (lambda x, k, s, p: stamped(x, k, s, p, step=1), "row * stride, column * stride"),
    (lambda x, k, s, p: stamped(x, k, s, p, crop=False)[p:-p, p:-p], "[0:-0] is empty"),
    (lambda x, k, s, p: stamped(x, k, s, p, crop=False)[p:, p:], "both ends"),
    (lambda x, k, s, p: np.pad(stamped(x, k, s, p, crop=False), p), "does not add"),
    (lambda x, k, s, p: stamped(x, k, s, p)[None], "[H, W]"),
]


def layer_by_torch(x, w, stride, padding):
    x, w = (torch.from_numpy(np.ascontiguousarray(a)) for a in (x, w))
    return functional.conv_transpose2d(x[None], w, stride=stride, padding=padding)[0]


def layer(x, w, stride, padding, join=sum):
    pairs = [
        [stamped(x[i], w[i, o], stride, padding) for i in range(len(x))] for o in range(w.shape[1])
    ]
    return np.stack([join(parts) for parts in pairs])


def layer_of_stamps(x, w, stride, padding):
    """One stamp of all output channels at once."""
    _, h, width = x.shape
    k = w.shape[-1]
    out = np.zeros((w.shape[1], (h - 1) * stride + k, (width - 1) * stride + k))
    for r, c in np.ndindex(h, width):
        stamp = np.tensordot(x[:, r, c], w, axes=1)
        out[:, r * stride : r * stride + k, c * stride : c * stride + k] += stamp
    return out[:, padding : out.shape[1] - padding, padding : out.shape[2] - padding]


def exchanged(x, w, stride, padding):
    return layer(x, np.swapaxes(w, 0, 1), stride, padding) if w.shape[0] == w.shape[1] else layer(
        x, w, stride, padding
    )  # fmt: skip


def other_way_round(x, w, stride, padding):
    return np.stack([sum(stamped(x[i], w[o, i], stride, padding) for i in range(len(x)))
                     for o in range(w.shape[1])])  # fmt: skip


RIGHT["5.3"] = [
    layer_by_torch,
    layer,
    layer_of_stamps,
    lambda *a: [list(map(list, one)) for one in layer(*a)],
]

SLIPS["5.3"] = [
    (exchanged, "weight[i, o] goes from"),
    (lambda *a: layer(*a, join=lambda parts: sum(parts) / len(parts)), "do not average"),
    (lambda *a: layer(*a, join=lambda parts: parts[-1]), "only the last"),
    (lambda *a: layer(*a, join=lambda parts: parts[0]), "only the first"),
    (lambda *a: layer(*a, join=np.stack), "one axis goes"),
    (lambda *a: layer(*a).sum(axis=0), "np.stack"),
    (lambda *a: layer_by_torch(*a)[None], "no batch"),
    (lambda x, w, s, p: layer(x, w[..., ::-1, ::-1], s, p), "turned by 180"),
    (lambda x, w, s, p: layer(x, np.swapaxes(w, 0, 1), s, p), "as many outputs"),
    (other_way_round, "IndexError: index 2 is out of bounds"),
    (other_way_round, "so weight[i, o]"),
    (lambda x, w, s, p: layer(x, w[:, :2], s, p), "as many outputs"),
]

RIGHT["5.4"] = [
    lambda i, o, k: i * o * k**2,
    lambda i, o, k: sum(
        p.numel() for p in torch.nn.ConvTranspose2d(i, o, k, bias=False).parameters()
    ),
]

SLIPS["5.4"] = [
    (lambda i, o, k: i * o * k, "square"),
    (lambda i, o, k: i * o * k * k + o, "no bias"),
    (lambda i, o, k: (i + o) * k * k, "each pair"),
    (lambda i, o, k: i * o, "whole kernel"),
    (lambda i, o, k: i * o * k, "expected 1,638,400, got 327,680:"),
    (lambda i, o, k: i * o * k / 3, "got 109,226.6667:"),
]


def rows(maps):
    maps = np.asarray(maps)
    return np.moveaxis(maps, 1, 0).reshape(maps.shape[1], -1)


def by_hand(maps):
    flat = rows(maps)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat = flat / np.sqrt((flat**2).sum(axis=1, keepdims=True))
    return flat @ flat.T


RIGHT["5.5"] = [
    lambda maps: np.corrcoef(rows(maps)),
    lambda maps: torch.corrcoef(torch.as_tensor(maps).permute(1, 0, 2, 3).flatten(1)),
    lambda maps: torch.corrcoef(maps.transpose(0, 1).flatten(1)),
    by_hand,
    lambda maps: np.corrcoef(np.concatenate(list(np.asarray(maps)), axis=1).reshape(4, -1)),
]

SLIPS["5.5"] = [
    (lambda m: np.corrcoef(np.asarray(m).reshape(4, -1)), "mixes faces and channels"),
    (lambda m: np.abs(np.corrcoef(rows(m))), "keep the sign"),
    (lambda m: np.corrcoef(np.moveaxis(m, 1, 0).reshape(4, -1)), "np.asarray(maps)"),
    (lambda m: np.corrcoef(m.transpose(1, 0, 2, 3).reshape(4, -1)), "np.asarray(maps)"),
    (lambda m: np.corrcoef(rows(m)[:, 9999]), "stopped with IndexError"),
    (lambda m: np.corrcoef(rows(m)) ** 2, "squared"),
    (lambda m: np.cov(rows(m)), "not a correlation"),
    (lambda m: np.corrcoef(rows(m).T), "transpose"),
    (lambda m: np.corrcoef(np.asarray(m).reshape(len(m), -1)), "faces with faces"),
    (lambda m: np.corrcoef(np.asarray(m).mean(axis=0).reshape(4, -1)), "over the faces"),
    (lambda m: np.corrcoef(np.asarray(m).mean(axis=(2, 3)).T), "over the pixels"),
    (lambda m: np.corrcoef(np.asarray(m)[0].reshape(4, -1)), "first face"),
    (lambda m: np.stack([np.corrcoef(f.reshape(4, -1)) for f in np.asarray(m)]), "one matrix"),
    (
        lambda m: rows(m) @ rows(m).T / np.outer(*[np.linalg.norm(rows(m), axis=1)] * 2),
        "mean away",
    ),
]
