"""WebDataset shards: tar files of pictures and their parameters, for training on many machines.

    faces-000000.tar        0010000-000.png, 0010000-000.json, 0010000-001.png ...
    shards.json             what was drawn, and the SHA-256 of every shard

The `webdataset` package, or anything else that reads tar files one after the other, reads them.
`nbnet_lib.tarshards` writes them: the same pictures are the same bytes, and whole shards are kept.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import Recipe, cores, in_parallel, whole_numbers
from nbnet_lib.faces.sets import drawing_bar
from nbnet_lib.tarshards import OVERHEAD, Shard, write_tars
from synthfaces import RENDERER_VERSION, make_identity, make_sample
from synthfaces.parameters import parameters

JPEG_QUALITY = 95
# For the free space: bytes of a picture in a shard, as a part of those in memory (at most, seen
# from 64 to 160 px).
SHARE = {"png": 0.8, "jpg": 0.5, "npy": 1.0}


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
    head = {
        "renderer_version": RENDERER_VERSION,
        "size": recipe.size,
        "difficulty": recipe.difficulty,
        "samples": list(recipe.samples),
        "format": form,
        "per_shard": per_shard,
    }
    shards = [
        _shard(number, people[i : i + each], recipe, form)
        for number, i in enumerate(range(0, len(people), each))
    ]
    with drawing_bar(len(people), recipe, progress) as bar:
        return write_tars(
            folder,
            head,
            shards,
            partial(_members, recipe, form),
            partial(in_parallel, workers=cores(workers)),
            bar,
            "faces-*.tar",
        )


def _shard(number: int, people: list[int], recipe: Recipe, form: str) -> Shard[int]:
    images = len(people) * len(recipe.samples)
    picture = 3 * recipe.size**2 * SHARE[form]
    return Shard(
        {
            "file": f"faces-{number:06d}.tar",
            "images": images,
            "identities": [len(people), people[0], people[-1]],
        },
        people,
        int(images * (picture + OVERHEAD)),
    )


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
