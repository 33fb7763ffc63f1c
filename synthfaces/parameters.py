"""Every parameter of a picture in one list: name, meaning, unit, range, and where it is kept.

The one source of the columns of `faces.table`, of ``changes={...}``, of ``--set name=value``, of
the data card and of the sentences that refuse a wrong value. All are parameters of a graphics
model, not facts about people: "gender", "age" and "ancestry" name directions of the MakeHuman mesh.
Introduced in chapter 1.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from synthfaces.checks import SynthFacesError
from synthfaces.identity import ANCESTRIES, BEARDS, EYE_COLORS, GLASSES, HAIR_COLORS, STYLE_SHARES
from synthfaces.model import head_model
from synthfaces.sample import SCENES
from synthfaces.shape import shape_axes
from synthfaces.wardrobe import HEADWEAR

MAX_SEED = (1 << 31) - 1


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: column of the table, key of ``changes``.
        owner: "identity" (the same in all pictures of a person) or "sample".
        kind: "number", "whole", "choice", "flag", or "label" (follows from other parameters).
        meaning: one line.
        field: field of `Identity` or `Sample` that holds it.
        at: keys (of a dict) or indices (of an array) in that field; () for the field itself. With
            several keys the parameter sets all and reads their mean.
        unit: "" for a plain number.
        low, high: limits of a number, both allowed.
        choices: allowed values of a choice.
        instead: what to change in place of a label.
    """

    name: str
    owner: str
    kind: str
    meaning: str
    field: str
    at: tuple[Any, ...] = ()
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()
    instead: str = ""

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.kind == "flag":
            return "true or false"
        if self.kind == "label":
            return "a label"
        if self.kind == "whole":
            return f"a whole number from {self.low:,} to {self.high:,}"
        return f"a number from {self.low:g} to {self.high:g} {self.unit}".rstrip()

    def read(self, thing: Any) -> Any:
        """Return the value in an `Identity` or a `Sample`."""
        held = getattr(thing, self.field)
        if self.name == "mole_count":
            return len(held)
        if not self.at:
            return held
        if isinstance(held, dict):
            return sum(held.get(key, 0.0) for key in self.at) / len(self.at)
        return float(held[self.at[0]])


def _number(name, low, high, meaning, unit="", field="", at=(), kind="number"):
    at = at if isinstance(at, tuple) else (at,)
    return dict(name=name, kind=kind, meaning=meaning, field=field or name, at=at, unit=unit,
                low=low, high=high)  # fmt: skip


def _seed(name, meaning):
    return _number(name, 0, MAX_SEED, meaning, kind="whole")


def _choice(name, choices, meaning):
    return dict(name=name, kind="choice", meaning=meaning, field=name, choices=tuple(choices))


def _flag(name, meaning):
    return dict(name=name, kind="flag", meaning=meaning, field=name)


def _label(name, meaning, instead, field=""):
    return dict(name=name, kind="label", meaning=meaning, field=field or name, instead=instead)


def _rgb(name, meaning, low=0.0, high=1.0, field=""):
    """Three rows, name_r to name_b."""
    return [
        _number(f"{name}_{c}", low, high, f"{meaning}, {word}", "", field or f"{name}_rgb", i)
        for i, (c, word) in enumerate([("r", "red"), ("g", "green"), ("b", "blue")])
    ]


def _brow(key, low, high, meaning, unit=""):
    return _number(f"brow_{key}", low, high, meaning, unit, "brow", key)


