"""Checkpoints that are whole or absent, from which a run goes on bit for bit (chapter 4).

One file per checkpoint, written atomically, read back with ``weights_only=True`` (so that opening
a file that somebody sent you cannot run code). It holds the decoder, the optimiser, the averaged
weights, torch's generator and the step. Neither the learning rate nor the order of the data needs a
state of its own: both are functions of the step (`train.learning_rate`, `data.batch_rows`).
"""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path

BEST = "best.pt"
KEYS = {
    "step",
    "config",
    "data",
    "decoder",
    "optimizer",
    "averaged",
    "generator",
    "history",
    "best",
}


def checkpoint_path(folder: str | os.PathLike[str], step: int) -> Path:
    """Return where the checkpoint of ``step`` lies."""
    return Path(folder) / f"step-{step:08d}.pt"


def list_checkpoints(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the numbered checkpoints of a folder, oldest first (none if there is no folder)."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if re.fullmatch(r"step-\d{8,}\.pt", p.name))


def save_checkpoint(
    folder: str | os.PathLike[str], state: dict[str, Any], keep: int, best: bool = False
) -> Path:
    """Write ``state`` (it holds "step"), keep the newest ``keep`` and, if ``best``, also best.pt.

    Raises:
        NbnetError: the folder is not writable.
    """
    path = checkpoint_path(folder, state["step"])
    for target in [path, Path(folder) / BEST] if best else [path]:
        with atomic_path(target) as temporary:
            torch.save(state, temporary)
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint file, or the newest one of a folder.

    Raises:
        NbnetError: there is none, or the file is not a checkpoint of `train_decoder`.
    """
    path = Path(path)
    if path.is_dir():
        found = list_checkpoints(path)
        if not found:
            raise NbnetError(f"no checkpoint in {path}: start without resume, or give its folder")
        path = found[-1]
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise NbnetError(f"no checkpoint at {path}: give a file or a folder of them") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise NbnetError(
            f"{path} is not a readable checkpoint: delete it and resume from an older one"
        ) from error
    if not (isinstance(state, dict) and KEYS <= set(state)):
        raise NbnetError(f"{path} is not a checkpoint of train_decoder: give one that it wrote")
    return state
