"""The settings of a training run and the learning rate that follows from them (chapter 4).

The defaults are the paper's (arXiv 1703.00832 and its released code): Adam 2e-4 with beta1 0.5,
no weight decay, batch 64, x 0.94 every 5,000 updates. Only the number of steps is ours: the paper
allows 400,000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nbnet_lib.errors import NbnetError

SCHEDULES = ("paper", "cosine", "onecycle", "constant")
PRECISIONS = ("no", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """What a run needs besides its data.

    Attributes:
        steps: updates in all.
        batch_size: pairs per update, over all processes together.
        lr: the peak learning rate of Adam.
        betas: Adam's decay rates.
        schedule: "paper" (x 0.94 every 5,000 updates), "cosine" (to zero), "onecycle" (up during
            the first tenth, then cosine to zero) or "constant".
        loss: name of the pixel-space loss.
        ema_decay: average the weights with this decay (0.999, say) and deliver the average; None
            delivers the last weights, as the paper does.
        precision: "no" (float32) or "bf16" (autocast).
        template_weight: weight of the template-consistency loss through a surrogate encoder; 0 is
            the paper's algorithm, more is our extension (see `attack.surrogate`).
        seed: order of the batches.
        log_every: updates per entry in the history.
        evaluate_every: updates between two calls of the evaluation callback (0: only at the end).
        checkpoint_every: updates between two checkpoints (0: only at the end).
        keep: how many numbered checkpoints stay.
        best: the history key that decides about best.pt: "loss" (lower is better), or any key that
            the evaluation callback returns (higher is better).
    """

    steps: int = 400_000
    batch_size: int = 64
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: str = "paper"
    loss: str = "pixel"
    ema_decay: float | None = None
    precision: str = "no"
    template_weight: float = 0.0
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 0
    checkpoint_every: int = 1000
    keep: int = 3
    best: str = "loss"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "keep"):
            if getattr(self, name) < 1:
                raise NbnetError(f"{name}={getattr(self, name)} must be at least 1")
        if not self.lr > 0:
            raise NbnetError(f"lr={self.lr} must be above 0")
        if self.schedule not in SCHEDULES:
            raise NbnetError(
                f"no schedule is named {self.schedule!r}: choose one of {', '.join(SCHEDULES)}"
            )
        if self.precision not in PRECISIONS:
            raise NbnetError(f"precision={self.precision!r}: choose one of {', '.join(PRECISIONS)}")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise NbnetError(f"ema_decay={self.ema_decay} must be in [0, 1)")
        if not 0 <= self.template_weight < math.inf:
            raise NbnetError(
                f"template_weight={self.template_weight} must not be negative, and must be finite"
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
