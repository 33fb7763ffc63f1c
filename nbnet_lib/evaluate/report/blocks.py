"""What a report is made of: headings, paragraphs, tables, figures, facts.

Texts are plain; whatever they hold (names of decoders, of files) is escaped by the template. In
paragraphs, notes and captions, `backticks` set code.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure
    from matplotlib.figure import SubFigure

LARGEST_SVG = 250_000  # bytes; a figure of more strokes is smaller as pixels
NOTHING = "–"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    text: str
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Note:
    """A paragraph set apart: what a reader must know to trust the numbers."""

    text: str
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Code:
    """Text as typed, such as the command that made the report."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Facts:
    """Names and their values, such as {"encoder": "synth"}."""

    facts: Mapping[str, Any]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table:
    """A table with a caption.

    Attributes:
        frame: cells are printed as they are, floats with ``digits`` digits, missing values as a
            dash. Columns with one or two levels; an index with names or labels becomes row headers,
            the default index 0, 1, 2, ... is left out.
        caption: what the numbers are, in which unit, and what brackets mean.
        digits: after the point of a float.

    Raises:
        NbnetError: columns of three levels or more.
    """

    frame: pd.DataFrame
    caption: str
    digits: int = 3
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        if self.frame.columns.nlevels > 2:
            raise NbnetError(
                f"a table with {self.frame.columns.nlevels} levels of columns: give one or two"
            )

    @property
    def _labels(self) -> list[tuple[Any, ...]]:
        """Return the row headers of each row; none for the default index."""
        import pandas as pd

        index = self.frame.index
        if isinstance(index, pd.RangeIndex) and index.name is None:
            return [()] * len(index)
        return [label if isinstance(label, tuple) else (label,) for label in index]

    def head(self) -> list[list[dict[str, Any]]]:
        """Return the header: rows of {"text", "span", "rows", "left"}."""
        columns = self.frame.columns
        depth = len(self._labels[0]) if len(self.frame) else 0
        names = [str(name) if name is not None else "" for name in self.frame.index.names][:depth]
        corner = [
            {"text": name, "span": 1, "rows": columns.nlevels, "left": True} for name in names
        ]
        left = self._left()
        if columns.nlevels == 1:
            cells = [
                {"text": str(name), "span": 1, "rows": 1, "left": text}
                for name, text in zip(columns, left, strict=True)
            ]
            return [corner + cells]
        groups: list[dict[str, Any]] = []
        for group, _ in columns:
            if groups and groups[-1]["text"] == str(group):
                groups[-1]["span"] += 1
            else:
                groups.append({"text": str(group), "span": 1, "rows": 1, "left": False})
        below = [
            {"text": str(name), "span": 1, "rows": 1, "left": text}
            for (_, name), text in zip(columns, left, strict=True)
        ]
        return [corner + groups, below]

    def body(self) -> list[dict[str, Any]]:
        """Return the rows: {"labels": texts, "cells": [{"text", "left"}]}."""
        left = self._left()
        return [
            {
                "labels": [str(part) for part in labels],
                "cells": [
                    {"text": self._text(value), "left": text}
                    for value, text in zip(row, left, strict=True)
                ],
            }
            for labels, row in zip(
                self._labels, self.frame.itertuples(index=False, name=None), strict=True
            )
        ]

    def _left(self) -> list[bool]:
        """Tell which columns hold words: these start at the left, numbers end at the right."""
        return [
            any(self._is_word(value) for value in self.frame.iloc[:, i])
            for i in range(self.frame.shape[1])
        ]

    @staticmethod
    def _is_word(value: Any) -> bool:
        return isinstance(value, str) and value.strip()[:1].isalpha()

    def _text(self, value: Any) -> str:
        import pandas as pd

        if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
            return NOTHING
        if pd.api.types.is_bool(value):
            return "yes" if value else "no"
        if pd.api.types.is_integer(value):
            return f"{value:,}"
        return f"{value:.{self.digits}f}" if pd.api.types.is_float(value) else str(value)


@dataclass(frozen=True)
class Figure:
    """A figure with alternative text and a caption.

    Attributes:
        figure: of matplotlib (of a subfigure, the whole figure); it is drawn when the page is
            made, and not closed.
        alt: what it shows, in a sentence, for readers who cannot see it.
        caption: how to read it.
        dpi: of a figure that holds pictures; curves are SVG.

    Raises:
        NbnetError: no alternative text.
    """

    figure: MatplotlibFigure | SubFigure
    alt: str
    caption: str
    dpi: int = 100
    kind: ClassVar[str] = "figure"

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise NbnetError(
                "a figure needs alternative text: say in a sentence what it shows, or where the "
                "same numbers are"
            )

    @property
    def _whole(self) -> MatplotlibFigure:
        # What `axes.figure` gives may be a subfigure; a figure is its own figure.
        return self.figure.figure  # type: ignore[return-value]

    @property
    def photographic(self) -> bool:
        """Whether it holds pictures: these keep their colours on a dark screen."""
        from matplotlib.image import AxesImage

        return bool(self._whole.findobj(match=AxesImage))

    @property
    def width(self) -> float:
        """Return its width on the page in CSS pixels (an inch is 96)."""
        return round(96 * self._whole.get_figwidth())

    def data_uri(self) -> str:
        """Return it as ``data:image/...``: SVG for curves, PNG for pictures and huge curves."""
        if not self.photographic:
            svg = self._save("svg")
            if len(svg) <= LARGEST_SVG:
                return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
        return "data:image/png;base64," + base64.b64encode(self._save("png")).decode()

    def _save(self, kind: str) -> bytes:
        import matplotlib

        buffer = io.BytesIO()
        # No date and fixed ids: the same numbers make the same file.
        with matplotlib.rc_context({"svg.hashsalt": "nbnet", "svg.fonttype": "path"}):
            self._whole.savefig(
                buffer,
                format=kind,
                dpi=self.dpi,
                metadata={"Date": None} if kind == "svg" else {"Software": None},
            )
        return buffer.getvalue()


@dataclass(frozen=True)
class Row:
    """Blocks side by side where the screen is wide enough, such as two figures."""

    blocks: Sequence[Any]
    kind: ClassVar[str] = "row"


Block = Heading | Paragraph | Note | Code | Facts | Table | Figure | Row


@dataclass(frozen=True)
class Section:
    """A titled part of the report; the table of contents lists it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
