"""The authors' released weights: from an MXNet ``.params`` file to a ready decoder (chapter 6).

The authors trained in MXNet, which nobody maintains any more; this reads their files without it.
Which network a file holds is seen from the names of its arrays, and every size by their shapes:

- NbNet-A and NbNet-B: ``conv0_weight`` (the stem), ``dense{k}__layer_{i}_...`` (the blocks; files
  of the released trainer say ``nb{k}__layer_{i}_...``), ``trans{k}__...`` (the doublings),
  ``last__layer_{i}_...`` (the last block), ``batch_norm_last_...`` and ``conv_last_weight``;
- the D-CNN, which is also the face generator: ``g1_weight`` ... ``g7_weight``.

Two things differ from our networks. Ours multiply the template by sqrt(d) before the stem, so the
stem's kernel is divided by it here. And MXNet's batch norm ignores the gamma in the file and uses 1
unless ``fix_gamma`` is off (it is on by default, and so in the released network).

Kernels have the same layout and orientation in both libraries (``tools/verify_mxnet.py`` compares
whole networks with MXNet 1.9.1: no pixel differs by more than 1e-5).

The format, from the public description of MXNet's ``NDArray::Save`` and ``Load``, little-endian:

=====================  =============================================================
uint64 0x112           what marks the file
uint64                 reserved
uint64 n, n arrays     each as below
uint64 m, m names      each uint64 length and bytes; m is n
=====================  =============================================================

An array begins with a uint32 that gives its version:

- 0xF993FAC9 (V2) or 0xF993FACA (V3, "numpy shapes"): int32 storage type (0 is dense), int32 number
  of dimensions, int64 each;
- 0xF993FAC8 (V1): uint32 number of dimensions, int64 each;
- anything else (before V1): it is itself the number of dimensions, uint32 each.

Then int32 device type and int32 device number, int32 type of the values, and the values, row by
row. A file is never believed: every length is compared with the bytes that are left.
"""

from __future__ import annotations

import math
import os
import re
import reprlib
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.decoders.base import SIZES, Decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file

Arrays = Mapping[str, np.ndarray]

MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DTYPES = {0: "<f4", 1: "<f8", 2: "<f2"}  # MXNet also knows integers: no network here has any
MAX_DIMENSIONS = 8
_NORM = {
    "weight": "arg:{}_gamma",
    "bias": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}


def load_mxnet_params(path: str | os.PathLike[str], *, fix_gamma: bool = True) -> Decoder:
    """Build the decoder that an MXNet ``.params`` file holds the weights of.

    Args:
        path: the file, as `mxnet.model.save_checkpoint` writes it (arrays of float16, 32 or 64).
        fix_gamma: what the network's batch norms were built with; True (MXNet's default, and the
            released NbNet-B) uses gamma 1 whatever the file says.

    Returns:
        "nbnet-a", "nbnet-b", "dcnn" or, where the input has length 100, "dcgan-generator", in
        evaluation mode, as from `create_decoder`: `save_decoder` writes it as safetensors.
        ``decoder.card`` says where it came from; ``decoder.framing`` is None, because the file does
        not say where faces are in its pictures.

    Raises:
        NbnetError: no such file, not a ``.params`` file, damaged, or not one of these networks.
    """
    # Not at the top: the registry is what callers import first.
    from nbnet_lib.decoders.registry import create_decoder

    path = Path(path)
    if not path.is_file():
        raise NbnetError(f"no file {path}: give the .params file of the authors' network")
    arrays = _Reader(path).arrays()
    name, dim, size, options = _structure(path, arrays)
    # On the meta device the network has shapes but no memory: compare before anything is made.
    with torch.device("meta"):
        expected = create_decoder(name, dim, size, **options)
    keys = dict(_names(expected, arrays))
    _compare(path, arrays, expected, keys)
    state = {key: _values(path, name, arrays[name], fix_gamma) for name, key in keys.items()}
    stem = "stem.weight" if name.startswith("nbnet") else "deconvolutions.0.weight"
    if name != "dcgan-generator":
        state[stem] = state[stem] / math.sqrt(dim)
    with torch.random.fork_rng(devices=[]):  # the fresh weights are overwritten
        decoder = create_decoder(name, dim, size, **options)
    missing = decoder.load_state_dict(state, strict=False).missing_keys
    assert all(key.endswith("num_batches_tracked") for key in missing), missing
    decoder.name, decoder.framing = str(path), None
    decoder.card = {
        "source": f"MXNet parameters {path.name}",
        "source_sha256": sha256_file(path),
        "fix_gamma": fix_gamma,
    }
    return decoder.eval()


