"""One large array on disk, computed once, block by block, and resumable: `cached_array`.

The values are an ordinary ``.npy`` file. Beside it ``.json`` is stored what they were computed
from and how many rows are done, and ``.lock`` keeps a second process waiting for the first. A run
that is stopped, even by ``kill -9``, resumes behind the last block. (joblib.Memory keeps whole
results only: a recogniser that needs hours for a set would start again.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_free_space, require_writable_folder, room_for


def cached_array(
    path: str | os.PathLike[str],
    shape: tuple[int, ...],
    dtype: Any,
    made_from: dict[str, Any],
    compute: Callable[[int], Iterable[np.ndarray]],
    *,
    replace: bool = True,
    tally: dict[str, Any] | None = None,
) -> np.ndarray:
    """Return the array in ``path``; compute the rows that are missing.

    Args:
        path: the ``.npy`` file. Its first N rows can be read while later ones are computed.
        shape: of the whole array; a row is an entry of the first axis.
        dtype: of the values.
        made_from: everything that the values depend on, as JSON can hold it.
        compute: called with the number of the first missing row; yields arrays of consecutive rows
            from there to the end. What it yielded is on the disk before the next is asked for.
        replace: whether an array made from something else is overwritten. False refuses, for
            files in a user's own folder.
        tally: counts that ``compute`` updates as it goes (pictures without a face, for example).
            They are stored with every block and filled in from the file before ``compute`` begins.

    Returns:
        A read-only memory map.

    Raises:
        NbnetError: the folder cannot be written to, the disk is too small (found before computing)
            or fills up, or ``replace`` is False and the file was made from something else.
    """
    path = Path(path)
    note = path.with_suffix(".json")
    kind = np.dtype(dtype)
    row_bytes = kind.itemsize * int(np.prod(shape[1:]))
    made_from = {"shape": list(shape), "dtype": kind.str} | made_from
    require_writable_folder(path.parent)
    with FileLock(path.with_suffix(".lock")):
        stored = read_note(path)
        if stored and not replace:
            _require_same(path, stored.get("made_from"), made_from)
        rows = 0
        if stored.get("made_from") == made_from and _is_array(path, shape):
            rows = stored["rows"]
            if tally is not None:
                tally.update(stored["tally"])
        if rows < shape[0]:
            needed = (shape[0] - rows) * row_bytes
            require_free_space(path.parent, needed)
            with room_for(path.parent, needed), open(path, "r+b" if rows else "wb") as file:
                if not rows:
                    note.unlink(missing_ok=True)
                    header = {"descr": kind.str, "fortran_order": False, "shape": shape}
                    npy.write_array_header_1_0(file, header)
                    file.truncate(file.tell() + needed)
                # Written, not assigned to a memory map: a map that finds no room kills the process.
                file.seek(-needed, os.SEEK_END)
                for block in compute(rows):
                    file.write(np.ascontiguousarray(block, kind).data)
                    file.flush()
                    os.fsync(file.fileno())  # the rows first, then the note that they are there
                    rows += len(block)
                    with atomic_path(note) as temporary:
                        content = {"made_from": made_from, "rows": rows, "tally": tally or {}}
                        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
            assert rows == shape[0], f"{rows} rows were computed, not {shape[0]}"
    return np.load(path, mmap_mode="r")


def _is_array(path: Path, shape: tuple[int, ...]) -> bool:
    """Return whether a file holds an array of this shape, and not only a part of one."""
    try:
        return np.load(path, mmap_mode="r").shape == shape
    except (OSError, ValueError, EOFError):
        return False


def read_note(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the note beside an array: "made_from", "rows" and "tally".

    It is empty if the note is missing or damaged, so that the work starts again.
    """
    try:
        stored = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _require_same(path: Path, before: Any, now: dict[str, Any]) -> None:
    """Refuse to overwrite values that were computed from something else."""
    if not isinstance(before, dict):
        raise NbnetError(
            f"{path} was written by an earlier version of nbnet, which kept other notes beside it: "
            "choose another folder or move it away"
        )
    for name, value in now.items():
        if before.get(name) != value:
            raise NbnetError(
                f"{path} was made with {name} {before.get(name)}, not {value}: "
                "choose another folder or move it away"
            )
