"""Pictures that were made by calculation, kept on disk under the recipe that they follow from.

A generator's faces are drawn once. Another machine, or another number of threads, might round a
pixel the other way, and templates are kept for the pictures that they were taken of; so the drawn
bytes stay, and sets larger than memory are read from there as they are needed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from nbnet_lib.files import atomic_path, cache_dir, require_writable_folder

VERSION = 1  # of the way pictures are drawn and cut: a change makes all of them anew


def stored_images(
    recipe: list[Any],
    shape: tuple[int, int],
    make: Callable[[], Iterable[tuple[int, np.ndarray]]],
    told: str,
    progress: bool = True,
) -> tuple[np.ndarray, str]:
    """Return pictures from the cache, made now where they are not there.

    A second process that wants the same ones waits for the first.

    Args:
        recipe: what the pictures follow from; plain values.
        shape: (how many, side in pixels).
        make: yields (row of the first, uint8 [B, S, S, 3]) for all of them.
        told: what the progress bar says.
        progress: show it on stderr.

    Returns:
        (uint8 [N, S, S, 3], a read-only memory map; the key of the recipe).

    Raises:
        NbnetError: the cache cannot be written to, or has no room (found before drawing).
    """
    count, size = shape
    key = hashlib.sha256(json.dumps([VERSION, *recipe, count, size]).encode()).hexdigest()
    folder = require_writable_folder(cache_dir() / "pictures" / f"{size}px-{key[:16]}")
    path = folder / "images.npy"
    whole = (count, size, size, 3)
    with FileLock(folder / ".lock"):
        if not _holds(path, whole):
            bar = tqdm(total=count, desc=told, unit="image", delay=0.3, disable=not progress)
            with bar, atomic_path(path, needed=count * size * size * 3) as temporary:
                images = np.lib.format.open_memmap(temporary, "w+", np.uint8, whole)
                for first, pictures in make():
                    images[first : first + len(pictures)] = pictures
                    bar.update(len(pictures))
                images.flush()
                del images
    return np.load(path, mmap_mode="r"), key


def _holds(path: Any, shape: tuple[int, ...]) -> bool:
    """Return whether the file is there and not cut short; it was put there whole."""
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(images.shape == shape and images.dtype == np.uint8)
