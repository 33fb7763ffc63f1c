"""What a judge said of the attacks, and the layout by FAR in which the JSON tells it.

A *judge* is a recogniser that took no part in the training of an attack (`judges.py`). Its numbers
are rows of the same kind as the target's (`result.Measure`), and `by_far` lays either out alike, so
that one reader of the JSON serves both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nbnet_lib.evaluate.measure import ORIGINAL, Measure, find, plain, unplain

if TYPE_CHECKING:
    from nbnet_lib.evaluate.histogram import ScoreHistogram


@dataclass
class Judgement:
    """What one judge measured.

    Attributes:
        encoder: name of the recogniser that judged.
        card: what is known of it: what it is, what it was trained on, checksum.
        faces: {what: {"asked", "missed"}}, in how many pictures its detector looked for a face and
            found none; empty for a recogniser without a detector.
        measures: as those of a result, at this judge's own thresholds; "gap" is the target's rate
            less this judge's.
        scores: {attack: {kind: float32 array}}, for plots; not in the JSON.
        impostor: float32 [I] or a `ScoreHistogram`, for plots; not in the JSON.
        cmc: {(attack, probe set): float64 [ranks]}, for plots; not in the JSON.
    """

    encoder: str
    card: dict[str, Any] = field(default_factory=dict)
    faces: dict[str, dict[str, int]] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict, repr=False)
    impostor: np.ndarray | ScoreHistogram | None = field(default=None, repr=False)
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
        key = (attack, measure, kind, far, rank)
        return find(self.measures, key, f"what the judge {self.encoder} said")

    def facts(self) -> dict[str, Any]:
        """Return who judged, as the JSON tells it: plain values."""
        error = next((row for row in self.measures if row.key[:2] == (ORIGINAL, "eer")), None)
        return {
            "encoder": self.encoder,
            "card": self.card,
            "eer": None if error is None else _rate(error, "eer"),
            "faces": self.faces,
        }


def by_far(
    measures: Iterable[Measure], decoders: Sequence[str], fars: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """Lay rows out by FAR: what most readers look for first.

    Args:
        measures: rows of one recogniser, the target or a judge.
        decoders: names of the attacks.
        fars: that thresholds were set for.

    Returns:
        {"0.001": {"threshold", "original": {"tar", "ci95"}, "type1": ..., "type2": ...}}. With
        several attacks type1 and type2 stand under "attacks", by name. "ci95" is None where there
        is no interval; folds add "se", random trials "sd".
    """
    rows = {row.key: row for row in measures}
    found: dict[str, dict[str, Any]] = {}
    for far in fars:
        at = found[f"{far:g}"] = {}
        threshold = rows.get((ORIGINAL, "threshold", "", far, None))
        if threshold is not None:
            at["threshold"] = threshold.value if math.isfinite(threshold.value) else None
        original = rows.get((ORIGINAL, "tar", ORIGINAL, far, None))
        if original is not None:
            at["original"] = _rate(original)
        attacks: dict[str, dict[str, Any]] = {}
        for attack, measure, kind, its_far, _ in rows:
            if measure == "tar" and attack != ORIGINAL and its_far == far:
                row = rows[(attack, measure, kind, far, None)]
                attacks.setdefault(attack, {})[kind] = _rate(row)
        if len(decoders) == 1:
            at |= attacks.get(decoders[0], {})
        elif attacks:
            at["attacks"] = attacks
    return found


def _rate(row: Measure, name: str = "tar") -> dict[str, Any]:
    told = plain(row)
    sure = row.low is not None and row.high is not None
    rate = {name: told["value"], "ci95": [told["low"], told["high"]] if sure else None}
    return rate | {key: told[key] for key in ("se", "sd") if key in told}


def judgements_to_rows(judges: dict[str, Judgement]) -> list[dict[str, Any]]:
    """Return the rows of all judges as plain values, each with the judge's key first."""
    return [{"judge": key, **plain(row)} for key, judge in judges.items() for row in judge.measures]


def judgements_from(told: dict[str, Any]) -> dict[str, Judgement]:
    """Return the judges of a result's JSON object; none where it was made without.

    Raises:
        AttributeError, KeyError, TypeError: it is not whole.
    """
    judges = {
        key: Judgement(facts["encoder"], facts["card"], facts["faces"])
        for key, facts in told.get("judge_encoders", {}).items()
    }
    for row in told.get("judge_measures", []):
        judges[row["judge"]].measures.append(unplain(row))
    return judges
