"""``nbnet faces``: pictures and ground truth of SynthFaces, people who do not exist.

Drawing, tables and parameters, then faces in bulk (``shard``) and how fast they are drawn.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli.shared import (
    Report,
    add_difficulty,
    add_identities,
    add_json,
    add_workers,
    columns,
    identity_range,
    shards_report,
    whole,
)
from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import numpy as np

    from synthfaces import Truth


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    faces = subparsers.add_parser("faces", help="draw faces, list what they are drawn from")
    commands = faces.add_subparsers(title="commands", metavar="COMMAND", required=True)

    render = commands.add_parser(
        "render",
        help="write one picture, or one PNG file per picture",
        description="One picture: --identity 3 --sample 0 --out FILE.png. Many pictures: "
        "--identities 0-11 --samples 6 --out FOLDER.",
    )
    render.add_argument("--identity", type=whole(0), metavar="N", help="one picture, of whom")
    render.add_argument("--sample", type=whole(0), metavar="N", help="which of them (default 0)")
    add_identities(render, "0-11", 6)
    # None: not given; they go with --identity only, or without it only.
    render.set_defaults(identities=None, samples=None)
    _add_drawing(render)
    render.add_argument(
        "--truth",
        action="store_true",
        help="write landmarks, masks, depth and normals beside each picture, as NAME.npz",
    )
    render.add_argument("--out", type=Path, required=True, metavar="FILE.png|FOLDER")
    add_json(render)
    render.set_defaults(run=run_render)

    sheet = commands.add_parser("sheet", help="write a contact sheet, one row per identity")
    add_identities(sheet, "0-11", 6)
    _add_drawing(sheet)
    sheet.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    add_json(sheet)
    sheet.set_defaults(run=run_sheet)

    table = commands.add_parser("table", help="the parameters that each face was made from")
    table.add_argument(
        "--identities",
        type=identity_range,
        default=identity_range("0-9"),
        metavar="RANGE",
        help="for example 0-299 or 0-9,20 (default 0-9)",
    )
    table.add_argument(
        "--samples", type=whole(1), metavar="N", help="one row per picture instead of per identity"
    )
    add_difficulty(table)
    table.add_argument(
        "--columns",
        metavar="NAME,NAME",
        help="only these (default: all; as text without the long lists of shape and actions)",
    )
    table.add_argument(
        "--landmarks",
        type=int,
        metavar="PIXELS",
        help="add the landmarks in pictures of this size (needs --samples)",
    )
    form = table.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    add_json(form)
    table.set_defaults(run=run_table)

    parameters = commands.add_parser(
        "parameters", help="what --set can change: names, ranges, units, meaning"
    )
    parameters.add_argument(
        "word", nargs="?", default="", help="only names with this word, for example nose"
    )
    add_json(parameters)
    parameters.set_defaults(run=run_parameters)

    shard = commands.add_parser(
        "shard",
        help="write WebDataset shards (tar files) for training on many machines",
        description="Write tar files of pictures and their parameters, in parallel. Shards that "
        "are there and whole are kept: the same command resumes.",
    )
    add_identities(shard, "20000-20999", 6)
    _add_size(shard, 112)
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


def _add_size(parser: argparse.ArgumentParser, size: int) -> None:
    what = f"side of a picture (default {size})"
    parser.add_argument("--size", type=int, default=size, metavar="PIXELS", help=what)
    add_difficulty(parser)


def _add_drawing(parser: argparse.ArgumentParser) -> None:
    _add_size(parser, 160)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one parameter, all else fixed; may be repeated (see nbnet faces parameters)",
    )


def run_render(args: argparse.Namespace) -> Report:
    """Write one picture, or one PNG file per picture."""
    from nbnet_lib.cli.pictures import save_png
    from nbnet_lib.files import require_writable_folder
    from synthfaces.changes import parse_changes

    single = args.identity is not None
    if single and (args.identities is not None or args.samples is not None):
        raise NbnetError("--identity draws one picture: give --sample, not a range")
    if args.sample is not None and not single:
        raise NbnetError("--sample needs --identity: for many pictures give --samples")
    if single != (args.out.suffix.lower() == ".png"):
        wanted = "a file ending in .png" if single else "a folder, or --identity for one picture"
        raise NbnetError(f"--out is {args.out}: give {wanted}")
    identities = [args.identity] if single else args.identities or identity_range("0-11")
    samples = [args.sample or 0] if single else range(args.samples or 6)
    folder = require_writable_folder(args.out.parent if single else args.out)
    changes = parse_changes(args.set)
    files = []
    for identity, sample, image, truth in _draw(args, identities, samples, changes, args.truth):
        path = args.out if single else folder / f"{identity:06d}-{sample:03d}.png"
        files.append(save_png(image, path))
        if truth is not None:
            files.append(truth.save(path.with_suffix(".npz")))
    names = [f.name for f in files]
    payload = {"folder": folder, "files": names, "changes": changes}
    what = " and ".join(names) if single else f"{len(files)} files"
    return Report(payload, f"{what} in {folder}")


def run_sheet(args: argparse.Namespace) -> Report:
    """Write one picture of many faces."""
    import numpy as np

    from nbnet_lib.cli.pictures import contact_sheet, save_png
    from nbnet_lib.files import require_writable_folder
    from synthfaces.changes import parse_changes

    if args.out.suffix.lower() != ".png":
        raise NbnetError(f"--out is {args.out}: give a file ending in .png")
    require_writable_folder(args.out.parent)
    changes = parse_changes(args.set)
    drawn = _draw(args, args.identities, range(args.samples), changes, truth=False)
    images = np.stack([image for _, _, image, _ in drawn])
    save_png(contact_sheet(images, per_row=args.samples), args.out)
    payload = {
        "file": args.out,
        "identities": len(args.identities),
        "samples": args.samples,
        "changes": changes,
    }
    return Report(payload, f"{len(images)} faces on {args.out}")


def _draw(
    args: argparse.Namespace,
    identities: Sequence[int],
    samples: Sequence[int],
    changes: dict[str, Any],
    truth: bool,
) -> Iterator[tuple[int, int, np.ndarray, Truth | None]]:
    """Yield identity, sample, picture and (with ``truth``) all that is known about it.

    In threads: they start at once, and a command draws a few hundred pictures.
    """
    from nbnet_lib.parallel import cores, in_parallel
    from synthfaces import render, render_truth

    def person(identity: int) -> list[Any]:
        draw = render_truth if truth else render
        return [draw(identity, s, args.size, args.difficulty, changes) for s in samples]

    drawn = in_parallel(person, identities, cores(None), threads=True)
    for identity, pictures in zip(identities, drawn, strict=True):
        for sample, picture in zip(samples, pictures, strict=True):
            image, known = (picture.image, picture) if truth else (picture, None)
            yield identity, sample, image, known


def run_table(args: argparse.Namespace) -> Report:
    """List the ground truth."""
    from synthfaces.tables import table

    def short(value: Any) -> Any:
        return f"{value:.3g}" if isinstance(value, float) else value

    names = args.columns and [name.strip() for name in args.columns.split(",")]
    frame = table(args.identities, args.samples, args.difficulty, names, args.landmarks)
    if args.csv:
        return Report(None, frame.to_csv(index=False).rstrip("\n"))
    # Turned, as there are many more parameters than rows; long lists only where asked for.
    shown = frame if names else frame[[c for c in frame.columns if "/" not in c]]
    rows = [[name, *map(short, shown[name])] for name in shown.columns[1:]]
    text = columns(rows, ["identity", *map(str, frame["identity"])])
    return Report(json.loads(frame.to_json(orient="records")), text)


def run_parameters(args: argparse.Namespace) -> Report:
    """List what can be changed."""
    from synthfaces.tables import describe

    frame = describe()
    matching = frame[[args.word.lower() in name.lower() for name in frame.index]]
    if matching.empty:
        raise NbnetError(f"no parameter has {args.word!r} in its name: `nbnet faces parameters`")
    many = [name for name in matching.index if "/" in name and not args.word]
    hidden = Counter(name.partition("/")[0] for name in many)
    header = ["of", "meaning", "allowed"]
    rows = matching.drop(index=many)[header].itertuples(name=None)
    text = columns(list(rows), ["name", *header])
    for family, count in hidden.items():
        text += f"\nand {count} named {family}/...: nbnet faces parameters {family}/"
    payload = json.loads(matching.reset_index().to_json(orient="records"))
    return Report(payload, text)


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
    rates = ("images_per_second", "cpu_ms_per_image")
    rows = [(size, *(result[str(size)][rate] for rate in rates)) for size in SIZES]
    text = columns(rows, ("pixels", "images/s", "CPU ms each"))
    end = (
        f"{result['workers']} workers, {result['samples']} pictures a person; "
        f"reference work: {result['reference_seconds']} s"
    )
    return Report(result, f"{text}\n\n{end}")
