"""``nbnet train``: the attack's training at length, with checkpoints, without a notebook."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_identities,
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
        description="Render training faces, ask the encoder for their templates, train the "
        "decoder. Writes decoder.safetensors with its card, history.json and checkpoints. The "
        "defaults are sized for a machine without a GPU; the paper's are in the course.",
    )
    parser.add_argument("--decoder", default="nbnet-b", help="nbnet-a, nbnet-b or dcnn")
    add_encoder(parser)
    parser.add_argument("--image-size", type=whole(1), default=64, help="edge in pixels")
    add_identities(parser, "10000-12999", 8)
    parser.add_argument("--loss", default="pixel", help="see the chapter on losses")
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
    from nbnet_lib.decoders import create_decoder, save_decoder
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.faces import RENDERER_VERSION, render_set, require_training
    from nbnet_lib.files import atomic_path, require_writable_folder

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
    require_training(args.identities)
    checkpoints = require_writable_folder(args.out) / "checkpoints"
    if list_checkpoints(checkpoints) and not args.resume:
        raise NbnetError(
            f"{args.out} holds the checkpoints of another run: add --resume to go on with it, or "
            "choose another --out"
        )
    encoder = open_encoder(args.encoder, args.device)
    with torch.random.fork_rng():  # create_decoder draws its weights from torch's generator
        torch.manual_seed(args.seed)
        decoder = create_decoder(args.decoder, encoder.template_dim, args.image_size)

    note(f"faces: {len(args.identities):,} identities x {args.samples}, {args.image_size} px")
    faces = render_set(args.identities, args.samples, size=args.image_size)
    templates = encoder.embed(faces.images, progress=True)
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
        "data": f"SynthFaces identities {args.identities[0]}-{args.identities[-1]} "
        f"({len(args.identities)}) x {args.samples}, {args.image_size} px",
        "renderer_version": RENDERER_VERSION,
        "encoder": args.encoder,
        "config": asdict(config),
        "metrics": history[-1],
        "licence": "MIT; trained on synthetic faces only",
    }
    path = save_decoder(decoder, args.out / "decoder.safetensors", card)
    text = (
        f"{path} and its card (last loss {history[-1]['loss']:.4f})\n"
        f"Measure it: nbnet evaluate --encoder {args.encoder} --decoder {path}"
    )
    return Report({"weights": path, "card": card}, text)


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
