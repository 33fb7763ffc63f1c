"""Linear probes that are always asked about people they were not trained on.

What `nbnet_lib.evaluate.leakage` is made of: folds by identity, a logistic and a ridge probe with
nested cross-validation, labels shuffled the way they were drawn, and intervals over identities.
Templates are float64 [N, d] and identities int64 [N] throughout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nbnet_lib.evaluate.uncertainty import IdentityBootstrap

INNER_FOLDS = 3
# Strong to weak penalties. Templates are standardised, so one grid fits all encoders.
LOGISTIC_C = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
RIDGE_ALPHA = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5)

Rows = Iterator[tuple[np.ndarray, np.ndarray]]


def folds_by_identity(who: np.ndarray, folds: int, seed: int, y: np.ndarray | None = None) -> Rows:
    """Yield (training rows, test rows); each identity is in exactly one test fold.

    With classes ``y`` [N] (0 to K - 1), identities are ordered by the rarest class that they show
    and dealt to the folds in turn, so that no fold goes without a rare class. (scikit-learn's
    StratifiedGroupKFold does the like, but slower than the probe itself learns.)
    """
    people, codes = np.unique(who, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(people))
    if y is not None:
        shows = np.zeros((len(people), int(y.max()) + 1), bool)
        shows[codes, y] = True
        rarest = np.where(shows, shows.sum(axis=0), len(people) + 1).argmin(axis=1)
        order = order[np.argsort(rarest[order], kind="stable")]
    fold = np.empty(len(people), np.int64)
    fold[order] = np.arange(len(people)) % folds
    for k in range(folds):
        inside = fold[codes] == k
        yield np.flatnonzero(~inside), np.flatnonzero(inside)


def logistic_probabilities(
    x: np.ndarray, y: np.ndarray, who: np.ndarray, folds: int, seed: int, c: float | None = None
) -> tuple[np.ndarray, list[float]]:
    """Predict classes out of fold with a logistic probe, all classes weighing the same.

    Args:
        x: templates [N, d].
        y: int64 [N], classes 0 to K - 1.
        who: identities [N].
        folds: outer folds.
        seed: of the folds.
        c: the inverse penalty; None to choose it on inner folds of each training set.

    Returns:
        Probabilities [N, K], each from a probe that saw no picture of that person; the chosen c of
        each fold.
    """
    classes = int(y.max()) + 1
    probabilities = np.zeros((len(y), classes))
    chosen = []
    for train, test in folds_by_identity(who, folds, seed, y):
        if c is None:
            losses = np.zeros(len(LOGISTIC_C))
            for a, b in folds_by_identity(who[train], INNER_FOLDS, seed, y[train]):
                fit, held = train[a], train[b]
                guesses = _logistic(x[fit], y[fit], x[held], LOGISTIC_C, classes)
                right = guesses[:, np.arange(len(held)), y[held]]
                losses -= np.log(np.maximum(right, 1e-12)) @ _balance(y[held])
            chosen.append(LOGISTIC_C[int(np.argmin(losses))])
        else:
            chosen.append(c)
        probabilities[test] = _logistic(x[train], y[train], x[test], chosen[-1:], classes)[0]
    return probabilities, chosen


def _logistic(
    x: np.ndarray, y: np.ndarray, x_new: np.ndarray, cs: Sequence[float], classes: int
) -> np.ndarray:
    """Return the probabilities for every c, [cs, rows, classes]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)  # from training rows only: it is part of the probe
    x, x_new, weights = scaler.transform(x), scaler.transform(x_new), _balance(y)
    probabilities = np.zeros((len(cs), len(x_new), classes))
    # From strong to weak penalty, each from the solution before it: the same ones, sooner.
    probe = LogisticRegression(warm_start=True, max_iter=1000, tol=1e-3)
    for k, c in enumerate(cs):
        probe.set_params(C=c).fit(x, y, weights)
        probabilities[k][:, probe.classes_] = probe.predict_proba(x_new)
    return probabilities


