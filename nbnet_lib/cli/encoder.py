"""``nbnet encoder``: train, test and list template extractors, or extract templates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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

FARS = (0.01, 0.001)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    encoder = subparsers.add_parser("encoder", help="train, test and list encoders")
    commands = encoder.add_subparsers(title="commands", metavar="COMMAND", required=True)

    names = commands.add_parser("list", help="the encoders that --encoder knows")
    add_json(names)
    names.set_defaults(run=run_list)

    train = commands.add_parser("train", help="make the weights of the small encoder again")
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

    test = commands.add_parser("test", help="verification rates on SynthFaces")
    add_encoder(test)
    add_device(test)
    add_identities(test, "0-299", 6)
    add_json(test)
    test.set_defaults(run=run_test)

    embed = commands.add_parser("embed", help="write the templates of SynthFaces pictures")
    add_encoder(embed)
    add_device(embed)
    add_identities(embed, "0-11", 1)
    embed.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    add_json(embed)
    embed.set_defaults(run=run_embed)


def run_list(args: argparse.Namespace) -> Report:
    """List the encoders with what their cards say."""
    from nbnet_lib.encoders import create_encoder, encoder_names

    encoders = [create_encoder(name) for name in encoder_names()]
    payload = [
        {
            "name": e.name,
            "template_dim": e.template_dim,
            "image_size": e.image_size,
            "card": e.card,
        }
        for e in encoders
    ]
    rows = [(e.name, e.template_dim, e.image_size) for e in encoders]
    return Report(payload, columns(rows, ("name", "template length", "image size")))


def run_train(args: argparse.Namespace) -> Report:
    """Train the encoder and write weights with their card."""
    from nbnet_lib.course.profile import resolve_device
    from nbnet_lib.encoders.train import train_encoder

    card = train_encoder(
        args.identities,
        args.samples,
        args.epochs,
        args.seed,
        out=args.out,
        device=resolve_device(args.device),
        progress=True,
    )
    return Report(card, f"Trained with `{command_line(args.argv)}`: {args.out} and its card")


def _templates(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return (face set, templates float32 [N, d]) for the command's identities."""
    from nbnet_lib.faces import render_set

    encoder = open_encoder(args.encoder, args.device)
    faces = render_set(args.identities, args.samples, size=encoder.image_size)
    return faces, encoder.embed(faces.images, progress=True)


def run_test(args: argparse.Namespace) -> Report:
    """Compare all pairs of pictures and report TAR at the usual FARs."""
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.evaluate import eer, genuine_impostor, tar_at, threshold_at_far
    from nbnet_lib.faces import require_evaluation

    require_evaluation(args.identities)
    if len(args.identities) < 2 or args.samples < 2:
        raise NbnetError(
            f"{len(args.identities)} identities x {args.samples} samples give no genuine or no "
            "impostor pairs: take at least 2 of each"
        )
    faces, templates = _templates(args)
    genuine, impostor = genuine_impostor(templates, faces.identities)
    rates: dict[str, dict[str, float]] = {}
    for far in FARS:
        threshold = float(threshold_at_far(impostor, far))
        rates[str(far)] = {"threshold": threshold, "tar": float(tar_at(genuine, threshold))}
    payload = {
        "encoder": args.encoder,
        "identities": len(args.identities),
        "samples": args.samples,
        "genuine_pairs": len(genuine),
        "impostor_pairs": len(impostor),
        "eer": float(eer(genuine, impostor)),
        "far": rates,
    }
    rows = [
        (percent(far), f"{rates[str(far)]['threshold']:.3f}", percent(rates[str(far)]["tar"]))
        for far in FARS
    ]
    text = (
        f"Encoder {args.encoder}: {len(genuine):,} genuine and {len(impostor):,} impostor pairs, "
        f"equal error rate {100 * payload['eer']:.2f} %\n"
        + columns(rows, ("FAR", "threshold", "TAR"))
    )
    return Report(payload, text)


def run_embed(args: argparse.Namespace) -> Report:
    """Write templates [N, d] with the identity and sample of each, as `nbnet reconstruct` reads."""
    import numpy as np

    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path, require_writable_folder

    if args.out.suffix != ".npz":
        raise NbnetError(f"templates are written as .npz files, not {args.out.name}")
    require_writable_folder(args.out.parent)
    faces, templates = _templates(args)
    with atomic_path(args.out) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            templates=templates.numpy(),
            identities=faces.identities,
            samples=faces.samples,
        )
    payload = {"file": args.out, "templates": len(templates), "template_dim": templates.shape[1]}
    return Report(payload, f"{len(templates)} templates in {args.out}")
