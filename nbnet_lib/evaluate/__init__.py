"""Measure recognisers and the attacks on them (chapters 2 and 10).

>>> from nbnet_lib.evaluate import open_protocol, run_protocol

Read in this order: `scores` (comparisons), `verification` (FAR, TAR, EER), `uncertainty` (the
bootstrap over identities), `attack` (type-I, type-II), `identification` (rank-k, open set),
`protocols` (what is compared with what), `judges` (other recognisers look, too), `run` (all of it),
`tables` and `report` (what is printed). `quality` and `leakage` look at pictures and at what else
templates tell.

Names that need pandas, scikit-learn, torchmetrics or seaborn are imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nbnet_lib.evaluate.attack import AttackResult, evaluate_attack
from nbnet_lib.evaluate.binomial import exact_interval, wilson_interval
from nbnet_lib.evaluate.compare import Difference, compare_attacks
from nbnet_lib.evaluate.embedding import embed_reconstructions
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.identification import Identification, search
from nbnet_lib.evaluate.judge_result import Judgement
from nbnet_lib.evaluate.originals import Rate
from nbnet_lib.evaluate.protocols import Protocol, open_protocol, synthfaces
from nbnet_lib.evaluate.result import Measure, Result
from nbnet_lib.evaluate.run import run_protocol
from nbnet_lib.evaluate.scores import (
    Comparisons,
    all_pairs,
    compare_pairs,
    compare_sets,
    genuine_impostor,
    same_person_pairs,
)
from nbnet_lib.evaluate.selection import select_by_score
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap, bootstrap_rate
from nbnet_lib.evaluate.verification import (
    auc,
    d_prime,
    det,
    eer,
    far_at,
    roc,
    tar_at,
    threshold_at_far,
)

if TYPE_CHECKING:
    from nbnet_lib.evaluate import report, tables
    from nbnet_lib.evaluate.leakage import DEFAULT_ATTRIBUTES, Leakage
    from nbnet_lib.evaluate.plots import (
        cmc_plot,
        det_plot,
        interval_plot,
        judges_plot,
        quality_plot,
        rates_plot,
        reconstruction_strip,
        roc_plot,
        score_histogram,
    )
    from nbnet_lib.evaluate.quality import ImageQuality, QualityMeter, image_quality

_LATER = {
    **dict.fromkeys(("DEFAULT_ATTRIBUTES", "Leakage"), "leakage"),
    **dict.fromkeys(("ImageQuality", "QualityMeter", "image_quality"), "quality"),
    **dict.fromkeys(
        (
            "cmc_plot",
            "det_plot",
            "interval_plot",
            "judges_plot",
            "quality_plot",
            "rates_plot",
            "reconstruction_strip",
            "roc_plot",
            "score_histogram",
        ),
        "plots",
    ),
}
_MODULES = ("report", "tables")

__all__ = [
    "DEFAULT_ATTRIBUTES",
    "AttackResult",
    "Comparisons",
    "Difference",
    "Identification",
    "Judgement",
    "IdentityBootstrap",
    "ImageQuality",
    "Leakage",
    "Measure",
    "Protocol",
    "QualityMeter",
    "Rate",
    "Result",
    "ScoreHistogram",
    "all_pairs",
    "auc",
    "bootstrap_rate",
    "cmc_plot",
    "compare_attacks",
    "compare_pairs",
    "compare_sets",
    "d_prime",
    "det",
    "det_plot",
    "eer",
    "embed_reconstructions",
    "evaluate_attack",
    "exact_interval",
    "far_at",
    "genuine_impostor",
    "image_quality",
    "interval_plot",
    "judges_plot",
    "open_protocol",
    "quality_plot",
    "rates_plot",
    "reconstruction_strip",
    "report",
    "roc",
    "roc_plot",
    "run_protocol",
    "same_person_pairs",
    "score_histogram",
    "search",
    "select_by_score",
    "synthfaces",
    "tables",
    "tar_at",
    "threshold_at_far",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"nbnet_lib.evaluate.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"nbnet_lib.evaluate.{_LATER[name]}"), name)
