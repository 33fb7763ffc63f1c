"""How strong is each decoder, at the same cost? One table, two judges.

    python benchmarks/strength.py --out runs/strength [--steps 450] [--only nbnet-b:best] [--json]
    python benchmarks/strength.py --out runs/colour --encoder synth-colour \
        --judge synth-colour-mobile

Every network of the family gets the same pictures, the same templates of the black-box target
(--encoder), the same number of updates of the same batch size, the same schedule and the same seed:

- linear and RBF regression, fitted once (nothing to update);
- D-CNN, NbNet-A, NbNet-B, each with the pixel loss, the perceptual loss (EfficientNet-Lite0), and
  the best recipe that we know, which goes beyond the paper: the decoder learns to draw the portrait
  of the person in the picture, by pixel + 0.5 perceptual loss + template consistency through a
  surrogate that was distilled from the same pairs.

Then all are measured on the default benchmark (identities 0-299 x 6) by the target, whose templates
leaked, and by the independent judge (--judge), each at its own thresholds. What is printed
is Markdown; --json prints the numbers.

A run can be stopped at any time: the same command resumes (checkpoints, finished rows are kept).
Two calls with different --only may share --out, one per core (OMP_NUM_THREADS=1). With the defaults
all rows take one to two hours of two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

NETWORKS = ("dcnn", "nbnet-a", "nbnet-b")
LOSSES = ("pixel", "perceptual", "best")
ROWS = ["linear:fit", "rbf:fit", *(f"{n}:{loss}" for n in NETWORKS for loss in LOSSES)]
BEST = {"loss": "pixel+0.5*perceptual", "template_weight": 0.5}
SIZE, DIM = 64, 128
FARS = (0.01, 0.001)


def require_same_settings(args: argparse.Namespace) -> None:
    """Keep the settings beside the rows, and refuse to mix rows of others with them."""
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.encoders.origin import origin_of
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path

    free = ("out", "only", "no_measure", "json", "device")
    now = {k: list(v) if isinstance(v, range | tuple) else v for k, v in vars(args).items()}
    now = {k: v for k, v in now.items() if k not in free}
    now |= origin_of(create_encoder(args.encoder)).entries()
    path = args.out / "settings.json"
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(now) + "\n", encoding="utf-8")
        return
    then = json.loads(path.read_text(encoding="utf-8"))
    differ = [name for name in now if now[name] != then.get(name)]
    if differ:
        raise NbnetError(
            f"{args.out} holds rows of other settings ({', '.join(differ)}): give the same, or "
            "another --out"
        )


def prepare(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return the training pictures and their templates; both are kept on disk."""
    from nbnet_lib.attack.templates import extract_templates
    from nbnet_lib.data.arrays import picture_array
    from nbnet_lib.data.listing import from_synthfaces
    from nbnet_lib.encoders import create_encoder

    pictures = picture_array(from_synthfaces(args.identities, args.samples), SIZE)
    templates = extract_templates(
        create_encoder(args.encoder), pictures.images, args.out / "templates.npy", pictures.framing
    )
    return pictures, templates


def make_row(row: str, pictures: Any, templates: Any, args: argparse.Namespace) -> Path:
    """Train one row, or find it trained; return its weights."""
    from nbnet_lib.attack import TrainConfig, train_decoder
    from nbnet_lib.attack.portraits import portraits_of
    from nbnet_lib.attack.precision import best_precision
    from nbnet_lib.decoders import create_decoder, fit_decoder, save_decoder
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.encoders.origin import origin_of
    from nbnet_lib.faces import RENDERER_VERSION

    name, loss = row.split(":")
    path = args.out / f"{name}-{loss}.safetensors"
    if path.exists():
        return path
    torch.manual_seed(args.seed)
    decoder = create_decoder(name, DIM, SIZE)
    started = time.perf_counter()
    facts: dict[str, Any] = {}
    if loss == "fit":
        facts["fit"] = fit_decoder(
            decoder, pictures.images, templates, pictures.numbers, seed=args.seed
        )
    else:
        precision = args.precision
        if precision == "auto":
            precision = best_precision(args.device, name)
        config = TrainConfig(
            steps=args.steps,
            batch_size=args.batch_size,
            lr=2e-3,
            schedule="onecycle",
            ema_decay=0.998,
            precision=precision,
            seed=args.seed,
            checkpoint_every=100,
            keep=1,
            **(BEST if loss == "best" else {"loss": loss}),
        )
        drawn = pictures.images
        if loss == "best":
            drawn = portraits_of(pictures.numbers, SIZE)
        history = train_decoder(
            decoder,
            drawn,
            templates,
            config,
            identities=pictures.numbers,
            folder=args.out / f"{name}-{loss}",
            resume=True,
            recogniser=surrogate(pictures, templates, args) if config.template_weight else None,
            device=args.device,
        )
        facts = {"config": asdict(config), "metrics": history[-1]}
        facts |= {"draws": "portraits"} if loss == "best" else {}
    card = {
        "command": "python benchmarks/strength.py --out runs/strength "
        f"--encoder {args.encoder} --only {row}",
        **origin_of(create_encoder(args.encoder)).entries(),
        "renderer_version": RENDERER_VERSION,
        "licence": "MIT; trained on synthetic faces only",
        "data": f"SynthFaces identities {args.identities[0]}-{args.identities[-1]} "
        f"({len(args.identities)}) x {args.samples}, {SIZE} px",
        "seed": args.seed,
        "seconds": round(time.perf_counter() - started),  # of this call, on a machine as it was
        **facts,
    }
    return save_decoder(decoder, path, card)


