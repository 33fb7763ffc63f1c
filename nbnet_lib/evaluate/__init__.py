"""Measure verification and the attack on it (chapters 2 and 4).

>>> from nbnet_lib.evaluate import evaluate_attack, run_benchmark

The plots (seaborn) are imported when first used: numbers alone need not wait for them.
"""

from typing import TYPE_CHECKING, Any

from nbnet_lib.evaluate.attack import AttackResult, Rate, evaluate_attack
from nbnet_lib.evaluate.benchmark import embed_reconstructions, run_benchmark
from nbnet_lib.evaluate.scores import genuine_impostor, same_person_pairs
from nbnet_lib.evaluate.uncertainty import bootstrap_rate
from nbnet_lib.evaluate.verification import d_prime, eer, roc, tar_at, threshold_at_far

if TYPE_CHECKING:
    from nbnet_lib.evaluate.plots import (
        reconstruction_strip,
        roc_plot,
        score_histogram,
        select_by_score,
    )

_PLOTS = ("reconstruction_strip", "roc_plot", "score_histogram", "select_by_score")

__all__ = [
    "AttackResult",
    "Rate",
    "bootstrap_rate",
    "d_prime",
    "eer",
    "embed_reconstructions",
    "evaluate_attack",
    "genuine_impostor",
    "reconstruction_strip",
    "roc",
    "roc_plot",
    "run_benchmark",
    "same_person_pairs",
    "score_histogram",
    "select_by_score",
    "tar_at",
    "threshold_at_far",
]


def __getattr__(name: str) -> Any:
    if name not in _PLOTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nbnet_lib.evaluate import plots

    return getattr(plots, name)
