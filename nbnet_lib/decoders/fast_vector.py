"""The innermost loops of the fast NbNet, written for vector registers.

A processor reaches its speed only when the numbers that a loop works on stay in vector registers.
numba turns plain loops into vector code, but it cannot be told which sums to hold in registers over
a whole loop. So the loops in which nearly all arithmetic happens are put together
here from single instructions of LLVM, the code generator that numba brings along: no
compiler is needed on the user's machine, and the same text becomes AVX-512, AVX2 or NEON code.
Everything around them is ordinary numba (fast_kernels.py). See guide: chapter 6.

Pictures lie in memory as planes: one channel after the other, `pitch` positions per row. Reading a
plane at `position + dy * pitch + dx` is reading the neighbour: a convolution is a sum of shifted
planes, each times one number of the kernel.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

# Any: numba's own types do not know that the first argument is not the caller's.
intrinsic: Any = numba.extending.intrinsic

OUTPUTS = 8  # channels that one product makes: NbNet's growth


def _vector_floats() -> tuple[int, int]:
    """Floats per vector, and vectors per tile, that fit this machine's registers."""
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # not known on this system: what every machine can do
        features = {}
    if features.get("avx512f"):
        return 16, 2  # 8 x 2 sums of 16 floats: 16 of 32 registers
    if features.get("avx2"):
        return 8, 1  # 8 sums of 8 floats: 8 of 16 registers
    return 4, 2 if features.get("neon") else 1


LANES, VECTORS = _vector_floats()

_FLOAT, _BYTE, _INT = ir.FloatType(), ir.IntType(8), ir.IntType(64)
_ADDRESS = types.intp
_SIZE = 4  # bytes of a float32


def _multiply_add(builder, total, a, b):
    """Return total + a * b, in one instruction where the machine has it."""
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(total, product, flags=("contract",))


def _splat(builder, number, lanes):
    """One number in every lane of a vector."""
    vector = ir.VectorType(_FLOAT, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)  # zeros
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)


def _load(builder, address, offset, lanes):
    """``lanes`` floats (1: a plain float) from ``address`` + ``offset`` floats; any alignment."""
    kind = ir.VectorType(_FLOAT, lanes) if lanes > 1 else _FLOAT
    byte = builder.add(address, _INT(offset * _SIZE))
    return builder.load(builder.inttoptr(byte, kind.as_pointer()), align=_SIZE)


def _store(builder, value, address):
    pointer = builder.inttoptr(address, value.type.as_pointer())
    builder.store(value, pointer, align=_SIZE)


def _bytes(builder, floats, times=None):
    """A number of floats (times another number) in bytes."""
    product = floats if times is None else builder.mul(floats, times)
    return builder.mul(product, _INT(_SIZE))


def _as_function(name, count, body):
    """An intrinsic without result that calls ``body`` as a function of ``count`` addresses.

    One function, not text pasted in wherever it is called: LLVM's time grows with the text.
    """

    def generate(context, builder, signature, args):
        module = builder.module
        function = module.globals.get(name)
        if function is None:
            function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_INT] * count), name)
            function.linkage = "linkonce_odr"
            function.attributes.add("noinline")
            inside = ir.IRBuilder(function.append_basic_block())
            body(inside, *function.args)
            inside.ret_void()
        builder.call(function, args)
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * count), generate


def make_convolve(taps: int, vectors: int):
    """Return the product for a ``taps`` x ``taps`` kernel and ``vectors`` * LANES positions.

    ``convolve(planes, stride, pitch, channels, kernel, by_channel, by_row, by_column, by_output,
    out, out_stride, add)`` computes, for 8 outputs o and each position p of the tile,

        out[o][p] = sum over channel c, row dy, column dx of
                    planes[c][p + dy * pitch + dx] * kernel[c][dy][dx][o]

    and adds it to what is there if ``add`` is not 0. ``planes``, ``kernel`` and ``out`` are
    addresses of float32. Strides count floats; those of the kernel (``by_...``) may be any, also
    negative: so kernels are read where the network keeps them, and turned round in passing.
    """

    def write(builder, *arguments):
        planes, stride, pitch, channels, kernel, *steps, out, out_stride, add = arguments
        by_channel, by_row, by_column, by_output = (_bytes(builder, step) for step in steps)
        kind = ir.VectorType(_FLOAT, LANES)
        places = [(o, v) for o in range(OUTPUTS) for v in range(vectors)]
        sums = {place: cgutils.alloca_once(builder, kind) for place in places}
        targets = {
            (o, v): builder.add(
                builder.add(out, _bytes(builder, out_stride, _INT(o))), _INT(v * LANES * _SIZE)
            )
            for o, v in places
        }
        with builder.if_else(builder.icmp_signed("!=", add, _INT(0))) as (more, fresh):
            with more:
                for place in places:
                    builder.store(_load(builder, targets[place], 0, LANES), sums[place])
            with fresh:
                for place in places:
                    builder.store(ir.Constant(kind, None), sums[place])
        plane_bytes, row_bytes = _bytes(builder, stride), _bytes(builder, pitch)
        with cgutils.for_range(builder, channels) as loop:
            plane = builder.add(planes, builder.mul(loop.index, plane_bytes))
            weights = builder.add(kernel, builder.mul(loop.index, by_channel))
            for dy in range(taps):
                row = builder.add(plane, builder.mul(row_bytes, _INT(dy)))
                weights_row = builder.add(weights, builder.mul(by_row, _INT(dy)))
                for dx in range(taps):
                    values = [_load(builder, row, dx + v * LANES, LANES) for v in range(vectors)]
                    at = builder.add(weights_row, builder.mul(by_column, _INT(dx)))
                    for o in range(OUTPUTS):
                        place = builder.add(at, builder.mul(by_output, _INT(o)))
                        weight = _splat(builder, _load(builder, place, 0, 1), LANES)
                        for v in range(vectors):
                            total = sums[o, v]
                            old = builder.load(total)
                            builder.store(_multiply_add(builder, old, weight, values[v]), total)
        for place in places:
            _store(builder, builder.load(sums[place]), targets[place])

    @intrinsic
    def convolve(
        typing, planes, stride, pitch, channels,
        kernel, by_channel, by_row, by_column, by_output, out, out_stride, add,
    ):  # fmt: skip
        return _as_function(f"nbnet_convolve_{taps}_{vectors}", 12, write)

    return convolve


