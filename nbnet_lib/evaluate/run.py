"""Run a protocol: pictures -> templates -> reconstructions -> templates -> every number.

>>> protocol, decoders = synthfaces(range(300), samples=6), [load_decoder("nbnet-b-64")]
>>> judges = {"independent": create_encoder("synth-mobile")}
>>> result = run_protocol(protocol, create_encoder("synth"), decoders, judges=judges)
>>> result.to_frame()
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from nbnet_lib.attack.features import create_features
from nbnet_lib.encoders.origin import origin_of, require_trained_against
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.attack import AttackResult
from nbnet_lib.evaluate.compare import compare_attacks
from nbnet_lib.evaluate.embedding import Embedded, embed_attack, embed_originals
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.judges import CARD_FIELDS, gaps, require_independent
from nbnet_lib.evaluate.leakage import ground_truth, leakage
from nbnet_lib.evaluate.protocols import Protocol, Trial
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.evaluate.provenance import alignment_notes, card_of, how_trained, require_disjoint
from nbnet_lib.evaluate.quality import picture_quality, picture_strip
from nbnet_lib.evaluate.result import ORIGINAL, Judgement, Result, over_trials
from nbnet_lib.evaluate.suspects import find_suspects
from nbnet_lib.evaluate.trial import TrialResult, measure_trial
from nbnet_lib.evaluate.verification import check_far
from nbnet_lib.faces.placement import check_placement

if TYPE_CHECKING:
    import pandas as pd

READ_SIZE = 160  # pixels in which faces are looked for
TARGET = ""  # among the recognisers that look at the pictures; no judge can be called so


@dataclass(frozen=True)
class Options:
    """What `run_protocol` measures, and how often people are drawn for the intervals.

    Attributes:
        fars: false acceptance rates that thresholds are set for, on originals; 0.001 is 0.1 %.
        seed: of the bootstrap, and of the folds of the probes.
        resamples: of the bootstrap over identities.
        quality: also compare pictures: PSNR, SSIM, perceptual distance.
        leakage: names of SynthFaces parameters that probes shall read from the templates.
    """

    fars: Sequence[float] = (0.01, 0.001)
    seed: int = 0
    resamples: int = 1000
    quality: bool = False
    leakage: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Sort the FARs, the strictest last."""
        for far in self.fars:
            check_far(far)
        if not self.fars:
            raise NbnetError("no FAR given: name at least one, such as 0.001")
        object.__setattr__(self, "fars", sorted({float(far) for far in self.fars}, reverse=True))


