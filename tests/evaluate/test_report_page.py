"""The page is one whole HTML file that holds all it shows, and names in it stay text."""

import base64
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.report import (
    Code,
    Facts,
    Figure,
    Heading,
    Note,
    Paragraph,
    Row,
    Section,
    Table,
    render_page,
    write_page,
)

HOSTILE = "<script>alert('x')</script>\"&"
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects tags with attributes and the text of each, and demands that tags match."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing that is open"

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def curves():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([0, 1])
    return figure


def pictures():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.imshow(np.zeros((4, 4, 3), np.uint8))
    return figure


def table(**kwargs):
    columns = pd.MultiIndex.from_product([["type-I", "type-II"], ["1 %", "0.1 %"]])
    frame = pd.DataFrame(
        [["99.0 [98.0, 99.5]"] * 4, [0.25, np.nan, 1_000_000, True]],
        index=["original", HOSTILE],
        columns=columns,
    )
    return Table(frame.rename_axis("TAR"), **{"caption": "Rates.", **kwargs})


def whole_page(**kwargs):
    sections = [
        Section(
            "First " + HOSTILE,
            [
                Heading("Inner " + HOSTILE),
                Paragraph("Row `a<b` and " + HOSTILE),
                Note(HOSTILE),
                Code(HOSTILE),
                Facts({HOSTILE: HOSTILE, "pictures": 7}),
                table(caption=HOSTILE),
                Row(
                    [
                        Figure(curves(), HOSTILE, "Left."),
                        Figure(pictures(), "Pictures.", HOSTILE),
                    ]
                ),
            ],
        ),
        Section("Second", [Figure(curves(), "A line.", "Below.")]),
    ]
    return render_page(
        "Title " + HOSTILE,
        sections,
        subtitle=HOSTILE,
        facts={"decoder": HOSTILE},
        command=HOSTILE,
        attachments={"result.json": '{"a": "ü"}', HOSTILE: ""},
        **kwargs,
    )


def test_hostile_names_stay_text():
    html = whole_page(glossary={HOSTILE: HOSTILE})
    page = read(html)
    assert not page.all("script")
    assert "<script" not in html
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    # Title 2, subtitle, fact, section 2, heading, paragraph, note, code, facts 2, table (caption,
    # row), caption of the figure, glossary 2, command, attachment.
    assert "".join(page.text).count(HOSTILE) == 19


def test_the_page_loads_nothing():
    page = read(whole_page())
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "base", "form"}
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert not re.search(r"@import|url\(", whole_page())
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy and "script" not in policy


def test_every_image_has_its_text_and_is_what_it_says():
    images = read(whole_page()).all("img")
    assert [image["alt"] for image in images] == [HOSTILE, "Pictures.", "A line."]
    for image, kind in zip(images, ["svg+xml", "png", "svg+xml"], strict=True):
        head, data = image["src"].split(",")
        assert head == f"data:image/{kind};base64"
        raw = base64.b64decode(data)
        assert raw.startswith(b"\x89PNG") if kind == "png" else b"<svg" in raw
    assert [image["class"] for image in images] == ["curves", "pictures", "curves"]
    with pytest.raises(NbnetError, match="alternative text"):
        Figure(curves(), " ", "No text.")


def test_the_axes_of_a_subfigure_stand_for_the_whole_figure():
    figure = plt.figure(figsize=(4, 2))
    parts = figure.subfigures(1, 2)
    axes = [part.subplots() for part in parts]
    assert Figure(axes[0].figure, "Two panels.", "").data_uri() == (
        Figure(figure, "Two panels.", "").data_uri()
    )


def test_a_figure_of_very_many_strokes_is_kept_as_pixels():
    figure, axes = plt.subplots()
    axes.plot(np.random.default_rng(0).normal(size=(300, 100)))
    assert Figure(figure, "Noise.", "").data_uri().startswith("data:image/png")


def test_anchors_lead_somewhere():
    page = read(whole_page())
    places = {a["id"] for _, a in page.tags if "id" in a}
    links = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert len(links) == 3 and set(links) <= places
    assert {a["aria-labelledby"] for a in page.all("div") if "aria-labelledby" in a} <= places


def test_figures_and_tables_are_numbered_through():
    text = "".join(read(whole_page()).text)
    assert re.findall(r"(?:Figure|Table) \d", text) == [
        "Table 1",
        "Figure 1",
        "Figure 2",
        "Figure 3",
    ]


def test_attachments_can_be_saved():
    link = next(a for a in read(whole_page()).all("a") if a.get("download") == "result.json")
    assert base64.b64decode(link["href"].split(",")[1]).decode() == '{"a": "ü"}'


def test_table_cells_and_headers():
    page = read(render_page("T", [Section("S", [table(digits=2)])], glossary=None))
    heads = page.all("th")
    assert [h["colspan"] for h in heads if h["scope"] == "colgroup"] == ["2", "2"]
    assert sum(h["scope"] == "row" for h in heads) == 2
    assert sum(h["scope"] == "col" for h in heads) == 5  # the corner and four columns
    assert len(page.all("td")) == 8
    cells = [text.strip() for text in page.text if text.strip()]
    start = cells.index("0.25")
    assert cells[start : start + 4] == ["0.25", "–", "1,000,000", "yes"]


def test_the_default_index_is_left_out_and_words_start_left():
    frame = pd.DataFrame({"attribute": ["glasses", "age"], "score": [0.91234, 0.5]})
    html = render_page("T", [Section("S", [Table(frame, "Leakage.")])], glossary=None)
    page = read(html)
    assert not [h for h in page.all("th") if h["scope"] == "row"]
    assert [cell.get("class") for cell in page.all("td")] == ["left", None] * 2
    assert "0.912" in html


def test_an_empty_table_is_a_table():
    frame = pd.DataFrame({"a": []})
    page = read(render_page("T", [Section("S", [Table(frame, "None.")])]))
    assert len(page.all("table")) == 1


def test_three_levels_of_columns_are_refused():
    columns = pd.MultiIndex.from_product([["a"], ["b"], ["c"]])
    with pytest.raises(NbnetError, match="3 levels"):
        Table(pd.DataFrame([[1]], columns=columns), "Deep.")


def test_what_is_no_block_is_refused():
    with pytest.raises(NbnetError, match="DataFrame is no part of a report"):
        render_page("T", [Section("S", [Row([pd.DataFrame()])])])


def test_writing_is_whole_or_nothing(tmp_path):
    path = tmp_path / "new" / "report.html"
    assert write_page(path, "One", [Section("S", [Paragraph("first")])]) == path
    before = path.read_bytes()
    with pytest.raises(NbnetError):
        write_page(path, "Two", [Section("S", ["no block"])])
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    write_page(path, "Half a \ud800 pair", [])
    read(path.read_text(encoding="utf-8"))


def test_the_same_input_makes_the_same_page():
    assert whole_page() == whole_page()


def test_a_page_of_many_curves_stays_small():
    from nbnet_lib.evaluate.plots import roc_plot

    rng = np.random.default_rng(0)
    axes = roc_plot(
        {f"decoder {i}": rng.normal(1 + i / 4, 1, 20_000) for i in range(5)},
        rng.normal(size=100_000),
    )
    blocks = [Figure(axes.figure, "ROC.", "ROC.")] * 4
    assert len(render_page("T", [Section("S", blocks)])) < 1.2e6
