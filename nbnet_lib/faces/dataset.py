"""SynthFaces as a map-style torch data set: any part of a million people, drawn when needed.

    faces = SynthFaces(range(10_000, 20_000), samples=6, size=112)
    loader = torch.utils.data.DataLoader(faces, batch_size=64, shuffle=True, num_workers=2)

Pictures are kept on disk in small blocks (`nbnet_lib.faces.blocks`) and read through memory maps:
memory does not grow with the number of pictures, workers receive a few numbers and no pictures,
and several processes may draw the same set at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.blocks import BlockStore
from nbnet_lib.faces.drawing import Recipe, cores, whole_numbers
from nbnet_lib.faces.sets import drawing_bar
from nbnet_lib.faces.transforms import to_tensor
from nbnet_lib.faces.truth import render

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

    def index_of(self, identity: int, sample: int) -> int:
        """Return the index of a picture: the opposite of `locate`.

        Raises:
            NbnetError: the picture is not in the set.
        """
        person = np.flatnonzero(self.identities == identity)
        if not len(person) or sample not in self.recipe.samples:
            raise NbnetError(f"picture {sample} of identity {identity} is not in this set")
        return int(person[0]) * len(self.recipe.samples) + self.recipe.samples.index(sample)

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
            self._store.build([block], 1 if get_worker_info() else self.workers)
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

        An interrupted build goes on where it stopped; a damaged block is found and drawn anew.

        Raises:
            NbnetError: there is no cache, it cannot be written to, or the disk has too little room
                (found before anything is drawn).
        """
        if self._store is None:
            raise NbnetError("a set without a cache has nowhere to build: give cache=True")
        blocks = list(self._store.blocks(self._ascending))
        self._store.require_space(blocks)
        with drawing_bar(len(self.identities), self.recipe, self.progress) as bar:
            per_person = len(self.recipe.samples)
            self._store.build(blocks, self.workers, lambda b, _: bar.update(len(b) * per_person))
        return self
