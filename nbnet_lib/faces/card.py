"""The tables of the data card, written from the registry: ``python -m nbnet_lib.faces.card``.

The card itself is `DATACARD.md` beside this file; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path
from synthfaces.labels import MASKS
from synthfaces.parameters import Parameter, parameters

CARD = Path(__file__).with_name("DATACARD.md")
BEGIN, END = "<!-- {}: begin (python -m nbnet_lib.faces.card) -->", "<!-- {}: end -->"


def _families(owner: str) -> list[tuple[str, Parameter]]:
    """Return (name, parameter) rows; a long list such as ``shape/...`` is one row."""
    rows: dict[str, tuple[str, Parameter]] = {}
    count: dict[str, int] = {}
    for parameter in parameters().values():
        if parameter.owner == owner:
            family = parameter.name.partition("/")[0]
            count[family] = count.get(family, 0) + 1
            rows.setdefault(family, (f"`{parameter.name}`", parameter))
    for family, n in count.items():
        if n > 1:
            rows[family] = (f"`{family}/...` ({n} of them)", rows[family][1])
    return list(rows.values())


def parameter_table(owner: str) -> str:
    """Return the parameters of "identity" or "sample" as a Markdown table."""
    lines = ["| name | allowed | meaning |", "|---|---|---|"]
    lines += [f"| {name} | {p.allowed} | {p.meaning} |" for name, p in _families(owner)]
    return "\n".join(lines)


def mask_table() -> str:
    """Return the masks as a Markdown table."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in MASKS.items()]
    return "\n".join(["| mask | shows |", "|---|---|", *rows])


def filled(text: str) -> str:
    """Return the card's text with its three tables as the registry has them now.

    Raises:
        NbnetError: a place for a table is missing.
    """
    tables = {
        "IDENTITY": parameter_table("identity"),
        "SAMPLE": parameter_table("sample"),
        "MASKS": mask_table(),
    }
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, found, rest = text.partition(begin)
        _, also, after = rest.partition(end)
        if not (found and also):
            raise NbnetError(f"{CARD.name} has no place for a table: expected {begin} and {end}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def main() -> None:
    """Write the tables into the card."""
    text = filled(CARD.read_text(encoding="utf-8"))
    with atomic_path(CARD) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
