"""Where to write when the usual places cannot be written to: no home, a read-only installation."""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path


@lru_cache(1)
def temporary_home() -> Path:
    """Return a folder of this user's own among the temporary files; one line on stderr names it.

    The same one in every process until the system is cleaned, so that what is kept there (compiled
    code, pictures) serves again. Nobody else may write to it: compiled code that is read from there
    is run.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user number without an entry, as containers have them
        user = str(os.getuid())
    folder = Path(tempfile.gettempdir()) / f"nbnet-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        entry = folder.lstat()
        private = os.name == "nt" or (entry.st_uid == os.getuid() and not entry.st_mode & 0o022)
        if not private or not os.access(folder, os.W_OK) or folder.is_symlink():
            raise PermissionError
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="nbnet-"))
    print(f"note: no folder of yours can be written to: keeping files in {folder}", file=sys.stderr)
    return folder
