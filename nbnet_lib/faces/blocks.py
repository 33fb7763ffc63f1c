"""Pictures on disk: small blocks that are whole or not there, read through memory maps.

A block holds the pictures of the people of a set in one run of ten identity numbers (0-9, 10-19
and so on), so that sets whose ranges overlap share their blocks and any part of a million people
is reached without drawing the rest. Its file is the pictures, uint8 [people, samples, size, size,
3], and the SHA-256 of its key and these bytes; the key names everything that the pixels depend on.
A file that is short, damaged or another block's does not fit its checksum and is drawn anew.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from nbnet_lib.faces.drawing import Recipe, in_parallel
from nbnet_lib.files import atomic_path, cache_dir, require_free_space, require_writable_folder
from synthfaces import RENDERER_VERSION

PEOPLE = 10  # identity numbers of a block
LARGE_BLOCK = 32 << 20  # bytes; where ten people need more, every person is a block
MAPPED = 64 << 20  # bytes of blocks that stay mapped: they count as this process's memory
MAPS = 1000  # and their number: systems allow some ten thousand
LOCKS = 64  # lock files of a store; blocks share them
PATIENCE = 300  # seconds to wait for another process that draws the same block

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
        self._mapped: OrderedDict[int, np.ndarray] = OrderedDict()  # last used last
        self._verified: set[int] = set()
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

    def _number(self, block: Block) -> int:
        """Return a block's number: the first identity of its run, and its members as bits."""
        first = block[0] // self.people * self.people
        return (first << self.people) + sum(1 << (i - first) for i in block)

    def path(self, block: Block) -> Path:
        """Return the file of a block; a part of a run has its members in its name, as bits."""
        first, members = divmod(self._number(block), 1 << self.people)
        part = "" if len(block) == self.people else f"-{members:03x}"
        # In folders of a thousand: one with a million files is slow on many file systems.
        return self.folder / f"{first // 10_000:04d}" / f"{first:07d}{part}.block"

    def read(self, block: Block) -> np.ndarray | None:
        """Return the pictures of a block, uint8 [people, samples, size, size, 3], read-only.

        None if they are not on disk whole: neither as this block nor as its complete run.
        """
        own = self._open(block)
        if own is not None or len(block) == self.people:
            return own
        run = self._run(block)
        pictures = self._open(run)
        return None if pictures is None else pictures[[run.index(i) for i in block]]

    def _open(self, block: Block) -> np.ndarray | None:
        number, shape = self._number(block), (len(block), *self.recipe.shape)
        with self._lock:
            if number in self._mapped:
                self._mapped.move_to_end(number)
                return self._mapped[number]
        try:
            content = np.asarray(np.memmap(self.path(block), np.uint8, "r"))
        except (OSError, ValueError):  # not there, or empty
            return None
        pixels, digest = content[:-32], content[-32:]
        if pixels.size != np.prod(shape):
            return None
        # Once in the life of this process, so that later reads cost nothing.
        if number not in self._verified and digest.tobytes() != self._digest(block, pixels):
            return None
        pictures = pixels.reshape(shape)
        with self._lock:
            self._verified.add(number)
            self._mapped[number] = pictures
            while len(self._mapped) > min(MAPS, 1 + MAPPED // (self.people * self.recipe.nbytes)):
                self._mapped.popitem(last=False)
        return pictures

    def _digest(self, block: Block, pixels: np.ndarray) -> bytes:
        digest = hashlib.sha256(f"{self.recipe.key()} {block}".encode())
        digest.update(pixels.data)
        return digest.digest()

    def build(
        self,
        blocks: Iterator[Block] | list[Block],
        workers: int,
        done: Callable[[Block, np.ndarray], None] = lambda block, pictures: None,
    ) -> None:
        """Draw and write the blocks that are not on disk; each is kept as soon as it is finished.

        Two processes that build the same blocks share the work: a block that the other is drawing
        is left for the end, and read when it is there.

        Args:
            blocks: the blocks.
            workers: how many draw at the same time.
            done: called with each block and its pictures as they become available.

        Raises:
            NbnetError: the folder cannot be written to, or the disk is full.
        """
        busy = self._build(blocks, workers, done, wait=False)
        for block in busy:
            self._build([block], workers, done, wait=True)

    def _build(
        self,
        blocks: Iterator[Block] | list[Block],
        workers: int,
        done: Callable[[Block, np.ndarray], None],
        wait: bool,
    ) -> list[Block]:
        """Build the blocks that no other process is building; return the others."""
        busy: list[Block] = []
        claimed: deque[tuple[Block, ExitStack]] = deque()

        def people_to_draw() -> Iterator[int]:
            for block in blocks:
                pictures = self.read(block)
                if pictures is not None:
                    done(block, pictures)
                    continue
                held = self._claim(block, wait)
                if held is None:
                    busy.append(block)
                    continue
                pictures = self.read(block)  # perhaps drawn by the one who held the lock
                if pictures is not None:
                    held.close()
                    done(block, pictures)
                    continue
                claimed.append((block, held))
                yield from block

        drawn: list[np.ndarray] = []
        with ExitStack() as stack:
            stack.callback(_release, claimed)
            results = in_parallel(self.recipe.draw, people_to_draw(), workers)
            for pictures in stack.enter_context(closing(results)):
                drawn.append(pictures)
                block, held = claimed[0]
                if len(drawn) == len(block):
                    whole = np.stack(drawn)
                    drawn.clear()
                    self._write(block, whole)
                    claimed.popleft()
                    held.close()
                    done(block, whole)
        return busy

    def _claim(self, block: Block, wait: bool) -> ExitStack | None:
        """Lock a block against other processes; None if one of them has it and ``wait`` is off.

        The lock only saves double work, since a file is replaced whole and any two processes draw
        the same bytes: after some minutes of waiting this process draws the block without it.
        """
        folder = require_writable_folder(self.folder / "locks")
        # Multiplied first (Knuth's constant), or sets of every n-th person would share one lock.
        number = (block[0] // self.people * 2654435761 >> 16) % LOCKS
        lock = FileLock(folder / f"{number:02d}.lock", thread_local=False)
        held = ExitStack()
        try:
            held.enter_context(lock.acquire(timeout=PATIENCE if wait else 0))
        except Timeout:
            return held if wait else None
        return held

    def _write(self, block: Block, pictures: np.ndarray) -> None:
        path = self.path(block)
        for stale in path.parent.glob(f".{path.name}.*.part"):  # of a process that was killed
            stale.unlink(missing_ok=True)
        digest = self._digest(block, pictures)
        needed = pictures.nbytes + len(digest)
        with atomic_path(path, needed) as temporary, open(temporary, "wb") as file:
            file.write(pictures.data)
            file.write(digest)

    def require_space(self, blocks: list[Block]) -> None:
        """Raise at once, not hours later, if the disk cannot hold the blocks still to be drawn.

        Raises:
            NbnetError: the folder cannot be written to, or has too little free space.
        """
        missing = [
            b for b in blocks if not (self.path(b).exists() or self.path(self._run(b)).exists())
        ]
        if missing:
            folder = require_writable_folder(self.folder)
            require_free_space(folder, sum(map(len, missing)) * self.recipe.nbytes)


def _release(claimed: deque[tuple[Block, ExitStack]]) -> None:
    for _, held in claimed:
        held.close()
