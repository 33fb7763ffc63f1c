"""``nbnet train``: the attack's training at length, with checkpoints, without a notebook.

Its options are the fields of `nbnet_lib.settings`; the work is
`nbnet_lib.attack.run.run_training`.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from nbnet_lib.cli.options import add_options, given
from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_identities,
    add_json,
    command_line,
    open_encoder,
    whole,
)
from nbnet_lib.settings import TrainConfig, TrainingOptions


class _ListRecipes(argparse.Action):
    """Print the recipes and end, as ``--help`` does."""

    def __init__(self, option_strings: Any, dest: str, **options: Any):
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: Any, *_: Any) -> None:
        from nbnet_lib.attack.recipes import describe_recipes

        print(describe_recipes())
        parser.exit()


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
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="quick, laptop, strong, gpu or paper: settings for a whole training; options that are "
        "given take precedence",
    )
    parser.add_argument(
        "--list-recipes", action=_ListRecipes, help="say what each recipe is for and sets"
    )
    add_encoder(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    add_options(parser, TrainConfig, TrainingOptions, defaults=False)
    parser.add_argument("--seed", type=whole(0), default=0)
    add_device(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--identities`` and ``--samples``, whose values `choose_sources` takes."""
    parser.add_argument(
        "--data",
        action="append",
        metavar="SOURCE",
        help="synthfaces:20000-23999x5 (people x pictures of each), "
        "generator:FILE.safetensors:20000 (faces drawn by `nbnet generator train`; a seed may "
        "follow a colon), or aligned pictures of your own: a folder of people's folders, a "
        ".parquet list (its training people, see nbnet data split) or a folder of shards. Several "
        "--data are mixed (default: SynthFaces by --identities and --samples)",
    )
    add_identities(parser, "20000-22999", 8)
    # Whether they were given is known only if nothing stands there by itself.
    parser.set_defaults(identities=None, samples=None)


def run(args: argparse.Namespace) -> Report | int:
    """Train, and say what was reached and how to measure it."""
    from nbnet_lib.attack.run import run_training, training_options

    options = training_options(
        args.out,
        data=args.data,
        identities=args.identities,
        samples=args.samples,
        recipe=args.recipe,
        device=args.device,
        command=command_line(args.argv),
        seed=args.seed,
        **given(args, TrainingOptions, TrainConfig),
    )
    result = run_training(open_encoder(args), options)
    if result is None:  # not the main process
        return 0
    metrics = result.card["metrics"]
    reached = [f"{key} {metrics[key]:.4f}" for key in ("loss", "cosine") if key in metrics]
    text = (
        f"{result.weights} and its card (step {metrics['step']}: {', '.join(reached)})\n"
        f"Measure it: {measure_command(args, options.sources, result.weights)}"
    )
    notes = result.card.get("notes", [])
    text = "\nnote: ".join([text, *notes])
    return Report({"weights": result.weights, "card": result.card, "notes": notes}, text)


def measure_command(args: argparse.Namespace, sources: Any, weights: Path) -> str:
    """Return the command that measures the new decoder on people who were not trained with."""
    from nbnet_lib.attack.sources import OwnPictures

    words = ["nbnet", "evaluate", "--encoder", args.encoder]
    for option in ("encoder_weights", "encoder_card", "alignment"):
        if getattr(args, option):
            words += ["--" + option.replace("_", "-"), getattr(args, option)]
    words += ["--decoder", str(weights)]
    own = [source for source in sources if isinstance(source, OwnPictures)]
    if len(own) == 1 and own[0].path.suffix == ".parquet":  # it knows who was left out
        words += ["--protocol", str(own[0].path)]
    elif own:
        words += ["--protocol", "folder", "--data", "PICTURES-OF-OTHER-PEOPLE"]
    return shlex.join(words)
