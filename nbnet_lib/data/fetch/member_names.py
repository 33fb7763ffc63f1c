"""Names in an archive that can be made on every system without touching anything else.

An archive is a list of names written by a stranger. `../../.bashrc`, `/etc/passwd` and `C:x` leave
the folder; `Face.png` and `face.png` are two files on Linux and one on macOS and Windows; `aux.txt`
is a device on Windows. All are refused on every system, so that an archive is good everywhere or
nowhere.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from nbnet_lib.errors import NbnetError

# Names that Windows keeps for devices, with any ending (learn.microsoft.com, "Naming Files, Paths,
# and Namespaces").
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"
}
_FORBIDDEN = set('<>:"|?*\\')
_LONGEST = 255  # bytes of one part of a path, on the usual file systems


class Refused(NbnetError):
    """What is wrong with an archive, as a clause that begins with "it": nothing of it is kept."""


class Names:
    """The names of one archive so far: each is checked alone and against the others.

    Files are remembered as 8-byte hashes: an archive may hold millions.
    """

    def __init__(self) -> None:
        self._files: set[int] = set()
        self._folders: dict[str, PurePosixPath] = {}

    @property
    def folders(self) -> int:
        """How many folders the names so far make, those that stand in paths only included."""
        return len(self._folders)

    def add(self, name: str, is_folder: bool) -> PurePosixPath:
        """Return the path to make for ``name``, relative to the target folder; "." for the root.

        Raises:
            Refused: one sentence on what is wrong with it.
        """
        path = safe_path(name)
        parents = [folder for folder in path.parents if folder.parts][::-1]
        for folder in [*parents, path] if is_folder and path.parts else parents:
            key = _key(folder)
            if self._folders.setdefault(key, folder) != folder:
                raise Refused(
                    f"it holds {str(self._folders[key])!r} and {str(folder)!r}, which are the same "
                    "on some systems"
                )
            if hash(key) in self._files:
                raise Refused(f"it holds {str(folder)!r} as a file and as a folder")
        if is_folder:
            return path
        if not path.parts:
            raise Refused(f"it holds a file named {name!r}")
        key = _key(path)
        if key in self._folders:
            raise Refused(f"it holds {str(path)!r} as a file and as a folder")
        if hash(key) in self._files:
            raise Refused(
                f"it holds {str(path)!r} twice, or another name that is the same on some systems"
            )
        self._files.add(hash(key))
        return path


def safe_path(name: str) -> PurePosixPath:
    """Return the path that a member's name stands for, "." parts dropped.

    Raises:
        Refused: the name is absolute, leaves the folder, or cannot be made on some system.
    """
    if name.startswith(("/", "\\")):
        raise Refused(f"it holds the absolute path {name!r}")
    if len(name) > 1 and name[1] == ":":
        raise Refused(f"it holds {name!r}, a path with a drive")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for part in parts:
        if part == "..":
            raise Refused(f"it holds {name!r}, which leads out of the folder")
        if set(part) & _FORBIDDEN or any(unicodedata.category(c) in ("Cc", "Cs") for c in part):
            raise Refused(f"it holds {name!r}, with a character that not every system takes")
        if part[-1] in ". ":
            raise Refused(f"it holds {name!r}, with a part that ends in a dot or a space")
        if part.split(".")[0].rstrip(" ").lower() in _DEVICES:
            raise Refused(f"it holds {name!r}, which is the name of a device on Windows")
        if len(part.encode()) > _LONGEST:
            raise Refused(f"it holds the name {part[:40]!r}..., of {len(part)} characters")
    return PurePosixPath(*parts)


def _key(path: PurePosixPath) -> str:
    """Return what two paths share when some file system takes them for one."""
    # Decomposed and composed letters are one on macOS; case is one on macOS and Windows.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())
