"""Pictures that are the same file twice: same length first, same SHA-256 then."""

from __future__ import annotations

import hashlib

from tqdm import tqdm

from nbnet_lib.data.sets.manifest import Manifest
from nbnet_lib.data.sets.reading import Reader, in_threads
from nbnet_lib.faces.drawing import cores


def identical_files(manifest: Manifest, progress: bool = True) -> list[list[int]]:
    """Return the rows that hold the same bytes, in lists of two and more.

    Only files of equal length are read. Pictures that SynthFaces draws are never the same.

    Raises:
        NbnetError: a file that cannot be read.
    """
    if manifest.drawn is not None:
        return []
    reader = Reader(manifest)
    by_length: dict[int, list[int]] = {}
    for row in range(len(manifest)):
        by_length.setdefault(reader.length(row), []).append(row)
    rows = [row for same in by_length.values() if len(same) > 1 for row in same]
    by_content: dict[bytes, list[int]] = {}
    digests = in_threads(lambda r: hashlib.sha256(reader.content(r)).digest(), rows, cores(None))
    bar = tqdm(
        rows, desc="comparing files", unit="file", delay=0.3, leave=False, disable=not progress
    )
    for row, digest in zip(bar, digests, strict=True):
        by_content.setdefault(digest, []).append(row)
    return sorted(same for same in by_content.values() if len(same) > 1)
