"""Encoders by name: ``create_encoder("synth")``."""

from __future__ import annotations

import torch

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.synth import IMAGE_SIZE, TEMPLATE_DIM, SynthEncoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.weights import load_weights

ENCODERS = {"synth": "the course's own: 64x64 pixels, 128-D, trained on SynthFaces, shipped"}


def encoder_names() -> list[str]:
    """Return the names that `create_encoder` knows."""
    return list(ENCODERS)


def create_encoder(
    name: str = "synth", device: str | torch.device = "cpu", weights: str | None = None
) -> Encoder:
    """Make an encoder ready to use.

    Args:
        name: "synth".
        device: where it runs.
        weights: a ``.safetensors`` file of one's own training; None for the shipped weights.

    Raises:
        NbnetError: an unknown name, or weights that are missing, damaged or of another network.
    """
    if name not in ENCODERS:
        raise NbnetError(f"no encoder named {name!r}: choose one of {', '.join(ENCODERS)}")
    state, card = load_weights(weights or "synth-encoder")
    network = SynthEncoder()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise NbnetError(
            f"{weights or 'synth-encoder'} does not hold the weights of the encoder {name!r}: "
            "give a file written by `nbnet encoder train`"
        ) from error
    return Encoder(name, network.to(device), IMAGE_SIZE, TEMPLATE_DIM, card)
