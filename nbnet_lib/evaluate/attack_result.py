"""What `evaluate_attack` returns: rates, scores and persons of one attack (chapter 10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.comparisons import Comparisons, Impostors, scores_of
from nbnet_lib.evaluate.result import percent

if TYPE_CHECKING:
    import pandas as pd

ROWS = {
    "original": "original",
    "type1": "type-I",
    "type2": "type-II",
    "zero_effort": "zero effort",
}
# Names of the rates, and of the comparisons that they come from.
KINDS = {"original": "genuine", "type1": "type1", "type2": "type2"}


@dataclass
class Rate:
    """A true acceptance rate with its 95 % interval (None where none was asked for), 0 to 1.

    Attributes:
        tar: the rate.
        ci95: its interval.
        drawn: float64 [resamples], the rate in each draw of identities, so that a difference of two
            rates can be formed draw by draw; None where there is no interval.
    """

    tar: float
    ci95: tuple[float, float] | None
    drawn: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return it in percent: ``95.9 % [94.6, 97.1]``."""
        ends = (
            "" if self.ci95 is None else f"  [{100 * self.ci95[0]:.1f}, {100 * self.ci95[1]:.1f}]"
        )
        return f"{100 * self.tar:5.1f} %{ends}"


@dataclass
class AttackResult:
    """What `evaluate_attack` measured.

    Attributes:
        decoder: name of the decoder.
        thresholds: {far: threshold}.
        rates: {far: {"original" | "type1" | "type2": Rate}}, and "zero_effort" with R > 1 tries.
        comparisons: {"genuine" | "impostor" | "type1" | "type2": Comparisons}; the score of an
            attack is the best of its tries. Impostors that were only counted are not among them.
        impostor: the impostor comparisons, kept or counted.
        pictures: {identity: how many pictures of it take part}.
        tries: R, reconstructions per template.
        thresholds_given: whether the thresholds were set elsewhere and so stay in each resample.
    """

    decoder: str
    thresholds: dict[float, float]
    rates: dict[float, dict[str, Rate]]
    comparisons: dict[str, Comparisons] = field(repr=False)
    impostor: Impostors = field(repr=False)
    pictures: dict[int, int] = field(repr=False)
    tries: int = 1
    thresholds_given: bool = False

    @property
    def identities(self) -> int:
        """How many persons take part."""
        return len(self.pictures)

    @property
    def scores(self) -> dict[str, Any]:
        """{"genuine" | "impostor" | "type1" | "type2": float32 [n]}, for plots.

        Impostors that were only counted are a `ScoreHistogram`, which plots take as well.
        """
        kept = {name: found.scores for name, found in self.comparisons.items()}
        return {**kept, "impostor": scores_of(self.impostor)}

    @property
    def owners(self) -> dict[str, np.ndarray]:
        """{"genuine" | "type1" | "type2": int64 [n]}: whom each score of `scores` belongs to.

        Impostor scores belong to two persons: see ``comparisons["impostor"]``.
        """
        return {name: self.comparisons[name].first for name in KINDS.values()}

    def table(self) -> pd.DataFrame:
        """Return the rates laid out for printing: original, type-I, type-II x FAR."""
        import pandas as pd  # slow to import, and the JSON does without

        return pd.DataFrame(
            {
                f"TAR @ FAR {percent(far)}": {ROWS[name]: str(rate) for name, rate in rates.items()}
                for far, rates in self.rates.items()
            }
        )

    def per_identity(self, far: float) -> pd.DataFrame:
        """Return one row per person: identity, pictures, and the rates original, type1, type2.

        A rate is NaN where the person has no comparison of that kind (in a list of pairs).

        Raises:
            NbnetError: a FAR that was not measured.
        """
        import pandas as pd

        threshold = self.threshold(far)
        frame = pd.DataFrame(
            {"identity": list(self.pictures), "pictures": list(self.pictures.values())}
        )
        for name, kind in KINDS.items():
            found = self.comparisons[kind]
            rate = pd.Series(found.scores > threshold).groupby(found.first).mean()
            frame[name] = frame["identity"].map(rate).astype(float)
        return frame

    def threshold(self, far: float) -> float:
        """Return the threshold at ``far``.

        Raises:
            NbnetError: a FAR that was not measured.
        """
        if far not in self.thresholds:
            known = ", ".join(f"{f:g}" for f in self.thresholds)
            raise NbnetError(f"FAR {far:g} was not measured: choose one of {known}")
        return self.thresholds[far]
