"""Comparison scores: which pairs are compared, and how alike they are (chapter 2).

A score is the cosine of two templates, -1 to 1; higher means more alike. A *genuine* comparison has
two pictures of one person, an *impostor* comparison pictures of two persons (ISO/IEC 19795-1 says
mated and non-mated).

Every pair of one set: `genuine_impostor` (scores) or `all_pairs` (scores and who is compared).
Pairs of a list: `compare_pairs`. One set against another, of any size: `compare_sets`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.comparisons import Comparisons
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.walk import GALLERY_AT_ONCE, Mates, on_all_cores, score_blocks

Templates = np.ndarray | Tensor
Identities = Sequence[int] | np.ndarray

MOST_HELD = 2**30  # scores that a thread counts in 32 bits before it hands its counts over


def as_templates(templates: Templates, what: str = "templates") -> np.ndarray:
    """Return float32 [N, d] at unit length.

    Rows that have it already, to 1e-6, are returned as they are: the result may be the array that
    was given, so do not write to it.

    Raises:
        NbnetError: another shape, NaN or infinity, or a row of zeros.
    """
    if isinstance(templates, Tensor):
        templates = templates.detach().cpu().float().numpy()
    try:
        array = np.asarray(templates, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise NbnetError(f"{what} are not a table of numbers ({error}): give [N, d]") from error
    if array.ndim != 2 or not len(array):
        raise NbnetError(f"{what} have shape {array.shape}: give [N, d] with N >= 1")
    length = np.empty(len(array))
    for start in range(0, len(array), 8192):  # no second array of the size of the first
        part = array[start : start + 8192].astype(np.float64)
        length[start : start + 8192] = np.sqrt(np.einsum("nd,nd->n", part, part))
    if not np.isfinite(length).all():
        bad = int(np.argmin(np.isfinite(length)))
        raise NbnetError(f"{what}: row {bad} holds NaN or infinity, extract it again")
    if not length.all():
        raise NbnetError(f"{what}: row {int(np.argmin(length))} is all zeros, extract it again")
    if np.abs(length - 1).max() <= 1e-6:
        return array
    scaled = np.empty_like(array)
    for start in range(0, len(array), 8192):
        rows = slice(start, start + 8192)
        scaled[rows] = array[rows] / length[rows, None]
    return scaled


def as_identities(identities: Identities, n: int) -> np.ndarray:
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
    templates: Templates, identities: Identities, rows_at_once: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """Compare every picture with every other once: (genuine [G], impostor [I]), float32.

    N pictures make N (N - 1) / 2 unordered pairs. Memory is bounded by ``rows_at_once`` x N scores
    besides the result.

    Raises:
        NbnetError: bad templates or identities, or no pair of one of the two kinds.
    """
    x = as_templates(templates)
    who = as_identities(identities, len(x))
    blocks = [
        (score[same], score[other]) for _, score, same, other in pair_blocks(x, who, rows_at_once)
    ]
    genuine, impostor = (np.concatenate(part) for part in zip(*blocks, strict=True))
    _require_both(len(genuine), len(impostor))
    return genuine, impostor


def all_pairs(
    templates: Templates, identities: Identities, rows_at_once: int = 1024
) -> tuple[Comparisons, Comparisons]:
    """Compare every picture with every other once, and keep who is compared: (genuine, impostor).

    A comparison takes 20 bytes: 1,800 pictures (1.6 million pairs) 32 MB, all of LFW (88 million)
    1.8 GB. Where that is too much, `count_pairs` counts impostors instead of keeping them.

    Args:
        templates: float [N, d].
        identities: whole numbers [N].
        rows_at_once: bounds the memory besides the result: so many rows x N scores.

    Returns:
        `Comparisons` of the same scores, in the same order, as `genuine_impostor` returns.

    Raises:
        NbnetError: bad templates or identities, or no pair of one of the two kinds.
    """
    x = as_templates(templates)
    who = as_identities(identities, len(x))
    genuine: list[Comparisons] = []
    impostor: list[Comparisons] = []
    for start, score, same, other in pair_blocks(x, who, rows_at_once):
        genuine.append(_compared(who, start, score, same))
        impostor.append(_compared(who, start, score, other))
    result = Comparisons.concatenate(genuine), Comparisons.concatenate(impostor)
    _require_both(*map(len, result))
    return result


def count_pairs(
    templates: Templates, identities: Identities, rows_at_once: int = 1024
) -> tuple[Comparisons, ScoreHistogram]:
    """Compare every picture with every other once, keep genuine comparisons, count impostors.

    As `all_pairs`, for sets whose impostor comparisons are too many to keep: a histogram says
    nothing about people, so there is no bootstrap over them.

    Raises:
        NbnetError: bad templates or identities, or no pair of one of the two kinds.
    """
    x = as_templates(templates)
    who = as_identities(identities, len(x))
    genuine, impostor = [], ScoreHistogram()
    for start, score, same, other in pair_blocks(x, who, rows_at_once):
        genuine.append(_compared(who, start, score, same))
        impostor.add(score[other])
    kept = Comparisons.concatenate(genuine)
    _require_both(len(kept), len(impostor))
    return kept, impostor


def pair_blocks(
    x: np.ndarray, who: np.ndarray, rows_at_once: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (s, cosines of rows s.. with columns s.., mask of genuine, mask of impostor pairs)."""
    _require_positive(rows_at_once, "rows_at_once")
    for start in range(0, len(x), rows_at_once):
        rows = np.arange(start, min(start + rows_at_once, len(x)))
        score = x[rows] @ x[start:].T
        np.clip(score, -1, 1, out=score)
        # Columns right of the diagonal: each pair once, none with itself.
        later = np.arange(start, len(x))[None, :] > rows[:, None]
        same = who[rows, None] == who[None, start:]
        yield start, score, later & same, later & ~same


