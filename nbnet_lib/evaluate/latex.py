"""One table as LaTeX (booktabs), laid out like the paper's."""

from __future__ import annotations

import re

import pandas as pd

_ESCAPES = (
    ("\\", r"\textbackslash "), ("&", r"\&"), ("%", r"\%"), ("$", r"\$"), ("#", r"\#"),
    ("_", r"\_"), ("{", r"\{"), ("}", r"\}"), ("~", r"\textasciitilde "),
    ("^", r"\textasciicircum "), ("±", r"$\pm$"),
)  # fmt: skip


def latex_table(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a table of texts with columns of two levels; names and cells are escaped.

    Args:
        table: rows with one label or several.
        caption: above it.
        label: to refer to it; anything but letters, digits, colons and hyphens becomes a hyphen.
    """
    table, depth = table.map(escape), table.index.nlevels
    keys = [key if isinstance(key, tuple) else (key,) for key in table.index]
    table.index = pd.MultiIndex.from_tuples([tuple(escape(part) for part in key) for key in keys])
    if depth == 1:
        table.index = table.index.get_level_values(0)
    table.columns = pd.MultiIndex.from_tuples([(escape(a), escape(b)) for a, b in table.columns])
    text = table.to_latex(
        escape=False,
        multicolumn_format="c",
        multirow=False,
        column_format="l" * depth + "r" * table.shape[1],
        caption=escape(caption),
        label=re.sub(r"[^A-Za-z0-9:-]", "-", label),
        position="t",
    )
    return text.replace("[t]\n", "[t]\n\\centering\\small\n", 1)


def escape(text: str) -> str:
    """Return plain text as LaTeX prints it."""
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return text
