"""Comparison scores: which pairs are compared, and how alike they are (chapter 2).

A score is the cosine of two templates, -1 to 1; higher means more alike. A *genuine* comparison has
two pictures of one person, an *impostor* comparison pictures of two persons (ISO/IEC 19795-1 says
mated and non-mated).

Every pair of one set: `genuine_impostor` (scores) or `all_pairs` (scores and who is compared).
Pairs of a list: `compare_pairs`. One set against another, of any size: `compare_sets`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import joblib
import numpy as np
from threadpoolctl import threadpool_limits
from torch import Tensor
from tqdm import tqdm

from nbnet_lib.encoders.base import at_unit_length, template_lengths
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.histogram import ScoreHistogram

Templates = np.ndarray | Tensor
Identities = Sequence[int] | np.ndarray

# These bound the memory: rows of a set whose scores are computed at once, pairs of a list, and
# scores that a thread counts in 32 bits before it hands its counts over.
ROWS_AT_ONCE, PAIRS_AT_ONCE, MAX_HELD = 1024, 8192, 2**30
# Cosines of one core at a time: 512 x 2,048 float32 are 4 MB, and larger blocks are no faster.
PROBES_AT_ONCE, GALLERY_AT_ONCE = 512, 2048


@dataclass(frozen=True)
class Comparisons:
    """Scores of n comparisons and the identity on either side.

    In a genuine comparison both sides are one identity, in an impostor comparison they differ.

    Attributes:
        scores: float32 [n], higher means more alike.
        first: int64 [n], identity code of one side.
        second: int64 [n], identity code of the other.
    """

    scores: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def __post_init__(self) -> None:
        if not self.scores.shape == self.first.shape == self.second.shape == (len(self.scores),):
            raise NbnetError(
                f"{self.scores.shape} scores between identities {self.first.shape} and "
                f"{self.second.shape}: give one of each for every comparison"
            )
        if np.isnan(self.scores).any():
            raise NbnetError(f"score {int(np.isnan(self.scores).argmax())} is NaN: compare again")

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, mask: np.ndarray) -> Comparisons:
        """Return those that ``mask`` (bool [n] or indices) chooses."""
        return Comparisons(self.scores[mask], self.first[mask], self.second[mask])

    @staticmethod
    def concatenate(parts: Sequence[Comparisons]) -> Comparisons:
        """Return all comparisons of ``parts``, in order."""
        columns = [(part.scores, part.first, part.second) for part in parts]
        return Comparisons(*(np.concatenate(column) for column in zip(*columns, strict=True)))


# Impostor comparisons may be too many to keep: then their scores are counted.
Impostors = Comparisons | ScoreHistogram


def scores_of(impostors: Impostors) -> np.ndarray | ScoreHistogram:
    """Return what `verification` measures: float32 [n], or the histogram that stands for it."""
    return impostors.scores if isinstance(impostors, Comparisons) else impostors


def as_templates(templates: Templates, what: str = "templates") -> np.ndarray:
    """Return float32 [N, d] at unit length; NaN, infinity and rows of zeros are refused.

    Rows of unit length, to 1e-6, are returned as they are: the result may be the array that was
    given, so do not write to it.
    """
    if isinstance(templates, Tensor):
        templates = templates.detach().cpu().float().numpy()
    array = np.asarray(templates, dtype=np.float32)
    if array.ndim != 2 or not len(array):
        raise NbnetError(f"{what} have shape {array.shape}: give [N, d] with N >= 1")
    return at_unit_length(array, template_lengths(array, what), within=1e-6)


def as_identities(identities: Identities, n: int) -> np.ndarray:
    """Return int64 [n]."""
    array = np.asarray(identities)
    if array.shape != (n,) or not np.issubdtype(array.dtype, np.integer):
        raise NbnetError(
            f"{n} templates but identities are {array.dtype} of shape {array.shape}: give one "
            "whole number each"
        )
    return array.astype(np.int64)


def genuine_impostor(templates: Templates, identities: Identities) -> tuple[np.ndarray, np.ndarray]:
    """Compare every picture with every other once: (genuine [G], impostor [I]), float32.

    N pictures make N (N - 1) / 2 unordered pairs.

    Raises:
        NbnetError: bad templates or identities, or no pair of one of the two kinds.
    """
    genuine, impostor = all_pairs(templates, identities)
    return genuine.scores, impostor.scores


def all_pairs(templates: Templates, identities: Identities) -> tuple[Comparisons, Comparisons]:
    """Compare every picture with every other once, and keep who is compared: (genuine, impostor).

    A comparison takes 20 bytes: 1,800 pictures (1.6 million pairs) 32 MB, all of LFW (88 million)
    1.8 GB. Where that is too much, `count_pairs` counts impostors instead of keeping them.

    Args:
        templates: float [N, d].
        identities: whole numbers [N].

    Raises:
        NbnetError: bad templates or identities, or no pair of one of the two kinds.
    """
    x = as_templates(templates)
    who = as_identities(identities, len(x))
    genuine, impostor = [], []
    for start, score, same, other in pair_blocks(x, who):
        genuine.append(_compared(who, start, score, same))
        impostor.append(_compared(who, start, score, other))
    result = Comparisons.concatenate(genuine), Comparisons.concatenate(impostor)
    _require_both(*result)
    return result


def count_pairs(templates: Templates, identities: Identities) -> tuple[Comparisons, ScoreHistogram]:
    """Compare every picture with every other once, keep genuine comparisons, count impostors.

    As `all_pairs`, for sets whose impostor comparisons are too many to keep: a histogram says
    nothing about people, so there is no bootstrap over them.
    """
    x = as_templates(templates)
    who = as_identities(identities, len(x))
    genuine, impostor = [], ScoreHistogram()
    for start, score, same, other in pair_blocks(x, who):
        genuine.append(_compared(who, start, score, same))
        impostor.add(score[other])
    kept = Comparisons.concatenate(genuine)
    _require_both(kept, impostor)
    return kept, impostor


def pair_blocks(
    x: np.ndarray, who: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (s, cosines of rows s.. with columns s.., mask of genuine, mask of impostor pairs)."""
    for start in range(0, len(x), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(x)))
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


