"""One parameter changed with all else fixed: the tool for causal questions about a picture.

    identity, sample = change(identity, sample, {"melanin": 0.8, "yaw_deg": 20})

"All else" has four exceptions, where one parameter has no meaning without another: the three
ancestry weights sum to 1, so those that are not set share the rest in proportion; a new hair
colour, tone or greyness mixes the colours of hair and brows anew; a new eye colour or tone sets
that of the iris; glasses that nobody owns are not worn, nor is hair in a state that its new style
does not have. Introduced in chapter 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from synthfaces.checks import SynthFacesError
from synthfaces.hair_styles import TIEABLE
from synthfaces.identity import ANCESTRIES, Identity, eye_color_rgb, hair_colors
from synthfaces.parameters import Parameter, find, parameters
from synthfaces.sample import Sample

_WEIGHTS = {f"ancestry_{name}": name for name in ANCESTRIES}
_WORDS = {"true": True, "yes": True, "on": True, "1": True,
          "false": False, "no": False, "off": False, "0": False}  # fmt: skip


def parse_changes(texts: list[str]) -> dict[str, Any]:
    """Turn ``["yaw_deg=20", "hair_style=bob"]`` into checked changes by name."""
    changes: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise SynthFacesError(f"{text!r} sets nothing: write name=value, as yaw_deg=20")
        parameter = find(name.strip())
        if parameter.name in changes:
            raise SynthFacesError(f"{parameter.name} is set twice: give one value")
        changes[parameter.name] = check_value(parameter, value.strip())
    return changes


def check_value(parameter: Parameter, value: Any) -> Any:
    """Return ``value`` as the parameter's own type; text is read as on the command line."""
    if parameter.kind == "label":
        raise SynthFacesError(
            f"{parameter.name} is a label and cannot be changed alone: {parameter.instead}"
        )
    wrong = SynthFacesError(f"{parameter.name} is {value}: expected {parameter.allowed}")
    if parameter.kind == "choice":
        if value not in parameter.choices:
            raise wrong
        return str(value)
    if parameter.kind == "flag":
        if isinstance(value, str):
            value = _WORDS.get(value.lower(), value)
        if isinstance(value, str) or value not in (0, 1):
            raise wrong
        return bool(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise wrong from None
    if not parameter.low <= number <= parameter.high:  # NaN fails too
        raise wrong
    if parameter.kind == "whole":
        if number != int(number):
            raise wrong
        return int(number)
    return number


def check_changes(changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the changes in the order of the registry, each value as its parameter's own type."""
    checked = {name: check_value(find(name), value) for name, value in (changes or {}).items()}
    return {name: checked[name] for name in parameters() if name in checked}


def change(
    identity: Identity, sample: Sample, changes: Mapping[str, Any]
) -> tuple[Identity, Sample]:
    """Return person and picture with some parameters set and all else as it was.

    A value that a parameter has already changes nothing. The arguments stay as they are.

    Args:
        identity: from `make_identity`.
        sample: from `make_sample`.
        changes: parameter name -> value, see `parameters`.
    """
    checked = check_changes(changes)
    weights = {_WEIGHTS[name]: value for name, value in checked.items() if name in _WEIGHTS}
    if weights:
        identity = _set_ancestry(identity, weights)
    for name, value in checked.items():
        parameter = find(name)
        if name in _WEIGHTS:
            continue
        if parameter.owner == "sample":
            sample = _write(parameter, sample, value)
        elif value != parameter.read(identity):
            identity = _write(parameter, identity, value)
            identity = _follow(identity, name)
    return identity, _wear(identity, sample, checked)


def _write(parameter: Parameter, thing: Any, value: Any) -> Any:
    """Return a copy of an identity or a sample with one value replaced."""
    old = getattr(thing, parameter.field)
    if not parameter.at:
        new = value
    elif isinstance(old, dict):
        new = old | {key: value for key in parameter.at}
    elif isinstance(old, tuple):
        new = tuple(value if i in parameter.at else v for i, v in enumerate(old))
    else:
        new = old.copy()
        new[list(parameter.at)] = value
        new.flags.writeable = False
    return dataclasses.replace(thing, **{parameter.field: new})


def _set_ancestry(identity: Identity, given: dict[str, float]) -> Identity:
    """Set some of the three weights; the others share what is left of 1 in proportion."""
    left = 1 - math.fsum(given.values())
    others = {name: v for name, v in identity.ancestry.items() if name not in given}
    if left < -1e-9 or (not others and left > 1e-9):
        raise SynthFacesError(
            f"the ancestry weights sum to {1 - left:g}: the three are shares and sum to 1"
        )
    total = math.fsum(others.values())
    shares = {n: v / total if total > 0 else 1 / len(others) for n, v in others.items()}
    mixed = {name: max(left, 0.0) * share for name, share in shares.items()} | given
    ancestry = {name: mixed[name] for name in ANCESTRIES}
    return dataclasses.replace(
        identity, ancestry=ancestry, ancestry_main=max(ancestry, key=lambda n: ancestry[n])
    )


def _follow(identity: Identity, name: str) -> Identity:
    """Set the colours that are a function of the parameter just set."""
    if name in ("hair_color", "hair_tone", "greyness"):
        hair, brows = hair_colors(identity.hair_color, identity.greyness, identity.hair_tone)
        return dataclasses.replace(identity, hair_rgb=hair, brow_rgb=brows)
    if name.startswith(("eye_color", "eye_tone")):
        color = eye_color_rgb(identity.eye_color, identity.eye_tone)
        return dataclasses.replace(identity, eye_rgb=color)
    return identity


def _wear(identity: Identity, sample: Sample, asked: Mapping[str, Any]) -> Sample:
    """Take off what the person does not own, and undo what the style does not allow."""
    if sample.wears_glasses and identity.glasses == "none":
        if "wears_glasses" in asked:
            raise SynthFacesError(
                "wears_glasses is true, but this person owns none: set glasses as well, to "
                f"{find('glasses').allowed}"
            )
        sample = dataclasses.replace(sample, wears_glasses=False)
    other = (*TIEABLE.get(identity.hair_style, ()), "usual")[0]
    if sample.hair_state not in ("usual", other):
        if "hair_state" in asked:
            worn = "usual only" if other == "usual" else f"usual or {other}"
            raise SynthFacesError(
                f"hair_state is {sample.hair_state}: {identity.hair_style} hair is worn {worn}"
            )
        sample = dataclasses.replace(sample, hair_state="usual")
    return sample
