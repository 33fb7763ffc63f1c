"""``nbnet evaluate --judge``: recognisers that look at the same reconstructions."""

from __future__ import annotations

import argparse
import re
from typing import Any

from nbnet_lib.cli.shared import short_name

INDEPENDENT = "independent"
SHIPPED = "synth-mobile"  # what `independent` opens
NONE = "none"
# A key of one's own before "=": a path or "onnx:FILE" never begins so.
_KEYED = re.compile(r"([A-Za-z0-9][A-Za-z0-9 _.-]*)=(.+)", re.S)


def add(parser: argparse.ArgumentParser) -> None:
    """Add ``--judge``."""
    group = parser.add_argument_group(
        "judges",
        "Part of what the target accepts can be a pattern that fits its one network instead of a "
        "face. Judges are recognisers that took no part in the training: they look at the same "
        "reconstructions (templates of one recogniser, pictures judged by another: transfer), at "
        "thresholds of their own, and the gap to the target is told.",
    )
    group.add_argument(
        "--judge",
        action="append",
        metavar="NAME",
        help=f"{INDEPENDENT} (the shipped {SHIPPED}), another name of `nbnet encoder list` such as "
        "dlib, a file as for --encoder, or KEY=NAME to choose what it is called; give it again for "
        f"more, or {NONE} for no judge (default: {INDEPENDENT} where the target is synth and the "
        "people are SynthFaces, else none)",
    )


def asked_for(args: argparse.Namespace, decoders: list[str], drawn: bool) -> dict[str, str]:
    """Return {key: what `open_judge` takes}, as the options and the defaults say.

    Args:
        args: with ``judge``, ``encoder`` and ``encoder_weights``.
        decoders: names of the attacks.
        drawn: whether the people are SynthFaces.

    Raises:
        NbnetError: judges without an attack, ``none`` beside others, a key twice or without a name.
    """
    from nbnet_lib.errors import NbnetError

    if args.judge is None:
        shipped = args.encoder == "synth" and not args.encoder_weights
        return {INDEPENDENT: SHIPPED} if decoders and drawn and shipped else {}
    if NONE in args.judge:
        if len(args.judge) > 1:
            raise NbnetError(f"--judge {NONE} leaves judges out: give it alone, or not at all")
        return {}
    if not decoders:
        raise NbnetError("--judge looks at reconstructions: leave it, or --no-attack, away")
    judges: dict[str, str] = {}
    for text in args.judge:
        keyed = _KEYED.fullmatch(text)
        key, name = (keyed[1].strip(), keyed[2]) if keyed else (short_name(text), text)
        if key in judges:
            raise NbnetError(
                f"two judges are called {key!r}: name each once, or write KEY=NAME to tell them "
                "apart"
            )
        judges[key] = SHIPPED if name == INDEPENDENT else name
    return judges


def open_judge(name: str, device: str) -> Any:
    """Return the encoder of a name, or of a file of ``nbnet encoder train``.

    Raises:
        NbnetError: unknown name, or packages, weights or a card that are missing or damaged.
    """
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.weights import load_card

    if not name.endswith(".safetensors"):
        return create_encoder(name, device=device)
    # Its card tells of which of the course's networks the weights are.
    network = load_card(name).get("network", "synth")
    encoder = create_encoder(network, device=device, weights=name)
    encoder.name = short_name(name)
    return encoder
