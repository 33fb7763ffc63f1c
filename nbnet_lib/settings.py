"""Settings of the trainings: of `train_decoder`, a whole run, a face generator (chapter 9).

A field with a help text is an option of `nbnet train` or `nbnet generator train` too (see
`nbnet_lib.cli.options`), so that each is named once. Standard library only: ``nbnet --help`` reads
this file and must not wait for torch.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from nbnet_lib.errors import NbnetError

EXTENSIONS = "extensions beyond the paper (all 0: the paper's algorithm)"
TRAINING, WATCHING = "the training", "watching"
SCHEDULES = ("paper", "cosine", "onecycle", "constant")
LOSSES = ("pixel", "perceptual", "perceptual-vgg19", "ms-ssim")  # see nbnet_lib.attack.losses
EXAMPLE = "pixel+0.2*perceptual+0.1*ms-ssim"
_PLUS = re.compile(r"(?<![0-9.][eE])\+")  # not the one within 1e+3


def option(default: Any, help: str | None = None, **limits: Any) -> Any:
    """Return a dataclass field with what the command line and `check_limits` have to know.

    Args:
        default: of the field.
        help: of the command-line option; None for a field that is not an option.
        **limits: "at_least", "above" or "below" (numbers), "choices" (values); for the command
            line "flag" (the option's name, where it is not the field's), "metavar" and "group".
    """
    return field(default=default, metadata={**({"help": help} if help else {}), **limits})


_training = partial(option, group=TRAINING)
_extension = partial(option, group=EXTENSIONS)
_watching = partial(option, group=WATCHING)


def _plain(value: Any) -> Any:
    """Return a value of numpy as Python's own: checkpoints and cards can hold no others."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.item() if hasattr(value, "item") else value


def check_limits(settings: Any) -> None:
    """Raise if a field of a dataclass is outside the limits that its `option` names.

    Numbers of numpy become plain ones.

    Raises:
        NbnetError: one is; it names the field, its value and the limit.
    """
    for each in fields(settings):
        object.__setattr__(settings, each.name, _plain(getattr(settings, each.name)))
        name, value, limits = each.name, getattr(settings, each.name), each.metadata
        if value is None:
            continue
        if "choices" in limits and value not in limits["choices"]:
            raise NbnetError(f"{name}={value!r}: choose one of {', '.join(limits['choices'])}")
        bounds = {word: limits[word] for word in ("at_least", "above", "below") if word in limits}
        lowest, above = bounds.get("at_least", -math.inf), bounds.get("above", -math.inf)
        if bounds and not (lowest <= value < bounds.get("below", math.inf) and value > above):
            words = " and ".join(f"{word.replace('_', ' ')} {n}" for word, n in bounds.items())
            raise NbnetError(f"{name}={value} must be a finite number, {words}")


