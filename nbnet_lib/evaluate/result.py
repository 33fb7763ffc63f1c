"""One evaluation, one object: every number as a row, and from the rows pandas, JSON and CSV.

A row is a `Measure`: what was measured, of whom, at which FAR or rank, the value, and how sure it
is. The JSON of `nbnet evaluate --json` is these rows under "measures", after what they belong to,
and the most read of them once more by FAR; `result.schema.json` describes it.
`nbnet_lib.evaluate.tables` lays rows out as tables for papers, `nbnet_lib.evaluate.report` as a
page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.judge_result import (
    Judgement,
    by_far,
    judgements_from,
    judgements_to_rows,
)
from nbnet_lib.evaluate.measure import ORIGINAL, Measure, find, plain, unplain

if TYPE_CHECKING:
    import pandas as pd

    from nbnet_lib.evaluate.histogram import ScoreHistogram

__all__ = [
    "ORIGINAL",
    "SCHEMA",
    "Judgement",
    "Measure",
    "Result",
    "Strip",
    "judges_frame",
    "measures_frame",
    "over_trials",
    "percent",
    "schema",
]

SCHEMA = "nbnet-evaluation/1"


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


@dataclass
class Result:
    """What `run_protocol` measured.

    Attributes:
        encoder: name of the attacked recogniser.
        decoders: names of the attacks.
        protocol: what was compared: name, source, counts.
        fars: that thresholds were set for.
        seed: of the bootstrap.
        interval: {"method", "confidence", "resamples"}.
        measures: every number of the attacked recogniser.
        judges: {name: `Judgement`}, what recognisers that took no part in the training say of the
            same reconstructions; their numbers are theirs and not among ``measures``.
        trained: {decoder: how it was trained, in a sentence}, as far as its card says.
        notes: what a reader must know to trust the numbers, such as too few impostors for a FAR.
        paired: differences of attacks on the same targets, as dicts (see `compare_attacks`).
        leakage: what a probe reads from templates, as dicts (see `nbnet_lib.evaluate.leakage`).
        seconds: wall time of each stage.
        per_identity: a row per attack and person at the strictest FAR (see
            `AttackResult.per_identity`); None with several trials or without an attack.
        scores: {attack: {"genuine" | "type1" | "type2": float32 array}}, for plots.
        impostor: float32 array or `ScoreHistogram`, for plots.
        cmc: {(attack, probe set): float64 [ranks]}, for plots.
        strips: {decoder: Strip}.
    """

    encoder: str
    decoders: list[str]
    protocol: dict[str, Any]
    fars: list[float]
    seed: int
    interval: dict[str, Any]
    measures: list[Measure]
    judges: dict[str, Judgement] = field(default_factory=dict)
    trained: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    paired: list[dict[str, Any]] = field(default_factory=list)
    leakage: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    per_identity: pd.DataFrame | None = field(default=None, repr=False)
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict, repr=False)
    impostor: np.ndarray | ScoreHistogram | None = field(default=None, repr=False)
    cmc: dict[tuple[str, str], np.ndarray] = field(default_factory=dict, repr=False)
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
        """Return one row, of the attacked recogniser or of a judge.

        Raises:
            NbnetError: there is none, or no such judge.
        """
        if judge:
            if judge not in self.judges:
                known = ", ".join(self.judges) or "there was none"
                raise NbnetError(f"no judge {judge!r} in this result: name one of it ({known})")
            return self.judges[judge].get(measure, attack, kind, far, rank)
        key = (attack, measure, kind, far, rank)
        return find(self.measures, key, "this result")

    def to_dict(self) -> dict[str, Any]:
        """Return what ``nbnet evaluate --json`` prints: plain Python values, valid by the schema.

        Infinite and undefined numbers, which JSON cannot spell, become None.
        """
        return {
            "schema": SCHEMA,
            "encoder": self.encoder,
            "decoders": self.decoders,
            "protocol": self.protocol,
            "fars": self.fars,
            "seed": self.seed,
            "interval": self.interval,
            "far": by_far(self.measures, self.decoders, self.fars),
            "judges": {
                name: by_far(judge.measures, self.decoders, self.fars)
                for name, judge in self.judges.items()
            },
            "judge_encoders": {name: judge.facts() for name, judge in self.judges.items()},
            "measures": [plain(row) for row in self.measures],
            "judge_measures": judgements_to_rows(self.judges),
            "trained": self.trained,
            "notes": self.notes,
            "paired": self.paired,
            "leakage": self.leakage,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Result:
        """Return the result that `to_dict` gave, from a JSON file or a card; nothing to plot.

        Raises:
            NbnetError: another object, or a schema of another number.
        """
        says = told.get("schema") if isinstance(told, dict) else type(told).__name__
        if says != SCHEMA:
            raise NbnetError(
                f"this is no result of schema {SCHEMA!r} (it says {says!r}): "
                "make it again with `nbnet evaluate --json`"
            )
        own = ("measures", "judges")  # these are made of rows
        known = {f: told[f] for f in cls.__dataclass_fields__ if f in told and f not in own}
        try:
            measures = [unplain(row) for row in told["measures"]]
            return cls(**known, measures=measures, judges=judgements_from(told))
        except (AttributeError, KeyError, TypeError) as error:
            raise NbnetError(
                f"this result is not whole ({type(error).__name__}: {error}): "
                "make it again with `nbnet evaluate --json`"
            ) from error

    def to_json(self) -> str:
        """Return `to_dict` as a JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    def to_frame(self) -> pd.DataFrame:
        """Return the measures, a row each; columns as the attributes of `Measure`, and the judge.

        The column "judge" is empty in the rows of the attacked recogniser; those of the judges
        follow.
        """
        import pandas as pd  # slow to import, and the JSON does without

        told = self.to_dict()
        target, judged = measures_frame(told).assign(judge=""), judges_frame(told)
        return pd.concat([target, judged], ignore_index=True) if len(judged) else target

    def to_csv(self) -> str:
        """Return `to_frame` as CSV with a header."""
        return self.to_frame().to_csv(index=False, lineterminator="\n")


