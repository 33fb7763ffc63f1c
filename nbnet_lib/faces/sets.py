"""Sets of synthetic faces as arrays in memory: `render_set`, in one call.

What it draws is kept on disk (`nbnet_lib.faces.blocks`), so an interrupted run goes on where it
stopped and the next run reads instead of drawing. `nbnet_lib.faces.dataset.SynthFaces` is the same
store for sets that do not fit in memory. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nbnet_lib.faces.blocks import Block, BlockStore
from nbnet_lib.faces.drawing import Recipe, cores, in_parallel, whole_numbers


@dataclass(frozen=True)
class FaceSet:
    """Pictures with their labels: images uint8 [N, H, W, 3], identities and samples int64 [N]."""

    images: np.ndarray
    identities: np.ndarray
    samples: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def render_set(
    identities: Iterable[int],
    samples: int | Iterable[int] | str,
    size: int = 64,
    workers: int | None = None,
    cache: bool | str | Path = True,
    progress: bool = True,
    difficulty: float = 1.0,
) -> FaceSet:
    """Draw pictures of many people.

    Args:
        identities: identity numbers.
        samples: how many pictures of each person (0 to n - 1), or their numbers; or "portrait",
            one frontal, neutral picture of each (see `synth.portrait`), numbered -1.
        size: side in pixels.
        workers: how many draw at the same time; None for one per CPU core.
        cache: keep blocks under `nbnet_lib.files.cache_dir` and read them from there; or the
            folder to use instead; or False.
        progress: show a bar on stderr.
        difficulty: 0.25 (easy) to 2; 1 is the default set.

    Returns:
        A `FaceSet`, person by person, samples in order.

    Raises:
        NbnetError: no identity or no sample, a number out of range, or a cache that is not
            writable or has no room.
    """
    people = whole_numbers(identities, "identity")
    recipe = Recipe(samples, size, difficulty)
    workers = cores(workers)
    once, rows = np.unique(people, return_inverse=True)
    images = np.empty((len(once), *recipe.shape), np.uint8)
    with drawing_bar(len(once), recipe, progress) as bar:
        if cache is False:
            for row, pictures in enumerate(in_parallel(recipe.draw, once.tolist(), workers)):
                images[row] = pictures
                bar.update(len(recipe.samples))
        else:
            store = BlockStore(recipe, cache)
            blocks = list(store.blocks(once))

            def keep(block: Block, pictures: np.ndarray) -> None:
                first = np.searchsorted(once, block[0])
                images[first : first + len(block)] = pictures
                bar.update(len(block) * len(recipe.samples))

            store.require_space(blocks)
            store.build(blocks, workers, keep)
    in_order = len(once) == len(people) and np.array_equal(once, people)
    return FaceSet(
        images=(images if in_order else images[rows]).reshape(-1, *recipe.shape[1:]),
        identities=np.repeat(people, len(recipe.samples)),
        samples=np.tile(np.array(recipe.samples, np.int64), len(people)),
    )


def drawing_bar(people: int, recipe: Recipe, progress: bool) -> tqdm:
    """Return a progress bar that counts pictures; short work ends before it appears."""
    return tqdm(
        total=people * len(recipe.samples),
        desc=f"drawing {people} people x {len(recipe.samples)}",
        unit="image",
        delay=0.3,  # nothing flashes up for a set that is read from disk
        disable=not progress,
    )