@dataclass(frozen=True)
class TrainConfig:
    """What the training of a decoder needs besides its data.

    The defaults are the paper's (arXiv 1703.00832 and its released code): Adam 2e-4 with beta1 0.5,
    no weight decay, batch 64, x 0.94 every 5,000 updates. Only the number of steps is ours: the
    paper allows 400,000.

    Attributes:
        steps: updates in all.
        batch_size: pairs per update, over all processes together.
        accumulate: parts that a batch is worked through in, one after the other, to save memory;
            the gradient is that of the whole batch. Batch norm (NbNet) sees one part at a time, as
            if the batch were that much smaller; a network without it (D-CNN) learns the same by
            the pixel loss. "perceptual" is scaled, and the pictures of the template consistency
            are disturbed, part by part.
        lr: the peak learning rate of Adam.
        betas: Adam's decay rates.
        schedule: "paper" (x 0.94 every 5,000 updates), "cosine" (to zero), "onecycle" (up during
            the first tenth, then cosine to zero) or "constant".
        loss: a name of `attack.losses`, or a weighted sum of them.
        ema_decay: average the weights with this decay (0.999, say) and deliver the average; None
            delivers the last weights, as the paper does.
        precision: "no" (float32), "tf32" (float32 that an NVIDIA GPU multiplies with 10 bits of
            mantissa; elsewhere the same as "no") or "bf16" (autocast).
        template_weight: weight of the template-consistency loss through a surrogate encoder; 0 is
            the paper's algorithm, more is our extension (see `attack.surrogate`).
        adversarial_weight: weight of the adversary's loss; 0 is the paper's algorithm, more is our
            extension (see `attack.adversarial`).
        template_noise: length of the random vector that is added to each unit template (which is
            brought back to unit length), drawn anew for each update; 0 adds none. Our extension.
        seed: order of the batches.
        log_every: updates per entry in the history.
        evaluate_every: updates between two calls of the evaluation callback (0: only at the end).
        checkpoint_every: updates between two checkpoints (0: only at the end).
        keep: how many numbered checkpoints stay.
        best: the history key that decides about best.pt: "loss" (lower is better; compared where
            a checkpoint is written), or any key that the evaluation callback returns (higher is
            better).
        patience: stop after this many evaluations in a row without a better ``best``; 0 never
            stops early.
        deliver: what the decoder holds at the end: the "last" weights, or those of best.pt.
    """

    steps: int = _training(400_000, "updates (default 2000)", at_least=1, metavar="N")
    batch_size: int = _training(64, "(default 64)", at_least=1, metavar="N")
    accumulate: int = _training(
        1, "work a batch through in K parts, to save memory (default 1)", at_least=1, metavar="K"
    )
    lr: float = _training(2e-4, "peak learning rate (default 2e-4)", above=0)
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: str = _training(
        "paper", "paper (default), cosine, onecycle or constant", choices=SCHEDULES
    )
    loss: str = _training(
        "pixel",
        "pixel (default), perceptual (EfficientNet-Lite0), perceptual-vgg19 (the paper's), "
        "ms-ssim, or a sum such as pixel+0.2*perceptual",
    )
    ema_decay: float | None = _training(
        None,
        "deliver averaged weights, for example 0.999",
        flag="ema",
        at_least=0,
        below=1,
        metavar="DECAY",
    )
    precision: str = _training(
        "no",
        "no (float32, the default), tf32, bf16, or auto: the fastest that the device has",
        choices=("no", "tf32", "bf16"),
    )
    template_weight: float = _extension(
        0.0,
        "weight of the template-consistency loss, through a network that imitates the target",
        at_least=0,
        metavar="W",
    )
    adversarial_weight: float = _extension(
        0.0,
        "weight of the loss against an adversary that learns to recognise reconstructions",
        at_least=0,
        metavar="W",
    )
    template_noise: float = _extension(
        0.0,
        "length of a random vector that is added to each unit template, for example 0.3",
        at_least=0,
        metavar="LENGTH",
    )
    seed: int = 0
    log_every: int = option(50, at_least=1)
    evaluate_every: int = _watching(
        0, "updates between two comparisons (500)", at_least=0, metavar="N"
    )
    checkpoint_every: int = _watching(1000, "updates (500)", at_least=0, metavar="N")
    keep: int = option(3, at_least=1)
    best: str = "loss"
    patience: int = _watching(
        0,
        "stop after N comparisons in a row that were no better (default 0: never)",
        at_least=0,
        metavar="N",
    )
    deliver: str = _watching(
        "last",
        "last (default): the last weights; best: those whose comparison was best",
        choices=("last", "best"),
    )

    # What may change at a resume, because it does not touch the weights.
    FREE: ClassVar[frozenset[str]] = frozenset(
        "log_every evaluate_every checkpoint_every keep best patience deliver".split()
    )

    def __post_init__(self) -> None:
        # One spelling, so that settings can be compared at a resume.
        object.__setattr__(self, "loss", loss_text(self.loss))
        check_limits(self)
        if self.accumulate > self.batch_size:
            raise NbnetError(
                f"accumulate={self.accumulate} is more than the {self.batch_size} pairs of a "
                "batch: make it smaller"
            )
        if self.patience and (self.best == "loss" or not self.evaluate_every):
            raise NbnetError(
                f"patience={self.patience} counts evaluations: set evaluate_every, and name in "
                "best a number that the evaluation returns"
            )
        if self.deliver == "best" and self.best == "loss":
            raise NbnetError(
                'deliver="best" needs a number that the evaluation returns in best: the loss on '
                "training pairs does not show which weights are better"
            )

    def free(self) -> frozenset[str]:
        """Return the names of the settings that may change at a resume."""
        # These schedules do not look at the end: a run may be prolonged.
        return self.FREE | ({"steps"} if self.schedule in ("paper", "constant") else set())


