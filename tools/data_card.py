"""Write the tables of SynthFaces' data card from the registry: ``python tools/data_card.py``.

A test compares `synthfaces/DATACARD.md` with what this program would write.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from synthfaces import MASKS
from synthfaces.parameters import parameters

CARD = Path(__file__).parents[1] / "synthfaces" / "DATACARD.md"
BEGIN, END = "<!-- {}: begin (python tools/data_card.py) -->", "<!-- {}: end -->"


def parameter_table(owner: str) -> str:
    """Return the parameters of "identity" or "sample"; a list such as ``shape/...`` is one row."""
    lines = ["| name | allowed | meaning |", "|---|---|---|"]
    chosen = [p for p in parameters().values() if p.owner == owner]
    for family, members in groupby(chosen, lambda p: p.name.partition("/")[0]):
        first, *others = members
        name = f"`{family}/...` ({len(others) + 1} of them)" if others else f"`{first.name}`"
        lines.append(f"| {name} | {first.allowed} | {first.meaning} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """Return the card's text with its three tables as the registry has them now."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in MASKS.items()]
    tables = {
        "IDENTITY": parameter_table("identity"),
        "SAMPLE": parameter_table("sample"),
        "MASKS": "\n".join(["| mask | shows |", "|---|---|", *rows]),
    }
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        if end not in rest:
            raise SystemExit(f"{CARD.name} has no place for a table: expected {begin} and {end}")
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    CARD.write_text(filled(CARD.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