def percent(share: float) -> str:
    """Return 0.001 as ``"0.1 %"``."""
    return f"{100 * share:g} %"


def measures_frame(result: dict[str, Any]) -> pd.DataFrame:
    """Return the target's measures of a result's JSON object as a table, a row each."""
    return _frame(result["measures"], list(Measure.__dataclass_fields__))


def judges_frame(result: dict[str, Any]) -> pd.DataFrame:
    """Return the measures of all judges as a table, a row each, with a column "judge"."""
    return _frame(result.get("judge_measures", []), [*Measure.__dataclass_fields__, "judge"])


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd  # slow to import, and the JSON does without

    frame = pd.DataFrame(rows, columns=columns)
    numbers = ["value", "far", "low", "high", "se", "sd"]
    frame[numbers] = frame[numbers].astype("float64")
    return frame.astype({"rank": "Int64", "n": "Int64"})


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of `Result.to_dict`, with a sentence on every field."""
    file = resources.files("nbnet_lib.evaluate") / "result.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))


def over_trials(trials: Sequence[Sequence[Measure]], spread: str) -> list[Measure]:
    """Return the mean of each measure over the trials of a protocol, with its spread.

    Args:
        trials: the measures of each trial.
        spread: "bootstrap" (one trial: its own intervals stay), "folds" (people differ between
            folds: standard error, and a t interval of the mean, except for thresholds, which come
            from the other folds and so share most of their comparisons) or "trials" (random trials
            share people, so that their spread is smaller than that of new people: only the
            standard deviation is told).

    What some trial could not measure is left out.

    Raises:
        NbnetError: a spread that does not fit the number of trials.
    """
    if spread == "bootstrap":
        if len(trials) != 1:
            raise NbnetError(f"{len(trials)} trials have a spread of folds or of trials")
        return list(trials[0])
    if len(trials) < 2:
        raise NbnetError(f"the spread over {spread} needs at least 2 of them")
    found: dict[tuple[Any, ...], list[Measure]] = {}
    for trial in trials:
        for row in trial:
            found.setdefault(row.key, []).append(row)
    # A rate that some trials could not show would be the mean of other trials than its neighbours.
    return [_mean(rows, spread) for rows in found.values() if len(rows) == len(trials)]


def _mean(rows: list[Measure], spread: str) -> Measure:
    attack, measure, kind, far, rank = rows[0].key
    values = np.array([row.value for row in rows], np.float64)
    n = sum(row.n or 0 for row in rows) or None
    mean = float(values.mean())
    deviation = float(values.std(ddof=1))
    if measure == "threshold" and spread == "folds":
        # Each comes from all other folds, so any two share most of their comparisons.
        return Measure(attack, measure, kind, mean, far, rank, n)
    if spread == "trials":
        return Measure(attack, measure, kind, mean, far, rank, n, sd=deviation)
    error = deviation / math.sqrt(len(values))
    if not error:  # equal in all folds: that says nothing about other folds
        return Measure(attack, measure, kind, mean, far, rank, n, se=error)
    from scipy import stats  # slow to import, and only folds need it

    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    low, high = mean - half, mean + half
    if measure not in ("threshold", "gap", "d_prime", "psnr", "perceptual", "ssim"):
        low, high = max(low, 0.0), min(high, 1.0)
    return Measure(attack, measure, kind, mean, far, rank, n, low, high, se=error)
