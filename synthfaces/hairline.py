"""Where hair begins on the head, and how densely it grows there.

Positions are those of the *mean* head: the angle around the vertical axis (0 at the nose) and the
height in decimetres. Introduced in chapter 1.
"""

import math

from synthfaces.raster import compiled, smoothstep

# (how dark the roots paint the scalp, how bald the crown is), each 0..1; other styles: (0.97, 0).
_SCALPS = {
    "bald": (0.22, 0.0),
    "buzz": (0.86, 0.0),
    "receding": (0.86, 0.0),
    "tonsure": (0.75, 1.0),
    "cornrows": (0.45, 0.0),
}


def scalp_paint(style: str) -> tuple[float, float]:
    """Return how opaque the hair's roots paint the scalp, and how bald the crown is, 0..1."""
    return _SCALPS.get(style, (0.97, 0.0))


@compiled
def hairline_height(angle, hairline, temples, male):
    """Return the height where hair begins, decimetres, at ``angle`` around the head."""
    a = abs(angle)
    base = (7.94 if male else 7.92) + hairline
    y = base - (0.03 if male else 0.09) * smoothstep(0.25, 0.62, a)  # rounder for women
    if 0.1 < a < 1.2:
        y += temples * 0.20 * math.exp(-(((a - 0.58) / 0.20) ** 2))
    sideburn = 7.02 if male else 7.15
    if a > 0.68:
        y -= (y - 7.5) * smoothstep(0.68, 1.0, a)
    if a > 0.98:
        y -= (7.5 - sideburn) * smoothstep(0.98, 1.14, a)
    if a > 1.28:
        y += (7.42 - sideburn) * smoothstep(1.28, 1.5, a)
    if a > 1.9:
        y -= (7.42 - 6.35) * smoothstep(1.9, 2.3, a)
    return y


@compiled
def hair_density(angle, y, hairline, temples, male, crown):
    """Return how densely hair grows, 0..1: thinner towards the hairline and on a bald crown."""
    density = smoothstep(-0.08, 0.07, y - hairline_height(angle, hairline, temples, male))
    if crown > 0:
        density *= 1 - crown * smoothstep(7.62, 7.80, y)
    return density
