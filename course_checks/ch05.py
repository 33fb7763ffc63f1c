"""Checks of chapter 05, De-convolution from the inside."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from course_checks.base import Answer, Wrong, exercise


@exercise(
    "5.1 ★ size after a de-convolution",
    "the first input pixel stamps `kernel` output pixels; each further one moves the stamp by "
    "`stride`; padding then cuts both ends",
    "(size - 1) * stride + kernel - 2 * padding",
)
def _size(deconv_size: Answer) -> str:
    for size, kernel, stride, padding in (
        (1, 5, 1, 0),
        (5, 4, 2, 1),
        (7, 3, 2, 1),
        (4, 4, 2, 0),
        (6, 2, 3, 0),
        (10, 6, 2, 2),
    ):
        uncut = (size - 1) * stride + kernel
        deconv_size.compare(
            deconv_size.call(size, kernel, stride, padding, returns="a number of pixels").number(),
            uncut - 2 * padding,
            {
                "that is the size after a convolution; a de-convolution goes the other way": (
                    (size + 2 * padding - kernel) // stride + 1
                ),
                "true for kernel 4, stride 2, padding 1 only; count stamps in general": (
                    size * stride
                ),
                "padding cuts both ends": uncut - padding,
                "padding makes the output smaller here: it cuts `padding` pixels from each end": (
                    uncut,
                    uncut + 2 * padding,
                ),
                "the stamp moves size - 1 times, not size times": uncut + stride - 2 * padding,
            },
            "(number of moves) x stride + one stamp - what padding cuts",
            case=f"size {size}, kernel {kernel}, stride {stride}, padding {padding}",
        )
    return "1 -> 5 -> 10 -> 20 -> 40 -> 80 -> 160"


@exercise(
    "5.2 ★★ transposed convolution by hand",
    "for every input pixel, add pixel * kernel to the patch of the output that starts at "
    "(row * stride, column * stride); cut the padding off at the end",
    "out[r*stride : r*stride + k, c*stride : c*stride + k] += x[r, c] * kernel, then "
    "out[padding : height - padding, padding : width - padding]",
)
def _transposed(transposed_conv: Answer) -> str:
    rng = np.random.default_rng(32)
    for shape, k, stride, padding in (
        ((3, 4), 3, 2, 0),
        ((2, 2), 2, 2, 0),
        ((5, 5), 4, 2, 1),
        ((4, 3), 3, 1, 1),
    ):
        x, kernel = rng.normal(size=shape), rng.normal(size=(k, k))
        want = _reference(x[None], kernel[None, None], stride, padding)[0]
        got = transposed_conv.call(x, kernel, stride, padding, returns="an array").array()
        case = f"{list(shape)} input, {k}x{k} kernel, stride {stride}, padding {padding}"
        transposed_conv.expect(
            got.shape == want.shape,
            f"{case}: expected shape {list(want.shape)}, got {list(got.shape)}",
            _transposed_shape_hint(got.shape, want.shape, padding),
        )
        if np.allclose(got, want, atol=1e-5):
            continue
        if np.allclose(got, _stamped(x, kernel[::-1, ::-1], stride, padding), atol=1e-5):
            why = "the kernel is turned by 180 degrees; stamp it as it is"
        elif np.allclose(got, _stamped(x, kernel.T, stride, padding), atol=1e-5):
            why = "the kernel is transposed; rows and columns are exchanged"
        elif np.allclose(got, _stamped(x, kernel, stride, padding, add=False), atol=1e-5):
            why = "where stamps overlap they add up: use += and not ="
        elif np.allclose(got, _stamped(x, kernel, stride, padding, step=1), atol=1e-5):
            why = "the patch starts at (row * stride, column * stride)"
        else:
            why = "start from zeros and add x[r, c] * kernel for every input pixel"
        worst = float(np.abs(got - want).max())
        raise transposed_conv.wrong(
            f"{case}: right shape, but values differ from torch by up to {worst:.3f}", why
        )
    return "equals torch.nn.functional.conv_transpose2d"


def _reference(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Return torch's transposed convolution of x [in, H, W] with weight [in, out, k, k]."""
    weights = torch.from_numpy(np.ascontiguousarray(weight))
    out = functional.conv_transpose2d(torch.from_numpy(x)[None], weights, None, stride, padding)
    return out[0].numpy()


