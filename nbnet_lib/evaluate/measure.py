"""One number of an evaluation and what it is a number of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError

ORIGINAL = "original"


@dataclass(frozen=True)
class Measure:
    """One number and what it is a number of.

    Attributes:
        attack: "original" (pictures compared as they are), or the decoder's name, or "any of
            the 3": each target is attacked with one reconstruction of each of the decoders.
        measure: "tar", "far" (that the threshold gave on the comparisons tested), "baseline" (a
            zero-effort impostor with as many tries), "threshold", "eer", "auc", "d_prime",
            "accuracy", "rank" (identification rate), "dir" (open set), "psnr", "ssim",
            "perceptual"; of a judge also "gap" (TAR of the target less TAR of the judge).
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


def find(measures: Iterable[Measure], key: tuple[Any, ...], where: str) -> Measure:
    """Return the row of ``key`` among the measures of ``where``.

    Raises:
        NbnetError: there is none.
    """
    for row in measures:
        if row.key == key:
            return row
    attack, measure, kind, far, rank = key
    raise NbnetError(
        f"{where} holds no {measure} of {attack!r} (kind {kind!r}, far {far}, rank {rank}):"
        " see the result's to_frame() for what there is"
    )


def plain(row: Measure) -> dict[str, Any]:
    """Return the row without the entries that are None, so that a reader sees what it has.

    Infinite and undefined values, which JSON cannot spell, become None.
    """
    values = {name: getattr(row, name) for name in Measure.__dataclass_fields__}
    for name, value in values.items():
        if isinstance(value, float | np.floating):
            values[name] = float(value) if math.isfinite(value) else None
    needed = ("attack", "measure", "kind", "value")
    return {name: value for name, value in values.items() if name in needed or value is not None}


def unplain(row: dict[str, Any]) -> Measure:
    """Return the row that `plain` gave; entries of later releases are left out.

    Raises:
        KeyError, TypeError: it is not whole.
    """
    values = {name: row[name] for name in Measure.__dataclass_fields__ if name in row}
    return Measure(**values | {"value": math.nan if row["value"] is None else row["value"]})
