"""Checks of chapter 06, The neighbourly network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nbnet_lib.course.checks.base import (
    NotAttempted,
    Wrong,
    array,
    call,
    describe,
    exercise,
    is_unfinished,
    number,
    one_line,
    short,
)


@exercise(
    "6.1",
    "size after a de-convolution",
    1,
    ["deconv_size"],
    (
        "the first input pixel stamps `kernel` output pixels; each further one moves the stamp by "
        "`stride`; padding then cuts both ends",
        "(size - 1) * stride + kernel - 2 * padding",
    ),
)
def _size(deconv_size: Any) -> str:
    name = "deconv_size"
    for size, kernel, stride, padding in (
        (1, 5, 1, 0),
        (5, 4, 2, 1),
        (7, 3, 2, 1),
        (4, 4, 2, 0),
        (6, 2, 3, 0),
        (10, 6, 2, 2),
    ):
        want = (size - 1) * stride + kernel - 2 * padding
        got = number(
            name,
            call(name, deconv_size, size, kernel, stride, padding, returns="a number of pixels"),
        )
        if got == want:
            continue
        told = (
            f"size {size}, kernel {kernel}, stride {stride}, padding {padding}: "
            f"expected {want}, got {short(got)}"
        )
        if got == (size + 2 * padding - kernel) // stride + 1:
            why = "that is the size after a convolution; a de-convolution goes the other way"
        elif got == size * stride:
            why = "true for kernel 4, stride 2, padding 1 only; count stamps in general"
        elif got == (size - 1) * stride + kernel - padding:
            why = "padding cuts both ends"
        elif got in ((size - 1) * stride + kernel, (size - 1) * stride + kernel + 2 * padding):
            why = "padding makes the output smaller here: it cuts `padding` pixels from each end"
        elif got == size * stride + kernel - 2 * padding:
            why = "the stamp moves size - 1 times, not size times"
        else:
            why = "(number of moves) x stride + one stamp - what padding cuts"
        raise Wrong(name, told, why)
    return "1 -> 5 -> 10 -> 20 -> 40 -> 80 -> 160"


@exercise(
    "6.2",
    "transposed convolution by hand",
    2,
    ["transposed_conv"],
    (
        "for every input pixel, add pixel * kernel to the patch of the output that starts at "
        "(row * stride, column * stride); cut the padding off at the end",
        "out[r*stride : r*stride + k, c*stride : c*stride + k] += x[r, c] * kernel, then "
        "out[padding : height - padding, padding : width - padding]",
    ),
)
def _transposed(transposed_conv: Any) -> str:
    name = "transposed_conv"
    rng = np.random.default_rng(32)
    for shape, k, stride, padding in (
        ((3, 4), 3, 2, 0),
        ((2, 2), 2, 2, 0),
        ((5, 5), 4, 2, 1),
        ((4, 3), 3, 1, 1),
    ):
        x, kernel = rng.normal(size=shape), rng.normal(size=(k, k))
        want = _reference(x, kernel, stride, padding)
        got = array(
            name, call(name, transposed_conv, x, kernel, stride, padding, returns="an array")
        )
        case = f"{list(shape)} input, {k}x{k} kernel, stride {stride}, padding {padding}"
        if got.shape != want.shape:
            why = "height and width each follow the rule of 3.1"
            if got.shape == _reference(x, kernel, stride, 0).shape:
                why = "cut `padding` rows and columns off every edge at the end"
            elif got.shape == want.shape[::-1]:
                why = "rows and columns are exchanged"
            raise Wrong(
                name, f"{case}: expected shape {list(want.shape)}, got {list(got.shape)}", why
            )
        if np.allclose(got, want, atol=1e-5):
            continue
        if np.allclose(got, _reference(x, kernel[::-1, ::-1], stride, padding), atol=1e-5):
            why = "the kernel is turned by 180 degrees; stamp it as it is"
        elif np.allclose(got, _reference(x, kernel.T, stride, padding), atol=1e-5):
            why = "the kernel is transposed; rows and columns are exchanged"
        elif np.allclose(got, _overwritten(x, kernel, stride, padding), atol=1e-5):
            why = "where stamps overlap they add up: use += and not ="
        else:
            why = "start from zeros and add x[r, c] * kernel for every input pixel"
        worst = float(np.abs(got - want).max())
        raise Wrong(
            name, f"{case}: right shape, but values differ from torch by up to {worst:.3f}", why
        )
    return "equals torch.nn.functional.conv_transpose2d"


def _reference(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
    out = functional.conv_transpose2d(
        torch.from_numpy(x)[None, None],
        torch.from_numpy(kernel.copy())[None, None],
        stride=stride,
        padding=padding,
    )
    return out[0, 0].numpy()


def _overwritten(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
    k = len(kernel)
    height, width = ((n - 1) * stride + k for n in x.shape)
    out = np.zeros((height, width))
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[r * stride : r * stride + k, c * stride : c * stride + k] = x[r, c] * kernel
    return out[padding : height - padding, padding : width - padding]


@exercise(
    "6.3",
    "a block of NbNet-B",
    3,
    ["NbBlock"],
    (
        "let x grow: each unit reads all channels there are and its 8 new ones are concatenated",
        "for unit in self.units: x = torch.cat([x, unit(x)], dim=1); then return x",
    ),
)
def _block(NbBlock: Any) -> str:  # noqa: N803
    name = "NbBlock"
    if NbBlock is None or NbBlock is ...:
        raise NotAttempted(f" ({name} is {NbBlock})")
    if not isinstance(NbBlock, type) or not issubclass(NbBlock, nn.Module):
        raise Wrong(name, f"expected a class made from nn.Module, got {describe(NbBlock)}")
    if is_unfinished(NbBlock.forward):
        raise NotAttempted(f" ({name}.forward only returns a constant)")
    for channels, units in ((40, 3), (32, 5), (8, 1)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(33)
            try:
                block = NbBlock(channels, units)
            except Exception as error:
                raise Wrong(
                    name,
                    f"NbBlock({channels}, {units}) stopped with {type(error).__name__}",
                    one_line(error),
                ) from error
            x = torch.randn(2, channels, 5, 5)
        _check_block(name, block.eval(), x, channels, units)
    return "every unit sees all that was made before it"


def _check_block(name: str, block: nn.Module, x: torch.Tensor, channels: int, units: int) -> None:
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []

    def record(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        inputs.append(args[0].detach().clone())
        outputs.append(output.detach().clone())

    hooks = [unit.register_forward_hook(record) for unit in block.units]  # type: ignore[union-attr]
    try:
        with torch.no_grad():
            got = call(f"{name}.forward", block.forward, x.clone(), returns="a tensor")
    except Wrong as wrong:
        # Which of its parts complains first (batch norm or convolution) is torch's affair.
        if "channels" in str(wrong) or "running_mean" in str(wrong):
            raise Wrong(
                f"{name}.forward",
                "a unit was given the wrong number of channels",
                "unit i must see the input and all i outputs before it: "
                f"{channels} + 8 * i channels",
            ) from wrong
        raise
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(got, torch.Tensor):
        raise Wrong(name, f"expected a tensor, got {describe(got)}")
    want = [2, channels + 8 * units, 5, 5]
    told = f"expected {want}, got {list(got.shape)}"
    if list(got.shape) != want:
        if got.ndim == 4 and got.shape[1] == 8 * units:
            why = "the block's input belongs into the output too"
        elif got.ndim == 4 and got.shape[1] == channels + 8:
            why = "are you concatenating every earlier output?"
        elif got.ndim == 4 and got.shape[1] == 8:
            why = "that is the last unit alone; concatenate its output to x (torch.cat)"
        else:
            why = "concatenate along the channels, dim=1"
        raise Wrong(name, told, why)
    if len(outputs) != units:
        raise Wrong(
            name,
            f"expected each of {units} units to run once, {len(outputs)} runs seen",
            "one pass over self.units",
        )
    if not _holds(got, x):
        raise Wrong(
            name,
            "the output does not hold the block's input unchanged",
            "concatenate; do not add, and leave activations to the units",
        )
    for i, output in enumerate(outputs):
        if not _holds(got, output):
            raise Wrong(name, f"the output of unit {i} is missing", "concatenate every output")
        for seen in outputs[:i]:
            if not _holds(inputs[i], seen):
                raise Wrong(
                    name,
                    f"unit {i} does not see everything that was made before it",
                    "give it the concatenation of the input and all earlier outputs",
                )


def _holds(big: torch.Tensor, small: torch.Tensor) -> bool:
    """Say whether every channel of ``small`` is among those of ``big``, in any order."""
    difference = (big[:, :, None] - small[:, None]).abs().amax(dim=(0, 3, 4))
    return bool((difference.amin(dim=0) < 1e-5).all())


@exercise(
    "6.4",
    "counting the values of a block",
    2,
    ["block_parameters"],
    (
        "unit i reads channels + growth * i channels; batch norm has 2 values for each channel it "
        "reads, the 3x3 convolution 9 for each channel it reads and each it makes; no biases",
        "sum((channels + growth * i) * (2 + 9 * growth) for i in range(units))",
    ),
)
def _count(block_parameters: Any) -> str:
    name = "block_parameters"
    for channels, units, growth in ((256, 32, 8), (16, 1, 8), (12, 5, 4)):
        seen = [channels + growth * i for i in range(units)]
        want = sum(c * (2 + 9 * growth) for c in seen)
        got = number(
            name, call(name, block_parameters, channels, units, growth, returns="a whole number")
        )
        if got == want:
            continue
        if got == sum(c * 9 * growth for c in seen):
            why = "batch norm has values too: a scale and a shift for each channel it reads"
        elif got == sum(c * (1 + 9 * growth) for c in seen):
            why = "batch norm has two values for each channel, scale and shift"
        elif got == sum(c * (4 + 9 * growth) for c in seen):
            why = "batch norm's running mean and variance are counted by no optimiser: leave them"
        elif got in (
            sum(c * (2 + 9 * growth) + growth for c in seen),
            sum(c * 9 * growth + growth for c in seen),
        ):
            why = "these convolutions have no bias"
        elif got == units * channels * (2 + 9 * growth):
            why = "the input grows: unit i reads channels + growth * i channels"
        elif got == channels * (2 + 9 * growth) + (units - 1) * growth * (2 + 9 * growth):
            why = "that is a block of NbNet-A; in B a unit sees everything before it"
        elif got == sum(c * (2 + growth) for c in seen):
            why = "a 3x3 convolution has 9 values for each pair of channels"
        else:
            why = "add up, unit by unit, 2 + 9 * growth values for each channel it reads"
        raise Wrong(
            name, f"{channels} channels, {units} units: expected {want:,}, got {short(got)}", why
        )
    return "899,840 in the first block of the paper's network"
