"""Recognisers written by `torch.jit.save`: ``create_encoder("torchscript:model.pt")``.

The file says nothing about its input: a card next to it (``model.yaml``, see `card`) does, and what
it leaves out is assumed to be as in InsightFace's models (112 px, RGB, (pixel - 127.5) / 127.5,
framing "arcface") and listed in ``card["assumed"]``.

A TorchScript file is a program, run with the rights of the user who opens it.
Open only what you trust; an ONNX file is the safer way to hand a network on.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import check_card, find_card
from nbnet_lib.encoders.foreign import INSIGHTFACE, resolve_options, wrap_model
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file


def open_torchscript(
    path: str,
    device: str | torch.device = "cpu",
    card: Any = None,
    alignment: str | None = None,
    **options: Any,
) -> Encoder:
    """Make an encoder of a TorchScript file.

    Args:
        path: the file.
        device: where it runs.
        card: what the file cannot say: entries, or the path of a card; None for the one next to it.
        alignment: see `Encoder`.
        **options: entries of the card; they go before it.

    Raises:
        NbnetError: a wrong file, card or option, or a network that is not a recogniser.
    """
    file = Path(path)
    name = f"torchscript:{file.name}"
    given = {**find_card(card, file), **check_card(options, f"create_encoder of {name}")}
    for key in given.keys() & {"takes", "output"}:
        raise NbnetError(f"the card of {name} has {key}: {given[key]}, which it cannot use")
    try:
        with warnings.catch_warnings():  # torch recommends other formats to those who export
            warnings.simplefilter("ignore")
            network = torch.jit.load(str(file), map_location=device)
    except (RuntimeError, ValueError, OSError) as error:
        raise NbnetError(
            f"{file} is not a TorchScript file that this torch {torch.__version__} can open: write "
            "it by torch.jit.save(torch.jit.trace(model.eval(), example), path); a file of "
            "weights alone is not enough"
        ) from error
    entries, assumed = resolve_options(name, given, {}, {}, INSIGHTFACE)
    entries["sha256"] = sha256_file(file)
    return wrap_model(name, network, entries, assumed, device, alignment)
