"""From the rows of a list of pairs, in whichever format, to a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pictures import Folder, Pictures
from nbnet_lib.evaluate.protocols.types import Pairs, Protocol, Trial, repeated_pair


@dataclass(frozen=True)
class PairRow:
    """One line of a list of pairs.

    Attributes:
        place: "file:line", for errors.
        files: the two pictures, relative to their folder.
        people: who is on them.
        fold: which fold the pair belongs to; "" where the list has none.
    """

    place: str
    files: tuple[str, str]
    people: tuple[str, str]
    fold: str = ""

    @property
    def same(self) -> bool:
        """Whether the pair is genuine."""
        return self.people[0] == self.people[1]


def pair_protocol(name: str, rows: Sequence[PairRow], where: Folder, source: str) -> Protocol:
    """Return one trial, or with folds one trial each, with thresholds from the other folds.

    Args:
        name: of the protocol.
        rows: the pairs.
        where: the folder of the pictures; its ``files`` are the pictures in order.
        source: for reports.

    Raises:
        NbnetError: a picture of two people, a pair of one picture or one that occurs twice, a
            person in two folds, a single fold; each with file:line.
    """
    number = {file: row for row, file in enumerate(where.files)}
    person_of: dict[str, str] = {}
    for row in rows:
        if row.files[0] == row.files[1]:
            raise NbnetError(f"{row.place}: {row.files[0]} is paired with itself: remove the line")
        for file, person in zip(row.files, row.people, strict=True):
            if person_of.setdefault(file, person) != person:
                raise NbnetError(
                    f"{row.place}: {file} shows {person!r}, but {person_of[file]!r} in an earlier "
                    "line: keep the right one"
                )
    _one_fold_each(rows)
    first = np.array([number[row.files[0]] for row in rows], np.int64)
    second = np.array([number[row.files[1]] for row in rows], np.int64)
    again = repeated_pair(first, second)
    if again:
        raise NbnetError(
            f"{rows[again[1]].place}: the pair {' and '.join(rows[again[1]].files)} stands already "
            f"in {rows[again[0]].place}: remove one"
        )
    people = sorted(set(person_of.values()))
    code = {person: i for i, person in enumerate(people)}
    pictures = Pictures(
        names=where.files,
        identities=np.array([code[person_of[file]] for file in where.files], np.int64),
        people=tuple(people),
        where=where,
    )
    pairs = Pairs(first, second, np.array([row.same for row in rows]))
    return Protocol(name, pictures, *split_pairs(pairs, [row.fold for row in rows]), source)


def split_pairs(pairs: Pairs, folds: Sequence[str]) -> tuple[tuple[Trial, ...], str]:
    """Return (trials, spread): one trial, or one per fold with thresholds from all other folds."""
    names = list(dict.fromkeys(folds))
    if names == [""]:
        return (Trial(pairs.rows, pairs),), "bootstrap"
    fold = np.array([names.index(f) for f in folds])
    trials = []
    for f in range(len(names)):
        own = pairs.select(fold == f)
        trials.append(Trial(own.rows, own, threshold_pairs=pairs.select(fold != f)))
    return tuple(trials), "folds"


def _one_fold_each(rows: Sequence[PairRow]) -> None:
    if len({row.fold for row in rows}) == 1 and rows[0].fold:
        raise NbnetError(
            f"{rows[-1].place}: all pairs are in fold {rows[0].fold!r}, but thresholds come from "
            "other folds: give at least two folds, or none"
        )
    fold_of: dict[str, PairRow] = {}
    for row in rows:
        for person in row.people:
            known = fold_of.setdefault(person, row)
            if known.fold != row.fold:
                raise NbnetError(
                    f"{row.place}: {person!r} is in fold {row.fold} and, by {known.place}, in fold "
                    f"{known.fold}: keep each person in one fold"
                )