def _require_both(genuine: Comparisons, impostor: Impostors) -> None:
    if not len(genuine):
        raise NbnetError("no genuine pair: give at least two pictures of some person")
    if not len(impostor):
        raise NbnetError("no impostor pair: give pictures of at least two persons")


def compare_pairs(
    templates: Templates,
    first: Sequence[int] | np.ndarray,
    second: Sequence[int] | np.ndarray,
    other: Templates | None = None,
) -> np.ndarray:
    """Return the cosine, float32 [P], of each pair of a list.

    Args:
        templates: float [N, d].
        first: int [P], rows of ``templates``, 0 to N - 1.
        second: int [P], rows of ``other``, or of ``templates`` without it.
        other: float [M, d].
    """
    x = as_templates(templates)
    y = x if other is None else as_templates(other, "other templates")
    rows = np.asarray(first), np.asarray(second)
    if rows[0].shape != rows[1].shape:
        raise NbnetError(
            f"pairs of rows {rows[0].shape} and {rows[1].shape}: give two lists of one length"
        )
    # NumPy would count a negative row from the end, and take booleans for a mask.
    if len(rows[0]) and (min(map(np.min, rows)) < 0 or {row.dtype.kind for row in rows} - {*"iu"}):
        raise NbnetError("first and second hold negative or other numbers: give rows from 0")
    return cosines(x, y, rows[0].astype(np.int64), rows[1].astype(np.int64))


