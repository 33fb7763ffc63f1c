"""Several processes that train as one (chapter 9).

``torchrun --nproc_per_node 2`` starts the same program twice. Each process takes its share of every
batch, and the result is to be that of one process (up to rounding). Four things see to it:

- the gradients are averaged (torch's DistributedDataParallel, which `accelerate` wraps around the
  decoder), with each share weighted by its pictures, as shares may differ by one;
- batch norm takes its statistics over the whole batch. `torch.nn.SyncBatchNorm` does that on GPUs
  only (it refuses others), so `WholeBatchNorm2d` does it here, on any device, in 20 lines;
- what the main process finds out (an evaluation) is sent to all of them;
- what any process notices (Ctrl-C) is known to all of them before the next update, so that none
  waits for another one that has left.

Two terms follow from each share and not from the batch: the scale of the loss "perceptual", and the
noise of the template consistency. With them several processes make another run of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from nbnet_lib.device import resolve_device
from nbnet_lib.errors import NbnetError

T = TypeVar("T")


class _Sum(torch.autograd.Function):
    """Add a tensor up over all processes; the gradient is added up in the same way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: D102
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]  # noqa: D102
        return _Sum.apply(gradient)


class WholeBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the pictures of all processes; the same values and running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] of this process -> the same shape, normalised over everybody's N."""
        if not self.training:
            return super().forward(x)
        wide = x.float()  # sums of bfloat16 would be coarse
        places = wide.new_tensor([x.shape[0] * x.shape[2] * x.shape[3]])
        total = _Sum.apply(torch.cat([wide.sum((0, 2, 3)), places]))
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = wide - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr, operator]
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            unbiased = variance * count / (count - 1)
            self.running_var.lerp_(unbiased, self.momentum)  # type: ignore[union-attr, arg-type]
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


@contextmanager
def whole_batch_norm(decoder: nn.Module, processes: int) -> Iterator[None]:
    """Let the decoder's batch norms look at the batch of all processes inside the block.

    Only the class of the layers changes, so weights, buffers and their names stay what they are.
    Of a decoder with a fast implementation the readable one is used: only that calls its layers.
    """
    if processes == 1:
        yield
        return
    norms = [m for m in decoder.modules() if type(m) is nn.BatchNorm2d]
    implementation = getattr(decoder, "implementation", None)
    for norm in norms:
        norm.__class__ = WholeBatchNorm2d
    if norms and implementation is not None:
        decoder.implementation = "readable"  # type: ignore[assignment]
    try:
        yield
    finally:
        for norm in norms:
            norm.__class__ = nn.BatchNorm2d
        if norms and implementation is not None:
            decoder.implementation = implementation


def accelerator_on(device: str) -> Accelerator:
    """Return what prepares networks and optimisers for ``device``, in float32.

    Asked by itself it would take a Mac's GPU, which the rest of the library does not use.
    """
    return Accelerator(cpu=resolve_device(device) == "cpu", mixed_precision="no")


def any_process(accelerator: Accelerator | None, flag: bool) -> bool:
    """Return whether ``flag`` is true in at least one process: the same answer in all of them."""
    if accelerator is None or accelerator.num_processes == 1:
        return flag
    raised = torch.tensor([float(flag)], device=accelerator.device)
    return bool(accelerator.reduce(raised, "sum") > 0)


def from_main(accelerator: Accelerator | None, value: T) -> T:
    """Return the main process's ``value`` in all processes."""
    if accelerator is None or accelerator.num_processes == 1:
        return value
    return broadcast_object_list([value])[0]


def parts_of_batch(rows: int, parts: int, accelerator: Accelerator) -> list[np.ndarray]:
    """Return the rows of this process's share of a batch, in ``parts`` of about the same size.

    Raises:
        NbnetError: there are not enough rows to give every process one for every piece.
    """
    processes = accelerator.num_processes
    if rows < processes * parts:
        raise NbnetError(
            f"a batch of {rows} is too small for {processes} processes with accumulate="
            f"{parts}: make it {processes * parts} at least"
        )
    return np.array_split(np.arange(accelerator.process_index, rows, processes), parts)


def require_same(accelerator: Accelerator, what: str, value: Any) -> None:
    """Raise where ``value`` is not the one that the main process has.

    Raises:
        NbnetError: it is another; it names ``what``.
    """
    main = from_main(accelerator, value)
    if main != value:
        raise NbnetError(
            f"process {accelerator.process_index} has another {what} than the main process "
            f"({value!r}, not {main!r}): all need the same settings, data and checkpoint folder"
        )
