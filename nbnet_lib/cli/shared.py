"""What the commands share: the report they return, number ranges, and text tables.

Standard library only, so that ``nbnet --help`` answers at once: the commands import torch inside
their ``run`` functions.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbnet_lib.errors import NbnetError
from nbnet_lib.identities import parse_identities


@dataclass
class Report:
    """What a command found: ``payload`` for ``--json``, ``text`` for people, exit ``status``."""

    payload: Any
    text: str
    status: int = 0


def identity_range(text: str) -> list[int]:
    """Argparse type for lists of identities; see `nbnet_lib.identities.parse_identities`."""
    try:
        return parse_identities(text)
    except NbnetError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _number(text: str, kind: type, allowed: Callable[[Any], bool], wanted: str) -> Any:
    """Return ``text`` as a number that is allowed; argparse prints the sentence otherwise."""
    with contextlib.suppress(ValueError):
        if allowed(value := kind(text)):
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")


def whole(minimum: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers of at least ``minimum``."""
    wanted = f"a whole number of {minimum} or more"
    return lambda text: _number(text, int, lambda value: value >= minimum, wanted)


def positive(text: str) -> float:
    """Argparse type for finite numbers above zero."""
    return _number(text, float, lambda value: 0 < value < math.inf, "a number above 0")


def share(text: str) -> float:
    """Argparse type for numbers between 0 and 1, neither included."""
    wanted = "between 0 and 1: 0.001 means 0.1 %"
    return _number(text, float, lambda value: 0 < value < 1, wanted)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_identities(parser: argparse.ArgumentParser, default: str, samples: int) -> None:
    """Add ``--identities`` and ``--samples``."""
    parser.add_argument(
        "--identities",
        type=identity_range,
        default=identity_range(default),
        metavar="RANGE",
        help=f"for example 0-299 or 0-9,20 (default {default})",
    )
    parser.add_argument(
        "--samples",
        type=whole(1),
        default=samples,
        metavar="N",
        help=f"pictures of each identity (default {samples})",
    )


def add_difficulty(parser: argparse.ArgumentParser) -> None:
    """Add ``--difficulty``."""
    parser.add_argument(
        "--difficulty", type=float, default=1.0, metavar="D", help="0.25 easy to 2 hard (default 1)"
    )


def add_workers(parser: Any, what: str = "how many draw at once") -> None:
    """Add ``--workers`` to a parser or a group of one; ``what`` begins its help."""
    parser.add_argument(
        "--workers", type=whole(1), metavar="N", help=f"{what} (default: one per core)"
    )


def require_files(paths: Sequence[Path], kinds: Sequence[str]) -> None:
    """Refuse files that cannot be written, before the work that fills them.

    Raises:
        NbnetError: an ending that is not among ``kinds``, a folder, or one not writable.
    """
    from nbnet_lib.files import require_writable_folder

    for path in paths:
        if path.suffix not in kinds:
            raise NbnetError(f"{path} cannot be saved: name a file that ends in {', '.join(kinds)}")
        if path.is_dir():
            raise NbnetError(f"{path} is a folder: name the file to write")
        require_writable_folder(path.parent)


def shards_report(folder: Path, index: dict[str, Any]) -> Report:
    """Return the report on a folder of tar shards with the index that was written there."""
    shards = index["shards"]
    images, size = sum(s["images"] for s in shards), sum(s["bytes"] for s in shards)
    text = f"{images:,} pictures in {len(shards)} shards ({size / 1e6:,.1f} MB) in {folder}"
    return Report({"folder": folder, **index}, text)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """Add ``--encoder`` and what belongs to it."""
    group = parser.add_argument_group("the recogniser")
    group.add_argument(
        "--encoder",
        default="synth",
        metavar="NAME",
        help="a name of `nbnet encoder list`, onnx:FILE, torchscript:FILE, "
        "python:FILE.py:FUNCTION, or a .safetensors file of `nbnet encoder train` (default synth)",
    )
    group.add_argument(
        "--encoder-weights", metavar="FILE", help="weights of a recogniser that ships none"
    )
    group.add_argument(
        "--encoder-card",
        metavar="FILE.yaml",
        help="what an ONNX or TorchScript file or a function expects (default: the .yaml file of "
        "that name beside it)",
    )
    group.add_argument(
        "--alignment",
        choices=("framing", "detect"),
        help="move all pictures alike, or look for the face in each (default: the recogniser's)",
    )


def open_encoder(args: argparse.Namespace) -> Any:
    """Return the encoder that the options of `add_encoder` and ``--device`` ask for.

    Raises:
        NbnetError: unknown name, weights that are missing or damaged, a device that is not there.
    """
    from nbnet_lib.device import resolve_device
    from nbnet_lib.encoders import create_encoder

    name, weights = args.encoder, args.encoder_weights
    if name.endswith(".safetensors"):
        if weights:
            raise NbnetError(
                f"--encoder {name} is a weight file already: leave out --encoder-weights"
            )
        name, weights = "synth", name
    encoder = create_encoder(
        name,
        device=resolve_device(args.device),
        weights=weights,
        card=args.encoder_card,
        alignment=args.alignment,
    )
    if name == "synth" and weights:
        encoder.name = short_name(weights)
    return encoder


def short_name(weights: str) -> str:
    """Return what reports call weights: a shipped name, or folder and file of a path.

    Reports are shared, and the rest of a path often carries somebody's name.
    """
    path = Path(weights)
    if path.suffix != ".safetensors":
        return weights
    return "/".join(part for part in (path.parent.name, path.name) if part)


def columns(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    """Return rows as text in aligned columns, numbers to the right."""
    cells = [[str(c) for c in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "-" * sum(widths, 2 * (len(widths) - 1)))
    return "\n".join(lines)


def percent(value: float | None) -> str:
    """Return 0.954 as ``"95.4 %"``, and nothing where there is no value."""
    return "" if value is None else f"{100 * value:.1f} %"


def note(text: str) -> None:
    """Print progress for people; stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def command_line(argv: Sequence[str]) -> str:
    """Return the command as a person would type it again, for the card of what it made.

    Absolute paths become their last part: cards are shared, and home folders carry names.
    """
    return shlex.join(["nbnet", *(Path(a).name if Path(a).is_absolute() else a for a in argv)])


def to_json(payload: Any) -> str:
    """Return one JSON document; numpy scalars, arrays and paths become plain values.

    NaN has no spelling in JSON and becomes null.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        if hasattr(value, "tolist"):  # numpy and torch
            return plain(value.tolist())
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value

    return json.dumps(plain(payload), indent=2, allow_nan=False)
