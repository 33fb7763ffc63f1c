"""Protocols: which pictures are compared with which, and where the thresholds come from.

>>> protocol = open_protocol("synthfaces", identities=range(50), samples=4)
>>> for images in protocol.pictures.batches(size=64): ...
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.color_feret import feret
from nbnet_lib.evaluate.protocols.csv_lists import from_csv
from nbnet_lib.evaluate.protocols.lfw import lfw_blufr, lfw_view2
from nbnet_lib.evaluate.protocols.pictures import Pictures
from nbnet_lib.evaluate.protocols.types import Pairs, Protocol, Trial
from nbnet_lib.evaluate.protocols.whole_sets import own_pictures, synthfaces

__all__ = [
    "NAMES",
    "Pairs",
    "Pictures",
    "Protocol",
    "Trial",
    "feret",
    "from_csv",
    "lfw_blufr",
    "lfw_view2",
    "open_protocol",
    "own_pictures",
    "synthfaces",
]

NAMES = ("synthfaces", "lfw", "lfw-blufr", "feret", "folder")
LISTS = {"lfw": 1, "lfw-blufr": 1, "feret": 2}  # how many lists of its own a benchmark has


def open_protocol(
    name_or_path: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    identities: Iterable[int] | None = None,
    samples: int | None = None,
    seed: int = 0,
    lists: Sequence[str | os.PathLike[str]] = (),
) -> Protocol:
    """Return a protocol by name, or read one from a CSV file or a manifest.

    Args:
        name_or_path: "synthfaces", "lfw" (view 2), "lfw-blufr", "feret", "folder" (identity
            folders, see `own_pictures`), a ``.csv`` file (see `from_csv`) or a manifest
            (``.parquet``, see `own_pictures`).
        data: the folder of the pictures; for a CSV file its own folder by default, for a manifest
            the folder that it names. For "folder" also a manifest, or a folder of tar shards.
        identities: of synthfaces only; default 0 to 299.
        samples: of synthfaces only; default 6.
        seed: of the random trials of "lfw-blufr", and of the people that "folder" and manifests
            enrol, or draw from a set that is too large to compare all with all.
        lists: the benchmark's own lists, where they are not in the folder of the pictures or
            beside it: one for "lfw" (pairs.txt) and "lfw-blufr" (blufr_lfw_config.mat), two for
            "feret" (fa.txt, fb.txt).

    Raises:
        NbnetError: an unknown name, an argument that the protocol does not take, or what its
            reader refuses.
    """
    name = str(name_or_path)
    kind = Path(name).suffix.lower()
    if name not in NAMES and kind not in (".csv", ".parquet"):
        raise NbnetError(
            f"no protocol is called {name!r}: give one of {', '.join(NAMES)}, a .csv file or a "
            "manifest (.parquet)"
        )
    expected = LISTS.get(name, 0)
    if lists and len(lists) != expected:
        raise NbnetError(
            f"the protocol {name} reads {expected or 'no'} list{'s' if expected != 1 else ''} of a "
            f"benchmark, {len(lists)} given: {', '.join(map(str, lists))}"
        )
    if name == "synthfaces":
        if data is not None:
            raise NbnetError(
                "synthfaces draws its own pictures: leave out the data folder, or name the "
                "protocol of that folder"
            )
        return synthfaces(
            range(300) if identities is None else identities, 6 if samples is None else samples
        )
    if identities is not None or samples is not None:
        raise NbnetError(
            f"the protocol {name} takes its people from its data: leave out identities and samples"
        )
    if kind == ".csv":
        return from_csv(name, data)
    if kind == ".parquet":
        return own_pictures(name, data, seed=seed)
    if data is None:
        raise NbnetError(f"the protocol {name} needs its pictures: give the folder they are in")
    if name == "folder":
        return own_pictures(data, seed=seed)
    if name == "feret":
        return feret(data, *lists)
    if name == "lfw-blufr":
        return lfw_blufr(data, seed=seed, config=lists[0] if lists else None)
    return lfw_view2(data, *lists)
