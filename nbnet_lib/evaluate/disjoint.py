"""Nobody is attacked by a decoder that was trained on pictures of the same person.

SynthFaces keeps people apart by their numbers (`nbnet_lib.faces.splits`). For pictures of one's own
the card of a decoder holds digests of the people that it was trained with
(`nbnet_lib.data.people`), and they are compared here with the people of the protocol.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nbnet_lib.data.people import people_digest
from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn


def require_disjoint(pictures: Pictures, tested: np.ndarray, name: str, card: Any) -> None:
    """Raise when people of a protocol are among those that a decoder was trained with.

    Numbers name people within one data set only. Where all shared names are numbers and the folders
    have other names, it is a warning: perhaps they are other people.

    Args:
        pictures: of the protocol; drawn ones need no comparison.
        tested: the rows that are attacked.
        name: of the decoder.
        card: of the decoder; "people" in it holds {"folder", "digests"}, and "folders" where
            there were several, where it was trained with people who have names.

    Raises:
        NbnetError: they share people; it names how many and one of them.
    """
    trained = (card or {}).get("people")
    if not trained or isinstance(pictures.where, Drawn):
        return
    known = set(trained["digests"])
    people = [pictures.people[code] for code in np.unique(pictures.identities[tested])]
    shared = [person for person in people if known & set(people_digest([person]))]
    if not shared:
        return
    found = f"{len(shared)} of the {len(people)} people (for example {shared[0]!r})"
    folders = trained.get("folders", [trained["folder"]])
    same_folder = pictures.where.path.name in folders
    if same_folder or not all(person.isdigit() for person in shared):
        raise NbnetError(
            f"{name} was trained with pictures of {found}: divide the people with `nbnet data "
            "split` before the training, and test with that list (--protocol LIST.parquet), which "
            "leaves them out"
        )
    warnings.warn(
        f"{name} was trained with people of the same numbers as {found} here, in a folder of "
        "another name: make sure that they are other people",
        NbnetWarning,
        stacklevel=2,
    )
