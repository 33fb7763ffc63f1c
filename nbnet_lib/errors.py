"""The error that the library raises for bad input, and the warning for what cannot be trusted."""

from __future__ import annotations

import re
import warnings

# As torch (CPU and CUDA), numpy, onnxruntime and the system say it; they share no class.
_NO_MEMORY = re.compile(
    "allocate memory|out of memory|not enough memory|bad_alloc|start new thread", re.IGNORECASE
)


class NbnetError(ValueError):
    """Bad input or a missing file, said in one sentence.

    The sentence names the value or the file, what was expected and what to do. The command line
    prints it without a traceback and exits with status 2.
    """


class NbnetWarning(UserWarning):
    """A number that was computed and should not be relied on, said in one sentence.

    `nbnet_lib.evaluate.run_protocol` returns these as the notes of its result instead.
    """


def note_or_warn(sentence: str, notes: list[str] | None = None) -> None:
    """Append a sentence to the notes of a result; warn (`NbnetWarning`) where there are none.

    Notes are passed along instead of catching warnings, which are global to the process: two
    evaluations in two threads would mix theirs.
    """
    if notes is None:
        warnings.warn(sentence, NbnetWarning, stacklevel=3)
    else:
        notes.append(sentence)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` means that memory ran out, whatever library raised it."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))
