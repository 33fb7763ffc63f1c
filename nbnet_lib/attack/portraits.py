"""Portraits to draw instead of the pictures: an extension beyond the paper (chapter 9).

The paper's decoder learns to draw the very picture whose template it gets. A good recogniser's
template holds little of pose, light and background, so these have to be guessed, and a guess that
costs least is their mean: blur. An attacker who draws its own training faces knows the people in
them and may ask for something else: the template of *any* picture of a person shall become that
person's portrait, frontal, neutral and evenly lit (`synthfaces.sample`). What is then left to
learn is who it is.

The target sees the pictures as before; only what the decoder is compared with changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nbnet_lib.attack.data import Pictures
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set, require_attack


def portraits_of(
    identities: Sequence[int] | np.ndarray | None, size: int, progress: bool = True
) -> Pictures:
    """Return the portrait of the person in each picture.

    Args:
        identities: the SynthFaces identity of each picture, all the attacker's; None for
            pictures of which that is not known.
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
    require_attack(identities)
    people, rows = np.unique(np.asarray(identities, np.int64), return_inverse=True)
    return Pictures([render_set(people, "portrait", size, progress=progress).images], rows)
