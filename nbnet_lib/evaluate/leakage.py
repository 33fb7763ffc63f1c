"""What templates give away about a face: linear probes for ground-truth attributes.

A template is meant to tell who somebody is. This measures what else can be read from it: for each
attribute a probe (logistic regression for classes, ridge regression for numbers) is trained on the
templates of some people and asked about others. How to read the result:

- A score above chance shows that the attribute *can* be read, linearly, by whoever has a few
  hundred labelled templates. A score at chance shows only that *this* probe failed: another one,
  or more people, may succeed.
- Attributes go together (beards with gender, grey hair with age), and a probe may read one through
  the other. It says that the value can be predicted, not what in the template it is predicted by.
- For SynthFaces the attributes are parameters of a graphics model, not facts about people, and the
  faces are as varied as that model: the numbers do not carry over to photographs.

Chance is measured, not assumed: the same probe is trained and asked with labels that were shuffled
between identities (Ojala and Garriga, JMLR 2010: permutation tests for classifiers).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import probes
from nbnet_lib.evaluate.leakage_result import (
    CLASSES,
    MEASURES,
    NOT_MEASURABLE,
    NUMBER,
    AttributeLeakage,
    Leakage,
)
from nbnet_lib.evaluate.scores import Templates, as_identities, as_templates
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT_ATTRIBUTES", "AttributeLeakage", "Leakage", "leakage"]

# Columns of `nbnet_lib.faces.table` that a report asks for: of the person, of the picture, and one
# that nobody can read from pixels (the number that the pattern of the skin was drawn from).
DEFAULT_ATTRIBUTES = (
    "gender",
    "age_years",
    "ancestry_main",
    "weight",
    "melanin",
    "hair_color",
    "eye_color",
    "beard",
    "yaw_deg",
    "pitch_deg",
    "smile",
    "wears_glasses",
    "scene",
    "light_azimuth_deg",
    "skin_seed",
)
FEW = 10  # whole numbers with at most so many values are classes


def leakage(
    templates: Templates,
    identities: Sequence[int] | np.ndarray,
    attributes: pd.DataFrame,
    seed: int = 0,
    folds: int = 5,
    resamples: int = 1000,
    permutations: int = 99,
    progress: bool = False,
) -> Leakage:
    """Measure how well each attribute can be predicted from templates of people not seen before.

    Words, flags and whole numbers of at most 10 values are classes (logistic regression, classes
    weighing the same); other numbers are regressed (ridge). Cross-validation is nested and goes by
    identity: the outer folds give the predictions that are scored, three inner folds of each
    training set choose the penalty, and nobody is on both sides of any split. Standardisation
    belongs to the probe. For the chance level the whole is done again with shuffled labels, where
    each identity gets all values of another one; only the penalty of the logistic probe stays (the
    median of those chosen).

    Classes that fewer than 2 x ``folds`` identities show are left out, and so are missing values;
    the result says so. What remains may be nothing: then the row says why.

    Args:
        templates: [N, d], see `as_templates`.
        identities: [N], who is on each picture.
        attributes: N rows in the order of the templates (the index is ignored), a column each;
            for SynthFaces columns of ``nbnet_lib.faces.table(identities, samples)``, for example
            `DEFAULT_ATTRIBUTES`.
        seed: of the folds, the shuffling and the bootstrap.
        folds: outer folds, at least 2.
        resamples: of the bootstrap over identities.
        permutations: how often labels are shuffled; p is at least 1 / (permutations + 1).
        progress: show a bar on stderr.

    Raises:
        NbnetError: bad templates or identities, another number of rows, no column or one twice, a
            column of another type or with infinity, fewer than 2 folds or 1 permutation.
    """
    x = as_templates(templates).astype(np.float64)
    who = as_identities(identities, len(x))
    if len(attributes) != len(x):
        raise NbnetError(
            f"{len(x)} templates but {len(attributes)} rows of attributes: give one row each, in "
            "the same order"
        )
    names = [str(name) for name in attributes.columns]
    if not names or len(set(names)) < len(names):
        raise NbnetError(f"attributes are {names}: give at least one column, each name once")
    if folds < 2 or permutations < 1 or resamples < 1:
        raise NbnetError(
            f"folds={folds} must be >= 2, permutations={permutations} and resamples={resamples} "
            ">= 1"
        )
    rows = []
    for position, name in enumerate(tqdm(names, desc="leakage", disable=not progress)):
        row, keep, y = _prepare(name, attributes.iloc[:, position], who, folds)
        if row.kind != NOT_MEASURABLE:
            measure = _probe_classes if row.kind == CLASSES else _probe_numbers
            # Thousands of small products: on several cores BLAS waits for itself, 4 times as long.
            with threadpool_limits(1, user_api="blas"):
                measure(row, x[keep], y, who[keep], folds, seed, resamples, permutations)
        rows.append(row)
    return Leakage(rows, folds, permutations, resamples, seed)


def _prepare(
    name: str, column: pd.Series, who: np.ndarray, folds: int
) -> tuple[AttributeLeakage, np.ndarray, np.ndarray]:
    """Return the row to fill, the rows that take part and their values (class codes, numbers)."""
    kind = _kind(name, column)
    keep = column.notna().to_numpy()
    left_out = [f"{(~keep).sum()} pictures without a value"] if not keep.all() else []
    fewest, classes = 2 * folds, ()
    if kind == CLASSES:
        words = column.astype(str).to_numpy(dtype=object)
        shown = {w: len(np.unique(who[keep & (words == w)])) for w in sorted(set(words[keep]))}
        rare = [w for w, people in shown.items() if people < fewest]
        classes = tuple(w for w in shown if w not in rare)
        if rare and len(shown) > 1:
            left_out += [f"{w} ({shown[w]} identities)" for w in rare]
        keep = keep & np.isin(words, classes)
        y = np.searchsorted(np.array(classes, dtype=object), words[keep]) if classes else words[:0]
    else:
        y = column.to_numpy(dtype=np.float64, na_value=np.nan)[keep]
        if np.isinf(y).any():
            raise NbnetError(f"attribute {name!r} holds infinity: give finite numbers")
    people = len(np.unique(who[keep]))
    reason = ""
    if kind == CLASSES and len(classes) < 2:
        reason = (
            "one value" if len(shown) == 1 else f"fewer than two classes of {fewest} identities"
        )
    elif people < fewest:
        reason = f"{people} identities with a value, {fewest} needed"
    elif kind == NUMBER and np.ptp(y) == 0:
        reason = "one value"
    row = AttributeLeakage(
        attribute=name,
        kind=NOT_MEASURABLE if reason else kind,
        of="identity" if _constant(y, who[keep]) else "picture",
        pictures=int(keep.sum()),
        identities=people,
        classes=() if reason else classes,
        measure="" if reason else MEASURES[kind],
        left_out=", ".join(left_out),
        reason=reason,
    )
    return row, keep, y


def _kind(name: str, column: pd.Series) -> str:
    from pandas.api import types

    if types.is_bool_dtype(column) or isinstance(column.dtype, _categorical()):
        return CLASSES
    if types.is_integer_dtype(column):
        return CLASSES if column.nunique() <= FEW else NUMBER
    if types.is_float_dtype(column):
        return NUMBER
    if types.is_string_dtype(column) or types.is_object_dtype(column):
        return CLASSES
    raise NbnetError(f"attribute {name!r} is of type {column.dtype}: give words, flags or numbers")


def _categorical() -> type:
    import pandas as pd

    return pd.CategoricalDtype


def _constant(y: np.ndarray, who: np.ndarray) -> bool:
    """Say whether each identity has a single value."""
    order = np.argsort(who, kind="stable")
    same = who[order][1:] == who[order][:-1]
    return bool((y[order][1:] == y[order][:-1])[same].all())


def _probe_classes(
    row: AttributeLeakage, x: np.ndarray, y: np.ndarray, who: np.ndarray,
    folds: int, seed: int, resamples: int, permutations: int,
) -> None:  # fmt: skip
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    p, chosen = probes.logistic_probabilities(x, y, who, folds, seed)
    guess = p.argmax(axis=1)
    rng = np.random.default_rng(seed)
    chance = []
    for _ in range(permutations):
        other = probes.shuffle_between_identities(y, who, rng)
        q, _ = probes.logistic_probabilities(x, other, who, folds, seed, float(np.median(chosen)))
        chance.append(balanced_accuracy_score(other, q.argmax(axis=1)))
    draws = IdentityBootstrap(who, resamples, seed)
    samples = probes.balanced_accuracy_draws(y, guess, who, draws)
    _fill(row, balanced_accuracy_score(y, guess), draws.interval(samples), np.array(chance))
    row.more = {
        "auc": float(
            roc_auc_score(y, p[:, 1])
            if p.shape[1] == 2
            else roc_auc_score(y, p, multi_class="ovr", average="macro")
        ),
        "dummy": 1 / len(row.classes),
    }


def _probe_numbers(
    row: AttributeLeakage, x: np.ndarray, y: np.ndarray, who: np.ndarray,
    folds: int, seed: int, resamples: int, permutations: int,
) -> None:  # fmt: skip
    from scipy.stats import spearmanr
    from sklearn.metrics import mean_absolute_error, r2_score

    rng = np.random.default_rng(seed)
    shuffled = [probes.shuffle_between_identities(y, who, rng) for _ in range(permutations)]
    # All at once: the folds do not depend on the labels, and each target gets its own penalty.
    targets = np.stack([y, *shuffled], axis=1)
    guesses = probes.ridge_predictions(x, targets, who, folds, seed)
    scores = r2_score(targets, guesses, multioutput="raw_values")
    guess = guesses[:, 0]
    dummy = probes.mean_predictions(y, who, folds, seed)
    draws = IdentityBootstrap(who, resamples, seed)
    samples = probes.r2_draws(y, guess, who, draws)
    _fill(row, scores[0], draws.interval(samples), scores[1:])
    row.more = {
        "mae": float(mean_absolute_error(y, guess)),
        "spearman": float(spearmanr(y, guess).statistic),
        "dummy": float(r2_score(y, dummy)),
        "dummy_mae": float(mean_absolute_error(y, dummy)),
    }


def _fill(
    row: AttributeLeakage, score: float, interval: tuple[float, float], chance: np.ndarray
) -> None:
    row.score, (row.low, row.high) = float(score), interval
    row.chance = float(chance.mean())
    row.chance_low, row.chance_high = (float(v) for v in np.quantile(chance, [0.025, 0.975]))
    row.p = (1 + int((chance >= score).sum())) / (1 + len(chance))
