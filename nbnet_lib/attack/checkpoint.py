"""What a training remembers, so that it continues bit for bit after an interruption (chapter 9).

One file per checkpoint, written atomically, read back with ``weights_only=True`` (so that opening
a file that somebody sent you cannot run code). It holds every part that changes (networks,
optimisers, averaged weights), torch's generator, the history and the step. Neither the learning
rate nor the order of the data nor the noise needs a state of its own: all are functions of the
step (`train.learning_rate`, `data.batch_rows`, `data.noisy_templates`).
"""

from __future__ import annotations

import copy
import math
import os
import re
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nbnet_lib.encoders.origin import Origin, origin_in, require_same_origin
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

BEST = "best.pt"
KEYS = {"step", "config", "data", "parts", "generator", "history", "best", "stale"}

PathLike = str | os.PathLike[str]


class RunState:
    """Step, networks, optimisers, averaged weights and history of one run, to and from files.

    Args:
        network: what is trained and delivered; its weights are averaged if the settings say so.
        parts: everything else with a ``state_dict`` that changes, by name.
        config: the settings, a dataclass with ``steps`` (`TrainConfig`, `GeneratorConfig`); a
            checkpoint of other ones is refused, but for those that ``config.free()`` names.
        data: fingerprint of the training data; a checkpoint of other data is refused.
        folder: of the checkpoints, or None.
        more: further settings to compare at a resume.
        target: the attacked recogniser, where known; a checkpoint of other weights is refused.

    Attributes:
        averaged: the network with averaged weights, or None.
        best: the best value of ``config.best`` so far; higher is better, a loss counts negative.
        stale: evaluations since then.
    """

    def __init__(
        self,
        network: nn.Module,
        parts: dict[str, Any],
        config: Any,
        data: str,
        folder: PathLike | None,
        more: dict[str, Any] | None = None,
        target: Origin | None = None,
    ):
        self.network, self.config, self.data, self.target = network, config, data, target
        self.folder = None if folder is None else require_writable_folder(folder)
        self.settings = {**asdict(config), **(more or {})}
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.last_saved: Path | None = None
        self.best: float | None = None
        self.stale = 0
        self.averaged: nn.Module | None = None
        self.parts = {"network": network, **parts}
        if self.settings.get("ema_decay") is not None:
            self.averaged = copy.deepcopy(network).requires_grad_(False)
            self.parts["averaged"] = self.averaged

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights (and batch-norm statistics) towards the current ones.

        torch's `AveragedModel` begins with a copy of the first weights and keeps its decay. Here
        the average follows fast at first, so that it forgets the random start.
        """
        if self.averaged is None:
            return
        keep = min(self.settings["ema_decay"], self.step / (self.step + 10))
        pairs = zip(
            self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for old, new in pairs:
            old.lerp_(new, 1 - keep) if old.is_floating_point() else old.copy_(new)

    def result(self) -> nn.Module:
        """Return the network that would be delivered now: the averaged one, if there is one."""
        return self.network if self.averaged is None else self.averaged

    def deliver(self, best: bool = False) -> nn.Module:
        """Put the result (or that of best.pt) into the network; return it in evaluation mode."""
        state = self.result().state_dict()
        if best and self.folder is not None:
            parts = load_checkpoint(self.folder / BEST)["parts"]
            state = parts.get("averaged", parts["network"])
        self.network.load_state_dict(state)
        return self.network.eval()

    def add(self, entry: dict[str, float], compare_loss: bool) -> bool:
        """Add an entry to the history and return whether its weights are the best so far.

        Args:
            entry: of this step; it counts if it holds the key ``config.best``.
            compare_loss: whether a training loss counts here, too.
        """
        self.history.append(entry)
        key = self.settings.get("best")
        if key not in entry or (key == "loss" and not compare_loss):
            return False
        score = -entry[key] if key == "loss" else entry[key]
        if math.isfinite(score) and (self.best is None or score > self.best):
            self.best, self.stale = score, 0
            return True
        self.stale += 1
        return False

    def save(self, numbered: bool = True, best: bool = False, write: bool = True) -> None:
        """Write a numbered checkpoint, best.pt, both or neither; keep the newest ``config.keep``.

        Args:
            numbered: the first.
            best: the second.
            write: False in processes that leave it to the main one.
        """
        if self.folder is None or not (numbered or best):
            return
        path = self.folder / f"step-{self.step:08d}.pt"
        if numbered:
            self.last_saved = path
        if not write:
            return
        state = {
            "step": self.step,
            "config": self.settings,
            "data": self.data,
            "target": self.target.entries() if self.target else {},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "generator": torch.get_rng_state(),
            "history": self.history,
            "best": self.best,
            "stale": self.stale,
        }
        for target in [self.folder / BEST] * best + [path] * numbered:
            with atomic_path(target) as temporary:
                torch.save(state, temporary)
        outdated = list_checkpoints(self.folder)[: -self.settings.get("keep", 1)]
        half_written = self.folder.glob(".*.pt.*.part")  # by a process that was killed
        for old in (*outdated, *half_written):
            old.unlink(missing_ok=True)

    def resume(self, source: bool | PathLike) -> None:
        """Continue from ``source``, a checkpoint or a folder of them.

        True means the newest one of the run's own folder; where there is none yet, it starts anew.

        Raises:
            NbnetError: no such checkpoint, or one of another network, setting or data set.
        """
        if source is True:
            if self.folder is None:
                raise NbnetError("resume=True needs the folder of the checkpoints: give folder=...")
            if not list_checkpoints(self.folder):
                return
            source = self.folder
        assert not isinstance(source, bool)  # False: the caller does not resume
        state = load_checkpoint(source)
        self._require_same_run(state)
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise NbnetError(
                f"the checkpoint in {source} belongs to another network: build it with the name, "
                "sizes and options of that run"
            ) from error
        torch.set_rng_state(state["generator"])
        self.step, self.history = state["step"], state["history"]
        self.last_saved = newest_checkpoint(source)
        if state["config"].get("best") == self.settings.get("best"):  # a loss is not a cosine
            self.best, self.stale = state["best"], state["stale"]

    def _require_same_run(self, state: dict[str, Any]) -> None:
        if self.target is not None:
            against = origin_in(state.get("target", {}))  # earlier versions kept none
            require_same_origin("the checkpoint was made against", against, self.target)
        then = state["config"]
        differ = [
            f"{key}: {then.get(key)} then, {value} now"
            for key, value in self.settings.items()
            if key not in self.config.free() and then.get(key) != value
        ]
        if len(state["data"]) < len(self.data):
            differ.append(
                "an earlier version of nbnet wrote it, and looked at part of the data only"
            )
        elif state["data"] != self.data:
            differ.append("other training data, or the same in another order")
        if differ:
            raise NbnetError(
                f"the checkpoint was made with other settings ({', '.join(differ)}): use the same"
            )

    @property
    def done(self) -> bool:
        """Whether all updates are made, or the evaluations have not improved for long enough."""
        return self.step >= self.config.steps or 0 < self.settings.get("patience", 0) <= self.stale

    def interrupt_message(self) -> str:
        """Return where the run stopped and how it continues."""
        if self.folder is None:
            return f"stopped after step {self.step}; no folder was given, so nothing is saved"
        return (
            f"stopped after step {self.step}, saved {self.last_saved}; continue with resume=True, "
            "or the same command with --resume"
        )


def list_checkpoints(folder: PathLike) -> list[Path]:
    """Return the numbered checkpoints of a folder, oldest first (none if there is no folder)."""
    return sorted(p for p in Path(folder).glob("*.pt") if re.fullmatch(r"step-\d{8,}\.pt", p.name))


def newest_checkpoint(source: PathLike) -> Path:
    """Return the file that a resume from ``source``, a checkpoint or a folder of them, reads."""
    return [Path(source), *list_checkpoints(source)][-1]


def _is_whole(path: Path) -> bool:
    """Return whether a file is such as `torch.save` writes, a zip archive, and not damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def load_checkpoint(source: PathLike) -> dict[str, Any]:
    """Read a checkpoint file, or the newest one of a folder.

    Raises:
        NbnetError: there is none, or the file is not such a checkpoint.
    """
    path = newest_checkpoint(source)
    if not path.is_file():
        raise NbnetError(f"no checkpoint at {path}: give a file or a folder of them")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises of damaged files has many types
        found = re.search(r"GLOBAL (\S+)", str(error))
        if found and _is_whole(path):
            raise NbnetError(
                f"{path} is whole, but holds {found[1]}, which is not opened because a file could "
                "run programs that way: if you trust it, read it with torch.load(..., "
                "weights_only=False), replace such values by float(value) and torch.save it again"
            ) from error
        raise NbnetError(
            f"{path} is not a readable checkpoint ({type(error).__name__}; cut short, damaged or "
            "another kind of file): move it to another folder and resume again, from the one before"
        ) from error
    if not (isinstance(state, dict) and state.keys() >= KEYS):
        raise NbnetError(
            f"{path} is not a checkpoint that this version wrote (another program's, or one of "
            "before): start again in another folder"
        )
    return state
