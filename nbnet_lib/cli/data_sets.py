"""``nbnet data manifest``, ``split`` and ``shard``: who is on which picture, and on which side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli.shared import (
    Report,
    add_difficulty,
    add_json,
    add_workers,
    identity_range,
    shards_report,
    share,
    whole,
)

if TYPE_CHECKING:
    from nbnet_lib.data.manifest import Manifest

SYNTHFACES = "synthfaces"
SOURCE = "a manifest (.parquet), or what `nbnet data manifest` makes one of"
READ = "how many pictures are read at once"


def add(commands: Any) -> None:
    """Add the commands to those of ``nbnet data``."""
    _add_manifest(commands)
    _add_split(commands)
    _add_shard(commands)


def _add_manifest(commands: Any) -> None:
    parser = commands.add_parser(
        "manifest",
        help="list the pictures of a set with their people, as one Parquet file",
        description="List who is on which picture, look at every picture once, and say what looks "
        "wrong: pictures that cannot be read, people without a pair, one file under two people.",
    )
    option = parser.add_argument
    text = (
        "a folder of identity folders, a folder of tar shards, a list (.csv with image,identity; "
        f".txt of two columns), or {SYNTHFACES}"
    )
    option("source", metavar="SOURCE", help=text)
    option("--out", type=Path, required=True, metavar="FILE.parquet")
    option = parser.add_argument_group("who is on a picture of a folder").add_argument
    text = (
        "folder: the folder says (the default); prefix: the file name up to the first '_' or '-'; "
        "picture: everybody has one picture; none: nobody knows"
    )
    option("--identity-from", choices=("folder", "prefix", "picture", "none"), help=text)
    text = "which folder below SOURCE: 2 for train/NAME/1.png (default 1)"
    option("--identity-level", type=whole(1), metavar="N", help=text)
    text = "a list of who is on which picture of SOURCE, such as identity_CelebA.txt"
    option("--list", type=Path, metavar="FILE", help=text)
    text = "with a list: which picture is for training, such as list_eval_partition.txt of CelebA"
    option("--partition", type=Path, metavar="FILE", help=text)
    drawn = parser.add_argument_group(f"of {SYNTHFACES}")
    option = drawn.add_argument
    option("--identities", type=identity_range, metavar="RANGE")
    option("--samples", type=whole(1), metavar="N", help="pictures of each (default 6)")
    add_difficulty(drawn)
    parser.set_defaults(difficulty=None)  # to tell whether it was given
    more = parser.add_argument_group("more")
    option = more.add_argument
    option("--name", help="what reports call the set (default: its folder's name)")
    text = "how the faces are cut out, where no alignment.json says it"
    option("--framing", metavar="NAME", help=text)
    text = "read only the beginnings of the files, for their size"
    option("--quick", action="store_true", help=text)
    text = "continue without listed pictures that are not there"
    option("--leave-out-missing", action="store_true", help=text)
    text = "continue without pictures that cannot be read"
    option("--leave-out-unreadable", action="store_true", help=text)
    add_workers(more, READ)
    add_json(parser)
    parser.set_defaults(run=run_manifest)


def _add_split(commands: Any) -> None:
    parser = commands.add_parser(
        "split",
        help="divide the people of a set into training and evaluation",
        description="Nobody is on both sides, nor are people who share a picture. People are drawn "
        "among those with about as many pictures.",
    )
    option = parser.add_argument
    option("source", type=Path, metavar="SOURCE", help=SOURCE)
    option("--out", type=Path, required=True, metavar="FILE.parquet")
    text = "part of the people for the evaluation (default 0.2)"
    option("--share", type=share, default=0.2, metavar="S", help=text)
    option("--seed", type=whole(0), default=0)
    add_json(parser)
    parser.set_defaults(run=run_split)


def _add_shard(commands: Any) -> None:
    parser = commands.add_parser(
        "shard",
        help="write WebDataset shards (tar files) of a set",
        description="Write tar files of pictures and who is on them. Shards that are there and "
        "whole are kept: the same command resumes.",
    )
    option = parser.add_argument
    option("source", type=Path, metavar="SOURCE", help=SOURCE)
    option("--out", type=Path, required=True, metavar="FOLDER")
    text = "side of a picture (default: as it is)"
    option("--size", type=whole(1), metavar="PIXELS", help=text)
    text = (
        "keep: the bytes of the files (PNG where a size is given); png: exact; jpg: a third of the "
        "space; npy: fastest to read (default keep)"
    )
    option("--format", choices=("keep", "png", "jpg", "npy"), default="keep", help=text)
    text = "pictures of a shard, about: nobody is split (default 1000)"
    option("--per-shard", type=whole(1), default=1000, metavar="N", help=text)
    add_workers(parser, READ)
    add_json(parser)
    parser.set_defaults(run=run_shard)


def run_manifest(args: argparse.Namespace) -> Report:
    """List a set, look at it, and write the manifest."""
    from dataclasses import replace

    from nbnet_lib.data.manifest import manifest_path, save_manifest
    from nbnet_lib.data.survey import survey
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.faces.framing import find_framing

    manifest_path(args.out)
    manifest = _listed(args)
    if args.framing is not None:
        framing = find_framing(args.framing)
        if manifest.framing is not None and manifest.framing != framing:
            raise NbnetError(
                f"{args.source} was cut out as {manifest.framing.name}, not as {framing.name}: "
                "leave out --framing"
            )
        manifest = replace(manifest, framing=framing)
    if args.name:
        manifest = replace(manifest, source=args.name)
    manifest = survey(manifest, args.quick, args.leave_out_unreadable, args.workers)
    return _report(manifest, save_manifest(manifest, args.out))


def _listed(args: argparse.Namespace) -> Manifest:
    """Return the manifest of what the arguments name, not yet measured."""
    from nbnet_lib.data.listing import from_folder, from_list, from_synthfaces, open_source
    from nbnet_lib.errors import NbnetError

    synthetic, path = args.source == SYNTHFACES, Path(args.source)
    is_list = path.is_file() and path.suffix.lower() in (".csv", ".txt")
    listed = args.list is not None or is_list
    for option, allowed in (
        ("identities", synthetic),
        ("samples", synthetic),
        ("difficulty", synthetic),
        ("list", not synthetic),
        ("partition", listed),
        ("identity_from", not synthetic and args.list is None),
        ("identity_level", args.identity_from in (None, "folder")),
    ):
        if getattr(args, option) is not None and not allowed:
            raise NbnetError(
                f"--{option.replace('_', '-')} says nothing about {args.source} here: leave it out"
            )
    if synthetic:
        if args.identities is None:
            raise NbnetError("say which people: --identities 20000-20999, for example")
        difficulty = 1.0 if args.difficulty is None else args.difficulty
        return from_synthfaces(args.identities, args.samples or 6, difficulty)
    if args.list is not None:
        return from_list(args.list, args.source, args.leave_out_missing, args.partition)
    if args.identity_from or args.identity_level:
        return from_folder(path, args.identity_from or "folder", args.identity_level or 1)
    if is_list:
        return from_list(path, None, args.leave_out_missing, args.partition)
    return open_source(path)


def run_split(args: argparse.Namespace) -> Report:
    """Divide the people and write the manifest."""
    from nbnet_lib.data.divide import divide
    from nbnet_lib.data.listing import open_source
    from nbnet_lib.data.manifest import manifest_path, save_manifest

    manifest_path(args.out)
    manifest = divide(open_source(args.source), args.share, args.seed)
    return _report(manifest, save_manifest(manifest, args.out))


def run_shard(args: argparse.Namespace) -> Report:
    """Write the shards."""
    from nbnet_lib.data.listing import open_source
    from nbnet_lib.data.shards import shard_manifest

    index = shard_manifest(
        open_source(args.source),
        args.out,
        size=args.size,
        form=args.format,
        per_shard=args.per_shard,
        workers=args.workers,
    )
    return shards_report(args.out, index)


def _report(manifest: Manifest, path: Path) -> Report:
    from nbnet_lib.data.manifest import counted

    counts = manifest.counts()
    framing = "unknown" if manifest.framing is None else manifest.framing.name
    lines = [f"{path}: {counted(counts['pictures'], counts['identities'])} (framing: {framing})"]
    for split in ("train", "evaluation"):
        if f"{split}_pictures" in counts:
            side = counted(counts[f"{split}_pictures"], counts[f"{split}_identities"])
            lines.append(f"  {split}: {side}")
    lines += [f"  {note}" for note in manifest.notes]
    payload = {
        "manifest": path,
        "source": manifest.source,
        "framing": None if manifest.framing is None else manifest.framing.to_card(),
        "size": manifest.size,
        **counts,
        "notes": list(manifest.notes),
    }
    return Report(payload, "\n".join(lines))
