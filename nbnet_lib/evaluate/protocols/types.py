"""What a protocol is: which pictures are compared with which, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pictures import Pictures

SPREADS = ("bootstrap", "folds", "trials")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Comparisons by list: picture ``first[i]`` with picture ``second[i]``.

    Attributes:
        first: int64 [P], rows of `Pictures`.
        second: int64 [P], rows of `Pictures`.
        same: bool [P], True where both show one person (genuine).

    Raises:
        NbnetError: lengths or types that differ, a picture compared with itself, or a pair that
            occurs twice, in either order.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.first, self.second, self.same)}
        if len(shapes) > 1 or self.first.ndim != 1 or self.same.dtype != bool:
            raise NbnetError(
                f"pairs of shapes {self.first.shape}, {self.second.shape}, {self.same.shape}, "
                f"same {self.same.dtype}: give int64 [P], int64 [P] and bool [P]"
            )
        alone = np.flatnonzero(self.first == self.second)
        if len(alone):
            raise NbnetError(
                f"pair {alone[0]} compares picture {self.first[alone[0]]} with itself: remove it"
            )
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        once = np.unique(low * (high.max(initial=0) + 1) + high, return_index=True)[1]
        if len(once) < len(self):
            again = np.setdiff1d(np.arange(len(self)), once)[0]
            raise NbnetError(f"pair {again} occurs twice, in this or the other order: remove one")

    def __len__(self) -> int:
        return len(self.first)

    @property
    def rows(self) -> np.ndarray:
        """The pictures that occur, int64, ascending, each once."""
        return np.unique(np.concatenate([self.first, self.second]))

    def select(self, mask: np.ndarray) -> Pairs:
        """Return those that ``mask`` (bool [P]) chooses."""
        return Pairs(self.first[mask], self.second[mask], self.same[mask])


@dataclass(frozen=True, eq=False)
class Trial:
    """One run of a protocol.

    Attributes:
        rows: int64, the pictures that take part in verification, ascending, each once.
        pairs: what is compared, among ``rows``; None for every one with every other, once.
        threshold_pairs: where the thresholds come from; None for the impostors of ``pairs``.
        gallery: int64, the enrolled pictures of an identification; None where there is none.
        probes: {name of the probe set: int64 rows}; a probe whose person is not in the gallery is
            non-mated.
        train: int64, pictures for those who adapt something to the data; nobody in them occurs in
            the rest of the trial. None where the protocol has none.
    """

    rows: np.ndarray
    pairs: Pairs | None = None
    threshold_pairs: Pairs | None = None
    gallery: np.ndarray | None = None
    probes: dict[str, np.ndarray] = field(default_factory=dict)
    train: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Protocol:
    """Pictures, and what is compared with what.

    Attributes:
        name: for reports.
        pictures: all pictures that occur.
        trials: one or more runs.
        spread: how the uncertainty of a result over trials is stated: "bootstrap" (one trial:
            bootstrap over identities), "folds" (no person in two trials: mean and standard error)
            or "trials" (random trials that share people: mean and standard deviation, which is
            not a standard error).
        source: what it was made from, for reports.

    Raises:
        NbnetError: rows out of range, out of order or named twice, a genuine pair of two people
            (or the reverse), a trial without genuine or impostor comparisons, probes without a
            gallery, people on both sides of a split.
    """

    name: str
    pictures: Pictures
    trials: tuple[Trial, ...]
    spread: str
    source: str

    def __post_init__(self) -> None:
        single = len(self.trials) == 1
        if self.spread not in SPREADS or not self.trials or (self.spread == "bootstrap") != single:
            raise NbnetError(
                f"spread {self.spread!r} with {len(self.trials)} trials: one trial goes with "
                "'bootstrap', several with 'folds' or 'trials' (two folds at least, or none)"
            )
        seen = np.array([], np.int64)
        for number, trial in enumerate(self.trials, start=1):
            part = "fold" if self.spread == "folds" else "trial"
            where = f"{self.name}, {part} {number}" if len(self.trials) > 1 else self.name
            self._check(trial, where)
            if self.spread == "folds":
                people = self.pictures.identities[trial.rows]
                self._refuse_both(seen, people, f"{where}, and in an earlier fold")
                seen = np.append(seen, people)

    def _person(self, code: int) -> str:
        return repr(self.pictures.people[code])

    def _refuse_both(self, some: np.ndarray, others: np.ndarray, where: str) -> None:
        both = np.intersect1d(some, others)
        if len(both):
            raise NbnetError(f"{self._person(both[0])} is in {where}: keep each person on one side")

    def _check(self, trial: Trial, where: str) -> None:
        """Raise what would pass quietly and give wrong numbers."""
        self._check_rows(trial, where)
        people = self.pictures.identities
        for pairs in (trial.pairs, trial.threshold_pairs):
            if pairs is None:
                continue
            wrong = np.flatnonzero((people[pairs.first] == people[pairs.second]) != pairs.same)
            if len(wrong):
                raise NbnetError(
                    f"{where}: pair {wrong[0]} is marked same={bool(pairs.same[wrong[0]])} but "
                    f"shows {self._person(people[pairs.first[wrong[0]]])} and "
                    f"{self._person(people[pairs.second[wrong[0]]])}"
                )
        counts = comparisons(trial, people)
        if not counts["genuine"] or not counts["impostor"]:
            raise NbnetError(
                f"{where}: {counts['genuine']} genuine and {counts['impostor']} impostor "
                "comparisons: add pictures or pairs, at least one of each kind is needed"
            )
        if (trial.gallery is None) != (not trial.probes):
            raise NbnetError(f"{where}: a gallery and probes go together, give both or neither")
        if trial.train is not None:
            gallery = [] if trial.gallery is None else [trial.gallery]
            tested = np.concatenate([trial.rows, *trial.probes.values(), *gallery])
            self._refuse_both(
                people[trial.train], people[tested], f"the training and in the test of {where}"
            )

    def _check_rows(self, trial: Trial, where: str) -> None:
        n = len(self.pictures)
        for rows in (trial.rows, trial.gallery, trial.train, *trial.probes.values()):
            if rows is not None and (
                not len(rows)
                or rows.min() < 0  # would count from the end
                or rows.max() >= n
                or len(np.unique(rows)) < len(rows)
            ):
                raise NbnetError(
                    f"{where}: rows {rows[:3]}...: give at least one, and each row of the {n} "
                    "pictures at most once"
                )
        if (np.diff(trial.rows) < 0).any():
            raise NbnetError(f"{where}: rows are out of order: sort them")
        for pairs, among in ((trial.pairs, trial.rows), (trial.threshold_pairs, np.arange(n))):
            if pairs is not None and not np.isin(pairs.rows, among).all():
                raise NbnetError(
                    f"{where}: pairs name pictures that are not in its rows or do not exist: "
                    "build rows from the pairs"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return name, source and counts for reports; plain Python values only."""
        return {
            "name": self.name,
            "source": self.source,
            "spread": self.spread,
            "pictures": len(self.pictures),
            "identities": len(np.unique(self.pictures.identities)),
            "trials": [self._counts(trial) for trial in self.trials],
        }

    def _counts(self, trial: Trial) -> dict[str, Any]:
        people = self.pictures.identities
        counts: dict[str, Any] = {
            "pictures": len(trial.rows),
            "identities": len(np.unique(people[trial.rows])),
            **comparisons(trial, people),
        }
        if trial.threshold_pairs is not None:
            counts["threshold_impostor"] = int((~trial.threshold_pairs.same).sum())
        if trial.gallery is not None:
            counts["gallery"] = len(trial.gallery)
            counts["probes"] = {name: len(rows) for name, rows in trial.probes.items()}
            probes = np.concatenate(list(trial.probes.values()))
            counts["non_mated"] = int((~np.isin(people[probes], people[trial.gallery])).sum())
        if trial.train is not None:
            counts["train"] = len(trial.train)
        return counts


