"""What is known of the encoders that have a name, without making them: nothing large is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbnet_lib.encoders.registry import ENCODERS
from nbnet_lib.errors import NbnetError


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
    if name in ("synth", "synth-mobile"):
        return _synth(name)
    if name == "dlib":
        return _dlib()
    if name in ENCODERS:
        return _facenet(name)
    raise NbnetError(f"no encoder named {name!r}: choose one of {', '.join(ENCODERS)}")


def known_encoders() -> list[Known]:
    """Return what is known of all of them."""
    return [known_encoder(name) for name in ENCODERS]


def _synth(name: str) -> Known:
    from nbnet_lib.encoders.synth import IMAGE_SIZE, TEMPLATE_DIM, WEIGHTS
    from nbnet_lib.weights import load_card

    card = load_card(WEIGHTS[name])
    return Known(name, TEMPLATE_DIM, IMAGE_SIZE, "framing", True, "shipped", card)


def _dlib() -> Known:
    from nbnet_lib.encoders.dlib_encoder import dlib_card
    from nbnet_lib.faces.dlib_models import CHIP_SIZE, DIM, installed

    ready = installed()
    weights = "installed" if ready else 'missing: pip install "nbnet-lib[dlib]"'
    return Known("dlib", DIM, CHIP_SIZE, "detect", ready, weights, dlib_card())


def _facenet(name: str) -> Known:
    from nbnet_lib.encoders import facenet

    path = facenet.local_weights(name)
    weights = str(path) if path else f"not here: downloaded when used, or {facenet.OPTION}"
    card = facenet.facenet_card(name)
    return Known(
        name,
        facenet.TEMPLATE_DIM,
        facenet.IMAGE_SIZE,
        "detect",
        path is not None,
        weights,
        card,
    )
