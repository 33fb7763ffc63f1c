"""One evaluation, one object: every number as a row, and from the rows pandas, JSON and CSV.

A row is a `Measure`: what was measured, of whom, at which FAR or rank, the value, and how sure it
is. The JSON of `nbnet evaluate --json` is these rows under "measures", after what they belong to,
and the most read of them once more by FAR; `result.schema.json` describes it. The numbers of a
judge (`judges.py`) are rows of the same kind. `nbnet_lib.evaluate.tables` lays rows out as tables
for papers, `nbnet_lib.evaluate.report` as a page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import pandas as pd

    from nbnet_lib.evaluate.histogram import ScoreHistogram
    from nbnet_lib.evaluate.suspects import Suspects

SCHEMA = "nbnet-evaluation/1"
ORIGINAL = "original"
# These are no shares: an interval of them may leave 0 to 1.
UNBOUNDED = ("threshold", "gap", "d_prime", "psnr", "perceptual", "ssim")


@dataclass(frozen=True)
class Measure:
    """One number and what it is a number of.

    Attributes:
        attack: "original" (pictures compared as they are), or the decoder's name, or "any of
            the 3": each target is attacked with one reconstruction of each of the decoders.
        measure: "tar", "far" (that the threshold gave on the comparisons tested), "baseline" (a
            zero-effort impostor with as many tries), "threshold", "eer", "auc", "d_prime",
            "accuracy", "rank" (identification rate), "dir" (open set), "psnr", "ssim",
            "perceptual"; of a judge also "gap" (TAR of the target minus TAR of the judge).
        kind: of a comparison: "original", "type1" or "type2"; of an identification: the name of
            the probe set; "" where neither applies.
        value: shares 0 to 1 (a gap -1 to 1), never percent; scores, dB and d' in their own units.
        far: the FAR that the threshold was set for.
        rank: of "rank" and "dir".
        n: how many comparisons, probes or pictures the value is a mean of; the sum over trials.
        low: lower end of the 95 % interval; None where there is none.
        high: upper end.
        se: standard error over folds.
        sd: standard deviation over trials that overlap, which give no standard error.
    """

    attack: str
    measure: str
    kind: str
    value: float
    far: float | None = None
    rank: int | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    sd: float | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What this is a number of; equal in all trials of a protocol."""
        return (self.attack, self.measure, self.kind, self.far, self.rank)

    def within(self, interval: tuple[float, float] | None) -> Measure:
        """Return it with a 95 % interval, or as it is without one."""
        return self if interval is None else replace(self, low=interval[0], high=interval[1])

    def to_json(self) -> dict[str, Any]:
        """Return plain Python values, without the entries that are None.

        Infinite and undefined values, which JSON cannot spell, become None.
        """
        values = dict(vars(self))
        for name, value in values.items():
            if isinstance(value, float | np.floating):
                values[name] = float(value) if math.isfinite(value) else None
        needed = ("attack", "measure", "kind", "value")
        return {name: v for name, v in values.items() if name in needed or v is not None}


@dataclass(kw_only=True)
class Measured:
    """What one recogniser measured: the target (`Result`) or a judge (`Judgement`).

    Attributes:
        encoder: its name.
        measures: every number, at this recogniser's own thresholds.
        scores: {attack: {"genuine" | "type1" | "type2": float32 array}}, for plots; like the next
            two not in the JSON.
        impostor: float32 [I] or a `ScoreHistogram`.
        cmc: {(attack, probe set): float64 [ranks]}.
    """

    encoder: str
    measures: list[Measure]
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict, repr=False)
    impostor: np.ndarray | ScoreHistogram = field(default_factory=lambda: np.empty(0), repr=False)
    cmc: dict[tuple[str, str], np.ndarray] = field(default_factory=dict, repr=False)

    def get(
        self,
        measure: str,
        attack: str = ORIGINAL,
        kind: str = "",
        far: float | None = None,
        rank: int | None = None,
    ) -> Measure:
        """Return one row.

        Raises:
            NbnetError: there is none.
        """
        for row in self.measures:
            if row.key == (attack, measure, kind, far, rank):
                return row
        raise NbnetError(
            f"the result of {self.encoder} holds no {measure} of {attack!r} (kind {kind!r}, far "
            f"{far}, rank {rank}): see the result's to_frame() for what there is"
        )

    def by_far(self, decoders: Sequence[str], fars: Sequence[float]) -> dict[str, dict[str, Any]]:
        """Lay the rows out by FAR: what most readers look for first.

        Returns:
            {"0.001": {"threshold", "original": {"tar", "ci95"}, "type1": ..., "type2": ...}}. With
            several attacks type1 and type2 stand under "attacks", by name. "ci95" is None where
            there is no interval; folds add "se", random trials "sd".
        """
        laid_out: dict[str, dict[str, Any]] = {}
        for far in fars:
            at = laid_out[f"{far:g}"] = {}
            attacks: dict[str, dict[str, Any]] = {}
            for row in self.measures:
                if row.far != far:
                    continue
                if row.measure == "threshold":
                    at["threshold"] = row.value if math.isfinite(row.value) else None
                elif row.measure == "tar" and row.attack == ORIGINAL:
                    at[ORIGINAL] = _rate(row)
                elif row.measure == "tar":
                    attacks.setdefault(row.attack, {})[row.kind] = _rate(row)
            if len(decoders) == 1:
                at |= attacks.get(decoders[0], {})
            elif attacks:
                at["attacks"] = attacks
        return laid_out


