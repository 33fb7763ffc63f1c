"""What the card of trained weights says besides settings: whose data, which machine, how long."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch


def merge_terms(cards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the "people" and the "licence" that hold for what several cards together made.

    A licence that is not free of conditions comes first; one folder's people stay as they are.
    """
    terms: dict[str, Any] = {}
    people = [card["people"] for card in cards if "people" in card]
    if people:
        folders = list(dict.fromkeys(f for v in people for f in v.get("folders", [v["folder"]])))
        terms["people"] = {
            "folder": folders[0],
            **({"folders": folders} if len(folders) > 1 else {}),
            "digests": sorted({digest for value in people for digest in value["digests"]}),
        }
    licences = [card["licence"] for card in cards if "licence" in card]
    terms["licence"] = next((each for each in licences if not each.startswith("MIT")), licences[0])
    return terms


def with_beginning(data: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """Return what a card says of the data, where a run began with the weights of another card.

    Whoever the earlier training saw may be in what the new decoder draws: its people are kept for
    the check before an evaluation, and its licence still holds.
    """
    if not earlier:
        return data
    kept = ("sha256", "data", "encoder", "encoder_sha256")
    init = {k: earlier[k] for k in kept if k in earlier}
    return {**data, **merge_terms((data, earlier)), "init": init}


def machine(device: str, processes: int = 1) -> dict[str, Any]:
    """Return what a card says of the machine: no names of hosts, users or folders."""
    info: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "torch": torch.__version__,
    }
    if processes > 1:
        info["processes"] = processes
    if torch.device(device).type == "cuda":
        info["gpu"] = torch.cuda.get_device_name(device)
    return info


def _processor() -> str:
    known = Path("/proc/cpuinfo")  # on Linux `platform` knows the architecture only
    model = (
        re.search(r"model name\s*:\s*(.+)", known.read_text("utf-8")) if known.exists() else None
    )
    return model[1].strip() if model else platform.processor() or platform.machine()


def training_seconds(history: list[dict[str, float]]) -> int:
    """Return how long a history took, also over resumes: each begins again at 0."""
    seconds = [*(entry["seconds"] for entry in history), 0.0]
    return round(sum(before for before, after in pairwise(seconds) if after < before))
