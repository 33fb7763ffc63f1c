"""``nbnet encoder``: list, describe, test, train, use and export template extractors."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli.evaluate import add_bootstrap, add_people, open_judge
from nbnet_lib.cli.shared import (
    Report,
    add_device,
    add_encoder,
    add_identities,
    add_json,
    columns,
    command_line,
    open_encoder,
    percent,
    require_files,
    to_json,
    whole,
)

if TYPE_CHECKING:
    from nbnet_lib.evaluate import Result
    from nbnet_lib.evaluate.encoder_check import Diagnosis
    from nbnet_lib.evaluate.invariance import Profile

SAVED = (".html", ".json", ".png", ".svg")


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    encoder = subparsers.add_parser("encoder", help="list, test, train and export encoders")
    commands = encoder.add_subparsers(title="commands", metavar="COMMAND", required=True)

    names = commands.add_parser("list", help="the encoders that --encoder knows")
    add_json(names)
    names.set_defaults(run=run_list)

    info = commands.add_parser("info", help="the card of an encoder: source, licence, input, rates")
    info.add_argument("encoder", metavar="NAME", help="as --encoder takes it, for example dlib")
    info.add_argument("--encoder-weights", metavar="FILE")
    info.add_argument("--encoder-card", metavar="FILE.yaml")
    add_json(info)
    info.set_defaults(run=run_info, device="cpu", alignment=None)

    _add_test(commands)

    train = commands.add_parser("train", help="make the weights of a small encoder again")
    train.add_argument(
        "--network",
        default="synth",
        help="synth, or synth-mobile, the independent judge (default synth)",
    )
    add_identities(train, "300000-305999", 8)
    train.add_argument("--epochs", type=whole(1), default=8)
    train.add_argument("--seed", type=whole(0), default=0)
    add_device(train)
    train.add_argument(
        "--out",
        type=Path,
        default=Path("runs/encoder/synth.safetensors"),
        metavar="FILE.safetensors",
    )
    add_json(train)
    train.set_defaults(run=run_train)

    embed = commands.add_parser("embed", help="write the templates of pictures")
    add_encoder(embed)
    add_device(embed)
    add_identities(embed, "0-11", 1)
    embed.add_argument(
        "--data",
        type=Path,
        metavar="SOURCE",
        help="pictures of your own instead of SynthFaces: a folder of identity folders, a folder "
        "of tar shards or a manifest (.parquet)",
    )
    embed.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    add_json(embed)
    embed.set_defaults(run=run_embed)

    export = commands.add_parser("export", help="write an encoder as an ONNX file, and check it")
    add_encoder(export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    add_json(export)
    export.set_defaults(run=run_export, device="cpu")
    text = "write an ONNX file of MXNet anew, with PRelu slopes of the right shape"
    repair = commands.add_parser("repair", help=text)
    repair.add_argument("--file", type=Path, required=True, metavar="FILE.onnx")
    repair.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    add_json(repair)
    repair.set_defaults(run=run_repair)


def run_list(args: argparse.Namespace) -> Report:
    """List the encoders with what their cards say; none is made."""
    from nbnet_lib.encoders import encoder_kinds
    from nbnet_lib.encoders.known import known_encoders

    known = known_encoders()
    rows = []
    for e in known:
        licence = re.split(r"\s*[(;]", str(e.card.get("licence", "")))[0]
        rows.append((e.name, e.template_dim, e.image_size, e.alignment, licence, e.weights))
    header = ("name", "template", "pixels", "alignment", "licence", "weights")
    text = columns(rows, header) + "\n\nFiles and functions of your own:\n"
    text += "\n".join(f"  {what}" for what in encoder_kinds().values())
    return Report([asdict(e) for e in known], text)


def run_info(args: argparse.Namespace) -> Report:
    """Print the whole card of an encoder; one whose weights are elsewhere is not made."""
    from nbnet_lib.encoders import encoder_names
    from nbnet_lib.encoders.known import known_encoder

    known = None
    if args.encoder in encoder_names() and not (args.encoder_weights or args.encoder_card):
        known = known_encoder(args.encoder)
    encoder: Any = open_encoder(args) if known is None or known.ready else known
    payload = {k: getattr(encoder, k) for k in ("name", "template_dim", "image_size", "alignment")}
    if encoder is known:
        payload["weights"] = known.weights
    else:
        payload |= {"framing": encoder.framing.to_card(), "sha256": encoder.sha256}
    payload["card"] = encoder.card
    return Report(payload, "\n".join(_outline(payload)))


def _outline(entries: dict[str, Any], indent: str = "") -> list[str]:
    """Return nested entries as indented lines; shares of verification as percent."""
    lines = []
    for key, value in entries.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_outline(value, indent + "  ")]
        elif isinstance(value, float) and key in ("eer", "tar", "accuracy", "low", "high"):
            lines.append(f"{indent}{key}: {percent(value)}")
        else:
            lines.append(f"{indent}{key}: {'none' if value is None else value}")
    return lines


def run_train(args: argparse.Namespace) -> Report:
    """Train the encoder and write weights with their card."""
    from nbnet_lib.device import resolve_device
    from nbnet_lib.encoders.train import train_encoder

    names = ("identities", "samples", "epochs", "seed", "out", "network")
    options = {name: getattr(args, name) for name in names}
    card = train_encoder(**options, device=resolve_device(args.device))
    return Report(card, f"Trained with `{command_line(args.argv)}`: {args.out} and its card")


def run_embed(args: argparse.Namespace) -> Report:
    """Write templates [N, d], whose each is and by whom, as `nbnet reconstruct` reads them."""
    import numpy as np

    from nbnet_lib.encoders.origin import origin_of
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.faces.placement import check_placement
    from nbnet_lib.files import atomic_path, require_writable_folder

    if args.out.suffix != ".npz":
        raise NbnetError(f"templates are written as .npz files, not {args.out.name}")
    require_writable_folder(args.out.parent)
    encoder = open_encoder(args)
    framing, images, names = _pictures(args, encoder.image_size)
    placed = check_placement({"": encoder}, framing, lambda row: images[row], len(images)).get("")
    notes = placed.notes() if placed else []
    templates, n_attempted, n_detected = encoder.embed_counted(
        images, progress=True, framing=framing
    )
    missed = n_attempted - n_detected
    origin = origin_of(encoder).entries()
    names |= {key: np.array(value) for key, value in origin.items() if value is not None}
    with atomic_path(args.out) as temporary, open(temporary, "wb") as file:
        np.savez(file, templates=templates.numpy(), **names)
    payload = {
        "file": args.out,
        "templates": len(templates),
        "template_dim": templates.shape[1],
        "faces_looked_for": n_attempted,
        "faces_not_found": missed,
        **origin,
        **({"alignment": placed.to_dict()} if placed else {}),
    }
    if missed:
        notes.append(
            f"the detector found no face in {missed:,} of {n_attempted:,} "
            "pictures: their templates were taken where the framing puts the face"
        )
    text = "\nnote: ".join([f"{len(templates)} templates in {args.out}", *notes])
    return Report(payload | {"notes": notes}, text)


def _pictures(args: argparse.Namespace, size: int) -> tuple[Any, Any, dict[str, Any]]:
    """Return (framing, uint8 [N, size, size, 3], what the .npz file says of each picture)."""
    import numpy as np

    if args.data is not None:
        from nbnet_lib.data.arrays import picture_array

        own = picture_array(args.data, size)
        # Fixed-width text, not objects: those would need pickle to be read again.
        names = {"identities": np.array(own.identities, str), "names": np.array(own.names, str)}
        return own.framing, own.images, names
    from nbnet_lib.faces import render_set
    from nbnet_lib.faces.framing import find_framing

    faces = render_set(args.identities, args.samples, size=size)
    names = {"identities": faces.identities, "samples": faces.samples}
    return find_framing("synthfaces"), faces.images, names


def run_export(args: argparse.Namespace) -> Report:
    """Write the encoder's network as an ONNX file that `--encoder onnx:FILE` opens."""
    from nbnet_lib.encoders.onnx_export import export_onnx

    written = export_onnx(open_encoder(args), args.out)
    text = (
        f"{args.out} ({written['bytes']:,} bytes, opset {written['opset']}): templates differ by "
        f"{written['max_difference']:.1e} at most; use it as --encoder onnx:{args.out}"
    )
    return Report(written, text)


