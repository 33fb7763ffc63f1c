"""Nobody is attacked by a decoder that was trained with pictures of the same person."""

from pathlib import Path

import numpy as np
import pytest

from nbnet_lib.data.people import people_digest
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import synthfaces
from nbnet_lib.evaluate.protocols.pictures import Folder, Pictures
from nbnet_lib.evaluate.provenance import require_disjoint


def pictures(people: list[str], folder: str = "faces") -> Pictures:
    files = tuple(f"{person}/{shot}.png" for person in people for shot in range(2))
    who = np.repeat(np.arange(len(people)), 2)
    return Pictures(files, who, tuple(people), Folder(Path(folder), files))


def card(people: list[str], folder: str = "faces") -> dict:
    return {"people": {"folder": folder, "digests": people_digest(people)}}


def everybody(found: Pictures) -> np.ndarray:
    return np.arange(len(found))


def test_shared_people_are_refused_and_named():
    found = pictures(["Ada", "Ben", "Cy"])
    with pytest.raises(NbnetError, match=r"mine was trained with pictures of 1 of the 3 people"):
        require_disjoint(found, everybody(found), "mine", card(["Ben", "Dora"], "elsewhere"))


def test_only_those_who_are_attacked_count():
    found = pictures(["Ada", "Ben", "Cy"])
    assert require_disjoint(found, np.array([0, 1, 4, 5]), "mine", card(["Ben", "Dora"])) == []
    with pytest.raises(NbnetError, match="for example 'Ben'"):
        require_disjoint(found, np.array([0, 1, 2]), "mine", card(["Ben", "Dora"]))


@pytest.mark.parametrize("trained", [None, {}, {"seed": 3}, card(["Eve", "Fay"])])
def test_others_pass(trained):
    found = pictures(["Ada", "Ben"])
    assert require_disjoint(found, everybody(found), "mine", trained) == []


def test_numbers_are_people_of_one_folder():
    found = pictures(["0001", "0002"])
    with pytest.raises(NbnetError, match="for example '0002'"):
        require_disjoint(found, everybody(found), "mine", card(["0002"]))
    (note,) = require_disjoint(found, everybody(found), "mine", card(["0002"], "another"))
    assert "same numbers as 1 of the 2 people" in note


def test_drawn_people_are_apart_by_their_numbers():
    found = synthfaces(range(3), samples=2).pictures
    require_disjoint(found, everybody(found), "mine", card(["0", "1"]))
