"""A report as one HTML file: blocks in, page out (`page.py`); blocks are in `blocks.py`.

>>> from nbnet_lib.evaluate.report import Figure, Section, Table, write_page
"""

from nbnet_lib.evaluate.report.blocks import (
    Block,
    Code,
    Facts,
    Figure,
    Heading,
    Note,
    Paragraph,
    Row,
    Section,
    Table,
)
from nbnet_lib.evaluate.report.compose import write_report
from nbnet_lib.evaluate.report.page import GLOSSARY, render_page, write_page

__all__ = [
    "GLOSSARY",
    "Block",
    "Code",
    "Facts",
    "Figure",
    "Heading",
    "Note",
    "Paragraph",
    "Row",
    "Section",
    "Table",
    "render_page",
    "write_page",
    "write_report",
]
