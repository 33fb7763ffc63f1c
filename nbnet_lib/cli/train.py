"""``nbnet train``: the attack's training at length, with checkpoints, without a notebook."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from nbnet_lib.cli import train_data, train_options
from nbnet_lib.cli.shared import Report, command_line, note, open_encoder
from nbnet_lib.cli.train_parts import (
    first_weights,
    machine,
    measure_command,
    require_fresh,
    stopped_command,
    surrogate_of,
    told_of,
    training_seconds,
)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "train",
        help="train a decoder against an encoder",
        description="Draw training faces (or take your own), ask the encoder for their templates, "
        "train the decoder. Writes decoder.safetensors with its card, history.json, templates.npy "
        "and checkpoints. The defaults are sized for a machine without a GPU. For several "
        "processes: torchrun --nproc_per_node 2 -m nbnet_lib.cli train ...",
    )
    train_options.add(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report | int:
    """Make the pairs, train, and write weights, card and history."""
    import torch
    from accelerate import PartialState

    from nbnet_lib.attack.checkpoint import list_checkpoints
    from nbnet_lib.attack.heldout import TemplateCosine, first_held_out, first_rows
    from nbnet_lib.attack.losses import create_loss
    from nbnet_lib.attack.memory import keep_freed_memory
    from nbnet_lib.attack.portraits import portraits_of, require_people
    from nbnet_lib.attack.templates import detection_counts, extract_templates
    from nbnet_lib.attack.tensorboard import require_tensorboard
    from nbnet_lib.attack.white_box import white_box_of
    from nbnet_lib.decoders import create_decoder, require_gradient_training, save_decoder
    from nbnet_lib.device import resolve_device
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path, require_writable_folder
    from nbnet_lib.weights import load_card

    # Everything that can be wrong is found before the long work starts.
    stages = train_options.settle(args)
    configs = [_config(args, stage) for stage in stages]
    train_data.check(args)
    if args.portraits:
        require_people(args.sources)
    for config in configs:
        create_loss(config.loss)
    checkpoints = [
        require_writable_folder(args.out) / ("checkpoints" if i == 0 else f"checkpoints-{i + 1}")
        for i in range(len(stages))
    ]
    require_fresh(args.out, checkpoints[0], args.resume)
    if args.tensorboard:
        require_tensorboard()
    encoder = open_encoder(args)
    if args.white_box:
        if not args.template_weight:
            raise NbnetError("--white-box is about a term of its own: give --template-weight too")
        white_box_of(encoder, None)
    with torch.random.fork_rng():  # create_decoder draws its weights from torch's generator
        torch.manual_seed(args.seed)
        decoder: Any = create_decoder(args.decoder, encoder.template_dim, args.image_size)
    fitted = decoder.training_method == "fit"
    if fitted:
        train_options.require_none_for_fits(args)
    else:
        require_gradient_training(decoder)
    earlier = first_weights(args, decoder, bool(list_checkpoints(checkpoints[0])))
    keep_freed_memory()
    # With torchrun the others wait while the main process asks a slow recogniser, even for days.
    processes = PartialState(cpu=args.device == "cpu", timeout=timedelta(days=7))

    faces = train_data.read(args, args.image_size)
    # The decoder draws faces where they are in the pictures that it learns from. Where nobody
    # knows, a detector that found them there must look for them in the reconstructions too.
    unknown: Any = None if encoder.alignment == "detect" else encoder.framing
    decoder.framing = faces.framing or unknown
    # What leaks are templates of pictures as the recogniser sees them, not of small copies.
    larger = encoder.image_size > args.image_size
    seen = train_data.read(args, encoder.image_size).images if larger else faces.images
    with processes.main_process_first():
        templates = extract_templates(
            encoder,
            seen,
            args.out / "templates.npy",
            framing=faces.framing,
            progress=processes.is_main_process,
        )
    del seen
    n_attempted, n_detected = detection_counts(args.out / "templates.npy")
    missed = n_attempted - n_detected
    if missed:
        note(
            f"the detector of {encoder.name} found no face in {missed:,} of "
            f"{n_attempted:,} pictures: their templates were taken where the framing puts it"
        )
    known = first_held_out(len(faces.images), faces.identities, args.holdout)
    if known < 1:
        raise NbnetError(f"--holdout {args.holdout} leaves no picture to train with: take fewer")
    images, identities = first_rows(faces.images, known), faces.identities
    pairs = (images, templates[:known], None if identities is None else identities[:known])
    evaluate = None
    if known < len(faces.images):
        evaluate = TemplateCosine(encoder, templates[known:], decoder.framing)
    elif args.patience or args.deliver == "best":
        raise NbnetError(
            "--patience and --deliver best go by pictures that are kept aside: give --holdout"
        )

    learned = pairs  # the target was asked about the pictures; what is drawn may be another one
    if args.portraits:
        drawn = portraits_of(pairs[2], args.image_size, processes.is_main_process)
        learned = (drawn, *pairs[1:])
    if fitted:
        told, history = _fit(decoder, learned, evaluate, args.seed, processes.is_main_process)
    else:
        with processes.main_process_first():
            surrogate = None
            if args.template_weight > 0 and not args.white_box:
                keep = args.resume or not processes.is_main_process
                surrogate = surrogate_of(*pairs, args, keep)
        told, history = _train(
            decoder, learned, configs, checkpoints, evaluate, surrogate, encoder, args
        )
        if surrogate is not None:
            told["surrogate"] = load_card(args.out / "surrogate.safetensors")["config"]
    if not processes.is_main_process:
        return 0

    with atomic_path(args.out / "history.json") as temporary:
        temporary.write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    card = {
        "command": command_line(args.argv),
        **({"recipe": args.recipe} if args.recipe else {}),
        "seed": args.seed,
        **told_of(earlier, faces.card),
        "kept_aside": len(faces.images) - known,
        "encoder": encoder.name,
        **({"faces_not_found": missed} if missed else {}),
        **({"draws": "portraits"} if args.portraits else {}),
        **told,
        "metrics": history[-1],
        "training_seconds": training_seconds(history),
        "machine": machine(resolve_device(args.device), processes.num_processes),
    }
    path = save_decoder(decoder, args.out / "decoder.safetensors", card)
    reached = {k: history[-1][k] for k in ("loss", "cosine") if k in history[-1]}
    text = (
        f"{path} and its card ({', '.join(f'last {k} {v:.4f}' for k, v in reached.items())})\n"
        f"Measure it: {measure_command(args, path)}"
    )
    return Report({"weights": path, "card": load_card(path)}, text)


def _config(args: argparse.Namespace, stage: dict[str, Any]) -> Any:
    """Return the settings of one stage, with what it sets itself."""
    from nbnet_lib.attack import TrainConfig
    from nbnet_lib.attack.precision import best_precision
    from nbnet_lib.device import resolve_device

    options = {name: getattr(args, name) for name in train_options.DEFAULTS} | stage
    for name in ("decoder", "image_size", "portraits", "surrogate_steps"):  # of the pairs
        del options[name]
    if options["precision"] == "auto":
        options["precision"] = best_precision(resolve_device(args.device), args.decoder)
    aside = args.holdout is None or args.holdout > 0
    return TrainConfig(**options, seed=args.seed, best="cosine" if aside else "loss")


def _train(
    decoder: Any,
    pairs: tuple[Any, Any, Any],
    configs: list[Any],
    checkpoints: list[Path],
    evaluate: Any,
    surrogate: Any,
    encoder: Any,
    args: argparse.Namespace,
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Train, stage by stage; return what the card says of it, and the history."""
    from nbnet_lib.attack import train_decoder
    from nbnet_lib.attack.adversarial import create_adversary

    images, templates, identities = pairs
    whole: list[dict[str, float]] = []
    for number, config in enumerate(configs, 1):
        config = config if evaluate is not None else replace(config, best="loss")
        board = args.out / ("tensorboard" if number == 1 else f"tensorboard-{number}")
        with stopped_command():
            history = train_decoder(
                decoder,
                images,
                templates,
                config,
                identities=identities,
                folder=checkpoints[number - 1],
                resume=args.resume,
                evaluate=evaluate,
                surrogate=surrogate,
                adversary=create_adversary(seed=args.seed) if config.adversarial_weight else None,
                white_box=args.white_box,
                target=encoder if args.white_box else None,
                tensorboard=board if args.tensorboard else None,
                device=args.device,
            )
        stage = {"stage": number} if len(configs) > 1 else {}
        whole += [{**entry, **stage} for entry in history]
    settings = [asdict(config) for config in configs]
    told = {
        "config": settings[-1],
        **({"earlier_configs": settings[:-1]} if len(settings) > 1 else {}),
        **({"white_box": True} if args.white_box else {}),
        "delivered": _delivered(configs[-1], history),
    }
    return told, whole


def _delivered(config: Any, history: list[dict[str, float]]) -> str:
    averaged = "averaged " if config.ema_decay is not None else ""
    chosen = history[-1]
    if config.deliver == "best":
        chosen = max((e for e in history if config.best in e), key=lambda e: e[config.best])
    return f"{averaged}weights of step {chosen['step']} ({config.deliver})"


def _fit(
    decoder: Any, pairs: tuple[Any, Any, Any], evaluate: Any, seed: int, progress: bool
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Fit a baseline in one go; return what the card says of it, and a history of one entry."""
    from nbnet_lib.decoders import fit_decoder

    started = time.perf_counter()
    chosen = fit_decoder(decoder, *pairs, seed=seed, progress=progress)
    entry = {"step": 1, "seconds": time.perf_counter() - started}
    if evaluate is not None:
        entry |= evaluate(decoder, 1)
    return {"fit": chosen}, [entry]
