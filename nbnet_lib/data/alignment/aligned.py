"""What a folder of aligned pictures says about itself: the framing in its alignment.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nbnet_lib.data.alignment.table import JOURNAL, SUMMARY
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS, Framing

LEVELS = 3  # how far above the pictures it is looked for: set/part/person/picture.png


@dataclass(frozen=True)
class Alignment:
    """How the pictures of a folder were cut out.

    Attributes:
        folder: where alignment.json lies; all below it was cut out in this way.
        framing: where eyes, nose and mouth corners lie.
        size: side of the pictures, pixels; None where the file does not say.
        counts: how many pictures were aligned, failed and so on.
    """

    folder: Path
    framing: Framing
    size: int | None = None
    counts: dict[str, Any] = field(default_factory=dict)


def read_alignment(folder: Path) -> Alignment | None:
    """Return what alignment.json in ``folder``, or at most three levels above it, says.

    Returns:
        None where there is no such file: nothing is known about the framing then.

    Raises:
        NbnetError: the file is there and cannot be used, or the alignment was not finished: the
            pictures that are there are then a part of the set, and nothing would tell.
    """
    folder = Path(folder).absolute()
    for place in (folder, *list(folder.parents)[:LEVELS]):
        path = place / SUMMARY
        if path.is_file():
            return _read(path)
        if (place / JOURNAL).is_file():
            raise NbnetError(
                f"the alignment into {place} is not finished: give the same `nbnet data align` "
                "again, it goes on where it was"
            )
    return None


def _read(path: Path) -> Alignment:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        framing, points = told["framing"], told.get("points")
        if points is not None:  # a name alone stands for its points as they are now
            framing = {"name": framing, "points": points}
        size = told.get("size")
        return Alignment(
            path.parent,
            _known(Framing.from_card(framing)),
            None if size is None else int(size),
            dict(told.get("counts", {})),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NbnetError(
            f"{path} does not say how the pictures were aligned ({error}): run `nbnet data align` "
            "again, or delete it if they are not aligned"
        ) from error


def _known(framing: Framing) -> Framing:
    """Return our own object for a framing of ours: its points may have been rounded in a file."""
    own = FRAMINGS.get(framing.name)
    return (
        own if own is not None and np.allclose(own.points, framing.points, atol=1e-4) else framing
    )