def make_correlate(taps: int, channels: int):
    """Return the product for the gradient of a ``taps`` x ``taps`` kernel, ``channels`` at once.

    ``correlate(planes, stride, pitch, positions, gradient, out)`` adds, for each channel c, tap and
    output o,

        out[c][dy][dx][o] += sum over position p of
                             planes[c][p + dy * pitch + dx] * gradient[p][o]

    Here the 8 outputs lie side by side in ``gradient``: they are the vector.
    """

    def write(builder, planes, stride, pitch, positions, gradient, out):
        places = [(c, dy, dx) for c in range(channels) for dy in range(taps) for dx in range(taps)]
        sums = []
        for i in range(len(places)):
            old = _load(builder, out, i * OUTPUTS, OUTPUTS)
            total = cgutils.alloca_once(builder, old.type)
            builder.store(old, total)
            sums.append(total)
        plane_bytes, row_bytes = _bytes(builder, stride), _bytes(builder, pitch)
        rows = {
            (c, dy): builder.add(
                builder.add(planes, builder.mul(plane_bytes, _INT(c))),
                builder.mul(row_bytes, _INT(dy)),
            )
            for c in range(channels)
            for dy in range(taps)
        }
        with cgutils.for_range(builder, positions) as loop:
            shift = _bytes(builder, loop.index)
            place = builder.add(gradient, builder.mul(shift, _INT(OUTPUTS)))
            outputs = _load(builder, place, 0, OUTPUTS)
            here = {key: builder.add(row, shift) for key, row in rows.items()}
            for (c, dy, dx), total in zip(places, sums, strict=True):
                value = _splat(builder, _load(builder, here[c, dy], dx, 1), OUTPUTS)
                builder.store(_multiply_add(builder, builder.load(total), value, outputs), total)
        for i, total in enumerate(sums):
            _store(builder, builder.load(total), builder.add(out, _INT(i * OUTPUTS * _SIZE)))

    @intrinsic
    def correlate(typing, planes, stride, pitch, positions, gradient, out):
        return _as_function(f"nbnet_correlate_{taps}_{channels}", 6, write)

    return correlate


def _off(builder, value):
    """Where a ReLU lets nothing through (not where the value is NaN)."""
    return builder.fcmp_ordered("<=", value, ir.Constant(value.type, None))


def _inside(builder, mask):
    return builder.fcmp_unordered("!=", mask, ir.Constant(mask.type, None))


def _write_activate(builder, x, stride, channels, affine, affine_stride, mask, z, z_stride, length):
    zero = ir.Constant(ir.VectorType(_FLOAT, LANES), None)
    with cgutils.for_range(builder, channels) as loop:
        numbers = builder.add(affine, _bytes(builder, loop.index))
        a = _splat(builder, _load(builder, numbers, 0, 1), LANES)
        second = builder.add(numbers, _bytes(builder, affine_stride))
        b = _splat(builder, _load(builder, second, 0, 1), LANES)
        source = builder.add(x, _bytes(builder, stride, loop.index))
        target = builder.add(z, _bytes(builder, z_stride, loop.index))
        with cgutils.for_range_slice(builder, _INT(0), length, _INT(LANES), _INT) as (p, _):
            shift = _bytes(builder, p)
            value = _load(builder, builder.add(source, shift), 0, LANES)
            value = _multiply_add(builder, b, a, value)
            value = builder.select(_off(builder, value), zero, value)
            inside = _inside(builder, _load(builder, builder.add(mask, shift), 0, LANES))
            _store(builder, builder.select(inside, value, zero), builder.add(target, shift))