class _Reader:
    """The bytes of a file, given out no further than they reach."""

    def __init__(self, path: Path):
        self.path, self.offset = path, 0
        with open(path, "rb") as file:
            self.data = file.read(8)
            (magic,) = self.numbers("Q", "the mark of the format")
            if magic != MAGIC:
                raise NbnetError(
                    f"{path} is not an MXNet .params file (it begins with {magic:#x}, not "
                    f"{MAGIC:#x}): give the file that MXNet's save_checkpoint wrote"
                )
            self.data += file.read()

    def fail(self, what: str) -> NbnetError:
        return NbnetError(
            f"{self.path} is not a whole MXNet .params file: {what} (at byte {self.offset:,} of "
            f"{len(self.data):,}): copy or download it again"
        )

    def take(self, length: int, what: str) -> int:
        """Return where the next ``length`` bytes begin."""
        left = len(self.data) - self.offset
        if length > left:
            raise self.fail(f"{what} needs {length:,} bytes where {left:,} are left")
        self.offset += length
        return self.offset - length

    def numbers(self, layout: str, what: str) -> tuple[Any, ...]:
        layout = "<" + layout
        return struct.unpack_from(layout, self.data, self.take(struct.calcsize(layout), what))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array by name, as views of the file's bytes."""
        _, count = self.numbers("QQ", "the number of arrays")
        # Each takes some bytes: a wrong count ends at the end of the file.
        arrays = [self.array(f"array {i}") for i in range(count)]
        (named,) = self.numbers("Q", "the number of names")
        if named != count:
            raise self.fail(f"it has {count:,} arrays and {named:,} names")
        named_arrays: dict[str, np.ndarray] = {}
        for i, array in enumerate(arrays):
            (length,) = self.numbers("Q", f"name {i}")
            begin = self.take(length, f"name {i}")
            name = self.data[begin : self.offset].decode("ascii", errors="backslashreplace")
            if name in named_arrays:
                raise self.fail(f"the name {name!r} occurs twice")
            named_arrays[name] = array
        if self.offset != len(self.data):
            raise self.fail(f"{len(self.data) - self.offset:,} bytes follow its end")
        return named_arrays

    def array(self, what: str) -> np.ndarray:
        (version,) = self.numbers("I", what)
        storage, dimensions, layout = 0, version, "I"
        if version in (V1, V2, V3):
            layout = "q"
            *_, storage, dimensions = (0, *self.numbers("i" if version == V1 else "ii", what))
        if storage != 0 or not 1 <= dimensions <= MAX_DIMENSIONS:
            raise self.fail(
                f"{what} has {dimensions:,} dimensions and is stored as type {storage}; only dense "
                f"arrays (0) of 1 to {MAX_DIMENSIONS} dimensions are read"
            )
        shape = self.numbers(f"{dimensions}{layout}", what)
        *_, kind = self.numbers("iii", what)  # after the device that it was on
        if min(shape) < 1 or kind not in DTYPES:
            raise self.fail(f"{what} has shape {shape} and values of type {kind}, not floats")
        count, dtype = math.prod(shape), np.dtype(DTYPES[kind])
        begin = self.take(count * dtype.itemsize, f"{what} of shape {shape}")
        return np.frombuffer(self.data, dtype, count, begin).reshape(shape)


