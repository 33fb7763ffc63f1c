"""Settings for a whole training, by name: ``nbnet train --recipe laptop`` (chapter 9).

Each recipe is a set of options of `nbnet train`; what is given on the command line takes
precedence. The sizes follow the profiles of the chapters: quick, laptop, gpu, paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbnet_lib.attack.precision import best_precision
from nbnet_lib.errors import NbnetError
from nbnet_lib.settings import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """One named set of settings.

    Attributes:
        what: what it is for.
        takes: how long, and on what.
        options: fields of `TrainConfig` ("auto" as precision: the fastest on the device), and
            "decoder", "image_size", "identities", "samples", "portraits" and "surrogate_steps".
        stages: what changes from one training to the next; each begins with the weights that the
            one before has made.
    """

    what: str
    takes: str
    options: Mapping[str, Any]
    stages: tuple[Mapping[str, Any], ...] = ({},)

    def configs(self, device: str = "cpu", **changes: Any) -> list[TrainConfig]:
        """Return the settings of each stage; ``changes`` take precedence."""
        known = TrainConfig.__dataclass_fields__
        configs = []
        for stage in self.stages:
            fields = {k: v for k, v in {**self.options, **stage}.items() if k in known} | changes
            if fields.get("precision") == "auto":
                fields["precision"] = best_precision(device, self.options["decoder"])
            configs.append(TrainConfig(**fields))
        return configs


# What the command does where neither it nor a recipe says anything: shorter than the paper's.
COMMAND_DEFAULTS = {"steps": 2000, "evaluate_every": 500, "checkpoint_every": 500}

# High rates with a warm-up, and averaged weights: what makes minutes count.
_FAST = {"lr": 2e-3, "schedule": "onecycle", "precision": "auto"}
_NBNET = {"decoder": "nbnet-b", "image_size": 64, "batch_size": 64}
_FACES = {"identities": "20000-23999", "samples": 5, "ema_decay": 0.998}
_LARGE = {"image_size": 160, "evaluate_every": 1000, "checkpoint_every": 1000}

RECIPES: dict[str, Recipe] = {
    "quick": Recipe(
        "to see that everything works: blurred ovals, no faces yet",
        "half a minute on 2 cores",
        _NBNET
        | _FAST
        | {"identities": "20000-20199", "samples": 4}
        | {"steps": 30, "batch_size": 32, "loss": "pixel"},
    ),
    "laptop": Recipe(
        "faces from random weights while one waits, by the pixel loss alone",
        "about 10 minutes on 2 cores",
        _NBNET | _FAST | _FACES | {"steps": 900, "loss": "pixel"},
    ),
    # What made the shipped nbnet-b-64, and nbnet-b-64-colour but for the pictures that the command
    # keeps aside and for the precision (bf16 then: the fast NbNet was not there yet).
    "strong": Recipe(
        "the strongest black-box attack here, beyond the paper: portraits, a perceptual loss, and "
        "a surrogate of the target",
        "about 20 minutes on 2 cores",
        _NBNET
        | _FAST
        | _FACES
        | {"steps": 450, "loss": "pixel+0.5*perceptual"}
        | {"portraits": True, "template_weight": 0.5, "surrogate_steps": 1200},
    ),
    "gpu": Recipe(
        "large pictures by the pixel and the offline perceptual loss, with averaged weights",
        "one GPU; drawing the 100,000 faces takes the processor longer than the training",
        _NBNET
        | _FAST
        | _LARGE
        | {"identities": "20000-39999", "samples": 5, "steps": 30_000}
        | {"lr": 1e-3, "ema_decay": 0.999, "loss": "pixel+0.2*perceptual"},
    ),
    # The authors' released code: Adam 2e-4 with beta1 0.5, no weight decay, x 0.94 every 5,000
    # updates, batch 64, at most 80 x 5,000 updates of the pixel loss and 20 x 5,000 of the
    # perceptual one, which may begin with the pixel model; the cosine of original and reconstructed
    # template every 1,000. The pictures are ours: the authors' generator was not released.
    "paper": Recipe(
        "the schedule of the authors' code: 400,000 updates of the pixel loss, then 100,000 of "
        "VGG-19's",
        "days on one GPU; needs torchvision's VGG-19 weights",
        _NBNET
        | _LARGE
        | {"identities": "20000-39999", "samples": 10}
        | {"lr": 2e-4, "schedule": "paper", "precision": "no"},
        stages=(
            {"loss": "pixel", "steps": 400_000},
            {"loss": "perceptual-vgg19", "steps": 100_000},
        ),
    ),
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe called ``name``.

    Raises:
        NbnetError: there is none.
    """
    if name not in RECIPES:
        raise NbnetError(f"no recipe is named {name!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def describe_recipes() -> str:
    """Return two lines for each recipe: what it is for, how long it takes, what it sets."""
    lines = []
    for name, recipe in RECIPES.items():
        settings = [f"{key} {value}" for key, value in recipe.options.items()]
        stages = [", ".join(f"{k} {v}" for k, v in stage.items()) for stage in recipe.stages]
        settings += ["; then ".join(stages)] if any(stages) else []
        lines += [f"{name}: {recipe.what} ({recipe.takes})", f"    {', '.join(settings)}"]
    return "\n".join(lines)
