"""What a measurement of leakage says, as rows, JSON, pandas and a printed table.

Made by `nbnet_lib.evaluate.leakage`, which also says how to read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import pandas as pd

CLASSES, NUMBER, NOT_MEASURABLE = "classes", "number", "not measurable"
MEASURES = {CLASSES: "balanced accuracy", NUMBER: "R2", NOT_MEASURABLE: ""}


@dataclass
class AttributeLeakage:
    """What a probe reads of one attribute.

    Attributes:
        attribute: name of the column.
        kind: "classes", "number" or "not measurable".
        of: "identity" when every identity has one value, else "picture".
        pictures: how many took part.
        identities: how many took part.
        classes: their names; empty for numbers.
        measure: "balanced accuracy" (mean recall of the classes, 0 to 1) or "R2" (1 is perfect,
            0 as good as always saying the mean, below 0 worse than that).
        score: of the out-of-fold predictions of all pictures together; None if not measurable.
        low: lower end of its 95 % interval, identities drawn anew; the trained probes stay.
        high: upper end.
        chance: mean score of the same procedure with labels shuffled between identities.
        chance_low: 2.5 % of the shuffled labels score lower.
        chance_high: 2.5 % of the shuffled labels score higher.
        p: share of the shufflings, the true labels counted as one of them, that score as high.
        more: of the same predictions: "auc" (of two classes, or the mean of each against the rest)
            or "mae" and "spearman"; and the same measures of a probe that ignores the template
            (most frequent class, mean): "dummy", "dummy_mae".
        left_out: which values were left out and why; empty if none.
        reason: why it is not measurable; empty if it is.
    """

    attribute: str
    kind: str
    of: str
    pictures: int
    identities: int
    classes: tuple[str, ...] = ()
    measure: str = ""
    score: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    chance_low: float | None = None
    chance_high: float | None = None
    p: float | None = None
    more: dict[str, float] = field(default_factory=dict)
    left_out: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, fit for JSON; what ``more`` holds stands beside the rest."""
        own = {name: value for name, value in vars(self).items() if name != "more"}
        return {**own, "classes": list(self.classes), **self.more}


@dataclass
class Leakage:
    """What `leakage` measured: a row per attribute, in the order of the columns.

    Attributes:
        rows: the attributes.
        folds: outer folds.
        permutations: how often labels were shuffled.
        resamples: of the bootstrap.
        seed: of folds, shuffling and bootstrap.
    """

    rows: list[AttributeLeakage]
    folds: int
    permutations: int
    resamples: int
    seed: int

    def __getitem__(self, attribute: str) -> AttributeLeakage:
        """Return the row of one attribute.

        Raises:
            NbnetError: there is none.
        """
        for row in self.rows:
            if row.attribute == attribute:
                return row
        names = ", ".join(row.attribute for row in self.rows)
        raise NbnetError(f"{attribute!r} was not probed: choose one of {names}")

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain Python values."""
        return [row.to_dict() for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as numbers, the attribute as index."""
        import pandas as pd

        return pd.DataFrame(self.to_dicts()).set_index("attribute")

    def table(self) -> pd.DataFrame:
        """Return the rows laid out for printing."""
        from nbnet_lib.evaluate.tables import leakage_table

        return leakage_table({"leakage": self.to_dicts()})
