"""``nbnet evaluate``: an encoder, attacks, judges and a protocol; tables, JSON, reports to keep.

In a notebook: ``run_protocol(open_protocol(...), encoder, decoders, Options(...), judges)``.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_json,
    columns,
    command_line,
    identity_range,
    open_encoder,
    require_files,
    share,
    short_name,
    to_json,
    whole,
)
from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    from nbnet_lib.evaluate import Result

DECODER = "nbnet-b-64"
KINDS = (".json", ".csv", ".md", ".tex", ".html")
INDEPENDENT, SHIPPED_JUDGE, NO_JUDGE = "independent", "synth-mobile", "none"
# A key of the user's before "=": a path or "onnx:FILE" never begins so.
_KEYED = re.compile(r"([A-Za-z0-9][A-Za-z0-9 _.-]*)=(.+)", re.S)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a recogniser and the attack on it, on people that neither ever saw",
        description="Set thresholds on original against original, then compare reconstructions "
        "with the very picture whose template leaked (type-I) and with other pictures of the same "
        "person (type-II), and look for them in a gallery. Recognisers that took no part in the "
        "training judge the same pictures (--judge).",
    )
    add_encoder(parser)
    option = parser.add_argument
    text = (
        "an attack: a shipped name or a .safetensors file; give it again for more, which are "
        f"measured one by one, together and against each other (default {DECODER})"
    )
    option("--decoder", action="append", metavar="NAME", help=text)
    option("--no-attack", action="store_true", help="measure the recogniser alone")
    option = parser.add_argument_group(
        "judges",
        "Part of what the target accepts can be a pattern that fits its one network instead of a "
        "face. Judges are recognisers that took no part in the training: they look at the same "
        "reconstructions (templates of one recogniser, pictures judged by another: transfer), at "
        "thresholds of their own, and the gap to the target is reported.",
    ).add_argument
    text = (
        f"{INDEPENDENT} (the shipped {SHIPPED_JUDGE}), another name of `nbnet encoder list` such "
        "as dlib, a file as for --encoder, or KEY=NAME to choose what it is called; give it again "
        f"for more, or {NO_JUDGE} for no judge (default: {INDEPENDENT} where the target is synth "
        "and the people are SynthFaces, else none)"
    )
    option("--judge", action="append", metavar="NAME", help=text)
    option = parser.add_argument_group("what is compared").add_argument
    text = (
        "synthfaces, lfw (view 2), lfw-blufr, feret, folder (identity folders of your own), a "
        ".parquet manifest or a .csv list (default synthfaces)"
    )
    option("--protocol", default="synthfaces", metavar="NAME", help=text)
    option("--data", type=Path, metavar="FOLDER", help="the folder of its aligned pictures")
    text = (
        "lists of the benchmark that are not beside its pictures: pairs.txt of LFW, the .mat file "
        "of BLUFR, fa.txt and fb.txt of FERET"
    )
    option("--list", type=Path, nargs="+", default=[], metavar="FILE", help=text)
    add_people(option)
    more = parser.add_argument_group("more")
    option = more.add_argument
    option("--quality", action="store_true", help="also compare pictures: PSNR, SSIM, perceptual")
    text = (
        "let probes read SynthFaces parameters from templates (`nbnet faces parameters` lists "
        "them; without a name a useful few)"
    )
    option("--leakage", nargs="*", metavar="PARAMETER", help=text)
    add_bootstrap(option)
    add_device(more)
    out = parser.add_argument_group("output")
    option = out.add_argument
    text = (
        "also write the result; the ending says as what: .html (a page with figures), .json, .csv "
        "(a row per number), .md or .tex (the table of attacks). Can be given again"
    )
    option("--save", type=Path, action="append", default=[], metavar="FILE", help=text)
    option("--per-identity", type=Path, metavar="FILE.csv", help="write the rates of each person")
    text = "also write the result into the decoder's card, under 'benchmark'"
    option("--into-card", action="store_true", help=text)
    add_json(out)
    parser.set_defaults(run=run)


def add_people(option: Callable[..., Any]) -> None:
    """Add the people of SynthFaces and the FARs, to a parser or group by its ``add_argument``."""
    option(
        "--identities",
        type=identity_range,
        metavar="RANGE",
        help="of SynthFaces, for example 0-299 or 0-9,20 (default 0-299)",
    )
    option(
        "--samples", type=whole(1), metavar="N", help="of SynthFaces: pictures of each (default 6)"
    )
    rates = "false acceptance rates that thresholds are set for (default 0.01 0.001)"
    option("--far", type=share, nargs="+", default=[0.01, 0.001], metavar="FAR", help=rates)


def add_bootstrap(option: Callable[..., Any]) -> None:
    """Add the options of the bootstrap over identities, likewise."""
    option("--seed", type=whole(0), default=0, help="of the bootstrap (default 0)")
    draws = "of the bootstrap over identities (default 1000)"
    option("--resamples", type=whole(1), default=1000, metavar="N", help=draws)


def run(args: argparse.Namespace) -> Report:
    """Run the protocol; refuse what cannot be written before the long work."""
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.device import resolve_device
    from nbnet_lib.evaluate import DEFAULT_ATTRIBUTES, Options, open_protocol, run_protocol
    from nbnet_lib.evaluate.protocols.pictures import Drawn

    decoders = [] if args.no_attack else list(dict.fromkeys(args.decoder or [DECODER]))
    _check(args, decoders)
    protocol = open_protocol(
        args.protocol, args.data, args.identities, args.samples, args.seed, args.list
    )
    if args.per_identity and protocol.spread != "bootstrap":
        raise NbnetError(
            f"--per-identity needs one trial, and {protocol.name} has {len(protocol.trials)}: "
            "omit it"
        )
    names = _judge_names(args, decoders, isinstance(protocol.pictures.where, Drawn))
    device = resolve_device(args.device)
    judges = {key: open_judge(name, device) for key, name in names.items()}
    attacks = [load_decoder(name, device=device) for name in decoders]
    for name, attack in zip(decoders, attacks, strict=True):
        attack.name = short_name(name)  # type: ignore[assignment]
    leakage = DEFAULT_ATTRIBUTES if args.leakage == [] else args.leakage or ()
    options = Options(args.far, args.seed, args.resamples, args.quality, leakage)
    result = run_protocol(protocol, open_encoder(args), attacks, options, judges)
    # The page comes last: should a figure fail, the numbers are on disk.
    for path in sorted(args.save, key=lambda path: path.suffix == ".html"):
        _save(result, path, command_line(args.argv))
    if args.per_identity:
        assert result.per_identity is not None
        _write(args.per_identity, result.per_identity.to_csv(index=False, lineterminator="\n"))
    payload = result.to_dict()
    if args.into_card:
        _into_card(decoders[0], payload)
    written = [str(path) for path in [*args.save, args.per_identity] if path]
    text = result_text(payload) + (f"\n\nWritten: {', '.join(written)}" if written else "")
    return Report(payload, text)


def _check(args: argparse.Namespace, decoders: list[str]) -> None:
    from nbnet_lib.files import require_writable_folder
    from nbnet_lib.weights import weight_path

    if args.no_attack and args.decoder:
        raise NbnetError("--no-attack leaves decoders out: give it, or --decoder, not both")
    if args.into_card and len(decoders) != 1:
        raise NbnetError(f"--into-card writes into one card: give one --decoder, not {decoders}")
    require_files(args.save, KINDS)
    for path in args.save:
        if path.suffix == ".tex" and not decoders:
            raise NbnetError(f"{path} is a table of attacks: omit --no-attack")
    if args.per_identity and (not decoders or args.per_identity.suffix != ".csv"):
        raise NbnetError(
            f"{args.per_identity} holds the rates of attacks, person by person: name a .csv file "
            "and omit --no-attack"
        )
    require_files([args.per_identity] if args.per_identity else [], [".csv"])
    if args.into_card:
        require_writable_folder(weight_path(decoders[0]).parent)


def _judge_names(args: argparse.Namespace, decoders: list[str], drawn: bool) -> dict[str, str]:
    """Return {key: what `open_judge` takes}; ``drawn``: whether the people are SynthFaces."""
    if args.judge is None:
        shipped = args.encoder in ("synth", "synth-colour") and not args.encoder_weights
        return {INDEPENDENT: SHIPPED_JUDGE} if decoders and drawn and shipped else {}
    if NO_JUDGE in args.judge:
        if len(args.judge) > 1:
            raise NbnetError(f"--judge {NO_JUDGE} leaves judges out: give it alone, or not at all")
        return {}
    if not decoders:
        raise NbnetError("--judge looks at reconstructions: omit it, or --no-attack")
    judges: dict[str, str] = {}
    for text in args.judge:
        keyed = _KEYED.fullmatch(text)
        key, name = (keyed[1].strip(), keyed[2]) if keyed else (short_name(text), text)
        if key in judges:
            raise NbnetError(
                f"two judges are called {key!r}: name each once, or write KEY=NAME to tell them "
                "apart"
            )
        judges[key] = SHIPPED_JUDGE if name == INDEPENDENT else name
    return judges


def open_judge(name: str, device: str) -> Any:
    """Return the encoder of a name, or of a file of ``nbnet encoder train``."""
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.weights import load_card

    if not name.endswith(".safetensors"):
        return create_encoder(name, device=device)
    # Its card says of which of the course's networks the weights are.
    network = load_card(name).get("network", "synth")
    encoder = create_encoder(network, device=device, weights=name)
    encoder.name = short_name(name)
    return encoder


def _save(result: Result, path: Path, command: str) -> None:
    from nbnet_lib.evaluate import report, tables

    if path.suffix == ".html":
        report.write_report(result, path, command)
    elif path.suffix in (".md", ".tex"):
        lay_out = tables.all_markdown if path.suffix == ".md" else tables.to_latex
        _write(path, lay_out(result.to_dict()))
    else:
        _write(path, result.to_json() if path.suffix == ".json" else result.to_csv())


def _write(path: Path, text: str) -> None:
    from nbnet_lib.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _into_card(decoder: str, result: dict[str, Any]) -> None:
    from nbnet_lib.weights import load_card, weight_path

    card = load_card(decoder)
    # The seconds belong to this machine, not to the weights.
    card["benchmark"] = {key: value for key, value in result.items() if key != "seconds"}
    _write(weight_path(decoder).with_suffix(".json"), to_json(card) + "\n")


def result_text(result: dict[str, Any]) -> str:
    """Return the result's JSON object as tables for a terminal."""
    from nbnet_lib.evaluate import tables

    protocol = result["protocol"]
    lines = [
        f"Encoder {result['encoder']}, {protocol['source']}: {protocol['pictures']:,} pictures of "
        f"{protocol['identities']:,} people",
        f"({tables.spread_text(protocol['spread'])})",
        *(f"{name}: {how}" for name, how in result.get("trained", {}).items()),
    ]
    made = tables.tables(result)
    for key, (caption, table) in made.items():
        header, rows = tables.cells(table)
        lines += ["", caption, columns(rows, header)]
        if key == tables.last_judged(made):
            lines += textwrap.wrap(f"{tables.GAP_NOTE}.", 100)
    lines += [f"\nnote: {note}" for note in result["notes"]]
    return "\n".join(lines)
