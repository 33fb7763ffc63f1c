"""Templates that a slow recogniser made of drawn pictures, recorded once and shipped.

A picture of SynthFaces follows from (identity, sample), so its template can be looked up instead of
asked for, where the recogniser (by the SHA-256 of its weights), its alignment, the renderer and the
size of the pictures are those of the recording. Shipped for dlib: the attacker's pictures of the
recipes `laptop` and `strong`, and those of the default benchmark. They are numbers about people who
do not exist, made by the command in the card beside them (`tools/record_templates.py`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nbnet_lib.faces import RENDERER_VERSION
from nbnet_lib.weights import load_weights

FOLDER = Path(__file__).parent / "answers"  # NAME.safetensors with its card, of each recogniser
SAMPLES = 2**16  # more than anybody draws of one person: (identity, sample) as one number


class Recorded(NamedTuple):
    """What is recorded of N pictures.

    Attributes:
        templates: float32 [N, d], unit length; zeros where nothing is recorded.
        known: bool [N], which pictures are recorded.
        found: bool [N], in which of them the recogniser's detector found the face.
        note: one sentence: what was looked up, or why what is recorded does not apply; else "".
    """

    templates: np.ndarray
    known: np.ndarray
    found: np.ndarray
    note: str = ""


def nothing_recorded(count: int, template_dim: int, note: str = "") -> Recorded:
    """Return that nothing is recorded of ``count`` pictures."""
    templates = np.zeros((count, template_dim), np.float32)
    return Recorded(templates, np.zeros(count, bool), np.zeros(count, bool), note)


def look_up(encoder: Any, identities: np.ndarray, samples: np.ndarray, size: int) -> Recorded:
    """Return the recorded templates of pictures of SynthFaces.

    Args:
        encoder: from `create_encoder`, as it would be asked.
        identities: int [N].
        samples: int [N], picture of that identity.
        size: side of the pictures that the encoder would be given, pixels; of difficulty 1.

    Raises:
        NbnetError: the recorded file is damaged.
    """
    nothing = nothing_recorded(len(identities), encoder.template_dim)
    file = FOLDER / f"{encoder.name}.safetensors"
    if not file.is_file():
        return nothing
    keys, templates, found = _read(file)
    wanted = np.asarray(identities, np.int64) * SAMPLES + samples
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    known = (keys[at] == wanted) & (np.asarray(samples) >= 0)
    if not known.any():
        return nothing
    recorded = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["made_from"]
    now = {
        "sha256": getattr(encoder, "sha256", None),
        "alignment": getattr(encoder, "alignment", None),
        "renderer_version": RENDERER_VERSION,
        "image_size": size,
    }
    for name, value in now.items():
        if recorded[name] != value:
            note = f"the recorded templates of {encoder.name} are not used: their {name} is "
            return nothing._replace(note=f"{note}{recorded[name]}, here it is {value}")
    return Recorded(
        np.where(known[:, None], templates[at], np.float32(0)),
        known,
        known & found[at],
        f"templates of {known.sum():,} of {len(known):,} pictures are recorded, shipped with the "
        f"course (answers of {encoder.name} to renderer {RENDERER_VERSION}): it is not asked for "
        "these",
    )


@lru_cache(1)
def _read(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return keys int64 [N], ascending, templates float32 [N, d] of unit length, and found."""
    arrays = {name: tensor.numpy() for name, tensor in load_weights(file)[0].items()}
    keys = arrays["identities"].astype(np.int64) * SAMPLES + arrays["samples"]
    templates = arrays["templates"]
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)  # float16 rounds lengths, too
    return keys, templates, arrays["found"].astype(bool)
