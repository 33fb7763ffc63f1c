"""Measure recognisers and the attacks on them (chapters 2 and 10).

>>> from nbnet_lib.evaluate import Options, open_protocol, run_protocol

Read in this order: `run` (all of it, stage by stage), `scores` (comparisons), `verification` (FAR,
TAR, EER), `uncertainty` (the bootstrap over identities), `attack` (thresholds, type-I, type-II),
`identification` (rank-k, open set), `protocols` (what is compared with what), `judges` (other
recognisers look, too), `provenance` (who was trained with whom), `tables` and `report` (what is
printed). `quality` and `leakage` look at pictures and at what else templates give away,
`conditions` and `invariance` at what a recogniser looks at.
"""

import importlib
from typing import Any

from nbnet_lib.evaluate.attack import AttackResult, Rate, evaluate_attack
from nbnet_lib.evaluate.binomial import exact_interval, wilson_interval
from nbnet_lib.evaluate.compare import Difference, compare_attacks
from nbnet_lib.evaluate.embedding import embed_reconstructions
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.identification import Identification, search
from nbnet_lib.evaluate.invariance import Profile, ProfileOptions, profile_encoder
from nbnet_lib.evaluate.leakage import DEFAULT_ATTRIBUTES, Leakage
from nbnet_lib.evaluate.protocols import Protocol, open_protocol, synthfaces
from nbnet_lib.evaluate.quality import ImageQuality, QualityMeter, image_quality, select_by_score
from nbnet_lib.evaluate.result import Judgement, Measure, Result
from nbnet_lib.evaluate.run import Options, run_protocol
from nbnet_lib.evaluate.scores import (
    Comparisons,
    all_pairs,
    compare_pairs,
    compare_sets,
    genuine_impostor,
    same_person_pairs,
)
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

PLOTS = (
    "cmc_plot",
    "det_plot",
    "interval_plot",
    "judges_plot",
    "profile_plot",
    "reconstruction_strip",
    "roc_plot",
    "score_histogram",
)

__all__ = [
    *PLOTS,
    "DEFAULT_ATTRIBUTES",
    "AttackResult",
    "Comparisons",
    "Difference",
    "Identification",
    "IdentityBootstrap",
    "ImageQuality",
    "Judgement",
    "Leakage",
    "Measure",
    "Options",
    "Profile",
    "ProfileOptions",
    "Protocol",
    "QualityMeter",
    "Rate",
    "Result",
    "ScoreHistogram",
    "all_pairs",
    "auc",
    "bootstrap_rate",
    "compare_attacks",
    "compare_pairs",
    "compare_sets",
    "d_prime",
    "det",
    "eer",
    "embed_reconstructions",
    "evaluate_attack",
    "exact_interval",
    "far_at",
    "genuine_impostor",
    "image_quality",
    "open_protocol",
    "profile_encoder",
    "roc",
    "run_protocol",
    "same_person_pairs",
    "search",
    "select_by_score",
    "synthfaces",
    "tar_at",
    "threshold_at_far",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    """Import plots, tables and the report when first used: seaborn and pandas take seconds."""
    if name in ("report", "tables"):
        return importlib.import_module(f"nbnet_lib.evaluate.{name}")
    if name in PLOTS:
        return getattr(importlib.import_module("nbnet_lib.evaluate.plots"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
