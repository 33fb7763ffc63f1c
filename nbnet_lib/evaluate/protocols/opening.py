"""From what the command line names to a protocol."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.blufr import lfw_blufr
from nbnet_lib.evaluate.protocols.color_feret import feret
from nbnet_lib.evaluate.protocols.lfw import lfw_view2
from nbnet_lib.evaluate.protocols.lists import from_csv
from nbnet_lib.evaluate.protocols.synthetic import synthfaces
from nbnet_lib.evaluate.protocols.types import Protocol

NAMES = ("synthfaces", "lfw", "lfw-blufr", "feret")


def open_protocol(
    name_or_path: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    identities: Iterable[int] | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> Protocol:
    """Return a protocol by name, or read one from a CSV file.

    Args:
        name_or_path: "synthfaces", "lfw" (view 2), "lfw-blufr", "feret", or a ``.csv`` file
            (see `from_csv`).
        data: the folder of the pictures; for a CSV file its own folder by default.
        identities: of synthfaces only; default 0 to 299.
        samples: of synthfaces only; default 6.
        seed: of the random trials of "lfw-blufr".

    Raises:
        NbnetError: an unknown name, an argument that the protocol does not take, or what its
            reader refuses.
    """
    name = str(name_or_path)
    is_list = name.lower().endswith(".csv")
    if name not in NAMES and not is_list:
        raise NbnetError(
            f"no protocol is called {name!r}: give one of {', '.join(NAMES)}, or a .csv file"
        )
    if name == "synthfaces":
        if data is not None:
            raise NbnetError(
                "synthfaces draws its own pictures: leave the data folder away, or name the "
                "protocol of that folder"
            )
        return synthfaces(
            range(300) if identities is None else identities, 6 if samples is None else samples
        )
    if identities is not None or samples is not None:
        raise NbnetError(
            f"the protocol {name} takes its people from its data: leave identities and samples away"
        )
    if is_list:
        return from_csv(Path(name), None if data is None else Path(data))
    if data is None:
        raise NbnetError(f"the protocol {name} needs its pictures: give the folder they lie in")
    if name == "feret":
        return feret(Path(data))
    if name == "lfw-blufr":
        return lfw_blufr(Path(data), seed=seed)
    return lfw_view2(Path(data))
