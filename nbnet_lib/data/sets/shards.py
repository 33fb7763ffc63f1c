"""WebDataset shards of any set: tar files of pictures, and beside each who is on it.

    train-000000.tar        00000012.png, 00000012.json {"identity": ..., "image": ...}
    shards.json             what the set is, and the SHA-256 of every shard

A picture keeps the bytes of its file unless a size or a format is asked for. Keys are numbers, so
that no name of a person can collide with what tar or WebDataset reads out of names.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nbnet_lib.data.pictures import ENDINGS
from nbnet_lib.data.sets.manifest import Manifest
from nbnet_lib.data.sets.reading import Reader, in_threads
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import cores
from nbnet_lib.faces.shards import SHARE, encode
from nbnet_lib.tarshards import OVERHEAD, Shard, write_tars

KEEP = "keep"


def shard_manifest(
    manifest: Manifest,
    folder: str | Path,
    size: int | None = None,
    form: str = KEEP,
    per_shard: int = 1000,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write a set as shards; keep the shards that are there and whole.

    A shard holds one side of a split only, and a person's pictures stay together. The pictures of a
    set that its manifest does not divide are in ``pictures-000000.tar`` and so on.

    Args:
        manifest: the set.
        folder: where the shards are written.
        size: side in pixels; None to leave the pictures as they are.
        form: "keep" (the bytes of the files, where no size is given; else PNG), "png", "jpg"
            (quality 95) or "npy" (uint8 [H, W, 3]).
        per_shard: pictures in a shard, about.
        workers: how many pictures are read at once; None for one per CPU core.
        progress: show a bar on stderr.

    Returns:
        The index that is written as ``shards.json``.

    Raises:
        NbnetError: a picture that cannot be read, a number out of range, a folder that holds shards
            of something else or that another process is writing to, or too little room.
    """
    if form not in (KEEP, *SHARE):
        raise NbnetError(f"format {form!r} is not known: choose one of {KEEP}, {', '.join(SHARE)}")
    if per_shard < 1:
        raise NbnetError(f"per_shard is {per_shard}: expected 1 or more")
    if size is not None and not 1 <= size <= 1024:
        raise NbnetError(f"size is {size}: expected whole pixels from 1 to 1024")
    if manifest.drawn is not None and size is None:
        raise NbnetError("drawn pictures have no size of their own: name one (--size)")
    if form == KEEP and size is not None:
        form = "png"
    reader = Reader(manifest)
    if size is not None:
        reader.prepare(size, progress)
    head = {
        "source": manifest.source,
        "framing": None if manifest.framing is None else manifest.framing.to_card(),
        "numbered": manifest.numbered,
        "size": size or manifest.size,
        "format": form,
        "per_shard": per_shard,
    }
    shards = [
        _shard(manifest, reader, rows, name, size, form)
        for name, rows in _plan(manifest, per_shard)
    ]
    with tqdm(
        total=len(manifest), desc="shards", unit="image", delay=0.3, disable=not progress
    ) as bar:
        return write_tars(
            folder,
            head,
            shards,
            partial(_members, manifest, reader, size, form),
            partial(in_threads, workers=cores(workers)),
            bar,
        )


def _plan(manifest: Manifest, per_shard: int) -> list[tuple[str, list[int]]]:
    """Return (file name, rows) of each shard; people in the order of their first picture."""
    groups: dict[str, dict[str, list[int]]] = {}
    for row, (split, person) in enumerate(zip(manifest.splits, manifest.identities, strict=True)):
        of_split = groups.setdefault(split, {})
        # Pictures of unknown people belong to nobody: each may be parted from the next.
        of_split.setdefault(person or f"\0{row}", []).append(row)
    planned = []
    for split, people in groups.items():
        shards: list[list[int]] = [[]]
        for rows in people.values():
            if shards[-1] and len(shards[-1]) + len(rows) > per_shard:
                shards.append([])
            shards[-1] += rows
        name = split or "pictures"
        planned += [(f"{name}-{number:06d}.tar", rows) for number, rows in enumerate(shards)]
    return planned


def _shard(
    manifest: Manifest, reader: Reader, rows: list[int], name: str, size: int | None, form: str
) -> Shard[int]:
    digest, nbytes = hashlib.sha256(), 0
    width, height = (manifest.table[side].to_numpy() for side in ("width", "height"))
    for row in rows:
        digest.update(json.dumps([row, _told(manifest, row), reader.stamp(row)]).encode())
        side = size or max(int(width[row]), int(height[row]))
        if form == KEEP or not side:
            nbytes += reader.length(row) + OVERHEAD
        else:
            nbytes += int(3 * side**2 * SHARE[form]) + OVERHEAD
    entry = {
        "file": name,
        "images": len(rows),
        "identities": len({manifest.identities[row] for row in rows} - {""}),
        "of": digest.hexdigest()[:16],  # what the pictures were made of
    }
    return Shard(entry, rows, nbytes)


def _told(manifest: Manifest, row: int) -> dict[str, str]:
    """Return what the JSON beside a picture says."""
    return {
        "identity": manifest.identities[row],
        "split": manifest.splits[row],
        "image": manifest.images[row],
    }


def _members(
    manifest: Manifest, reader: Reader, size: int | None, form: str, row: int
) -> list[tuple[str, bytes]]:
    """Return (name, content) of a picture and of what is told about it."""
    key = f"{row:08d}"
    if form == KEEP:
        ending, content = _ending(manifest.images[row]), reader.content(row)
    else:
        ending, content = f".{form}", encode(reader.read(row, size), form)
    told = json.dumps(_told(manifest, row)).encode()
    return [(f"{key}{ending}", content), (f"{key}.json", told)]


def _ending(image: str) -> str:
    """Return a file's ending, ".jpg" or ".ppm.bz2", in lower case."""
    path = Path(image.lower())
    if path.suffix == ".bz2" and Path(path.stem).suffix in ENDINGS:
        return Path(path.stem).suffix + path.suffix
    return path.suffix
