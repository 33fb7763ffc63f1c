"""``nbnet encoder test``: how well a recogniser recognises, and whether it is fed as trained."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_json,
    columns,
    identity_range,
    open_encoder,
    percent,
    share,
    whole,
)

if TYPE_CHECKING:
    from nbnet_lib.evaluate import Result
    from nbnet_lib.evaluate.encoder_check import Diagnosis


def add(commands: Any) -> None:
    """Add the command to the parser of ``nbnet encoder``."""
    test = commands.add_parser(
        "test",
        help="verification rates, and a diagnosis of the usual mistakes",
        description="Compares all pairs of pictures and prints TAR at FARs. Then tries, on a part "
        "of the pictures, what is usually got wrong with somebody else's network (order of the "
        "colours, range of the pixels, framing, alignment), and says what fits better.",
    )
    add_encoder(test)
    add_device(test)
    test.add_argument(
        "--identities",
        type=identity_range,
        metavar="RANGE",
        help="of SynthFaces, for example 0-299 or 0-9,20 (default 0-299)",
    )
    test.add_argument(
        "--samples", type=whole(1), metavar="N", help="of SynthFaces: pictures of each (default 6)"
    )
    test.add_argument(
        "--data",
        type=Path,
        metavar="SOURCE",
        help="pictures of your own instead of SynthFaces: a folder of identity folders or a "
        "manifest (.parquet)",
    )
    test.add_argument(
        "--protocol",
        metavar="NAME",
        help="how --data is compared (see nbnet evaluate; default: all pairs)",
    )
    test.add_argument("--far", type=share, nargs="+", default=[0.01, 0.001], metavar="FAR")
    test.add_argument("--seed", type=whole(0), default=0, help="of the bootstrap (default 0)")
    test.add_argument("--resamples", type=whole(1), default=1000, metavar="N")
    test.add_argument(
        "--diagnose",
        type=whole(0),
        default=60,
        metavar="PEOPLE",
        help="on how many people alternatives are tried, 3 pictures each; 0 for none (default 60)",
    )
    test.add_argument(
        "--into-card",
        type=Path,
        metavar="CARD.yaml",
        help="write the rates into the card of your model, under 'verification'",
    )
    add_json(test)
    test.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Measure by the protocol, then diagnose."""
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.evaluate import open_protocol, run_protocol
    from nbnet_lib.evaluate.encoder_check import FEWEST, diagnose, enough_people

    if 0 < args.diagnose < FEWEST:
        raise NbnetError(f"--diagnose {args.diagnose}: give {FEWEST} people or more, or 0")
    if args.into_card is not None:
        from nbnet_lib.encoders.card_file import check_card_file

        check_card_file(args.into_card)
    name = args.protocol or ("synthfaces" if args.data is None else _protocol_of(args.data))
    data = None if name.endswith((".parquet", ".csv")) and not args.protocol else args.data
    protocol = open_protocol(name, data, args.identities, args.samples, args.seed)
    # Verification is asked for: without a gallery nobody is searched, and nothing told of it.
    trials = tuple(replace(trial, gallery=None, probes={}) for trial in protocol.trials)
    protocol = replace(protocol, trials=trials)
    encoder = open_encoder(args)
    result = run_protocol(
        protocol, encoder, fars=args.far, seed=args.seed, resamples=args.resamples
    )
    payload = _rates(args.encoder, result)
    text = _rates_text(payload)
    if args.diagnose and enough_people(protocol):
        found = diagnose(encoder, protocol, args.diagnose, seed=args.seed, progress=True)
        payload["diagnosis"] = found.to_dict()
        text += "\n\n" + diagnosis_text(found)
    elif args.diagnose:
        text += f"\n\nNo diagnosis: it needs {FEWEST} people or more with two pictures each."
    if args.into_card is not None:
        from nbnet_lib.encoders.card_file import write_verification

        measured = {k: v for k, v in payload.items() if k not in ("diagnosis", "encoder")}
        write_verification(args.into_card, measured)
        text += f"\n\nThe rates are in {args.into_card}, under 'verification'."
    return Report(payload, text)


def _protocol_of(data: Path) -> str:
    return str(data) if data.suffix in (".parquet", ".csv") else "folder"


def _rates(encoder: str, result: Result) -> dict[str, Any]:
    """Return what is printed and what a card holds under "verification"."""
    trials = result.protocol["trials"]
    rates = {}
    for far in result.fars:
        tar = result.get("tar", kind="original", far=far)
        rates[f"{far:g}"] = {
            "threshold": result.get("threshold", far=far).value,
            "tar": tar.value,
            "low": tar.low,
            "high": tar.high,
        }
    return {
        "encoder": encoder,
        "source": result.protocol["source"],
        "identities": result.protocol["identities"],
        "pictures": result.protocol["pictures"],
        "genuine_pairs": sum(trial["genuine"] for trial in trials),
        "impostor_pairs": sum(trial["impostor"] for trial in trials),
        "eer": result.get("eer").value,
        "far": rates,
        "notes": result.notes,
    }


def _rates_text(payload: dict[str, Any]) -> str:
    def interval(rate: dict[str, Any]) -> str:
        if rate["low"] is None:
            return "none"
        return f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f} %"

    rows = [
        (percent(float(far)), f"{rate['threshold']:.3f}", percent(rate["tar"]), interval(rate))
        for far, rate in payload["far"].items()
    ]
    lines = [
        f"Encoder {payload['encoder']}, {payload['source']}: {payload['genuine_pairs']:,} genuine "
        f"and {payload['impostor_pairs']:,} impostor pairs, equal error rate "
        f"{100 * payload['eer']:.2f} %",
        columns(rows, ("FAR", "threshold", "TAR", "95 % over people")),
        *(f"note: {note}" for note in payload["notes"]),
    ]
    return "\n".join(lines)


def diagnosis_text(found: Diagnosis) -> str:
    """Return the verdict first, then everything that was tried."""
    if found.findings:
        lines = [f"Diagnosis: {finding}." for finding in found.findings]
    elif found.hopeless:
        lines = ["Diagnosis: none can be made."]
    else:
        lines = ["Diagnosis: nothing that was tried fits better; its input looks right."]
    lines += [f"note: {note}" for note in found.notes]
    for number, tried in enumerate(found.rounds, 1):
        before = "" if number == 1 else f", with {found.findings[number - 2].name} kept"
        rows = [
            (
                row.name,
                "fails" if row.eer is None else f"{100 * row.eer:.2f} %",
                "" if row.d_prime is None else f"{row.d_prime:.2f}",
                "" if row.gain is None else f"{row.gain:+.2f} [{row.low:+.2f}, {row.high:+.2f}]",
                "better" if row.better else "",
            )
            for row in tried
        ]
        header = ("tried", "EER", "d'", "difference of d'", "")
        lines += [
            f"\nTried on {found.pictures:,} pictures of {found.people:,} people{before} (read at "
            "160 px or more, so the first line may differ a little from the rates above):",
            columns(rows, header),
        ]
    return "\n".join(lines)
