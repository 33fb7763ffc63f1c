"""A whole training in one call: pictures, templates, decoder, card (chapter 9).

    options = training_options("runs/mine", recipe="quick")
    result = run_training(create_encoder("synth"), options)

`nbnet train` is this call behind a command line. The parts, in the order of their use:
`attack.sources` (pictures), `attack.templates` (the target's answers), `attack.heldout` (people
kept aside), `attack.surrogate`, and `attack.train`, the paper's algorithm itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from nbnet_lib.attack.checkpoint import list_checkpoints
from nbnet_lib.attack.data import Pairs, Pictures
from nbnet_lib.attack.heldout import TemplateCosine, first_held_out
from nbnet_lib.attack.losses import create_loss
from nbnet_lib.attack.monitor import tensorboard_callback
from nbnet_lib.attack.portraits import portraits_of
from nbnet_lib.attack.recipes import COMMAND_DEFAULTS, Recipe, find_recipe
from nbnet_lib.attack.sources import People, Source, TrainingSet, choose_sources, read_sources
from nbnet_lib.attack.surrogate import (
    Surrogate,
    SurrogateConfig,
    load_surrogate,
    save_surrogate,
    train_surrogate,
)
from nbnet_lib.attack.templates import extract_templates
from nbnet_lib.attack.train import train_decoder
from nbnet_lib.attack.training_card import machine, training_seconds, with_beginning
from nbnet_lib.attack.white_box import white_box_of
from nbnet_lib.decoders import (
    create_decoder,
    fit_decoder,
    load_decoder,
    require_gradient_training,
    save_decoder,
)
from nbnet_lib.device import resolve_device
from nbnet_lib.encoders import Encoder
from nbnet_lib.encoders.origin import Origin, origin_in, origin_of, require_same_origin
from nbnet_lib.encoders.recorded import Recorded, look_up
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.placement import check_placement
from nbnet_lib.files import atomic_path, require_writable_folder
from nbnet_lib.settings import TrainingOptions
from nbnet_lib.weights import load_card

# Beyond what a decoder that is fitted in one go can do.
FOR_UPDATES = ("init", "template_weight", "adversarial_weight", "template_noise", "white_box")

History = list[dict[str, float]]


@dataclass(frozen=True)
class TrainingResult:
    """What a training left: the weight file, its card, and the history of all stages."""

    weights: Path
    card: dict[str, Any]
    history: History


def training_options(
    out: str | os.PathLike[str],
    *,
    data: Sequence[str] | None = None,
    identities: Iterable[int] | None = None,
    samples: int | None = None,
    recipe: str | None = None,
    device: str = "auto",
    command: str = "",
    **given: Any,
) -> TrainingOptions:
    """Return the options of a training: what is given, else the recipe's, else the defaults.

    Args:
        out: folder of everything that is written.
        data: sources as words (see `attack.sources`); None draws ``identities``.
        identities: SynthFaces people to draw.
        samples: pictures of each.
        recipe: a name of `attack.recipes`. With a ``loss`` given it has one stage.
        device: "auto", "cpu" or "cuda".
        command: for the card.
        **given: fields of `TrainingOptions` and `TrainConfig`; "auto" as precision is the fastest.

    Raises:
        NbnetError: settings, sources or a recipe that do not exist or do not go together.
    """
    chosen = find_recipe(recipe) if recipe else Recipe("", "", {})
    settings = {"decoder": "nbnet-b", **COMMAND_DEFAULTS, **chosen.options, **given}
    of_run = {f.name for f in fields(TrainingOptions)}
    changes = {k: v for k, v in given.items() if k not in of_run or k == "seed"}
    changes.setdefault("best", "loss" if settings.get("holdout") == 0 else "cosine")
    stages = chosen.stages[:1] if "loss" in given else chosen.stages
    stages_of = replace(chosen, options=settings, stages=stages)
    return TrainingOptions(
        Path(out),
        choose_sources(data, identities, samples, chosen.options),
        tuple(stages_of.configs(resolve_device(device), **changes)),
        device,
        recipe,
        command,
        surrogate_precision="bf16" if settings.get("precision") == "bf16" else "no",
        **{k: v for k, v in settings.items() if k in of_run},
    )


def run_training(encoder: Encoder, options: TrainingOptions) -> TrainingResult | None:
    """Train a decoder against ``encoder`` and write it into ``options.out``.

    Besides decoder.safetensors with its card there will be history.json, templates.npy,
    checkpoints, and surrogate.safetensors where one is used.

    Args:
        encoder: the target, from `create_encoder`; a black box (but for ``options.white_box``).
        options: from `training_options`.

    Returns:
        what was written; None in other processes than the main one.

    Raises:
        NbnetError: what is given does not go together, or the training failed.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written.
    """
    # Everything that can be wrong is found before the long work starts.
    _require_possible(encoder, options)
    decoder, earlier = _first_decoder(encoder, options)
    # With torchrun the others wait while the main process embeds the pictures, even for days.
    processes = PartialState(cpu=resolve_device(options.device) == "cpu", timeout=timedelta(days=7))
    main = processes.is_main_process

    # 1. Pictures of faces that have nothing to do with the victims. The decoder draws faces where
    # they are in these. Where nobody knows, a detector that found them there must look for them in
    # the reconstructions too.
    faces = _read(options.sources, options.image_size)
    unknown = None if encoder.alignment == "detect" else encoder.framing
    decoder.framing = faces.framing or unknown
    placed = {}
    if main:
        count = len(faces.images)
        placed = check_placement({"": encoder}, faces.framing, lambda i: faces.images[i], count)
    notes = [note for placement in placed.values() for note in placement.notes()]
    for note in notes:
        _note(f"note: {note}")

    # Some people are kept aside, to see how near the templates of reconstructions come.
    known = first_held_out(len(faces.images), faces.identities, options.holdout)
    if known < 1:
        raise NbnetError(f"--holdout {options.holdout} leaves no picture to train with: take fewer")
    if known == len(faces.images) and (
        options.stages[-1].patience or options.stages[-1].deliver == "best"
    ):
        raise NbnetError(
            "--patience and --deliver best go by pictures that are kept aside: give --holdout"
        )

    # 2. The target's template of each. What leaks are templates of pictures as the recogniser sees
    # them, not of small copies.
    recorded = _recorded(encoder, options)
    embedded = _not_recorded(recorded, faces, encoder.image_size, options)
    tally: dict[str, int] = {}
    with processes.main_process_first():
        templates = extract_templates(
            encoder, embedded, options.out / "templates.npy", faces.framing, main, tally, recorded
        )
    del embedded
    missed = tally["n_attempted"] - tally["n_detected"]
    if missed:
        _note(
            f"the detector of {encoder.name} found no face in {missed:,} of "
            f"{tally['n_attempted']:,} pictures: their templates are those of the place where the "
            "framing puts it"
        )

    evaluate = None
    if known < len(faces.images):
        evaluate = TemplateCosine(encoder, templates[known:], decoder.framing)
    images = Pictures([faces.images], np.arange(known))
    identities = None if faces.identities is None else faces.identities[:known]

    # 3. Minimise loss(decoder(template), picture), where the picture may be a portrait instead.
    drawn = portraits_of(identities, options.image_size, main) if options.portraits else images
    pairs = (drawn, templates[:known], identities)
    if decoder.training_method == "fit":
        facts, history = _fit(decoder, pairs, evaluate, options.seed, main)
    else:
        recogniser: Any = None  # what the consistency of templates is measured with
        if options.white_box:
            recogniser = white_box_of(encoder, decoder.framing)
        elif options.stages[-1].template_weight:
            with processes.main_process_first():
                asked = Pairs(images, *pairs[1:])
                recogniser = _surrogate(asked, origin_of(encoder), options, main)
        facts, history = _train(decoder, pairs, evaluate, recogniser, options, origin_of(encoder))
    if not main:
        return None

    write_history(options.out, history)
    card = {
        "command": options.command,
        **({"recipe": options.recipe} if options.recipe else {}),
        "seed": options.seed,
        **with_beginning(faces.card, earlier),
        "kept_aside": len(faces.images) - known,
        **origin_of(encoder).entries(),
        **({"faces_not_found": missed} if missed else {}),
        **({"alignment": placed[""].to_dict()} if placed else {}),
        **({"notes": notes} if notes else {}),
        **({"draws": "portraits"} if options.portraits else {}),
        **facts,
        "training_seconds": training_seconds(history),
        "machine": machine(resolve_device(options.device), processes.num_processes),
    }
    path = save_decoder(decoder, options.out / "decoder.safetensors", card)
    return TrainingResult(path, load_card(path), history)


def _require_possible(encoder: Encoder, options: TrainingOptions) -> None:
    """Raise what can be known before anything is drawn or embedded."""
    if options.portraits and not all(isinstance(s, People) for s in options.sources):
        raise NbnetError(
            "portraits can be drawn of SynthFaces only: train on synthfaces sources alone, or "
            "without portraits"
        )
    for config in options.stages:
        create_loss(config.loss)
    require_fresh(options.out, options.resume)
    if options.tensorboard:
        tensorboard_callback(options.out)
    if options.white_box:
        if not options.stages[-1].template_weight:
            raise NbnetError("--white-box is about a term of its own: give --template-weight too")
        white_box_of(encoder, None)


def require_fresh(out: Path, resume: bool) -> None:
    """Make the folder of a run; raise if it holds checkpoints that are not to be continued.

    Raises:
        NbnetError: it does, or it cannot be written to.
    """
    if list_checkpoints(require_writable_folder(out) / "checkpoints") and not resume:
        raise NbnetError(
            f"{out} holds the checkpoints of another run: add --resume to continue it, or "
            "choose another --out"
        )


def _first_decoder(encoder: Encoder, options: TrainingOptions) -> tuple[Any, dict[str, Any]]:
    """Return the decoder to train, and the card of the weights that it begins with, if any.

    What a run began with is noted in its folder, so that a resume cannot claim another beginning.
    """
    with torch.random.fork_rng():  # create_decoder draws its weights from torch's generator
        torch.manual_seed(options.seed)
        decoder: Any = create_decoder(options.decoder, encoder.template_dim, options.image_size)
    settings = {**asdict(options.stages[0]), **vars(options)}
    beyond = ["--" + name.replace("_", "-") for name in FOR_UPDATES if settings[name]]
    if decoder.training_method != "fit":
        require_gradient_training(decoder)
    elif beyond:
        raise NbnetError(
            f"{options.decoder} is fitted in one go, without updates: leave out {', '.join(beyond)}"
        )
    earlier: Any = None
    if options.init:
        earlier = load_decoder(options.init)
        if earlier.architecture != decoder.architecture:
            raise NbnetError(
                f"--init {options.init} is a {earlier.architecture}, but the new decoder is a "
                f"{decoder.architecture}: give weights of the same network"
            )
        decoder.load_state_dict(earlier.state_dict())
    card = earlier.card if earlier else {}
    note, begun = options.out / "init.json", {"sha256": card.get("sha256")}
    if not (list_checkpoints(options.checkpoints[0]) and note.exists()):
        _write_json(note, begun)
    elif json.loads(note.read_text(encoding="utf-8")) != begun:
        raise NbnetError(
            f"the run in {options.out} began with other weights than --init says now: give the "
            "same --init (or none, as then), or another --out"
        )
    return decoder, card


def _read(sources: Iterable[Source], size: int) -> TrainingSet:
    for source in sources:
        _note(f"pictures: {source}, {size} px")
    return read_sources(sources, size)


def _recorded(encoder: Encoder, options: TrainingOptions) -> Recorded | None:
    """Return what is recorded of drawn people; None where there are other pictures too."""
    people = [source for source in options.sources if isinstance(source, People)]
    if len(people) < len(options.sources):
        return None
    size = max(encoder.image_size, options.image_size)
    identities, samples = np.concatenate([source.rows() for source in people]).T
    recorded = look_up(encoder, identities, samples, size)
    if recorded.note:
        _note(recorded.note)
    return recorded


def _not_recorded(
    recorded: Recorded | None, faces: TrainingSet, size: int, options: TrainingOptions
) -> Any:
    """Return the pictures to ask for, at ``size`` pixels if that is more than the decoder's.

    Of drawn people only those are drawn again who have a picture that is not recorded.
    """
    larger = size > options.image_size
    if recorded is None or not recorded.known.any():
        return _read(options.sources, size).images if larger else faces.images
    if recorded.known.all():
        return faces.images[:0]
    missing = set(faces.identities[~recorded.known].tolist())
    sources = [
        replace(source, identities=tuple(i for i in source.identities if i in missing))
        for source in options.sources
        if isinstance(source, People) and missing.intersection(source.identities)
    ]
    drawn = np.isin(faces.identities, list(missing))
    images: Any = Pictures([faces.images], np.flatnonzero(drawn))
    if larger:
        images = _read(sources, size).images
    return Pictures([images], np.flatnonzero(~recorded.known[drawn]))


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _write_json(path: Path, content: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_history(out: Path, history: History) -> None:
    """Write ``out/history.json``."""
    _write_json(out / "history.json", history)


def _surrogate(pairs: Pairs, target: Origin, options: TrainingOptions, main: bool) -> Surrogate:
    """Return the attacker's own imitation of the target, for the template-consistency loss.

    It is read back from the file also right after its training: the file holds float16, and a
    resumed run must use the very same network. Its card names the settings and pairs that made it.
    """
    path = options.out / "surrogate.safetensors"
    config = SurrogateConfig(
        options.surrogate_steps, precision=options.surrogate_precision, seed=options.seed
    )
    made_of = {"config": asdict(config), "pairs": pairs.fingerprint()}
    if path.exists() and (options.resume or not main):
        card = load_card(path)
        require_same_origin(f"{path} imitates", origin_in(card), target)
        if any(card.get(name) != value for name, value in made_of.items()):
            raise NbnetError(
                f"{path} was made with other settings or of other pictures "
                f"({(card.get('config') or {}).get('steps')} steps then, {config.steps} now): use "
                "the same --surrogate-steps, --seed, --precision and pictures, or another --out"
            )
    else:
        folder = options.out / "checkpoints-surrogate"
        if not options.resume:
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was given up
        surrogate = train_surrogate(
            pairs.images,
            pairs.templates,
            config,
            identities=None,  # checked already
            device=resolve_device(options.device),
            folder=folder,
            resume=options.resume,
        )
        card = {"command": options.command, **target.entries(), **made_of}
        save_surrogate(surrogate, path, config, card)
        shutil.rmtree(folder)
    return load_surrogate(path)


def _train(
    decoder: Any,
    pairs: tuple[Any, Any, Any],
    evaluate: Any,
    recogniser: torch.nn.Module | None,
    options: TrainingOptions,
    target: Origin,
) -> tuple[dict[str, Any], History]:
    """Train, stage by stage; return what the card says of it, and the history."""
    images, templates, identities = pairs
    whole: History = []
    stages = [c if evaluate else replace(c, best="loss") for c in options.stages]
    for number, (config, folder) in enumerate(zip(stages, options.checkpoints, strict=True), 1):
        logs = folder.with_name(folder.name.replace("checkpoints", "tensorboard"))
        history = train_decoder(
            decoder,
            images,
            templates,
            config,
            identities=identities,
            evaluate=evaluate,
            recogniser=recogniser,
            callbacks=[tensorboard_callback(logs)] if options.tensorboard else [],
            folder=folder,
            resume=options.resume,
            device=options.device,
            target=target,
        )
        stage = {"stage": number} if len(stages) > 1 else {}
        whole += [{**entry, **stage} for entry in history]
    averaged = "averaged " if config.ema_decay is not None else ""
    chosen = history[-1]
    if config.deliver == "best":
        chosen = max((e for e in history if config.best in e), key=lambda e: e[config.best])
    *earlier_configs, last_config = map(asdict, stages)
    facts = {
        "config": last_config,
        **({"earlier_configs": earlier_configs} if earlier_configs else {}),
        **({"white_box": True} if options.white_box else {}),
        "delivered": f"{averaged}weights of step {chosen['step']} ({config.deliver})",
        "metrics": {**chosen, **stage},
    }
    if isinstance(recogniser, Surrogate):
        facts["surrogate"] = load_card(options.out / "surrogate.safetensors")["config"]
    return facts, whole


def _fit(
    decoder: Any, pairs: tuple[Any, Any, Any], evaluate: Any, seed: int, progress: bool
) -> tuple[dict[str, Any], History]:
    """Fit a baseline in one go; return what the card says of it, and a history of one entry."""
    started = time.perf_counter()
    chosen = fit_decoder(decoder, *pairs, seed=seed, progress=progress)
    entry = {"step": 1, "seconds": time.perf_counter() - started}
    entry |= evaluate(decoder, 1) if evaluate else {}
    return {"fit": chosen, "metrics": entry}, [entry]
