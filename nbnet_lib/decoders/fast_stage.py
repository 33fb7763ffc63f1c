"""One stage of the fast NbNet: a block and the de-convolution (or the head) behind it.

A stage owns one buffer x [N, channels, plane]. Its first channels are the block's input; each layer
writes its 8 channels behind them, so nothing is ever concatenated. Both kernels are called by all
threads of a team at once (fast_team.py); each thread has its share of the strips and meets the
others after each layer. Chapter 6 has the arithmetic.

**Forward.** The statistics of a channel are those of the whole batch, and stay the same for every
layer that reads it: they are measured once, when the channel is made. Layer i then needs
relu(a_i * x + b_i), made strip by strip in a small buffer that stays in the cache.

**Backward.** relu(a_i * x + b_i) is made again instead of stored: this is where the memory is
saved. Batch norm's gradient of layer i is, with xhat = (x - mean) / deviation and dz the gradient
where the ReLU was open,

    a_i * dz - a_i * average(dz) - xhat * a_i * average(dz * xhat)

The last two terms have the same form in all layers: their factors are added up per channel (s1,
s2), and subtracted once, when the channel has heard from every layer that reads it.
"""

from __future__ import annotations

import numpy as np

from nbnet_lib.decoders.fast_kernels import (
    FLOAT,
    combine,
    compiled,
    convolve_strip,
    correlate_strip,
    finish_gradient,
    measure,
    transpose8,
)
from nbnet_lib.decoders.fast_last import (
    collect,
    head_backward,
    head_forward,
    interleave,
    separate,
)
from nbnet_lib.decoders.fast_team import meet
from nbnet_lib.decoders.fast_vector import activate, through_relu


@compiled("void(f4[:, ::1], i8, i8, i8, b1, f8[::1], f8[::1], f8, f4[:, ::1])")
def coefficients(norm, at, first, channels, training, mean, variance, eps, out):
    """Batch norm of one layer as a * x + b.

    Args:
        norm: float32 [4, all layers' channels]: gamma, beta, running mean, running variance;
            this layer's begin at ``at``.
        mean, variance: float64 [channels of the buffer]; this layer's begin at ``first``.
        out: float32 [4, at least channels], written: a, b, mean, 1 / deviation.
    """
    for c in range(channels):
        if training:
            centre, spread = mean[first + c], 1 / np.sqrt(variance[first + c] + eps)
        else:
            centre, spread = np.float64(norm[2, at + c]), 1 / np.sqrt(norm[3, at + c] + eps)
        a = norm[0, at + c] * spread
        out[0, c], out[1, c] = a, norm[1, at + c] - centre * a
        out[2, c], out[3, c] = centre, spread


@compiled()
def stage_forward(
    member, size, counter,
    x, mask, side, layers, places, units, inputs, training, eps, norm, parts, statistics,
    affine, scratch, drawn, up, outputs, head, following, image,
):  # fmt: skip
    """Run a block and what follows it.

    Args:
        x: float32 [N, C, plane]; the block's ``inputs`` channels are given, the rest is written.
        mask: float32 [halo + plane + more]: 1 where there is a pixel. side: H = W.
        layers: int64 [L + 1, 4]: first channel read, channels read, offset in ``norm``, 72 times
            that offset; the last row is the de-convolution or head.
        places: int64 [L + 1, 10]: address of the kernel, floats to the next input channel, row,
            column, output; the same five of the kernel's gradient (for `stage_backward`).
        units: int64 [U, 3]: picture, begin, end of each strip.
        norm: as in `coefficients`.
        parts: float64 [U, C, 3], statistics: float64 [size, 2, C]: written when ``training``.
        affine: float32 [size, 6, C], scratch: float32 [size, C, width], drawn: float32
            [size, 2, 8, strip]: one for each thread.
        up: whether a de-convolution follows, with that many ``outputs``; else the head: float32
            [3 * C].
        following: float32 [N, C', plane'], its first channels are written by the de-convolution.
        image: float32 [N, H, W, 3], written by the head (before tanh).
    """
    pitch = side + 1
    halo = pitch + 1
    begin_unit, end_unit = len(units) * member // size, len(units) * (member + 1) // size
    mean, variance = statistics[member, 0], statistics[member, 1]
    own, z, plane = affine[member], scratch[member], x.shape[2]
    pixels = mask[halo : halo + plane]
    source, width, strip = z.ctypes.data, z.shape[1], drawn.shape[3]
    meeting = 0
    if training:
        for u in range(begin_unit, end_unit):
            n, begin, end = units[u]
            measure(x[n, :inputs], pixels, begin, end, parts[u, :inputs])
        meeting += 1
        meet(counter, meeting, size)
        combine(parts, 0, inputs, mean, variance)
    count = len(layers) - 1
    for i in range(count + 1):
        first, channels, at, _ = layers[i]
        coefficients(norm, at, first, channels, training, mean, variance, eps, own)
        made = inputs + 8 * i
        kernel, by_input, by_row, by_column, by_output = places[i, :5]
        for u in range(begin_unit, end_unit):
            n, begin, end = units[u]
            length = end - begin
            activate(
                x[n, first].ctypes.data + (begin - halo) * FLOAT, plane, channels,
                own.ctypes.data, own.shape[1], mask.ctypes.data + begin * FLOAT,
                source, width, length + 2 * halo,
            )  # fmt: skip
            if i < count:
                steps = (by_input, by_row, by_column, by_output)
                out = x[n, made].ctypes.data + begin * FLOAT
                convolve_strip(
                    3, source, width, pitch, channels, kernel, steps, out, plane, length, False
                )
                if training:
                    target = x[n, made : made + 8]
                    measure(target, pixels, begin, end, parts[u, made : made + 8])
            elif up:
                # Neighbour (a, b) of parity (r, s) meets row 3 - r - 2a, column 3 - s - 2b.
                steps = (by_input, -2 * by_row, -2 * by_column, by_output)
                for r in range(2):
                    for o in range(0, outputs, 8):
                        for s in range(2):
                            there = (3 - r) * by_row + (3 - s) * by_column + o * by_output
                            convolve_strip(
                                2, source + (r * pitch + s) * FLOAT, width, pitch, channels,
                                kernel + there * FLOAT, steps, drawn[member, s].ctypes.data,
                                strip, length, False,
                            )  # fmt: skip
                        interleave(drawn[member], begin, end, side, r, following[n, o : o + 8])
            else:
                head_forward(z, channels, halo, head, begin, end, side, drawn[member, 0], image[n])
        if i == count:
            return
        # Two strips of one picture touch each other's halo: wait even where nothing is measured.
        meeting += 1
        meet(counter, meeting, size)
        if training:
            combine(parts, made, made + 8, mean, variance)


