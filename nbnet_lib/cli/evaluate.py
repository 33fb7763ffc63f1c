"""``nbnet evaluate``: the default benchmark, type-I and type-II, as a table or as JSON."""

from __future__ import annotations

import argparse
from typing import Any

from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_identities,
    add_json,
    columns,
    open_encoder,
    percent,
    to_json,
    whole,
)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure the attack on identities that it never saw",
        description="Set thresholds on original against original, then compare reconstructions "
        "with the very picture whose template leaked (type-I) and with other pictures of the same "
        "person (type-II).",
    )
    add_encoder(parser)
    parser.add_argument(
        "--decoder", default="nbnet-b-64", help="a shipped name or a .safetensors file"
    )
    add_identities(parser, "0-299", 6)
    parser.add_argument("--seed", type=whole(0), default=0, help="of the bootstrap (default 0)")
    add_device(parser)
    parser.add_argument(
        "--into-card",
        action="store_true",
        help="also write the result into the decoder's card, under 'benchmark'",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Run the benchmark."""
    from nbnet_lib.course.profile import resolve_device
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.evaluate import run_benchmark

    result = run_benchmark(
        open_encoder(args.encoder, args.device),
        load_decoder(args.decoder, device=resolve_device(args.device)),
        identities=args.identities,
        samples=args.samples,
        seed=args.seed,
    )
    payload = result.to_dict()
    if args.into_card:
        _into_card(args.decoder, payload)
    return Report(payload, attack_table(payload))


def _into_card(decoder: str, result: dict[str, Any]) -> None:
    from nbnet_lib.files import atomic_path
    from nbnet_lib.weights import load_card, weight_path

    card = load_card(decoder)
    # The seconds belong to this machine, not to the weights.
    card["benchmark"] = {key: value for key, value in result.items() if key != "seconds"}
    with atomic_path(weight_path(decoder).with_suffix(".json")) as temporary:
        temporary.write_text(to_json(card) + "\n", encoding="utf-8")


def attack_rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the cells of the attack table: the header, then one row per FAR."""
    header = ("FAR", "threshold", "original TAR", "type-I TAR", "type-II TAR")
    rows = [
        (percent(float(far)), f"{row['threshold']:.3f}")
        + tuple(_with_interval(row[kind]) for kind in ("original", "type1", "type2"))
        for far, row in result["far"].items()
    ]
    return [header, *rows]


def attack_table(result: dict[str, Any]) -> str:
    """Return the benchmark's JSON object as a text table."""
    header, *rows = attack_rows(result)
    return (
        f"Decoder {result['decoder']} against encoder {result['encoder']}, "
        f"{result['identities']} identities the attack never saw (95 % interval in brackets)\n"
        + columns(rows, header)
    )


def _with_interval(value: dict[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{percent(value['tar'])} [{100 * low:.1f}, {100 * high:.1f}]"
