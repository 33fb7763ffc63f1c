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
    return Report(payload, attack_table(payload))


def attack_table(result: dict[str, Any]) -> str:
    """Return the benchmark's JSON object as a text table, one row per FAR."""
    rows = [
        (percent(float(far)), f"{row['threshold']:.3f}")
        + tuple(_with_interval(row[kind]) for kind in ("original", "type1", "type2"))
        for far, row in result["far"].items()
    ]
    header = ("FAR", "threshold", "original TAR", "type-I TAR", "type-II TAR")
    ids = result["identities"]
    count = ids if isinstance(ids, int | str) else len(ids)
    return "\n".join(
        [
            f"Decoder {result['decoder']} against encoder {result['encoder']}, {count} identities "
            f"the attack never saw (95 % interval in brackets)",
            columns(rows, header),
        ]
    )


def _with_interval(value: dict[str, Any]) -> str:
    low, high = value["ci95"]
    if low is None or high is None:
        return percent(value["tar"])
    return f"{percent(value['tar'])} [{100 * low:.1f}, {100 * high:.1f}]"
