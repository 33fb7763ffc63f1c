"""Reading lists: lines and CSV rows with their place (file:line), and paths that stay inside."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from nbnet_lib.errors import NbnetError


def existing_folder(path: Path, what: str) -> Path:
    """Return ``path``.

    Raises:
        NbnetError: it is not a folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise NbnetError(f"{path} is not a folder: give the folder of the {what} pictures")
    return path


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without byte order mark.

    Raises:
        NbnetError: the file cannot be read, is not UTF-8 (with file:line), or holds nothing.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise NbnetError(
            f"the list {path} cannot be read ({error.strerror or error}): check the path"
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NbnetError(
            f"{path}:{line}: byte {data[error.start]:#04x} is not UTF-8: save the list as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NbnetError(f"{path}:{line}: a zero byte in a text file: save the list as UTF-8")
    if not text.strip():
        raise NbnetError(f"{path} is empty: a list with at least one line was expected")
    return text


def read_fields(path: Path) -> list[tuple[str, list[str]]]:
    """Return (place, fields) of each line that is not blank; place is "file:line".

    Fields are separated by tabs if the line holds one, else by spaces: so names may hold spaces
    where tabs separate.

    Raises:
        NbnetError: see `read_text`.
    """
    found = []
    # Not splitlines(): it also breaks at form feeds and other characters that editors keep inside.
    for number, line in enumerate(read_text(path).replace("\r\n", "\n").split("\n"), 1):
        if line.strip():
            fields = line.split("\t") if "\t" in line.strip() else line.split()
            found.append((f"{path}:{number}", [field.strip() for field in fields]))
    return found


def read_table(path: Path) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    """Return (columns, [(place, {column: value})]) of a CSV file whose first row names columns.

    Blank lines are skipped and values stripped of spaces around them.

    Raises:
        NbnetError: broken quoting, a column twice, a row with too many or too few cells, an empty
            cell, no rows, or what `read_text` refuses.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[tuple[str, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((f"{path}:{reader.line_num}", [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise NbnetError(f"{path}:{reader.line_num}: not a CSV row ({error}): mend it") from error
    place, columns = rows[0]
    if len(set(columns)) < len(columns):
        twice = next(c for c in columns if columns.count(c) > 1)
        raise NbnetError(f"{place}: the column {twice!r} occurs twice: keep one")
    if len(rows) == 1:
        raise NbnetError(f"{path} has a header and no rows: at least one row was expected")
    table = []
    for place, cells in rows[1:]:
        if len(cells) != len(columns):
            raise NbnetError(
                f"{place}: {len(cells)} cells under {len(columns)} columns "
                f"({', '.join(columns)}): give one cell for each"
            )
        if "" in cells:
            raise NbnetError(f"{place}: {columns[cells.index('')]!r} is empty: fill it in")
        table.append((place, dict(zip(columns, cells, strict=True))))
    return columns, table


def require_utf8(names: Iterable[str], what: str) -> None:
    """Raise unless a table can hold every name: on Linux a file may be called anything.

    Raises:
        NbnetError: a name that is not UTF-8; ``what`` says what the names are of.
    """
    for name in names:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as error:
            raise NbnetError(f"{what} {name!r} is not UTF-8: rename it") from error


def check_columns(path: Path, columns: Sequence[str], known: Sequence[str]) -> None:
    """Raise unless every column is known.

    Raises:
        NbnetError: an unknown column; it names all that are known.
    """
    for column in columns:
        if column not in known:
            raise NbnetError(
                f"{path}:1: unknown column {column!r}: known are {', '.join(known)}, "
                "separated by commas"
            )


def inside(name: str, place: str) -> str:
    """Return ``name`` as a relative path with forward slashes.

    Raises:
        NbnetError: an absolute path, or one that leaves the folder of the pictures.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
        raise NbnetError(
            f"{place}: {name!r} leaves the folder of the pictures: give a path inside it"
        )
    return str(path)
