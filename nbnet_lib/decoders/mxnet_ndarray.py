"""MXNet's binary list of named arrays, read without MXNet (and without pickle).

Written from the public description of the format (MXNet's ``NDArray::Save`` and ``Load``). All
numbers are little-endian:

=====================  =============================================================
uint64 0x112           what marks the file
uint64                 reserved
uint64 n, n arrays     each as below
uint64 m, m names      each uint64 length and bytes; m is n
=====================  =============================================================

An array begins with a uint32 that tells its version:

- 0xF993FAC9 (V2) or 0xF993FACA (V3, "numpy shapes"): int32 storage type (0 is dense), int32 number
  of dimensions, int64 each;
- 0xF993FAC8 (V1): uint32 number of dimensions, int64 each;
- anything else (before V1): it is itself the number of dimensions, uint32 each.

Then int32 device type and int32 device number, int32 type of the values, and the values, row by
row. A file is never believed: every length is held against the bytes that are left before anything
is read or made, so that a file of 100 bytes cannot ask for a terabyte.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nbnet_lib.errors import NbnetError

MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE = 0
DTYPES = {0: "<f4", 1: "<f8", 2: "<f2"}  # MXNet also knows integers: no network here has any
MOST_ARRAYS, MOST_DIMENSIONS, LONGEST_NAME = 10_000, 8, 1000


@dataclass(frozen=True)
class ArrayHeader:
    """Where an array lies in its file."""

    shape: tuple[int, ...]
    dtype: str
    offset: int  # of its first value, in bytes

    @property
    def nbytes(self) -> int:
        """Bytes of the values (Python's integers do not overflow)."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class _Reader:
    """A file that gives out no more bytes than it has, and says so in one sentence."""

    def __init__(self, file: BinaryIO, path: Path):
        self.file, self.path = file, path
        self.size = os.fstat(file.fileno()).st_size
        self.offset = 0

    def fail(self, what: str) -> NbnetError:
        return NbnetError(
            f"{self.path} is not a whole MXNet .params file: {what} (at byte {self.offset:,} of "
            f"{self.size:,}): copy or download it again"
        )

    def require(self, length: int, what: str) -> None:
        if length > self.size - self.offset:
            left = self.size - self.offset
            raise self.fail(f"{what} needs {length:,} bytes where {left:,} are left")

    def take(self, length: int, what: str) -> bytes:
        self.require(length, what)
        self.offset += length
        data = self.file.read(length)
        if len(data) != length:  # it became shorter while it was read
            raise self.fail(f"{what} ends early")
        return data

    def numbers(self, layout: str, what: str) -> tuple[Any, ...]:
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def skip(self, length: int, what: str) -> None:
        self.require(length, what)
        self.offset += length
        self.file.seek(self.offset)


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """Return every array's name, shape, type and place; the values stay on disk.

    Raises:
        NbnetError: another format, a cut or damaged file, sparse or integer arrays, a name twice.
    """
    with open(path, "rb") as file:
        reader = _Reader(file, path)
        (magic,) = reader.numbers("Q", "the mark of the format")
        if magic != MAGIC:
            raise NbnetError(
                f"{path} is not an MXNet .params file (it begins with {magic:#x}, not {MAGIC:#x}): "
                "give the file that MXNet's save_checkpoint wrote"
            )
        reader.numbers("Q", "the reserved word")
        (count,) = reader.numbers("Q", "the number of arrays")
        if count > MOST_ARRAYS:
            raise reader.fail(f"it claims {count:,} arrays, and at most {MOST_ARRAYS:,} are read")
        arrays = [_read_header(reader, f"array {i}") for i in range(count)]
        (named,) = reader.numbers("Q", "the number of names")
        if named != count:
            raise reader.fail(f"it has {count:,} arrays and {named:,} names")
        headers: dict[str, ArrayHeader] = {}
        for i, array in enumerate(arrays):
            name = _read_name(reader, f"name {i}")
            if name in headers:
                raise reader.fail(f"the name {name!r} occurs twice")
            headers[name] = array
        if reader.offset != reader.size:
            raise reader.fail(f"{reader.size - reader.offset:,} bytes follow its end")
    return headers


def _read_header(reader: _Reader, what: str) -> ArrayHeader:
    (version,) = reader.numbers("I", what)
    layout = "q"
    if version in (V2, V3):
        (storage,) = reader.numbers("i", what)
        if storage != DENSE:
            raise reader.fail(f"{what} is stored as type {storage}, and only dense (0) is read")
        (dimensions,) = reader.numbers("i", what)
    elif version == V1:
        (dimensions,) = reader.numbers("I", what)
    else:
        dimensions, layout = version, "I"
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise reader.fail(
            f"{what} has {dimensions:,} dimensions, and 1 to {MOST_DIMENSIONS} are read"
        )
    shape = reader.numbers(f"{dimensions}{layout}", what)
    if min(shape) < 1:
        raise reader.fail(f"{what} has the shape {shape}, in which every edge should be at least 1")
    reader.numbers("ii", what)  # the device it lay on: no matter here
    (kind,) = reader.numbers("i", what)
    if kind not in DTYPES:
        raise reader.fail(f"{what} has values of type {kind}, and float32, 64 and 16 are read")
    header = ArrayHeader(shape, DTYPES[kind], reader.offset)
    reader.skip(header.nbytes, f"{what} of shape {shape}")
    return header


def _read_name(reader: _Reader, what: str) -> str:
    (length,) = reader.numbers("Q", what)
    if length > LONGEST_NAME:
        raise reader.fail(f"{what} claims {length:,} bytes, and at most {LONGEST_NAME:,} are read")
    try:
        return reader.take(length, what).decode("ascii")
    except UnicodeDecodeError as error:
        raise reader.fail(f"{what} is not ASCII") from error


def read_array(file: BinaryIO, path: Path, name: str, header: ArrayHeader) -> np.ndarray:
    """Return the values as float32 (beyond its range: infinity).

    Raises:
        NbnetError: the file became shorter since its headers were read.
    """
    file.seek(header.offset)
    data = file.read(header.nbytes)
    if len(data) != header.nbytes:
        raise NbnetError(f"{path} changed while {name} was read: try again")
    with np.errstate(over="ignore"):
        values = np.frombuffer(data, header.dtype).astype(np.float32)
    return values.reshape(header.shape)
