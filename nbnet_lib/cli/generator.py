"""``nbnet generator``: train a generator of faces, and draw with it (chapter 8)."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nbnet_lib.cli.options import add_options, given
from nbnet_lib.cli.shared import Report, add_device, add_json, command_line, note, whole
from nbnet_lib.cli.train import add_data
from nbnet_lib.settings import GeneratorConfig

COLUMNS = 8  # faces in a row of a picture
MAX_IN_A_PICTURE = 1024


def add(subparsers: Any) -> None:
    """Add the commands to the parser."""
    parser = subparsers.add_parser("generator", help="train a generator of faces, draw with it")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_sample(commands)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a DCGAN on pictures of faces",
        description="The paper's face generator: a DCGAN without batch norm, with noisy labels. "
        "Writes generator.safetensors with its card, history.json, samples.png and checkpoints. "
        "Adding --data generator:OUT/generator.safetensors:20000 to `nbnet train` then trains with "
        "what it draws.",
    )
    add_data(parser)
    parser.add_argument(
        "--image-size", type=whole(1), default=64, help="40, 64, 80, 112 or 160 (default 64)"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=whole(1), metavar="N", help="updates of each network")
    length.add_argument(
        "--epochs", type=whole(1), metavar="N", help="passes over all pictures (default 100)"
    )
    add_options(parser, GeneratorConfig)
    add_device(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--resume", action="store_true", help="continue from the newest checkpoint in --out, if any"
    )
    add_json(parser)
    parser.set_defaults(run=run_train)


def _add_sample(commands: Any) -> None:
    parser = commands.add_parser(
        "sample",
        help="draw faces with a trained generator",
        description="Draw faces: into a folder as numbered .png files, into one .png picture, or "
        "into an .npz file (images, uint8 [N, S, S, 3]). The first faces of a seed are the same "
        "however many are drawn.",
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="generator.safetensors")
    parser.add_argument("--count", type=whole(1), default=64, metavar="N")
    parser.add_argument("--seed", type=whole(0), default=0)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="a folder, FILE.png or FILE.npz"
    )
    add_json(parser)
    parser.set_defaults(run=run_sample)


def run_train(args: argparse.Namespace) -> Report | int:
    """Train, and write weights, card, history and pictures."""
    from accelerate import PartialState

    from nbnet_lib.attack.gan import sample_faces, train_generator
    from nbnet_lib.attack.run import require_fresh, write_history
    from nbnet_lib.attack.sources import choose_sources, read_sources
    from nbnet_lib.attack.training_card import machine, training_seconds
    from nbnet_lib.decoders import load_decoder, save_decoder
    from nbnet_lib.decoders.base import require_multiple, stem_and_ups
    from nbnet_lib.weights import load_card

    # Everything that can be wrong is found before the long work starts.
    config = GeneratorConfig(**given(args, GeneratorConfig))
    sources = choose_sources(args.data, args.identities, args.samples)
    require_multiple(config.base_channels, of=2 ** stem_and_ups(args.image_size)[1])
    require_fresh(args.out, args.resume)
    for source in sources:
        note(f"pictures: {source}, {args.image_size} px")
    faces = read_sources(sources, args.image_size)
    per_epoch = max(1, len(faces.images) // config.batch_size)
    config = replace(config, steps=args.steps or per_epoch * (args.epochs or 100))

    def watch(generator: Any, step: int) -> None:
        if config.watch_every:
            drawn = sample_faces(generator, COLUMNS**2, config.seed)
            _save_picture(drawn, args.out / f"samples-{step:06d}.png")

    generator: Any = train_generator(
        faces.images,
        config,
        identities=faces.identities,
        framing=faces.framing,
        watch=watch,
        folder=args.out / "checkpoints",
        resume=args.resume,
        device=args.device,
    )
    processes = PartialState()
    if not processes.is_main_process:
        return 0
    history = generator.history
    write_history(args.out, history)
    card = {
        "command": command_line(args.argv),
        "seed": config.seed,
        **faces.card,
        "config": asdict(config),
        "machine": machine(str(generator.head.weight.device), processes.num_processes),
        "training_seconds": training_seconds(history),
        "metrics": history[-1],
    }
    path = save_decoder(generator, args.out / "generator.safetensors", card)
    # Drawn with what was written: its kernels are rounded to float16.
    drawn = sample_faces(load_decoder(path), COLUMNS**2, config.seed)
    _save_picture(drawn, args.out / "samples.png")
    last = history[-1]
    text = (
        f"{path} and its card; {args.out / 'samples.png'} shows what it draws\n"
        f"variety {last['variety']:.2f} (1: as the pictures; near 0: it draws one face), taken for "
        f"pictures: {100 * last['real']:.0f} % of the pictures, {100 * last['fake']:.0f} % of the "
        f"drawings\nTrain with it: nbnet train --data generator:{path}:20000 --out FOLDER"
    )
    return Report({"weights": path, "card": load_card(path)}, text)


def run_sample(args: argparse.Namespace) -> Report:
    """Draw, and write what was drawn."""
    import numpy as np

    from nbnet_lib.attack.gan_faces import draw_faces, sample_faces
    from nbnet_lib.cli.pictures import save_png
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path, require_writable_folder

    generator = load_decoder(args.weights)
    kind = args.out.suffix.lower()
    if kind == ".png" and args.count > MAX_IN_A_PICTURE:
        raise NbnetError(
            f"{args.count:,} faces do not fit into one picture: draw {MAX_IN_A_PICTURE:,} at "
            "most, or give a folder or an .npz file"
        )
    if kind not in (".png", ".npz", ""):
        raise NbnetError(
            f"--out {args.out} is neither a folder nor a .png nor an .npz file: name one of them"
        )
    if kind:
        faces = sample_faces(generator, args.count, args.seed)
        if kind == ".png":
            _save_picture(faces, args.out)
        else:
            with atomic_path(args.out) as temporary, open(temporary, "wb") as file:
                np.savez_compressed(file, images=faces)
    else:
        folder = require_writable_folder(args.out)
        drawn = itertools.chain.from_iterable(draw_faces(generator, args.count, args.seed))
        for number, face in enumerate(drawn):
            save_png(face, folder / f"{number:06d}.png")
    size: Any = generator.image_size
    text = f"{args.count:,} faces of {size} px, seed {args.seed}, in {args.out}"
    return Report(
        {"out": args.out, "count": args.count, "seed": args.seed, "image_size": size}, text
    )


def _save_picture(faces: Any, path: Path) -> None:
    """Write faces, uint8 [N, S, S, 3], as one picture of rows."""
    from nbnet_lib.cli.pictures import contact_sheet, save_png

    save_png(contact_sheet(faces, max(COLUMNS, round(len(faces) ** 0.5)), gap=0), path)
    note(f"faces drawn: {path}")
