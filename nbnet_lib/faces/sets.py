"""SynthFaces as data: arrays in memory (`render_set`) and a torch data set of any length.

    faces = render_set(range(10_000, 10_100), samples=6)  # uint8 [600, 64, 64, 3]
    faces = SynthFaces(range(10_000, 20_000), samples=6, size=112)
    loader = torch.utils.data.DataLoader(faces, batch_size=64, shuffle=True, num_workers=2)

What is drawn is kept on disk in small blocks (`nbnet_lib.faces.blocks`), so an interrupted run
resumes where it stopped and the next run reads instead of drawing. `SynthFaces` reads them through
memory maps: memory does not grow with the number of pictures, and workers receive a few numbers
and no pictures. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.blocks import Block, BlockStore
from nbnet_lib.faces.transforms import to_tensor
from nbnet_lib.parallel import cores, draw_people
from synthfaces import render
from synthfaces.checks import whole_numbers
from synthfaces.people import Recipe


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
    years: bool = False,
) -> FaceSet:
    """Draw pictures of many people.

    Args:
        identities: identity numbers.
        samples: how many pictures of each person (0 to n - 1), or their numbers; or "portrait",
            one frontal, neutral picture of each (`synthfaces.sample.portrait_sample`), number -1.
        size: side in pixels.
        workers: how many draw at the same time; None for one per CPU core.
        cache: keep blocks under `nbnet_lib.files.cache_dir` and read them from there; or the
            folder to use instead; or False.
        progress: show a bar on stderr.
        difficulty: 0.25 (easy) to 2; 1 is the default set.
        years: let hair, beard, glasses and tan of a person change (`synthfaces.people.Recipe`).

    Returns:
        A `FaceSet`, person by person, samples in order.

    Raises:
        NbnetError: no identity or no sample, a number out of range, or a cache that is not
            writable or has no room.
    """
    people = whole_numbers(identities, "identity")
    recipe = Recipe(samples, size, difficulty, years)
    workers = cores(workers)
    once, rows = np.unique(people, return_inverse=True)
    images = np.empty((len(once), *recipe.shape), np.uint8)
    with drawing_bar(len(once), recipe, progress) as bar:
        if cache is False:
            for row, pictures in enumerate(draw_people(recipe, once.tolist(), workers)):
                images[row] = pictures
                bar.update(len(recipe.samples))
        else:
            store = BlockStore(recipe, cache)

            def keep(block: Block, pictures: np.ndarray) -> None:
                first = np.searchsorted(once, block[0])
                images[first : first + len(block)] = pictures
                bar.update(len(block) * len(recipe.samples))

            store.build(list(store.blocks(once)), workers, keep)
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


# What `to_tensor` makes of each byte. Looking them up is for one picture faster than arithmetic in
# torch, which wakes its threads for so little.
_LEVELS = to_tensor(np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3))[
    0, 0, 0
].numpy()


class SynthFaces(Dataset):
    """Pictures of people who do not exist: index -> (image, identity, sample).

    The image is float32 [3, size, size] in [-1, 1] (or what ``transform`` makes of it); identity
    and sample are integers. Indices run person by person, in the order of ``identities``.

    Args:
        identities: identity numbers, each once, for example ``range(10_000, 20_000)``.
        samples: how many pictures of each person (0 to n - 1), or their numbers.
        size: side in pixels.
        difficulty: 0.25 (easy) to 2; 1 is the default set.
        transform: applied to each image tensor.
        cache: where pictures are kept: True for `nbnet_lib.files.cache_dir`, or a folder; False to
            draw each picture anew whenever it is asked for.
        workers: how many draw at the same time; None for one per CPU core. In a DataLoader's worker
            process it is one.
        progress: show a bar on stderr while `build` runs.

    Raises:
        NbnetError: no identity or one twice, no sample, or a number out of range.
    """

    def __init__(
        self,
        identities: Iterable[int],
        samples: int | Iterable[int] = 6,
        size: int = 64,
        difficulty: float = 1.0,
        *,
        transform: Callable[[Tensor], Any] | None = None,
        cache: bool | str | Path = True,
        workers: int | None = None,
        progress: bool = True,
    ):
        self.identities = whole_numbers(identities, "identity")  # int64 [people]
        self.recipe = Recipe(samples, size, difficulty)
        self.transform = transform
        self.workers = cores(workers)
        self.progress = progress
        self._ascending = np.unique(self.identities)
        if len(self._ascending) < len(self.identities):
            raise NbnetError("an identity is named twice: give each identity once")
        if np.array_equal(self._ascending, self.identities):
            self._ascending = self.identities  # so that workers are sent one list
        self._store = None if cache is False else BlockStore(self.recipe, cache)

    def __len__(self) -> int:
        return len(self.identities) * len(self.recipe.samples)

    def locate(self, index: int) -> tuple[int, int]:
        """Return (identity, sample) of an index; negative indices count from the end.

        Raises:
            IndexError: out of range.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside a set of {len(self):,} pictures")
        person, number = divmod(index % len(self), len(self.recipe.samples))
        return int(self.identities[person]), self.recipe.samples[number]

    def pixels(self, index: int) -> np.ndarray:
        """Return a picture as uint8 [size, size, 3]; draw its block if it is not on disk.

        Raises:
            IndexError: out of range.
            NbnetError: the cache cannot be written to, or the disk is full.
        """
        identity, sample = self.locate(index)
        if self._store is None:
            return render(identity, sample, self.recipe.size, self.recipe.difficulty)
        block = self._store.block_of(identity, self._ascending)
        pictures = self._store.read(block)
        if pictures is None:
            self._store.draw([block], 1 if get_worker_info() else self.workers)
            pictures = self._store.read(block)
        if pictures is None:
            raise NbnetError(
                f"{self._store.path(block)} was written but cannot be read back: check the disk"
            )
        return pictures[block.index(identity), self.recipe.samples.index(sample)].copy()

    def __getitem__(self, index: int) -> tuple[Any, int, int]:
        """Return (image float32 [3, size, size] in [-1, 1], identity, sample)."""
        image = torch.from_numpy(_LEVELS[self.pixels(index).transpose(2, 0, 1)])
        if self.transform is not None:
            image = self.transform(image)
        return image, *self.locate(index)

    def build(self) -> SynthFaces:
        """Draw everything that is not on disk yet, on all cores, and return this set.

        An interrupted build resumes where it stopped; a damaged block is found and drawn anew.

        Raises:
            NbnetError: there is no cache, it cannot be written to, or the disk has too little room
                (found before anything is drawn).
        """
        if self._store is None:
            raise NbnetError("a set without a cache has nowhere to build: give cache=True")
        blocks = list(self._store.blocks(self._ascending))
        with drawing_bar(len(self.identities), self.recipe, self.progress) as bar:
            per_person = len(self.recipe.samples)
            self._store.build(blocks, self.workers, lambda b, _: bar.update(len(b) * per_person))
        return self