def _compared(who: np.ndarray, start: int, score: np.ndarray, mask: np.ndarray) -> Comparisons:
    """Return what ``mask`` chooses of a block of `pair_blocks`."""
    row, column = np.nonzero(mask)
    return Comparisons(score[mask], who[start + row], who[start + column])


def _require_both(genuine: int, impostor: int) -> None:
    if not genuine:
        raise NbnetError("no genuine pair: give at least two pictures of some person")
    if not impostor:
        raise NbnetError("no impostor pair: give pictures of at least two persons")


def _require_positive(value: int, name: str) -> None:
    if value < 1:
        raise NbnetError(f"{name} is {value}: give 1 or more")


def compare_pairs(
    templates: Templates,
    first: Sequence[int] | np.ndarray,
    second: Sequence[int] | np.ndarray,
    other: Templates | None = None,
    at_once: int = 65536,
) -> np.ndarray:
    """Return the cosine, float32 [P], of each pair of a list.

    Args:
        templates: float [N, d].
        first: int [P], rows of ``templates``, 0 to N - 1.
        second: int [P], rows of ``other``, or of ``templates`` without it.
        other: float [M, d].
        at_once: pairs whose templates are copied at once; bounds the memory.

    Raises:
        NbnetError: bad templates, lists of different length, or a row that there is not.
    """
    _require_positive(at_once, "at_once")
    x = as_templates(templates)
    y = x if other is None else as_templates(other, "other templates")
    _require_same_length(x, y, "templates", "other templates")
    rows = [np.asarray(first), np.asarray(second)]
    if rows[0].shape != rows[1].shape or rows[0].ndim != 1:
        raise NbnetError(
            f"pairs of rows {rows[0].shape} and {rows[1].shape}: give two lists of one length"
        )
    for row, of, name in zip(rows, (x, y), ("first", "second"), strict=True):
        if len(row) and not np.issubdtype(row.dtype, np.integer):
            raise NbnetError(f"{name} holds {row.dtype}: give row numbers, as whole numbers")
        wrong = np.flatnonzero((row < 0) | (row >= len(of)))
        if len(wrong):
            raise NbnetError(
                f"{name}[{wrong[0]}] is row {row[wrong[0]]}: there are rows 0 to {len(of) - 1}"
            )
    return cosines(x, y, rows[0].astype(np.int64), rows[1].astype(np.int64), at_once)


def cosines(
    x: np.ndarray, y: np.ndarray, first: np.ndarray, second: np.ndarray, at_once: int
) -> np.ndarray:
    """Return float32 [P]: `compare_pairs` after its checks."""
    score = np.empty(len(first), np.float32)
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        np.einsum("nd,nd->n", x[first[part]], y[second[part]], out=score[part])
    return np.clip(score, -1, 1, out=score)


