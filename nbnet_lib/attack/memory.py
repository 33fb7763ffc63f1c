"""Keep freed memory for the next batch instead of handing it back to the system.

A training allocates and frees the same large blocks in every step. glibc, Linux's usual C library,
fetches each block above 128 kB to 32 MB anew from the kernel, which fills it with zeros page by
page, and gives it back when it is freed. Measured in turns with and without, NbNet-B at 64 px in
bf16 (batch 64, one thread, a busy machine): 8,600 pages a step against 700, and 7 to 9 % of the
processor time saved for 1 % more memory.
"""

from __future__ import annotations

import ctypes
import sys

# Numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Tell the C library of this process to keep what is freed; return whether it understood.

    It holds until the process ends, so it is for commands whose whole work is a training, not for
    libraries. Without glibc (macOS, Windows, Alpine) nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - others have a mallopt that does something else
        # No block of its own from the kernel, and none given back from the end of the heap.
        return bool(library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, -1))
    except (OSError, AttributeError):
        return False
