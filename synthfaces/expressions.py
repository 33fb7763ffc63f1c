"""Facial expressions: named mixtures of the model's 52 facial actions (ARKit's names).

Introduced in chapter 1.
"""

from __future__ import annotations

from synthfaces.dice import Dice

# How often each is drawn at difficulty 1.
EXPRESSIONS = {
    "neutral": 0.40, "smile": 0.24, "bigsmile": 0.10, "open": 0.05, "frown": 0.05,
    "surprise": 0.04, "squint": 0.05, "mixed": 0.07,
}  # fmt: skip
# Strengths at full expression: actions of the left and the right side ...
_BOTH_SIDES = {
    "smile": {"mouthSmile": 0.85, "cheekSquint": 0.35, "mouthDimple": 0.3},
    "bigsmile": {
        "mouthSmile": 1.0, "cheekSquint": 0.55, "mouthUpperUp": 0.65, "eyeSquint": 0.2,
        "mouthStretch": 0.2, "mouthLowerDown": 0.35,
    },
    "open": {"mouthSmile": 0.3, "mouthLowerDown": 0.2},
    "frown": {"browDown": 0.9, "mouthFrown": 0.45, "mouthPress": 0.4},
    "surprise": {"browOuterUp": 0.9, "eyeWide": 0.6, "mouthSmile": 0.2},
    "squint": {"eyeSquint": 0.65, "cheekSquint": 0.45, "browDown": 0.35, "noseSneer": 0.3},
}  # fmt: skip
# ... and actions in the middle.
_MIDDLE = {
    "bigsmile": {"jawOpen": 0.26},
    "open": {"jawOpen": 0.42},
    "surprise": {"browInnerUp": 0.9, "jawOpen": 0.30},
}
_MIXED = {
    "browInnerUp": 0.7, "cheekPuff": 0.5, "mouthPucker": 0.6, "mouthLeft": 0.6,
    "mouthRight": 0.6, "jawLeft": 0.5, "jawRight": 0.5, "mouthRollLower": 0.6,
    "mouthRollUpper": 0.5, "mouthShrugLower": 0.6, "mouthFunnel": 0.35, "jawForward": 0.5,
}  # fmt: skip


def draw_expression(dice: Dice, difficulty: float) -> tuple[str, dict[str, float]]:
    """Return the expression's name and its actions, name -> strength in [0, 1].

    At a low difficulty most faces are at rest and expressions are faint.
    """
    table = {name: p * (1 if name == "neutral" else difficulty) for name, p in EXPRESSIONS.items()}
    name = dice.pick(table)
    strength = min(dice.uniform(0.35, 0.9) * difficulty**0.3, 1.0)
    # The resting mesh looks stern: a trace of a smile and lifted inner brows make it relaxed.
    smile, lift = dice.normal(0.24, 0.06, 0.05, 0.45), dice.normal(0.12, 0.09, 0, 0.35)
    lopsided = dice.normal(0, 0.09, -0.25, 0.25)
    actions = {"mouthSmileLeft": smile, "mouthSmileRight": smile, "browInnerUp": lift}
    actions["jawOpen"] = dice.normal(0, 0.025, 0, 0.07)
    wobble = [dice.normal(0, 0.05) for _ in range(8)]
    for uneven, (action, value) in zip(wobble, _BOTH_SIDES.get(name, {}).items(), strict=False):
        uneven += lopsided
        for side, sign in (("Left", 1), ("Right", -1)):
            share = max(0.0, 1 + sign * uneven)
            old = actions.get(action + side, 0.0)
            actions[action + side] = min(old + value * strength * share, 1.0)
    for action, value in _MIDDLE.get(name, {}).items():
        actions[action] = min(actions.get(action, 0.0) + value * strength, 1.0)
    # A second, faint action on top: faces are seldom in a textbook expression.
    faint = 0.35 if name != "mixed" else 1.0
    for _ in range(3):
        action, share = dice.pick(dict.fromkeys(_MIXED, 1.0)), dice.uniform(0, faint)
        if dice.chance(1.0 if name == "mixed" else 0.3):
            actions[action] = max(actions.get(action, 0.0), _MIXED[action] * strength * share)
    blink = dice.normal(0.08, 0.04, 0, 0.3)
    actions["eyeBlinkLeft"] = actions["eyeBlinkRight"] = blink
    return name, actions