@dataclass(frozen=True)
class TrainingOptions:
    """What one training is made of; `attack.run.training_options` fills it in.

    Attributes:
        out: folder of everything that is written.
        sources: of the pictures; see `attack.sources`.
        stages: settings of one training after another, each from the weights of the one before.
        device: "auto", "cpu" or "cuda".
        recipe: name of the recipe that was used, for the card.
        command: what makes these weights again, for the card.
        decoder: a name of `nbnet_lib.decoders.create_decoder`.
        image_size: edge of the pictures that it draws.
        resume: continue from the newest checkpoint in ``out``.
        init: weights to begin with, a shipped name or a file.
        surrogate_steps: training of the surrogate, for ``template_weight`` > 0.
        surrogate_precision: of that training, "no" or "bf16".
        portraits: draw the person's portrait; see `attack.portraits`.
        white_box: differentiate through the target; see `attack.white_box`.
        holdout: pictures kept aside; None for a default.
        tensorboard: also write logs for TensorBoard.
        seed: of the decoder's weights, of the surrogate and of all that is random in the training.
    """

    out: Path
    sources: tuple[Any, ...]
    stages: tuple[TrainConfig, ...]
    device: str = "auto"
    recipe: str | None = None
    command: str = ""
    surrogate_precision: str = "no"
    decoder: str = option(
        "nbnet-b", "nbnet-a, nbnet-b (default), dcnn; or linear, rbf: fitted in one go"
    )
    image_size: int = option(64, "edge in pixels (default 64)", at_least=1)
    resume: bool = option(False, "continue from the newest checkpoint in --out, if any")
    init: str | None = option(
        None,
        "begin with these weights of the same network, a shipped name or a .safetensors file",
        metavar="WEIGHTS",
    )
    surrogate_steps: int = _extension(
        4000, "training of that imitation (default 4000)", at_least=1, metavar="N"
    )
    portraits: bool = _extension(
        False,
        "learn to draw the person's portrait instead of the picture (SynthFaces only); or "
        "not to, where a recipe would",
        negatable=True,
    )
    white_box: bool = _extension(
        False, "differentiate through the target itself instead: no black-box attack any more"
    )
    holdout: int | None = _watching(
        None,
        "keep so many of the last pictures aside and compare the templates of their "
        "reconstructions (default 128, or a twentieth of a smaller set)",
        at_least=0,
        metavar="N",
    )
    tensorboard: bool = _watching(False, "also write logs for TensorBoard into --out")
    seed: int = 0

    @property
    def checkpoints(self) -> list[Path]:
        """The folder of the checkpoints of each stage."""
        count = range(1, len(self.stages) + 1)
        return [self.out / ("checkpoints" if i == 1 else f"checkpoints-{i}") for i in count]


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generator's training needs besides pictures; defaults of the authors' code.

    Only the number of steps is ours: theirs is 100 epochs.

    Attributes:
        steps: updates of each network.
        batch_size: pictures per update, over all processes together.
        lr_generator: learning rate of the generator's Adam.
        lr_discriminator: that of the discriminator's.
        betas: decay rates of both.
        noise_dim: length of z.
        base_channels: channels of the widest layers of both networks.
        ema_decay: average the generator's weights with this decay (0.999, say) and deliver the
            average, which the swinging of the two networks blurs less; None delivers the last
            weights, as the authors do. Our extension.
        seed: of weights, order, noise and labels.
        log_every: updates per entry in the history.
        save_every: updates between two checkpoints (0: only at the end).
        watch_every: updates between two calls of ``watch`` (0: only at the end).
        keep: how many checkpoints stay.
    """

    steps: int = option(20_000, at_least=1)
    batch_size: int = option(64, "pictures per update (default 64)", at_least=1, metavar="N")
    lr_generator: float = option(2e-4, "default 2e-4", above=0, below=1, metavar="LR")
    lr_discriminator: float = option(5e-5, "default 5e-5", above=0, below=1, metavar="LR")
    betas: tuple[float, float] = (0.5, 0.999)
    noise_dim: int = 100
    base_channels: int = option(
        512,
        "width of both networks (default 512, the paper's; fewer train faster)",
        at_least=1,
        metavar="N",
    )
    ema_decay: float | None = option(
        None,
        "average the generator's weights with this decay, such as 0.999",
        flag="ema",
        at_least=0,
        below=1,
        metavar="DECAY",
    )
    seed: int = option(0, "(default 0)", at_least=0)
    log_every: int = option(50, at_least=1)
    save_every: int = option(
        500, "updates (default 500)", flag="checkpoint-every", at_least=0, metavar="N"
    )
    watch_every: int = option(
        500,
        "updates between two pictures samples-STEP.png (0: only samples.png at the end)",
        flag="pictures-every",
        at_least=0,
        metavar="N",
    )
    keep: int = option(2, at_least=1)

    def __post_init__(self) -> None:
        check_limits(self)

    def free(self) -> frozenset[str]:
        """Return the names of the settings that may change at a resume."""
        return frozenset({"steps", "log_every", "save_every", "watch_every", "keep"})


def parse_loss(text: str) -> dict[str, float]:
    """Return {name: weight} of a loss that is written as a sum, in the order of `LOSSES`.

    Raises:
        NbnetError: an unknown name, one that is named twice, or a weight that is not above 0.
    """
    terms: dict[str, float] = {}
    for part in _PLUS.split(text):
        number, times, name = (piece.strip() for piece in part.rpartition("*"))
        try:
            weight = float(number) if times else 1.0
        except ValueError:
            weight = 0.0
        if name not in LOSSES:
            within = f" (in {text!r})" if name != text else ""
            raise NbnetError(
                f"no loss is named {name!r}{within}: choose one of {', '.join(LOSSES)}, or a sum "
                f"such as {EXAMPLE}"
            )
        if name in terms or not 0 < weight < math.inf:
            raise NbnetError(
                f"the loss {text!r} names {name} twice, or with the weight {number!r}, which is "
                f"not a number above 0: write {EXAMPLE}"
            )
        terms[name] = weight
    return {name: terms[name] for name in LOSSES if name in terms}


def loss_text(text: str) -> str:
    """Return the one way to write a loss, for cards and settings that are compared.

    "0.20*perceptual + pixel" and "pixel+.2*perceptual" are both "pixel+0.2*perceptual".
    """
    return "+".join(
        name if weight == 1 else f"{weight:g}*{name}" for name, weight in parse_loss(text).items()
    )
