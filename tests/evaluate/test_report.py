"""The page is one whole HTML file that holds all it shows, and names in it stay text."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import Judgement, Measure, Result
from nbnet_lib.evaluate.report import write_report
from nbnet_lib.evaluate.result import Strip
from nbnet_lib.evaluate.suspects import Suspects

HOSTILE = "<script>alert('x')</script>\"&"
VOID = {"meta", "img", "br", "link", "hr", "input"}
FARS = [0.1, 0.01]
PROTOCOL = {
    "name": "folder",
    "source": f"pictures of {HOSTILE}",
    "pictures": 1234,
    "identities": 40,
    "spread": "bootstrap",
    "trials": [{}],
}


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


def measures(decoders):
    interval = {"low": 0.4, "high": 0.95}
    rows = [Measure("original", "eer", "", 0.02)]
    for far in FARS:
        rows += [
            Measure("original", "threshold", "", 0.5, far),
            Measure("original", "tar", "original", 0.9, far, **interval),
        ]
        rows += [
            Measure(decoder, measure, kind, 0.8, far, **interval)
            for decoder in decoders
            for kind in ("type1", "type2")
            for measure in ("tar", "gap")
        ]
    return rows


def plotted(decoders):
    rng = np.random.default_rng(0)
    scores = {d: {k: rng.normal(0.5, 0.1, 90) for k in ("type1", "type2")} for d in decoders}
    scores["original"] = {"genuine": rng.normal(0.7, 0.1, 300)}
    return {"scores": scores, "impostor": rng.normal(0, 0.1, 500)}


@pytest.fixture(scope="module")
def result():
    """One of everything, with names that want to be markup."""
    decoders = ["nbnet", HOSTILE]
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    leakage = {
        "attribute": HOSTILE, "of": "identity", "kind": "binary", "measure": "balanced accuracy",
        "classes": ["yes", "no"], "score": 0.9, "low": 0.8, "high": 0.95, "chance": 0.5,
        "chance_low": 0.4, "chance_high": 0.6, "p": 0.01,
    }  # fmt: skip
    unknown = leakage | {"attribute": "age", "measure": None, "score": None, "reason": HOSTILE}
    pair = {"a": "nbnet", "b": HOSTILE, "kind": "type1", "far": 0.01, "difference": 0.1}
    rows = measures(decoders)
    return Result(
        encoder=HOSTILE,
        decoders=decoders,
        protocol=PROTOCOL,
        fars=FARS,
        seed=0,
        interval={"method": HOSTILE, "confidence": 0.95, "resamples": 10},
        measures=[row for row in rows if row.measure != "gap"]
        + [Measure("nbnet", "psnr", "type1", 15.0)]
        + [Measure(d, "rank", "others", 0.7, rank=1) for d in decoders],
        judges={
            HOSTILE: Judgement(
                encoder=HOSTILE,
                card={"what": HOSTILE},
                faces={HOSTILE: {"asked": 36, "missed": 5}},
                measures=rows,
                **plotted(decoders),
            )
        },
        trained={"nbnet": HOSTILE},
        notes=[HOSTILE],
        paired=[{**pair, "low": 0.05, "high": 0.15, "p": 0.5}],
        leakage=[leakage, unknown],
        per_identity=pd.DataFrame({"person": ["ü"]}),
        cmc={("original", "others"): np.array([0.8, 0.9]), (HOSTILE, "others"): np.ones(2)},
        strips={HOSTILE: Strip(pictures, pictures, np.array([0.9, 0.5, 0.1]), 0.3)},
        **plotted(decoders),
    )


@pytest.fixture(scope="module")
def html(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(result, path, f"nbnet evaluate {HOSTILE}").read_text(encoding="utf-8")


def test_hostile_names_stay_text(html):
    page = read(html)
    assert not page.all("script") and "<script" not in html
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    text = " ".join("".join(page.text).split())
    for place in (
        f"Attack on {HOSTILE}",
        f"pictures of {HOSTILE}",
        f"nbnet: {HOSTILE}.",
        f"Judge {HOSTILE}: {HOSTILE}",
        f"No face found in {HOSTILE}5 of 36",
        f"Scores by the judge {HOSTILE}, of originals and of the attack {HOSTILE}",
        f"nbnet evaluate {HOSTILE}",
        "1,234 of 40 people",
    ):
        assert place in text, place


def test_the_page_loads_nothing(html):
    page = read(html)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "base", "form"}
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert not re.search(r"@import|url\(", html)
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy and "script" not in policy


def test_every_image_has_its_text_and_is_what_it_says(html):
    images = read(html).all("img")
    assert len(images) == 9
    for image in images:
        assert image["alt"].strip() and int(image["width"]) > 100
        head, data = image["src"].split(",")
        start = b"\x89PNG" if image["class"] == "pictures" else b"<?xml"
        assert base64.b64decode(data).startswith(start)
        assert head == f"data:image/{'png' if start[0] == 0x89 else 'svg+xml'};base64"
    assert [image["class"] for image in images].count("pictures") == 1


def test_table_cells_and_headers(html):
    table = html[html.index("<table>") : html.index("</table>") + len("</table>")]
    page = read(table)
    heads = page.all("th")
    assert [h["colspan"] for h in heads if h["scope"] == "colgroup"] == ["2", "2"]
    assert heads[0]["rowspan"] == "2" and sum(h["scope"] == "col" for h in heads) == 5
    cells = [text.strip() for text in page.text if text.strip()]
    row = cells.index("nbnet")
    assert cells[row + 1 : row + 3] == ["80.0 [40.0, 95.0]"] * 2
    assert cells[row - 5 : row - 1] == ["original", "-", "-", "90.0 [40.0, 95.0]"]


def test_attachments_can_be_saved(html, result):
    saved = {
        a["download"]: base64.b64decode(a["href"].split(",")[1]).decode()
        for a in read(html).all("a")
        if "download" in a
    }
    assert saved == {
        "result.json": result.to_json(),
        "measures.csv": result.to_csv(),
        "people.csv": "person\nü\n",
    }


def test_writing_is_whole_or_nothing_and_leaves_the_callers_figures_open(result, tmp_path):
    result = replace(result, judges={}, leakage=[], cmc={})
    figure = plt.figure()
    path = tmp_path / "new" / "report.html"
    assert write_report(result, path) == path
    before = path.read_bytes()
    with pytest.raises(KeyError):
        write_report(replace(result, protocol={**PROTOCOL, "spread": "unknown"}), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert plt.get_fignums() == [figure.number]
    plt.close(figure)
    assert write_report(result, path).read_bytes() == before  # the same input, the same page


def plain(decoders, **more):
    return Result(
        encoder="synth",
        decoders=list(decoders),
        protocol=PROTOCOL,
        fars=FARS,
        seed=0,
        interval={"method": "none", "confidence": 0.95, "resamples": 0},
        measures=measures(decoders),
        **more,
    )


def test_a_recogniser_alone_has_no_attack_on_its_page(tmp_path):
    html = write_report(plain([], **plotted([])), tmp_path / "b.html").read_text(encoding="utf-8")
    assert "Verification with synth" in html and "Accepted as the person" not in html
    assert len(read(html).all("img")) == 3
    with pytest.raises(NbnetError):
        write_report(plain([], **plotted([])), tmp_path / "b.html" / "below-a-file.html")


def test_pairs_to_look_at_are_listed_and_shown(tmp_path):
    pairs = [
        {"kind": "impostor", "first": "a/1.png", "second": f"{HOSTILE}.png", "score": 0.91},
        {"kind": "genuine", "first": "b/1.png", "second": "b/2.png", "score": -0.1},
    ]
    suspects = Suspects(pairs, {"impostor": 5, "genuine": 1}, np.zeros((2, 2, 9, 9, 3), np.uint8))
    alone = plain([], **plotted([]))
    without = read(write_report(alone, tmp_path / "a.html").read_text(encoding="utf-8"))
    found = replace(alone, suspects=suspects)
    page = read(write_report(found, tmp_path / "b.html").read_text(encoding="utf-8"))
    assert len(page.all("img")) == len(without.all("img")) + 1
    text = " ".join(page.text)
    assert "Look at these" in text and f"{HOSTILE}.png" in text
    assert "different people" in text and "one person" in text and "0.91" in text
    assert "Look at these" not in " ".join(without.text)


def test_a_page_of_very_many_scores_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    many = {d: {k: rng.normal(0.5, 0.2, 5_000) for k in ("type1", "type2")} for d in "abcde"}
    many["original"] = {"genuine": rng.normal(0.7, 0.2, 5_000)}
    large = plain("abcde", scores=many, impostor=rng.normal(0, 0.2, 50_000))
    assert write_report(large, tmp_path / "page.html").stat().st_size < 1e6
