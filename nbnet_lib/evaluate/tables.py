"""Tables of a result, laid out as papers print them: attacks in rows, type-I and type-II x FAR.

All take the JSON object of a result (`Result.to_dict`, or a file of ``nbnet evaluate --json``), so
that a table can be made again from what was kept. Cells are text: percent with a 95 % interval in
brackets, or a mean with its standard error or deviation. The numbers themselves: `measures_frame`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.latex import latex_table
from nbnet_lib.evaluate.result import ORIGINAL, judges_frame, measures_frame, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = {"type1": "type-I", "type2": "type-II"}
NOTHING = "-"
GAP_NOTE = (
    "Judges took no part in the training and decide at thresholds of their own. The gap is the "
    "target's rate less the judge's, in percentage points: what of the attack does not carry over, "
    "because the pictures hold a pattern that fits the target's network alone, or lack what the "
    "judge looks at, such as detail that small pictures cannot have. A small gap says that "
    "this judge takes them for the person, not that every recogniser does: one that learned from "
    "the same kind of pictures is lenient. Recognisers differ on untouched pictures, too: see the "
    "row original"
)


def cell(row: pd.Series | dict[str, Any], scale: float = 100, digits: int = 1) -> str:
    """Return a measure as text: ``95.9 [94.6, 97.1]``, or ``95.9 ± 0.4`` (se or sd)."""
    if pd.isna(row["value"]):
        return NOTHING
    text = f"{scale * row['value']:.{digits}f}"
    spread = row["se"] if not pd.isna(row["se"]) else row["sd"]
    if not pd.isna(spread):
        return f"{text} ± {scale * spread:.{digits}f}"
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return text
    return f"{text} [{scale * row['low']:.{digits}f}, {scale * row['high']:.{digits}f}]"


def attack_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return TAR (%): rows "original" and each attack; columns type-I, type-II x FAR.

    "original" stands under type-II: genuine comparisons, too, are of different pictures. So do
    "strangers", whose pictures are presented in as many tries as an attack of several decoders has.
    """
    frame = measures_frame(result)
    tar = frame[frame.measure == "tar"]
    fars = sorted(tar.far.unique())
    columns = pd.MultiIndex.from_product([KINDS.values(), [f"FAR {percent(f)}" for f in fars]])
    rows = {
        attack: [
            _find(own[(own.kind == (kind if attack != ORIGINAL else _genuine(kind)))], far)
            for kind in KINDS
            for far in fars
        ]
        for attack, own in tar.groupby("attack", sort=False)
    }
    baselines = frame[frame.measure == "baseline"]
    if len(baselines):
        found = [_find(baselines, far) for far in fars]
        rows[f"strangers, {len(result['decoders'])} tries"] = [NOTHING] * len(fars) + found
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("TAR (%)")


def _genuine(kind: str) -> str:
    return ORIGINAL if kind == "type2" else ""


def _find(rows: pd.DataFrame, far: float) -> str:
    found = rows[rows.far == far]
    return cell(found.iloc[0]) if len(found) else NOTHING


def judge_table(result: dict[str, Any], judge: str) -> pd.DataFrame:
    """Return what the target and one judge accept (TAR, %), and the gap in percentage points.

    Rows FAR x original and each attack; columns type-I and type-II x target, judge, gap.
    """
    target, judged = measures_frame(result), judges_frame(result)
    judged = judged[judged.judge == judge]
    sides = {
        "target": target[target.measure == "tar"],
        judge: judged[judged.measure == "tar"],
        "gap": judged[judged.measure == "gap"],
    }
    rows = {}
    for far in sorted(result["fars"], reverse=True):
        for attack in sides["gap"].attack.unique():
            rows[(percent(far), attack)] = [
                _find(
                    side[
                        (side.attack == attack)
                        & (side.kind == (kind if attack != ORIGINAL else _genuine(kind)))
                    ],
                    far,
                )
                for kind in KINDS
                for side in sides.values()
            ]
    columns = pd.MultiIndex.from_product([KINDS.values(), list(sides)])
    index = pd.MultiIndex.from_tuples(list(rows), names=["FAR", "TAR (%)"]) if rows else None
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def verification_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return how well the recogniser verifies originals: a row per FAR, and EER, AUC and d'."""
    frame = measures_frame(result)
    own = frame[frame.attack == ORIGINAL].set_index("measure")
    rows = {}
    for far in sorted(result["fars"], reverse=True):
        at = own[own.far == far]
        tar, threshold = at.loc["tar"], at.loc["threshold"]
        rows[f"TAR (%) at FAR {percent(far)}"] = [cell(tar), cell(threshold, 1, 3)]
        if "far" in at.index:
            rows[f"FAR (%) that this threshold gave, aimed at {percent(far)}"] = [
                cell(at.loc["far"], digits=3),
                "",
            ]
    for measure, name, scale, digits in (
        ("eer", "equal error rate (%)", 100, 2),
        ("accuracy", "accuracy (%)", 100, 2),
        ("auc", "area under the ROC", 1, 4),
        ("d_prime", "d'", 1, 2),
    ):
        if measure in own.index:
            rows[name] = [cell(own.loc[measure], scale, digits), ""]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "threshold"])