def run_repair(args: argparse.Namespace) -> Report:
    """Write an ONNX file anew with PRelu slopes that runtimes can use."""
    from nbnet_lib.encoders.onnx_graph import repair_slopes

    slopes = repair_slopes(args.file, args.out)
    text = f"{args.out}: {len(slopes)} slopes have the shape [C, 1, 1]; use it as --encoder onnx:"
    return Report({"file": args.out, "slopes": slopes}, f"{text}{args.out}")


def _add_test(commands: Any) -> None:
    test = commands.add_parser(
        "test",
        help="verification rates, a diagnosis of the usual mistakes, and what it looks at",
        description="Compares all pairs of pictures and prints TAR at FARs. Then tries, on a part "
        "of the pictures, what is usually got wrong with somebody else's network (order of the "
        "colours, range of the pixels, framing, alignment), and says what fits better. Last, what "
        "it looks at: pictures are changed in one thing at a time (colours, sharpness, hair, "
        "glasses, age, pose, light), and the rates measured again.",
    )
    add_encoder(test)
    add_device(test)
    add_people(test.add_argument)
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
    add_bootstrap(test.add_argument)
    test.add_argument(
        "--diagnose",
        type=whole(0),
        default=60,
        metavar="PEOPLE",
        help="on how many people alternatives are tried, 3 pictures each; 0 for none (default 60)",
    )
    test.add_argument(
        "--profile",
        type=whole(0),
        default=200,
        metavar="PEOPLE",
        help="on how many people it is measured what the recogniser looks at, 2 pictures each; 0 "
        "for none (default 200)",
    )
    test.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="NAME",
        help="another recogniser to profile on the same people, such as dlib; give it again for "
        "more",
    )
    test.add_argument(
        "--save",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="also write the profile; the ending says as what: .html (a page), .json, .png or "
        ".svg (the figure). Can be given again",
    )
    test.add_argument(
        "--into-card",
        type=Path,
        metavar="CARD.yaml",
        help="store the rates with the card of your model, as its 'verification' (in a YAML card's "
        "folder as CARD.verification.json)",
    )
    add_json(test)
    test.set_defaults(run=run_test)


