"""The fast NbNet for CPUs: the same numbers as nbnet.py, with far fewer passes over memory.

`NbNet.forward` takes this path by itself where it `applies`; nbnet.py stays the version to read,
and is the reference of the tests. Weights and state_dict are the same. Four files: this page,
`applies.py` (where it may stand in), `trunk.py` (the network as a list of layers, the threads, the
gradients' bookkeeping) and `kernels.py` (the loops, compiled by numba). See chapter 6.

**What it saves.** The readable version copies all channels at every concatenation, and reads and
writes them several times for every batch norm and ReLU; autograd keeps most of those copies until
the backward pass. Here each channel is written once, and everything else is made again when it is
needed, a strip at a time, in a buffer that stays in the processor's cache.

**Rows.** A channel of the whole batch is one row of positions. Pictures follow each other in it,
H rows of W = H pixels each, with one empty position after every row of pixels and one empty row
after every picture: position (n * pitch + y) * pitch + x, pitch = H + 1, behind a ``halo`` of
pitch + 1 more. What is empty is the border of two neighbours at once, so the 3x3 neighbours of p
are p - pitch - 1 ... p + pitch + 1 everywhere: a convolution is a sum of shifted rows, without any
question of borders. ``mask`` is 1 at pixels; what is elsewhere is never read as it is.

**Stages.** A block and the de-convolution (or head) behind it own one array x [channels, W]. Its
first channels are the block's input; each layer writes its 8 channels behind them, so nothing is
ever concatenated. The statistics of a channel are those of the whole batch, and stay the same for
every layer that reads it: they are measured once, when the channel is made. Layer i then needs
relu(a_i * x + b_i), which is made for a strip of positions (short enough for the cache), convolved
and forgotten. Threads share the strips, and wait for each other after every layer.

**Backward.** relu(a_i * x + b_i) is made again instead of stored: this is where the memory is
saved. Batch norm's gradient of layer i is, with xhat = (x - mean) / deviation and dz the gradient
where the ReLU was open,

    a_i * dz - a_i * average(dz) - xhat * a_i * average(dz * xhat)

The last two terms have the same form in all layers: their factors are added up per channel (s1,
s2), and subtracted once, when the channel has heard from every layer that reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from nbnet_lib.decoders.fast.applies import applies

if TYPE_CHECKING:
    from nbnet_lib.decoders.nbnet import NbNet

__all__ = ["applies", "fast_trunk"]


def fast_trunk(net: NbNet, x: Tensor) -> Tensor:
    """From the stem to the picture before tanh: float32 [N, C, s, s] -> [N, 3, S, S]."""
    from nbnet_lib.decoders.fast.trunk import run_trunk  # numba only where it is used

    return run_trunk(net, x)
