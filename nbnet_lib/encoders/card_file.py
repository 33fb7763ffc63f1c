"""Writing what was measured into the card of one's own model, and leaving the rest as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbnet_lib.encoders.card import read_card
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

SUFFIXES = (".yaml", ".yml", ".json")
# From "verification:" at the start of a line to before the next line that is not indented.
_BLOCK = re.compile(r"^verification\s*:.*\n?(?:(?:[ \t]+.*|[ \t]*)(?:\n|\Z))*", re.MULTILINE)


def check_card_file(path: Path) -> None:
    """Raise unless ``path`` can be a card to write into: before the long work.

    Raises:
        NbnetError: another suffix, a card that cannot be read, or a folder that cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise NbnetError(f"{path} is no card: name a file that ends in {', '.join(SUFFIXES)}")
    require_writable_folder(path.parent)
    if path.exists() and path.stat().st_size:  # an empty file is a card to be made
        read_card(path)


def write_verification(path: Path, measured: Mapping[str, Any]) -> None:
    """Write rates under "verification" into a card; one that is not there is made.

    Comments and the order of the other entries stay.

    Raises:
        NbnetError: see `check_card_file`; or a card in a style of YAML that nothing can be added
            to, which stays as it was.
    """
    check_card_file(path)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if path.suffix == ".json":
        entries = {**json.loads(text or "{}"), "verification": dict(measured)}
        text = json.dumps(entries, indent=2) + "\n"
    else:
        import yaml

        kept = _BLOCK.sub("", text)
        kept += "" if kept.endswith("\n") or not kept else "\n"
        rates = yaml.safe_dump({"verification": dict(measured)}, sort_keys=False)
        wanted = {**(yaml.safe_load(text) or {}), **yaml.safe_load(rates)}
        text = kept + rates
        if str(_sorted(_entries(text))) != str(_sorted(wanted)):  # as text: NaN equals nothing
            raise NbnetError(
                f"the rates cannot be added to {path}, which was left as it is: write its entries "
                "one below the other, as in `image_size: 112`, and end it after the last one"
            )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _sorted(entries: Any) -> Any:
    return sorted(entries.items(), key=str) if isinstance(entries, dict) else entries


def _entries(text: str) -> Any:
    """Return what YAML holds, or None where it is not YAML."""
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None
