"""The settings of a training run and the learning rate that follows from them (chapter 9).

The defaults are the paper's (arXiv 1703.00832 and its released code): Adam 2e-4 with beta1 0.5,
no weight decay, batch 64, x 0.94 every 5,000 updates. Only the number of steps is ours: the paper
allows 400,000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nbnet_lib.attack.losses import loss_text
from nbnet_lib.errors import NbnetError

SCHEDULES = ("paper", "cosine", "onecycle", "constant")
PRECISIONS = ("no", "tf32", "bf16")
DELIVERED = ("last", "best")


@dataclass(frozen=True)
class TrainConfig:
    """What a run needs besides its data.

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
        best: the history key that decides about best.pt: "loss" (lower is better; looked at where
            a checkpoint is written), or any key that the evaluation callback returns (higher is
            better).
        patience: stop after this many evaluations in a row without a better ``best``; 0 never
            stops early.
        deliver: what the decoder holds at the end: the "last" weights, or those of best.pt.
    """

    steps: int = 400_000
    batch_size: int = 64
    accumulate: int = 1
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: str = "paper"
    loss: str = "pixel"
    ema_decay: float | None = None
    precision: str = "no"
    template_weight: float = 0.0
    adversarial_weight: float = 0.0
    template_noise: float = 0.0
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 0
    checkpoint_every: int = 1000
    keep: int = 3
    best: str = "loss"
    patience: int = 0
    deliver: str = "last"

    def __post_init__(self) -> None:
        # One spelling, so that settings can be compared at a resume.
        object.__setattr__(self, "loss", loss_text(self.loss))
        for name in ("steps", "batch_size", "accumulate", "log_every", "keep"):
            if getattr(self, name) < 1:
                raise NbnetError(f"{name}={getattr(self, name)} must be at least 1")
        if self.accumulate > self.batch_size:
            raise NbnetError(
                f"accumulate={self.accumulate} is more than the {self.batch_size} pairs of a "
                "batch: make it smaller"
            )
        if not self.lr > 0:
            raise NbnetError(f"lr={self.lr} must be above 0")
        for name, choices in (
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("deliver", DELIVERED),
        ):
            if getattr(self, name) not in choices:
                raise NbnetError(
                    f"{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}"
                )
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise NbnetError(f"ema_decay={self.ema_decay} must be in [0, 1)")
        for name in ("template_weight", "adversarial_weight", "template_noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise NbnetError(
                    f"{name}={getattr(self, name)} must not be negative, and must be finite"
                )
        for name in ("evaluate_every", "checkpoint_every", "patience"):
            if getattr(self, name) < 0:
                raise NbnetError(f"{name}={getattr(self, name)} must not be negative")
        if self.patience and (self.best == "loss" or not self.evaluate_every):
            raise NbnetError(
                f"patience={self.patience} counts evaluations: set evaluate_every, and name in "
                "best a number that the evaluation returns"
            )
        if self.deliver == "best" and self.best == "loss":
            raise NbnetError(
                'deliver="best" needs a number that the evaluation returns in best: the loss on '
                "training pairs does not tell which weights are better"
            )


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the learning rate of update ``step`` (0, 1, 2...), a pure function of the step."""
    if config.schedule == "paper":
        return config.lr * 0.94 ** (step // 5000)
    if config.schedule == "constant":
        return config.lr
    warmup = max(1, config.steps // 10) if config.schedule == "onecycle" else 0
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
