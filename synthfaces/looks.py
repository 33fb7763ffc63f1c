"""What identities are drawn from: hair and eye colours, hair styles, beards, glasses.

Colours are linear RGB, numbers in tables of names are shares. Introduced in chapter 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

ANCESTRIES = ("african", "asian", "caucasian")  # MakeHuman's names for three base meshes
ANCESTRY_SHARES = {"african": 0.3, "asian": 0.3, "caucasian": 0.4}

HAIR_COLORS = {
    "black": (0.022, 0.018, 0.016),
    "darkbrown": (0.048, 0.029, 0.018),
    "brown": (0.090, 0.048, 0.024),
    "lightbrown": (0.17, 0.095, 0.045),
    "darkblond": (0.26, 0.165, 0.08),
    "blond": (0.42, 0.27, 0.12),
    "platinum": (0.62, 0.50, 0.33),
    "auburn": (0.11, 0.036, 0.016),
    "red": (0.22, 0.065, 0.02),
    "strawberry": (0.40, 0.20, 0.085),
    "grey": (0.36, 0.35, 0.34),
    "white": (0.62, 0.61, 0.59),
}
EYE_COLORS = {
    "darkbrown": (0.030, 0.014, 0.008),
    "brown": (0.075, 0.030, 0.012),
    "hazel": (0.16, 0.10, 0.03),
    "green": (0.14, 0.19, 0.09),
    "blue": (0.14, 0.24, 0.34),
    "grey": (0.24, 0.28, 0.31),
}
DARK_HAIR = {"black": 0.75, "darkbrown": 0.25}
FAIR_HAIR = {
    "black": 0.07, "darkbrown": 0.23, "brown": 0.25, "lightbrown": 0.15, "darkblond": 0.10,
    "blond": 0.09, "platinum": 0.02, "auburn": 0.04, "red": 0.03, "strawberry": 0.02,
}  # fmt: skip
DARK_EYES = {"darkbrown": 0.7, "brown": 0.3}
FAIR_EYES = {
    "brown": 0.25, "hazel": 0.17, "green": 0.13, "blue": 0.27, "grey": 0.10, "darkbrown": 0.08,
}  # fmt: skip
# By (male, tightly curled).
STYLE_SHARES = {
    (True, False): {
        "bald": 0.06, "buzz": 0.09, "crop": 0.12, "short": 0.15, "textured": 0.11, "side": 0.14,
        "slick": 0.06, "quiff": 0.08, "receding": 0.06, "tonsure": 0.03, "medium": 0.05,
        "undercut": 0.05,
    },
    (True, True): {
        "bald": 0.13, "buzz": 0.28, "crop": 0.15, "textured": 0.08, "receding": 0.05,
        "tonsure": 0.02, "cornrows": 0.08, "locs": 0.07, "afro": 0.11, "afro_big": 0.03,
    },
    (False, False): {
        "long": 0.20, "wavy": 0.16, "bob": 0.14, "bangs": 0.10, "pulled": 0.08, "bun": 0.06,
        "ponytail": 0.06, "pixie": 0.06, "curly": 0.06, "side": 0.03, "medium": 0.05,
    },
    (False, True): {
        "curly": 0.20, "afro": 0.14, "afro_big": 0.10, "pulled": 0.12, "bun": 0.12,
        "cornrows": 0.08, "locs": 0.08, "bob": 0.06, "long": 0.05, "buzz": 0.03, "pixie": 0.02,
    },
}  # fmt: skip
THINNING = ("bald", "receding", "tonsure")  # rarer in the young, more common in the old
BEARDS = {"none": 0.58, "moustache": 0.08, "goatee": 0.10, "full": 0.10, "short": 0.14}
GLASSES = {"round": 0.26, "square": 0.36, "thin": 0.26, "aviator": 0.12}
FRAME_COLORS = {
    "black": (0.012, 0.012, 0.013), "brown": (0.07, 0.03, 0.014), "metal": (0.25, 0.24, 0.23),
    "gold": (0.34, 0.22, 0.08), "red": (0.16, 0.02, 0.025), "blue": (0.025, 0.05, 0.13),
}  # fmt: skip
FRAME_COLOR_SHARES = {
    "black": 0.36, "brown": 0.22, "metal": 0.20, "gold": 0.10, "red": 0.06, "blue": 0.06,
}  # fmt: skip


def style_shares(male: bool, curly: bool, age_years: float) -> dict[str, float]:
    """Return how common each hair style is."""
    thinning = min(max((age_years - 15) / 25, 0.15), 2.5) if male else 1.0
    return {
        style: share * (thinning if style in THINNING else 1.0)
        for style, share in STYLE_SHARES[male, curly].items()
    }


def frozen(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return a read-only float64 array: one identity serves every caller."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def hair_colors(color: str, greyness: float, tone: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the linear RGB [3] of hair and of brows.

    Args:
        color: a key of `HAIR_COLORS`, before greying.
        greyness: 0 to 1.
        tone: logarithm of how much lighter than usual, -0.5 to 0.5.
    """
    natural, grey = np.array(HAIR_COLORS[color]), np.array(HAIR_COLORS["grey"])
    old = np.array(HAIR_COLORS["white"]) if greyness >= 0.8 else grey
    hair = natural * math.exp(tone) * (1 - greyness) + greyness * old
    brows = natural * 0.75 * (1 - 0.6 * greyness) + 0.5 * greyness * grey + 0.004
    return frozen(hair), frozen(brows)


def eye_color_rgb(color: str, tone: np.ndarray) -> np.ndarray:
    """Return the linear RGB [3] of the iris: a key of `EYE_COLORS`, and log factors [3]."""
    return frozen(np.array(EYE_COLORS[color]) * np.exp(tone))
