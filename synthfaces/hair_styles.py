"""Hair styles: where the hair is combed, how long it is on top, at the sides and at the nape.

Lengths are decimetres as (base, times a parameter of the person). Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# Where hair is combed.
FORWARD, BACK, ASIDE, FALL, UP, GATHER = range(6)
# How strands are laid out around the guides.
COMBED, TUFTS, ROWS = range(3)


@dataclass(frozen=True)
class Style:
    """One way to wear hair. Lengths and widths in decimetres."""

    flow: int
    strands: int
    points: int
    top: tuple[float, float]  # length + hair_length *
    sides: tuple[float, float]
    volume: tuple[float, float]  # height above the skull, + volume *
    stand: float = 0.5  # how steeply a strand leaves the skin: 0 flat .. 1 upright
    front: float = 0.0  # additional share of the volume above the forehead
    width: float = 0.016
    lock: float = 0.3  # 0 strands spread evenly .. 1 all follow the nearest guide
    clump: float = 0.3  # how far strands have gathered into locks at their tips
    wave: tuple[float, float] = (0.0, 0.02)  # amplitude, + curl *
    wavelength: float = 0.5
    frizz: float = 0.012
    fringe: bool = False  # falls over the forehead down to `Identity.bangs_y`
    frame: float = 1.0  # angle up to which the face stays free, radians
    drape: float = 0.05  # how far hair may hang over the hairline
    tail: float = 0.0  # length behind the knot
    opacity: float = 0.93
    layout: int = COMBED


_SHORT = Style(FORWARD, 4200, 6, (0.26, 0.14), (0.12, 0.05), (0.07, 0.06), stand=0.6)
_LONG = Style(FALL, 1500, 15, (2.2, 0.7), (1.7, 0.7), (0.10, 0.10), 0.5, 0.2, 0.026, frame=0.95)
_PULLED = Style(GATHER, 3200, 9, (1.6, 0.0), (1.3, 0.0), (0.035, 0.03), 0.3, lock=0.1, frizz=0.006)
_AFRO = Style(
    UP, 5600, 4, (0.1, 0), (0.1, 0), (0.16, 0.12), 1.0, width=0.015, frizz=0.1, layout=TUFTS
)

STYLES = {
    "buzz": Style(UP, 7500, 3, (0.035, 0.02), (0.028, 0.01), (0.04, 0), 0.6, width=0.009,
                  opacity=0.55),
    "crop": replace(_SHORT, top=(0.15, 0.08), sides=(0.05, 0.02), volume=(0.06, 0.04), drape=0.08),
    "short": _SHORT,
    "textured": replace(
        _SHORT, top=(0.32, 0.16), volume=(0.10, 0.09), stand=0.75, lock=0.8, clump=0.7,
        wave=(0.012, 0.03), wavelength=0.3, frizz=0.03, drape=0.12, points=7,
    ),
    "side": replace(
        _SHORT, flow=ASIDE, top=(0.60, 0.25), volume=(0.09, 0.09), front=0.5, points=9,
        strands=3800, lock=0.4, drape=0.07,
    ),
    "slick": replace(
        _SHORT, flow=BACK, top=(0.9, 0.2), sides=(0.30, 0.10), volume=(0.05, 0.05), stand=0.45,
        points=9, lock=0.5, clump=0.5, frizz=0.006, strands=3600, drape=0.0,
    ),
    "quiff": replace(
        _SHORT, flow=BACK, top=(0.55, 0.20), sides=(0.09, 0.03), volume=(0.10, 0.08), stand=0.85,
        front=1.1, points=9, lock=0.5, clump=0.4, drape=0.0,
    ),
    "receding": replace(_SHORT, top=(0.24, 0.1), volume=(0.05, 0.05), strands=3000, drape=0.0),
    "tonsure": replace(_SHORT, sides=(0.12, 0.10), strands=2600, drape=0.0),
    "undercut": replace(
        _SHORT, flow=ASIDE, top=(0.75, 0.25), sides=(0.035, 0.01), volume=(0.12, 0.08), front=0.5,
        points=9, lock=0.5,
    ),
    "medium": Style(
        FALL, 2000, 11, (0.95, 0.35), (0.55, 0.35), (0.12, 0.10), 0.5, 0.3, 0.022, 0.5, 0.4,
        (0.02, 0.04), 0.5, 0.02, frame=0.92,
    ),
    "pixie": replace(
        _SHORT, flow=ASIDE, top=(0.62, 0.2), sides=(0.30, 0.10), volume=(0.10, 0.08), front=0.3,
        points=9, lock=0.5, clump=0.5, drape=0.22, frame=0.95,
    ),
    "long": _LONG,
    "wavy": replace(
        _LONG, points=22, strands=1400, wave=(0.045, 0.03), wavelength=0.55, lock=0.7, clump=0.4,
        volume=(0.14, 0.12), frizz=0.02,
    ),
    "curly": replace(
        _LONG, points=26, strands=1500, top=(1.5, 0.6), sides=(1.1, 0.6), wave=(0.065, 0.02),
        wavelength=0.30, lock=0.9, clump=0.5, volume=(0.20, 0.14), frizz=0.04, width=0.022,
    ),
    "bob": replace(
        _LONG, points=13, strands=1700, top=(1.30, 0.25), sides=(0.72, 0.25), volume=(0.12, 0.12)
    ),
    "bangs": replace(_LONG, fringe=True, strands=2200),
    "pulled": _PULLED,
    "bun": replace(_PULLED, volume=(0.06, 0.05), tail=0.0),
    "ponytail": replace(_PULLED, tail=1.2, points=14, strands=2800, volume=(0.05, 0.04)),
    "cornrows": Style(BACK, 5200, 4, (0.10, 0), (0.10, 0), (0.04, 0), width=0.012, layout=ROWS),
    "locs": replace(
        _LONG, top=(1.4, 0.7), sides=(1.0, 0.7), volume=(0.17, 0.08), lock=1.0, clump=0.97,
        wave=(0.025, 0.015), wavelength=0.8, frizz=0.008, strands=2200, width=0.028, points=13,
    ),
    "afro": _AFRO,
    "afro_big": replace(_AFRO, strands=7000, volume=(0.38, 0.20), width=0.017),
}  # fmt: skip

# What can be done to a style on another day.
TIEABLE = {
    "medium": ("tied",), "long": ("tied",), "wavy": ("tied",), "curly": ("tied",),
    "bob": ("tied",), "bangs": ("tied",), "locs": ("tied",),
    "pulled": ("loose",), "bun": ("loose",), "ponytail": ("loose",),
}  # fmt: skip


def worn(style: str, state: str, curl: float) -> Style:
    """Return how a style is worn in a state ("usual", "tied", "loose")."""
    if state == "tied" and "tied" in TIEABLE.get(style, ()):
        return STYLES["bun" if style in ("medium", "bob") else "ponytail"]
    if state == "loose" and "loose" in TIEABLE.get(style, ()):
        return STYLES["curly" if curl > 0.6 else "wavy" if curl > 0.3 else "long"]
    return STYLES[style]
