"""Tables of a result, laid out as papers print them: attacks in rows, type-I and type-II x FAR.

All take the JSON object of a result (`Result.to_dict`, or a file of ``nbnet evaluate --json``), so
that a table can be made again from what was kept. Cells are text: percent with a 95 % interval in
brackets, or a mean with its standard error or deviation. The numbers themselves:
`Result.to_frame`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.result import ORIGINAL, percent

KINDS = {"type1": "type-I", "type2": "type-II"}
NOTHING = "-"
GAP_NOTE = (
    "Judges took no part in the training and decide at thresholds of their own. The gap is the "
    "target's rate minus the judge's, in percentage points: what of the attack does not carry "
    "over, because the pictures hold a pattern that fits the target's network alone, or lack what "
    "the judge looks at, such as detail that small pictures cannot have. A small gap says that "
    "this judge takes them for the person, not that every recogniser does: one that learned from "
    "the same kind of pictures is lenient. Recognisers differ on untouched pictures, too: see the "
    "row original"
)


Rows = dict[tuple[str, str, str, float | None, int | None], dict[str, Any]]


def cell(row: dict[str, Any] | None, scale: float = 100, digits: int = 1) -> str:
    """Return a measure as text: ``95.9 [94.6, 97.1]``, or ``95.9 ± 0.4`` (se or sd)."""
    if row is None or row["value"] is None:
        return NOTHING
    text = f"{scale * row['value']:.{digits}f}"
    spread = row.get("se", row.get("sd"))
    if spread is not None:
        return f"{text} ± {scale * spread:.{digits}f}"
    if row.get("low") is None or row.get("high") is None:
        return text
    return f"{text} [{scale * row['low']:.{digits}f}, {scale * row['high']:.{digits}f}]"


def estimate_cell(estimate: Any, scale: float = 100, digits: int = 1) -> str:
    """Return an `Estimate` of `evaluate.invariance`, or None, as `cell` prints a measure."""
    return cell(None if estimate is None else vars(estimate), scale, digits)


def _rows(result: dict[str, Any], judge: str = "") -> Rows:
    """Return {(attack, measure, kind, far, rank): row} of the attacked recogniser or of a judge."""
    rows = result["measures"]
    if judge:
        rows = [row for row in result["judge_measures"] if row["judge"] == judge]
    names = ("attack", "measure", "kind", "far", "rank")
    return {tuple(row.get(name) for name in names): row for row in rows}  # type: ignore[misc]


def _tar(rows: Rows, attack: str, kind: str, far: float, measure: str = "tar") -> str:
    """Genuine comparisons are of different pictures, too: originals stand under type-II."""
    if attack == ORIGINAL:
        kind = ORIGINAL if kind == "type2" else ""
    return cell(rows.get((attack, measure, kind, far, None)))


def _two_level(rows: dict[tuple[str, str], list[str]], columns: Any, names: list[str]) -> Any:
    index = pd.MultiIndex.from_tuples(list(rows), names=names) if rows else None
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def attack_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return TAR (%): rows "original" and each attack; columns type-I, type-II x FAR.

    "original" stands under type-II. So do "strangers", whose pictures are presented in as many
    tries as an attack of several decoders has.
    """
    rows, fars = _rows(result), sorted(result["fars"])
    columns = pd.MultiIndex.from_product([KINDS.values(), [f"FAR {percent(f)}" for f in fars]])
    cells = {
        attack: [_tar(rows, attack, kind, far) for kind in KINDS for far in fars]
        for attack, measure, *_ in rows
        if measure == "tar"
    }
    for attack in dict.fromkeys(attack for attack, measure, *_ in rows if measure == "baseline"):
        baseline = [cell(rows.get((attack, "baseline", "", far, None))) for far in fars]
        cells[f"strangers, {len(result['decoders'])} tries"] = [NOTHING] * len(fars) + baseline
    return pd.DataFrame.from_dict(cells, orient="index", columns=columns).rename_axis("TAR (%)")


def judge_table(result: dict[str, Any], judge: str) -> pd.DataFrame:
    """Return what the target and one judge accept (TAR, %), and the gap in percentage points.

    Rows FAR x original and each attack; columns type-I and type-II x target, judge, gap.
    """
    target, judged = _rows(result), _rows(result, judge)
    sides = {"target": (target, "tar"), judge: (judged, "tar"), "gap": (judged, "gap")}
    cells = {
        (percent(far), attack): [
            _tar(rows, attack, kind, far, measure)
            for kind in KINDS
            for rows, measure in sides.values()
        ]
        for far in sorted(result["fars"], reverse=True)
        for attack in dict.fromkeys(attack for attack, measure, *_ in judged if measure == "gap")
    }
    columns = pd.MultiIndex.from_product([KINDS.values(), list(sides)])
    return _two_level(cells, columns, ["FAR", "TAR (%)"])


