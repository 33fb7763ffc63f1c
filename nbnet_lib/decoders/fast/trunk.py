"""Blocks, ups and head of NbNet by the loops of `kernels`, and their gradients."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nbnet_lib.decoders.fast import kernels
from nbnet_lib.decoders.fast.kernels import Grid

if TYPE_CHECKING:
    from nbnet_lib.decoders.nbnet import NbNet

MAX_THREADS = 16  # each has its own sums of the kernels' gradients: memory
STRIP_FLOATS = 48_000  # of all channels of one strip: 192 kB, most of a core's own cache
SHORTEST_STRIP = 160  # in shorter ones, starting the loops takes a good part of the time
PENDING = object()  # the result of a thread that is at work


class Team:
    """Threads that do a layer together, each its share of the strips, and wait for each other.

    Between two layers they poll instead of sleeping: waking a thread takes longer than many a layer
    (a step at 160 px was 1.2 times as long). A pass is all that a team lives for.
    """

    def __init__(self) -> None:
        self.size = max(1, min(torch.get_num_threads(), MAX_THREADS))
        self._job: tuple[Any, ...] | None = ()  # a new one for each layer, None at the end
        self._threads = [Thread(target=self._help, args=(k,)) for k in range(1, self.size)]

    def __enter__(self) -> Team:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._job = None
        for thread in self._threads:  # also at Ctrl-C: nobody may still write when arrays are freed
            thread.join()

    def _help(self, member: int) -> None:
        job: tuple[Any, ...] | None = ()
        while True:
            while self._job is job:
                time.sleep(0)  # lets others run
            job = self._job
            if job is None:
                return
            function, shares, arguments, results = job
            if member < len(shares):
                try:
                    results[member] = function(shares[member], *arguments)
                except BaseException as error:
                    results[member] = error

    def run(self, function: Callable[..., Any], grid: Grid, *arguments: Any) -> list[Any]:
        """Return what ``function(share of grid, *arguments)`` returns in each thread, in order."""
        strips = -(-(grid.end - grid.begin) // grid.step)
        edges = [grid.begin + grid.step * (strips * k // self.size) for k in range(self.size)]
        shares = [
            grid._replace(begin=begin, end=end)
            for begin, end in zip(edges, [*edges[1:], grid.end], strict=True)
            if begin < end
        ]
        results: list[Any] = [PENDING] * len(shares)
        self._job = function, shares, arguments, results
        results[0] = function(shares[0], *arguments)
        while any(result is PENDING for result in results):
            time.sleep(0)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results


def make_grid(n: int, side: int, channels: int, up: bool) -> Grid:
    """Lay out ``n`` pictures of edge ``side``; ``up``: what follows is a de-convolution."""
    pitch = side + 1
    halo, count = pitch + 1, -(-n * pitch * pitch // 32) * 32
    step = max(SHORTEST_STRIP, STRIP_FLOATS // channels - 2 * halo) // 32 * 32
    mask = np.zeros(count + 2 * halo, np.float32)
    target = np.full(len(mask), -1, np.int32)
    pixels_of(mask, n, side)[:] = 1
    picture, y, x = np.ogrid[:n, :side, :side]
    wide = 2 * side + 1  # the next stage's pitch
    there = wide + 1 + (picture * wide + 2 * y) * wide + 2 * x
    pixels_of(target, n, side)[:] = there if up else (picture * side + y) * side + x
    return Grid(halo, halo + count, step, mask, target, pitch)


def pixels_of(rows: np.ndarray, n: int, side: int) -> np.ndarray:
    """Return a view of the pixels in rows [..., W]: [..., n, side, side]."""
    pitch = side + 1
    inner = rows[..., pitch + 1 : pitch + 1 + n * pitch * pitch]
    return inner.reshape(*rows.shape[:-1], n, pitch, pitch)[..., :side, :side]


def layers_of(net: NbNet, k: int) -> list[tuple[Any, Any]]:
    """Return (batch norm, convolution) of block ``k``, then of the de-convolution or head."""
    block: Any = net.blocks[k]
    up: Any = net.ups[k] if k < len(net.ups) else None
    last = (net.norm, net.head) if up is None else (up.norm, up.deconv)
    return [*((layer.norm, layer.conv) for layer in block.layers), last]


class Stage:
    """A block and the de-convolution or head behind it.

    Attributes:
        layers: see `layers_of`; ``first``: the first channel that each of them reads.
        inputs: channels that the block is given; channels: what it makes of them.
        affine: per layer float32 [4, C], its batch norm: a, b, mean and 1 / deviation.
    """

    def __init__(self, net: NbNet, k: int, n: int):
        self.layers = layers_of(net, k)
        self.up = k < len(net.ups)
        self.side = net.image_size >> (len(net.ups) - k)
        self.inputs, self.channels = (self.layers[i][0].num_features for i in (0, -1))
        # A layer reads the channels just before those that it makes: in a dense block all of them.
        norms = [norm for norm, _ in self.layers]
        self.first = [self.inputs + 8 * i - norm.num_features for i, norm in enumerate(norms)]
        self.grid = make_grid(n, self.side, self.channels, self.up)
        self.number = n * self.side**2
        self.affine: list[np.ndarray] = []

    def forward(self, team: Team, x: np.ndarray, training: bool, result: np.ndarray) -> None:
        """Make all channels from the first ones.

        Args:
            x: float32 [channels, W], the inputs first.
            result: the next stage's x, or the picture [pixels, 3]; written.
        """
        grid = self.grid
        mean, variance = np.empty((2, self.channels))

        def take(sums: list[np.ndarray], begin: int) -> None:
            """Note the statistics of the channels that were made last."""
            average, square = np.sum(sums, axis=0).T / self.number
            made = slice(begin, begin + len(average))
            mean[made], variance[made] = average, np.maximum(square - average**2, 0)

        if training:
            take(team.run(kernels.measure, grid, x, 0, self.inputs), 0)
        for i, ((norm, conv), first) in enumerate(zip(self.layers, self.first, strict=True)):
            if training:
                read = slice(first, first + norm.num_features)
                moments = mean[read], variance[read]
                _update_running(norm, *moments, self.number)
            else:
                moments = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
            affine = _affine(norm, *moments)
            self.affine.append(affine)
            weight = conv.weight.detach()
            if i < len(self.layers) - 1:
                made = self.inputs + 8 * i
                taps = _array(weight.permute(1, 2, 3, 0))
                sums = team.run(kernels.block_forward, grid, x, first, affine, taps, made)
                if training:
                    take(sums, made)
            elif self.up:
                taps, wide = _parities(weight), 2 * self.side + 1
                team.run(kernels.up_forward, grid, x, affine, taps, result, wide)
            else:
                team.run(kernels.head_forward, grid, x, affine, _array(weight.flatten(1)), result)

    def backward(
        self, team: Team, x: np.ndarray, training: bool, weights: list[Tensor], result: np.ndarray
    ) -> tuple[np.ndarray, list[Tensor]]:
        """Return the gradient of the inputs, in the first rows of [channels, W], and of parameters.

        Args:
            x: as `forward` left it.
            weights: the kernels of `layers`.
            result: gradient of what `forward` wrote there.
        """
        grid, g = self.grid, np.zeros_like(x)
        s1, s2 = np.zeros((2, self.channels))

        def correction(begin: int, count: int) -> np.ndarray:
            """Batch norm's own terms -s1 - (x - mean) / deviation * s2 as u * x + v: [u, v]."""
            of = slice(begin, begin + count)
            _, _, mean, inverse = self.affine[-1][:, of]  # of the last layer, which reads them all
            u = -inverse * s2[of]
            return np.stack([u, -s1[of] - u * mean]).astype(np.float32)

        gradients: list[Tensor] = []
        for i in range(len(self.layers) - 1, -1, -1):
            first, affine, weight = self.first[i], self.affine[i], weights[i].detach()
            if i < len(self.layers) - 1:
                made = self.inputs + 8 * i
                turned = _turned(weight).unflatten(1, (-1, 8)).permute(1, 0, 3, 4, 2)
                arguments = (x, g, (first, made), affine, _array(turned), correction(made, 8))
                shares = team.run(kernels.block_backward, grid, *arguments)
                found = torch.from_numpy(_total(shares, 0)).permute(3, 0, 1, 2)
            elif self.up:
                turned, wide = _parities_turned(weight), 2 * self.side + 1
                shares = team.run(kernels.up_backward, grid, x, g, affine, turned, result, wide)
                found = _from_parities(_total(shares, 0))
            else:
                taps = _array(weight.flatten(1))
                shares = team.run(kernels.head_backward, grid, x, g, affine, taps, result)
                found = torch.from_numpy(_total(shares, 0))[:, :, None, None]
            total, product = _total(shares, 1).T
            product *= affine[3]
            if training:
                read = slice(first, first + len(total))
                s1[read] += affine[0] * total / self.number
                s2[read] += affine[0] * product / self.number
            # A gradient gets the memory format of its parameter.
            norms = (torch.from_numpy(v).float() for v in (product, total))
            gradients = [*norms, torch.empty_like(weight).copy_(found), *gradients]
        team.run(kernels.finish_inputs, grid, x, g, correction(0, self.inputs))
        return g, gradients


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())


