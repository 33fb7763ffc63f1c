"""How an attack was trained, in a sentence: a rate means little without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def how_trained(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return {decoder: how it was trained}, from its card; those without one are left out."""
    told = {}
    for name, card in cards.items():
        made = card.get("architecture") or {}
        parts = [f"{made['name']}, {made['image_size']} px"] if made else []
        white_box = bool(card.get("white_box"))
        stages = [*card.get("earlier_configs", []), *([card["config"]] if "config" in card else [])]
        if stages:
            parts.append(", then ".join(_stage(config, white_box) for config in stages))
        parts += [f"to draw {card['draws']}"] if "draws" in card else []
        parts += [f"trained on {card['data']}"] if "data" in card else []
        parts += [f"against {card['encoder']}"] if "encoder" in card else []
        if parts:
            told[name] = "; ".join(parts)
    return told


def _stage(config: Mapping[str, Any], white_box: bool) -> str:
    loss = f"{config['loss']} loss"
    if config.get("template_weight"):
        loss += " and the target itself (white box)" if white_box else " and a surrogate"
    if config.get("adversarial_weight"):
        loss += " and an adversary"
    return f"{loss}, {config['steps']:,} updates of {config['batch_size']} pictures"