def run_test(args: argparse.Namespace) -> Report:
    """Measure verification rates by the protocol, then diagnose the usual mistakes."""
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.evaluate import Options, open_protocol, run_protocol
    from nbnet_lib.evaluate.encoder_check import FEWEST, diagnose, enough_people

    for option in ("diagnose", "profile"):
        if 0 < (people := getattr(args, option)) < FEWEST:
            raise NbnetError(f"--{option} {people}: give {FEWEST} people or more, or 0")
    require_files(args.save, SAVED)
    if not args.profile and (args.save or args.beside):
        raise NbnetError("--save and --beside belong to a profile: leave out --profile 0")
    if args.into_card is not None:
        from nbnet_lib.encoders.card import check_card_file

        check_card_file(args.into_card)
    name = args.protocol or ("synthfaces" if args.data is None else _protocol_of(args.data))
    data = None if name.endswith((".parquet", ".csv")) and not args.protocol else args.data
    protocol = open_protocol(name, data, args.identities, args.samples, args.seed)
    # Only verification is wanted: without a gallery nobody is searched, and nothing said about it.
    trials = tuple(replace(trial, gallery=None, probes={}) for trial in protocol.trials)
    protocol = replace(protocol, trials=trials)
    encoder = open_encoder(args)
    others = _others(args, encoder)
    options = Options(args.far, args.seed, args.resamples)
    result = run_protocol(protocol, encoder, options=options)
    payload = _rates(args.encoder, result)
    text = _rates_text(payload)
    if args.diagnose and enough_people(protocol):
        found = diagnose(encoder, protocol, args.diagnose, seed=args.seed, progress=True)
        payload["diagnosis"] = found.to_dict()
        text += "\n\n" + _diagnosis_text(found)
    elif args.diagnose:
        text += f"\n\nNo diagnosis: it needs {FEWEST} people or more with two pictures each."
    if args.profile and enough_people(protocol):
        profile = _profile(args, encoder, others, protocol)
        payload["profile"] = profile.to_dict()
        text += "\n\n" + _profile_text(profile)
        for path in args.save:
            _save(profile, path, command_line(args.argv))
    elif args.profile:
        text += f"\n\nNo profile: it needs {FEWEST} people or more with two pictures each."
    if args.into_card is not None:
        from nbnet_lib.encoders.card import write_verification

        measured = {
            k: v for k, v in payload.items() if k not in ("diagnosis", "encoder", "profile")
        }
        stored = write_verification(args.into_card, measured)
        text += f"\n\nThe rates are in {stored}, and belong to the card as its 'verification'."
    return Report(payload, text)


