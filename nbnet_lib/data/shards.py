"""WebDataset shards: tar files of pictures, and beside each a JSON file about it.

    faces-000000.tar        0010000-000.png, 0010000-000.json {all parameters of the picture}
    train-000000.tar        00000012.png, 00000012.json {"identity": "Ann", "split": "train", ...}
    shards.json             what the set is, and the SHA-256 of every shard

`write_shards` writes SynthFaces, `shard_manifest` any set. The `webdataset` package, or anything
else that reads tar files one after the other, reads them. Its ShardWriter is not used for writing:
it begins a new shard after a number of pictures, in the midst of a person, and knows neither of
sides of a division nor of shards that are there already. The bytes of a shard depend on its members
only (no dates, no owners), so a second run keeps those that still fit their checksums. While
``shards.json`` is written it says how many shards are ``missing``, so that nobody takes a part of a
set for all of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from nbnet_lib.data.listing import INDEX
from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.reading import Reader, in_threads
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.sets import drawing_bar
from nbnet_lib.files import (
    atomic_path,
    only_writer,
    require_free_space,
    require_writable_folder,
    sha256_file,
)
from nbnet_lib.parallel import FEW, cores, in_parallel
from synthfaces import RENDERER_VERSION, Recipe, make_identity, make_sample
from synthfaces.checks import whole_numbers
from synthfaces.parameters import parameters

KEEP = "keep"
FORMS = ("png", "jpg", "npy")
JPEG_QUALITY = 95
OVERHEAD = 5 * 1024  # bytes for a picture's headers and its JSON file, at most

Member = tuple[str, bytes]  # name, content; every picture's is followed by that of its JSON file
# Makes the members of each item, in order, many at a time.
Produce = Callable[[Iterable[int]], Generator[list[Member], None, None]]


@dataclass
class Shard:
    """One shard to be written.

    Attributes:
        entry: what the index says of it: "file", "images", and all that its bytes depend on and the
            head of the index does not say. Whole shards gain "sha256" and "bytes".
        items: what members are made of.
        nbytes: at most about how many bytes it will have, for the free space.
    """

    entry: dict[str, Any]
    items: list[int]
    nbytes: int


def write_shards(
    identities: Iterable[int],
    recipe: Recipe,
    folder: str | Path,
    form: str = "png",
    per_shard: int = 1000,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write SynthFaces of many people as shards; keep the shards that are there and whole.

    Args:
        identities: identity numbers, each once.
        recipe: which pictures are drawn of each: samples, size, difficulty.
        folder: where the shards are written.
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
    _check(form, FORMS, per_shard)
    each = max(1, per_shard // len(recipe.samples))
    head = {
        "renderer_version": RENDERER_VERSION,
        "size": recipe.size,
        "difficulty": recipe.difficulty,
        "samples": list(recipe.samples),
        "format": form,
        "per_shard": per_shard,
    }
    shards = []
    for number, first in enumerate(range(0, len(people), each)):
        members = people[first : first + each]
        images = len(members) * len(recipe.samples)
        entry = {
            "file": f"faces-{number:06d}.tar",
            "images": images,
            "identities": [len(members), members[0], members[-1]],
        }
        shards.append(Shard(entry, members, images * (3 * recipe.size**2 + OVERHEAD)))
    few = len(people) * len(recipe.samples) <= FEW
    make = partial(_drawn_members, recipe, form)

    def produce(items: Iterable[int]) -> Generator[list[Member], None, None]:
        return in_parallel(make, items, cores(workers), few)

    with drawing_bar(len(people), recipe, progress) as bar:
        return fill_shards(Path(folder), head, shards, produce, bar, "faces-*.tar")


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
    set that its manifest does not divide are in ``pictures-000000.tar`` and so on. Keys are
    numbers, so that no name of a person collides with what tar or WebDataset reads out of names.

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
    _check(form, (KEEP, *FORMS), per_shard)
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
    shards = []
    for name, rows in _plan(manifest, per_shard):
        digest, nbytes = hashlib.sha256(), 0
        for row in rows:
            digest.update(json.dumps([row, _about(manifest, row), reader.stamp(row)]).encode())
            nbytes += OVERHEAD + (3 * size**2 if size else reader.length(row))
        entry = {
            "file": name,
            "images": len(rows),
            "identities": len({manifest.identities[row] for row in rows} - {""}),
            "of": digest.hexdigest()[:16],  # what the pictures were made of
        }
        shards.append(Shard(entry, rows, nbytes))

    def make(row: int) -> list[Member]:
        if form == KEEP:
            name = manifest.images[row].lower()
            packed = ".bz2" if name.endswith(".bz2") else ""
            ending = PurePosixPath(name.removesuffix(packed)).suffix + packed
            content = reader.content(row)
        else:
            ending, content = f".{form}", encoded(reader.read(row, size), form)
        about = json.dumps(_about(manifest, row)).encode()
        return [(f"{row:08d}{ending}", content), (f"{row:08d}.json", about)]

    bar = tqdm(total=len(manifest), desc="shards", unit="image", delay=0.3, disable=not progress)
    with bar:
        produce = partial(in_threads, make, workers=workers)
        return fill_shards(Path(folder), head, shards, produce, bar, "*.tar")


def _check(form: str, forms: tuple[str, ...], per_shard: int) -> None:
    if form not in forms or per_shard < 1:
        raise NbnetError(
            f"format {form!r}, per_shard {per_shard}: choose one of {', '.join(forms)}, and 1 or "
            "more pictures in a shard"
        )


def _plan(manifest: Manifest, per_shard: int) -> list[tuple[str, list[int]]]:
    """Return (file name, rows) of each shard; people in the order of their first picture."""
    groups: dict[str, dict[str, list[int]]] = {}
    for row, (split, person) in enumerate(zip(manifest.splits, manifest.identities, strict=True)):
        # Pictures of unknown people belong to nobody: each may be parted from the next.
        people = groups.setdefault(split or "pictures", {})
        people.setdefault(person or f"\0{row}", []).append(row)
    planned = []
    for name, people in groups.items():
        shards: list[list[int]] = [[]]
        for rows in people.values():
            if shards[-1] and len(shards[-1]) + len(rows) > per_shard:
                shards.append([])
            shards[-1] += rows
        planned += [(f"{name}-{number:06d}.tar", rows) for number, rows in enumerate(shards)]
    return planned


def _about(manifest: Manifest, row: int) -> dict[str, str]:
    """Return what the JSON beside a picture says."""
    return {
        "identity": manifest.identities[row],
        "split": manifest.splits[row],
        "image": manifest.images[row],
    }


def _drawn_members(recipe: Recipe, form: str, identity: int) -> list[Member]:
    """Return one person's files, each picture before its parameters."""
    members = []
    of_person = _parameters(make_identity(identity, recipe.difficulty), "identity")
    for number, picture in zip(recipe.samples, recipe.draw(identity), strict=True):
        truth = {
            "identity": identity,
            "sample": number,
            "size": recipe.size,
            "difficulty": recipe.difficulty,
            "renderer_version": RENDERER_VERSION,
            **of_person,
            **_parameters(make_sample(identity, number, recipe.difficulty), "sample"),
        }
        name = f"{identity:07d}-{number:03d}"
        members.append((f"{name}.{form}", encoded(picture, form)))
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


