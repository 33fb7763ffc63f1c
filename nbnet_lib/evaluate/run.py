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
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from nbnet_lib.attack.features import create_features
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.attack import AttackResult
from nbnet_lib.evaluate.compare import compare_attacks
from nbnet_lib.evaluate.disjoint import require_disjoint
from nbnet_lib.evaluate.embedding import see_originals, see_reconstructions
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.how_trained import how_trained
from nbnet_lib.evaluate.independence import require_independent
from nbnet_lib.evaluate.judges import judge_trial, summarise
from nbnet_lib.evaluate.looks import ground_truth, picture_quality, picture_strip
from nbnet_lib.evaluate.protocols import Protocol
from nbnet_lib.evaluate.result import ORIGINAL, Result, over_trials
from nbnet_lib.evaluate.trial import TrialNumbers, measure_trial, noting

if TYPE_CHECKING:
    import pandas as pd

TARGET = ""  # among the recognisers that look at the pictures; no judge can be called so


def run_protocol(
    protocol: Protocol,
    encoder: Any,
    decoders: Sequence[nn.Module] = (),
    fars: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
    resamples: int = 1000,
    quality: bool = False,
    leakage: Sequence[str] = (),
    progress: bool = True,
    judges: Mapping[str, Any] | None = None,
) -> Result:
    """Measure a recogniser, and attacks on it, by a protocol.

    With several decoders each is measured, then all together ("any of the 3": one reconstruction
    per decoder for each target, which falls when any of them is accepted), and each two are
    compared on the same targets.

    Args:
        protocol: from `open_protocol`; what is compared with what.
        encoder: the attacked system, from `create_encoder`.
        decoders: attacks, from `load_decoder`; none to measure the recogniser alone.
        fars: that thresholds are set for, on originals.
        seed: of the bootstrap.
        resamples: of the bootstrap over identities.
        quality: also compare pictures: PSNR, SSIM, perceptual distance.
        leakage: names of SynthFaces parameters that probes shall read from the templates.
        progress: show bars on stderr.
        judges: {name: recogniser that took no part in the training}, from `create_encoder`. They
            see the same reconstructions, made from the templates of ``encoder``, and decide at
            thresholds of their own: `Result.judges` (see `evaluate.judges`).

    Raises:
        NbnetError: an encoder and a decoder whose templates differ in length, two decoders of one
            name, a judge that is not independent, no FAR, leakage without ground truth, or pictures
            that cannot be read.
    """
    fars = sorted({float(far) for far in fars}, reverse=True)
    if not fars or not all(0 < far < 1 for far in fars):
        raise NbnetError(f"fars are {fars}: name at least one between 0 and 1, 0.001 means 0.1 %")
    names = _names(encoder, decoders)
    # Its weights may be missing: that is said before the long work.
    features = create_features() if quality and decoders else None
    truth = ground_truth(protocol.pictures, leakage) if leakage else None
    pictures, who = protocol.pictures, protocol.pictures.identities
    # People who are there for training are nobody's targets.
    tested = np.unique(np.concatenate([trial.rows for trial in protocol.trials]))
    cards: dict[str, Any] = {
        name: getattr(decoder, "card", None) or {}
        for name, decoder in zip(names, decoders, strict=True)
    }
    notes: list[str] = []
    with noting(notes):
        for name, card in cards.items():
            require_disjoint(pictures, tested, name, card)
            if card.get("encoder", encoder.name) != encoder.name:
                notes.append(
                    f"{name} was trained against the encoder {card['encoder']}: what it makes of "
                    f"templates of {encoder.name} means little, unless both are one recogniser"
                )
        notes += require_independent(judges or {}, encoder, cards, pictures, tested)
    clock = _Clock()
    seen = see_originals({TARGET: encoder, **(judges or {})}, pictures, progress)
    clock.stage("embed")
    see_reconstructions(seen, TARGET, dict(zip(names, decoders, strict=True)), progress)
    notes += [note for one in seen.values() for note in one.notes()]
    clock.stage("attack")
    originals, attacks = seen[TARGET].templates, seen[TARGET].attacks
    templates = originals.numpy()
    one = protocol.spread == "bootstrap"
    draws = resamples if one else 0
    trials: list[TrialNumbers] = []
    judged: dict[str, list[TrialNumbers]] = {name: [] for name in judges or {}}
    for trial in tqdm(protocol.trials, desc="trials", disable=not progress or one):
        found = measure_trial(trial, templates, who, attacks, fars, seed, draws)
        for name, trials_of in judged.items():
            own = seen[name].templates.numpy(), who, seen[name].attacks
            trials_of.append(judge_trial(found, trial, *own, fars, seed, draws))
        found.draws = None
        if not one:
            found.attacks.clear()  # ten trials of LFW would not fit into memory
        trials.append(found)
    result = Result(
        encoder=str(encoder.name),
        decoders=names,
        protocol=protocol.to_dict(),
        fars=fars,
        seed=seed,
        interval=_interval(protocol.spread, resamples),
        measures=over_trials([trial.measures for trial in trials], protocol.spread),
        trained=how_trained(cards),
        notes=notes + _notes(trials),
        **_curves(trials),
    )
    for name, found_by in judged.items():
        judgement = summarise(seen[name].encoder, seen[name].faces, **_curves(found_by))
        judgement.measures = over_trials([trial.measures for trial in found_by], protocol.spread)
        result.judges[name] = judgement
        # What is said of the target word for word, such as how few impostors there are, is known.
        new = [note for note in _notes(found_by) if note not in result.notes]
        result.notes += [f"judge {name}: {note}" for note in new]
    if one:
        # Where a threshold has no interval, neither has a difference at it.
        sure = [far for far in fars if result.get("tar", kind=ORIGINAL, far=far).low is not None]
        with noting(result.notes):
            result.paired = _paired(trials[0].attacks, names, sure, seed, resamples)
        result.per_identity = _per_identity(trials[0].attacks, min(fars), pictures.people)
    clock.stage("measure")
    for name, decoder in zip(names, decoders, strict=True):
        threshold = result.get("threshold", far=min(fars)).value
        rebuilt = torch.from_numpy(attacks[name][0])
        strip = picture_strip(pictures, decoder, originals, rebuilt, tested, threshold)
        if strip is not None:
            result.strips[name] = strip
        if features is not None:
            result.measures += picture_quality(
                name,
                pictures,
                decoder,
                originals,
                tested,
                features,
                resamples if one else 0,
                seed,
                progress,
            )
    if features is not None:
        clock.stage("quality")
    if leakage:
        from nbnet_lib.evaluate.leakage import leakage as probe

        probed = probe(templates, who, truth, seed, resamples=resamples, progress=progress)
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
        if names.count(name) > 1 or name == ORIGINAL:
            raise NbnetError(
                f"two attacks are called {name!r}: give each decoder a name of its own"
                if name != ORIGINAL
                else f"{name!r} stands for untouched pictures: give the decoder another name"
            )
    return names


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