def _transposed_shape_hint(got: tuple[int, ...], want: tuple[int, ...], padding: int) -> str:
    more = [g - w for g, w in zip(got, want, strict=False)]  # pixels too many, along each edge
    if len(got) != 2:
        return "one channel in, one channel out: [H, W]"
    if 0 in got and padding == 0:
        return "without padding the slice [0:-0] is empty: cut from `padding` to `height - padding`"
    if padding and more == [2 * padding] * 2:
        return "cut `padding` rows and columns off every edge at the end"
    if padding and more == [padding] * 2:
        return "cut at both ends, not at one"
    if padding and more == [4 * padding] * 2:
        return "padding cuts here, it does not add"
    if got == want[::-1]:
        return "rows and columns are exchanged"
    return "height and width each follow the rule of 5.1"


def _stamped(
    x: np.ndarray, kernel: np.ndarray, stride: int, padding: int, add: bool = True, step: int = 0
) -> np.ndarray:
    """De-convolve by hand, with the slips of a learner: overwriting, or a step of its own."""
    k, step = len(kernel), step or stride
    height, width = ((n - 1) * stride + k for n in x.shape)
    out = np.zeros((height, width))
    for r, c in np.ndindex(*x.shape):
        patch = out[r * step : r * step + k, c * step : c * step + k]
        patch[:] = (patch if add else 0) + x[r, c] * kernel
    return out[padding : height - padding, padding : width - padding]


@exercise(
    "5.3 ★★ channels add up",
    "for one output channel: de-convolve each input channel i with weight[i, o] and add the "
    "results; then the next output channel; stack them at the end",
    "np.stack([sum(library_conv(x[i], weight[i, o], stride, padding) for i in range(len(x))) "
    "for o in range(weight.shape[1])])",
)
def _layer(deconv_layer: Answer) -> str:
    rng = np.random.default_rng(53)
    # Equal numbers of channels last: exchanging them is then no error of shape.
    for shape, out, k, stride, padding in (
        ((2, 3, 4), 3, 4, 2, 1),
        ((4, 2, 2), 1, 3, 2, 0),
        ((1, 3, 3), 2, 3, 1, 1),
        ((3, 3, 3), 3, 4, 2, 1),
    ):
        x, weight = rng.normal(size=shape), rng.normal(size=(shape[0], out, k, k))
        want = _reference(x, weight, stride, padding)
        try:
            got = deconv_layer.call(x, weight, stride, padding, returns="an array").array()
        except Wrong as wrong:
            if isinstance(wrong.__cause__, IndexError):
                raise Wrong(str(wrong), "the order is [in, out, k, k], so weight[i, o]") from wrong
            raise
        case = f"input {list(shape)}, weight {list(weight.shape)}"
        deconv_layer.expect(
            got.shape == want.shape,
            f"{case}: expected {list(want.shape)}, got {list(got.shape)}",
            _layer_shape_hint(got.shape, shape[0], want.shape),
        )
        if np.allclose(got, want, atol=1e-4):
            continue
        swapped = np.swapaxes(weight, 0, 1) if shape[0] == out else weight
        pairs = [
            [_stamped(x[i], weight[i, o], stride, padding) for i in range(len(x))]
            for o in range(out)
        ]
        slips = {
            "weight is [in, out, k, k]: weight[i, o] goes from input i to output o": (
                _reference(x, swapped, stride, padding)
            ),
            "input channels add up; do not average them": np.mean(pairs, axis=1),
            "only the last input channel arrived: add (+=) instead of assigning": (
                np.stack([p[-1] for p in pairs])
            ),
            "only the first input channel arrived: is the `return` inside the loop?": (
                np.stack([p[0] for p in pairs])
            ),
            "the kernels are turned by 180 degrees; stamp them as they are": (
                _reference(x, weight[..., ::-1, ::-1], stride, padding)
            ),
        }
        raise deconv_layer.wrong(
            f"{case}: right shape, but values differ by up to {np.abs(got - want).max():.3f}",
            _hint_of(
                got, slips, "output[o] is the sum over i of transposed_conv(x[i], weight[i, o])"
            ),
        )
    return "equals torch.nn.functional.conv_transpose2d with several channels"


def _hint_of(got: np.ndarray, slips: dict[str, np.ndarray], otherwise: str) -> str:
    """Return the hint of the slip that gives ``got``."""
    fitting = (why for why, slip in slips.items() if np.allclose(got, slip, atol=1e-4))
    return next(fitting, otherwise)


