"""The card of an encoder: where it comes from, what it takes, and how well it verifies.

A network in a file tells little about itself. Its owner writes the rest into a small YAML (or
JSON) file, ``MODEL.yaml`` beside ``MODEL.onnx``; every entry may be left out:

    name: my-recogniser
    source: https://example.org/where-it-comes-from
    licence: research only
    training_data: MS1MV3
    image_size: 112
    channels: rgb                # or bgr
    layout: nchw                 # or nhwc
    mean: 127.5                  # input = (pixel - mean) / std, pixels from 0 to 255
    std: [127.5, 127.5, 127.5]   # one number, or one per channel
    framing: arcface             # a name, or five points as shares of the side
    alignment: framing           # or detect: look for the face in each picture
    output: "683"                # which output holds the template, where there are several
    template_dim: 512
    takes: torch                 # functions only: torch, numpy or uint8
    verification: null           # measured rates, as `nbnet encoder test` gives them
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing

MIN_DIM, MAX_DIM = 16, 2048  # lengths of a template that decoders are made for
UNKNOWN = "unknown"
TEXTS = ("name", "source", "licence", "training_data", "output")
CHOICES = {"alignment": ("framing", "detect"), "takes": ("torch", "numpy", "uint8")}
# What only `Preprocess` can judge, in the order of its fields.
INPUT = ("image_size", "framing", "channels", "layout", "mean", "std")
KEYS = (*TEXTS, *INPUT, *CHOICES, "template_dim", "verification")
MOST_BYTES = 100_000


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a card in YAML or JSON.

    Raises:
        NbnetError: no such file, not YAML or JSON, no card, or an entry that is wrong or unknown.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NbnetError(f"the card {path} is larger than {MOST_BYTES:,} bytes: give a card")
        text = path.read_text(encoding="utf-8")
        entries = json.loads(text) if path.suffix == ".json" else _parse_yaml(path, text)
    except OSError as error:
        raise NbnetError(
            f"the card {path} cannot be read ({error.strerror}): give the path of a .yaml file"
        ) from error
    except NbnetError:
        raise
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise NbnetError(f"the card {path} is not valid text in its format: {reason}") from error
    return check_card(entries, f"the card {path}")


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise NbnetError(f"reading {path} needs PyYAML: pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def check_card(entries: Any, where: str = "the card") -> dict[str, Any]:
    """Return the entries of a card that a person wrote if each is one that can be used.

    Args:
        entries: of `KEYS`, any of them.
        where: what an error calls it.

    Raises:
        NbnetError: not a mapping, an unknown entry, or a value of another kind.
    """
    if not isinstance(entries, Mapping):
        raise NbnetError(
            f"{where} holds {type(entries).__name__}: write entries as in `image_size: 112`"
        )
    for key in entries:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            meant = f"did you mean {near[0]}" if near else f"it knows {', '.join(KEYS)}"
            raise NbnetError(f"{where} has an entry {key!r} that is not known: {meant}")
    card = {key: value for key, value in entries.items() if value is not None}
    for key in TEXTS:
        if key in card and not (isinstance(card[key], str) and card[key].strip()):
            raise NbnetError(f"{where} has {key}: {card[key]!r}, expected text (in quotes)")
    for key, choices in CHOICES.items():
        if key in card and card[key] not in choices:
            raise NbnetError(f"{where} has {key}: {card[key]!r}, expected {' or '.join(choices)}")
    if "template_dim" in card:
        dim = card["template_dim"]
        whole = isinstance(dim, int) and not isinstance(dim, bool)
        if not whole or not MIN_DIM <= dim <= MAX_DIM:
            raise NbnetError(
                f"{where} has template_dim: {dim!r}, expected a whole number from {MIN_DIM} to "
                f"{MAX_DIM}"
            )
    if not isinstance(card.get("verification", {}), Mapping):
        raise NbnetError(
            f"{where} has verification: {card['verification']!r}, expected the rates that "
            "`nbnet encoder test --json` prints"
        )
    if "framing" in card:
        card["framing"] = _framing(card["framing"], where)
    try:  # the defaults stand for what is left out
        Preprocess(**preprocess_fields({"image_size": 112, **card}))
    except NbnetError as error:
        raise NbnetError(f"{where} cannot be used: {error}") from error
    return card


def preprocess_fields(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a card that `Preprocess` takes, under its names."""
    return {("size" if key == "image_size" else key): card[key] for key in INPUT if key in card}


def _framing(value: Any, where: str) -> Framing:
    if isinstance(value, Framing):
        return value
    try:
        return Framing.from_card(value)
    except NbnetError as error:
        raise NbnetError(f"{where} cannot be used: {error}") from error


def find_card(
    card: Mapping[str, Any] | str | os.PathLike[str] | None, model: Path | None
) -> dict[str, Any]:
    """Return the checked entries of ``card``, or of the file beside ``model``, or none.

    Args:
        card: entries, or the path of a file with them; None to look beside the model.
        model: ``FOLDER/MODEL.onnx`` has its card in ``FOLDER/MODEL.yaml`` (.yml, .json).

    Raises:
        NbnetError: see `read_card` and `check_card`.
    """
    if isinstance(card, str | os.PathLike):
        return read_card(card)
    if card is not None:
        return check_card(card)
    if model is not None:
        for suffix in (".yaml", ".yml", ".json"):
            beside = model.with_suffix(suffix)
            if beside.is_file():
                return read_card(beside)
    return {}


def complete_card(
    card: Mapping[str, Any], preprocess: Preprocess | None, template_dim: int
) -> dict[str, Any]:
    """Return the card of an encoder with nothing left out: what is not known is said to be unknown.

    Args:
        card: what is known; its other entries are kept.
        preprocess: of the encoder; None where ``card`` has "input" and "framing" itself.
        template_dim: length of a template.

    Returns:
        ``card`` with source, licence, training_data (or "unknown"), input, framing, template_dim,
        and verification (a mapping, or None with the reason in "verification_missing").
    """
    full: dict[str, Any] = dict(card)
    for key in ("source", "licence", "training_data"):
        full.setdefault(key, UNKNOWN)
    if preprocess is not None:
        taken = preprocess.describe()
        full["framing"] = taken.pop("framing")
        for key in INPUT:
            if key != "framing":
                full.pop(key, None)
        pairs = list(zip(preprocess.mean, preprocess.std, strict=True))
        ends = [(pixel - mean) / std for mean, std in pairs for pixel in (0, 255)]
        full["input"] = {**taken, "range": [min(ends), max(ends)]}
    full["template_dim"] = template_dim
    if full.get("verification"):
        full.pop("verification_missing", None)
    else:
        full["verification"] = None
        full.setdefault("verification_missing", "not measured: `nbnet encoder test` measures it")
    return full
