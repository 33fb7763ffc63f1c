"""Small passes over planes that the fast NbNet is made of (chapter 6; fast_stage.py puts them
together, fast_vector.py holds the two products where most of the time goes).

**Planes.** One channel of one picture, H rows of W values, lies in memory with one zero after each
row: position p = y * pitch + x, pitch = W + 1. That zero is the right border of its row and the
left border of the next, so that the 3x3 neighbours of p are p - pitch - 1 ... p + pitch + 1
without any question of borders, and a pass over a plane is one loop. Planes are rounded up to 16
positions. ``mask`` is 1 where a position is a pixel, 0 elsewhere.

**Strips.** A plane is worked on in strips [begin, end) so short that all channels of the strip
fit in the processor's cache. ``halo`` = pitch + 1 positions before and after are read as well.
"""

from __future__ import annotations

from functools import partial

import numba
import numpy as np

from nbnet_lib.decoders import fast_vector as vector

# Not "nnan": NaN must stay NaN, so that a training that went wrong stops (chapter 9).
MATH = {"contract", "reassoc", "nsz"}
# With types in writing ("f4[:, ::1]": float32, two axes, gapless) each is compiled once; without,
# numba makes one version per kind of call. Addresses of memory are plain integers ("i8").
compiled = partial(numba.njit, cache=True, nogil=True, error_model="numpy", fastmath=MATH)

LONG, SHORT = vector.LANES * vector.VECTORS, vector.LANES
FLOAT = 4  # bytes


@compiled("void(i8, i8, i8, i8, i8, i8, UniTuple(i8, 4), i8, i8, i8, i8)")
def convolve_strip(
    taps, planes, stride, pitch, channels, kernel, steps, out, out_stride, length, add
):
    """8 convolutions over a strip: `vector.convolve` tile by tile.

    Args:
        taps: 3 or 2: edge of the kernels.
        planes: address of float32 [channels, stride]: of the neighbour above and to the left of
            the strip's first position.
        kernel: address of the first number; steps: floats to the next channel, row, column, output.
        out: address of float32 [8, out_stride]; ``length`` positions of each are written, or
            added to if ``add``.
    """
    by_channel, by_row, by_column, by_output = steps
    p = 0
    while p < length:
        here, there = planes + p * FLOAT, out + p * FLOAT
        if p + LONG <= length:
            if taps == 3:
                vector.convolve_3x3(
                    here, stride, pitch, channels, kernel, by_channel, by_row, by_column,
                    by_output, there, out_stride, add,
                )  # fmt: skip
            else:
                vector.convolve_2x2(
                    here, stride, pitch, channels, kernel, by_channel, by_row, by_column,
                    by_output, there, out_stride, add,
                )  # fmt: skip
            p += LONG
        else:
            if taps == 3:
                vector.convolve_3x3_short(
                    here, stride, pitch, channels, kernel, by_channel, by_row, by_column,
                    by_output, there, out_stride, add,
                )  # fmt: skip
            else:
                vector.convolve_2x2_short(
                    here, stride, pitch, channels, kernel, by_channel, by_row, by_column,
                    by_output, there, out_stride, add,
                )  # fmt: skip
            p += SHORT


@compiled("void(i8, i8, i8, i8, i8, i8, i8, i8)")
def correlate_strip(taps, planes, stride, pitch, channels, gradient, out, length):
    """Gradient of 8 convolutions with respect to their kernels, added to ``out``.

    Args:
        taps, planes, stride, pitch, channels: as in `convolve_strip`.
        gradient: address of float32 [length, 8].
        out: address of float32 [channels, taps, taps, 8].
    """
    if taps == 3:
        for c in range(channels):
            here, there = planes + c * stride * FLOAT, out + c * 72 * FLOAT
            vector.correlate_3x3(here, stride, pitch, length, gradient, there)
    else:
        for c in range(0, channels, 2):
            here, there = planes + c * stride * FLOAT, out + c * 32 * FLOAT
            vector.correlate_2x2(here, stride, pitch, length, gradient, there)


@compiled("void(f4[:, ::1], f4[::1], i8, i8, f8[:, ::1])")
def measure(x, mask, begin, end, out):
    """Sum over a strip, and sum of squared distances from the strip's mean, per channel.

    Args:
        x: float32 [C, plane]. out: float64 [C, 3], written: number, mean, squared distances.
    """
    number = np.float32(0)
    for p in range(begin, end):
        number += mask[p]
    for c in range(x.shape[0]):
        row = x[c]
        total = np.float32(0)
        for p in range(begin, end):
            total += row[p] * mask[p]
        mean = total / max(number, np.float32(1))
        squares = np.float32(0)
        for p in range(begin, end):
            distance = (row[p] - mean) * mask[p]
            squares += distance * distance
        out[c, 0], out[c, 1], out[c, 2] = number, mean, squares


@compiled("void(f8[:, :, ::1], i8, i8, f8[::1], f8[::1])")
def combine(parts, first, last, mean, variance):
    """Mean and (biased) variance of channels [first, last) from the measures of all strips.

    Chan, Golub and LeVeque's rule for joining two sets: no difference of large sums anywhere.

    Args:
        parts: float64 [strips, C, 3] of `measure`. mean, variance: float64 [C], written.
    """
    for c in range(first, last):
        number, centre, squares = 0.0, 0.0, 0.0
        for u in range(parts.shape[0]):
            n = parts[u, c, 0]
            if n == 0:
                continue
            step = parts[u, c, 1] - centre
            whole = number + n
            centre += step * n / whole
            squares += parts[u, c, 2] + step * step * number * n / whole
            number = whole
        mean[c], variance[c] = centre, squares / number


@compiled(
    "void(f4[:, ::1], f4[:, ::1], f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], "
    "i8, i8, i8, f4[:, ::1])"
)
def finish_gradient(g, x, mask, centre, spread, s1, s2, begin, end, halo, out):
    """Complete the gradient of 8 channels: subtract what went through the batch's statistics.

    Args:
        g, x: float32 [8, plane]: the gradient so far, and the channels' values.
        centre, spread: float32 [8]: mean and 1 / standard deviation. s1, s2: float32 [8].
        out: float32 [8, end - begin + 2 * halo], written; zero off the picture.
    """
    low, high = max(0, begin - halo), min(x.shape[1], end + halo)
    start = low - (begin - halo)
    for o in range(8):
        row, here, values = out[o], g[o], x[o]
        shift, slope, mean = s1[o], s2[o] * spread[o], centre[o]
        for q in range(start):
            row[q] = 0
        for q in range(high - low):
            at = low + q
            row[start + q] = here[at] - mask[at] * (shift + slope * (values[at] - mean))
        for q in range(start + high - low, end - begin + 2 * halo):
            row[q] = 0


@compiled("void(f4[:, ::1], i8, i8, f4[:, ::1])")
def transpose8(planes, first, length, out):
    """out[p][o] = planes[o][first + p] for 8 planes."""
    for p in range(length):
        for o in range(8):
            out[p, o] = planes[o, first + p]
