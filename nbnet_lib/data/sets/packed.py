"""The pictures in WebDataset shards: tar files whose members of one key belong together.

    0000012.png  0000012.json       {"identity": "Synth_Person_0007", ...}

The shards that this library writes say who is shown in the JSON; of others ``.cls`` (a class
number) is read, too. Nothing is unpacked.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from nbnet_lib.data.people import spelled
from nbnet_lib.data.pictures import is_picture_name
from nbnet_lib.data.sets.manifest import SPLITS, Manifest
from nbnet_lib.data.sets.reading import in_threads, members
from nbnet_lib.data.sets.sources import table_of
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.drawing import cores
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.tarshards import INDEX

MOST_TEXT = 1 << 20  # bytes of a member that says who is shown

Row = tuple[str, str, str]  # image, identity, split


def from_shards(folder: str | os.PathLike[str]) -> Manifest:
    """List the pictures in the tar files of a folder, shard by shard.

    Raises:
        NbnetError: no shards, one that is damaged or cut short, an index that does not fit them,
            or a member that cannot be read.
    """
    root = Path(folder)
    shards = sorted(path.name for path in root.glob("*.tar"))
    if not shards:
        raise NbnetError(f"{root} holds no tar files: give the folder of the shards")
    told = _index(root, shards)
    rows: list[Row] = []
    notes: list[str] = []
    without = 0
    for found, left_out in in_threads(lambda name: _shard(root, name), shards, cores(None)):
        rows += found
        without += left_out
    if not rows:
        raise NbnetError(
            f"the shards in {root} hold no pictures: give the folder of picture shards"
        )
    if without:
        notes.append(f"keys without a picture, passed over: {without:,}")
    unknown = sum(not identity for _, identity, _ in rows)
    if unknown:
        notes.append(f"pictures without identity (.json or .cls): {unknown:,} of {len(rows):,}")
    images, people, splits = (list(column) for column in zip(*rows, strict=True))
    synthetic = "renderer_version" in told
    size = told.get("size")
    framing = FRAMINGS["synthfaces"] if synthetic else None
    if told.get("framing") is not None:
        framing = Framing.from_card(told["framing"])
    return Manifest(
        table_of(images, people, splits, size or 0),
        root,
        str(told.get("source", root.resolve().name)),
        framing,
        size,
        numbered=bool(told.get("numbered", synthetic)),
        notes=tuple(notes),
    )


def _index(root: Path, shards: list[str]) -> dict[str, Any]:
    """Return what shards.json says; nothing where somebody else wrote the shards."""
    path = root / INDEX
    if not path.is_file():
        return {}
    try:
        told = dict(json.loads(path.read_text(encoding="utf-8")))
        listed = {entry["file"] for entry in told["shards"]}
    except (ValueError, KeyError, TypeError) as error:
        raise NbnetError(
            f"{path} is damaged ({error}): write the shards again, the whole ones are kept"
        ) from error
    if told.get("missing"):
        raise NbnetError(
            f"{path} lists a part of the set, {told['missing']} shards were not written yet: give "
            "the same command again, the whole ones are kept"
        )
    if listed != set(shards):
        odd = min(listed ^ set(shards))
        how = "listed there and missing" if odd in listed else "not listed there"
        raise NbnetError(
            f"{path} does not fit the shards beside it ({odd} is {how}): write the shards again, "
            "the whole ones are kept"
        )
    return told


def _shard(root: Path, name: str) -> tuple[list[Row], int]:
    """Return the pictures of one shard, and how many keys have none."""
    path = root / name
    places = members(path)
    groups: dict[str, dict[str, str]] = {}  # key: {ending: member}
    for member in places:
        base = PurePosixPath(member).name
        key, dot, ending = base.partition(".")
        if dot and key:
            groups.setdefault(member[: len(member) - len(base)] + key, {})[ending.lower()] = member
    rows, without = [], 0
    with open(path, "rb") as file:

        def text(member: str) -> str:
            begin, length = places[member]
            if length > MOST_TEXT:
                raise NbnetError(
                    f"{path}: {member} is too long to say who is shown: {length} bytes"
                )
            file.seek(begin)
            try:
                return file.read(length).decode("utf-8")
            except UnicodeDecodeError as error:
                raise NbnetError(f"{path}: {member} is not UTF-8: write the shard again") from error

        for group in groups.values():
            pictures = [m for m in group.values() if is_picture_name(m) or m.endswith(".npy")]
            if len(pictures) > 1:
                raise NbnetError(
                    f"{path}: {' and '.join(pictures[:2])} have one key: keep one picture for each"
                )
            if not pictures:
                without += 1
                continue
            identity, split = _who(path, group, text)
            rows.append((f"{name}/{pictures[0]}", identity, split))
    return rows, without


def _who(path: Path, group: dict[str, str], text: Any) -> tuple[str, str]:
    """Return (identity, split) as the members beside a picture tell them."""
    if "json" in group:
        try:
            told = json.loads(text(group["json"]))
            identity, split = told.get("identity"), told.get("split", "")
        except (ValueError, AttributeError) as error:
            if isinstance(error, NbnetError):
                raise
            raise NbnetError(
                f"{path}: {group['json']} is not a JSON object ({error}): write the shard again"
            ) from error
        if identity is not None:
            return spelled(str(identity)), split if split in SPLITS else ""
    return (spelled(text(group["cls"])), "") if "cls" in group else ("", "")
