"""Sets of synthetic faces: rendered in parallel processes, kept on disk in small blocks.

A block (10 identities) is written atomically under the cache folder, so an interrupted run goes on
where it stopped and the next run reads instead of drawing. Introduced in chapter 1.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.synth import RENDERER_VERSION, render
from nbnet_lib.files import atomic_path, cache_dir

BLOCK = 10  # identities


@dataclass(frozen=True)
class FaceSet:
    """Pictures with their labels: images uint8 [N, H, W, 3], identities and samples int64 [N]."""

    images: np.ndarray
    identities: np.ndarray
    samples: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def _block_file(identities: tuple[int, ...], samples: tuple[int, ...], size: int) -> Path:
    key = json.dumps([RENDERER_VERSION, identities, samples, size])
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    return cache_dir() / "faces" / f"v{RENDERER_VERSION}-{size}px" / f"{name}.npy"


def _read_block(file: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a cached block, or None if there is none or it is damaged (then it is drawn anew)."""
    try:
        block = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return block if block.shape == shape and block.dtype == np.uint8 else None


def _draw_block(identities: tuple[int, ...], samples: tuple[int, ...], size: int) -> np.ndarray:
    return np.stack([render(i, s, size) for i in identities for s in samples])


def render_set(
    identities: Iterable[int],
    samples: int | Iterable[int],
    size: int = 64,
    workers: int | None = None,
    cache: bool = True,
    progress: bool = True,
) -> FaceSet:
    """Draw pictures of many people.

    Args:
        identities: identity numbers.
        samples: how many pictures of each person (0 to n - 1), or their numbers.
        size: side in pixels.
        workers: processes; None for one per CPU core. Small sets are drawn in this process.
        cache: keep blocks under `nbnet_lib.files.cache_dir` and read them from there.
        progress: show a bar on stderr.

    Returns:
        A `FaceSet`, person by person, samples in order.

    Raises:
        NbnetError: no identity or no sample, a size out of range, or a cache that is not writable.
    """
    people = tuple(int(i) for i in identities)
    numbers = tuple(range(samples) if isinstance(samples, int) else (int(s) for s in samples))
    if not people or not numbers:
        raise NbnetError("nothing to draw: give at least one identity and one sample")
    blocks = [people[i : i + BLOCK] for i in range(0, len(people), BLOCK)]
    shapes = [(len(block) * len(numbers), size, size, 3) for block in blocks]
    files = [_block_file(block, numbers, size) for block in blocks]
    drawn: list[np.ndarray | None] = [
        _read_block(file, shape) if cache else None
        for file, shape in zip(files, shapes, strict=True)
    ]
    missing = [i for i, block in enumerate(drawn) if block is None]
    if workers is None:
        workers = os.cpu_count() or 1
    workers = min(workers, len(missing))
    bar = tqdm(
        total=len(missing),
        desc=f"drawing {len(people)} people x {len(numbers)}",
        unit="block",
        disable=not progress or not missing,
    )
    with bar:
        # Blocks come back in order, each is on disk before the next is waited for.
        parallel = joblib.Parallel(n_jobs=max(workers, 1), return_as="generator")
        results = parallel(joblib.delayed(_draw_block)(blocks[i], numbers, size) for i in missing)
        for i, block in zip(missing, results, strict=True):
            if cache:
                with atomic_path(files[i]) as temporary, open(temporary, "wb") as handle:
                    np.save(handle, block)
            drawn[i] = block
            bar.update()
    return FaceSet(
        images=np.concatenate([block for block in drawn if block is not None]),
        identities=np.repeat(np.array(people, np.int64), len(numbers)),
        samples=np.tile(np.array(numbers, np.int64), len(people)),
    )
