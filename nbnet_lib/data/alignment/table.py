"""What became of each picture: the journal of a run, the table at its end, and the counts.

    .alignment.jsonl    one line of settings, then one line for each picture as it is done; what
                        a run that was killed has done is read from here
    alignment.parquet   the table, one row for each picture, in the order of their names
    alignment.json      framing, size, detector and counts
The last two are there when everything has been done, and describe all pictures of the folder.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path

JOURNAL, TABLE, SUMMARY = ".alignment.jsonl", "alignment.parquet", "alignment.json"
# Columns of the table: name, and type as pyarrow calls it.
COLUMNS = {
    "image": "string",  # relative to the source folder, with "/"
    "status": "string",  # "aligned" or "failed"
    "reason": "string",  # why it failed, or why it is the centre of the picture; else empty
    "detail": "string",  # the reason in more words
    "notes": "string",  # what had to be changed to read it, and "several faces"; with "; " between
    "width": "int32",  # of the picture as it was read, upright; 0 where it was not
    "height": "int32",
    "faces": "int32",  # how many were found
    "score": "float32",  # of the one that was taken
    "box": "list<float32>",  # left, top, right, bottom, pixels
    "points": "list<float32>",  # x, y of five points, in the order of faces.framing
    "out": "string",  # relative to this folder; empty where it failed
}
LISTED = 1000  # names of skipped files in the summary

Row = dict[str, Any]


class Journal:
    """The rows of a folder, written as they come; a context manager.

    Args:
        folder: where it lies.
        settings: what the rows depend on; a folder with rows of other settings is refused.

    Raises:
        NbnetError: rows of other settings, or a folder that holds files and no journal.
    """

    def __init__(self, folder: Path, settings: Row):
        self.path, self.settings = folder / JOURNAL, settings
        self.rows: dict[str, Row] = {}
        self._file: TextIO | None = None
        if self.path.exists():
            self._read()
        elif any(not path.name.startswith(".") for path in folder.iterdir()):
            raise NbnetError(
                f"{folder} holds files that no alignment has written: choose an empty folder"
            )

    def _read(self) -> None:
        with open(self.path, encoding="utf-8", errors="replace") as file:
            settings = _line(file.readline())
            if settings is None:
                raise NbnetError(
                    f"{self.path} is damaged: delete the folder {self.path.parent} and align again"
                )
            if settings != self.settings:
                differ = sorted(
                    key
                    for key in self.settings.keys() | settings.keys()
                    if settings.get(key) != self.settings.get(key)
                )
                raise NbnetError(
                    f"{self.path.parent} holds pictures that were aligned differently "
                    f"({', '.join(differ)} differ): choose another folder or delete it"
                )
            for text in file:
                row = _line(text)
                if row is not None:  # the last line of a run that was killed may be half a one
                    self.rows[row["image"]] = row

    def __enter__(self) -> Journal:
        """Write what is known as a whole file, and go on from there."""
        with atomic_path(self.path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            for row in (self.settings, *self.rows.values()):
                file.write(json.dumps(row) + "\n")
        self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # line by line
        return self

    def __exit__(self, *error: object) -> None:
        assert self._file
        try:
            self._file.close()  # tries once more to write what a full disk has refused
        except OSError:
            if error[0] is None:
                raise

    def add(self, row: Row) -> None:
        """Keep the row of a picture that was done.

        Raises:
            NbnetError: the disk is full.
        """
        assert self._file
        try:
            self._file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise NbnetError(
                f"cannot write {self.path} ({error.strerror or error}): make room there, and give "
                "the same command again to go on"
            ) from error
        self.rows[row["image"]] = row


def _line(text: str) -> Row | None:
    try:
        row = json.loads(text)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def count(rows: Iterable[Row], skipped: int) -> dict[str, Any]:
    """Return how many pictures were aligned and failed, by reason, and how many have which note."""
    reasons: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    pictures = aligned = centred = 0
    for row in rows:
        pictures += 1
        notes.update(row["notes"])
        if row["status"] == "aligned":
            aligned += 1
            centred += bool(row["reason"])
        else:
            reasons[row["reason"]] += 1
    return {
        "pictures": pictures,
        "aligned": aligned,
        "centred": centred,
        "failed": pictures - aligned,
        "skipped": skipped,
        "reasons": dict(reasons.most_common()),
        "notes": dict(notes.most_common()),
    }


def write_table(folder: Path, rows: list[Row]) -> None:
    """Write the rows as ``alignment.parquet``."""
    pyarrow, parquet = require_pyarrow()
    types = {
        "string": pyarrow.string(),
        "int32": pyarrow.int32(),
        "float32": pyarrow.float32(),
        "list<float32>": pyarrow.list_(pyarrow.float32()),
    }
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    columns["notes"] = ["; ".join(notes) for notes in columns["notes"]]
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    # An open file: pyarrow takes no path that is not UTF-8.
    with atomic_path(folder / TABLE) as temporary, open(temporary, "wb") as file:
        parquet.write_table(pyarrow.table(columns, schema=schema), file)


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write ``alignment.json``."""
    with atomic_path(folder / SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def is_whole(folder: Path, row: Row) -> bool:
    """Tell whether the result of a row is there as it was written."""
    if row["status"] != "aligned":
        return True
    try:
        return os.path.getsize(folder / row["out"]) == row["out_bytes"]
    except OSError:
        return False


def require_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module.

    Raises:
        NbnetError: it is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise NbnetError(f"the table needs pyarrow ({error}): pip install pyarrow") from error
    return pyarrow, parquet