def verification_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return how well the recogniser verifies originals: a row per FAR, and EER, AUC and d'."""
    rows, cells = _rows(result), {}
    for far in sorted(result["fars"], reverse=True):
        threshold = cell(rows.get((ORIGINAL, "threshold", "", far, None)), 1, 3)
        cells[f"TAR (%) at FAR {percent(far)}"] = [_tar(rows, ORIGINAL, "type2", far), threshold]
        if reached := rows.get((ORIGINAL, "far", "", far, None)):
            text = f"FAR (%) that this threshold gave, aimed at {percent(far)}"
            cells[text] = [cell(reached, digits=3), ""]
    for measure, name, scale, digits in (
        ("eer", "equal error rate (%)", 100, 2),
        ("accuracy", "accuracy (%)", 100, 2),
        ("auc", "area under the ROC", 1, 4),
        ("d_prime", "d'", 1, 2),
    ):
        if row := rows.get((ORIGINAL, measure, "", None, None)):
            cells[name] = [cell(row, scale, digits), ""]
    return pd.DataFrame.from_dict(cells, orient="index", columns=["value", "threshold"])


def identification_table(result: dict[str, Any], judge: str = "") -> pd.DataFrame:
    """Return identification rates (%): rows attack x probe set; columns rank-k, DIR at FAR.

    By the attacked recogniser, or by a judge in its own gallery of the same originals.
    """
    rows = _rows(result, judge)
    at = {(m, far, rank) for _, m, _, far, rank in rows if m in ("rank", "dir")}
    order = sorted(at, key=lambda key: (key[0] == "dir", key[2], key[1] or 0))
    cells = {
        (attack, probes): [cell(rows.get((attack, m, probes, far, rank))) for m, far, rank in order]
        for attack, measure, probes, *_ in rows
        if measure == "rank"
    }
    columns = [
        f"rank-{rank}" if measure == "rank" else f"DIR at FAR {percent(far or 0)}"
        for measure, far, rank in order
    ]
    return _two_level(cells, columns, ["rate (%)", "probes"])


def quality_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return PSNR, SSIM and perceptual distance of each attack's pictures."""
    columns = {"psnr": ("PSNR (dB)", 2), "ssim": ("SSIM", 3), "perceptual": ("perceptual", 3)}
    cells: dict[str, dict[str, str]] = {}
    for (attack, measure, *_), row in _rows(result).items():
        if measure in columns:
            name, digits = columns[measure]
            cells.setdefault(attack, {})[name] = cell(row, 1, digits)
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis("against the original")


