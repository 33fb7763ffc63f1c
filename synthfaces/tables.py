"""The ground truth of SynthFaces as tables: every parameter that a picture was drawn from.

These are parameters of a graphics model, not facts about people: "gender", "age_years" and
"ancestry" name directions of the MakeHuman shape space. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from synthfaces.checks import SynthFacesError, whole_numbers
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

    chosen = list(parameters().values()) if columns is None else [find(name) for name in columns]
    of_people = [p for p in chosen if p.owner == "identity"]
    of_pictures = [p for p in chosen if p.owner == "sample"]
    numbers = whole_numbers(identities, "identity")
    people = [make_identity(int(number), difficulty) for number in numbers]
    data = {"identity": numbers} | _columns(of_people, people)
    if samples is None:
        names = [p.name for p in of_pictures] if columns is not None else []
        names += ["a landmark"] * (landmarks_size is not None)
        if names:
            raise SynthFacesError(f"{names[0]} belongs to a picture: give samples as well")
        return pd.DataFrame(data)

    each = whole_numbers(
        range(samples) if isinstance(samples, int | np.integer) else samples, "sample"
    )
    pictures = [make_sample(who.identity, int(k), difficulty) for who in people for k in each]
    data = {name: np.repeat(values, len(each)) for name, values in data.items()}
    data |= {"sample": np.tile(each, len(people))} | _columns(of_pictures, pictures)
    if landmarks_size is not None:
        owners = [who for who in people for _ in each]
        marks = [landmarks(*pair, landmarks_size) for pair in zip(owners, pictures, strict=True)]
        flat = np.stack(marks).reshape(-1, 10)
        data |= {f"{LANDMARKS[i // 2]}_{'xy'[i % 2]}": flat[:, i] for i in range(10)}
    return pd.DataFrame(data)


def _columns(chosen: list[Parameter], things: Sequence[Identity | Sample]) -> dict[str, np.ndarray]:
    """Return name -> array [n]: float64, int64, bool, or object for words."""
    values = {parameter.name: [parameter.read(thing) for thing in things] for parameter in chosen}
    return {n: np.array(v, object if isinstance(v[0], str) else None) for n, v in values.items()}
