"""The same person in other years: what a face keeps for life, and what it does not.

    render(7, 0, changes=looks(7, year=3))

All pictures of an `Identity` show one year of a life: one haircut, one hair colour, one beard, one
pair of glasses. A recogniser that is trained on such pictures alone learns these, which real people
change. `looks` draws them anew, each time from the same tables as `identity`, and leaves the bones
as they are. Introduced in chapter 3.
"""

from __future__ import annotations

from typing import Any

from synthfaces.dice import Dice
from synthfaces.identity import BEARDS, DARK_HAIR, FAIR_HAIR, GLASSES, make_identity, style_shares
from synthfaces.parameters import parameters

# Of the whole face; a name may begin with it.
WHOLE_FACE = ("gender_axis", "age_years", "ancestry_", "muscle", "weight", "melanin", "wrinkles")
_BROWS = ("thickness", "density", "arch", "height", "inner", "outer", "tilt", "taper")


def lasting_parameters() -> list[str]:
    """Return the names of the numbers that years leave alone, or nearly: bones, age, ancestry."""
    brows = tuple(f"brow_{name}" for name in _BROWS)
    return [
        name
        for name, parameter in parameters().items()
        if parameter.kind == "number" and name.startswith((*WHOLE_FACE, *brows, "shape/"))
    ]


def looks(identity: int, year: int, difficulty: float = 1.0) -> dict[str, Any]:
    """Return what is different about a person in a year, as ``changes`` for `render`.

    Args:
        identity: any whole number from 0 up.
        year: any whole number from 0 up; year 0 is the person of `make_identity`: nothing changes.
        difficulty: of the person; the years themselves do not depend on it.
    """
    if year == 0:
        return {}
    person = make_identity(identity, difficulty)
    male = person.gender == "male"
    dice = Dice([13, person.identity, year])
    # Hair is dyed in any colour: its colour is nobody's for life.
    color = dice.pick(DARK_HAIR if dice.chance(0.5) else FAIR_HAIR)
    style = dice.pick(style_shares(male, person.ancestry["african"] >= 0.6, person.age_years))
    owns, frame = dice.chance(0.35), dice.pick(GLASSES)
    new = {
        "hair_color": color,
        "hair_tone": dice.normal(0, 0.25, -0.5, 0.5),
        "greyness": person.greyness * dice.chance(0.6),
        "hair_style": style,
        "hair_length": dice.uniform(0.2, 1),
        "volume": dice.normal(0.5, 0.25, 0, 1),
        "hairline": dice.normal(person.hairline, 0.04, -0.2, 0.16),
        "parting": dice.sign() * dice.uniform(0, 0.45),
        "bangs_y": dice.uniform(7.55, 7.8),
        "hair_seed": dice.seed(),
        "beard": dice.pick(BEARDS if male else {"none": 1.0}),
        "stubble_habit": dice.normal(0.3, 0.25, 0, 1) * male,
        "glasses": frame if owns else "none",
        "brow_thickness": dice.normal(person.brow["thickness"], 0.005, 0.016, 0.070),
        "brow_density": dice.normal(person.brow["density"], 0.2, 0.25, 1.2),
        "weight": dice.normal(person.weight, 0.06, 0, 1),
        "melanin": dice.normal(person.melanin, 0.06, 0, 1),  # a tan
        "hemoglobin": dice.uniform(0, 1),
        "yellowness": dice.normal(person.yellowness, 0.1, 0, 1),
        "freckles": person.freckles * dice.uniform(),
        "lip_hue": dice.uniform(-1, 1),
        "lip_strength": dice.normal(person.lip_strength, 0.15, 0.1, 1.25),
        "dark_circles": dice.uniform(0, 1),
    }
    if owns:
        new["wears_glasses"] = dice.chance(0.7)
    return new