def _balance(y: np.ndarray) -> np.ndarray:
    """Return weights [N] of mean 1 with which all classes weigh the same."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return (len(y) / len(counts) / counts)[codes]


def ridge_predictions(
    x: np.ndarray, y: np.ndarray, who: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """Predict numbers out of fold with a ridge probe whose penalty inner folds choose.

    Args:
        x: templates [N, d].
        y: float64 [N, T], T targets; each gets a penalty of its own.
        who: identities [N].
        folds: outer folds.
        seed: of the folds.

    Returns:
        Predictions [N, T], each from a probe that saw no picture of that person.
    """
    predicted = np.empty_like(y)
    for train, test in folds_by_identity(who, folds, seed):
        errors = np.zeros((len(RIDGE_ALPHA), y.shape[1]))
        for a, b in folds_by_identity(who[train], INNER_FOLDS, seed):
            guesses = _ridge(x[train[a]], y[train[a]], x[train[b]])
            errors += ((guesses - y[train[b]]) ** 2).sum(axis=1)
        guesses = _ridge(x[train], y[train], x[test])
        predicted[test] = guesses[errors.argmin(axis=0), :, np.arange(y.shape[1])].T
    return predicted


def mean_predictions(y: np.ndarray, who: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Predict the mean of each training set, [N]: a probe that ignores the template."""
    predicted = np.empty_like(y)
    for train, test in folds_by_identity(who, folds, seed):
        predicted[test] = y[train].mean()
    return predicted


def _ridge(x: np.ndarray, y: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    """Return the predictions for every penalty, [penalties, rows, targets]."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    x, x_new = scaler.transform(x), scaler.transform(x_new)
    return np.stack(
        [Ridge(alpha).fit(x, y).predict(x_new).reshape(len(x_new), -1) for alpha in RIDGE_ALPHA]
    )


def shuffle_between_identities(
    values: np.ndarray, who: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Give each identity the values of another one, as a block.

    This is chance as it should be measured: the values of one person's pictures belong together
    (all equal, for an attribute of the person), and shuffling single pictures would pretend that
    there are as many independent values as pictures. Within a block the order is random; where the
    other person has fewer pictures the block is repeated, where more it is cut.
    """
    order = np.argsort(who, kind="stable")
    _, starts = np.unique(who[order], return_index=True)
    blocks = np.split(order, starts[1:])
    shuffled = np.empty_like(values)
    for rows, giver in zip(blocks, rng.permutation(len(blocks)), strict=True):
        shuffled[rows] = np.resize(values[rng.permutation(blocks[giver])], len(rows))
    return shuffled


def matched_people(
    labels: np.ndarray, confounder: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Choose people in whom a confounder says nothing about a label.

    A probe that was trained on data where both go together may read the confounder; on matched
    people that gains it nothing. (Chapter 03.)

    Args:
        labels: bool [P], one value per person.
        confounder: [P], values that are to be equally frequent among both labels.
        rng: draws who stays, where there are too many.

    Returns:
        Indices [K]: within each value of the confounder equally many True and False, as many
        people as possible, maybe none.
    """
    kept = [np.zeros(0, np.int64)]
    for value in np.unique(confounder):
        sides = [np.flatnonzero((confounder == value) & (labels == side)) for side in (True, False)]
        fewest = min(map(len, sides))
        kept += [rng.permutation(side)[:fewest] for side in sides]
    return np.concatenate(kept)


def balanced_accuracy_draws(
    y: np.ndarray, guess: np.ndarray, who: np.ndarray, draws: IdentityBootstrap
) -> np.ndarray:
    """Return the mean recall over the classes that a draw of identities contains, [R]."""
    recalls = []
    for k in np.unique(y):
        hits = _sums((y == k) & (guess == k), who, draws)
        there = _sums(y == k, who, draws)
        recalls.append(np.where(there > 0, hits / np.maximum(there, 1), np.nan))
    return np.nanmean(recalls, axis=0)


def r2_draws(
    y: np.ndarray, guess: np.ndarray, who: np.ndarray, draws: IdentityBootstrap
) -> np.ndarray:
    """Return R squared about the mean of each draw, [R]; NaN where all values are equal."""
    error = _sums((guess - y) ** 2, who, draws)
    centred = y - y.mean()  # so that the difference below loses no digits
    n = _sums(np.ones(len(y)), who, draws)
    spread = _sums(centred**2, who, draws) - _sums(centred, who, draws) ** 2 / n
    known = spread > 1e-12 * np.mean(centred**2)
    return np.where(known, 1 - error / np.where(known, spread, 1), np.nan)


def _sums(values: np.ndarray, who: np.ndarray, draws: IdentityBootstrap) -> np.ndarray:
    return draws.weights @ np.bincount(
        draws.index(who), weights=values, minlength=len(draws.identities)
    )
