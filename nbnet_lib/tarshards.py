"""Writing tar shards with care: the one writer of all WebDataset shards of this library.

The bytes of a shard depend on its members only (no dates, no owners), a shard appears when it is
whole, and a second run keeps those that still fit their checksums. ``shards.json`` beside them says
what they hold, and the SHA-256 of every shard. While it is written it says how many shards are
``missing``, so that nobody takes a part of a set for all of it.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import (
    atomic_path,
    require_free_space,
    require_writable_folder,
    sha256_file,
)

INDEX = "shards.json"
OVERHEAD = 5 * 1024  # bytes for a picture's headers and for what is told about it, at most

Item = TypeVar("Item")
Member = tuple[str, bytes]  # name, content
Parallel = Callable[[Callable[[Any], Any], Iterable[Any]], Generator[Any, None, None]]


@dataclass
class Shard(Generic[Item]):
    """One shard to be written.

    Attributes:
        entry: what the index says of it: "file", "images", and all that its bytes depend on and the
            head of the index does not tell. Whole shards gain "sha256" and "bytes".
        items: what members are made of.
        nbytes: about how many bytes it will have, for the free space.
    """

    entry: dict[str, Any]
    items: list[Item]
    nbytes: int


def write_tars(
    folder: str | Path,
    head: dict[str, Any],
    shards: list[Shard[Item]],
    make: Callable[[Item], list[Member]],
    parallel: Parallel,
    bar: Any,
    pattern: str = "*.tar",
) -> dict[str, Any]:
    """Write shards; keep those that are there and whole.

    Args:
        folder: where they are written.
        head: what the index says of all shards; another head in the folder is another set.
        shards: what to write, in order.
        make: returns the members of an item; each item counts for as many pictures as its shard
            has per item.
        parallel: yields ``make(item)`` in the order of the items, computed at the same time.
        bar: progress bar that counts pictures.
        pattern: names of shards; others of such a name in the folder are refused.

    Returns:
        The index: ``head`` and "shards", the entries.

    Raises:
        NbnetError: a folder that holds shards of something else or that another process is writing
            to, or a disk without enough room.
    """
    folder = require_writable_folder(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for stale in folder.glob(".*.part"):  # of a process that was killed
                stale.unlink(missing_ok=True)
            return _Writer(folder, head, pattern).write(shards, make, parallel, bar)
    except Timeout:
        raise NbnetError(
            f"another process is writing shards to {folder}: wait for it or choose another folder"
        ) from None


class _Writer:
    """One run into one folder."""

    def __init__(self, folder: Path, head: dict[str, Any], pattern: str):
        self.folder, self.head, self.pattern = folder, head, pattern

    def write(
        self, shards: list[Shard], make: Callable[[Any], list[Member]], parallel: Parallel, bar: Any
    ) -> dict[str, Any]:
        known = self._known()
        names = {shard.entry["file"] for shard in shards}
        extra = {p.name for p in self.folder.glob(self.pattern)} - names
        if extra:  # a reader that lists the folder would take them for a part of this set
            raise NbnetError(
                f"{self.folder} holds {len(extra)} shards more than these (for example "
                f"{min(extra)}): choose another folder or delete them"
            )
        olds = (known.get(shard.entry["file"], {}) for shard in shards)
        wholes = parallel(self._is_whole, zip((s.entry for s in shards), olds, strict=True))
        for shard, whole in zip(shards, wholes, strict=True):
            if whole:
                shard.entry.update(known[shard.entry["file"]])
                bar.update(shard.entry["images"])
        missing = [shard for shard in shards if "sha256" not in shard.entry]
        require_free_space(self.folder, sum(shard.nbytes for shard in missing))
        items = (item for shard in missing for item in shard.items)
        with closing(parallel(make, items)) as made:
            for shard in missing:
                shard.entry.update(self._write(shard, made, bar))
                self._save(shards)
        return self._save(shards)

    def _is_whole(self, entry_and_old: tuple[dict, dict]) -> bool:
        """Tell whether a shard is there as an earlier run listed it."""
        entry, old = entry_and_old
        path = self.folder / entry["file"]
        return (
            entry.items() <= old.items()
            and path.is_file()
            and path.stat().st_size == old.get("bytes")
            and sha256_file(path) == old.get("sha256")
        )

    def _known(self) -> dict[str, dict]:
        """Return the shards that the index in the folder lists, by file name."""
        path = self.folder / INDEX
        if not path.exists():
            return {}
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
            known = {entry["file"]: entry for entry in old.pop("shards")}
            old.pop("missing", None)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # damaged: all shards are written again
        if old != self.head:
            differ = [k for k in {**self.head, **old} if old.get(k) != self.head.get(k)]
            raise NbnetError(
                f"{self.folder} holds other shards ({', '.join(differ)} differ): choose another "
                "folder or delete them"
            )
        return known

    def _save(self, shards: list[Shard]) -> dict[str, Any]:
        whole = [shard.entry for shard in shards if "sha256" in shard.entry]
        index = {**self.head, "shards": whole}
        if missing := len(shards) - len(whole):
            index["missing"] = missing
        with atomic_path(self.folder / INDEX) as temporary:
            temporary.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        return index

    def _write(self, shard: Shard, made: Iterator[list[Member]], bar: Any) -> dict[str, Any]:
        path = self.folder / shard.entry["file"]
        with atomic_path(path, shard.nbytes) as temporary:
            with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
                for _ in shard.items:
                    for name, content in next(made):
                        info = tarfile.TarInfo(name)  # its date is 0, its owner nobody
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
                    bar.update(shard.entry["images"] // len(shard.items))
            digest, size = sha256_file(temporary), temporary.stat().st_size
        return {"sha256": digest, "bytes": size}
