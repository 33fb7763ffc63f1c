"""Encoders by name: ``create_encoder("synth")``, ``create_encoder("onnx:w600k_r50.onnx")``.

A name with a colon says what kind of file to open; anything else is a known recogniser, or a
function of the user's. Each is made by the function that knows it, which is called with ``device``,
``card``, ``alignment`` and the other options as keywords and refuses what it cannot use.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import torch

from nbnet_lib.encoders.base import ALIGNMENTS, Encoder
from nbnet_lib.encoders.dlib_encoder import open_dlib
from nbnet_lib.encoders.facenet import open_facenet
from nbnet_lib.encoders.functions import open_python, wrap
from nbnet_lib.encoders.onnx_model import open_onnx
from nbnet_lib.encoders.synth import NETWORKS, open_synth
from nbnet_lib.encoders.torchscript import open_torchscript
from nbnet_lib.errors import NbnetError

ENCODERS: dict[str, Callable[..., Encoder]] = {
    **dict.fromkeys(NETWORKS, open_synth),
    "facenet-vggface2": open_facenet,
    "facenet-casia": open_facenet,
    "dlib": open_dlib,
}
# What stands before the colon, how the rest is written, and what opens it.
KINDS: dict[str, tuple[str, Callable[..., Encoder]]] = {
    "onnx": ("onnx:FILE.onnx, a network for onnxruntime", open_onnx),
    "torchscript": ("torchscript:FILE.pt, a network written by torch.jit.save", open_torchscript),
    "python": (
        "python:FILE.py:FUNCTION or python:MODULE:FUNCTION, images -> templates",
        open_python,
    ),
}


def encoder_names() -> list[str]:
    """Return the names that `create_encoder` knows without a file of the user's."""
    return list(ENCODERS)


def encoder_kinds() -> dict[str, str]:
    """Return the kinds of file that `create_encoder` opens, and how each is written."""
    return {kind: what for kind, (what, _) in KINDS.items()}


def create_encoder(
    name: str | Callable[..., Any] = "synth",
    device: str | torch.device = "cpu",
    weights: str | os.PathLike[str] | None = None,
    card: dict[str, Any] | str | os.PathLike[str] | None = None,
    alignment: str | None = None,
    **options: Any,
) -> Encoder:
    """Make an encoder ready to use.

    Files of the kinds torchscript and python are programs: open only what you would run.

    Args:
        name: one of `encoder_names()`; "onnx:PATH", "torchscript:PATH", "python:FILE.py:FUNCTION"
            or "python:MODULE:FUNCTION"; or a function from images to templates (see
            `encoders.functions`).
        device: where it runs.
        weights: for a known encoder, a file with its weights instead of the usual ones ("synth": a
            ``.safetensors`` file that `nbnet encoder train` wrote).
        card: for a file or function, what is known of it: the entries of `encoders.card`, or a
            ``.yaml`` or ``.json`` file with them; None for the one next to the file.
        alignment: "framing" or "detect", see `Encoder`; None for the encoder's usual way.
        **options: single entries of the card, as in ``image_size=112``; they go before the card.

    Raises:
        NbnetError: an unknown name or option, or weights, a network or a card that are missing,
            damaged or of another kind.
    """
    if alignment is not None and alignment not in ALIGNMENTS:
        raise NbnetError(f"alignment is {alignment!r}: give {' or '.join(ALIGNMENTS)}")
    options |= {"device": device, "card": card, "alignment": alignment}
    if isinstance(name, str) and name in ENCODERS:
        make = ENCODERS[name]
        unknown = options.keys() - inspect.signature(make).parameters
        if unknown:
            raise NbnetError(f"the encoder {name} has no option {', '.join(sorted(unknown))}")
        return make(name, weights=weights, **options)
    make = wrap
    what: Any = name
    if isinstance(name, str):
        kind, _, what = name.partition(":")
        if kind not in KINDS or not what:
            raise NbnetError(
                f"no encoder named {name!r}: choose one of {', '.join(ENCODERS)}, or write "
                f"{'; '.join(encoder_kinds().values())}"
            )
        make = KINDS[kind][1]
    if weights is not None:
        raise NbnetError(f"{name} brings its weights along: leave weights={weights!r} out")
    return make(what, **options)