def run_protocol(
    protocol: Protocol,
    encoder: Any,
    decoders: Sequence[nn.Module] = (),
    options: Options | None = None,
    judges: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Result:
    """Measure a recogniser, and attacks on it, by a protocol.

    With several decoders each is measured, then all together ("any of the 3": one reconstruction
    per decoder for each target, which falls when any of them is accepted), and each two are
    compared on the same targets.

    Args:
        protocol: from `open_protocol`; what is compared with what.
        encoder: the attacked system, from `create_encoder`.
        decoders: attacks, from `load_decoder`; none to measure the recogniser alone.
        options: FARs, seed, resamples, quality and leakage.
        judges: {name: recogniser that took no part in the training}, from `create_encoder`. They
            see the same reconstructions, made from the templates of ``encoder``, and decide at
            thresholds of their own: `Result.judges` (see `evaluate.judges`).
        progress: show bars on stderr.

    Raises:
        NbnetError: a decoder that was trained against other weights, or whose templates differ in
            length, two decoders of one name, a judge that is not independent, leakage without
            ground truth, or pictures that cannot be read.
    """
    options, judges = options or Options(), judges or {}
    pictures, identities = protocol.pictures, protocol.pictures.identities
    # People who are there for training are nobody's targets.
    tested = np.unique(np.concatenate([trial.rows for trial in protocol.trials]))
    bootstrapped = protocol.spread == "bootstrap"  # one trial: several show the spread themselves
    resamples = options.resamples if bootstrapped else 0

    # Everything that can be wrong is found before the long work starts.
    named = dict(zip(_names(encoder, decoders), decoders, strict=True))
    cards = {name: card_of(decoder) for name, decoder in named.items()}
    notes: list[str] = []
    for name, card in cards.items():
        attacked = origin_of(encoder)
        notes += require_trained_against(name, card, attacked, "the templates attacked here")
        notes += require_disjoint(pictures, tested, name, card)
    notes += require_independent(judges, encoder, cards, pictures, tested)
    features = create_features() if options.quality and named else None
    truth = ground_truth(pictures, options.leakage) if options.leakage else None

    # 1. Templates of the originals, by the target and by each judge.
    clock = _Clock()
    recognisers = {TARGET: encoder, **judges}
    placed = check_placement(
        recognisers,
        pictures.framing,
        lambda row: pictures.read(np.array([tested[row]]), READ_SIZE)[0],
        len(tested),
    )
    notes += alignment_notes(pictures)
    for placement in placed.values():
        notes += [note for note in placement.notes() if note not in notes]
    originals = embed_originals(recognisers, pictures, progress)
    templates = {name: embedded.templates for name, embedded in originals.items()}
    clock.stage("embed")

    # 2. Reconstructions from the target's templates, and their templates by all of them.
    embedded_attacks = {
        name: embed_attack(recognisers, decoder, templates[TARGET], progress=progress)
        for name, decoder in named.items()
    }
    attacks = {name: _tries(embedded_attacks, name) for name in recognisers}
    made = {name: {"the originals": originals[name]} for name in recognisers}
    for attack, by_recogniser in embedded_attacks.items():
        for name, embedded in by_recogniser.items():
            made[name][f"the reconstructions of {attack}"] = embedded
    notes += [
        note for by_kind in made.values() for what, e in by_kind.items() for note in e.notes(what)
    ]
    clock.stage("attack")

    # 3. In each trial the originals set the thresholds; then type-I, type-II and identification,
    #    by the target and by each judge at thresholds of its own.
    def measure(name: str, trial: Trial) -> TrialResult:
        by_name = templates[name].numpy(), identities, attacks[name]
        return measure_trial(trial, *by_name, options.fars, options.seed, resamples)

    trials: dict[str, list[TrialResult]] = {name: [] for name in recognisers}
    for trial in tqdm(protocol.trials, "trials", disable=not progress or bootstrapped):
        target = measure(TARGET, trial)
        for name in judges:
            judged = measure(name, trial)
            judged.measures += gaps(target, judged)
            trials[name].append(_without_comparisons(judged))
        # Comparisons of ten trials of LFW would not fit into memory.
        trials[TARGET].append(target if bootstrapped else _without_comparisons(target))

    # 4. The mean over the trials, or the interval of the only one.
    def measures(name: str) -> dict[str, Any]:
        rows = over_trials([trial.measures for trial in trials[name]], protocol.spread)
        return {"measures": rows, **_curves(trials[name])}

    result = Result(
        encoder=str(encoder.name),
        decoders=list(named),
        protocol=protocol.to_dict(),
        fars=list(options.fars),
        seed=options.seed,
        interval=_interval(protocol.spread, options.resamples),
        trained=how_trained(cards),
        notes=notes + _notes(trials[TARGET]),
        alignment=placed[TARGET].to_dict() if TARGET in placed else {},
        **measures(TARGET),
    )
    for name, judge in judges.items():
        result.judges[name] = Judgement(
            encoder=str(judge.name),
            card={k: card_of(judge)[k] for k in CARD_FIELDS if card_of(judge).get(k) is not None},
            faces=_face_counts(made[name]),
            **measures(name),
        )
        # What was said of the target word for word, such as how few impostors there are, is known.
        new = [note for note in _notes(trials[name]) if note not in result.notes]
        result.notes += [f"judge {name}: {note}" for note in new]
    if not isinstance(pictures.where, Drawn):
        scores = result.scores[ORIGINAL]["genuine"], result.impostor
        result.suspects = find_suspects(
            pictures, protocol.trials, templates[TARGET].numpy(), *scores
        )
        result.notes += result.suspects.notes()
    if bootstrapped:
        (target,) = trials[TARGET]
        result.paired = _paired(target.attacks, options, result)
        result.per_identity = _per_identity(target.attacks, min(options.fars), pictures.people)
    clock.stage("measure")

    # 5. What the pictures look like, and what else the templates give away.
    for name, decoder in named.items():
        threshold = result.get("threshold", far=min(options.fars)).value
        rebuilt = torch.from_numpy(attacks[TARGET][name][0])
        strip = picture_strip(pictures, decoder, templates[TARGET], rebuilt, tested, threshold)
        if strip is not None:
            result.strips[name] = strip
        if features is not None:
            quality = picture_quality(
                pictures, decoder, templates[TARGET], tested, features, progress
            )
            result.measures += quality.rows(name, resamples, options.seed)
    if features is not None:
        clock.stage("quality")
    if truth is not None:
        probed = leakage(
            templates[TARGET],
            identities,
            truth,
            options.seed,
            resamples=options.resamples,  # people are drawn, whatever the trials are
            progress=progress,
        )
        result.leakage = probed.to_dicts()
        result.notes += [
            f"leakage of {row.attribute}: left out {row.left_out}"
            for row in probed.rows
            if row.left_out
        ]
        clock.stage("leakage")
    result.seconds = clock.seconds
    return result


def _names(encoder: Any, decoders: Sequence[nn.Module]) -> list[str]:
    names = [str(getattr(d, "name", type(d).__name__)) for d in decoders]
    for name, decoder in zip(names, decoders, strict=True):
        if encoder.template_dim != decoder.template_dim:
            raise NbnetError(
                f"the encoder makes templates of length {encoder.template_dim} but {name} takes "
                f"{decoder.template_dim}: give a decoder that was trained against this encoder"
            )
        if name == ORIGINAL:
            raise NbnetError(f"{ORIGINAL!r} stands for untouched pictures: rename that decoder")
        if names.count(name) > 1:
            raise NbnetError(f"two attacks are called {name!r}: give each decoder its own name")
    return names


def _tries(attacks: Mapping[str, Mapping[str, Embedded]], name: str) -> dict[str, np.ndarray]:
    """Return {attack: float32 [R, N, d]} by one recogniser, "any of the ..." among them."""
    tries = {attack: of[name].templates.numpy()[None] for attack, of in attacks.items()}
    if len(tries) > 1:
        tries[f"any of the {len(tries)}"] = np.concatenate(list(tries.values()))
    return tries


def _face_counts(faces: Mapping[str, Embedded]) -> dict[str, dict[str, int]]:
    return {
        what: {"asked": e.n_attempted, "missed": e.n_attempted - e.n_detected}
        for what, e in faces.items()
        if e.n_attempted
    }


def _without_comparisons(trial: TrialResult) -> TrialResult:
    return replace(trial, attacks={}, draws=None)


def _interval(spread: str, resamples: int) -> dict[str, Any]:
    method = {
        "bootstrap": "percentile bootstrap over identities, thresholds re-estimated in each draw; "
        "Clopper-Pearson over people added where fewer than 10 of them fail, or pass",
        "folds": "t interval of the mean over folds of different people",
        "trials": "none: random trials share people, so only their standard deviation is told",
    }[spread]
    if spread == "bootstrap" and not resamples:
        method = "none"
    draws = resamples if spread == "bootstrap" else 0
    return {"method": method, "confidence": 0.95, "resamples": draws}


def _notes(trials: Sequence[TrialResult]) -> list[str]:
    """Return the notes of all trials; those that differ by their numbers only, once."""
    alike: dict[tuple[str, int], list[str]] = {}
    for trial in trials:
        times: Counter[str] = Counter()
        for note in dict.fromkeys(trial.notes):
            kind = re.sub(r"\d[\d.,]*", "#", note)
            alike.setdefault((kind, times[kind]), []).append(note)
            times[kind] += 1
    return [
        notes[0] + (f" (and the like in {len(notes) - 1} more trials)" if notes[1:] else "")
        for notes in alike.values()
    ]


def _curves(trials: Sequence[TrialResult]) -> dict[str, Any]:
    """Return what the plots show: all trials together; of large ones the first."""
    first = trials[0]
    scores, impostor = first.scores, first.impostor
    if len(trials) > 1 and not isinstance(impostor, ScoreHistogram):
        scores = {
            attack: {k: np.concatenate([t.scores[attack][k] for t in trials]) for k in kinds}
            for attack, kinds in first.scores.items()
        }
        impostor = np.concatenate([np.asarray(t.impostor) for t in trials])
    return {"scores": scores, "impostor": impostor, "cmc": first.cmc}


def _paired(
    attacks: Mapping[str, AttackResult], options: Options, result: Result
) -> list[dict[str, Any]]:
    """Compare each two decoders; where a threshold has no interval, neither has a difference."""
    fars = [
        far for far in options.fars if result.get("tar", kind=ORIGINAL, far=far).low is not None
    ]
    how: dict[str, Any] = {"resamples": options.resamples, "seed": options.seed}
    rows = []
    for (a, b), far, kind in product(combinations(result.decoders, 2), fars, ("type1", "type2")):
        found = compare_attacks(attacks[a], attacks[b], far, kind, **how, notes=result.notes)
        low, high = found.ci95
        # Equal in every draw: these people say nothing about others.
        ends = {"low": None, "high": None} if low == high else {"low": low, "high": high}
        at = {"a": a, "b": b, "kind": kind, "far": far}
        rows.append({**at, "difference": found.value, **ends, "p": found.p})
    return rows


def _per_identity(
    attacks: Mapping[str, AttackResult], far: float, people: Sequence[str]
) -> pd.DataFrame | None:
    import pandas as pd  # slow to import

    if not attacks:
        return None
    parts = []
    for name, attack in attacks.items():
        frame = attack.per_identity(far)
        frame.insert(0, "attack", name)
        frame.insert(2, "person", [people[code] for code in frame["identity"]])
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


class _Clock:
    """Wall seconds of consecutive stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now
