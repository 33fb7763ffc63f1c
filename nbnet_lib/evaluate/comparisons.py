"""Scores together with whom they compare: what rates and their intervals are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.histogram import ScoreHistogram


@dataclass(frozen=True)
class Comparisons:
    """Scores of n comparisons and the identity on either side.

    In a genuine comparison both sides are one identity, in an impostor comparison they differ.

    Attributes:
        scores: float32 [n], higher means more alike.
        first: int64 [n], identity code of one side.
        second: int64 [n], identity code of the other.

    Raises:
        NbnetError: lengths that differ, or NaN among the scores.
    """

    scores: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def __post_init__(self) -> None:
        if not (self.scores.shape == self.first.shape == self.second.shape) or (
            self.scores.ndim != 1
        ):
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
        return Comparisons(
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.first for p in parts]),
            np.concatenate([p.second for p in parts]),
        )


# Impostor comparisons may be too many to keep: then their scores are counted.
Impostors = Comparisons | ScoreHistogram


def scores_of(impostors: Impostors) -> np.ndarray | ScoreHistogram:
    """Return what `verification` measures: float32 [n], or the histogram that stands for it."""
    return impostors.scores if isinstance(impostors, Comparisons) else impostors
