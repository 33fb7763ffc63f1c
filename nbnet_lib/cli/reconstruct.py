"""``nbnet reconstruct``: a file of templates in, a folder of faces out."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import Report, add_device, add_json, whole
from nbnet_lib.errors import NbnetError


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "reconstruct",
        help="draw the faces that templates give away",
        description="For SynthFaces templates and your own. Templates of other people are personal "
        "data: work on them only with the right to do so.",
    )
    parser.add_argument(
        "--templates",
        type=Path,
        required=True,
        metavar="FILE",
        help=".npy, or .npz with the array 'templates': float [N, d] (see nbnet encoder embed)",
    )
    parser.add_argument(
        "--decoder", default="nbnet-b-64", help="a shipped name or a .safetensors file"
    )
    parser.add_argument("--batch-size", type=whole(1), default=256, metavar="N")
    add_device(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    add_json(parser)
    parser.set_defaults(run=run)


def read_templates(path: Path) -> tuple[Any, dict[str, str]]:
    """Return the templates in an .npy or .npz file, and what it says of their recogniser.

    Returns:
        float32 [N, d] (one template [d] becomes [1, d]), and the entries that `origin_in` reads.

    Raises:
        NbnetError: no such file, another format, or not one array of templates in it.
    """
    import numpy as np

    from nbnet_lib.encoders.origin import NAME, SHA256

    if not path.is_file():
        raise NbnetError(f"no file {path}: give the .npy or .npz file that holds the templates")
    try:
        loaded = np.load(path, allow_pickle=False)
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
    return templates.astype(np.float32), said


def run(args: argparse.Namespace) -> Report:
    """Reconstruct and write PNG files and a contact sheet."""
    from nbnet_lib.attack import reconstruct
    from nbnet_lib.cli.pictures import contact_sheet, save_png
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.device import resolve_device
    from nbnet_lib.encoders.origin import origin_in, require_trained_against
    from nbnet_lib.faces import to_uint8
    from nbnet_lib.files import require_writable_folder

    templates, said = read_templates(args.templates)
    require_writable_folder(args.out)
    decoder = load_decoder(args.decoder, device=resolve_device(args.device))
    what = f"the templates in {args.templates}"
    notes = require_trained_against(args.decoder, decoder.card, origin_in(said), what)
    images = to_uint8(reconstruct(decoder, templates, batch_size=args.batch_size))
    width = max(4, len(str(len(images) - 1)))
    paths = [save_png(im, args.out / f"{i:0{width}d}.png") for i, im in enumerate(images)]
    sheet = save_png(contact_sheet(images[:400], per_row=20), args.out / "contact_sheet.png")
    payload = {
        "decoder": args.decoder,
        "folder": args.out,
        "files": [p.name for p in paths],
        "contact_sheet": sheet.name,
        "notes": notes,
    }
    lines = [f"{len(paths)} faces and {sheet.name} in {args.out}", *(f"note: {n}" for n in notes)]
    return Report(payload, "\n".join(lines))
