"""The options of ``nbnet train``: what a recipe says, what is given, and the defaults."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nbnet_lib.cli import train_data
from nbnet_lib.cli.shared import (
    add_device,
    add_encoder,
    add_json,
    identity_range,
    positive,
    whole,
)
from nbnet_lib.errors import NbnetError

# Where neither the command line nor a recipe says anything. The parser itself has None everywhere,
# so that what was given can be told from what was not.
DEFAULTS: dict[str, Any] = {
    "decoder": "nbnet-b",
    "image_size": 64,
    "loss": "pixel",
    "steps": 2000,
    "batch_size": 64,
    "accumulate": 1,
    "lr": 2e-4,
    "schedule": "paper",
    "ema_decay": None,
    "precision": "no",
    "template_noise": 0.0,
    "template_weight": 0.0,
    "surrogate_steps": 4000,
    "portraits": False,
    "adversarial_weight": 0.0,
    "evaluate_every": 500,
    "checkpoint_every": 500,
    "patience": 0,
    "deliver": "last",
}


class _ListRecipes(argparse.Action):
    """Print the recipes and end, as ``--help`` does."""

    def __init__(self, option_strings: Any, dest: str, **options: Any):
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: Any, *_: Any) -> None:
        from nbnet_lib.attack.recipes import describe_recipes

        print(describe_recipes())
        parser.exit()


def add(parser: argparse.ArgumentParser) -> None:
    """Add all options."""
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="quick, laptop, strong, gpu or paper: settings for a whole training; what is given "
        "beside it goes before it",
    )
    parser.add_argument(
        "--list-recipes", action=_ListRecipes, help="say what each recipe is for and sets"
    )
    parser.add_argument(
        "--decoder", help="nbnet-a, nbnet-b (default), dcnn; or linear, rbf: fitted in one go"
    )
    add_encoder(parser)
    parser.add_argument("--image-size", type=whole(1), help="edge in pixels (default 64)")
    train_data.add(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint in --out, if any"
    )
    parser.add_argument(
        "--init",
        metavar="WEIGHTS",
        help="begin with these weights of the same network, a shipped name or a .safetensors file",
    )
    _add_training(parser)
    _add_extensions(parser)
    _add_watching(parser)
    parser.add_argument("--seed", type=whole(0), default=0)
    add_device(parser)
    add_json(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the training")
    group.add_argument(
        "--loss",
        help="pixel (default), perceptual (EfficientNet-Lite0), perceptual-vgg19 (the paper's), "
        "ms-ssim, or a sum such as pixel+0.2*perceptual",
    )
    group.add_argument("--steps", type=whole(1), metavar="N", help="updates (default 2000)")
    group.add_argument("--batch-size", type=whole(1), metavar="N", help="(default 64)")
    group.add_argument(
        "--accumulate",
        type=whole(1),
        metavar="K",
        help="work a batch through in K parts, to save memory (default 1)",
    )
    group.add_argument("--lr", type=positive, help="peak learning rate (default 2e-4)")
    group.add_argument("--schedule", help="paper (default), cosine, onecycle or constant")
    group.add_argument(
        "--ema",
        dest="ema_decay",
        type=positive,
        metavar="DECAY",
        help="deliver averaged weights, for example 0.999",
    )
    group.add_argument(
        "--precision",
        help="no (float32, the default), tf32, bf16, or auto: the fastest that the device has",
    )


def _add_extensions(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("extensions beyond the paper (all 0: the paper's algorithm)")
    group.add_argument(
        "--template-weight",
        type=float,
        metavar="W",
        help="weight of the template-consistency loss, through a network that imitates the target",
    )
    group.add_argument(
        "--surrogate-steps",
        type=whole(1),
        metavar="N",
        help="training of that imitation (default 4000)",
    )
    group.add_argument(
        "--portraits",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="learn to draw the person's portrait instead of the picture (SynthFaces only); or "
        "not to, where a recipe would",
    )
    group.add_argument(
        "--white-box",
        action="store_true",
        help="differentiate through the target itself instead: no black-box attack any more",
    )
    group.add_argument(
        "--adversarial-weight",
        type=float,
        metavar="W",
        help="weight of the loss against an adversary that learns to tell the reconstructions",
    )
    group.add_argument(
        "--template-noise",
        type=float,
        metavar="LENGTH",
        help="length of a random vector that is added to each unit template, for example 0.3",
    )


def _add_watching(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("watching")
    group.add_argument(
        "--holdout",
        type=whole(0),
        metavar="N",
        help="keep so many of the last pictures aside and compare the templates of their "
        "reconstructions (default 128, or a twentieth of a smaller set)",
    )
    group.add_argument(
        "--evaluate-every", type=whole(0), metavar="N", help="updates between two comparisons (500)"
    )
    group.add_argument(
        "--patience",
        type=whole(0),
        metavar="N",
        help="stop after N comparisons in a row that were no better (default 0: never)",
    )
    group.add_argument(
        "--deliver",
        help="last (default): the last weights; best: those whose comparison was best",
    )
    group.add_argument("--checkpoint-every", type=whole(0), metavar="N", help="updates (500)")
    group.add_argument(
        "--tensorboard", action="store_true", help="also write logs for TensorBoard into --out"
    )


def settle(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Fill in what was not given, from the recipe, then from the defaults.

    Returns:
        for each stage of the training the options that it sets itself: one empty dict without a
        recipe. Options that were given hold in all stages; with ``--loss`` given there is one.

    Raises:
        NbnetError: there is no such recipe.
    """
    stages: tuple[Any, ...] = ({},)
    told: dict[str, Any] = {}
    if args.recipe is not None:
        from nbnet_lib.attack.recipes import find_recipe

        recipe = find_recipe(args.recipe)
        told, stages = dict(recipe.options), recipe.stages
    given = {name for name in DEFAULTS if getattr(args, name) is not None}
    if "loss" in given:
        stages = stages[:1]
    for name, default in DEFAULTS.items():
        if name not in given:
            setattr(args, name, told.get(name, default))
    if told and not args.data:  # pictures of one's own are not those of the recipe
        args.identities = args.identities or identity_range(told["identities"])
        args.samples = args.samples or told["samples"]
    return [{k: v for k, v in stage.items() if k not in given} for stage in stages]


def require_none_for_fits(args: argparse.Namespace) -> None:
    """Refuse what a decoder that is fitted in one go cannot follow.

    Raises:
        NbnetError: one of the extensions or first weights is asked for.
    """
    wrong = {
        "--init": args.init,
        "--template-weight": args.template_weight,
        "--adversarial-weight": args.adversarial_weight,
        "--template-noise": args.template_noise,
        "--white-box": args.white_box,
    }
    given = [option for option, value in wrong.items() if value]
    if given:
        raise NbnetError(
            f"{args.decoder} is fitted in one go, without updates: leave {', '.join(given)} away"
        )
