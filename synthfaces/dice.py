"""Random numbers by the dozen: draws that stay in step whatever is asked of them.

Every question takes exactly one number from a list drawn in advance, so a parameter that is
stretched (`difficulty`) leaves all later draws as they were. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


class Dice:
    """A fixed supply of uniform and normal numbers, a function of ``seed`` alone.

    Args:
        seed: whole numbers >= 0.
        supply: how many numbers of either kind are drawn in advance.
    """

    def __init__(self, seed: list[int], supply: int = 128) -> None:
        self.rng = np.random.default_rng(seed)
        self._uniform = iter(self.rng.random(supply).tolist())
        self._normal = iter(self.rng.standard_normal(supply).tolist())

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * next(self._uniform)

    def normal(
        self, mean: float, sd: float, low: float = -math.inf, high: float = math.inf
    ) -> float:
        """Return a normal number, cut off at ``low`` and ``high``."""
        return float(min(max(mean + sd * next(self._normal), low), high))

    def chance(self, probability: float) -> bool:
        """Return True with this probability; True stays True when the probability grows."""
        return next(self._uniform) < probability

    def pick(self, table: Mapping[str, float]) -> str:
        """Return a key, each as probable as its weight."""
        left = next(self._uniform) * sum(table.values())
        for name, weight in table.items():
            left -= weight
            if left < 0:
                return name
        return name

    def sign(self) -> float:
        """Return -1.0 or 1.0."""
        return 1.0 if next(self._uniform) < 0.5 else -1.0

    def seed(self) -> int:
        """Return a whole number in [0, 2**31)."""
        return int(next(self._uniform) * (1 << 31))
