"""``nbnet train``: the attack's training at length, with checkpoints, without a notebook."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbnet_lib.cli import train_data
from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_json,
    command_line,
    note,
    open_encoder,
    positive,
    whole,
)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "train",
        help="train a decoder against an encoder",
        description="Draw training faces (or take your own), ask the encoder for their templates, "
        "train the decoder. Writes decoder.safetensors with its card, history.json, templates.npy "
        "and checkpoints. The defaults are sized for a machine without a GPU.",
    )
    parser.add_argument("--decoder", default="nbnet-b", help="nbnet-a, nbnet-b or dcnn")
    add_encoder(parser)
    parser.add_argument("--image-size", type=whole(1), default=64, help="edge in pixels")
    train_data.add(parser)
    parser.add_argument(
        "--loss",
        default="pixel",
        help="pixel, perceptual (EfficientNet-Lite0) or perceptual-vgg19 (the paper's; default "
        "pixel)",
    )
    parser.add_argument(
        "--init",
        metavar="WEIGHTS",
        help="begin with these weights of the same network, a shipped name or a .safetensors file",
    )
    parser.add_argument("--steps", type=whole(1), default=2000, metavar="N")
    parser.add_argument("--batch-size", type=whole(1), default=64, metavar="N")
    parser.add_argument("--lr", type=positive, default=2e-4, help="peak learning rate")
    parser.add_argument(
        "--schedule", default="paper", help="paper, cosine, onecycle or constant (default paper)"
    )
    parser.add_argument(
        "--ema", type=positive, metavar="DECAY", help="deliver averaged weights, for example 0.999"
    )
    parser.add_argument("--precision", default="no", help="no (float32) or bf16")
    parser.add_argument(
        "--template-weight",
        type=float,
        default=0.0,
        metavar="W",
        help="weight of the template-consistency loss, our extension (default 0: the paper's)",
    )
    parser.add_argument(
        "--surrogate-steps",
        type=whole(1),
        default=4000,
        metavar="N",
        help="training of the imitation of the target that --template-weight needs",
    )
    parser.add_argument("--checkpoint-every", type=whole(0), default=500, metavar="N")
    parser.add_argument("--seed", type=whole(0), default=0)
    add_device(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint in --out, if any"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Make the pairs, train, and write weights, card and history."""
    import torch

    from nbnet_lib.attack import TrainConfig, train_decoder
    from nbnet_lib.attack.checkpoint import list_checkpoints
    from nbnet_lib.attack.losses import create_loss
    from nbnet_lib.attack.templates import extract_templates
    from nbnet_lib.decoders import create_decoder, save_decoder
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path, require_writable_folder
    from nbnet_lib.weights import load_card

    # Everything that can be wrong is found before the long work starts.
    config = TrainConfig(
        steps=args.steps,
        batch_size=args.batch_size,
        lr=args.lr,
        schedule=args.schedule,
        loss=args.loss,
        ema_decay=args.ema,
        precision=args.precision,
        template_weight=args.template_weight,
        checkpoint_every=args.checkpoint_every,
        seed=args.seed,
    )
    train_data.check(args)
    create_loss(args.loss)
    checkpoints = require_writable_folder(args.out) / "checkpoints"
    if list_checkpoints(checkpoints) and not args.resume:
        raise NbnetError(
            f"{args.out} holds the checkpoints of another run: add --resume to go on with it, or "
            "choose another --out"
        )
    encoder = open_encoder(args)
    with torch.random.fork_rng():  # create_decoder draws its weights from torch's generator
        torch.manual_seed(args.seed)
        decoder = create_decoder(args.decoder, encoder.template_dim, args.image_size)
    if args.init:
        _begin_with(args.init, decoder)

    faces = train_data.read(args, args.image_size)
    # The decoder draws faces where they are in the pictures that it learns from. Where nobody
    # knows, a detector that found them there must look for them in the reconstructions too.
    unknown: Any = None if encoder.alignment == "detect" else encoder.framing
    decoder.framing = faces.framing or unknown
    # What leaks are templates of pictures as the recogniser sees them, not of small copies.
    larger = encoder.image_size > args.image_size
    seen = train_data.read(args, encoder.image_size).images if larger else faces.images
    templates = extract_templates(encoder, seen, args.out / "templates.npy", framing=faces.framing)
    del seen
    if encoder.missed:
        note(
            f"the detector of {encoder.name} found no face in {encoder.missed:,} of "
            f"{encoder.asked:,} pictures: their templates were taken where the framing puts it"
        )
    surrogate = _surrogate(faces, templates, args) if args.template_weight > 0 else None
    try:
        history = train_decoder(
            decoder,
            faces.images,
            templates,
            config,
            identities=faces.identities,
            folder=checkpoints,
            resume=args.resume,
            surrogate=surrogate,
            device=args.device,
        )
    except KeyboardInterrupt as interrupt:
        told = str(interrupt).replace(
            "resume=True goes on", "the same command with --resume goes on"
        )
        raise KeyboardInterrupt(told) from None

    with atomic_path(args.out / "history.json") as temporary:
        temporary.write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    card = {
        "command": command_line(args.argv),
        "seed": args.seed,
        **faces.card,
        "encoder": encoder.name,
        **({"faces_not_found": encoder.missed} if encoder.missed else {}),
        "config": asdict(config),
        "metrics": history[-1],
    }
    path = save_decoder(decoder, args.out / "decoder.safetensors", card)
    measure = ["nbnet", "evaluate", "--encoder", args.encoder]
    for option in ("encoder_weights", "encoder_card", "alignment"):
        if getattr(args, option):
            measure += ["--" + option.replace("_", "-"), getattr(args, option)]
    measure += ["--decoder", str(path)]
    if args.data is not None:
        listed = args.data.suffix == ".parquet"  # it knows who was left out
        other = [str(args.data)] if listed else ["folder", "--data", "PICTURES-OF-OTHER-PEOPLE"]
        measure += ["--protocol", *other]
    text = (
        f"{path} and its card (last loss {history[-1]['loss']:.4f})\n"
        f"Measure it: {shlex.join(measure)}"
    )
    return Report({"weights": path, "card": load_card(path)}, text)


def _begin_with(weights: str, decoder: Any) -> None:
    """Copy the weights of an earlier training (of another loss, say) into the new decoder."""
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.errors import NbnetError

    earlier: Any = load_decoder(weights)
    if earlier.architecture != decoder.architecture:
        raise NbnetError(
            f"--init {weights} is a {earlier.architecture}, but {decoder.architecture} is asked "
            "for: give weights of the same network"
        )
    decoder.load_state_dict(earlier.state_dict())


def _surrogate(faces: Any, templates: Any, args: argparse.Namespace) -> Any:
    """Return the attacker's own imitation of the target, for the template-consistency loss.

    It is read back from the file also right after its training: the file holds float16, and a
    resumed run must see the very same network.
    """
    from nbnet_lib.attack.surrogate import (
        SurrogateConfig,
        load_surrogate,
        save_surrogate,
        train_surrogate,
    )
    from nbnet_lib.course.profile import resolve_device

    path = args.out / "surrogate.safetensors"
    if not (args.resume and path.exists()):
        config = SurrogateConfig(
            steps=args.surrogate_steps, precision=args.precision, seed=args.seed
        )
        surrogate = train_surrogate(
            faces.images,
            templates,
            config,
            identities=faces.identities,
            device=resolve_device(args.device),
        )
        save_surrogate(surrogate, path, config, {"command": command_line(args.argv)})
    return load_surrogate(path)
