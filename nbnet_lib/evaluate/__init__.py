"""Measure verification and the attack on it (chapters 2 and 4).

>>> from nbnet_lib.evaluate import evaluate_attack, run_benchmark
"""

from nbnet_lib.evaluate.attack import AttackResult, Rate, evaluate_attack
from nbnet_lib.evaluate.benchmark import embed_reconstructions, run_benchmark
from nbnet_lib.evaluate.plots import (
    reconstruction_strip,
    roc_plot,
    score_histogram,
    select_by_score,
)
from nbnet_lib.evaluate.scores import genuine_impostor, same_person_pairs
from nbnet_lib.evaluate.uncertainty import bootstrap_rate
from nbnet_lib.evaluate.verification import d_prime, eer, roc, tar_at, threshold_at_far

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