def _others(args: argparse.Namespace, encoder: Any) -> dict[str, Any]:
    """Return {name: recogniser} of ``--beside``, each another one."""
    from nbnet_lib.device import resolve_device
    from nbnet_lib.evaluate.invariance import require_others

    device = resolve_device(args.device)
    opened = [open_judge(name, device) for name in dict.fromkeys(args.beside)]
    others = {other.name: other for other in opened}
    require_others(encoder, others)
    return others


def _profile(args: argparse.Namespace, encoder: Any, others: Any, protocol: Any) -> Profile:
    from nbnet_lib.evaluate import synthfaces
    from nbnet_lib.evaluate.invariance import ProfileOptions, profile_encoder

    options = ProfileOptions(args.profile, fars=args.far, resamples=args.resamples, seed=args.seed)
    if protocol.name == "synthfaces":  # of as many pictures as are needed, as notebooks draw them
        people = (args.identities or range(300))[: args.profile]
        protocol = synthfaces(people, options.samples)
    return profile_encoder(encoder, others, options, protocol, progress=True)


def _save(profile: Profile, path: Path, command: str) -> None:
    from nbnet_lib.evaluate import report
    from nbnet_lib.files import atomic_path

    if path.suffix == ".json":
        with atomic_path(path) as temporary:
            temporary.write_text(to_json(profile.to_dict()) + "\n", encoding="utf-8")
    else:
        report.write_profile(profile, path, command)


def _protocol_of(data: Path) -> str:
    return str(data) if data.suffix in (".parquet", ".csv") else "folder"


def _rates(encoder: str, result: Result) -> dict[str, Any]:
    """Return what is printed and what a card holds under "verification"."""
    trials = result.protocol["trials"]
    rates = {}
    for far in result.fars:
        tar = result.get("tar", kind="original", far=far)
        rate = {"tar": tar.value, "low": tar.low, "high": tar.high}
        rates[f"{far:g}"] = {"threshold": result.get("threshold", far=far).value, **rate}
    return {
        "encoder": encoder,
        **{key: result.protocol[key] for key in ("source", "identities", "pictures")},
        "genuine_pairs": sum(trial["genuine"] for trial in trials),
        "impostor_pairs": sum(trial["impostor"] for trial in trials),
        "eer": result.get("eer").value,
        "far": rates,
        "notes": result.notes,
        **({"alignment": result.alignment} if result.alignment else {}),
    }


