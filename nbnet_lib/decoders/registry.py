"""Decoders by name, and decoders to and from files (chapters 5 and 6)."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nbnet_lib.decoders.base import Decoder
from nbnet_lib.decoders.baselines import LinearRegression, PixelRegression, RBFRegression
from nbnet_lib.decoders.dcgan import NOISE_DIM, Discriminator, Generator
from nbnet_lib.decoders.dcnn import DCNN
from nbnet_lib.decoders.nbnet import NbNet
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.weights import FOLDER, load_weights, save_weights, weight_path

MIN_DIM = 16  # and no most: VGG-Face makes templates of 2,622 and 4,096 numbers

DEFAULT_DIM = 128

_BUILDERS: dict[str, Callable[..., Decoder]] = {
    "nbnet-a": partial(NbNet, "a"),
    "nbnet-b": partial(NbNet, "b"),
    "dcnn": DCNN,
    "linear": LinearRegression,
    "rbf": RBFRegression,
    "dcgan-generator": Generator,
    "dcgan-discriminator": Discriminator,
}


def decoder_names(method: str | None = None) -> list[str]:
    """Return the names that `create_decoder` knows.

    Args:
        method: only those that get their weights this way; see `Decoder.training_method`.
    """
    kinds: dict[str, Any] = {n: getattr(b, "func", b) for n, b in _BUILDERS.items()}
    return [n for n, kind in kinds.items() if method in (None, kind.training_method)]


def create_decoder(
    name: str, template_dim: int | None = None, image_size: int = 160, **options: Any
) -> Decoder:
    """Build a decoder with fresh weights: templates [N, d] -> images [N, 3, S, S] in [-1, 1].

    The weights are drawn from torch's current generator (`torch.manual_seed` first to repeat them).

    Args:
        name: one of `decoder_names()`. The last two are the face generator, whose "template" is
            noise z from N(0, 1), and its discriminator, images [N, 3, S, S] -> logits [N].
        template_dim: length d of a template, 16 or more (default 128, for the generator's z 100;
            the discriminator takes no notice of it).
        image_size: edge S of the picture: 40, 64, 80, 112 or 160.
        **options: "nbnet-a", "nbnet-b": base_channels (256), growth (8);
            "dcnn", "dcgan-generator", "dcgan-discriminator": base_channels (512);
            "linear": components (None: all pixels); "rbf": components (256), centres (2000).

    Returns:
        the module in training mode; its framing is that of SynthFaces, unless set otherwise.

    Raises:
        NbnetError: unknown name, option or size, or a template_dim out of range.
    """
    if name not in _BUILDERS:
        raise NbnetError(f"no decoder is named {name!r}: choose one of {', '.join(_BUILDERS)}")
    if template_dim is None:
        template_dim = NOISE_DIM if name == "dcgan-generator" else DEFAULT_DIM
    if not (isinstance(template_dim, int) and template_dim >= MIN_DIM):
        raise NbnetError(
            f"template_dim={template_dim!r} is out of range: "
            f"give a whole number of {MIN_DIM} or more"
        )
    dims = {} if name == "dcgan-discriminator" else {"template_dim": template_dim}
    try:
        decoder = _BUILDERS[name](**dims, image_size=image_size, **options)
    except TypeError as error:  # Python names the option that does not exist
        raise NbnetError(f"the decoder {name} cannot be built: {error}") from error
    decoder.architecture = {
        "name": name,
        "template_dim": dims.get("template_dim"),
        "image_size": image_size,
        "options": options,
    }
    decoder.name = f"{name}-{image_size}"
    decoder.framing = FRAMINGS["synthfaces"]
    # Channels innermost in memory: the same values, twice as fast on a CPU (and good on a GPU).
    return decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def require_gradient_training(decoder: nn.Module) -> None:
    """Raise unless `train_decoder` is the way to give ``decoder`` its weights.

    Raises:
        NbnetError: it is fitted in one go, or belongs to the face generator.
    """
    method = getattr(decoder, "training_method", "gradient")  # any module may be trained
    ways = {
        "fit": "fit it in one go with decoder.fit(templates, images)",
        "adversarial": "it is a part of the face generator, which `nbnet generator train` trains; "
        f"decoders of templates are {', '.join(decoder_names('gradient'))}",
    }
    if method in ways:
        raise NbnetError(f"{decoder.name} is not trained step by step: {ways[method]}")


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable values (batch norm's running statistics are not)."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def save_decoder(
    decoder: Decoder, path: str | os.PathLike[str], card: dict[str, Any] | None = None
) -> Path:
    """Write ``path`` (.safetensors) and its card (.json) with the architecture in it.

    Raises:
        NbnetError: the decoder was not made by `create_decoder` or not fitted yet, the suffix is
            wrong or the folder is not writable.
    """
    if getattr(decoder, "architecture", None) is None:
        raise NbnetError("this decoder was not made by create_decoder: its card cannot be written")
    if isinstance(decoder, PixelRegression):
        decoder.require_fitted()
    framing = None if decoder.framing is None else decoder.framing.to_card()
    whole = {**(card or {}), "architecture": decoder.architecture, "framing": framing}
    return save_weights(path, decoder.state_dict(), whole)


def load_decoder(name_or_path: str | os.PathLike[str], device: str = "cpu") -> Decoder:
    """Rebuild a decoder from a shipped name ("nbnet-b-64") or a .safetensors file with its card.

    Returns:
        the decoder in evaluation mode on ``device``; its name is the shipped one or the path.

    Raises:
        NbnetError: files that are missing, damaged, or not of the architecture in the card.
    """
    state, card = load_weights(name_or_path)
    architecture: Any = card.get("architecture")
    try:
        with torch.random.fork_rng(devices=[]):  # the fresh weights are overwritten anyway
            decoder = create_decoder(
                architecture["name"],
                architecture["template_dim"],
                architecture["image_size"],
                **architecture.get("options", {}),
            )
    except (TypeError, KeyError) as error:
        raise NbnetError(
            f"the card of {name_or_path} does not describe a decoder (architecture: "
            f"{architecture!r}): give weights that save_decoder wrote"
        ) from error
    try:
        decoder.load_state_dict(state)
    except RuntimeError as error:  # torch lists what is missing, extra or of another shape
        raise NbnetError(
            f"{name_or_path} does not hold a {decoder.name}: give the weights that belong to this "
            f"card ({textwrap.shorten(str(error), 300)})"
        ) from error
    decoder.card = card
    # Cards of before there was a choice name no framing: those decoders draw SynthFaces.
    framing = card.get("framing", "synthfaces")
    decoder.framing = None if framing is None else Framing.from_card(framing)
    # Reports name the weights, not just the network: a shipped name, or the file as it was given.
    shipped = weight_path(name_or_path).parent == FOLDER
    decoder.name = Path(name_or_path).stem if shipped else str(name_or_path)
    return decoder.to(device).eval()