def _structure(path: Path, arrays: Arrays) -> tuple[str, int, int, dict[str, int]]:
    """Return (name, template_dim, image_size, options) from the names and shapes in the file."""
    nbnet = "arg:conv0_weight" in arrays
    stem, pattern = (
        ("arg:conv0_weight", r"arg:trans\d+__dconv_weight")
        if nbnet
        else ("arg:g1_weight", r"arg:g\d+_weight")
    )
    if stem not in arrays:
        raise NbnetError(
            f"{path} holds neither an NbNet (arg:conv0_weight) nor a D-CNN (arg:g1_weight) but "
            f"{reprlib.repr(sorted(arrays))}: give the .params file of the authors' network"
        )
    ups = sum(bool(re.fullmatch(pattern, name)) for name in arrays) - (0 if nbnet else 2)
    shape = arrays[stem].shape
    sizes = [size for size, known in SIZES.items() if known == (shape[-1], ups)]
    if len(shape) != 4 or not sizes:
        raise NbnetError(
            f"{path}: {stem} of shape {shape} and {ups} doublings are not a network that is known "
            "here: give the .params file of the authors' network"
        )
    dim, channels = shape[:2]
    if not nbnet:
        name = "dcgan-generator" if dim == 100 else "dcnn"
        return name, dim, sizes[0], {"base_channels": channels}
    block = re.escape(_block_prefix(arrays))
    pattern = rf"arg:{block}_layer_\d+_conv_weight"
    layers = {name: array.shape for name, array in arrays.items() if re.fullmatch(pattern, name)}
    # The number of layers is checked here, so that a lying stem cannot ask for a giant network.
    if len(layers) * 8 != channels:
        raise NbnetError(
            f"{path}: a stem of {channels} channels needs {channels // 8} layers in its first "
            f"block, but the file has {len(layers)}: it is damaged or of another network"
        )
    growth = min(shape[0] for shape in layers.values())
    # In a chain all layers but the first read ``growth`` channels, in a dense block one or none.
    chained = sum(shape[1:2] == (growth,) for shape in layers.values()) == len(layers) - 1
    options = {"base_channels": channels, "growth": growth}
    return f"nbnet-{'a' if chained else 'b'}", dim, sizes[0], options


def _block_prefix(arrays: Arrays) -> str:
    """Return how the file calls its first block: released weights and trainer disagree."""
    return "nb0_" if "arg:nb0__layer_0_conv_weight" in arrays else "dense0_"


def _names(network: Decoder, arrays: Arrays) -> Iterator[tuple[str, str]]:
    """Yield (name in the file, key in our state dict) for every array of the network."""
    if hasattr(network, "deconvolutions"):
        stages = [k for k in network.state_dict() if k.startswith("deconvolutions.")]
        for i, key in enumerate([*stages, "head.weight"], start=1):
            yield f"arg:g{i}_weight", key
        return
    letter = _block_prefix(arrays)[:-2]  # "nb" or "dense"
    blocks: Any = network.blocks
    last = len(blocks) - 1
    for key in network.state_dict():
        stage, *rest = key.split(".")
        if rest[-1] == "num_batches_tracked":
            continue
        if stage in ("stem", "head"):
            yield f"arg:{'conv0' if stage == 'stem' else 'conv_last'}_weight", key
        elif stage == "norm":
            yield _NORM[rest[-1]].format("batch_norm_last"), key
        else:  # blocks.{k}.layers.{i}.norm.weight, ups.{k}.deconv.weight
            k = int(rest[0])
            if stage == "blocks":
                prefix = f"{'last' if k == last else letter + str(k)}__layer_{rest[2]}"
            else:
                prefix = f"trans{k}_"
            kind, value = rest[-2:]
            if kind == "norm":
                yield _NORM[value].format(f"{prefix}_batch_norm"), key
            else:
                yield f"arg:{prefix}_{'conv' if kind == 'conv' else 'dconv'}_weight", key


def _compare(path: Path, arrays: Arrays, expected: Decoder, keys: dict[str, str]) -> None:
    """Raise unless the file has exactly the arrays of the network, in their shapes."""
    state = expected.state_dict()
    wrong = sorted(keys.keys() ^ arrays.keys())
    wrong = wrong or [name for name in keys if arrays[name].shape != state[keys[name]].shape]
    if wrong:
        raise NbnetError(
            f"{path} looks like {expected.name}, but {len(wrong)} arrays are missing, do not "
            f"belong to it or have another shape (first: {wrong[0]}): it is damaged or of another "
            "network"
        )


def _values(path: Path, name: str, array: np.ndarray, fix_gamma: bool) -> Tensor:
    """Return an array as float32, checked for values that no network has."""
    with np.errstate(over="ignore"):
        value = torch.from_numpy(array.astype(np.float32))
    negative = name.endswith("_moving_var") and bool((value < 0).any())
    if negative or not torch.isfinite(value).all():
        raise NbnetError(
            f"{path}: {name} holds NaN, infinity, a number beyond float32 or a negative variance: "
            "the training that wrote it failed or the file is damaged, take another one"
        )
    return torch.ones_like(value) if fix_gamma and name.endswith("_gamma") else value