def comparisons(trial: Trial, identities: np.ndarray) -> dict[str, int]:
    """Return how many {"genuine", "impostor"} comparisons a trial makes; no pair is listed."""
    if trial.pairs is not None:
        genuine = int(trial.pairs.same.sum())
        return {"genuine": genuine, "impostor": len(trial.pairs) - genuine}
    per_person = np.unique(identities[trial.rows], return_counts=True)[1]
    genuine, n = int((per_person * (per_person - 1) // 2).sum()), len(trial.rows)
    return {"genuine": genuine, "impostor": n * (n - 1) // 2 - genuine}


def gallery_trial(known: np.ndarray, first: np.ndarray) -> Trial:
    """Return the trial of a whole set: all pairs, and an identification in a part of its people.

    Probe sets: "enrolled" (the gallery's very pictures: a question for reconstructions only, as
    partition fa of FERET), "others" (other pictures of these people) and "strangers" (all pictures
    of people whom the gallery does not know; they set the thresholds of the open set).

    Args:
        known: bool [N], whether the person of each picture is enrolled.
        first: bool [N], True for one picture of each person: the one that is enrolled.
    """
    rows = np.arange(len(known))
    probes = {
        "enrolled": rows[known & first],
        "others": rows[known & ~first],
        "strangers": rows[~known],
    }
    return Trial(
        rows,
        gallery=probes["enrolled"],
        probes={name: chosen for name, chosen in probes.items() if len(chosen)},
    )