@intrinsic
def activate(typing, x, stride, channels, affine, affine_stride, mask, z, z_stride, length):
    """z[c][p] = relu(a[c] * x[c][p] + b[c]) where ``mask[p]`` is not 0, else 0.

    ``affine`` holds all a, ``affine_stride`` floats further all b. ``length`` is rounded up to
    whole vectors. All arguments are addresses of float32, or numbers of floats.
    """
    return _as_function("nbnet_activate", 9, _write_activate)


def _sum_of_lanes(builder, vector):
    lanes = vector.type.count
    while lanes > 1:
        lanes //= 2
        halves = [
            builder.shuffle_vector(
                vector,
                ir.Constant(vector.type, ir.Undefined),
                ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(at, at + lanes))),
            )
            for at in (0, lanes)
        ]
        vector = builder.fadd(*halves)
    return builder.extract_element(vector, ir.IntType(32)(0))


def _write_through_relu(
    builder, dz, dz_stride, x, g, stride, affine, affine_stride, mask, sums, length, add
):
    kind = ir.VectorType(_FLOAT, LANES)
    zero = ir.Constant(kind, None)
    more = builder.icmp_signed("!=", add, _INT(0))
    more = builder.insert_element(
        ir.Constant(ir.VectorType(ir.IntType(1), LANES), ir.Undefined), more, ir.IntType(32)(0)
    )
    order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    more = builder.shuffle_vector(more, ir.Constant(more.type, ir.Undefined), order)
    total, product = cgutils.alloca_once(builder, kind), cgutils.alloca_once(builder, kind)
    with cgutils.for_range(builder, _INT(OUTPUTS)) as loop:
        numbers = builder.add(affine, _bytes(builder, loop.index))
        a, b, mean = (
            _splat(
                builder,
                _load(builder, builder.add(numbers, _bytes(builder, affine_stride, _INT(i))), 0, 1),
                LANES,
            )
            for i in range(3)
        )
        source = builder.add(dz, _bytes(builder, dz_stride, loop.index))
        values = builder.add(x, _bytes(builder, stride, loop.index))
        target = builder.add(g, _bytes(builder, stride, loop.index))
        builder.store(zero, total)
        builder.store(zero, product)
        with cgutils.for_range_slice(builder, _INT(0), length, _INT(LANES), _INT) as (p, _):
            shift = _bytes(builder, p)
            value = _load(builder, builder.add(values, shift), 0, LANES)
            off = _off(builder, _multiply_add(builder, b, a, value))
            inside = _inside(builder, _load(builder, builder.add(mask, shift), 0, LANES))
            d = _load(builder, builder.add(source, shift), 0, LANES)
            d = builder.select(builder.and_(inside, builder.not_(off)), d, zero)
            builder.store(builder.fadd(builder.load(total), d), total)
            distance = builder.select(inside, builder.fsub(value, mean), zero)
            old = builder.load(product)
            builder.store(_multiply_add(builder, old, d, distance), product)
            place = builder.add(target, shift)
            start = builder.select(more, _load(builder, place, 0, LANES), zero)
            _store(builder, _multiply_add(builder, start, a, d), place)
        for i, vector in enumerate((total, product)):
            at = builder.add(sums, builder.mul(loop.index, _INT(16)))
            at = builder.add(at, _INT(8 * i))
            pointer = builder.inttoptr(at, ir.DoubleType().as_pointer())
            part = builder.fpext(_sum_of_lanes(builder, builder.load(vector)), ir.DoubleType())
            builder.store(builder.fadd(builder.load(pointer), part), pointer)


@intrinsic
def through_relu(
    typing, dz, dz_stride, x, g, stride, affine, affine_stride, mask, sums, length, add
):  # fmt: skip
    """From the gradient after batch norm and ReLU to the one before, for 8 channels.

    With d = dz where the ReLU was open and ``mask`` is not 0: writes a * d to ``g`` (adds it, if
    ``add`` is not 0), and adds the sums of d and of d * (x - mean) to ``sums``, float64 [8, 2]:
    from them follow the gradients of beta, gamma and the batch's statistics. ``affine`` holds all
    a, then (``affine_stride`` floats further each) all b and all means.
    """
    return _as_function("nbnet_through_relu", 11, _write_through_relu)


@intrinsic
def put(typing, address, value):
    """Write one float32 at ``address``."""

    def generate(context, builder, signature, args):
        _store(builder, args[1], args[0])
        return context.get_dummy_value()

    return types.void(_ADDRESS, types.float32), generate


convolve_3x3, convolve_3x3_short = make_convolve(3, VECTORS), make_convolve(3, 1)
convolve_2x2, convolve_2x2_short = make_convolve(2, VECTORS), make_convolve(2, 1)
correlate_3x3, correlate_2x2 = make_correlate(3, 1), make_correlate(2, 2)
