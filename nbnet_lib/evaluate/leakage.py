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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import nbnet_lib.evaluate.probes as probes
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.evaluate.scores import Templates, as_identities, as_templates
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap

if TYPE_CHECKING:
    import pandas as pd

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
MAX_CLASSES = 10  # whole numbers with at most so many values are classes
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
        """Return plain Python values, fit for JSON; those in ``more`` beside the rest."""
        values = {name: value for name, value in vars(self).items() if name != "more"}
        return {**values, "classes": list(self.classes), **self.more}


@dataclass
class Leakage:
    """What `leakage` measured: a row per attribute, in the order of the columns."""

    rows: list[AttributeLeakage]

    def __getitem__(self, attribute: str) -> AttributeLeakage:
        """Return the row of one attribute."""
        return {row.attribute: row for row in self.rows}[attribute]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain Python values."""
        return [row.to_dict() for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as numbers, the attribute as index."""
        import pandas as pd

        return pd.DataFrame(self.to_dicts()).set_index("attribute")


def ground_truth(pictures: Pictures, names: Sequence[str]) -> pd.DataFrame:
    """Return the parameters that the pictures were drawn from, a row each, columns ``names``.

    Raises:
        NbnetError: pictures that were not drawn by SynthFaces, or an unknown name.
    """
    from nbnet_lib.faces import table  # pandas is slow to import

    if not isinstance(pictures.where, Drawn):
        raise NbnetError(
            f"nothing is known about the people on the pictures in {pictures.where}: "
            "leakage is measured with the protocol synthfaces, whose parameters are the truth"
        )
    numbers, samples = pictures.where.numbers, pictures.where.samples
    people, person = np.unique(numbers, return_inverse=True)
    shots, shot = np.unique(samples, return_inverse=True)
    truth = table(people, shots, columns=list(names))
    return truth[list(names)].iloc[person * len(shots) + shot].reset_index(drop=True)


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
    """
    x = as_templates(templates).astype(np.float64)
    who = as_identities(identities, len(x))
    if len(attributes) != len(x):
        raise NbnetError(
            f"{len(x)} templates but {len(attributes)} rows of attributes: give one row each, in "
            "the same order"
        )
    rows = []
    for name in tqdm(attributes.columns, desc="leakage", disable=not progress):
        row, keep, y = _prepare(str(name), attributes[name], who, folds)
        if row.kind != NOT_MEASURABLE:
            probe = _probe_classes if row.kind == CLASSES else _probe_numbers
            draws = IdentityBootstrap(who[keep], resamples, seed)
            # Thousands of small products: on several cores BLAS waits for itself, 4 times as long.
            with threadpool_limits(1, user_api="blas"):
                score, samples, chance, row.more = probe(
                    x[keep], y, who[keep], folds, seed, permutations, draws
                )
            row.score, (row.low, row.high) = float(score), draws.interval(samples)
            row.chance = float(chance.mean())
            row.chance_low, row.chance_high = map(float, np.quantile(chance, [0.025, 0.975]))
            row.p = (1 + int((chance >= score).sum())) / (1 + len(chance))
        rows.append(row)
    return Leakage(rows)


def _prepare(
    name: str, column: pd.Series, who: np.ndarray, folds: int
) -> tuple[AttributeLeakage, np.ndarray, np.ndarray]:
    """Return the row to fill, the rows that take part and their values (class codes, numbers)."""
    kind = _kind(column)
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


def _kind(column: pd.Series) -> str:
    from pandas.api import types

    many = types.is_integer_dtype(column) and column.nunique() > MAX_CLASSES
    return NUMBER if many or types.is_float_dtype(column) else CLASSES


def _constant(y: np.ndarray, who: np.ndarray) -> bool:
    """Return whether each identity has a single value."""
    order = np.argsort(who, kind="stable")
    same = who[order][1:] == who[order][:-1]
    return bool((y[order][1:] == y[order][:-1])[same].all())


# Score, samples of it in draws of people, scores with shuffled labels, more measures.
Probed = tuple[float, np.ndarray, np.ndarray, dict[str, float]]


def _probe_classes(
    x: np.ndarray, y: np.ndarray, who: np.ndarray, folds: int, seed: int, permutations: int,
    draws: IdentityBootstrap,
) -> Probed:  # fmt: skip
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    p, chosen = probes.logistic_probabilities(x, y, who, folds, seed)
    guess = p.argmax(axis=1)
    rng = np.random.default_rng(seed)
    chance = []
    for _ in range(permutations):
        other = probes.shuffle_between_identities(y, who, rng)
        q, _ = probes.logistic_probabilities(x, other, who, folds, seed, float(np.median(chosen)))
        chance.append(balanced_accuracy_score(other, q.argmax(axis=1)))
    samples = probes.balanced_accuracy_draws(y, guess, who, draws)
    area = roc_auc_score(y, p[:, 1] if p.shape[1] == 2 else p, multi_class="ovr")
    more = {"auc": float(area), "dummy": 1 / p.shape[1]}
    return balanced_accuracy_score(y, guess), samples, np.array(chance), more


def _probe_numbers(
    x: np.ndarray, y: np.ndarray, who: np.ndarray, folds: int, seed: int, permutations: int,
    draws: IdentityBootstrap,
) -> Probed:  # fmt: skip
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
    more = {
        "mae": float(mean_absolute_error(y, guess)),
        "spearman": float(spearmanr(y, guess).statistic),
        "dummy": float(r2_score(y, dummy)),
        "dummy_mae": float(mean_absolute_error(y, dummy)),
    }
    return scores[0], probes.r2_draws(y, guess, who, draws), scores[1:], more