def _require_same_length(x: np.ndarray, y: np.ndarray, one: str, other: str) -> None:
    if x.shape[1] != y.shape[1]:
        raise NbnetError(
            f"{one} have length {x.shape[1]} but {other} {y.shape[1]}: "
            "extract both with one encoder"
        )


def compare_sets(
    probes: Templates,
    probe_identities: Identities,
    gallery: Templates,
    gallery_identities: Identities,
    progress: bool = False,
) -> tuple[Comparisons, ScoreHistogram]:
    """Compare every probe with every template of a gallery, at any scale.

    Genuine comparisons are kept, impostor ones counted: ten thousand million of them fit no memory.
    On all cores; besides the two sets and the genuine comparisons some 10 MB per core are needed,
    however many templates there are. Every pair is taken: no picture should be in both sets.

    Args:
        probes: float [P, d].
        probe_identities: whole numbers [P].
        gallery: float [G, d]; not copied when it is float32 and of unit length already.
        gallery_identities: whole numbers [G].
        progress: show a bar on stderr.

    Returns:
        (genuine, impostor): `Comparisons` probe by probe, ``first`` = ``second`` = the identity
        (none where no probe has a mate), and a `ScoreHistogram`, which `threshold_at_far`,
        `far_at`, `roc` and `det` take in place of impostor scores.

    Raises:
        NbnetError: bad templates or identities, or templates of different length.
    """
    x, who, y, whose = as_two_sets(probes, probe_identities, gallery, gallery_identities)
    mates = Mates(who, whose)
    genuine = np.empty(mates.starts[-1], np.float32)
    impostor = ScoreHistogram()
    lock = threading.Lock()

    def work(start: int, stop: int) -> None:
        counts = np.zeros(impostor.bins + 1, np.int32)
        held = 0
        # The genuine pairs of these probes in the order of the gallery, which is walked in parts.
        probe, row = mates.of(start, stop)
        place = mates.starts[start] + np.argsort(row, kind="stable")
        probe, row = probe[place - mates.starts[start]], row[place - mates.starts[start]]
        done = 0
        for left, score in score_blocks(x[start:stop], y, GALLERY_AT_ONCE):
            flat = score.reshape(-1)
            impostor.count_into(counts, flat)
            end = int(np.searchsorted(row, left + score.shape[1]))
            if end > done:  # counted with the others: take them out
                found = score[probe[done:end] - start, row[done:end] - left]
                impostor.count_into(counts, found, -1)
                genuine[place[done:end]] = found
                done = end
            held += len(flat)
            if held > MOST_HELD:
                with lock:
                    impostor.counts += counts
                counts[:], held = 0, 0
        with lock:
            impostor.counts += counts

    on_all_cores(len(x), work, progress, "compare")
    np.clip(genuine, -1, 1, out=genuine)
    owners = np.repeat(who, np.diff(mates.starts))
    return Comparisons(genuine, owners, owners), impostor


def as_two_sets(
    probes: Templates,
    probe_identities: Identities,
    gallery: Templates,
    gallery_identities: Identities,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return probes, identities, gallery, identities, checked.

    Raises:
        NbnetError: bad templates or identities, or templates of different length.
    """
    x, y = as_templates(probes, "probes"), as_templates(gallery, "gallery templates")
    _require_same_length(x, y, "probes", "gallery templates")
    return x, as_identities(probe_identities, len(x)), y, as_identities(gallery_identities, len(y))


def same_person_pairs(identities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all ordered pairs (j, k), j != k, of rows that show the same person.

    This is the type-II rule: the reconstruction of picture j against each *other* picture k.
    Whoever has a single picture is in no pair.

    Raises:
        NbnetError: nobody has two pictures.
    """
    first, second = [], []
    order = np.argsort(identities, kind="stable")
    _, starts = np.unique(identities[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        j, k = np.nonzero(~np.eye(len(rows), dtype=bool))
        first.append(rows[j])
        second.append(rows[k])
    if not sum(map(len, first)):
        raise NbnetError(
            "nobody has two pictures: type-II needs another picture of the same person, give at "
            "least two of somebody"
        )
    return np.concatenate(first), np.concatenate(second)