def _layer_shape_hint(got: tuple[int, ...], inputs: int, want: tuple[int, ...]) -> str:
    if len(got) == 2:
        return "one picture for each output channel: collect them and np.stack them"
    if len(got) == 4 and got[0] == 1 and got[1:] == want:
        return "there is no batch here: take [0]"
    if len(got) == 4:
        return "add up over the input channels, so that one axis goes"
    if len(got) == 3 and got[1:] == want[1:] and got[0] == inputs:
        return "there are as many outputs as weight.shape[1], not as inputs"
    if len(got) == 3 and got[1:] == want[1:]:
        return "weight is [in, out, k, k]: loop over weight.shape[1] outputs and add over inputs"
    return "height and width each follow the rule of 5.1"


@exercise(
    "5.4 ★ values of a layer",
    "one kernel of kernel x kernel values for each pair of an input and an output channel",
    "channels_in * channels_out * kernel * kernel",
)
def _values(deconv_values: Answer) -> str:
    for inputs, outputs, kernel in ((128, 512, 5), (512, 256, 4), (3, 7, 2)):
        square = kernel**2
        deconv_values.compare(
            deconv_values.call(inputs, outputs, kernel, returns="a number").number(),
            inputs * outputs * square,
            {
                "a kernel is a square: kernel * kernel values": inputs * outputs * kernel,
                "these layers have no bias": inputs * outputs * square + outputs,
                "there is a kernel for each pair of channels, in times out": (
                    inputs * square,
                    outputs * square,
                    (inputs + outputs) * square,
                ),
                "each pair of channels has a whole kernel, not one value": inputs * outputs,
            },
            "pairs of channels times the values of a kernel",
            tolerance=1e-9,
            case=f"{inputs} -> {outputs} channels, kernel {kernel}",
        )
    return "every pair of channels has its own kernel"


@exercise(
    "5.5 ★★ correlation of channels",
    "bring the channels to the front (np.moveaxis), make each one long row, and correlate the "
    "rows (np.corrcoef)",
    "flat = np.moveaxis(np.asarray(maps), 1, 0); np.corrcoef(flat.reshape(len(flat), -1))",
)
def _correlation(channel_correlation: Answer) -> str:
    rng = np.random.default_rng(55)
    maps = rng.normal(size=(6, 4, 5, 3))
    maps[:, 1] = 0.5 * maps[:, 0] + 3  # a copy, at another brightness
    maps[:, 2] -= 2 * maps[:, 3]
    rows = np.moveaxis(maps, 1, 0).reshape(4, -1)
    want, unit = np.corrcoef(rows), rows / np.linalg.norm(rows, axis=1, keepdims=True)
    try:
        got = channel_correlation.call(torch.from_numpy(maps), returns="a matrix").array()
    except Wrong as wrong:
        if isinstance(wrong.__cause__, TypeError):  # numpy's functions at work on a tensor
            why = "`maps` is a tensor; np.asarray(maps) makes it numpy"
            raise Wrong(str(wrong), why) from wrong
        raise
    channel_correlation.expect(
        got.shape == want.shape,
        f"maps [6, 4, 5, 3]: expected shape [4, 4], got {list(got.shape)}",
        _correlation_shape_hint(got.shape),
    )
    if np.allclose(got, want, atol=1e-4):
        return "1 for a copy, whatever its brightness and contrast"
    slips = {
        "reshape alone mixes faces and channels: bring the channel axis to the front first": (
            np.corrcoef(maps.reshape(4, -1))
        ),
        "keep the sign; the summaries below take the absolute value": np.abs(want),
        "that is squared: keep r itself": want**2,
        "do not average over the faces: all pixels of all faces count": (
            np.corrcoef(maps.mean(axis=0).reshape(4, -1))
        ),
        "do not average over the pixels: all pixels of all faces count": (
            np.corrcoef(maps.mean(axis=(2, 3)).T)
        ),
        "that is the first face alone: all faces count": np.corrcoef(maps[0].reshape(4, -1)),
        "take each channel's mean away first: a correlation ignores brightness": unit @ unit.T,
    }
    otherwise = "one row of all pixels of all faces for each channel, then np.corrcoef"
    if not np.allclose(np.diag(got), 1, atol=1e-3):
        otherwise = (
            "that is not a correlation: each channel has 1 with itself (divide by both deviations)"
        )
    worst = float(np.abs(got - want).max())
    raise channel_correlation.wrong(
        f"right shape, but values differ by up to {worst:.3f}", _hint_of(got, slips, otherwise)
    )


def _correlation_shape_hint(shape: tuple[int, ...]) -> str:
    if shape == (6, 6):
        return "that compares faces with faces: rows must be channels (axis 1 of maps)"
    if shape in ((90, 90), (120, 120)):
        return "np.corrcoef wants one row for each channel: transpose"
    if len(shape) == 3:
        return "one matrix for all faces together, not one for each"
    return "each channel with each: [C, C]"
