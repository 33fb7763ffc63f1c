"""``nbnet faces shard`` and ``nbnet faces bench``: faces in bulk, and how fast they are drawn."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import (
    Report,
    add_difficulty,
    add_identities,
    add_json,
    add_workers,
    columns,
    shards_report,
    whole,
)


def add(commands: Any) -> None:
    """Add the commands to those of ``nbnet faces``."""
    shard = commands.add_parser(
        "shard",
        help="write WebDataset shards (tar files) for training on many machines",
        description="Write tar files of pictures and their parameters, in parallel. Shards that "
        "are there and whole are kept: the same command resumes.",
    )
    add_identities(shard, "10000-10999", 6)
    shard.add_argument(
        "--size", type=int, default=112, metavar="PIXELS", help="side of a picture (default 112)"
    )
    add_difficulty(shard)
    shard.add_argument(
        "--format",
        choices=("png", "jpg", "npy"),
        default="png",
        help="png: exact; jpg: a third of the space; npy: fastest to read (default png)",
    )
    shard.add_argument(
        "--per-shard",
        type=whole(1),
        default=1000,
        metavar="N",
        help="pictures of a shard, about: no identity is split (default 1000)",
    )
    add_workers(shard)
    shard.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    add_json(shard)
    shard.set_defaults(run=run_shard)

    bench = commands.add_parser(
        "bench", help="pictures per second at 64, 112 and 160 px, beside a fixed piece of work"
    )
    add_workers(bench)
    add_json(bench)
    bench.set_defaults(run=run_bench)


def run_shard(args: argparse.Namespace) -> Report:
    """Write the shards."""
    from nbnet_lib.data.shards import write_shards
    from synthfaces import Recipe

    index = write_shards(
        args.identities,
        Recipe(args.samples, args.size, args.difficulty),
        args.out,
        form=args.format,
        per_shard=args.per_shard,
        workers=args.workers,
    )
    return shards_report(args.out, index)


def run_bench(args: argparse.Namespace) -> Report:
    """Measure how fast faces are drawn."""
    from nbnet_lib.faces.bench import SIZES, bench

    result = bench(workers=args.workers)
    rows = [
        (size, row["images_per_second"], row["cpu_ms_per_image"])
        for size in SIZES
        for row in [result[str(size)]]
    ]
    text = columns(rows, ("pixels", "images/s", "CPU ms each"))
    end = (
        f"{result['workers']} workers, {result['samples']} pictures a person; "
        f"reference work: {result['reference_seconds']} s"
    )
    return Report(result, f"{text}\n\n{end}")
