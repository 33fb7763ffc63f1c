"""The ground truth of SynthFaces as tables: every parameter that a picture was drawn from.

These are parameters of a graphics model, not facts about people: "gender", "age_years" and
"ancestry" name directions of the MakeHuman shape space. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from nbnet_lib.faces.synth import Identity, Sample, make_identity, make_sample

# Columns with their unit or range; the order of the table.
IDENTITY_COLUMNS = {
    "gender": "male or female: the base mesh and the hair and beard styles drawn from",
    "gender_axis": "0 female mesh .. 1 male mesh",
    "age_years": "18 .. 80",
    "ancestry_main": "the heaviest of the three MakeHuman base meshes",
    "ancestry_african": "weight of the mesh, the three sum to 1",
    "ancestry_asian": "weight of the mesh",
    "ancestry_caucasian": "weight of the mesh",
    "muscle": "0 .. 1",
    "weight": "0 thin .. 1 heavy",
    "melanin": "0 .. 1",
    "hemoglobin": "0 .. 1",
    "yellowness": "0 .. 1",
    "blush": "0 .. 1.2",
    "dark_circles": "0 .. 1.1",
    "wrinkles": "0 .. 1.1",
    "gloss": "0.1 .. 1",
    "freckles": "0 and up",
    "mole_count": "0 .. 8",
    "hair_style": "one of ten styles or bald",
    "hair_color": "natural colour, before grey",
    "greyness": "share of grey in the hair, 0 .. 1",
    "hairline": "decimetres above the mean hairline",
    "temples": "0 full .. 1.1 receded",
    "curl": "0 .. 1",
    "volume": "0 .. 1",
    "hair_length": "0.2 .. 1 within the style",
    "beard": "none, moustache, goatee, full or short",
    "stubble": "0 .. 1",
    "brow_thickness": "decimetres",
    "eye_color": "one of six",
    "iris_radius": "radians on the eyeball",
    "makeup": "0 and up; above 0.45 lipstick is worn",
}
SAMPLE_COLUMNS = {
    "yaw_deg": "-32 .. 32 degrees",
    "pitch_deg": "-18 .. 18 degrees",
    "roll_deg": "degrees",
    "expression": "one of eight",
    "jaw_open": "0 .. 1",
    "blink": "0 .. 0.45",
    "gaze_right_deg": "degrees",
    "gaze_down_deg": "degrees",
    "light_azimuth_deg": "degrees, 0 is behind the camera",
    "light_elevation_deg": "-15 .. 70 degrees",
    "key_strength": "0.35 .. 1.05",
    "softness": "0 lamp .. 1 overcast sky",
    "warmth": "negative bluish, positive reddish",
    "exposure": "factor",
    "distance_dm": "7 .. 18 decimetres, camera to head",
    "blur": "sigma in pixels at 112 px; below 0.25 none",
    "noise": "standard deviation, of full scale 1",
    "saturation": "factor",
}


def _identity_row(person: Identity) -> dict[str, Any]:
    derived: dict[str, Any] = {
        f"ancestry_{name}": weight for name, weight in person.ancestry.items()
    }
    derived |= {"mole_count": len(person.moles), "brow_thickness": person.brow["thickness"]}
    row: dict[str, Any] = {"identity": person.identity}
    for column in IDENTITY_COLUMNS:
        row[column] = derived[column] if column in derived else getattr(person, column)
    return row


def _sample_row(sample: Sample) -> dict[str, Any]:
    return {
        "sample": sample.sample,
        "yaw_deg": sample.yaw,
        "pitch_deg": sample.pitch,
        "roll_deg": sample.roll,
        "expression": sample.expression,
        "jaw_open": sample.actions.get("jawOpen", 0.0),
        "blink": sample.actions["eyeBlinkLeft"],
        "gaze_right_deg": sample.gaze[0],
        "gaze_down_deg": sample.gaze[1],
        "light_azimuth_deg": sample.light_azimuth,
        "light_elevation_deg": sample.light_elevation,
        "key_strength": sample.key_strength,
        "softness": sample.softness,
        "warmth": sample.warmth,
        "exposure": sample.exposure,
        "distance_dm": sample.distance,
        "blur": sample.blur,
        "noise": sample.noise,
        "saturation": sample.saturation,
    }


def table(identities: Iterable[int], samples: int | Iterable[int] | None = None) -> pd.DataFrame:
    """Return the ground truth: a row per identity, or per picture when ``samples`` is given.

    Args:
        identities: identity numbers.
        samples: None, a number of samples (0 to n - 1), or sample numbers.

    Returns:
        Columns "identity" and `IDENTITY_COLUMNS`; with samples also "sample" and
        `SAMPLE_COLUMNS`. Rows in the order of `render_set`. No picture is drawn.
    """
    rows = []
    for identity in identities:
        person = _identity_row(make_identity(int(identity)))
        if samples is None:
            rows.append(person)
            continue
        for sample in range(samples) if isinstance(samples, int) else samples:
            rows.append(person | _sample_row(make_sample(int(identity), int(sample))))
    return pd.DataFrame(rows)
