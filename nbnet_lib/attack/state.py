"""What a training run has to remember to go on after an interruption (chapter 4)."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nbnet_lib.attack.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from nbnet_lib.attack.config import TrainConfig
from nbnet_lib.errors import NbnetError


class RunState:
    """Step, weights, optimiser, averaged weights and history of one run, to and from checkpoints.

    Args:
        decoder: the network in training.
        optimizer: of its parameters.
        config: of the run; a checkpoint of other settings is refused.
        data: fingerprint of the pairs; a checkpoint of other data is refused.
        folder: of the checkpoints, or None.
    """

    def __init__(
        self,
        decoder: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        data: str,
        folder: str | os.PathLike[str] | None,
    ):
        self.decoder, self.optimizer, self.config = decoder, optimizer, config
        self.data, self.folder = data, folder
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.last_saved: Path | None = None
        self.best: float | None = None
        self.averaged = copy.deepcopy(decoder) if config.ema_decay is not None else None

    def to(self, device: torch.device) -> None:
        """Move the averaged weights (accelerate moves the others)."""
        if self.averaged is not None:
            self.averaged.to(device).requires_grad_(False)

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights (and batch-norm statistics) towards the current ones."""
        if self.averaged is None or self.config.ema_decay is None:
            return
        # At first the average follows fast, so that it forgets the random start.
        keep = min(self.config.ema_decay, self.step / (self.step + 10))
        for old, new in zip(
            self.averaged.state_dict().values(), self.decoder.state_dict().values(), strict=True
        ):
            if old.is_floating_point():
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)

    def result(self) -> nn.Module:
        """Return the decoder that would be delivered now: the averaged one, if there is one."""
        return self.decoder if self.averaged is None else self.averaged

    def finish(self) -> None:
        """Leave the result in the decoder, in evaluation mode."""
        if self.averaged is not None:
            self.decoder.load_state_dict(self.averaged.state_dict())
        self.decoder.eval()

    def save(self) -> None:
        """Write a checkpoint, and best.pt if the newest history entry is the best so far.

        Raises:
            NbnetError: there is no folder, or it is not writable.
        """
        if self.folder is None:
            raise NbnetError("no folder was given for checkpoints")
        score = self.history[-1].get(self.config.best)
        best = False
        if score is not None:
            score = -score if self.config.best == "loss" else score
            best = self.best is None or score > self.best
            self.best = score if best else self.best
        state = {
            "step": self.step,
            "config": asdict(self.config),
            "data": self.data,
            "decoder": self.decoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "generator": torch.get_rng_state(),
            "history": self.history,
            "best": self.best,
        }
        self.last_saved = save_checkpoint(self.folder, state, self.config.keep, best)

    def resume(self, source: bool | str | os.PathLike[str]) -> None:
        """Go on from ``source``: True means the newest checkpoint of the folder, if there is one.

        Raises:
            NbnetError: no such checkpoint, or one of another decoder, setting or data set.
        """
        if source is True:
            if self.folder is None:
                raise NbnetError("resume=True needs the folder of the checkpoints: give folder=...")
            if not list_checkpoints(self.folder):
                return  # nothing yet: a fresh start, so that one command serves both
            source = self.folder
        state = load_checkpoint(source)  # type: ignore[arg-type]
        self._check_same_run(state)
        try:
            self.decoder.load_state_dict(state["decoder"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.averaged is not None:
                self.averaged.load_state_dict(state["averaged"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise NbnetError(
                f"the checkpoint in {source} belongs to another decoder: build the decoder with "
                "the name, template_dim, image_size and options of that run"
            ) from error
        torch.set_rng_state(state["generator"])
        self.step, self.history, self.best = state["step"], state["history"], state["best"]

    def _check_same_run(self, state: dict[str, Any]) -> None:
        free = {"log_every", "evaluate_every", "checkpoint_every", "keep", "best"}
        if self.config.schedule in ("paper", "constant"):
            free.add("steps")  # these schedules do not look at the end: a run may be prolonged
        now, then = asdict(self.config), state["config"]
        differ = [k for k in now if k not in free and _plain(now[k]) != _plain(then.get(k))]
        if differ:
            told = ", ".join(f"{k}: {then.get(k)} then, {now[k]} now" for k in differ)
            raise NbnetError(f"the checkpoint was made with other settings ({told}): use the same")
        if state["data"] != self.data:
            raise NbnetError(
                "the checkpoint was made with other training pairs: give the same images and "
                "templates in the same order"
            )

    def tell_nan(self, lr: float) -> str:
        """Say where the loss stopped being a number and what is left."""
        saved = self.last_saved or "none was written"
        return (
            f"the loss became NaN or infinite at or just before step {self.step} "
            f"(learning rate {lr:.3g}); last good checkpoint: {saved}; lower lr and start again"
        )

    def tell_interrupted(self) -> str:
        """Say where the run stopped and how it goes on."""
        if self.folder is None:
            return f"stopped after step {self.step}; no folder was given, so nothing is saved"
        return f"stopped after step {self.step}, saved {self.last_saved}; resume=True goes on"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