def _notes(trials: Sequence[TrialNumbers]) -> list[str]:
    """Return the notes of all trials; those that differ by their numbers only, once."""
    found: dict[tuple[str, int], list[str]] = {}
    for trial in trials:
        seen: Counter[str] = Counter()
        for note in dict.fromkeys(trial.notes):
            kind = re.sub(r"\d[\d.,]*", "#", note)
            found.setdefault((kind, seen[kind]), []).append(note)
            seen[kind] += 1
    return [
        notes[0] + (f" (and the like in {len(notes) - 1} more trials)" if notes[1:] else "")
        for notes in found.values()
    ]


def _curves(trials: Sequence[TrialNumbers]) -> dict[str, Any]:
    """Return what the plots show: all trials together; of large ones the first."""
    first = trials[0]
    if len(trials) == 1 or isinstance(first.impostor, ScoreHistogram):
        return {"scores": first.scores, "impostor": first.impostor, "cmc": first.cmc}
    scores = {
        attack: {k: np.concatenate([t.scores[attack][k] for t in trials]) for k in kinds}
        for attack, kinds in first.scores.items()
    }
    impostor = np.concatenate([np.asarray(t.impostor) for t in trials])
    return {"scores": scores, "impostor": impostor, "cmc": first.cmc}


def _paired(
    attacks: dict[str, AttackResult],
    names: Sequence[str],
    fars: Sequence[float],
    seed: int,
    resamples: int,
) -> list[dict[str, Any]]:
    rows = []
    for a, b in combinations(names, 2):
        for far in fars:
            for kind in ("type1", "type2"):
                found = compare_attacks(attacks[a], attacks[b], far, kind, resamples, seed=seed)
                rows.append(
                    {
                        "a": a,
                        "b": b,
                        "kind": kind,
                        "far": far,
                        "difference": found.value,
                        # Equal in every draw: these people say nothing about others.
                        "low": None if found.ci95[0] == found.ci95[1] else found.ci95[0],
                        "high": None if found.ci95[0] == found.ci95[1] else found.ci95[1],
                        "p": found.p,
                    }
                )
    return rows


def _per_identity(
    attacks: dict[str, AttackResult], far: float, people: Sequence[str]
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
