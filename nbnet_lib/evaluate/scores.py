"""Comparison scores: which pairs are compared, and how alike they are (chapter 2).

A score is the cosine of two templates, -1 to 1; higher means more alike. A *genuine* comparison has
two pictures of one person, an *impostor* comparison pictures of two persons.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from nbnet_lib.errors import NbnetError

Templates = np.ndarray | Tensor


def as_templates(templates: Templates, what: str = "templates") -> np.ndarray:
    """Return float32 [N, d] at unit length.

    Raises:
        NbnetError: another shape, NaN or infinity, or a row of zeros.
    """
    if isinstance(templates, Tensor):
        templates = templates.detach().cpu().float().numpy()
    array = np.asarray(templates, dtype=np.float32)
    if array.ndim != 2 or not len(array):
        raise NbnetError(f"{what} have shape {array.shape}: give [N, d] with N >= 1")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise NbnetError(f"{what}: row {bad[0]} holds NaN or infinity, extract it again")
    length = np.linalg.norm(array, axis=1, keepdims=True)
    if not length.all():
        raise NbnetError(f"{what}: row {int(np.argmin(length))} is all zeros, extract it again")
    return array / length


def as_identities(identities: Sequence[int] | np.ndarray, n: int) -> np.ndarray:
    """Return int64 [n].

    Raises:
        NbnetError: another length or not whole numbers.
    """
    array = np.asarray(identities)
    if array.shape != (n,):
        raise NbnetError(f"{n} templates but identities of shape {array.shape}: give one each")
    if not np.issubdtype(array.dtype, np.integer):
        raise NbnetError(f"identities are {array.dtype}: give whole numbers")
    return array.astype(np.int64)


def genuine_impostor(
    templates: Templates, identities: Sequence[int] | np.ndarray, rows_at_once: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """Compare every picture with every other once: (genuine [G], impostor [I]), float32.

    N pictures make N (N - 1) / 2 unordered pairs. Memory is bounded by ``rows_at_once`` x N scores
    besides the result.

    Raises:
        NbnetError: bad templates or identities, or no pair of one of the two kinds.
    """
    genuine, impostor, _ = _all_pairs(templates, identities, rows_at_once)
    return genuine, impostor


def _all_pairs(
    templates: Templates, identities: Sequence[int] | np.ndarray, rows_at_once: int = 1024
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (genuine [G], impostor [I], the identity of each genuine pair [G])."""
    x = as_templates(templates)
    who = as_identities(identities, len(x))
    genuine, impostor, owners = [], [], []
    for start in range(0, len(x), rows_at_once):
        rows = np.arange(start, min(start + rows_at_once, len(x)))
        score = x[rows] @ x[start:].T
        # Columns right of the diagonal: each pair once, none with itself.
        later = np.arange(start, len(x))[None, :] > rows[:, None]
        same = who[rows, None] == who[None, start:]
        genuine.append(score[later & same])
        owners.append(np.broadcast_to(who[rows, None], score.shape)[later & same])
        impostor.append(score[later & ~same])
    g, i = np.concatenate(genuine), np.concatenate(impostor)
    if not len(g):
        raise NbnetError("no genuine pair: give at least two pictures of some person")
    if not len(i):
        raise NbnetError("no impostor pair: give pictures of at least two persons")
    return g, i, np.concatenate(owners)


def same_person_pairs(identities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all ordered pairs (j, k), j != k, of rows that show the same person.

    This is the type-II rule: the reconstruction of picture j against each *other* picture k.

    Raises:
        NbnetError: a person with a single picture.
    """
    first, second = [], []
    order = np.argsort(identities, kind="stable")
    _, starts = np.unique(identities[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        if len(rows) < 2:
            raise NbnetError(
                f"identity {identities[rows[0]]} has a single picture: type-II needs another "
                "picture of the same person, give at least two each"
            )
        j, k = np.nonzero(~np.eye(len(rows), dtype=bool))
        first.append(rows[j])
        second.append(rows[k])
    return np.concatenate(first), np.concatenate(second)
