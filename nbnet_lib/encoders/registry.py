"""Encoders by name: ``create_encoder("synth")``, ``create_encoder("onnx:w600k_r50.onnx")``.

A name with a colon says what kind of file to open; anything else is a known recogniser, or a
function of the user's. Each is made by the file that knows it, imported when it is needed.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from nbnet_lib.encoders.base import ALIGNMENTS, Encoder
from nbnet_lib.errors import NbnetError


@dataclass(frozen=True)
class Entry:
    """A known encoder or kind of file: what it is, and the function that makes it.

    The function is called with ``name`` (or the part after the colon), ``device``, ``weights``,
    ``card``, ``alignment`` and the other options as keywords; it refuses what it cannot use.
    """

    what: str
    module: str
    function: str

    def make(self) -> Callable[..., Encoder]:
        """Import and return the function."""
        module = importlib.import_module(f"nbnet_lib.encoders.{self.module}")
        return getattr(module, self.function)


ENCODERS = {
    "synth": Entry(
        "the course's own: 64x64 pixels, 128-D, trained on SynthFaces, shipped",
        "synth",
        "open_synth",
    ),
    "synth-mobile": Entry(
        "the independent judge: MobileFaceNet's blocks, 64x64 pixels, 128-D, trained on other "
        "SynthFaces, shipped",
        "synth",
        "open_synth",
    ),
    "facenet-vggface2": Entry(
        "FaceNet of facenet-pytorch, trained on VGGFace2: 160x160 pixels, 512-D",
        "facenet",
        "open_facenet",
    ),
    "facenet-casia": Entry(
        "FaceNet of facenet-pytorch, trained on CASIA-WebFace: 160x160 pixels, 512-D",
        "facenet",
        "open_facenet",
    ),
    "dlib": Entry(
        "dlib's ResNet with its own detector: 150x150 pixels, 128-D", "dlib_encoder", "open_dlib"
    ),
}
KINDS = {
    "onnx": Entry("onnx:FILE.onnx, a network for onnxruntime", "onnx_model", "open_onnx"),
    "torchscript": Entry(
        "torchscript:FILE.pt, a network written by torch.jit.save",
        "torchscript",
        "open_torchscript",
    ),
    "python": Entry(
        "python:FILE.py:FUNCTION or python:MODULE:FUNCTION, images -> templates",
        "functions",
        "open_python",
    ),
}


def encoder_names() -> list[str]:
    """Return the names that `create_encoder` knows without a file of the user's."""
    return list(ENCODERS)


def encoder_kinds() -> dict[str, str]:
    """Return the kinds of file that `create_encoder` opens, and how each is written."""
    return {kind: entry.what for kind, entry in KINDS.items()}


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
    shared = {"device": device, "card": card, "alignment": alignment, **options}
    if not isinstance(name, str):
        if not callable(name):
            raise NbnetError(
                f"an encoder cannot be made of {type(name).__name__}: give a name or a function"
            )
        _without_weights("a function", weights)
        from nbnet_lib.encoders.functions import wrap

        return wrap(name, **shared)
    kind, colon, rest = name.partition(":")
    if colon and kind in KINDS:
        if not rest:
            raise NbnetError(f"{name!r} names no file: write {KINDS[kind].what.split(',')[0]}")
        _without_weights(name, weights)
        return KINDS[kind].make()(rest, **shared)
    if name not in ENCODERS:
        raise NbnetError(
            f"no encoder named {name!r}: choose one of {', '.join(ENCODERS)}, or a file as "
            f"{', '.join(f'{kind}:...' for kind in KINDS)}"
        )
    make = ENCODERS[name].make()
    unknown = [option for option in options if option not in inspect.signature(make).parameters]
    if unknown:
        raise NbnetError(f"the encoder {name} has no option {', '.join(unknown)}")
    return make(name, weights=weights, **shared)


def _without_weights(name: str, weights: object) -> None:
    if weights is not None:
        raise NbnetError(f"{name} brings its weights along: leave weights={weights!r} out")
