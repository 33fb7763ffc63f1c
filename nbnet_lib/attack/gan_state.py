"""The settings of a generator's training, and what it has to remember to go on (chapter 8)."""

from __future__ import annotations

import copy
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nbnet_lib.attack.checkpoint import (
    load_checkpoint,
    newest_checkpoint,
    require_same_settings,
    save_checkpoint,
    tell_stopped,
    where_to_resume,
)
from nbnet_lib.errors import NbnetError

KEYS = {"step", "config", "data", "networks", "optimizers", "history"}
FREE = {"steps", "log_every", "save_every", "watch_every", "keep"}  # may change at a resume
FINGERPRINTS = 256  # pictures that tell one data set from another


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

    steps: int = 20_000
    batch_size: int = 64
    lr_generator: float = 2e-4
    lr_discriminator: float = 5e-5
    betas: tuple[float, float] = (0.5, 0.999)
    noise_dim: int = 100
    base_channels: int = 512
    ema_decay: float | None = None
    seed: int = 0
    log_every: int = 50
    save_every: int = 500
    watch_every: int = 500
    keep: int = 2

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "keep"):
            if getattr(self, name) < 1:
                raise NbnetError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("lr_generator", "lr_discriminator"):
            if not 0 < getattr(self, name) <= 1:
                raise NbnetError(f"{name}={getattr(self, name)} must be above 0 and at most 1")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise NbnetError(f"ema_decay={self.ema_decay} must be in [0, 1)")


class GeneratorRun:
    """Step, weights, optimisers and history of one run, to and from checkpoints.

    Args:
        networks: "generator" and "discriminator".
        optimizers: the same names.
        config: of the run; a checkpoint of other settings is refused.
        images: the pictures; a checkpoint of other pictures is refused.
        folder: of the checkpoints, or None.
    """

    def __init__(
        self,
        networks: dict[str, nn.Module],
        optimizers: dict[str, torch.optim.Optimizer],
        config: GeneratorConfig,
        images: np.ndarray,
        folder: str | os.PathLike[str] | None,
    ):
        self.networks, self.optimizers, self.config = networks, optimizers, config
        self.folder, self.data = folder, _fingerprint(images)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.last_saved: Path | None = None
        self.averaged: nn.Module | None = None
        if config.ema_decay is not None:
            self.averaged = copy.deepcopy(networks["generator"]).requires_grad_(False)

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged generator towards the present one."""
        if self.averaged is None or self.config.ema_decay is None:
            return
        # At first the average follows fast, so that it forgets the random start.
        keep = min(self.config.ema_decay, self.step / (self.step + 10))
        pairs = zip(
            self.averaged.parameters(), self.networks["generator"].parameters(), strict=True
        )
        for old, new in pairs:
            old.lerp_(new, 1 - keep)

    def result(self) -> nn.Module:
        """Return the generator that would be delivered now: the averaged one, if there is one."""
        return self.networks["generator"] if self.averaged is None else self.averaged

    def save(self) -> None:
        """Write a checkpoint: whole or not at all.

        Raises:
            NbnetError: there is no folder, or it is not writable.
        """
        if self.folder is None:
            raise NbnetError("no folder was given for checkpoints")
        state = {
            "step": self.step,
            "config": asdict(self.config),
            "data": self.data,
            "networks": {name: n.state_dict() for name, n in self.networks.items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "history": self.history,
        }
        self.last_saved = save_checkpoint(self.folder, state, self.config.keep)

    def resume(self, source: bool | str | os.PathLike[str]) -> None:
        """Go on from ``source``: True means the newest checkpoint of the folder, if there is one.

        Raises:
            NbnetError: no such checkpoint, or one of other settings, pictures or networks.
        """
        found = where_to_resume(source, self.folder)
        if found is None:
            return  # nothing yet
        state = load_checkpoint(found, keys=KEYS, of="train_generator")
        self._check_same_run(state)
        try:
            for name, network in self.networks.items():
                network.load_state_dict(state["networks"][name])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            if self.averaged is not None:
                self.averaged.load_state_dict(state["averaged"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise NbnetError(
                f"the checkpoint in {source} belongs to another generator: use the image size and "
                "settings of that run"
            ) from error
        self.step, self.history = state["step"], state["history"]
        self.last_saved = newest_checkpoint(found)

    def _check_same_run(self, state: dict[str, Any]) -> None:
        then = {"ema_decay": None, **state["config"]}  # older checkpoints had no average
        require_same_settings(asdict(self.config), then, FREE)
        if state["data"] != self.data:
            raise NbnetError(
                "the checkpoint was made with other pictures: give the same in the same order"
            )

    def tell_nan(self) -> str:
        """Say where the loss stopped being a number and what is left."""
        saved = self.last_saved or "none was written"
        return (
            f"a loss became NaN or infinite at or just before step {self.step} (learning rates "
            f"{self.config.lr_generator:.3g} and {self.config.lr_discriminator:.3g}); last good "
            f"checkpoint: {saved}; lower both and start again"
        )

    def tell_interrupted(self) -> str:
        """Say where the run stopped and how it goes on."""
        return tell_stopped(self.step, self.folder, self.last_saved)


def _fingerprint(images: np.ndarray) -> str:
    """Return a short hash that differs when other pictures are given."""
    digest = hashlib.sha256(repr(images.shape).encode())
    for row in range(0, len(images), max(1, len(images) // FINGERPRINTS)):
        digest.update(np.ascontiguousarray(images[row]).tobytes())
    return digest.hexdigest()[:16]
