"""``nbnet encoder``: list, describe, train and export template extractors, or extract templates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli import encoder_test
from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_identities,
    add_json,
    columns,
    command_line,
    open_encoder,
    percent,
    whole,
)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    encoder = subparsers.add_parser("encoder", help="list, test, train and export encoders")
    commands = encoder.add_subparsers(title="commands", metavar="COMMAND", required=True)

    names = commands.add_parser("list", help="the encoders that --encoder knows")
    add_json(names)
    names.set_defaults(run=run_list)

    info = commands.add_parser("info", help="the card of an encoder: source, licence, input, rates")
    info.add_argument("encoder", metavar="NAME", help="as --encoder takes it, for example dlib")
    info.add_argument("--encoder-weights", metavar="FILE")
    info.add_argument("--encoder-card", metavar="FILE.yaml")
    add_json(info)
    info.set_defaults(run=run_info, device="cpu", alignment=None)

    encoder_test.add(commands)

    train = commands.add_parser("train", help="make the weights of a small encoder again")
    train.add_argument(
        "--network",
        default="synth",
        help="synth, or synth-mobile, the independent judge (default synth)",
    )
    add_identities(train, "10000-12999", 10)
    train.add_argument("--epochs", type=whole(1), default=10)
    train.add_argument("--seed", type=whole(0), default=0)
    add_device(train)
    train.add_argument(
        "--out",
        type=Path,
        default=Path("runs/encoder/synth-encoder.safetensors"),
        metavar="FILE.safetensors",
    )
    add_json(train)
    train.set_defaults(run=run_train)

    embed = commands.add_parser("embed", help="write the templates of pictures")
    add_encoder(embed)
    add_device(embed)
    add_identities(embed, "0-11", 1)
    embed.add_argument(
        "--data",
        type=Path,
        metavar="SOURCE",
        help="pictures of your own instead of SynthFaces: a folder of identity folders, a folder "
        "of tar shards or a manifest (.parquet)",
    )
    embed.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    add_json(embed)
    embed.set_defaults(run=run_embed)

    export = commands.add_parser("export", help="write an encoder as an ONNX file, and check it")
    add_encoder(export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    add_json(export)
    export.set_defaults(run=run_export, device="cpu")


def run_list(args: argparse.Namespace) -> Report:
    """List the encoders with what their cards say; none is made."""
    from dataclasses import asdict

    from nbnet_lib.encoders import encoder_kinds
    from nbnet_lib.encoders.known import known_encoders

    known = known_encoders()
    rows = [
        (
            e.name,
            e.template_dim,
            e.image_size,
            e.alignment,
            str(e.card.get("licence", "")).partition("(")[0].partition(";")[0].strip(),
            e.weights,
        )
        for e in known
    ]
    header = ("name", "template", "pixels", "alignment", "licence", "weights")
    text = columns(rows, header) + "\n\nFiles and functions of your own:\n"
    text += "\n".join(f"  {what}" for what in encoder_kinds().values())
    return Report([asdict(e) for e in known], text)


def run_info(args: argparse.Namespace) -> Report:
    """Print the whole card of an encoder; one whose weights are elsewhere is not made."""
    from nbnet_lib.encoders import encoder_names
    from nbnet_lib.encoders.known import known_encoder

    payload: dict[str, Any]
    known = None
    if args.encoder in encoder_names() and not (args.encoder_weights or args.encoder_card):
        known = known_encoder(args.encoder)
    if known is not None and not known.ready:
        payload = {
            "name": known.name,
            "template_dim": known.template_dim,
            "image_size": known.image_size,
            "alignment": known.alignment,
            "weights": known.weights,
            "card": known.card,
        }
    else:
        encoder = open_encoder(args)
        payload = {
            "name": encoder.name,
            "template_dim": encoder.template_dim,
            "image_size": encoder.image_size,
            "alignment": encoder.alignment,
            "framing": encoder.framing.to_card(),
            "card": encoder.card,
        }
    return Report(payload, "\n".join(_outline(payload)))


def _outline(entries: dict[str, Any], indent: str = "") -> list[str]:
    """Return nested entries as indented lines; shares of verification as percent."""
    lines = []
    for key, value in entries.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_outline(value, indent + "  ")]
        elif isinstance(value, float) and key in ("eer", "tar", "accuracy", "low", "high"):
            lines.append(f"{indent}{key}: {percent(value)}")
        else:
            lines.append(f"{indent}{key}: {'none' if value is None else value}")
    return lines


def run_train(args: argparse.Namespace) -> Report:
    """Train the encoder and write weights with their card."""
    from nbnet_lib.device import resolve_device
    from nbnet_lib.encoders.train import train_encoder

    card = train_encoder(
        args.identities,
        args.samples,
        args.epochs,
        args.seed,
        out=args.out,
        device=resolve_device(args.device),
        progress=True,
        network=args.network,
    )
    return Report(card, f"Trained with `{command_line(args.argv)}`: {args.out} and its card")


def run_embed(args: argparse.Namespace) -> Report:
    """Write templates [N, d] with whose each is, as `nbnet reconstruct` reads them."""
    import numpy as np

    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path, require_writable_folder

    if args.out.suffix != ".npz":
        raise NbnetError(f"templates are written as .npz files, not {args.out.name}")
    require_writable_folder(args.out.parent)
    encoder = open_encoder(args)
    framing, images, told = _pictures(args, encoder.image_size)
    templates, n_attempted, n_detected = encoder.embed_counted(
        images, progress=True, framing=framing
    )
    missed = n_attempted - n_detected
    with atomic_path(args.out) as temporary, open(temporary, "wb") as file:
        np.savez(file, templates=templates.numpy(), **told)
    payload = {
        "file": args.out,
        "templates": len(templates),
        "template_dim": templates.shape[1],
        "faces_looked_for": n_attempted,
        "faces_not_found": missed,
    }
    text = f"{len(templates)} templates in {args.out}"
    if missed:
        text += (
            f"\nnote: the detector found no face in {missed:,} of {n_attempted:,} "
            "pictures: their templates were taken where the framing puts the face"
        )
    return Report(payload, text)


def _pictures(args: argparse.Namespace, size: int) -> tuple[Any, Any, dict[str, Any]]:
    """Return (framing, uint8 [N, size, size, 3], what the .npz file says of each picture)."""
    import numpy as np

    if args.data is not None:
        from nbnet_lib.data.arrays import picture_array

        own = picture_array(args.data, size)
        # Fixed-width text, not objects: those would need pickle to be read again.
        told = {"identities": np.array(own.identities, str), "names": np.array(own.names, str)}
        return own.framing, own.images, told
    from nbnet_lib.faces import render_set
    from nbnet_lib.faces.framing import find_framing

    faces = render_set(args.identities, args.samples, size=size)
    told = {"identities": faces.identities, "samples": faces.samples}
    return find_framing("synthfaces"), faces.images, told


def run_export(args: argparse.Namespace) -> Report:
    """Write the encoder's network as an ONNX file that `--encoder onnx:FILE` opens."""
    from nbnet_lib.encoders.onnx_export import export_onnx

    written = export_onnx(open_encoder(args), args.out)
    text = (
        f"{args.out} ({written['bytes']:,} bytes, opset {written['opset']}): templates differ by "
        f"{written['max_difference']:.1e} at most; use it as --encoder onnx:{args.out}"
    )
    return Report(written, text)
