"""What a folder of aligned pictures says about itself: the framing in its alignment.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS, Framing

JOURNAL, TABLE, SUMMARY = ".alignment.jsonl", "alignment.parquet", "alignment.json"
LEVELS = 3  # how far above the pictures it is looked for: set/part/person/picture.png


@dataclass(frozen=True)
class Alignment:
    """How the pictures of a folder were cut out.

    Attributes:
        folder: of alignment.json; all below it was cut out in this way.
        framing: where eyes, nose and mouth corners are.
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
            pictures that are there are then a part of the set, and nothing would show it.
    """
    folder = Path(folder).absolute()
    for place in (folder, *list(folder.parents)[:LEVELS]):
        if (place / SUMMARY).is_file():
            return _read(place / SUMMARY)
        if (place / JOURNAL).is_file():
            raise NbnetError(
                f"the alignment into {place} is not finished: give the same `nbnet data align` "
                "again, it resumes"
            )
    return None


def _read(path: Path) -> Alignment:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        framing, points = summary["framing"], summary.get("points")
        if points is not None:  # a name alone stands for its points as they are now
            framing = {"name": framing, "points": points}
        framing = Framing.from_card(framing)
        known = FRAMINGS.get(framing.name)  # its points may have been rounded in the file
        if known is not None and np.allclose(known.points, framing.points, atol=1e-4):
            framing = known
        size = summary.get("size")
        counts = dict(summary.get("counts", {}))
        return Alignment(path.parent, framing, None if size is None else int(size), counts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NbnetError(
            f"{path} does not say how the pictures were aligned ({error}): run `nbnet data align` "
            "again, or move it away if they are not aligned"
        ) from error