def cosines(x: np.ndarray, y: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return float32 [P]: `compare_pairs` after its checks."""
    score = np.empty(len(first), np.float32)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        np.einsum("nd,nd->n", x[first[part]], y[second[part]], out=score[part])
    return np.clip(score, -1, 1, out=score)


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
    """
    x, who, y, whose = as_two_sets(probes, probe_identities, gallery, gallery_identities)
    mates = Mates(who, whose)
    genuine = np.empty(mates.starts[-1], np.float32)
    impostor = ScoreHistogram()
    lock = threading.Lock()

    def compare_stripe(start: int, stop: int) -> None:
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
                mated = score[probe[done:end] - start, row[done:end] - left]
                impostor.count_into(counts, mated, -1)
                genuine[place[done:end]] = mated
                done = end
            held += len(flat)
            if held > MAX_HELD:
                with lock:
                    impostor.counts += counts
                counts[:], held = 0, 0
        with lock:
            impostor.counts += counts

    on_all_cores(len(x), compare_stripe, progress, "compare")
    np.clip(genuine, -1, 1, out=genuine)
    owners = np.repeat(who, np.diff(mates.starts))
    return Comparisons(genuine, owners, owners), impostor


def as_two_sets(
    probes: Templates,
    probe_identities: Identities,
    gallery: Templates,
    gallery_identities: Identities,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return probes, identities, gallery, identities, checked."""
    x, y = as_templates(probes, "probes"), as_templates(gallery, "gallery templates")
    if x.shape[1] != y.shape[1]:
        raise NbnetError(
            f"probes have length {x.shape[1]} but gallery templates {y.shape[1]}: extract both "
            "with one encoder"
        )
    return x, as_identities(probe_identities, len(x)), y, as_identities(gallery_identities, len(y))


class Mates:
    """Which gallery rows show the person of each probe.

    Attributes:
        order: int64 [G], the gallery rows sorted by identity.
        starts: int64 [P + 1]: the genuine pairs of probe p are number starts[p] to starts[p + 1].
    """

    def __init__(self, who: np.ndarray, whose: np.ndarray) -> None:
        self.order = np.argsort(whose, kind="stable")
        ranked = whose[self.order]
        self._first = np.searchsorted(ranked, who, side="left")
        number = np.searchsorted(ranked, who, side="right") - self._first
        self.starts = np.concatenate([[0], np.cumsum(number)])

    def of(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (probe, gallery row) of each genuine pair of the probes ``start`` to ``stop``."""
        number = np.diff(self.starts[start : stop + 1])
        probe = np.repeat(np.arange(start, stop), number)
        place = np.arange(len(probe)) + self.starts[start] - self.starts[probe]
        return probe, self.order[self._first[probe] + place]


def score_blocks(
    probes: np.ndarray, gallery: np.ndarray, at_once: int, order: np.ndarray | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (start, cosines with gallery[start : start + at_once]), float32 [P, at_once or fewer].

    Each block overwrites the one before, so that it is used while it is in a core's cache; 10,000
    probes against a gallery of 1,000,000 would otherwise need 40 GB. ``order`` walks the gallery's
    rows in another order.
    """
    memory = np.empty(len(probes) * min(at_once, len(gallery)), np.float32)
    for start in range(0, len(gallery), at_once):
        rows = slice(start, start + at_once)
        part = gallery[rows] if order is None else gallery[order[rows]]
        score = memory[: len(probes) * len(part)].reshape(len(probes), len(part))
        yield start, np.matmul(probes, part.T, out=score)


def on_all_cores(n: int, work: Callable[[int, int], None], progress: bool, what: str) -> None:
    """Call ``work(start, stop)`` for stripes of 0 to n, one thread per core.

    Meanwhile BLAS keeps to the thread that calls it: a stripe is multiplied and counted by one core
    in its own cache, and no core waits for another.
    """
    cores = joblib.cpu_count()
    rows = min(PROBES_AT_ONCE, math.ceil(n / cores))
    starts = range(0, n, rows)
    with threadpool_limits(1, user_api="blas"):
        done = joblib.Parallel(cores, backend="threading", return_as="generator")(
            joblib.delayed(work)(start, min(start + rows, n)) for start in starts
        )
        for _ in tqdm(done, what, total=len(starts), disable=not progress):
            pass


def same_person_pairs(identities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all ordered pairs (j, k), j != k, of rows that show the same person.

    This is the type-II rule: the reconstruction of picture j against each *other* picture k. People
    with a single picture are in no pair.

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
