"""What there is to align: the pictures of a folder, what each becomes, and what is left aside."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from nbnet_lib.data.pictures import ENDINGS, is_picture_name
from nbnet_lib.data.text import require_utf8
from nbnet_lib.errors import NbnetError

# Pictures of telephones and cameras that Pillow alone does not read.
FOREIGN = (".heic", ".heif", ".avif", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd")


@dataclass(frozen=True)
class Inputs:
    """The files of a folder, with "/" and relative to it, in order.

    Attributes:
        pictures: by their endings.
        results: what each picture is called when it is aligned; no two alike.
        skipped: files that were not asked for, are no pictures or hidden (their name, or that of a
            folder, begins with a dot: macOS leaves such companions of pictures), and links to
            folders, which are not followed.
    """

    pictures: tuple[str, ...] = field(repr=False)
    results: tuple[str, ...] = field(repr=False)
    skipped: tuple[str, ...] = field(repr=False)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Those of the skipped files that are pictures in formats that are not read here."""
        return tuple(name for name in self.skipped if name.lower().endswith(FOREIGN))


def find_inputs(source: Path, out: Path, only: str | None = None) -> Inputs:
    """List a folder with all folders in it.

    Args:
        source: folder of the pictures.
        out: where the results go.
        only: a pattern that a picture's path in ``source`` must fit, such as ``*/images/*``; the
            star stands for anything, slashes too.

    Raises:
        NbnetError: the folder is missing, cannot be listed, holds no picture or is one of the two
            in the other; two pictures that would get the same name; a name that is not UTF-8.
    """
    if not source.is_dir():
        is_file = "is a file" if source.exists() else "is missing"
        raise NbnetError(f"the folder {source} {is_file}: give the folder that holds the pictures")
    # Not Path.resolve(), which raises where links lead in a circle; writing there tells it.
    inner, outer = Path(os.path.realpath(source)), Path(os.path.realpath(out))
    if inner == outer or inner in outer.parents or outer in inner.parents:
        raise NbnetError(
            f"{out} and {source} lie in each other: align into a folder beside the pictures"
        )
    pictures: list[str] = []
    skipped: list[str] = []
    names = _walk(source)
    require_utf8(names, f"in {source}, the file name")
    for name in names:
        hidden = any(part.startswith(".") for part in name.split("/"))
        asked = only is None or fnmatchcase(name, only)
        is_one = asked and is_picture_name(name) and not hidden and not _link(source / name)
        (pictures if is_one else skipped).append(name)
    if not pictures:
        raise NbnetError(
            f"{source} holds no picture{f' like {only}' if only else ''} ({len(skipped)} other "
            f"files): give a folder with files that end in {', '.join(ENDINGS)}, or one of these "
            "and .bz2"
        )
    results = tuple(result_name(name) for name in pictures)
    _refuse_clashes(pictures, results)
    return Inputs(tuple(pictures), results, tuple(skipped))


def result_name(name: str) -> str:
    """Return what a picture is called when it is aligned: the same, ending in .png."""
    path = PurePosixPath(name)
    if path.suffix.lower() == ".bz2":
        path = path.with_suffix("")
    return str(path.with_suffix(".png"))


def _walk(source: Path) -> list[str]:
    def fail(error: OSError) -> None:
        raise NbnetError(
            f"{error.filename} cannot be listed ({error.strerror}): give yourself read access"
        ) from error

    found = []
    for at, folders, files in os.walk(source, onerror=fail):
        place = Path(at).relative_to(source)
        links = [name for name in folders if _link(Path(at) / name)]
        found += [(place / name).as_posix() for name in [*files, *links]]
    return sorted(found)


def _link(path: Path) -> bool:
    """Tell whether a path is a link to a folder: following one may never end."""
    return path.is_symlink() and path.is_dir()


def _refuse_clashes(pictures: list[str], results: tuple[str, ...]) -> None:
    seen: dict[str, str] = {}
    for picture, result in zip(pictures, results, strict=True):
        # As the file systems of Windows and macOS compare names, so that the result can go there.
        key = unicodedata.normalize("NFC", result).casefold()
        if key in seen:
            raise NbnetError(
                f"{seen[key]} and {picture} would both become {result}: rename one of them, or "
                "align their folders into different ones"
            )
        seen[key] = picture
