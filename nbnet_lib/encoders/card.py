"""The card of an encoder: where it comes from, what it takes, and how well it verifies.

A network in a file says little about itself. Its owner writes the rest into a small YAML (or JSON)
file, ``MODEL.yaml`` next to ``MODEL.onnx``. `nbnet encoder test --into-card MODEL.yaml` leaves that
file as it was written and stores the rates in ``MODEL.verification.json``, from where they are read
with the card. Every entry may be left out:

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

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing
from nbnet_lib.files import atomic_path, require_writable_folder

MIN_DIM = 16  # the least length of a template that decoders are made for
UNKNOWN = "unknown"
TEXTS = ("name", "source", "licence", "training_data", "output")
CHOICES = {"alignment": ("framing", "detect"), "takes": ("torch", "numpy", "uint8")}
# What only `Preprocess` can judge, in the order of its fields.
INPUT = ("image_size", "framing", "channels", "layout", "mean", "std")
KEYS = (*TEXTS, *INPUT, *CHOICES, "template_dim", "verification")
SUFFIXES = (".yaml", ".yml", ".json")
RATES = ".verification.json"  # in place of the suffix of a YAML card


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a card in YAML or JSON, with the rates that were measured for it.

    Raises:
        NbnetError: no such file, not YAML or JSON, not a card, or an entry that is wrong or
            unknown.
    """
    path = Path(path)
    entries = check_card(_read(path), f"the card {path}")
    rates = path.with_suffix(RATES)
    if rates.is_file():
        entries["verification"] = _read(rates)
    return entries


def _read(path: Path) -> Any:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise NbnetError(
            f"the card {path} cannot be read ({error.strerror}): give the path of a .yaml file"
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise NbnetError(f"the card {path} is not valid text in its format: {reason}") from error


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
    card = {key: value for key, value in entries.items() if value is not None}
    for key, value in card.items():
        expected = _expected(key, value)
        if key not in KEYS:
            raise NbnetError(
                f"{where} has an entry {key!r} that is not known: choose from {', '.join(KEYS)}"
            )
        if expected is not None:
            raise NbnetError(f"{where} has {key}: {value!r}, expected {expected}")
    try:
        if "framing" in card and not isinstance(card["framing"], Framing):
            card["framing"] = Framing.from_card(card["framing"])
        # The defaults stand for what is left out.
        Preprocess(**preprocess_fields({"image_size": 112, **card}))
    except NbnetError as error:
        raise NbnetError(f"{where} cannot be used: {error}") from error
    return card


def _expected(key: str, value: Any) -> str | None:
    """Return what belongs under ``key`` where ``value`` does not."""
    if key in TEXTS and not isinstance(value, str):
        return "text (in quotes)"
    if key in CHOICES and value not in CHOICES[key]:
        return " or ".join(CHOICES[key])
    if key == "template_dim" and (type(value) is not int or value < MIN_DIM):
        return f"a whole number of {MIN_DIM} or more"
    if key == "verification" and not isinstance(value, Mapping):
        return "the rates that `nbnet encoder test --json` prints"
    return None


def preprocess_fields(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a card that `Preprocess` takes, under its names."""
    return {("size" if key == "image_size" else key): card[key] for key in INPUT if key in card}


def find_card(
    card: Mapping[str, Any] | str | os.PathLike[str] | None, model: Path | None
) -> dict[str, Any]:
    """Return the checked entries of ``card``, or of the file next to ``model``, or none.

    Args:
        card: entries, or the path of a file with them; None to look next to the model.
        model: ``FOLDER/MODEL.onnx`` has its card in ``FOLDER/MODEL.yaml`` (.yml, .json).

    Raises:
        NbnetError: see `read_card` and `check_card`.
    """
    if isinstance(card, str | os.PathLike):
        return read_card(card)
    if card is not None:
        return check_card(card)
    if model is None:
        return {}
    for suffix in SUFFIXES:
        if model.with_suffix(suffix).is_file():
            return read_card(model.with_suffix(suffix))
    rates = model.with_suffix(RATES)
    return {"verification": _read(rates)} if rates.is_file() else {}


def complete_card(
    card: Mapping[str, Any], preprocess: Preprocess | None, template_dim: int
) -> dict[str, Any]:
    """Return the card of an encoder with nothing left out: what is not known is called unknown.

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


def check_card_file(path: Path) -> None:
    """Raise unless rates can be written for the card ``path``: before the long work.

    Raises:
        NbnetError: another suffix, a card that cannot be read, or a folder that cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise NbnetError(f"{path} is not a card: name a file that ends in {', '.join(SUFFIXES)}")
    require_writable_folder(path.parent)
    if path.exists() and path.stat().st_size:  # an empty file is a card to be made
        read_card(path)


def write_verification(path: Path, measured: Mapping[str, Any]) -> Path:
    """Store measured rates with a card, which need not exist yet.

    Returns:
        the file that holds them: a JSON card itself, or `RATES` next to a YAML card.
    """
    check_card_file(path)
    rates = dict(measured)
    if path.suffix == ".json":
        entries = json.loads(path.read_text(encoding="utf-8") or "{}") if path.exists() else {}
        rates = {**entries, "verification": rates}
    else:
        path = path.with_suffix(RATES)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(rates, indent=2) + "\n", encoding="utf-8")
    return path
