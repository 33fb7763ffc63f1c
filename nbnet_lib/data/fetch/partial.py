"""The part of a download that is there already: `NAME.part`, and a note of where it came from.

The note (`NAME.part.json`) is what makes going on safe: the bytes that are here and those that are
asked for must be of the same version of the file. A server names the version by an entity tag or a
date, and is asked for the rest on the condition that it still has that version (RFC 9110, 13.1.5).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from nbnet_lib.files import atomic_path


@dataclass(frozen=True)
class Origin:
    """What a server said about the file when its first byte came.

    Attributes:
        url: the mirror's address, before redirections.
        version: its strong entity tag, else its date of last change, else "".
        total: the length of the whole file in bytes, or None where it was not said.
    """

    url: str
    version: str = ""
    total: int | None = None


class Partial:
    """`NAME.part` in a folder; it survives Ctrl-C, a killed process and a cut line.

    One process at a time may use it (`fetch` holds a lock).
    """

    def __init__(self, folder: Path, name: str):
        self.path = folder / f"{name}.part"
        self.note = folder / f"{name}.part.json"

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self) -> Origin | None:
        """Return where the bytes came from, or None when that is not known."""
        try:
            return Origin(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # no note, or a damaged one: it is written anew with the next bytes

    def begin(self, origin: Origin) -> None:
        """Start from nothing. The old bytes go first: a note never speaks of another's bytes."""
        self.path.write_bytes(b"")
        self.go_on(origin, 0)

    def go_on(self, origin: Origin, size: int) -> None:
        """Keep the first ``size`` bytes; the next ones come from ``origin``."""
        if self.size > size:
            os.truncate(self.path, size)
        with atomic_path(self.note) as temporary:
            temporary.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def discard(self) -> None:
        """Forget what is here: it is of no use."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Give the file its name. Call it only when the file is whole and verified."""
        with open(self.path, "rb+") as file:  # onto the disk before the name points at it
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self.note.unlink(missing_ok=True)
