"""Pictures on disk: small blocks that are whole or not there, read through memory maps.

A block holds the pictures of the people of a set in one run of ten identity numbers (0-9, 10-19
and so on), so that sets whose ranges overlap share their blocks and any part of a million people
is reached without drawing the rest (an `array_cache` fills from the front). Its file is the
pictures, uint8 [people, samples, size, size, 3], and the SHA-256 of its key and these bytes; the
key names everything that the pixels depend on. A file that is short, damaged or another block's
does not fit its checksum and is drawn anew.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from filelock import FileLock

from nbnet_lib.files import atomic_path, cache_dir, require_free_space, require_writable_folder
from nbnet_lib.parallel import draw_people
from synthfaces import RENDERER_VERSION
from synthfaces.people import Recipe

PEOPLE = 10  # identity numbers of a block
LARGE_BLOCK = 32 << 20  # bytes; where ten people need more, every person is a block
MAPPED = 64 << 20  # bytes of blocks that stay mapped: they count as this process's memory
MAPS = 1000  # and their number: systems allow some ten thousand

Block = tuple[int, ...]  # identities, ascending, all of one run


class BlockStore:
    """The blocks of one recipe in one folder. Safe to use from many threads and processes.

    Args:
        recipe: what is drawn of every person.
        cache: the folder that blocks are kept in; True for the cache folder of this library.
    """

    def __init__(self, recipe: Recipe, cache: bool | str | Path = True):
        self.recipe = recipe
        name = hashlib.sha256(recipe.key().encode()).hexdigest()[:12]
        base = cache_dir() / "faces" if isinstance(cache, bool) else Path(cache)
        self.folder = base / f"v{RENDERER_VERSION}-{recipe.size}px-{name}"
        self.people = PEOPLE if PEOPLE * recipe.nbytes <= LARGE_BLOCK else 1
        self._forget()

    def _forget(self) -> None:
        self._mapped: OrderedDict[Block, np.ndarray] = OrderedDict()  # last used last
        self._verified: set[int] = set()  # hashes of blocks: a set of tuples would grow large
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        """Leave maps behind: a worker process opens and checks blocks by itself."""
        return {k: self.__dict__[k] for k in ("recipe", "folder", "people")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    def block_of(self, identity: int, people: np.ndarray) -> Block:
        """Return the block of ``identity`` in a set of people, int64, ascending, no one twice."""
        first = identity // self.people * self.people
        begin, end = np.searchsorted(people, [first, first + self.people])
        return tuple(people[begin:end].tolist())

    def blocks(self, people: np.ndarray) -> Iterator[Block]:
        """Yield the blocks of a set of people, int64, ascending, no one twice."""
        at = 0
        while at < len(people):
            yield (block := self.block_of(int(people[at]), people))
            at += len(block)

    def _run(self, block: Block) -> Block:
        """Return all identities of a block's run, those of the block among them."""
        first = block[0] // self.people * self.people
        return tuple(range(first, first + self.people))

    def path(self, block: Block) -> Path:
        """Return the file of a block; a part of a run has its members in its name, as bits."""
        first = self._run(block)[0]
        members = sum(1 << (i - first) for i in block)
        part = "" if len(block) == self.people else f"-{members:03x}"
        # In folders of a thousand: one with a million files is slow on many file systems.
        return self.folder / f"{first // 10_000:04d}" / f"{first:07d}{part}.block"

    def read(self, block: Block) -> np.ndarray | None:
        """Return the pictures of a block, uint8 [people, samples, size, size, 3], read-only.

        None if they are not on disk whole: neither as this block nor as its complete run.
        """
        pictures = self._open(block)
        if pictures is not None or len(block) == self.people:
            return pictures
        run = self._run(block)
        pictures = self._open(run)
        return None if pictures is None else pictures[[run.index(i) for i in block]]

    def _open(self, block: Block) -> np.ndarray | None:
        shape = (len(block), *self.recipe.shape)
        with self._lock:
            if block in self._mapped:
                self._mapped.move_to_end(block)
                return self._mapped[block]
        try:
            content = np.asarray(np.memmap(self.path(block), np.uint8, "r"))
        except (OSError, ValueError):  # not there, or empty
            return None
        pixels, digest = content[:-32], content[-32:]
        if pixels.size != np.prod(shape):
            return None
        # Once in the life of this process, so that later reads cost nothing.
        if hash(block) not in self._verified and digest.tobytes() != self._digest(block, pixels):
            return None
        pictures = pixels.reshape(shape)
        with self._lock:
            self._verified.add(hash(block))
            self._mapped[block] = pictures
            while len(self._mapped) > min(MAPS, 1 + MAPPED // (self.people * self.recipe.nbytes)):
                self._mapped.popitem(last=False)
        return pictures

    def _digest(self, block: Block, pixels: np.ndarray) -> bytes:
        digest = hashlib.sha256(f"{self.recipe.key()} {block}".encode())
        digest.update(pixels.data)
        return digest.digest()

    def build(
        self,
        blocks: list[Block],
        workers: int,
        done: Callable[[Block, np.ndarray], None] = lambda block, pictures: None,
    ) -> None:
        """Draw and write the blocks that are not on disk; each is kept as soon as it is finished.

        A second process that builds blocks of this recipe waits for the first, then reads.

        Args:
            blocks: the blocks.
            workers: how many draw at the same time.
            done: called with each block and its pictures as they become available.

        Raises:
            NbnetError: the folder cannot be written to, or the disk has too little room (found
                before anything is drawn).
        """
        missing = self._read_all(blocks, done)
        if not missing:
            return
        with FileLock(require_writable_folder(self.folder) / "build.lock"):
            missing = self._read_all(missing, done)
            require_free_space(self.folder, sum(map(len, missing)) * self.recipe.nbytes)
            self.draw(missing, workers, done)

    def _read_all(
        self, blocks: list[Block], done: Callable[[Block, np.ndarray], None]
    ) -> list[Block]:
        """Call ``done`` with the blocks that are on disk; return the others."""
        missing = []
        for block in blocks:
            pictures = self.read(block)
            if pictures is None:
                missing.append(block)
            else:
                done(block, pictures)
        return missing

    def draw(
        self,
        blocks: list[Block],
        workers: int,
        done: Callable[[Block, np.ndarray], None] = lambda block, pictures: None,
    ) -> None:
        """Draw and write blocks, also if another process does: both write the same bytes."""
        people = [identity for block in blocks for identity in block]
        with closing(draw_people(self.recipe, people, workers)) as drawn:
            for block in blocks:
                pictures = np.stack([next(drawn) for _ in block])
                self._write(block, pictures)
                done(block, pictures)

    def _write(self, block: Block, pictures: np.ndarray) -> None:
        path = self.path(block)
        digest = self._digest(block, pictures)
        needed = pictures.nbytes + len(digest)
        with atomic_path(path, needed) as temporary, open(temporary, "wb") as file:
            file.write(pictures.data)
            file.write(digest)
