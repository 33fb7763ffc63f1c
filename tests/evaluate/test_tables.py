"""Tables show the numbers of the result, in percent, where a reader of papers looks for them."""

import re

import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import tables
from nbnet_lib.evaluate.result import Measure, Result


@pytest.fixture
def result():
    def rate(attack, kind, value, far):
        return Measure(attack, "tar", kind, value, far, n=10, low=value - 0.05, high=value + 0.05)

    measures = []
    for far in (0.01, 0.001):
        strict = 0.1 if far == 0.001 else 0
        measures += [
            Measure("original", "threshold", "", 0.4 + strict, far),
            rate("original", "original", 0.95 - strict, far),
            Measure("original", "far", "", far, far, n=1000),
            rate("net_a", "type1", 0.9 - strict, far),
            rate("net_a", "type2", 0.7 - strict, far),
        ]
    measures += [
        Measure("original", "eer", "", 0.0123, low=0.01, high=0.02),
        Measure("original", "auc", "", 0.99876),
        Measure("original", "d_prime", "", 4.321),
        Measure("original", "rank", "fb", 0.99, rank=1, n=100),
        Measure("net_a", "rank", "fb", 0.88, rank=1, n=100, se=0.01),
        Measure("net_a", "dir", "fb", 0.55, 0.01, 1, n=100, sd=0.02),
        Measure("net_a", "psnr", "type1", 18.25, n=5, low=18, high=18.5),
    ]
    return Result(
        encoder="synth",
        decoders=["net_a"],
        protocol={
            "name": "feret", "source": "100 % real & so on", "pictures": 20, "identities": 10,
            "spread": "bootstrap", "trials": [{}],
        },
        fars=[0.01, 0.001],
        seed=0,
        interval={},
        measures=measures,
        notes=["few impostors"],
        paired=[{"a": "net_a", "b": "b", "kind": "type2", "far": 0.01, "difference": -0.12,
                 "low": -0.2, "high": -0.05, "p": 0.0004}],
    ).to_dict()  # fmt: skip


def test_the_attack_table_is_laid_out_like_the_papers(result):
    table = tables.attack_table(result)
    assert table.columns.tolist() == [
        ("type-I", "FAR 0.1 %"), ("type-I", "FAR 1 %"), ("type-II", "FAR 0.1 %"),
        ("type-II", "FAR 1 %"),
    ]  # fmt: skip
    assert table.loc["original"].tolist() == ["-", "-", "85.0 [80.0, 90.0]", "95.0 [90.0, 100.0]"]
    assert table.loc["net_a"].tolist() == [
        "80.0 [75.0, 85.0]", "90.0 [85.0, 95.0]", "60.0 [55.0, 65.0]", "70.0 [65.0, 75.0]",
    ]  # fmt: skip


def test_strangers_stand_below_an_attack_of_several_tries(result):
    result["measures"].append(
        {"attack": "any of the 2", "measure": "baseline", "kind": "", "value": 0.02, "far": 0.01}
    )
    result["decoders"] = ["net_a", "net_b"]
    table = tables.attack_table(result)
    row = table.loc["strangers, 2 tries"]
    assert row.tolist() == ["-", "-", "-", "2.0"]


def test_verification(result):
    table = tables.verification_table(result)
    assert table.loc["TAR (%) at FAR 0.1 %"].tolist() == ["85.0 [80.0, 90.0]", "0.500"]
    assert table.loc["equal error rate (%)", "value"] == "1.23 [1.00, 2.00]"
    assert table.loc["area under the ROC", "value"] == "0.9988"
    assert table.loc["d'", "value"] == "4.32"


def test_identification_and_quality_and_pairs(result):
    table = tables.identification_table(result)
    assert table.columns.tolist() == ["rank-1", "DIR at FAR 1 %"]
    assert table.loc[("original", "fb")].tolist() == ["99.0", "-"]
    assert table.loc[("net_a", "fb")].tolist() == ["88.0 ± 1.0", "55.0 ± 2.0"]
    assert tables.quality_table(result).loc["net_a", "PSNR (dB)"] == "18.25 [18.00, 18.50]"
    (row,) = tables.paired_table(result).to_dict("records")
    assert row["difference"] == "-12.0 [-20.0, -5.0]" and row["p"] == "0.0004"


def test_empty_tables_are_left_out(result):
    result["measures"] = [m for m in result["measures"] if m["measure"] not in ("psnr", "rank")]
    result["measures"] = [m for m in result["measures"] if m["measure"] != "dir"]
    result["paired"] = []
    assert list(tables.tables(result)) == ["attack", "verification"]


def test_markdown_has_as_many_cells_in_each_row(result):
    text = tables.to_markdown(tables.identification_table(result))
    assert {line.count("|") for line in text.splitlines()} == {5}
    document = tables.all_markdown(result)
    assert "## Accepted as the person" in document and "Note: few impostors." in document


def test_latex_escapes_and_groups(result):
    text = tables.to_latex(result)
    assert r"net\_a & 80.0 [75.0, 85.0]" in text
    assert r"\multicolumn{2}{c}{type-I}" in text and r"FAR 0.1 \%" in text
    assert not re.search(r"(?<!\\)%", text)
    assert text.count(r"\begin{tabular}") == 1 and r"\toprule" in text
    result["decoders"] = []
    with pytest.raises(NbnetError, match="no attack"):
        tables.to_latex(result)
