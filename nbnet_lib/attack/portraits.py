"""Portraits to draw instead of the pictures: an extension beyond the paper (chapter 9).

The paper's decoder learns to draw the very picture whose template it gets. A good recogniser's
template holds little of pose, light and background, so these have to be guessed, and a guess that
costs least is their mean: blur. An attacker who draws its own training faces knows the people in
them and may ask for something else: the template of *any* picture of a person shall become that
person's portrait, frontal, neutral and evenly lit (`synthfaces.portrait`). What is then left to
learn is who it is.

The target is asked about the pictures as before; only what the decoder is compared with changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbnet_lib.attack.sources import People
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set, require_training


class Repeated:
    """Pictures uint8 [N, S, S, 3] of which few differ: row i is ``images[rows[i]]``, uncopied.

    It has what training asks of an array: ``shape``, ``dtype``, ``ndim``, ``len``, and rows by
    number, by slice or by an array of numbers.
    """

    def __init__(self, images: np.ndarray, rows: np.ndarray):
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])
        self.dtype, self.ndim = images.dtype, len(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.images[self.rows[rows]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def require_people(sources: Sequence[Any]) -> None:
    """Raise unless all sources (see `attack.sources`) are SynthFaces.

    Raises:
        NbnetError: one of them is not, so nobody knows what its people look like from the front.
    """
    for source in sources:
        if not isinstance(source, People):
            raise NbnetError(
                f"portraits can be drawn of SynthFaces only, not of {source}: train on synthfaces "
                "sources alone, or without portraits"
            )


def portraits_of(
    identities: Sequence[int] | np.ndarray | None, size: int, progress: bool = True
) -> Repeated:
    """Return the portrait of the person in each picture.

    Args:
        identities: the SynthFaces identity of each picture, all >= 10,000; None for pictures of
            which that is not known.
        size: side in pixels.
        progress: show a bar on stderr.

    Returns:
        uint8 [N, size, size, 3], each person's portrait held once.

    Raises:
        NbnetError: pictures that are not SynthFaces, or people who are kept for evaluation.
    """
    if identities is None:
        raise NbnetError(
            "portraits can be drawn of SynthFaces only: give the identity of each picture, or "
            "train without portraits"
        )
    require_training(identities)
    people, rows = np.unique(np.asarray(identities, np.int64), return_inverse=True)
    return Repeated(render_set(people, "portrait", size, progress=progress).images, rows)
