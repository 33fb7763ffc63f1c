"""Pairs whose score contradicts their label: somebody under two names, or a wrong picture.

An impostor pair is listed if it scores above the median of the genuine pairs, a genuine pair if it
scores below a quarter of the impostor pairs (a picture under a wrong name scores as strangers do,
so half of its pairs are above their median). A look-alike or a bad picture does so too: these are
pairs to look at, and nothing is left out of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.protocols import Pictures, Trial
from nbnet_lib.evaluate.scores import compare_pairs, pair_blocks
from nbnet_lib.evaluate.verification import threshold_at_far

LIKE_STRANGERS = 0.25  # share of the impostor pairs above the bound for genuine ones
SHOWN = 8  # pairs of either kind
KEPT = 5000  # of each block of scores, the most extreme
SIZE = 96  # pixels of a picture that is shown


@dataclass(frozen=True)
class Suspects:
    """What to look at.

    Attributes:
        pairs: {"kind": "impostor" or "genuine", "first", "second": pictures, "score"}; the worst
            first, of each two people (impostor) or of each picture (genuine) one.
        counts: {kind: how many pairs contradict their label}.
        pictures: uint8 [2, n, S, S, 3], the pictures of ``pairs``.
    """

    pairs: list[dict[str, Any]]
    counts: dict[str, int]
    pictures: np.ndarray = field(repr=False)

    def notes(self) -> list[str]:
        """Return a note for each kind, with the worst pair."""
        texts = {
            "impostor": "of different people score above the median of genuine pairs: is somebody "
            "there under two names?",
            "genuine": "of one person score below a quarter of the impostor pairs: is a picture "
            "under the wrong name?",
        }
        notes = []
        for kind, text in texts.items():
            worst = next((pair for pair in self.pairs if pair["kind"] == kind), None)
            if worst is not None:
                example = f"{worst['first']} and {worst['second']}, {worst['score']:.2f}"
                notes.append(f"look at these: {self.counts[kind]:,} pairs {text} ({example})")
        return notes


def find_suspects(
    pictures: Pictures,
    trials: Sequence[Trial],
    templates: np.ndarray,
    genuine: np.ndarray,
    impostor: np.ndarray | ScoreHistogram,
) -> Suspects:
    """Return the pairs that contradict their label.

    Args:
        pictures: N of them, from files: labels of drawn ones are right.
        trials: what is compared.
        templates: float32 [N, d], unit length.
        genuine: float32 [G], scores that the median is of.
        impostor: float32 [I] or a histogram, likewise.
    """
    genuine_median = float(np.median(genuine))
    like_strangers = threshold_at_far(impostor, LIKE_STRANGERS, [])
    pairs: list[dict[str, Any]] = []
    counts = {"impostor": 0, "genuine": 0}
    if genuine_median <= like_strangers:  # nothing is recognised, and no score says anything
        return Suspects(pairs, counts, np.empty((2, 0, SIZE, SIZE, 3), np.uint8))

    def contradict(score: np.ndarray, same: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (other & (score > genuine_median)) | (same & (score < like_strangers))

    found = {kind: [np.empty((0, 3))] for kind in counts}
    for rows, score, same in _chosen(contradict, trials, templates, pictures.identities):
        for kind, mask in (("impostor", ~same), ("genuine", same)):
            counts[kind] += int(mask.sum())
            part = np.column_stack([score[mask], rows[mask]])
            found[kind].append(_worst_first(kind, part)[:KEPT])
    shown: list[tuple[int, int]] = []
    for kind, parts in found.items():
        seen: set[Any] = set()
        before = len(pairs)
        for score_of, *both in _worst_first(kind, np.concatenate(parts)):
            first, second = map(int, both)
            who = pictures.identities[[first, second]].tolist()
            keys: set[Any] = {tuple(sorted(who))} if kind == "impostor" else {first, second}
            if keys & seen:
                continue
            seen |= keys
            shown.append((first, second))
            names = {"first": pictures.names[first], "second": pictures.names[second]}
            pairs.append({"kind": kind, **names, "score": round(float(score_of), 4)})
            if len(pairs) == before + SHOWN:
                break
    sides = np.array(shown, np.int64).reshape(-1, 2).T
    return Suspects(pairs, counts, np.stack([pictures.read(side, SIZE) for side in sides]))


def _worst_first(kind: str, table: np.ndarray) -> np.ndarray:
    """Sort rows that begin with a score: high ones are bad for impostor pairs, low for genuine."""
    return table[np.argsort(table[:, 0] * (-1 if kind == "impostor" else 1), kind="stable")]


def _chosen(
    choose: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    trials: Sequence[Trial],
    templates: np.ndarray,
    identities: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (rows [P, 2], scores [P], same person [P]) of the trials' pairs, each once, in parts.

    Only of those that ``choose(score, same, other)`` takes: of all pairs, rows would fill memory.
    """
    listed = [trial.pairs for trial in trials if trial.pairs is not None]
    for pairs in listed:
        score = compare_pairs(templates, pairs.first, pairs.second)
        mask = choose(score, pairs.same, ~pairs.same)
        yield np.column_stack([pairs.first, pairs.second])[mask], score[mask], pairs.same[mask]
    if listed:
        return
    tested = np.unique(np.concatenate([trial.rows for trial in trials]))
    for start, score, same, other in pair_blocks(templates[tested], identities[tested]):
        row, column = np.nonzero(choose(score, same, other))
        rows = tested[np.column_stack([start + row, start + column])]
        yield rows, score[row, column], same[row, column]
