"""Weights as safetensors with a card beside each: what data, what command, what seed, how good.

Everything shipped in this folder was trained on SynthFaces only; no real person's image is in it.
Matrices and kernels are stored as float16 to keep the repository small, vectors (batch-norm
statistics, biases) as float32; loading gives float32.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, sha256_file

FOLDER = Path(__file__).parent


def weight_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Resolve a shipped name ("synth-mobile") or a path to an existing ``.safetensors`` file.

    Raises:
        NbnetError: there is no such file.
    """
    path = Path(name_or_path)
    if path.suffix != ".safetensors":
        path = FOLDER / f"{name_or_path}.safetensors"
    if not path.is_file():
        shipped = sorted(p.stem for p in FOLDER.glob("*.safetensors"))
        raise NbnetError(
            f"no weights at {path}: give the path of a .safetensors file or one of the shipped "
            f"names ({', '.join(shipped) or 'none'})"
        )
    return path


def save_weights(
    path: str | os.PathLike[str], state: dict[str, torch.Tensor], card: dict[str, Any]
) -> Path:
    """Write ``state`` and its card (``path`` with the suffix ``.json``), each atomically.

    The card gains ``sha256``, the checksum of the weight file, which `load_weights` verifies.

    Raises:
        NbnetError: the suffix is not ``.safetensors``, or the folder is not writable.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise NbnetError(f"weights are written as .safetensors files, not {path.name}")
    small = {
        key: (value.half() if value.ndim >= 2 and value.is_floating_point() else value)
        .detach()
        .cpu()
        .contiguous()
        for key, value in state.items()
    }
    with atomic_path(path) as temporary:
        save_file(small, temporary)
    with atomic_path(path.with_suffix(".json")) as temporary:
        text = json.dumps({**card, "sha256": sha256_file(path)}, indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return path


def load_card(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the card of shipped or own weights.

    Raises:
        NbnetError: no weights, no card beside them, or the card is not JSON.
    """
    path = weight_path(name_or_path).with_suffix(".json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NbnetError(
            f"no card at {path}: a .safetensors file needs its .json card beside it, copy both"
        ) from error
    except ValueError as error:
        raise NbnetError(f"the card {path} is not valid JSON ({error}): restore it") from error


def load_weights(
    name_or_path: str | os.PathLike[str],
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return (state dict in float32, card) after checking the file against the card's checksum.

    Raises:
        NbnetError: missing files, a checksum that differs, or a file that is not safetensors.
    """
    path = weight_path(name_or_path)
    card = load_card(path)
    if card.get("sha256") != sha256_file(path):
        raise NbnetError(
            f"{path} does not match the sha256 in its card: it is damaged or was replaced, "
            "restore both files (for shipped weights: git checkout)"
        )
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise NbnetError(f"{path} is not a safetensors file ({error}): restore it") from error
    return {k: v.float() if v.dtype == torch.float16 else v for k, v in state.items()}, card
