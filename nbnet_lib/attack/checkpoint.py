"""Checkpoints that are whole or absent, from which a run goes on bit for bit (chapter 9).

One file per checkpoint, written atomically, read back with ``weights_only=True`` (so that opening
a file that somebody sent you cannot run code). It holds the decoder, the optimiser, the averaged
weights, the adversary (if there is one), torch's generator and the step. Neither the learning rate
nor the order of the data nor the noise needs a state of its own: all are functions of the step
(`config.learning_rate`, `data.batch_rows`, `data.noisy_templates`).
"""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

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


def newest_checkpoint(source: str | os.PathLike[str]) -> Path:
    """Return the file that a resume from ``source``, a checkpoint or a folder of them, reads."""
    source = Path(source)
    found = list_checkpoints(source)
    return found[-1] if found else source


def where_to_resume(
    source: bool | str | os.PathLike[str], folder: str | os.PathLike[str] | None
) -> str | os.PathLike[str] | None:
    """Return what a run goes on from: a file or a folder of checkpoints; None for a fresh start.

    Args:
        source: a file or folder; True for ``folder``, so that one command serves a fresh start too.
        folder: of the run's own checkpoints, or None.

    Raises:
        NbnetError: True without a folder.
    """
    if source is not True:
        return source  # type: ignore[return-value]
    if folder is None:
        raise NbnetError("resume=True needs the folder of the checkpoints: give folder=...")
    return folder if list_checkpoints(folder) else None


def require_same_settings(now: dict[str, Any], then: dict[str, Any], free: set[str]) -> None:
    """Raise if a setting differs from the checkpoint's, but for those that are ``free`` to change.

    Raises:
        NbnetError: one does; all that do are named.
    """
    differ = [key for key in now if key not in free and _plain(now[key]) != _plain(then[key])]
    if differ:
        told = ", ".join(f"{key}: {then[key]} then, {now[key]} now" for key in differ)
        raise NbnetError(f"the checkpoint was made with other settings ({told}): use the same")


def tell_stopped(step: int, folder: str | os.PathLike[str] | None, saved: Path | None) -> str:
    """Say where a run stopped and how it goes on."""
    if folder is None:
        return f"stopped after step {step}; no folder was given, so nothing is saved"
    return f"stopped after step {step}, saved {saved}; resume=True goes on"


def due(step: int, every: int) -> bool:
    """Return whether what is done every so many updates is due; 0 is never."""
    return every > 0 and step % every == 0


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def is_finite(network: nn.Module) -> bool:
    """Return whether no weight is NaN or infinite: the loss tells of it one update later only."""
    return all(bool(torch.isfinite(weight).all()) for weight in network.parameters())


def save_checkpoint(folder: str | os.PathLike[str], state: dict[str, Any], keep: int) -> Path:
    """Write ``state`` (it holds "step") and keep the newest ``keep`` numbered checkpoints.

    Raises:
        NbnetError: the folder is not writable.
    """
    path = checkpoint_path(folder, state["step"])
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    _sweep(folder)
    return path


def save_best(folder: str | os.PathLike[str], state: dict[str, Any]) -> Path:
    """Write ``state`` as best.pt, in the place of an earlier one.

    Raises:
        NbnetError: the folder is not writable.
    """
    path = Path(folder) / BEST
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
    return path


def _sweep(folder: str | os.PathLike[str]) -> None:
    """Delete what a process left half written when it was killed."""
    for name in (BEST, "step-*.pt"):
        for part in Path(folder).glob(f".{name}.*.part"):
            part.unlink(missing_ok=True)


def load_checkpoint(
    path: str | os.PathLike[str], keys: set[str] = KEYS, of: str = "train_decoder"
) -> dict[str, Any]:
    """Read a checkpoint file, or the newest one of a folder.

    Args:
        path: the file or folder.
        keys: what it must hold.
        of: the function that writes such checkpoints, for the error.

    Raises:
        NbnetError: there is none, or the file is no such checkpoint.
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
    if not (isinstance(state, dict) and keys <= set(state)):
        raise NbnetError(f"{path} is not a checkpoint of {of}: give one that it wrote")
    return state
