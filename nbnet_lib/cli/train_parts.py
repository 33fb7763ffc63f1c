"""Steps of ``nbnet train`` around the training itself: first weights, surrogate, card."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbnet_lib.cli import train_data
from nbnet_lib.cli.shared import command_line


def require_fresh(out: Path, checkpoints: Path, resume: bool) -> None:
    """Raise if there are checkpoints of a run that is not to be taken up.

    Raises:
        NbnetError: so it is.
    """
    from nbnet_lib.attack.checkpoint import list_checkpoints
    from nbnet_lib.errors import NbnetError

    if list_checkpoints(checkpoints) and not resume:
        raise NbnetError(
            f"{out} holds the checkpoints of another run: add --resume to go on with it, or "
            "choose another --out"
        )


@contextmanager
def stopped_command() -> Iterator[None]:
    """Let an interrupted training say how the command goes on, not how the function does."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        told = str(interrupt).replace(
            "resume=True goes on", "the same command with --resume goes on"
        )
        raise KeyboardInterrupt(told) from None


def first_weights(args: argparse.Namespace, decoder: Any, resumed: bool) -> dict[str, Any]:
    """Begin as ``--init`` says, and return the card of those weights; an empty one without it.

    What a run began with is noted in --out, so that a resume cannot tell of another beginning.

    Raises:
        NbnetError: weights of another network, or a resume with other ones.
    """
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.files import atomic_path

    card = begin_with(args.init, decoder) if args.init else {}
    noted, begun = args.out / "init.json", {"sha256": card.get("sha256")}
    if resumed and noted.exists():
        if json.loads(noted.read_text(encoding="utf-8")) != begun:
            raise NbnetError(
                f"the run in {args.out} began with other weights than --init says now: give the "
                "same --init (or none, as then), or another --out"
            )
    else:
        with atomic_path(noted) as temporary:
            temporary.write_text(json.dumps(begun) + "\n", encoding="utf-8")
    return card


def told_of(earlier: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return what a card says of the data, where a run began with the weights of another card.

    Whoever the earlier training saw may be in what the new decoder draws: its people are kept for
    the check before an evaluation, and its licence holds on.
    """
    from nbnet_lib.attack.mixture import all_people, strictest

    if not earlier:
        return data
    cards = (data, earlier)
    people = [card["people"] for card in cards if "people" in card]
    return {
        **data,
        "licence": strictest([card["licence"] for card in cards if "licence" in card]),
        **({"people": all_people(people)} if people else {}),
        "init": {k: earlier[k] for k in ("sha256", "data", "encoder") if k in earlier},
    }


def begin_with(weights: str, decoder: Any) -> dict[str, Any]:
    """Copy the weights of an earlier training (of another loss, say) into the new decoder.

    Returns:
        their card.

    Raises:
        NbnetError: they are of another network.
    """
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.errors import NbnetError

    earlier: Any = load_decoder(weights)
    if earlier.architecture != decoder.architecture:
        raise NbnetError(
            f"--init {weights} is a {earlier.architecture}, but {decoder.architecture} is asked "
            "for: give weights of the same network"
        )
    decoder.load_state_dict(earlier.state_dict())
    return earlier.card


def surrogate_of(
    images: Any, templates: Any, identities: Any, args: argparse.Namespace, keep: bool
) -> Any:
    """Return the attacker's own imitation of the target, for the template-consistency loss.

    It is read back from the file also right after its training: the file holds float16, and a
    resumed run must see the very same network. Its card tells which settings and pairs made it.

    Args:
        images: uint8 [N, S, S, 3].
        templates: float32 [N, d] of them.
        identities: as in `train_decoder`.
        args: of the command.
        keep: take the one that is there already.

    Raises:
        NbnetError: the one that is there was made with other settings or of other pairs.
    """
    from nbnet_lib.attack.data import Pairs
    from nbnet_lib.attack.surrogate import (
        SurrogateConfig,
        load_surrogate,
        save_surrogate,
        train_surrogate,
    )
    from nbnet_lib.device import resolve_device
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.weights import load_card

    path = args.out / "surrogate.safetensors"
    config = SurrogateConfig(
        steps=args.surrogate_steps,
        precision="bf16" if args.precision == "bf16" else "no",
        seed=args.seed,
    )
    made_of = {
        "config": asdict(config),
        "pairs": Pairs(images, templates, identities).fingerprint(),
    }
    if keep and path.exists():
        card = load_card(path)
        if any(card.get(name) != value for name, value in made_of.items()):
            raise NbnetError(
                f"{path} was made with other settings or of other pictures "
                f"({(card.get('config') or {}).get('steps')} steps then, {config.steps} now): use "
                "the same --surrogate-steps, --seed, --precision and pictures, or another --out"
            )
    else:
        surrogate = train_surrogate(
            images,
            templates,
            config,
            identities=identities,
            device=resolve_device(args.device),
        )
        save_surrogate(surrogate, path, config, {"command": command_line(args.argv), **made_of})
    return load_surrogate(path)


def machine(device: str, processes: int = 1) -> dict[str, Any]:
    """Return what a card says of the machine: no names of hosts, users or folders."""
    import torch

    told: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "torch": torch.__version__,
    }
    if processes > 1:
        told["processes"] = processes
    if torch.device(device).type == "cuda":
        told["gpu"] = torch.cuda.get_device_name(device)
    return told


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def training_seconds(history: list[dict[str, float]]) -> int:
    """Return how long a history took, also over resumes: each begins again at 0."""
    total, before = 0.0, 0.0
    for entry in history:
        if entry["seconds"] < before:
            total += before
        before = entry["seconds"]
    return round(total + before)


def measure_command(args: argparse.Namespace, weights: Path) -> str:
    """Return the command that measures the new decoder on other people."""
    words = ["nbnet", "evaluate", "--encoder", args.encoder]
    for option in ("encoder_weights", "encoder_card", "alignment"):
        if getattr(args, option):
            words += ["--" + option.replace("_", "-"), getattr(args, option)]
    words += ["--decoder", str(weights), *train_data.other_people(args)]
    return shlex.join(words)
