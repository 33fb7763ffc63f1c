"""``nbnet reconstruct``: a file of templates in, a folder of faces out."""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_device, add_json, shards_report, whole
from nbnet_lib.errors import NbnetError

SHEET, SHEET_NAME = 400, "contact_sheet.png"  # faces on it
RECORD = "reconstruct.json"  # what the faces in a folder were made from
PNG_END = b"IEND\xaeB`\x82"
Draw = Callable[[list[int]], Any]  # rows of templates -> uint8 [n, S, S, 3]


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "reconstruct",
        help="draw the faces that templates give away",
        description="For SynthFaces templates and your own. Templates of other people are personal "
        "data: work on them only with the right to do so. The same command continues where one was "
        "stopped.",
    )
    parser.add_argument(
        "--templates",
        type=Path,
        required=True,
        metavar="FILE",
        help=".npy, or .npz with the array 'templates': [N, d] (see nbnet encoder embed); an .npy "
        "file may be larger than memory",
    )
    parser.add_argument(
        "--decoder", default="nbnet-b-64", help="a shipped name or a .safetensors file"
    )
    parser.add_argument("--batch-size", type=whole(1), default=256, metavar="N")
    parser.add_argument(
        "--limit", type=whole(1), metavar="N", help="draw the first N templates only"
    )
    parser.add_argument(
        "--shards", type=whole(1), metavar="N", help="write tar shards of N faces, not PNG files"
    )
    add_device(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    add_json(parser)
    parser.set_defaults(run=run)


def read_templates(path: Path) -> tuple[Any, dict[str, str]]:
    """Return the templates in an .npy or .npz file, and what it says of their recogniser.

    Returns:
        [N, d] of the file's own type, a memory map of an .npy file (one template [d] becomes
        [1, d]), and the entries that `origin_in` reads.

    Raises:
        NbnetError: no such file, another format, or not one array of templates in it.
    """
    import numpy as np

    from nbnet_lib.encoders.origin import NAME, SHA256

    if not path.is_file():
        raise NbnetError(f"no file {path}: give the .npy or .npz file that holds the templates")
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = {"templates": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise NbnetError(
            f"{path} is not a readable .npy or .npz file of numbers: write it with numpy.save or "
            "numpy.savez"
        ) from error
    if "templates" not in arrays and len(arrays) != 1:
        raise NbnetError(
            f"{path} holds the arrays {', '.join(arrays) or '(none)'}: name the one with the "
            "templates 'templates'"
        )
    templates = np.atleast_2d(arrays.get("templates", next(iter(arrays.values()))))
    if templates.dtype.kind not in "fiu" or templates.ndim != 2 or not templates.size:
        raise NbnetError(
            f"the templates in {path} are {templates.dtype} {templates.shape}: give floats [N, d]"
        )
    # Text only: somebody else's file may hold another kind of array under these names.
    said = {
        k: str(arrays[k]) for k in (NAME, SHA256) if k in arrays and arrays[k].dtype.kind == "U"
    }
    return templates, said


def run(args: argparse.Namespace) -> Report:
    """Reconstruct and write PNG files and a contact sheet, or tar shards, a batch at a time."""
    from nbnet_lib.attack import reconstruct
    from nbnet_lib.attack.data import fingerprint
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.device import resolve_device
    from nbnet_lib.encoders.base import at_unit_length, length_note, template_lengths
    from nbnet_lib.encoders.origin import origin_in, require_trained_against
    from nbnet_lib.faces import to_uint8
    from nbnet_lib.files import require_writable_folder

    templates, said = read_templates(args.templates)
    require_writable_folder(args.out)
    decoder: Any = load_decoder(args.decoder, device=resolve_device(args.device))
    what = f"templates in {args.templates}"
    notes = require_trained_against(args.decoder, decoder.card, origin_in(said), f"the {what}")
    lengths = template_lengths(templates, what)
    notes += length_note(lengths, what)
    made_from = {
        "decoder": decoder.card.get("sha256", args.decoder),
        "templates": fingerprint(templates),
        "of": len(templates),
    }

    def draw(rows: list[int]) -> Any:
        part = at_unit_length(templates[rows], lengths[rows])
        return to_uint8(reconstruct(decoder, part, batch_size=args.batch_size))

    count = min(len(templates), args.limit or len(templates))
    at_once = max(args.batch_size, SHEET)
    payload: dict[str, Any] = {"decoder": args.decoder, "folder": args.out}
    if args.shards:
        index = _write_shards(draw, count, at_once, args, made_from, decoder.image_size)
        payload |= index
        lines = [shards_report(args.out, index).text]
    else:
        names, kept = _write_pictures(draw, count, at_once, args.out, made_from)
        payload |= {"files": names, "contact_sheet": SHEET_NAME, "kept": kept}
        lines = [f"{len(names)} faces and {SHEET_NAME} in {args.out}"]
        lines += [f"{kept} of them were there already"] if kept else []
    return Report({**payload, "notes": notes}, "\n".join([*lines, *(f"note: {n}" for n in notes)]))


def _write_pictures(
    draw: Draw, count: int, at_once: int, folder: Path, made_from: dict[str, Any]
) -> tuple[list[str], int]:
    """Write a PNG file of each template; return their names, and how many were there already."""
    from PIL import Image
    from tqdm import tqdm

    from nbnet_lib.cli.pictures import contact_sheet, save_png
    from nbnet_lib.files import atomic_path, room_for

    record, sheet, kept = folder / RECORD, folder / SHEET_NAME, 0
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else None
    if known not in (None, made_from):
        raise NbnetError(
            f"{folder} holds faces of other templates, or by another decoder ({RECORD} says so): "
            "choose another folder or move it away"
        )
    width = max(4, len(str(made_from["of"] - 1)))
    names = [f"{row:0{width}d}.png" for row in range(count)]
    starts = range(0, count, at_once)
    for start in tqdm(starts, "faces", unit_scale=at_once, delay=0.3, file=sys.stderr):
        rows = list(range(start, min(start + at_once, count)))
        # Without a record nobody knows what the files of these names show.
        if known and all(_is_whole(folder / names[row]) for row in rows):
            if start or sheet.is_file():
                kept += len(rows)
                continue
        images = draw(rows)
        if not start:
            save_png(contact_sheet(images[:SHEET], per_row=20), sheet)
        if not known:
            with atomic_path(record) as temporary:
                temporary.write_text(json.dumps(made_from) + "\n", encoding="utf-8")
            known = made_from
        with room_for(folder):  # whole or not at all, but no wait for the disk after each
            for image, row in zip(images, rows, strict=True):
                temporary = folder / f".{names[row]}.part"
                Image.fromarray(image).save(temporary, format="PNG")
                os.replace(temporary, folder / names[row])
    return names, kept


def _is_whole(path: Path) -> bool:
    """Return whether a PNG file has its end; after a power cut it may be empty, or of zeros."""
    if not path.is_file() or path.stat().st_size < len(PNG_END):
        return False
    with open(path, "rb") as file:
        file.seek(-len(PNG_END), os.SEEK_END)
        return file.read() == PNG_END


def _write_shards(
    draw: Draw,
    count: int,
    at_once: int,
    args: argparse.Namespace,
    made_from: dict[str, Any],
    size: int,
) -> dict[str, Any]:
    """Write tar shards of ``args.shards`` faces each; those that are there and whole are kept."""
    from tqdm import tqdm

    from nbnet_lib.data.shards import OVERHEAD, Shard, encoded, fill_shards

    shards = []
    for number, start in enumerate(range(0, count, args.shards)):
        rows = list(range(start, min(start + args.shards, count)))
        entry = {"file": f"reconstructions-{number:06d}.tar", "images": len(rows)}
        shards.append(Shard(entry, rows, len(rows) * (3 * size**2 + OVERHEAD)))

    def produce(items: Iterable[int]) -> Generator[list[tuple[str, bytes]], None, None]:
        left = iter(items)
        while rows := list(islice(left, at_once)):
            for row, image in zip(rows, draw(rows), strict=True):
                about = json.dumps({"template": row}).encode()
                yield [(f"{row:08d}.png", encoded(image, "png")), (f"{row:08d}.json", about)]

    head = {**made_from, "size": size, "format": "png", "per_shard": args.shards}
    with tqdm(total=count, desc="shards", unit="image", delay=0.3, file=sys.stderr) as bar:
        return fill_shards(args.out, head, shards, produce, bar, "*.tar")
