"""The ground truth of SynthFaces as tables: every parameter that a picture was drawn from.

These are parameters of a graphics model, not facts about people: "gender", "age_years" and
"ancestry" name directions of the MakeHuman shape space. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from synthfaces.checks import SynthFacesError, check_number, whole_numbers
from synthfaces.identity import Identity, make_identity
from synthfaces.parameters import Parameter, find, parameters
from synthfaces.sample import Sample, make_sample
from synthfaces.truth import landmarks

if TYPE_CHECKING:
    import pandas as pd

LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")  # the subject's sides


def describe() -> pd.DataFrame:
    """Return what each parameter is, a row each, by name.

    Returns:
        Columns "of" (identity or sample), "kind" (number, whole, choice, flag, label), "unit",
        "allowed" and "meaning"; the index is the name: a column of `table`, a key of ``changes``.
    """
    import pandas as pd  # slow to import

    rows = [
        {"of": p.owner, "kind": p.kind, "unit": p.unit, "allowed": p.allowed, "meaning": p.meaning}
        for p in parameters().values()
    ]
    return pd.DataFrame(rows, index=pd.Index(parameters(), name="name"))


def table(
    identities: Iterable[int],
    samples: int | Iterable[int] | None = None,
    difficulty: float = 1.0,
    columns: Iterable[str] | None = None,
    landmarks_size: int | None = None,
) -> pd.DataFrame:
    """Return the ground truth: a row per identity, or per picture when ``samples`` is given.

    No picture is drawn.

    Args:
        identities: identity numbers, at least one.
        samples: None, a number of samples (0 to n - 1), or sample numbers.
        difficulty: 0.25 to 2; the one that the pictures are drawn with.
        columns: names of parameters (see `describe`); None for all.
        landmarks_size: also give the five landmarks in a picture of so many pixels, as
            ``right_eye_x`` to ``left_mouth_y``, see `LANDMARKS` and `synthfaces.truth`.

    Returns:
        "identity", the parameters of identities, then with samples also "sample", the parameters
        of samples and the landmarks. Rows in the order of `render_set`.
    """
    import pandas as pd

    people = whole_numbers(identities, "identity").tolist()
    wanted = list(parameters().values()) if columns is None else [find(name) for name in columns]
    who = _Columns([p for p in wanted if p.owner == "identity"])
    what = _Columns([p for p in wanted if p.owner == "sample"])
    if samples is None:
        _refuse_pictures(what.chosen if columns is not None else [], landmarks_size)
        for identity in people:
            who.add(make_identity(identity, difficulty))
        return pd.DataFrame({"identity": np.array(people, np.int64)} | who.arrays())

    numbers = range(samples) if isinstance(samples, int | np.integer) else samples
    numbers = [check_number("sample", s) for s in numbers]
    marks = []
    for identity in people:
        who.add(make_identity(identity, difficulty))
        for sample in numbers:
            what.add(make_sample(identity, sample, difficulty))
        if landmarks_size is not None:
            marks += [landmarks(identity, s, landmarks_size, difficulty) for s in numbers]
    data = {"identity": np.array(people, np.int64)} | who.arrays()
    data = {name: np.repeat(values, len(numbers)) for name, values in data.items()}
    data["sample"] = np.tile(np.array(numbers, np.int64), len(people))
    data |= what.arrays()
    if marks:
        flat = np.stack(marks).reshape(-1, 10)
        data |= {f"{LANDMARKS[i // 2]}_{'xy'[i % 2]}": flat[:, i] for i in range(10)}
    return pd.DataFrame(data)


def _refuse_pictures(of_samples: list[Parameter], landmarks_size: int | None) -> None:
    names = [p.name for p in of_samples] + ["a landmark"] * (landmarks_size is not None)
    if names:
        raise SynthFacesError(f"{names[0]} belongs to a picture: give samples as well")


class _Columns:
    """Values of some parameters, collected one identity or sample at a time."""

    def __init__(self, chosen: list[Parameter]) -> None:
        self.chosen = chosen
        self._values: list[list[Any]] = [[] for _ in chosen]

    def add(self, thing: Identity | Sample) -> None:
        for parameter, values in zip(self.chosen, self._values, strict=True):
            values.append(parameter.read(thing))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return name -> array [n]: float64, int64, bool, or object for words."""
        return {
            parameter.name: np.array(values, object if isinstance(values[0], str) else None)
            for parameter, values in zip(self.chosen, self._values, strict=True)
            if values
        }
