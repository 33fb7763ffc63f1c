"""Dividing a set into training and evaluation: by people, never by pictures.

An attack that is scored on people it was trained with measures memory, not leakage. So a person is
on one side only, and so are people who share a picture: the same file under two names is one person
under two names, or a mistake, and either would leak from one side to the other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nbnet_lib.data.manifest import Manifest
from nbnet_lib.data.reading import identical_files
from nbnet_lib.errors import NbnetError

Unit = tuple[int, list[str]]  # number of pictures; people who go together, nearly always one


def divide(
    manifest: Manifest, share: float = 0.2, seed: int = 0, progress: bool = True
) -> Manifest:
    """Return a manifest whose people are divided into "train" and "evaluation".

    People are drawn at random among those with about as many pictures (1, 2, 3-4, 5-8 and so on),
    so that both sides have few- and many-pictured people in the same proportion (scikit-learn's
    GroupShuffleSplit does not see to that). The division depends on the people, their pictures'
    number and the seed, not on the order of the rows.

    Args:
        manifest: the set; a division that it has already is replaced.
        share: part of the people that goes to the evaluation, between 0 and 1.
        seed: of the choice.
        progress: show a bar on stderr while files are compared.

    Raises:
        NbnetError: a share out of range, pictures of unknown people, fewer than two people who can
            be kept apart, or SynthFaces, whose people are divided by their numbers.
    """
    if not 0 < share < 1:
        raise NbnetError(f"share is {share}: expected a number between 0 and 1, such as 0.2")
    if manifest.numbered:
        raise NbnetError(
            f"{manifest.source} holds SynthFaces, which are divided by their numbers: people up to "
            "9,999 are for evaluation, the others for training"
        )
    people = manifest.table["identity"]
    unknown = int((people == "").sum())
    if unknown:
        raise NbnetError(
            f"{manifest.source} has {unknown:,} pictures of unknown people, who might be on both "
            "sides: say who they are, or leave them out"
        )
    counts = people.value_counts().to_dict()
    together = _together(manifest, progress)
    if len(together) < 2:
        raise NbnetError(
            f"{manifest.source} has {len(counts)} people, and nobody can be kept apart: a division "
            "needs two who do not share a picture (the same file under two names)"
        )
    units = [(sum(counts[name] for name in members), members) for members in together]
    tested = _choose(units, share, np.random.default_rng([seed, 6]))
    table = manifest.table.assign(
        split=["evaluation" if name in tested else "train" for name in people]
    )
    notes = [
        f"kept on one side because they share a picture: {', '.join(members[:5])}"
        + (f" and {len(members) - 5} more" if members[5:] else "")
        for members in together
        if len(members) > 1
    ]
    return replace(manifest, table=table, notes=(*manifest.notes, *notes[:10]))


def _together(manifest: Manifest, progress: bool) -> list[list[str]]:
    """Return the people in lists of those who share a picture, by name."""
    names = manifest.identities
    groups = {name: {name} for name in sorted(set(names))}
    for rows in identical_files(manifest, progress):
        joined = set[str]().union(*(groups[names[row]] for row in rows))
        for name in joined:
            groups[name] = joined
    return [sorted(group) for name, group in groups.items() if name == min(group)]


def _choose(units: list[Unit], share: float, rng: np.random.Generator) -> set[str]:
    """Return the people of the evaluation: at least one unit, and not all."""
    strata: dict[int, list[Unit]] = {}
    for unit in units:
        # 1, 2, 3-4, 5-8 ... pictures
        strata.setdefault((unit[0] - 1).bit_length(), []).append(unit)
    wanted = min(max(1, round(share * len(units))), len(units) - 1)
    # Whole numbers that add up: each stratum rounds down, the largest remainders get one more.
    order = sorted(strata)
    exact = np.array([wanted * len(strata[s]) / len(units) for s in order])
    given = np.floor(exact).astype(int)
    for at in np.argsort(-(exact - given), kind="stable")[: wanted - given.sum()]:
        given[at] += 1
    chosen: set[str] = set()
    for stratum, number in zip(order, given, strict=True):
        members = strata[stratum]
        for at in rng.permutation(len(members))[:number]:
            chosen.update(members[at][1])
    return chosen
