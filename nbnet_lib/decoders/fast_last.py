"""What ends a stage of the fast NbNet: the order of a de-convolution's pixels, and the head.

A de-convolution 4x4 with stride 2 is four convolutions 2x2, one for each parity (r, s) of the
output's row and column: output pixel (2i + r, 2j + s) is made of the 2x2 input pixels around it.
`interleave` puts the four pictures together, `separate` takes the gradient apart again.
"""

from __future__ import annotations

import numpy as np

from nbnet_lib.decoders.fast_kernels import FLOAT, compiled
from nbnet_lib.decoders.fast_vector import put


@compiled("void(f4[:, :, ::1], i8, i8, i8, i8, f4[:, ::1])")
def interleave(drawn, begin, end, side, r, target):
    """Put the columns of parity 0 and 1 of one strip into the output's rows 2y + r.

    Args:
        drawn: float32 [2, 8, end - begin or more]. target: float32 [8, plane of edge 2 * side].
    """
    pitch, wide = side + 1, 2 * side + 1
    for o in range(8):
        even, odd, row = drawn[0, o], drawn[1, o], target[o]
        for y in range(begin // pitch, min(side, (end - 1) // pitch + 1)):
            left, right = max(0, begin - y * pitch), min(side, end - y * pitch)
            at, there = y * pitch - begin, (2 * y + r) * wide
            for x in range(left, right):
                row[there + 2 * x] = even[at + x]
                row[there + 2 * x + 1] = odd[at + x]
            if right == side:
                row[there + 2 * side] = 0
        if end > (side - 1) * pitch:
            for p in range(2 * side * wide, target.shape[1]):
                row[p] = 0


@compiled("void(f4[:, ::1], i8, i8, i8, i8, f4[:, ::1])")
def separate(gradient, outputs, side, begin, end, quarter):
    """Split the gradient of a de-convolution's output into its four parities.

    The planes of parity (r, s) are moved r rows down and s columns right: then the gradient of
    input pixel p is a 2x2 convolution of all four at the same place.

    Args:
        gradient: float32 [at least outputs, plane of edge 2 * side].
        quarter: float32 [4 * outputs, at least end - begin + 2 * (side + 2)], written in the order
            [r, s, output].
    """
    pitch, wide = side + 1, 2 * side + 1
    halo = pitch + 1
    for r in range(2):
        for s in range(2):
            shift = r * pitch + s
            low, high = begin - shift, end + halo - shift
            for o in range(outputs):
                row, source = quarter[(r * 2 + s) * outputs + o], gradient[o]
                for p in range(end - begin + 2 * halo):
                    row[p] = 0
                for y in range(max(0, low // pitch), min(side, (high - 1) // pitch + 1)):
                    left, right = max(0, low - y * pitch), min(side, high - y * pitch)
                    at, there = y * pitch - begin + halo + shift, (2 * y + r) * wide + s
                    for x in range(left, right):
                        row[at + x] = source[there + 2 * x]


@compiled("void(f4[:, ::1], i8, i8, f4[::1], i8, i8, i8, f4[:, ::1], f4[:, :, ::1])")
def head_forward(z, channels, halo, kernel, begin, end, side, drawn, image):
    """1x1 convolution to 3 colours. kernel: float32 [3 * channels]; image: float32 [H, W, 3]."""
    pitch = side + 1
    length = end - begin
    for o in range(3):
        row = drawn[o]
        for p in range(length):
            row[p] = 0
        for c in range(channels):
            weight, source = kernel[o * channels + c], z[c]
            for p in range(length):
                row[p] += weight * source[halo + p]
    for y in range(begin // pitch, min(side, (end - 1) // pitch + 1)):
        for x in range(max(0, begin - y * pitch), min(side, end - y * pitch)):
            p = y * pitch + x - begin
            image[y, x, 0] = drawn[0, p]
            image[y, x, 1] = drawn[1, p]
            image[y, x, 2] = drawn[2, p]


@compiled("void(f4[:, :, ::1], f4[:, ::1], i8, i8, i8, i8, i8, f4[:, ::1], f4[::1])")
def head_backward(image, z, channels, halo, begin, end, side, planes, kernel_gradient):
    """Bring the head's gradient into planes, and add to the gradient of its kernel.

    Args:
        image: float32 [H, W, 3]. planes: float32 [3 or more, end - begin or more], written.
        kernel_gradient: float32 [3 * channels].
    """
    pitch = side + 1
    length = end - begin
    for o in range(3):
        for p in range(length):
            planes[o, p] = 0
    for y in range(begin // pitch, min(side, (end - 1) // pitch + 1)):
        for x in range(max(0, begin - y * pitch), min(side, end - y * pitch)):
            p = y * pitch + x - begin
            for o in range(3):
                planes[o, p] = image[y, x, o]
    for o in range(3):
        for c in range(channels):
            total, source, row = np.float32(0), z[c], planes[o]
            for p in range(length):
                total += source[halo + p] * row[p]
            kernel_gradient[o * channels + c] += total


@compiled("void(i8, i8, i8[:, ::1], i8[:, ::1], f4[:, ::1], f4[:, ::1], b1, i8)")
def collect(member, size, layers, places, kernel_gradient, last_gradient, up, outputs):
    """Add up all threads' gradients of the kernels, always in the same order, and hand them over.

    Each thread does its share of the channels. The arguments are those of `stage_backward`.
    """
    for i in range(len(layers)):
        first, channels, at, weights = layers[i]
        address, by_input, by_row, by_column, by_output = places[i, 5:]
        begin, end = channels * member // size, channels * (member + 1) // size
        if i < len(layers) - 1:
            for c in range(begin, end):
                for tap in range(9):
                    there = c * by_input + tap // 3 * by_row + tap % 3 * by_column
                    for o in range(8):
                        total = np.float32(0)
                        for m in range(size):
                            total += kernel_gradient[m, weights + (c * 9 + tap) * 8 + o]
                        put(address + (there + o * by_output) * FLOAT, total)
        elif up:
            tiles = outputs // 8
            for c in range(begin, end):
                for place in range(4 * tiles):
                    parity, tile = place // tiles, place % tiles
                    for tap in range(4):
                        row = 3 - parity // 2 - 2 * (tap // 2)
                        column = 3 - parity % 2 - 2 * (tap % 2)
                        there = c * by_input + row * by_row + column * by_column
                        here = ((place * channels + c) * 4 + tap) * 8
                        for o in range(8):
                            total = np.float32(0)
                            for m in range(size):
                                total += last_gradient[m, here + o]
                            put(address + (there + (tile * 8 + o) * by_output) * FLOAT, total)