def _identity_rows():
    model = head_model()
    asymmetries = {row: name for name, row in model.targets.items()}
    styles = sorted({style for table in STYLE_SHARES.values() for style in table})
    return [
        _label("gender", "female or male: which hair, beard and clothes were drawn from",
               "set gender_axis (the shape), hair_style, beard or makeup"),
        _number("gender_axis", 0, 1, "0 female mesh, 1 male mesh"),
        _number("age_years", 18, 80, "age of the mesh", "years"),
        _label("ancestry_main", "the heaviest of the three base meshes",
               "set ancestry_african, ancestry_asian or ancestry_caucasian"),
        *[_number(f"ancestry_{name}", 0, 1, "weight of the base mesh; the three sum to 1, those "
                  "not set share the rest", "", "ancestry", name) for name in ANCESTRIES],
        _number("muscle", 0, 1, "0 slack, 1 muscular"),
        _number("weight", 0, 1, "0 thin, 1 heavy"),
        _number("melanin", 0, 1, "brown pigment of the skin"),
        _number("hemoglobin", 0, 1, "red of the blood in the skin"),
        _number("yellowness", 0, 1, "yellow of the skin"),
        _number("mottle", 0, 1, "unevenness of the skin colour"),
        _number("blush", 0, 1.2, "redness of cheeks and nose"),
        _number("dark_circles", 0, 1.1, "shadow under the eyes"),
        _number("wrinkles", 0, 1.1, "depth of the wrinkles"),
        _number("gloss", 0.1, 1, "shine of the skin"),
        _number("freckles", 0, 1.5, "strength of the freckles"),
        _label("mole_count", "number of moles, 0 to 4", "moles are drawn with the identity",
               field="moles"),
        _seed("skin_seed", "random pattern of the skin"),
        _choice("hair_style", styles, "cut of the hair"),
        _choice("hair_color", HAIR_COLORS, "colour before greying; sets hair and brows"),
        _number("hair_tone", -0.5, 0.5, "logarithm: how much lighter than the named colour"),
        _number("greyness", 0, 1, "share of grey in the hair; sets hair and brows"),
        *_rgb("hair", "linear colour of the hair", 0, 1.1),
        *_rgb("brow", "linear colour of the brows"),
        _number("hairline", -0.2, 0.16, "hairline above the mean one", "decimetres"),
        _number("temples", 0, 1.1, "0 full, 1 receded"),
        _number("curl", 0, 1, "0 straight, 1 tightly curled"),
        _number("volume", 0, 1, "how far the hair stands off"),
        _number("hair_length", 0.2, 1, "length within the style"),
        _number("parting", -0.45, 0.45, "place of the parting, negative: the subject's right"),
        _number("bangs_y", 7.55, 7.8, "height at which a fringe ends", "decimetres"),
        _seed("hair_seed", "random pattern of the strands"),
        _choice("beard", BEARDS, "kind of beard"),
        _number("stubble_habit", 0, 1, "how dark a beard grows after a shave"),
        _brow("thickness", 0.016, 0.075, "thickness of the brows", "decimetres"),
        _brow("density", 0.25, 1.2, "density of the brows"),
        _brow("arch", -0.4, 1.3, "arch of the brows"),
        _brow("height", -0.05, 0.055, "brows above their mean height", "decimetres"),
        _brow("inner", 0.065, 0.16, "inner end, from the middle", "decimetres"),
        _brow("outer", 0.43, 0.54, "outer end, from the middle", "decimetres"),
        _brow("tilt", -0.5, 0.5, "tilt of the brows"),
        _brow("taper", 0.25, 0.7, "how much the brows thin out outwards"),
        _choice("eye_color", EYE_COLORS, "colour of the iris; sets its linear colour"),
        *_rgb("eye", "linear colour of the iris"),
        *_rgb("eye_tone", "logarithm: how much lighter than the named colour", -0.65, 0.65,
              field="eye_tone"),
        _number("iris_radius", 0.44, 0.55, "radius on the eyeball", "radians"),
        _number("lashes", 0.1, 1, "strength of the lashes"),
        _number("lip_hue", -1, 1, "natural lips: -1 cool, 1 warm"),
        _number("lip_strength", 0.1, 1.25, "how much the natural lips differ from the skin"),
        _label("makeup_habit", "0 never, 1 full make-up in most pictures: pictures are drawn by it",
               "set makeup, of one picture"),
        *[_number(f"lipstick_{i}", 0, 1, "choice of the colours of make-up", "", "lipstick", i)
          for i in range(3)],
        _choice("glasses", ("none", *GLASSES), "frame that the person owns, see wears_glasses"),
        *_rgb("glasses", "linear colour of the frame"),
        *[_number(f"shape/{axis}", -3, 3, "towards the MakeHuman target of this name or away",
                  "standard deviations", "shape", i) for i, axis in enumerate(shape_axes().names)],
        *[_number(f"asymmetry/{asymmetries[row].removeprefix('asym/')}", -0.55, 0.55,
                  "deviation of one side; below 0 none", "", "asymmetry", i)
          for i, row in enumerate(model.asymmetries)],
    ]  # fmt: skip


