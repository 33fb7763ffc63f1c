"""The loops of the fast NbNet, compiled by numba; `nbnet_lib.decoders.fast` explains the layout.

Every loop runs along a row of positions, adds up four outputs at a time and reads three (or two)
neighbours: enough work per number read that LLVM turns it into vector code which keeps a processor
busy. (Nine neighbours at once are too many for its registers, and it gives up: measured.)

Functions that end in ``_forward`` or ``_backward`` do one layer for a thread's share of the strips
and return what the threads' results are added up to. Shapes: C channels that the layer reads,
W positions of a row, n positions of a strip.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np

# Not "nnan": NaN must stay NaN, so that a training that went wrong stops (chapter 9).
MATH = {"contract", "reassoc", "nsz"}
compiled: Any = partial(numba.njit, cache=True, nogil=True, error_model="numpy", fastmath=MATH)

F0 = np.float32(0)


class Grid(NamedTuple):
    """A thread's share of the positions of a stage, in strips.

    Attributes:
        begin: first position; end: the one after the last; step: positions of a strip.
        mask: float32 [W], 1 where a position is a pixel, 0 elsewhere.
        target: int64 [W], of a pixel: where its upper left output pixel is in the next stage's
            rows, or its number in the picture; -1 elsewhere.
        pitch: positions from one row of a picture to the next, its edge + 1.
    """

    begin: int
    end: int
    step: int
    mask: np.ndarray
    target: np.ndarray
    pitch: int


@compiled
def activate(x, first, norm, mask, start, z, n):
    """z[c][q] = relu(a[c] * x[first + c][start + q] + b[c]) at pixels, else 0; norm: [a, b]."""
    for c in range(norm.shape[1]):
        a, b, row, out = norm[0, c], norm[1, c], x[first + c, start:], z[c]
        inside = mask[start:]
        for q in range(n):
            value, pixel = a * row[q] + b, inside[q] > F0
            value = F0 if value <= F0 else value
            out[q] = value if pixel else F0


@compiled
def convolve3(z, pitch, kernel, out, first, begin, n):
    """Add 3x3 convolutions of rows z: kernel [C, 3, 3, 8], out[first + o][begin + q] for 8 o."""
    for o in range(0, 8, 4):
        out0, out1 = out[first + o, begin:], out[first + o + 1, begin:]
        out2, out3 = out[first + o + 2, begin:], out[first + o + 3, begin:]
        for c in range(kernel.shape[0]):
            for dy in range(3):
                row, k = z[c, dy * pitch :], kernel[c, dy]
                a0, a1, a2 = k[0, o], k[1, o], k[2, o]
                b0, b1, b2 = k[0, o + 1], k[1, o + 1], k[2, o + 1]
                c0, c1, c2 = k[0, o + 2], k[1, o + 2], k[2, o + 2]
                d0, d1, d2 = k[0, o + 3], k[1, o + 3], k[2, o + 3]
                for q in range(n):
                    x0, x1, x2 = row[q], row[q + 1], row[q + 2]
                    out0[q] += a0 * x0 + a1 * x1 + a2 * x2
                    out1[q] += b0 * x0 + b1 * x1 + b2 * x2
                    out2[q] += c0 * x0 + c1 * x1 + c2 * x2
                    out3[q] += d0 * x0 + d1 * x1 + d2 * x2


@compiled
def convolve2(z, first, at, pitch, kernel, out, n):
    """Add 2x2 convolutions of rows z[first + c], from position ``at`` on: kernel [C, 2, 2, 8]."""
    for o in range(0, 8, 4):
        out0, out1, out2, out3 = out[o], out[o + 1], out[o + 2], out[o + 3]
        for c in range(kernel.shape[0]):
            row, below, k = z[first + c, at:], z[first + c, at + pitch :], kernel[c]
            a0, a1, a2, a3 = k[0, 0, o], k[0, 1, o], k[1, 0, o], k[1, 1, o]
            b0, b1, b2, b3 = k[0, 0, o + 1], k[0, 1, o + 1], k[1, 0, o + 1], k[1, 1, o + 1]
            c0, c1, c2, c3 = k[0, 0, o + 2], k[0, 1, o + 2], k[1, 0, o + 2], k[1, 1, o + 2]
            d0, d1, d2, d3 = k[0, 0, o + 3], k[0, 1, o + 3], k[1, 0, o + 3], k[1, 1, o + 3]
            for q in range(n):
                x0, x1, x2, x3 = row[q], row[q + 1], below[q], below[q + 1]
                out0[q] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                out1[q] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                out2[q] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                out3[q] += d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3


@compiled
def correlate3(z, pitch, g, begin, n, out):
    """Gradient of the kernels of `convolve3`: out [C, 3, 3, 8] += sums of z shifted times g."""
    for c in range(out.shape[0]):
        for dy in range(3):
            row, k = z[c, dy * pitch :], out[c, dy]
            for o in range(0, 8, 4):
                g0, g1, g2, g3 = g[o, begin:], g[o + 1, begin:], g[o + 2, begin:], g[o + 3, begin:]
                a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = F0
                for q in range(n):
                    x0, x1, x2 = row[q], row[q + 1], row[q + 2]
                    y0, y1, y2, y3 = g0[q], g1[q], g2[q], g3[q]
                    a0, a1, a2 = a0 + x0 * y0, a1 + x1 * y0, a2 + x2 * y0
                    b0, b1, b2 = b0 + x0 * y1, b1 + x1 * y1, b2 + x2 * y1
                    c0, c1, c2 = c0 + x0 * y2, c1 + x1 * y2, c2 + x2 * y2
                    d0, d1, d2 = d0 + x0 * y3, d1 + x1 * y3, d2 + x2 * y3
                for dx, sums in enumerate(((a0, b0, c0, d0), (a1, b1, c1, d1), (a2, b2, c2, d2))):
                    for i in range(4):
                        k[dx, o + i] += sums[i]


@compiled
def correlate2(z, at, pitch, g, first, begin, n, out):
    """Gradient of the kernels of `convolve2`: out [C, 2, 2, 8], g[first + o][begin + q]."""
    for c in range(out.shape[0]):
        for dy in range(2):
            row, k = z[c, at + dy * pitch :], out[c, dy]
            for o in range(0, 8, 4):
                g0, g1 = g[first + o, begin:], g[first + o + 1, begin:]
                g2, g3 = g[first + o + 2, begin:], g[first + o + 3, begin:]
                a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = F0
                for q in range(n):
                    x0, x1 = row[q], row[q + 1]
                    y0, y1, y2, y3 = g0[q], g1[q], g2[q], g3[q]
                    a0, a1, b0, b1 = a0 + x0 * y0, a1 + x1 * y0, b0 + x0 * y1, b1 + x1 * y1
                    c0, c1, d0, d1 = c0 + x0 * y2, c1 + x1 * y2, d0 + x0 * y3, d1 + x1 * y3
                for dx, sums in enumerate(((a0, b0, c0, d0), (a1, b1, c1, d1))):
                    for i in range(4):
                        k[dx, o + i] += sums[i]


@compiled
def through_relu(dz, x, g, first, norm, start, mask, n, sums):
    """Gradient after batch norm and ReLU -> before, of 8 channels from ``first`` on.

    With d = dz where the ReLU was open: adds a * d to g, and the sums of d and of d * (x - mean)
    to sums, float64 [8, 2]. norm: float32 [3, 8] of a, b, mean.
    """
    inside = mask[start:]
    for o in range(8):
        a, b, mean = norm[0, o], norm[1, o], norm[2, o]
        row, target, source = x[first + o, start:], g[first + o, start:], dz[o]
        total = product = F0
        for q in range(n):
            # All loads come before any choice: then LLVM makes vector code of the loop.
            value, d, pixel = row[q], source[q], inside[q] > F0
            d = F0 if a * value + b <= F0 else d
            d = d if pixel else F0
            distance = value - mean if pixel else F0
            target[q] += a * d
            total += d
            product += d * distance
        sums[o, 0] += total
        sums[o, 1] += product


@compiled
def finish(g, x, first, correction, mask, start, out, begin, n):
    """out[o][begin + q] = g + u * x + v at pixels, else 0, for as many rows as [u, v] has columns.

    Batch norm's own terms (see `nbnet_lib.decoders.fast`), taken off when all layers that read a
    channel have added to its gradient.
    """
    inside = mask[start:]
    for o in range(correction.shape[1]):
        u, v = correction[0, o], correction[1, o]
        source, row, target = g[first + o, start:], x[first + o, start:], out[o, begin:]
        for q in range(n):
            value = source[q] + u * row[q] + v
            target[q] = value if inside[q] > F0 else F0


@compiled
def measure(grid, x, first, count):
    """Return the sums of x and of x * x over a share, float64 [count, 2]: two layers' statistics.

    In float64 the difference of the two sums is as exact as any other way to the variance.
    """
    sums = np.zeros((count, 2))
    for begin in range(grid.begin, grid.end, grid.step):
        n, inside = min(grid.step, grid.end - begin), grid.mask[begin:]
        for o in range(count):
            row = x[first + o, begin:]
            total = square = 0.0
            for q in range(n):
                value, pixel = row[q], inside[q] > F0
                value = np.float64(value if pixel else F0)
                total += value
                square += value * value
            sums[o, 0] += total
            sums[o, 1] += square
    return sums


@compiled
def scratch(grid, channels):
    """Rows for one strip with the positions around it that its convolutions read."""
    return np.empty((channels, grid.step + 2 * grid.pitch + 2), np.float32)


@compiled
def block_forward(grid, x, first, norm, kernel, made):
    """Write 8 channels x[made:]: kernel [C, 3, 3, 8], norm [2 or more, C]. Returns `measure`."""
    halo, z = grid.pitch + 1, scratch(grid, norm.shape[1])
    for begin in range(grid.begin, grid.end, grid.step):
        n = min(grid.step, grid.end - begin)
        activate(x, first, norm, grid.mask, begin - halo, z, n + 2 * halo)
        for o in range(8):
            x[made + o, begin : begin + n] = 0
        convolve3(z, grid.pitch, kernel, x, made, begin, n)
    return measure(grid, x, made, 8)


@compiled
def block_backward(grid, x, g, layer, norm, turned, correction):
    """Add to the gradient g [channels, W] of what one layer read.

    Args:
        layer: (first channel that it reads, first of the 8 that it made). norm: float32 [3, C].
        turned: its kernel from the other side, [C / 8, 8, 3, 3, 8].
        correction: of `finish`, [2, 8].

    Returns:
        gradient of the kernel [C, 3, 3, 8]; sums of `through_relu` [C, 2].
    """
    first, made = layer
    channels, halo, pitch = norm.shape[1], grid.pitch + 1, grid.pitch
    z, own, dz = scratch(grid, channels), scratch(grid, 8), scratch(grid, 8)
    gradient, sums = np.zeros((channels, 3, 3, 8), np.float32), np.zeros((channels, 2))
    for begin in range(grid.begin, grid.end, grid.step):
        n, start = min(grid.step, grid.end - begin), begin - halo
        activate(x, first, norm, grid.mask, start, z, n + 2 * halo)
        finish(g, x, made, correction, grid.mask, start, own, 0, n + 2 * halo)
        correlate3(z, pitch, own, halo, n, gradient)
        for j in range(channels // 8):
            dz[:, :n] = 0
            convolve3(own, pitch, turned[j], dz, 0, 0, n)
            part = norm[:, 8 * j : 8 * j + 8]
            through_relu(dz, x, g, first + 8 * j, part, begin, grid.mask, n, sums[8 * j :])
    return gradient, sums


@compiled
def up_forward(grid, x, norm, kernels, following, wide):
    """De-convolve: kernels [2, 2, outputs / 8, C, 2, 2, 8]; wide: pitch of the next stage."""
    halo, z, drawn = grid.pitch + 1, scratch(grid, norm.shape[1]), scratch(grid, 8)
    for begin in range(grid.begin, grid.end, grid.step):
        n = min(grid.step, grid.end - begin)
        activate(x, 0, norm, grid.mask, begin - halo, z, n + 2 * halo)
        for r in range(2):
            for s in range(2):
                for j in range(kernels.shape[2]):
                    drawn[:, :n] = 0
                    at = r * grid.pitch + s
                    convolve2(z, 0, at, grid.pitch, kernels[r, s, j], drawn, n)
                    for o in range(8):
                        row, target = drawn[o], following[8 * j + o, r * wide + s :]
                        for q in range(n):
                            if grid.target[begin + q] >= 0:
                                target[grid.target[begin + q]] = row[q]


@compiled
def up_backward(grid, x, g, norm, turned, following, wide):
    """Gradients of `up_forward` from that of the next stage's rows.

    Args:
        turned: kernels from the other side, [2, 2, C / 8, outputs, 2, 2, 8].

    Returns:
        gradient of the kernels [2, 2, outputs / 8, C, 2, 2, 8]; sums of `through_relu` [C, 2].
    """
    channels, outputs, halo, pitch = norm.shape[1], turned.shape[3], grid.pitch + 1, grid.pitch
    z, dz, parity = scratch(grid, channels), scratch(grid, channels), scratch(grid, outputs)
    gradient = np.zeros((2, 2, outputs // 8, channels, 2, 2, 8), np.float32)
    sums = np.zeros((channels, 2))
    for begin in range(grid.begin, grid.end, grid.step):
        n, start = min(grid.step, grid.end - begin), begin - halo
        activate(x, 0, norm, grid.mask, start, z, n + 2 * halo)
        dz[:, :n] = 0
        for r in range(2):
            for s in range(2):
                for o in range(outputs):
                    row, source = parity[o], following[o, r * wide + s :]
                    for q in range(n + 2 * halo):
                        there = grid.target[start + q]
                        row[q] = source[there] if there >= 0 else F0
                for j in range(outputs // 8):
                    out = gradient[r, s, j]
                    correlate2(z, r * pitch + s, pitch, parity, 8 * j, halo, n, out)
                at = halo - r * pitch - s
                for j in range(channels // 8):
                    rows = dz[8 * j : 8 * j + 8]
                    convolve2(parity, 0, at, pitch, turned[r, s, j], rows, n)
        for j in range(channels // 8):
            part, rows = norm[:, 8 * j : 8 * j + 8], dz[8 * j : 8 * j + 8]
            through_relu(rows, x, g, 8 * j, part, begin, grid.mask, n, sums[8 * j :])
    return gradient, sums


@compiled
def head_forward(grid, x, norm, kernel, image):
    """1x1 convolution to 3 colours: kernel [3, C], image [pixels of the batch, 3], written."""
    z, drawn = scratch(grid, norm.shape[1]), scratch(grid, 3)
    for begin in range(grid.begin, grid.end, grid.step):
        n = min(grid.step, grid.end - begin)
        activate(x, 0, norm, grid.mask, begin, z, n)
        drawn[:, :n] = 0
        for c in range(kernel.shape[1]):
            row, k0, k1, k2 = z[c], kernel[0, c], kernel[1, c], kernel[2, c]
            red, green, blue = drawn[0], drawn[1], drawn[2]
            for q in range(n):
                red[q] += k0 * row[q]
                green[q] += k1 * row[q]
                blue[q] += k2 * row[q]
        for q in range(n):
            pixel = grid.target[begin + q]
            if pixel >= 0:
                for o in range(3):
                    image[pixel, o] = drawn[o, q]


@compiled
def head_backward(grid, x, g, norm, kernel, image):
    """Gradients of `head_forward`: returns that of the kernel and the sums of `through_relu`."""
    channels = norm.shape[1]
    z, dz, planes = scratch(grid, channels), scratch(grid, 8), scratch(grid, 3)
    gradient, sums = np.zeros(kernel.shape, np.float32), np.zeros((channels, 2))
    for begin in range(grid.begin, grid.end, grid.step):
        n = min(grid.step, grid.end - begin)
        activate(x, 0, norm, grid.mask, begin, z, n)
        for q in range(n):
            pixel = grid.target[begin + q]
            for o in range(3):
                planes[o, q] = image[pixel, o] if pixel >= 0 else F0
        for o in range(3):
            for c in range(channels):
                total, row, plane = F0, z[c], planes[o]
                for q in range(n):
                    total += row[q] * plane[q]
                gradient[o, c] += total
        for j in range(channels // 8):
            for i in range(8):
                k0, k1, k2 = kernel[0, 8 * j + i], kernel[1, 8 * j + i], kernel[2, 8 * j + i]
                p0, p1, p2, row = planes[0], planes[1], planes[2], dz[i]
                for q in range(n):
                    row[q] = k0 * p0[q] + k1 * p1[q] + k2 * p2[q]
            part = norm[:, 8 * j : 8 * j + 8]
            through_relu(dz, x, g, 8 * j, part, begin, grid.mask, n, sums[8 * j :])
    return gradient, sums


@compiled
def finish_inputs(grid, x, g, correction):
    """`finish` the gradient of the channels that the stage was given, in place."""
    for begin in range(grid.begin, grid.end, grid.step):
        n = min(grid.step, grid.end - begin)
        finish(g, x, 0, correction, grid.mask, begin, g, begin, n)
