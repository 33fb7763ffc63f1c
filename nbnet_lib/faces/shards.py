"""WebDataset shards: tar files of pictures and their parameters, for training on many machines.

    faces-000000.tar        0010000-000.png, 0010000-000.json, 0010000-001.png ...
    shards.json             what was drawn, and the SHA-256 of every shard

The `webdataset` package, or anything else that reads tar files one after the other, reads them.
The bytes of a shard depend on its pictures only (no dates, no owners), a shard appears when it is
whole, and a second run keeps those that still fit their checksums.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import Recipe, cores, in_parallel, whole_numbers
from nbnet_lib.faces.sets import drawing_bar
from nbnet_lib.faces.synth import RENDERER_VERSION, make_identity, make_sample
from nbnet_lib.faces.synth.parameters import parameters
from nbnet_lib.files import (
    atomic_path,
    require_free_space,
    require_writable_folder,
    sha256_file,
)

INDEX = "shards.json"
JPEG_QUALITY = 95
# For the free space: bytes of a picture in a shard, as a part of those in memory (at most, seen
# from 64 to 160 px), and of its parameters with the headers of both files.
SHARE = {"png": 0.8, "jpg": 0.5, "npy": 1.0}
OVERHEAD = 5 * 1024

Shard = list[int]  # identities


def write_shards(
    identities: Iterable[int],
    samples: int | Iterable[int],
    folder: str | Path,
    size: int = 112,
    difficulty: float = 1.0,
    form: str = "png",
    per_shard: int = 1000,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write the pictures of many people as shards; keep the shards that are there and whole.

    Args:
        identities: identity numbers, each once.
        samples: how many pictures of each person (0 to n - 1), or their numbers.
        folder: where the shards are written.
        size: side in pixels.
        difficulty: 0.25 (easy) to 2; 1 is the default set.
        form: "png", "jpg" (quality 95) or "npy" (uint8 [size, size, 3]).
        per_shard: pictures in a shard, about: a person's pictures stay together.
        workers: how many draw at the same time; None for one per CPU core.
        progress: show a bar on stderr.

    Returns:
        The index that is written as ``shards.json``: renderer_version, size, difficulty, samples,
        format, per_shard, and shards, each with file, sha256, bytes, images and identities
        (their number, the first and the last).

    Raises:
        NbnetError: a number out of range, a folder that holds shards of something else or that
            another process is writing to, or a disk without enough room.
    """
    people = whole_numbers(identities, "identity").tolist()
    if len(set(people)) < len(people):
        raise NbnetError("an identity is named twice: give each identity once")
    recipe = Recipe(samples, size, difficulty)
    if form not in SHARE:
        raise NbnetError(f"format {form!r} is not known: choose one of {', '.join(SHARE)}")
    if per_shard < 1:
        raise NbnetError(f"per_shard is {per_shard}: expected 1 or more")
    each = max(1, per_shard // len(recipe.samples))
    shards = [people[i : i + each] for i in range(0, len(people), each)]
    folder = require_writable_folder(folder)
    index: dict[str, Any] = {
        "renderer_version": RENDERER_VERSION,
        "size": recipe.size,
        "difficulty": recipe.difficulty,
        "samples": list(recipe.samples),
        "format": form,
        "per_shard": per_shard,
    }
    try:
        with FileLock(folder / ".lock", timeout=0):
            for stale in folder.glob(".*.part"):  # of a process that was killed
                stale.unlink(missing_ok=True)
            _Writer(folder, recipe, form, index).write(shards, cores(workers), progress)
    except Timeout:
        raise NbnetError(
            f"another process is writing shards to {folder}: wait for it or choose another folder"
        ) from None
    return index


class _Writer:
    """One run into one folder; ``index`` is filled with the shards that are whole."""

    def __init__(self, folder: Path, recipe: Recipe, form: str, index: dict[str, Any]):
        self.folder, self.recipe, self.form, self.index = folder, recipe, form, index

    def write(self, shards: list[Shard], workers: int, progress: bool) -> None:
        known = self._known()
        entries = [self._entry(number, shard) for number, shard in enumerate(shards)]
        extra = {p.name for p in self.folder.glob("faces-*.tar")} - {e["file"] for e in entries}
        if extra:  # a reader that lists the folder would take them for a part of this set
            raise NbnetError(
                f"{self.folder} holds {len(extra)} shards more than these (for example "
                f"{min(extra)}): choose another folder or delete them"
            )
        with drawing_bar(sum(map(len, shards)), self.recipe, progress) as bar:
            olds = (known.get(entry["file"], {}) for entry in entries)
            wholes = in_parallel(self._is_whole, zip(entries, olds, strict=True), workers)
            for entry, whole in zip(entries, wholes, strict=True):
                if whole:
                    entry.update(known[entry["file"]])
                    bar.update(entry["images"])
            missing = [n for n, entry in enumerate(entries) if "sha256" not in entry]
            require_free_space(self.folder, sum(self._bytes(shards[n]) for n in missing))
            people = (i for n in missing for i in shards[n])
            # Without this writer, whose index grows: a drawing process gets it with each person.
            draw = partial(_members, self.recipe, self.form)
            with closing(in_parallel(draw, people, workers)) as drawn:
                for n in missing:
                    entries[n].update(self._write(entries[n]["file"], shards[n], drawn, bar))
                    self._save(entries)
            self._save(entries)

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
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # damaged: all shards are written again
        if old != self.index:
            differ = [k for k in self.index if old.get(k) != self.index[k]]
            raise NbnetError(
                f"{self.folder} holds other shards ({', '.join(differ)} differ): choose another "
                "folder or delete them"
            )
        return known

    def _save(self, entries: list[dict]) -> None:
        self.index["shards"] = [entry for entry in entries if "sha256" in entry]
        with atomic_path(self.folder / INDEX) as temporary:
            temporary.write_text(json.dumps(self.index, indent=1) + "\n", encoding="utf-8")

    def _entry(self, number: int, shard: Shard) -> dict[str, Any]:
        return {
            "file": f"faces-{number:06d}.tar",
            "images": len(shard) * len(self.recipe.samples),
            "identities": [len(shard), shard[0], shard[-1]],
        }

    def _bytes(self, shard: Shard) -> int:
        images = len(shard) * len(self.recipe.samples)
        picture = 3 * self.recipe.size**2 * SHARE[self.form]
        return int(images * (picture + OVERHEAD))

    def _write(
        self, name: str, shard: Shard, drawn: Iterator[list[tuple[str, bytes]]], bar: Any
    ) -> dict[str, Any]:
        path = self.folder / name
        with atomic_path(path, self._bytes(shard)) as temporary:
            with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
                for _ in shard:
                    for member, content in next(drawn):
                        info = tarfile.TarInfo(member)  # its date is 0, its owner nobody
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
                    bar.update(len(self.recipe.samples))
            digest, size = sha256_file(temporary), temporary.stat().st_size
        return {"sha256": digest, "bytes": size}


def _members(recipe: Recipe, form: str, identity: int) -> list[tuple[str, bytes]]:
    """Return one person's files: (name, content), each picture before its parameters."""
    members = []
    of_person = _parameters(make_identity(identity, recipe.difficulty), "identity")
    for number, picture in zip(recipe.samples, recipe.draw(identity), strict=True):
        sample = make_sample(identity, number, recipe.difficulty)
        truth = {
            "identity": identity,
            "sample": number,
            "size": recipe.size,
            "difficulty": recipe.difficulty,
            "renderer_version": RENDERER_VERSION,
            **of_person,
            **_parameters(sample, "sample"),
        }
        name = f"{identity:07d}-{number:03d}"
        members.append((f"{name}.{form}", encode(picture, form)))
        members.append((f"{name}.json", json.dumps(truth).encode()))
    return members


def _parameters(thing: Any, owner: str) -> dict[str, Any]:
    """Return the parameters of an `Identity` or a `Sample` by name.

    Without the long lists of shape, asymmetry and muscle actions (names with a "/"), which would
    take as much room as the picture: `faces.table` gives them.
    """
    chosen = (p for p in parameters().values() if p.owner == owner and "/" not in p.name)
    return {p.name: _short(p.read(thing)) for p in chosen}


def _short(value: Any) -> Any:
    """Return a value as JSON knows it; six digits say all that a picture can show."""
    if hasattr(value, "tolist"):  # numpy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_short(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def encode(picture: np.ndarray, form: str) -> bytes:
    """Return a picture, uint8 [H, W, 3], as the bytes of a PNG, JPEG or .npy file."""
    file = io.BytesIO()
    if form == "npy":
        np.save(file, picture)
    elif form == "jpg":
        Image.fromarray(picture).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