def _rates_text(payload: dict[str, Any]) -> str:
    rows = []
    for far, rate in payload["far"].items():
        interval = "none"
        if rate["low"] is not None:
            interval = f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f} %"
        threshold, tar = f"{rate['threshold']:.3f}", percent(rate["tar"])
        rows.append((percent(float(far)), threshold, tar, interval))
    lines = [
        f"Encoder {payload['encoder']}, {payload['source']}: {payload['genuine_pairs']:,} genuine "
        f"and {payload['impostor_pairs']:,} impostor pairs, equal error rate "
        f"{100 * payload['eer']:.2f} %",
        columns(rows, ("FAR", "threshold", "TAR", "95 % over people")),
        *(f"note: {note}" for note in payload["notes"]),
    ]
    return "\n".join(lines)


def _diagnosis_text(found: Diagnosis) -> str:
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
        rows = []
        for row in tried:
            rate = "fails" if row.eer is None else f"{100 * row.eer:.2f} %"
            d_prime = "" if row.d_prime is None else f"{row.d_prime:.2f}"
            gain = "" if row.gain is None else f"{row.gain:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
            rows.append((row.name, rate, d_prime, gain, "better" if row.better else ""))
        header = ("tried", "EER", "d'", "difference of d'", "")
        lines += [
            f"\nTried on {found.pictures:,} pictures of {found.people:,} people{before} (read at "
            "160 px or more, so the first line may differ a little from the rates above):",
            columns(rows, header),
        ]
    return "\n".join(lines)


def _profile_text(profile: Profile) -> str:
    """Return the warnings, then rates by condition and group, agreement and weights."""
    from nbnet_lib.evaluate.tables import estimate_cell as cell

    far = profile.fars[-1]
    seconds = sum(p.seconds for p in (profile, *profile.beside.values()))
    lines = [
        f"What it looks at: one picture of each of {profile.people:,} people is changed in one "
        f"thing and compared with plain ones ({profile.pictures:,} templates, {seconds:.0f} s).",
        *(f"warning: {warning}." for warning in profile.warnings),
        *(f"note: {note}." for note in profile.notes),
        f"At FAR {percent(far)} on plain pictures, threshold {profile.thresholds[far]:.3f}; "
        "[95 % over people]:",
    ]
    rows: list[list[Any]] = [
        [row.name, cell(row.tar[far]), cell(row.kept[far]), cell(row.far[far], digits=2)]
        + [cell(other[row.name].tar[far]) for other in profile.beside.values()]
        + [row.what]
        for row in profile.rates
    ]
    beside = [f"TAR of {name}" for name in profile.beside]
    header = ("changed", "TAR in %", "% of plain", "FAR in %", *beside, "what")
    lines.append(columns(rows, header))
    if profile.groups:
        pairs = zip(profile.groups[::2], profile.groups[1::2], strict=True)
        rows = [
            [plain.by, plain.group, plain.people, cell(plain.tar[far]), cell(grey.tar[far]),
             cell(plain.far[far], digits=2), cell(grey.far[far], digits=2)]
            for plain, grey in pairs
        ]  # fmt: skip
        header = ("group", "", "people", "TAR in %", "grey", "FAR within it in %", "grey")
        lines += ["", columns(rows, header)]
    for name, value in profile.agreement.items():
        lines.append(f"\nRank correlation of strangers' scores with {name}: {cell(value, 1, 2)}")
    if profile.weights is not None:
        weights = profile.weights
        listed = [(name, cell(w, 1, 2)) for name, w in weights.largest().items()]
        lines += [
            f"\nWhat it weighs: the differences of two strangers that lower their score most "
            f"(ridge regression on {weights.pairs:,} pairs of {weights.people:,} people; it "
            f"explains {100 * max(weights.r2, 0):.0f} % of the variance for other people):",
            columns(listed, ("difference of", "standard deviations of the score")),
        ]
    return "\n".join(lines)