def _affine(norm: Any, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Batch norm as a * x + b: float32 [4, C] of a, b, mean and 1 / deviation."""
    inverse = 1 / np.sqrt(variance + norm.eps)
    gamma, beta = (p.detach().double().numpy() for p in (norm.weight, norm.bias))
    a = gamma * inverse
    return np.stack([a, beta - mean * a, mean, inverse]).astype(np.float32)


def _update_running(norm: Any, mean: np.ndarray, variance: np.ndarray, number: int) -> None:
    """Move the running statistics of a batch norm towards the batch's."""
    unbiased = variance * (number / (number - 1))
    norm.running_mean.lerp_(torch.from_numpy(mean).float(), norm.momentum)
    norm.running_var.lerp_(torch.from_numpy(unbiased).float(), norm.momentum)
    norm.num_batches_tracked += 1


def _total(shares: list[Any], i: int) -> np.ndarray:
    """Add up the threads' results, always in the same order."""
    total = shares[0][i]
    for share in shares[1:]:
        total += share[i]
    return total


def _turned(weight: Tensor) -> Tensor:
    """Turn kernels by 180 degrees; by numpy, since torch's own loops hang in a forked process."""
    return torch.from_numpy(weight.detach().numpy()[:, :, ::-1, ::-1].copy())


# A de-convolution 4x4 with stride 2 is four convolutions 2x2, one for each parity (r, s) of the
# output's row and column: neighbour (a, b) meets row 3 - r - 2a and column 3 - s - 2b.


def _parities(weight: Tensor) -> np.ndarray:
    """[C, outputs, 4, 4] -> [r, s, outputs / 8, C, a, b, 8]."""
    k = _turned(weight).unflatten(3, (2, 2)).unflatten(2, (2, 2)).unflatten(1, (-1, 8))
    return _array(k.permute(4, 6, 1, 0, 3, 5, 2))


def _from_parities(gradient: np.ndarray) -> Tensor:
    """The way back of `_parities`."""
    g = torch.from_numpy(gradient).permute(3, 2, 6, 4, 0, 5, 1)
    return g.flatten(5, 6).flatten(3, 4).flatten(1, 2).flip(2, 3)


def _parities_turned(weight: Tensor) -> np.ndarray:
    """[C, outputs, 4, 4] -> [r, s, C / 8, outputs, a, b, 8], from rows 1 - r + 2a."""
    k = weight.unflatten(3, (2, 2)).unflatten(2, (2, 2)).unflatten(0, (-1, 8)).flip(4, 6)
    return _array(k.permute(4, 6, 0, 2, 3, 5, 1))


class _Trunk(torch.autograd.Function):
    """Blocks, ups and head: [N, base_channels, stem, stem] -> [N, S, S, 3] before tanh."""

    @staticmethod
    def forward(ctx: Any, net: NbNet, keep: bool, x: Tensor, *parameters: Tensor) -> Tensor:
        n = len(x)
        image = torch.empty(n, net.image_size, net.image_size, 3)
        stages = [Stage(net, k, n) for k in range(len(net.blocks))]
        buffers = []
        buffer = torch.empty(stages[0].channels, len(stages[0].grid.mask))
        inputs = x.detach().transpose(0, 1).numpy()
        pixels_of(buffer.numpy(), n, stages[0].side)[: stages[0].inputs] = inputs
        with Team() as team:
            for stage, after in zip(stages, [*stages[1:], None], strict=True):
                rows = torch.empty(after.channels, len(after.grid.mask)) if after else image
                result = rows.numpy() if after else image.view(-1, 3).numpy()
                stage.forward(team, buffer.numpy(), net.training, result)
                if keep:
                    buffers.append(buffer)
                buffer = rows
        if keep:
            ctx.stages, ctx.training = stages, net.training
            ctx.save_for_backward(x, *buffers, *parameters)
        return image

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, *rest = ctx.saved_tensors
        buffers, parameters = rest[: len(ctx.stages)], rest[len(ctx.stages) :]
        if torch.is_grad_enabled():  # create_graph: derivatives of derivatives are wanted
            return None, None, *_differentiable(ctx, gradient, x, parameters)
        results: list[Tensor] = []
        result, weights = gradient.contiguous().view(-1, 3).numpy(), parameters[2::3]
        with Team() as team:
            for stage, buffer in zip(ctx.stages[::-1], buffers[::-1], strict=True):
                mine, weights = weights[-len(stage.layers) :], weights[: -len(stage.layers)]
                result, found = stage.backward(team, buffer.numpy(), ctx.training, mine, result)
                results = found + results
        stem = pixels_of(result, len(x), ctx.stages[0].side)[: ctx.stages[0].inputs]
        return None, None, torch.from_numpy(stem).transpose(0, 1), *results


def _differentiable(
    ctx: Any, gradient: Tensor, x: Tensor, parameters: list[Tensor]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: the readable network once more, in torch."""
    out, left = x, iter(parameters)
    for stage in ctx.stages:
        pieces = [out]
        for i, (norm, _) in enumerate(stage.layers):
            gamma, beta, weight = next(left), next(left), next(left)
            first = stage.first[i]
            source = torch.cat(pieces, dim=1)[:, first : first + norm.num_features]
            if ctx.training:
                z = F.batch_norm(source, None, None, gamma, beta, True, 0.0, norm.eps)
            else:
                mean, inverse = torch.from_numpy(stage.affine[i])[2:, :, None, None]
                z = (source - mean) * (inverse * gamma[:, None, None]) + beta[:, None, None]
            z = torch.relu(z)
            if i < len(stage.layers) - 1:
                pieces.append(F.conv2d(z, weight, padding=1))
            elif stage.up:
                out = F.conv_transpose2d(z, weight, stride=2, padding=1)
            else:
                out = F.conv2d(z, weight)
    wanted = ctx.needs_input_grad[2:]
    chosen = [t for t, want in zip([x, *parameters], wanted, strict=True) if want]
    image = out.permute(0, 2, 3, 1)
    found = iter(torch.autograd.grad(image, chosen, gradient, create_graph=True))
    return [next(found) if want else None for want in wanted]


def run_trunk(net: NbNet, x: Tensor) -> Tensor:
    """From the stem to the picture before tanh: float32 [N, C, s, s] -> [N, 3, S, S]."""
    layers = [layer for k in range(len(net.blocks)) for layer in layers_of(net, k)]
    parameters = [p for norm, conv in layers for p in (norm.weight, norm.bias, conv.weight)]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters))
    return _Trunk.apply(net, keep, x, *parameters).permute(0, 3, 1, 2)
