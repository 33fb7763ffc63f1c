"""Type-I and type-II: how often a reconstruction is accepted as the person (chapter 4).

Reference: Mai, Cao, Yuen, Jain, arXiv 1703.00832. The reconstruction made from the template of
picture j is given to the system anew:

- *type-I*: it is compared with picture j itself;
- *type-II*: it is compared with every other picture of the same person (called SAR in newer work).

The threshold comes from impostor comparisons of originals at the stated FAR, as in the attacked
system; reconstructions have no say in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.scores import (
    Templates,
    _all_pairs,
    as_identities,
    as_templates,
    same_person_pairs,
)
from nbnet_lib.evaluate.uncertainty import bootstrap_rate
from nbnet_lib.evaluate.verification import tar_at, threshold_at_far

if TYPE_CHECKING:
    import pandas as pd

ROWS = {"original": "original", "type1": "type-I", "type2": "type-II"}


@dataclass
class Rate:
    """A true acceptance rate with its 95 % interval, all 0 to 1."""

    tar: float
    ci95: tuple[float, float]


@dataclass
class AttackResult:
    """What `evaluate_attack` measured.

    Attributes:
        decoder: name of the decoder.
        encoder: name of the target.
        seed: of the bootstrap.
        identities: how many persons.
        thresholds: {far: threshold}.
        rates: {far: {"original" | "type1" | "type2": Rate}}.
        scores: {"genuine" | "impostor" | "type1" | "type2": float32 array}, for plots.
        extra: further facts that join the JSON at its end (samples, comparisons, seconds).
    """

    decoder: str
    encoder: str
    seed: int
    identities: int
    thresholds: dict[float, float]
    rates: dict[float, dict[str, Rate]]
    scores: dict[str, np.ndarray] = field(repr=False)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``nbnet evaluate --json`` prints; plain Python values only."""
        far = {
            f"{far:g}": {
                "threshold": self.thresholds[far],
                **{
                    name: {"tar": rate.tar, "ci95": list(rate.ci95)} for name, rate in rates.items()
                },
            }
            for far, rates in self.rates.items()
        }
        return {
            "decoder": self.decoder,
            "encoder": self.encoder,
            "seed": self.seed,
            "identities": self.identities,
            "far": far,
            **self.extra,
        }

    def table(self) -> pd.DataFrame:
        """Return the rates laid out for printing: original, type-I, type-II x FAR."""
        import pandas as pd  # slow to import, and the JSON does without

        return pd.DataFrame(
            {
                f"TAR @ FAR {_percent(far)}": {
                    ROWS[name]: f"{100 * rate.tar:5.1f} %  "
                    f"[{100 * rate.ci95[0]:.1f}, {100 * rate.ci95[1]:.1f}]"
                    for name, rate in rates.items()
                }
                for far, rates in self.rates.items()
            }
        )


def evaluate_attack(
    originals: Templates,
    identities: Sequence[int] | np.ndarray,
    reconstructed: Templates,
    fars: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
    resamples: int = 1000,
    decoder: str = "",
    encoder: str = "",
) -> AttackResult:
    """Measure type-I and type-II acceptance beside that of the originals.

    Args:
        originals: float32 [N, d], templates of the original pictures.
        identities: [N], who is on each picture; at least two persons, two pictures each.
        reconstructed: float32 [N, d], row j: the template that the *same* encoder extracts from
            the picture reconstructed from originals[j].
        fars: false acceptance rates that set the thresholds.
        seed: of the bootstrap (see `bootstrap_rate`: identities are drawn, the threshold stays).
        resamples: of the bootstrap.
        decoder: name for the report.
        encoder: name for the report.

    Raises:
        NbnetError: lengths that differ, NaN, a person with a single picture, a bad FAR.
    """
    x = as_templates(originals, "original templates")
    y = as_templates(reconstructed, "reconstructed templates")
    if x.shape != y.shape:
        raise NbnetError(
            f"originals have shape {x.shape} but reconstructed templates {y.shape}: "
            "give the template of the reconstruction of each original, in the same order"
        )
    who = as_identities(identities, len(x))
    if not fars:
        raise NbnetError("no FAR given: name at least one, such as 0.001")
    j, k = same_person_pairs(who)
    genuine, impostor, owners = _all_pairs(x, who)
    scores = {
        "genuine": genuine,
        "impostor": impostor,
        "type1": np.einsum("nd,nd->n", y, x),
        "type2": np.einsum("nd,nd->n", y[j], x[k]),
    }
    belongs = {"original": owners, "type1": who, "type2": who[j]}
    thresholds, rates = {}, {}
    for far in fars:
        threshold = thresholds[far] = threshold_at_far(impostor, far)
        rates[far] = {
            name: Rate(
                tar_at(scores["genuine" if name == "original" else name], threshold),
                bootstrap_rate(
                    scores["genuine" if name == "original" else name] > threshold,
                    belongs[name],
                    resamples,
                    seed,
                ),
            )
            for name in ROWS
        }
    return AttackResult(
        decoder=decoder,
        encoder=encoder,
        seed=seed,
        identities=len(np.unique(who)),
        thresholds=thresholds,
        rates=rates,
        scores=scores,
        extra={"comparisons": {name: len(values) for name, values in scores.items()}},
    )


def _percent(far: float) -> str:
    return f"{100 * far:g} %"
