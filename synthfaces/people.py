"""Many pictures of many people: what is drawn of each (`Recipe`).

    pictures = Recipe(samples=6, size=112).draw(3)  # uint8 [6, 112, 112, 3]

A recipe and a list of identities is a data set. It is small and can be pickled, so that processes
draw one person each: `joblib.Parallel(4)(joblib.delayed(recipe.draw)(i) for i in range(100))`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from synthfaces.changes import change
from synthfaces.checks import SynthFacesError, check_difficulty, check_size, whole_numbers
from synthfaces.drawing import RENDERER_VERSION, render_person
from synthfaces.geometry import build_person
from synthfaces.identity import make_identity
from synthfaces.sample import PORTRAIT, make_sample, portrait_sample
from synthfaces.years import looks

IN_A_YEAR = 2  # pictures of a person


@dataclass(frozen=True)
class Recipe:
    """What is drawn of every person.

    Args:
        samples: how many pictures of each person (0 to n - 1), or their numbers; or "portrait",
            one frontal, neutral picture (see `synthfaces.sample.portrait_sample`), numbered -1.
        size: side in pixels, 32 to 512.
        difficulty: 0.25 (people differ more, pictures of one less) to 2; 1 is the default set.
        years: show each person in several years (see `synthfaces.years`): two pictures in year 0,
            which is the default set's, the next two in year 1, and so on. Portraits have no year.
    """

    samples: tuple[int, ...]
    size: int
    difficulty: float
    years: bool

    def __init__(
        self,
        samples: int | Iterable[int] | str,
        size: int,
        difficulty: float = 1.0,
        years: bool = False,
    ):
        if isinstance(samples, str):
            if samples != "portrait":
                raise SynthFacesError(
                    f"samples are {samples!r}: give a number, numbers, or 'portrait'"
                )
            chosen: tuple[int, ...] = (PORTRAIT,)
        else:
            if isinstance(samples, int | np.integer):
                samples = range(samples)
            chosen = tuple(whole_numbers(samples, "sample").tolist())
        object.__setattr__(self, "samples", chosen)
        object.__setattr__(self, "size", check_size(size))
        object.__setattr__(self, "difficulty", check_difficulty(difficulty))
        object.__setattr__(self, "years", bool(years))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of one person's pictures: [samples, height, width, 3]."""
        return (len(self.samples), self.size, self.size, 3)

    @property
    def nbytes(self) -> int:
        """Bytes of one person's pictures."""
        return int(np.prod(self.shape))

    def key(self) -> str:
        """Return all that the pixels depend on beside the identity, as one line of text."""
        years = ["years"] if self.years else []
        return json.dumps([RENDERER_VERSION, self.size, self.difficulty, self.samples, *years])

    def draw(self, identity: int) -> np.ndarray:
        """Return one person's pictures, uint8 [samples, size, size, 3]: the bytes of `render`."""
        who = make_identity(identity, self.difficulty)
        person, shown = build_person(who), 0
        pictures = np.empty(self.shape, np.uint8)
        for picture, number in zip(pictures, self.samples, strict=True):
            changed, year = who, 0
            if number == PORTRAIT:
                sample = portrait_sample(identity)
            else:
                sample = make_sample(identity, number, self.difficulty)
                year = number // IN_A_YEAR if self.years else 0
            if year:
                changed, sample = change(who, sample, looks(identity, year, self.difficulty))
            if year != shown:
                person, shown = build_person(changed), year
            picture[:] = render_person(person, sample, self.size)
        return pictures