def identification_table(result: dict[str, Any], judge: str = "") -> pd.DataFrame:
    """Return identification rates (%): rows attack x probe set; columns rank-k, DIR at FAR.

    By the attacked recogniser, or by a judge in its own gallery of the same originals.
    """
    frame = measures_frame(result)
    if judge:
        frame = judges_frame(result)
        frame = frame[frame.judge == judge]
    frame = frame[frame.measure.isin(["rank", "dir"])]
    ranks = sorted(frame[frame.measure == "rank"]["rank"].unique())
    fars = sorted(frame[frame.measure == "dir"].far.unique())
    rows = {}
    for (attack, probes), own in frame.groupby(["attack", "kind"], sort=False):
        cells = [_first(own[(own.measure == "rank") & (own["rank"] == k)]) for k in ranks]
        cells += [_first(own[(own.measure == "dir") & (own.far == far)]) for far in fars]
        rows[(attack, probes)] = cells
    columns = [f"rank-{k}" for k in ranks] + [f"DIR at FAR {percent(f)}" for f in fars]
    index = pd.MultiIndex.from_tuples(list(rows), names=["rate (%)", "probes"]) if rows else None
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def quality_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return PSNR, SSIM and perceptual distance of each attack's pictures."""
    frame = measures_frame(result)
    columns = {"psnr": ("PSNR (dB)", 2), "ssim": ("SSIM", 3), "perceptual": ("perceptual", 3)}
    frame = frame[frame.measure.isin(list(columns))]
    rows = {
        attack: {
            name: _first(own[own.measure == measure], 1, digits)
            for measure, (name, digits) in columns.items()
            if (frame.measure == measure).any()
        }
        for attack, own in frame.groupby("attack", sort=False)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("against the original")


def _first(rows: pd.DataFrame, scale: float = 100, digits: int = 1) -> str:
    return cell(rows.iloc[0], scale, digits) if len(rows) else NOTHING


def paired_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return the differences between attacks on the same targets, in percentage points."""
    rows = [
        {
            "attack": pair["a"],
            "against": pair["b"],
            "kind": KINDS[pair["kind"]],
            "FAR": percent(pair["far"]),
            "difference": cell({**pair, "value": pair["difference"], "se": None, "sd": None}),
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
        cells |= {"score": row["reason"], "chance": NOTHING, "p": NOTHING, "also": NOTHING}
    else:
        also = {"auc": "AUC", "mae": "MAE", "spearman": "Spearman"}
        cells |= {
            "score": f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            "chance": f"{row['chance']:.3f} [{row['chance_low']:.3f}, {row['chance_high']:.3f}]",
            "p": f"{row['p']:.3f}",
            "also": ", ".join(f"{also[k]} {row[k]:.3g}" for k in also if k in row) or NOTHING,
        }
    return cells


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], pd.DataFrame]]] = {
    "attack": ("Accepted as the person", attack_table),
    "verification": ("Verification of original pictures", verification_table),
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
    return {key: found for key, found in made.items() if len(found[1])}


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
    parts = [
        latex_table(
            attack_table(result),
            f"TAR (%) of type-I and type-II attacks on {result['encoder']}, {about}",
            f"tab:attack-{protocol['name']}",
        )
    ]
    for name, facts in result.get("judge_encoders", {}).items():
        caption = (
            f"TAR (%) of attacks on {result['encoder']} (target) as judged by {facts['encoder']} "
            f"({name}) at its own thresholds, and the gap in percentage points, {about}"
        )
        label = f"tab:judge-{name}-{protocol['name']}"
        parts.append(latex_table(judge_table(result, name), caption, label))
    return "\n".join(parts)


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
    keys = [list(key) if isinstance(key, tuple) else [key] for key in table.index]
    labelled = zip(keys, rows, strict=True)
    return names + header, [[str(k) for k in key] + row for key, row in labelled]


def _join(column: Iterable[str] | str) -> str:
    return column if isinstance(column, str) else ", ".join(map(str, column))
