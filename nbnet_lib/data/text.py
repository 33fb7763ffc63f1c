"""Reading lists: lines and CSV rows with their place (file:line), and paths that stay inside."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import pandas as pd


def existing_folder(path: Path, what: str) -> Path:
    """Return ``path``.

    Raises:
        NbnetError: it is not a folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise NbnetError(f"{path} is not a folder: give the folder of the {what} pictures")
    return path


def one_form(name: str) -> str:
    """Return a name in Unicode NFC: a Mac's archive spells an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def other_form(count: int, folder: Path) -> str:
    """Return the note on names that are spelled differently in a list and on the disk."""
    return (
        f"accents of {count:,} names are encoded differently in the list and in {folder.name} "
        "(Unicode NFC and NFD, as after unpacking a Mac's archive): taken as the same names"
    )


def read_fields(path: Path, separator: str = "\t") -> list[tuple[str, list[str]]]:
    """Return (place, fields) of each line that is not blank; place is "file:line".

    Fields are separated by tabs if the line holds one, else by spaces: so names may hold spaces
    where tabs (or another ``separator``) separate.

    Raises:
        NbnetError: the file cannot be read, is not UTF-8, or holds nothing.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # with or without byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise NbnetError(
            f"the list {path} cannot be read ({error}): check the path, and save it as UTF-8"
        ) from error
    rows = []
    # Not splitlines(): it also breaks at form feeds and other characters that editors keep inside.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            fields = line.split(separator) if separator in line.strip() else line.split()
            rows.append((f"{path}:{number}", [field.strip() for field in fields]))
    if not rows:
        raise NbnetError(f"{path} is empty: a list with at least one line was expected")
    return rows


def read_csv(path: Path) -> pd.DataFrame:
    """Return the cells of a CSV file as text; the index says where each row is, "file:line".

    Raises:
        NbnetError: a file that cannot be read as UTF-8 CSV, has no rows, or an empty cell.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            path, dtype=str, encoding="utf-8-sig", keep_default_na=False, skip_blank_lines=False
        )
    except (OSError, ValueError) as error:  # also what pandas cannot parse or decode
        raise NbnetError(
            f"{path} cannot be read as a list ({error}): save it as CSV, in UTF-8"
        ) from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for an index
        raise NbnetError(f"{path}:2: more cells than the {table.shape[1]} columns of the header")
    table.index = pd.Index([f"{path}:{line}" for line in table.index + 2])
    table = table.fillna("").map(str.strip).rename(columns=str.strip)
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise NbnetError(f"{path} has no rows below its header: at least one was expected")
    for column in table.columns:
        refuse(table, table[column] == "", f"{column!r} is empty: fill it in")
    return table


def refuse(table: pd.DataFrame, wrong: pd.Series, why: str) -> None:
    """Raise, with its place, for the first row that is wrong; ``why`` may name {columns}."""
    if wrong.any():
        row = table[wrong.to_numpy()].iloc[0]
        raise NbnetError(f"{row.name}: {why.format(**row)}")


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