def _rate(row: Measure, name: str = "tar") -> dict[str, Any]:
    values = row.to_json()
    ends = [values["low"], values["high"]] if "low" in values and "high" in values else None
    rate = {name: values["value"], "ci95": ends}
    return rate | {key: values[key] for key in ("se", "sd") if key in values}


@dataclass(kw_only=True)
class Judgement(Measured):
    """What one judge measured; "gap" is the target's rate minus this judge's.

    Attributes:
        card: what is known of it: what it is, what it was trained on, checksum.
        faces: {what: {"asked", "missed"}}, in how many pictures its detector looked for a face and
            found none; empty for a recogniser without a detector.
    """

    card: dict[str, Any] = field(default_factory=dict)
    faces: dict[str, dict[str, int]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return who judged, as in the JSON: plain values."""
        errors = [_rate(row, "eer") for row in self.measures if row.measure == "eer"]
        return {
            "encoder": self.encoder,
            "card": self.card,
            "eer": errors[0] if errors else None,
            "faces": self.faces,
        }


@dataclass
class Strip:
    """Originals over what the attack made of them: the best, median and worst by type-I score.

    Attributes:
        originals: uint8 [n, S, S, 3].
        reconstructions: uint8 [n, S, S, 3].
        scores: float32 [n], type-I.
        threshold: of the strictest FAR.
    """

    originals: np.ndarray
    reconstructions: np.ndarray
    scores: np.ndarray
    threshold: float


@dataclass(kw_only=True)
class Result(Measured):
    """What `run_protocol` measured of the attacked recogniser, and what the judges say.

    Attributes:
        decoders: names of the attacks.
        protocol: what was compared: name, source, counts.
        fars: that thresholds were set for.
        seed: of the bootstrap.
        interval: {"method", "confidence", "resamples"}.
        judges: {name: `Judgement`}, what recognisers that took no part in the training say of the
            same reconstructions; their numbers are theirs and not among ``measures``.
        trained: {decoder: how it was trained, in a sentence}, as far as its card says.
        notes: what a reader must know to trust the numbers, such as too few impostors for a FAR.
        alignment: {"checked", "off", "no_face", "framing"}, where faces are in a sample of the
            pictures (see `faces.placement`); empty where it is known how they were cut out.
        suspects: pairs of files whose score contradicts their label; None for drawn pictures.
        paired: differences of attacks on the same targets, as dicts (see `compare_attacks`).
        leakage: what a probe reads from templates, as dicts (see `nbnet_lib.evaluate.leakage`).
        seconds: wall time of each stage.
        per_identity: a row per attack and person at the strictest FAR (see
            `AttackResult.per_identity`); None with several trials or without an attack.
        strips: {decoder: Strip}.
    """

    decoders: list[str]
    protocol: dict[str, Any]
    fars: list[float]
    seed: int
    interval: dict[str, Any]
    judges: dict[str, Judgement] = field(default_factory=dict)
    trained: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    alignment: dict[str, Any] = field(default_factory=dict)
    suspects: Suspects | None = field(default=None, repr=False)
    paired: list[dict[str, Any]] = field(default_factory=list)
    leakage: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    per_identity: pd.DataFrame | None = field(default=None, repr=False)
    strips: dict[str, Strip] = field(default_factory=dict, repr=False)

    def get(
        self,
        measure: str,
        attack: str = ORIGINAL,
        kind: str = "",
        far: float | None = None,
        rank: int | None = None,
        judge: str = "",
    ) -> Measure:
        """Return one row, of the attacked recogniser or of a judge."""
        if not judge:
            return super().get(measure, attack, kind, far, rank)
        if judge not in self.judges:
            known = ", ".join(self.judges) or "there was none"
            raise NbnetError(f"no judge {judge!r} in this result: choose one of it ({known})")
        return self.judges[judge].get(measure, attack, kind, far, rank)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``nbnet evaluate --json`` prints: plain Python values, valid by the schema.

        Infinite and undefined numbers, which JSON cannot spell, become None.
        """
        judges = self.judges.items()
        return {
            "schema": SCHEMA,
            "encoder": self.encoder,
            "decoders": self.decoders,
            "protocol": self.protocol,
            "fars": self.fars,
            "seed": self.seed,
            "interval": self.interval,
            "far": self.by_far(self.decoders, self.fars),
            "judges": {name: judge.by_far(self.decoders, self.fars) for name, judge in judges},
            "judge_encoders": {name: judge.facts() for name, judge in judges},
            "measures": [row.to_json() for row in self.measures],
            "judge_measures": [
                {"judge": name, **row.to_json()} for name, judge in judges for row in judge.measures
            ],
            "trained": self.trained,
            "notes": self.notes,
            **({"alignment": self.alignment} if self.alignment else {}),
            **({"suspects": self.suspects.pairs} if self.suspects else {}),
            "paired": self.paired,
            "leakage": self.leakage,
            "seconds": self.seconds,
        }

    def to_json(self) -> str:
        """Return `to_dict` as a JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    def to_frame(self) -> pd.DataFrame:
        """Return the measures, a row each; columns as the attributes of `Measure`, and the judge.

        The column "judge" is empty in the rows of the attacked recogniser; those of the judges
        follow.
        """
        import pandas as pd  # slow to import, and the JSON does without

        rows = [{**row.to_json(), "judge": ""} for row in self.measures]
        for name, judge in self.judges.items():
            rows += [{**row.to_json(), "judge": name} for row in judge.measures]
        frame = pd.DataFrame(rows, columns=[*Measure.__dataclass_fields__, "judge"])
        numbers = dict.fromkeys(("value", "far", "low", "high", "se", "sd"), "float64")
        return frame.astype({**numbers, "rank": "Int64", "n": "Int64"})

    def to_csv(self) -> str:
        """Return `to_frame` as CSV with a header."""
        return self.to_frame().to_csv(index=False, lineterminator="\n")


def percent(share: float) -> str:
    """Return 0.001 as ``"0.1 %"``."""
    return f"{100 * share:g} %"


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of `Result.to_dict`, with a sentence on every field."""
    file = resources.files("nbnet_lib.evaluate") / "result.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))


def over_trials(trials: Sequence[Iterable[Measure]], spread: str) -> list[Measure]:
    """Return the mean of each measure over the trials of a protocol, with its spread.

    Args:
        trials: the measures of each trial.
        spread: "bootstrap" (one trial: its own intervals stay), "folds" (people differ between
            folds: standard error, and a t interval of the mean, except for thresholds, which come
            from the other folds and so share most of their comparisons) or "trials" (random trials
            share people, so that their spread is smaller than that of new people: only the
            standard deviation is given).

    What some trial could not measure is left out.
    """
    if spread == "bootstrap":
        (only,) = trials
        return list(only)
    by_key: dict[tuple[Any, ...], list[Measure]] = {}
    for trial in trials:
        for row in trial:
            by_key.setdefault(row.key, []).append(row)
    # A rate that some trials could not show would be the mean of other trials than its neighbours.
    return [_mean(rows, spread) for rows in by_key.values() if len(rows) == len(trials)]


def _mean(rows: list[Measure], spread: str) -> Measure:
    attack, measure, kind, far, rank = rows[0].key
    values = np.array([row.value for row in rows], np.float64)
    n = sum(row.n or 0 for row in rows) or None
    mean = Measure(attack, measure, kind, float(values.mean()), far, rank, n)
    deviation = float(values.std(ddof=1))
    if measure == "threshold" and spread == "folds":
        # Each comes from all other folds, so any two share most of their comparisons.
        return mean
    if spread == "trials":
        return replace(mean, sd=deviation)
    error = deviation / math.sqrt(len(values))
    if not error:  # equal in all folds: that says nothing about other folds
        return replace(mean, se=error)
    from scipy import stats  # slow to import, and only folds need it

    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    low, high = mean.value - half, mean.value + half
    if measure not in UNBOUNDED:
        low, high = max(low, 0.0), min(high, 1.0)
    return replace(mean, se=error, low=low, high=high)
