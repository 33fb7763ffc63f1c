"""What a training run has to remember to go on after an interruption (chapter 9)."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nbnet_lib.attack.checkpoint import (
    BEST,
    checkpoint_path,
    load_checkpoint,
    newest_checkpoint,
    require_same_settings,
    save_best,
    save_checkpoint,
    tell_stopped,
    where_to_resume,
)
from nbnet_lib.attack.config import TrainConfig
from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    from nbnet_lib.attack.adversarial import Adversary

# Settings that may change at a resume: they do not touch the weights.
FREE = {
    "log_every",
    "evaluate_every",
    "checkpoint_every",
    "keep",
    "best",
    "patience",
    "deliver",
}


class RunState:
    """Step, weights, optimiser, averaged weights and history of one run, to and from checkpoints.

    Args:
        decoder: the network in training, on its device.
        optimizer: of its parameters.
        config: of the run; a checkpoint of other settings is refused.
        data: fingerprint of the pairs; a checkpoint of other data is refused.
        folder: of the checkpoints, or None.
        adversary: the network that is trained against the decoder, if there is one.
        white_box: whether the target is differentiated through; a checkpoint of a run that did it
            otherwise is refused.
    """

    def __init__(
        self,
        decoder: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        data: str,
        folder: str | os.PathLike[str] | None,
        adversary: Adversary | None = None,
        white_box: bool = False,
    ):
        self.decoder, self.optimizer, self.config = decoder, optimizer, config
        self.data, self.folder, self.adversary, self.white_box = data, folder, adversary, white_box
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.last_saved: Path | None = None
        self.best: float | None = None  # higher is better: a loss counts negative
        self.stale = 0  # evaluations since then
        self.averaged = None
        if config.ema_decay is not None:
            self.averaged = copy.deepcopy(decoder).requires_grad_(False)

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

    def note(self, entry: dict[str, float], checkpoint: bool) -> bool:
        """Add an entry to the history and return whether its weights are the best so far.

        Args:
            entry: of this step.
            checkpoint: whether one is due here; only there a training loss is compared.
        """
        self.history.append(entry)
        key = self.config.best
        if key not in entry or (key == "loss" and not checkpoint):
            return False
        score = -entry[key] if key == "loss" else entry[key]
        if math.isfinite(score) and (self.best is None or score > self.best):
            self.best, self.stale = score, 0
            return True
        self.stale += 1
        return False

    @property
    def done(self) -> bool:
        """Whether all steps are made, or the evaluations have not improved for long enough."""
        return self.step >= self.config.steps or 0 < self.config.patience <= self.stale

    def finish(self) -> None:
        """Leave the result in the decoder, in evaluation mode."""
        if self.config.deliver == "best" and self.folder is not None:
            state = load_checkpoint(Path(self.folder) / BEST)
            self.decoder.load_state_dict(state["averaged"] or state["decoder"])
        elif self.averaged is not None:
            self.decoder.load_state_dict(self.averaged.state_dict())
        self.decoder.eval()

    def save(self, numbered: bool, best: bool, write: bool = True) -> None:
        """Write a numbered checkpoint, best.pt, both or neither.

        Args:
            numbered: the first.
            best: the second.
            write: False in processes that leave it to the main one.

        Raises:
            NbnetError: the folder is not writable.
        """
        if self.folder is None or not (numbered or best):
            return
        if numbered:
            self.last_saved = checkpoint_path(self.folder, self.step)
        if not write:
            return
        state = {
            "step": self.step,
            "config": asdict(self.config),
            "white_box": self.white_box,
            "data": self.data,
            "decoder": self.decoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "adversary": None if self.adversary is None else self.adversary.state_dict(),
            "generator": torch.get_rng_state(),
            "history": self.history,
            "best": self.best,
            "stale": self.stale,
        }
        if best:
            save_best(self.folder, state)
        if numbered:
            save_checkpoint(self.folder, state, self.config.keep)

    def resume(self, source: bool | str | os.PathLike[str]) -> None:
        """Go on from ``source``: True means the newest checkpoint of the folder, if there is one.

        Raises:
            NbnetError: no such checkpoint, or one of another decoder, setting or data set.
        """
        found = where_to_resume(source, self.folder)
        if found is None:
            return  # nothing yet
        state = load_checkpoint(found)
        self._check_same_run(state)
        try:
            self.decoder.load_state_dict(state["decoder"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.averaged is not None:
                self.averaged.load_state_dict(state["averaged"])
            if self.adversary is not None:
                self.adversary.load_state_dict(state["adversary"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise NbnetError(
                f"the checkpoint in {source} belongs to another decoder: build the decoder with "
                "the name, template_dim, image_size and options of that run"
            ) from error
        torch.set_rng_state(state["generator"])
        self.step, self.history = state["step"], state["history"]
        self.last_saved = newest_checkpoint(found)
        if state["config"]["best"] == self.config.best:  # a loss is not compared with a cosine
            self.best, self.stale = state["best"], state.get("stale", 0)

    def _check_same_run(self, state: dict[str, Any]) -> None:
        free = set(FREE)
        if self.config.schedule in ("paper", "constant"):
            free.add("steps")  # these schedules do not look at the end: a run may be prolonged
        now = {**asdict(self.config), "white_box": self.white_box}
        # A setting that an older checkpoint does not know was at its default then.
        then = {**asdict(TrainConfig()), "white_box": False, **state["config"]}
        then["white_box"] = state.get("white_box", False)
        require_same_settings(now, then, free)
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
        return tell_stopped(self.step, self.folder, self.last_saved)
