"""The fast NbNet for CPUs: the same numbers as nbnet.py, with far fewer passes over memory.

`NbNet.forward` takes this path by itself where it applies (`fast_where.why_not_fast`); nbnet.py
stays the version to read, and is the reference of the tests. Weights and state_dict are the same.

What it saves: the readable version copies all channels at every concatenation, and reads and writes
them several times for every batch norm and ReLU; autograd keeps most of those copies until the
backward pass. Here each channel is written once, and everything else is made again when it is
needed, a strip at a time (fast_stage.py). The layout of pictures is explained in fast_kernels.py,
the inner loops are in fast_vector.py, the threads in fast_team.py. See chapter 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nbnet_lib.decoders.fast_layout import Stage, places, planes
from nbnet_lib.decoders.fast_stage import stage_backward, stage_forward
from nbnet_lib.decoders.fast_team import run_team

if TYPE_CHECKING:
    from nbnet_lib.decoders.nbnet import NbNet

MOST_THREADS = 16  # each has its own sums of the kernels' gradients: memory

_EMPTY3 = np.zeros((1, 1, 1), dtype=np.float32)
_EMPTY4 = np.zeros((1, 1, 1, 1), dtype=np.float32)


def _empty(*shape: int) -> np.ndarray:
    return np.empty(shape, dtype=np.float32)


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, dtype=np.float32)


def _scratch(stage: Stage, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    layout = stage.layout
    return (
        _empty(size, 6, layout.channels),
        _empty(size, layout.channels, layout.width),
        _empty(size, 2, 8, layout.strip),
    )


def _norms(stage: Stage) -> np.ndarray:
    """float32 [4, all layers' channels]: gamma, beta, running mean and variance."""
    norms = [norm for norm, _ in stage.modules]
    names = ("weight", "bias", "running_mean", "running_var")
    with torch.no_grad():
        return torch.stack([torch.cat([getattr(n, name) for n in norms]) for name in names]).numpy()


def _head(stage: Stage, kernel: Tensor) -> np.ndarray:
    """The head's kernel, [3 * C] (nothing for a stage that ends in a de-convolution)."""
    return np.empty(0, np.float32) if stage.up else kernel.reshape(-1).contiguous().numpy()


def _run_forward(
    stage: Stage, x: Tensor, following: Tensor | None, image: Tensor, training: bool, size: int
) -> tuple[Tensor, Tensor]:
    """Fill ``x`` and ``following`` (or ``image``); returns the batch's statistics and `_norms`."""
    layout, norms = stage.layout, _norms(stage)
    kernels = [conv.weight.detach() for _, conv in stage.modules]
    units = layout.units(len(x))
    parts = np.empty((len(units), layout.channels, 3))
    statistics = np.zeros((size, 2, layout.channels))
    run_team(
        stage_forward, size,
        x.numpy(), layout.mask, layout.side, layout.layers, places(kernels, None, stage.up),
        units, layout.inputs, training, stage.eps, norms, parts, statistics,
        *_scratch(stage, size), stage.up, stage.outputs, _head(stage, kernels[-1]),
        _EMPTY3 if following is None else following.numpy(),
        image.numpy() if following is None else _EMPTY4,
    )  # fmt: skip
    return torch.from_numpy(statistics[0]), torch.from_numpy(norms)


def _update_running(stage: Stage, statistics: Tensor, number: int) -> None:
    """Move the running statistics of every batch norm of a stage towards the batch's."""
    mean = statistics[0].float()
    variance = (statistics[1] * (number / (number - 1))).float()
    old, new = [], []
    norms = [norm for norm, _ in stage.modules]
    for norm, (first, channels, _, _) in zip(norms, stage.layout.layers, strict=True):
        old += [norm.running_mean, norm.running_var]
        new += [mean[first : first + channels], variance[first : first + channels]]
    torch._foreach_lerp_(old, new, norms[0].momentum)
    torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)


def _run_backward(
    stage: Stage, saved: list[Tensor], parameters: list[Tensor], following: np.ndarray,
    image: np.ndarray, training: bool, size: int,
) -> tuple[np.ndarray, list[Tensor]]:  # fmt: skip
    """Gradient of a stage's buffer, and of its parameters."""
    layout, (buffer, statistics, norms) = stage.layout, saved
    kernels = [p.detach() for p in parameters[2::3]]
    gradients = [torch.empty_like(kernel) for kernel in kernels]
    g = _empty(*buffer.shape)
    norm_gradient = _empty(2, layout.total)
    last_gradient = _zeros(size, kernels[-1].numel())
    run_team(
        stage_backward, size,
        buffer.numpy(), layout.mask, layout.side, layout.layers,
        places(kernels, gradients, stage.up), layout.units(len(buffer)), layout.inputs, training,
        stage.eps, norms.numpy(), statistics.numpy(), *_scratch(stage, size), stage.up,
        stage.outputs, _head(stage, kernels[-1]), following, image, g,
        np.zeros((size, layout.total, 2)), _zeros(size, 2, layout.channels),
        _empty(size, 8, layout.width), _empty(size, layout.strip, 8),
        _empty(size, 4 * stage.outputs if stage.up else 3, layout.width),
        _zeros(size, (layout.total - layout.channels) * 72), last_gradient, norm_gradient,
    )  # fmt: skip
    if not stage.up:
        gradients[-1] = torch.from_numpy(last_gradient.sum(axis=0)).view(kernels[-1].shape)
    gamma, beta = torch.from_numpy(norm_gradient)
    result: list[Tensor] = []
    for gradient, (_, channels, at, _) in zip(gradients, layout.layers, strict=True):
        here = slice(at, at + channels)
        result += [gamma[here], beta[here], gradient]
    return g, result