def _sample_rows():
    return [
        _label("difficulty", "spread of identities and pictures that was drawn from",
               "give difficulty itself: render(..., difficulty=...) or --difficulty"),
        _number("yaw_deg", -40, 40, "turn, positive: to the picture's right", "degrees", "yaw"),
        _number("pitch_deg", -25, 25, "nod, positive: down", "degrees", "pitch"),
        _number("roll_deg", -15, 15, "tilt of the picture, positive: clockwise", "degrees", "roll"),
        _label("expression", "the expression that the facial actions were drawn for",
               "set smile, jaw_open, blink or an action/..."),
        _number("smile", 0, 1, "both mouthSmile actions", "", "actions",
                ("mouthSmileLeft", "mouthSmileRight")),
        _number("jaw_open", 0, 1, "the action jawOpen", "", "actions", "jawOpen"),
        _number("blink", 0, 1, "both eyeBlink actions: 0 open, 1 closed", "", "actions",
                ("eyeBlinkLeft", "eyeBlinkRight")),
        _number("gaze_right_deg", -40, 40, "against the head; minus the yaw meets the camera",
                "degrees", "gaze", 0),
        _number("gaze_down_deg", -25, 25, "against the head; minus the pitch meets the camera",
                "degrees", "gaze", 1),
        _choice("scene", SCENES, "what is in the background; the light was drawn for it"),
        _number("light_azimuth_deg", -100, 100, "key light, 0 is behind the camera, positive: "
                "from the picture's right", "degrees", "light_azimuth"),
        _number("light_elevation_deg", -15, 70, "key light above the face", "degrees",
                "light_elevation"),
        _number("key_strength", 0, 2, "strength of the key light"),
        _number("softness", 0, 1, "0 a lamp, 1 an overcast sky"),
        _number("warmth", -0.25, 0.25, "key light: negative bluish, positive reddish"),
        *_rgb("fill", "linear colour of the ambient light", 0, 2, field="fill"),
        _number("light_turn", 0, 6.2832, "turn of the uneven ambient light", "radians"),
        _number("rim_strength", 0, 1, "second light from behind"),
        _number("exposure", 0.1, 8, "factor on the light"),
        *_rgb("white_balance", "factor of the camera", 0.7, 1.4, field="white_balance"),
        _number("distance_dm", 6, 40, "camera to head", "decimetres", "distance"),
        _number("shift_right", -0.2, 0.2, "of the face in the picture", "sides", "shift", 0),
        _number("shift_down", -0.2, 0.2, "of the face in the picture", "sides", "shift", 1),
        _number("zoom", -0.3, 0.3, "relative, 0 is the aligned size"),
        _seed("background_seed", "random background"),
        *_rgb("shirt", "linear colour of the shirt", field="shirt"),
        _number("neckline", 5.5, 6.0, "height of the shirt's collar", "decimetres"),
        _flag("wears_glasses", "the person's own glasses are worn"),
        _flag("sunglasses", "dark glasses are worn"),
        _choice("headwear", HEADWEAR, "what covers the hair"),
        *_rgb("headwear", "linear colour of the headwear"),
        _flag("scarf", "a scarf hides neck and chin"),
        _flag("foreground", "something out of focus reaches into the picture"),
        _seed("foreground_seed", "random object in the foreground"),
        _choice("hair_state", ("usual", "tied", "loose"), "how the style is worn today"),
        _number("hair_mess", 0, 1, "0 combed, 1 tousled"),
        _number("hair_growth", 0.85, 1.15, "factor on the length of the hair"),
        _number("stubble", 0, 1, "beard since the last shave"),
        _number("beard_growth", 0.5, 1.2, "factor on the length of the beard"),
        _number("makeup", 0, 1, "make-up worn in this picture"),
        _number("flush", -1, 1, "-1 pale, 1 flushed"),
        _number("shine", 0.6, 1.5, "factor on the gloss of the skin"),
        _number("defocus", 0, 3, "blur, sigma", "pixels at 112 px"),
        _number("motion_blur", 0, 6, "length of the smear", "pixels at 112 px"),
        _number("motion_angle", 0, 180, "direction of the smear", "degrees"),
        _number("noise", 0, 0.1, "standard deviation, of full scale 1"),
        _number("jpeg_quality", 0, 95, "0 is not compressed", kind="whole"),
        _number("vignette", 0, 0.5, "darkening of the corners"),
        _number("contrast", 0.5, 1.5, "factor around middle grey"),
        _number("gamma", 0.5, 2, "exponent of the tone curve"),
        _number("saturation", 0, 2, "factor on the colours"),
        *[_number(f"action/{name}", 0, 1, "facial action, ARKit's name", "", "actions", name)
          for name in head_model().actions],
    ]  # fmt: skip


@lru_cache(1)
def parameters() -> dict[str, Parameter]:
    """Return all parameters by name: those of the identity first, long lists last of each."""
    rows = [("identity", row) for row in _identity_rows()]
    rows += [("sample", row) for row in _sample_rows()]
    return {row["name"]: Parameter(owner=owner, **row) for owner, row in rows}


def find(name: str) -> Parameter:
    """Return the parameter called ``name``."""
    known = parameters()
    if name not in known:
        near = difflib.get_close_matches(name, known, 3)
        guess = f"did you mean {' or '.join(near)}? " if near else ""
        raise SynthFacesError(
            f"no parameter is named {name!r}: {guess}`nbnet faces parameters` lists all"
        )
    return known[name]