@compiled("void(f8[:, :, ::1], i8[::1], f4[:, ::1], f8, b1, f4[::1], f4[::1], f4[:, ::1], b1)")
def gather_sums(sums, layer, affine, number, training, s1, s2, norm_gradient, write):
    """Turn the sums of one layer into its gradients of gamma and beta, and add to s1 and s2.

    Args:
        sums: float64 [size, all layers' channels, 2] of `through_relu`. layer: its row.
        number: pixels of the batch. norm_gradient: float32 [2, all layers' channels].
    """
    first, channels, at, _ = layer
    for c in range(channels):
        total, product = 0.0, 0.0
        for m in range(sums.shape[0]):
            total += sums[m, at + c, 0]
            product += sums[m, at + c, 1]
        product *= affine[3, c]
        if write:
            norm_gradient[0, at + c], norm_gradient[1, at + c] = product, total
        if training:
            s1[first + c] += affine[0, c] * total / number
            s2[first + c] += affine[0, c] * product / number


@compiled()
def stage_backward(
    member, size, counter,
    x, mask, side, layers, places, units, inputs, training, eps, norm, statistics,
    affine, scratch, drawn, up, outputs, head, following, image,
    g, sums, corrections, spread8, rows8, parity, kernel_gradient, last_gradient, norm_gradient,
):  # fmt: skip
    """Gradients of `stage_forward`, whose arguments come first.

    Args:
        statistics: float64 [2, C]: mean and variance from `stage_forward`.
        following: gradient of the next stage's buffer. image: float32 [N, H, W, 3], of the head.
        g: float32 [N, C, plane], written: the gradient of x; its first ``inputs`` channels are the
            result.
        sums: float64 [size, all, 2], zeros. corrections: float32 [size, 2, C], zeros.
        spread8: float32 [size, 8, width], rows8: float32 [size, strip, 8], parity: float32
            [size, 4 * outputs or 3, width]: scratch of each thread.
        kernel_gradient: float32 [size, per layer [channels, 3, 3, 8]], zeros.
        last_gradient: float32 [size, [2, 2, outputs / 8, C, 2, 2, 8] or [3, C]], zeros.
        norm_gradient: float32 [2, all]: of gamma and beta, written.

    The gradients of the kernels are written to the addresses in ``places``, but for the head's,
    which stays in ``last_gradient``.
    """
    pitch = side + 1
    halo = pitch + 1
    begin_unit, end_unit = len(units) * member // size, len(units) * (member + 1) // size
    mean, variance, plane = statistics[0], statistics[1], x.shape[2]
    own, z, dz, quarter = affine[member], scratch[member], drawn[member, 0], parity[member]
    s1, s2 = corrections[member, 0], corrections[member, 1]
    gradient8, across = spread8[member], rows8[member]
    pixels = mask[halo : halo + plane]
    source, width, strip = z.ctypes.data, z.shape[1], drawn.shape[3]
    rows, count, number = across.ctypes.data, len(layers) - 1, np.float64(len(x)) * side * side
    meeting = 0
    for i in range(count, -1, -1):
        first, channels, at, weights = layers[i]
        made = inputs + 8 * i
        centre8, deviation8 = own[4, :8], own[5, :8]
        if i < count:  # mean and deviation of the 8 channels that this layer made
            coefficients(norm, 0, made, 8, True, mean, variance, eps, own)
            for o in range(8):
                centre8[o], deviation8[o] = own[2, o], own[3, o]
        coefficients(norm, at, first, channels, training, mean, variance, eps, own)
        kernel, by_input, by_row, by_column, by_output = places[i, :5]
        for u in range(begin_unit, end_unit):
            n, begin, end = units[u]
            length = end - begin
            # Behind the last pixel there are only zeros: in small pictures a third of the plane.
            filled = min(length, side * pitch - 1 - begin)
            activate(
                x[n, first].ctypes.data + (begin - halo) * FLOAT, plane, channels,
                own.ctypes.data, own.shape[1], mask.ctypes.data + begin * FLOAT,
                source, width, length + 2 * halo,
            )  # fmt: skip
            if i < count:
                finish_gradient(
                    g[n, made : made + 8], x[n, made : made + 8], pixels, centre8, deviation8,
                    s1[made : made + 8], s2[made : made + 8], begin, end, halo, gradient8,
                )  # fmt: skip
                transpose8(gradient8, halo, length, across)
                there = kernel_gradient[member].ctypes.data + weights * FLOAT
                correlate_strip(3, source, width, pitch, channels, rows, there, filled)
            elif up:
                separate(following[n], outputs, side, begin, end, quarter)
                there = last_gradient[member].ctypes.data
                for r in range(2):
                    for s in range(2):
                        for o in range(0, outputs, 8):
                            k = (r * 2 + s) * outputs + o
                            transpose8(quarter[k : k + 8], halo + r * pitch + s, length, across)
                            here = source + (r * pitch + s) * FLOAT
                            correlate_strip(2, here, width, pitch, channels, rows, there, filled)
                            there += channels * 32 * FLOAT
            else:
                head_backward(
                    image[n], z, channels, halo, begin, end, side, quarter, last_gradient[member]
                )
            for c in range(0, channels, 8):
                out = dz.ctypes.data
                if i < count:  # the kernel turned round: from its last row and column backwards
                    there = c * by_input + 2 * by_row + 2 * by_column
                    convolve_strip(
                        3, gradient8.ctypes.data, width, pitch, 8, kernel + there * FLOAT,
                        (by_output, -by_row, -by_column, by_input), out, strip, length, False,
                    )  # fmt: skip
                elif up:  # parity (r, s): rows 1 - r, 3 - r of the kernel
                    for r in range(2):
                        for s in range(2):
                            here = quarter[(r * 2 + s) * outputs].ctypes.data + halo * FLOAT
                            there = c * by_input + (1 - r) * by_row + (1 - s) * by_column
                            convolve_strip(
                                2, here, width, pitch, outputs, kernel + there * FLOAT,
                                (by_output, 2 * by_row, 2 * by_column, by_input),
                                out, strip, length, r + s > 0,
                            )  # fmt: skip
                else:
                    for o in range(8):
                        for p in range(length):
                            dz[o, p] = (
                                head[c + o] * quarter[0, p]
                                + head[channels + c + o] * quarter[1, p]
                                + head[2 * channels + c + o] * quarter[2, p]
                            )
                through_relu(
                    out, strip, x[n, first + c].ctypes.data + begin * FLOAT,
                    g[n, first + c].ctypes.data + begin * FLOAT, plane,
                    own.ctypes.data + c * FLOAT, own.shape[1],
                    mask.ctypes.data + (halo + begin) * FLOAT,
                    sums[member, at + c].ctypes.data, length, i < count,
                )  # fmt: skip
        meeting += 1
        meet(counter, meeting, size)
        gather_sums(sums, layers[i], own, number, training, s1, s2, norm_gradient, member == 0)
    for c in range(0, inputs, 8):
        coefficients(norm, 0, c, 8, True, mean, variance, eps, own)
        for u in range(begin_unit, end_unit):
            n, begin, end = units[u]
            finish_gradient(
                g[n, c : c + 8], x[n, c : c + 8], pixels, own[2, :8], own[3, :8],
                s1[c : c + 8], s2[c : c + 8], begin, end, 0, gradient8,
            )  # fmt: skip
            for o in range(8):
                for p in range(begin, end):
                    g[n, c + o, p] = gradient8[o, p - begin]
    collect(member, size, layers, places, kernel_gradient, last_gradient, up, outputs)