class _Trunk(torch.autograd.Function):
    """Blocks, ups and head: [N, base_channels, stem, stem] -> [N, S, S, 3] before tanh."""

    @staticmethod
    def forward(
        ctx: Any, net: NbNet, stages: list[Stage], keep: bool, x: Tensor, *parameters: Tensor
    ) -> Tensor:
        n, training = len(x), net.training
        size = max(1, min(torch.get_num_threads(), MOST_THREADS))
        layout = stages[0].layout
        buffer = planes(n, layout)
        given = buffer[:, : layout.inputs].zero_()[..., : layout.side * layout.pitch]
        given.unflatten(2, (layout.side, layout.pitch))[..., : layout.side] = x
        image = torch.empty(n, net.image_size, net.image_size, 3)
        saved: list[Tensor] = []
        for stage, after in zip(stages, [*stages[1:], None], strict=True):
            following = planes(n, after.layout) if after else None
            statistics, norms = _run_forward(stage, buffer, following, image, training, size)
            if training:
                _update_running(stage, statistics, n * stage.layout.side**2)
            if keep:
                saved += [buffer, statistics, norms]
            if following is not None:
                buffer = following
        ctx.stages, ctx.training, ctx.size, ctx.count = stages, training, size, len(saved)
        if keep:
            ctx.save_for_backward(*saved, x, *parameters)
        return image

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved, (x, *parameters) = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        if torch.is_grad_enabled():  # create_graph: derivatives of derivatives are wanted
            wanted = ctx.needs_input_grad[3:]
            return None, None, None, *_differentiable(ctx, gradient, saved, x, parameters, wanted)
        image, following = gradient.contiguous().numpy(), _EMPTY3
        results: list[Tensor] = []
        for k in range(len(ctx.stages) - 1, -1, -1):
            stage = ctx.stages[k]
            count = 3 * len(stage.modules)
            mine, parameters = parameters[-count:], parameters[:-count]
            following, found = _run_backward(
                stage, saved[3 * k : 3 * k + 3], mine, following,
                _EMPTY4 if stage.up else image, ctx.training, ctx.size,
            )  # fmt: skip
            results = found + results
        layout = ctx.stages[0].layout
        rows = torch.from_numpy(following[:, : layout.inputs, : layout.side * layout.pitch])
        stem = rows.unflatten(2, (layout.side, layout.pitch))[..., : layout.side]
        return None, None, None, stem, *results


def _differentiable(
    ctx: Any, gradient: Tensor, saved: Any, x: Tensor, parameters: list[Tensor], wanted: Any
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: the readable network once more, in torch."""
    out, place = x, 0
    for k, stage in enumerate(ctx.stages):
        norms = saved[3 * k + 2]
        layout, pieces = stage.layout, [out]
        for i, (first, channels, at, _) in enumerate(layout.layers):
            gamma, beta, kernel = parameters[place : place + 3]
            place += 3
            source = torch.cat(pieces, dim=1)[:, first : first + channels]
            mean, variance = (None, None) if ctx.training else norms[2:, at : at + channels]
            z = F.batch_norm(source, mean, variance, gamma, beta, ctx.training, 0.0, stage.eps)
            z = torch.relu(z)
            if i < len(layout.layers) - 1:
                pieces.append(F.conv2d(z, kernel, padding=1))
            elif stage.up:
                out = F.conv_transpose2d(z, kernel, stride=2, padding=1)
            else:
                out = F.conv2d(z, kernel)
    inputs = [x, *parameters]
    chosen = [tensor for tensor, want in zip(inputs, wanted, strict=True) if want]
    image = out.permute(0, 2, 3, 1)
    found = iter(torch.autograd.grad(image, chosen, gradient, create_graph=True))
    return [next(found) if want else None for want in wanted]


def fast_trunk(net: NbNet, x: Tensor) -> Tensor:
    """From the stem to the picture before tanh: float32 [N, C, s, s] -> [N, 3, S, S]."""
    stages = [Stage(net, k) for k in range(len(net.blocks))]
    parameters = [p for stage in stages for p in stage.parameters()]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters))
    return _Trunk.apply(net, stages, keep, x, *parameters).permute(0, 3, 1, 2)
