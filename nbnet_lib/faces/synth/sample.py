"""What changes from picture to picture of one person: pose, expression, light, camera.

One generator seeded with (identity, sample), so a picture *is* a pair of integers. Introduced in
chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXPRESSIONS = {
    "neutral": 0.34, "smile": 0.22, "bigsmile": 0.10, "open": 0.08, "frown": 0.07,
    "surprise": 0.06, "squint": 0.05, "mixed": 0.08,
}  # fmt: skip
# Actions on the left and on the right, the strength of each, per expression.
_BOTH_SIDES = {
    "smile": {"mouthSmile": 0.55, "cheekSquint": 0.4},
    "bigsmile": {"mouthSmile": 0.85, "cheekSquint": 0.7, "mouthUpperUp": 0.35, "eyeSquint": 0.4},
    "frown": {"browDown": 0.8, "mouthFrown": 0.5},
    "surprise": {"browOuterUp": 0.7, "eyeWide": 0.5},
    "squint": {"eyeSquint": 0.9, "noseSneer": 0.4},
}
_MIDDLE = {
    "bigsmile": {"jawOpen": 0.22},
    "open": {"jawOpen": 0.40},
    "surprise": {"browInnerUp": 0.8, "jawOpen": 0.25},
}
_MIXED = (
    "browInnerUp", "cheekPuff", "mouthPucker", "mouthLeft", "mouthRight", "jawLeft",
    "mouthRollLower", "mouthShrugLower", "mouthFunnel",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One picture of a person. Angles in degrees, lengths in decimetres, colours linear RGB."""

    identity: int
    sample: int
    yaw: float  # -32 .. 32, positive: the subject turns to the image's right
    pitch: float  # -18 .. 18
    roll: float
    expression: str
    actions: dict[str, float]  # facial action -> strength in [0, 1]
    gaze: tuple[float, float]  # right, down
    light_azimuth: float
    light_elevation: float  # -15 .. 70
    key_strength: float
    softness: float  # 0 lamp .. 1 overcast
    warmth: float  # -: bluish, +: reddish key light
    fill: np.ndarray  # ambient RGB
    light_turn: float  # radians
    exposure: float
    distance: float  # camera to head
    shift: tuple[float, float]  # of the crop, share of the image side
    zoom: float  # relative, 0 = none
    background_seed: int
    shirt: np.ndarray
    neckline: float
    blur: float  # sigma in pixels at 112 px
    noise: float  # standard deviation, of full scale 1
    gamma: float
    saturation: float


def make_sample(identity: int, sample: int) -> Sample:
    """Draw picture number ``sample`` of person ``identity``; always the same one."""
    rng = np.random.default_rng([11, int(identity), int(sample)])
    expression = list(EXPRESSIONS)[int(rng.choice(len(EXPRESSIONS), p=list(EXPRESSIONS.values())))]
    strength = rng.uniform(0.4, 1)
    # Resting faces of the mesh look stern; a trace of a smile makes them neutral.
    actions = {"mouthSmileLeft": 0.10, "mouthSmileRight": 0.10}
    for name, value in _BOTH_SIDES.get(expression, {}).items():
        for side in ("Left", "Right"):
            actions[name + side] = float(
                actions.get(name + side, 0) + value * strength * rng.uniform(0.85, 1.1)
            )
    for name, value in _MIDDLE.get(expression, {}).items():
        actions[name] = float(value * strength)
    if expression == "mixed":
        for i in rng.choice(len(_MIXED), 3, replace=False):
            actions[_MIXED[i]] = float(0.45 * strength * rng.random())
    blink = float(np.clip(rng.normal(0.06, 0.1), 0, 0.45))
    actions["eyeBlinkLeft"] = actions["eyeBlinkRight"] = blink

    yaw = float(np.clip(rng.normal(0, 13), -32, 32))
    pitch = float(np.clip(rng.normal(0, 7), -18, 18))
    return Sample(
        identity=int(identity),
        sample=int(sample),
        yaw=yaw,
        pitch=pitch,
        roll=float(rng.normal(0, 3.5)),
        expression=expression,
        actions=actions,
        gaze=(
            float(np.clip(-0.5 * yaw + rng.normal(0, 7), -22, 22)),
            float(np.clip(0.4 * pitch + rng.normal(0, 4), -12, 12)),
        ),
        light_azimuth=float(rng.normal(0, 50)),
        light_elevation=float(np.clip(rng.normal(25, 20), -15, 70)),
        key_strength=float(rng.uniform(0.35, 1.05)),
        softness=float(rng.uniform(0.35, 0.8)),
        warmth=float(rng.normal(0, 0.09)),
        fill=rng.uniform(0.25, 0.7, 3),
        light_turn=float(rng.uniform(0, 2 * np.pi)),
        exposure=float(np.exp(rng.normal(0, 0.15))),
        distance=float(rng.uniform(7, 18)),
        shift=(float(rng.normal(0, 0.012)), float(rng.normal(0, 0.012))),
        zoom=float(rng.normal(0, 0.03)),
        background_seed=int(rng.integers(1 << 31)),
        shirt=rng.uniform(0.02, 0.6) * (1 + 0.5 * np.clip(rng.normal(0, 0.5, 3), -1, 1)),
        neckline=float(rng.uniform(5.55, 6.0)),
        blur=float(max(0, rng.normal(0.15, 0.35))),
        noise=float(abs(rng.normal(0, 0.012))),
        gamma=float(np.exp(rng.normal(0, 0.05))),
        saturation=float(rng.normal(1, 0.12)),
    )