def paired_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return the differences between attacks on the same targets, in percentage points."""
    rows = [
        {
            "attack": pair["a"],
            "against": pair["b"],
            "kind": KINDS[pair["kind"]],
            "FAR": percent(pair["far"]),
            "difference": cell({**pair, "value": pair["difference"]}),
            "p": NOTHING if pair["p"] is None else f"{pair['p']:.3g}",
        }
        for pair in result["paired"]
    ]
    return pd.DataFrame(rows)


def leakage_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return what a linear probe reads from templates, a row per attribute, with chance."""
    rows = {row["attribute"]: _leakage_row(row) for row in result["leakage"]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("attribute")


def _leakage_row(row: dict[str, Any]) -> dict[str, str]:
    measure = row["measure"] or row["kind"]
    if row["classes"]:
        measure += f" ({len(row['classes'])} classes)"
    cells = {"of": row["of"], "measure": measure}
    if row["score"] is None:
        return cells | {"score": row["reason"], "chance": NOTHING, "p": NOTHING, "also": NOTHING}
    also = {"auc": "AUC", "mae": "MAE", "spearman": "Spearman"}
    return cells | {
        "score": f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
        "chance": f"{row['chance']:.3f} [{row['chance_low']:.3f}, {row['chance_high']:.3f}]",
        "p": f"{row['p']:.3f}",
        "also": ", ".join(f"{also[k]} {row[k]:.3g}" for k in also if k in row) or NOTHING,
    }


def suspects_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return the pairs whose score contradicts their label, numbered from 1."""
    of = {"impostor": "different people", "genuine": "one person"}
    rows = {
        str(number): {
            "by the labels": of[pair["kind"]],
            "score": f"{pair['score']:.2f}",
            "picture": pair["first"],
            "and": pair["second"],
        }
        for number, pair in enumerate(result.get("suspects", []), 1)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("pair")


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], pd.DataFrame]]] = {
    "attack": ("Accepted as the person", attack_table),
    "verification": ("Verification of original pictures", verification_table),
    "suspects": ("Look at these: the score contradicts the label", suspects_table),
    "identification": ("Identification", identification_table),
    "quality": ("Pictures", quality_table),
    "paired": ("Differences between attacks, percentage points", paired_table),
    "leakage": ("What a linear probe reads from templates", leakage_table),
}


def tables(result: dict[str, Any]) -> dict[str, tuple[str, pd.DataFrame]]:
    """Return {key: (caption, table)} of what the result holds, empty ones left out.

    Those of a judge follow the target's: "attack", "judge:NAME", ..., "identification",
    "identification:NAME".
    """
    made: dict[str, tuple[str, pd.DataFrame]] = {}
    for key, (caption, make) in TABLES.items():
        made[key] = (caption, make(result))
        for name, facts in result.get("judge_encoders", {}).items():
            if key == "attack":
                title = f"Accepted by the target and by the judge {name} ({facts['encoder']})"
                made[f"judge:{name}"] = (title, judge_table(result, name))
            elif key == "identification":
                title = f"{caption} by the judge {name} ({facts['encoder']})"
                made[f"identification:{name}"] = (title, identification_table(result, name))
    return {key: entry for key, entry in made.items() if len(entry[1])}


def last_judged(made: Iterable[str]) -> str | None:
    """Return the key of the last table of a judge among those of `tables`: the note follows it."""
    return next((key for key in reversed(list(made)) if key.startswith("judge:")), None)


def to_markdown(table: pd.DataFrame) -> str:
    """Return a GitHub-flavoured Markdown table; headers of several levels are joined."""
    header, rows = cells(table)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        f"| {' | '.join(c.replace('|', chr(92) + '|') for c in line)} |" for line in lines
    )


def all_markdown(result: dict[str, Any]) -> str:
    """Return all tables of a result as a Markdown document."""
    protocol = result["protocol"]
    parts = [
        f"# {result['encoder']}, {protocol['name']}",
        f"{protocol['source']}: {protocol['pictures']:,} pictures of {protocol['identities']:,} "
        f"people; {spread_text(protocol['spread'])}.",
    ]
    made = tables(result)
    for key, (caption, table) in made.items():
        parts += [f"## {caption}", to_markdown(table)]
        parts += [f"{GAP_NOTE}."] if key == last_judged(made) else []
    parts += [f"Note: {note}." for note in result["notes"]]
    return "\n\n".join(parts) + "\n"


def to_latex(result: dict[str, Any]) -> str:
    """Return the attack table as LaTeX (booktabs), laid out like the paper's.

    A table of each judge follows: a row per attack, target and judge side by side.

    Raises:
        NbnetError: a result without an attack.
    """
    if not result["decoders"]:
        raise NbnetError("this result holds no attack: evaluate a decoder to have its table")
    protocol = result["protocol"]
    about = (
        f"{protocol['name']} ({protocol['identities']} identities, {protocol['pictures']} "
        f"pictures); {spread_text(protocol['spread'])}."
    )
    caption = f"TAR (%) of type-I and type-II attacks on {result['encoder']}, {about}"
    parts = [_latex_table(attack_table(result), caption, f"tab:attack-{protocol['name']}")]
    for name, facts in result.get("judge_encoders", {}).items():
        caption = (
            f"TAR (%) of attacks on {result['encoder']} (target) as judged by {facts['encoder']} "
            f"({name}) at its own thresholds, and the gap in percentage points, {about}"
        )
        label = f"tab:judge-{name}-{protocol['name']}"
        parts.append(_latex_table(judge_table(result, name), caption, label))
    return "\n".join(parts)


def _latex_table(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a table of texts with columns of two levels; names and cells are escaped."""
    depth = table.index.nlevels
    text = table.rename_axis([None] * depth if depth > 1 else None).to_latex(
        escape=True,
        multicolumn_format="c",
        multirow=False,
        column_format="l" * depth + "r" * table.shape[1],
        caption=re.sub(r"([&%$#_{}])", r"\\\1", caption),
        label=re.sub(r"[^A-Za-z0-9:-]", "-", label),
        position="t",
    )
    return text.replace("±", r"$\pm$").replace("[t]\n", "[t]\n\\centering\\small\n", 1)


def spread_text(spread: str) -> str:
    """Return what stands in brackets or after the sign ±."""
    return {
        "bootstrap": "95 % intervals over identities in brackets",
        "folds": "mean and standard error over folds",
        "trials": "mean and standard deviation over random trials",
    }[spread]


def cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return (header, rows) as text, the index first; headers of several levels are joined."""
    header = [_join(column) for column in table.columns]
    rows = [[str(value) for value in row] for row in table.itertuples(index=False, name=None)]
    if isinstance(table.index, pd.RangeIndex):  # 0, 1, 2, ... says nothing
        return header, rows
    names = [str(name or "") for name in table.index.names]
    keys = [key if isinstance(key, tuple) else (key,) for key in table.index]
    return names + header, [[*map(str, key), *row] for key, row in zip(keys, rows, strict=True)]


def _join(column: Iterable[str] | str) -> str:
    return column if isinstance(column, str) else ", ".join(map(str, column))