def surrogate(pictures: Any, templates: Any, args: argparse.Namespace) -> nn.Module:
    """Return the attacker's imitation of the target, distilled once for all rows."""
    from nbnet_lib.attack.precision import best_precision
    from nbnet_lib.attack.surrogate import (
        SurrogateConfig,
        load_surrogate,
        save_surrogate,
        train_surrogate,
    )

    path = args.out / "surrogate.safetensors"
    if not path.exists():
        config = SurrogateConfig(
            steps=args.surrogate_steps,
            precision=best_precision(args.device, "surrogate"),
            seed=args.seed,
        )
        made = train_surrogate(
            pictures.images, templates, config, identities=pictures.numbers, device=args.device
        )
        save_surrogate(made, path, config)
    return load_surrogate(path, args.device)


def measure_row(row: str, path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Run the default benchmark on one row, or find it done; return the evaluation's JSON."""
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.evaluate import Options, open_protocol, run_protocol
    from nbnet_lib.files import atomic_path

    done = path.with_suffix(".evaluation.json")
    if not done.exists():
        decoder = load_decoder(path)
        decoder.name = row  # type: ignore[assignment]
        judges = {"independent": create_encoder(args.judge)}
        protocol = open_protocol("synthfaces", None, args.people, args.pictures)
        target = create_encoder(args.encoder)
        result = run_protocol(protocol, target, [decoder], Options(FARS), judges)
        with atomic_path(done) as temporary:
            temporary.write_text(result.to_json(), encoding="utf-8")
    return json.loads(done.read_text(encoding="utf-8"))


def tables(rows: dict[str, dict[str, Any]], far: float) -> str:
    """Return the table in Markdown: TAR in percent at ``far`` with its 95 % interval."""
    lines = [
        f"TAR in % at FAR {100 * far:g} % [95 % interval, bootstrap over people]",
        "",
        "| network | loss | target type-I | type-II | judge type-I | type-II | gap of type-II |",
        "|---|---|---|---|---|---|---|",
    ]

    def cells(at: dict[str, dict[str, Any]], kinds: tuple[str, ...]) -> list[str]:
        rates = []
        for kind in kinds:
            rate, sure = f"{100 * at[kind]['tar']:.1f}", at[kind]["ci95"]
            if sure is not None:  # too few people have none
                rate += f" [{100 * sure[0]:.1f}, {100 * sure[1]:.1f}]"
            rates.append(rate)
        return rates

    for row, result in rows.items():
        target, judge = result["far"][f"{far:g}"], result["judges"]["independent"][f"{far:g}"]
        if len(lines) == 4:
            ours, theirs = cells(target, ("original",))[0], cells(judge, ("original",))[0]
            lines.append(f"| *originals* | | | {ours} | | {theirs} | |")
        kinds = ("type1", "type2")
        gap = 100 * (target["type2"]["tar"] - judge["type2"]["tar"])
        row_cells = [*row.split(":"), *cells(target, kinds), *cells(judge, kinds), f"{gap:+.1f}"]
        lines.append("| " + " | ".join(row_cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, measure everything that is there."""
    from nbnet_lib.cli.shared import identity_range

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=ROWS, choices=ROWS, metavar="ROW")
    parser.add_argument("--encoder", default="synth", help="the target, by name")
    parser.add_argument("--judge", default="synth-mobile", help="the independent judge, by name")
    parser.add_argument("--no-measure", action="store_true", help="only train")
    parser.add_argument("--identities", type=identity_range, default=identity_range("20000-23999"))
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--surrogate-steps", type=int, default=1200)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--precision", default="auto", help="no, bf16, or auto: what is fastest for each network"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=identity_range, default=None, help="tested; 0-299")
    parser.add_argument("--pictures", type=int, default=None, help="of each; 6")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    require_same_settings(args)
    pictures, templates = prepare(args)
    rows = {row: make_row(row, pictures, templates, args) for row in args.only}
    if args.no_measure:
        return
    results = {row: measure_row(row, path, args) for row, path in rows.items()}
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        print("\n\n".join(tables(results, far) for far in FARS))


if __name__ == "__main__":
    main()