def encoded(picture: np.ndarray, form: str) -> bytes:
    """Return a picture, uint8 [H, W, 3], as the bytes of a PNG, JPEG or .npy file."""
    file = io.BytesIO()
    if form == "npy":
        np.save(file, picture)
    elif form == "jpg":
        Image.fromarray(picture).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def fill_shards(
    folder: Path,
    head: dict[str, Any],
    shards: list[Shard],
    produce: Produce,
    bar: tqdm,
    pattern: str,
) -> dict[str, Any]:
    """Write the shards that are not there and whole, and return the index.

    Args:
        folder: where.
        head: what the index says of all shards; another head in the folder is another set.
        shards: what to write, in order.
        produce: makes the members of items.
        bar: counts pictures.
        pattern: names of shards; others of such a name in the folder are refused.
    """
    require_writable_folder(folder)
    with only_writer(folder, "writing shards to"):
        for stale in folder.glob(".*.part"):  # of a process that was killed
            stale.unlink(missing_ok=True)
        known = _known(folder, head, shards, pattern)
        for shard in shards:
            old = known.get(shard.entry["file"], {})
            path = folder / shard.entry["file"]
            same = shard.entry.items() <= old.items() and path.is_file()
            if same and sha256_file(path) == old.get("sha256"):
                shard.entry.update(old)
                bar.update(old["images"])
        missing = [shard for shard in shards if "sha256" not in shard.entry]
        require_free_space(folder, sum(shard.nbytes for shard in missing))
        with closing(produce(item for shard in missing for item in shard.items)) as made:
            for shard in missing:
                _save_index(folder, head, shards)
                with atomic_path(folder / shard.entry["file"], shard.nbytes) as temporary:
                    with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
                        for _ in shard.items:
                            members = next(made)
                            for name, content in members:
                                info = tarfile.TarInfo(name)  # its date is 0, its owner nobody
                                info.size = len(content)
                                tar.addfile(info, io.BytesIO(content))
                            bar.update(len(members) // 2)
                    size = temporary.stat().st_size
                    shard.entry |= {"sha256": sha256_file(temporary), "bytes": size}
            next(made, None)  # the end of it, lest joblib warns of work that nobody took
        return _save_index(folder, head, shards)


def _known(
    folder: Path, head: dict[str, Any], shards: list[Shard], pattern: str
) -> dict[str, dict[str, Any]]:
    """Return the shards that the index in the folder lists, by file name."""
    try:
        old = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        known = {entry["file"]: entry for entry in old.pop("shards")}
        old.pop("missing", None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        old, known = head, {}  # none, or a damaged one: all shards are written again
    differ = [key for key in {**head, **old} if old.get(key) != head.get(key)]
    # A reader that lists the folder would take shards of another set for a part of this one.
    extra = {path.name for path in folder.glob(pattern)} - {s.entry["file"] for s in shards}
    if differ or extra:
        raise NbnetError(
            f"{folder} holds other shards ({', '.join(differ or sorted(extra)[:3])}): choose "
            "another folder or move them away"
        )
    return known


def _save_index(folder: Path, head: dict[str, Any], shards: list[Shard]) -> dict[str, Any]:
    whole = [shard.entry for shard in shards if "sha256" in shard.entry]
    index = {**head, "shards": whole}
    if missing := len(shards) - len(whole):
        index["missing"] = missing
    with atomic_path(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return index
