"""Tables of a result, laid out as papers print them: attacks in rows, type-I and type-II x FAR.

All take the JSON object of a result (`Result.to_dict`, or a file of ``nbnet evaluate --json``), so
that a table can be made again from what was kept. Cells are text: percent with a 95 % interval in
brackets, or a mean with its standard error or deviation. The numbers themselves: `measures_frame`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.result import ORIGINAL, measures_frame, percent

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


def _pick(frame: pd.DataFrame, scale: float = 100, digits: int = 1, **wanted: Any) -> str:
    """Return the cell of the row whose columns have the wanted values."""
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return cell(frame.iloc[0], scale, digits) if len(frame) else NOTHING


def _pick_tar(frame: pd.DataFrame, attack: str, kind: str, far: float) -> str:
    """Genuine comparisons are of different pictures, too: originals stand under type-II."""
    if attack == ORIGINAL:
        kind = ORIGINAL if kind == "type2" else ""
    return _pick(frame, attack=attack, kind=kind, far=far)


def _frame(result: dict[str, Any], judge: str = "") -> pd.DataFrame:
    """Return the measures of the attacked recogniser or of a judge."""
    frame = measures_frame(result)
    return frame[frame.judge == judge]


def _two_level(rows: dict[tuple[str, str], list[str]], columns: Any, names: list[str]) -> Any:
    index = pd.MultiIndex.from_tuples(list(rows), names=names) if rows else None
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def attack_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return TAR (%): rows "original" and each attack; columns type-I, type-II x FAR.

    "original" stands under type-II. So do "strangers", whose pictures are presented in as many
    tries as an attack of several decoders has.
    """
    frame = _frame(result)
    tar = frame[frame.measure == "tar"]
    fars = sorted(tar.far.unique())
    columns = pd.MultiIndex.from_product([KINDS.values(), [f"FAR {percent(f)}" for f in fars]])
    rows = {
        attack: [_pick_tar(tar, attack, kind, far) for kind in KINDS for far in fars]
        for attack in tar.attack.unique()
    }
    baselines = frame[frame.measure == "baseline"]
    if len(baselines):
        picked = [_pick(baselines, far=far) for far in fars]
        rows[f"strangers, {len(result['decoders'])} tries"] = [NOTHING] * len(fars) + picked
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("TAR (%)")


def judge_table(result: dict[str, Any], judge: str) -> pd.DataFrame:
    """Return what the target and one judge accept (TAR, %), and the gap in percentage points.

    Rows FAR x original and each attack; columns type-I and type-II x target, judge, gap.
    """
    target, judged = _frame(result), _frame(result, judge)
    sides = {
        "target": target[target.measure == "tar"],
        judge: judged[judged.measure == "tar"],
        "gap": judged[judged.measure == "gap"],
    }
    rows = {
        (percent(far), attack): [
            _pick_tar(side, attack, kind, far) for kind in KINDS for side in sides.values()
        ]
        for far in sorted(result["fars"], reverse=True)
        for attack in sides["gap"].attack.unique()
    }
    columns = pd.MultiIndex.from_product([KINDS.values(), list(sides)])
    return _two_level(rows, columns, ["FAR", "TAR (%)"])


def verification_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return how well the recogniser verifies originals: a row per FAR, and EER, AUC and d'."""
    frame = _frame(result)
    original = frame[frame.attack == ORIGINAL]
    rows = {}
    for far in sorted(result["fars"], reverse=True):
        at = original[original.far == far]
        tar, threshold = _pick(at, measure="tar"), _pick(at, 1, 3, measure="threshold")
        rows[f"TAR (%) at FAR {percent(far)}"] = [tar, threshold]
        if "far" in set(at.measure):
            reached = _pick(at, digits=3, measure="far")
            rows[f"FAR (%) that this threshold gave, aimed at {percent(far)}"] = [reached, ""]
    for measure, name, scale, digits in (
        ("eer", "equal error rate (%)", 100, 2),
        ("accuracy", "accuracy (%)", 100, 2),
        ("auc", "area under the ROC", 1, 4),
        ("d_prime", "d'", 1, 2),
    ):
        if measure in set(original.measure):
            rows[name] = [_pick(original, scale, digits, measure=measure), ""]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "threshold"])


def identification_table(result: dict[str, Any], judge: str = "") -> pd.DataFrame:
    """Return identification rates (%): rows attack x probe set; columns rank-k, DIR at FAR.

    By the attacked recogniser, or by a judge in its own gallery of the same originals.
    """
    frame = _frame(result, judge)
    rank, dir_ = frame[frame.measure == "rank"], frame[frame.measure == "dir"]
    ranks, fars = sorted(rank["rank"].unique()), sorted(dir_.far.unique())
    rows = {
        (attack, probes): [_pick(rank, attack=attack, kind=probes, rank=k) for k in ranks]
        + [_pick(dir_, attack=attack, kind=probes, far=far) for far in fars]
        for attack, probes in dict.fromkeys(zip(rank.attack, rank.kind, strict=True))
    }
    columns = [f"rank-{k}" for k in ranks] + [f"DIR at FAR {percent(f)}" for f in fars]
    return _two_level(rows, columns, ["rate (%)", "probes"])


def quality_table(result: dict[str, Any]) -> pd.DataFrame:
    """Return PSNR, SSIM and perceptual distance of each attack's pictures."""
    columns = {"psnr": ("PSNR (dB)", 2), "ssim": ("SSIM", 3), "perceptual": ("perceptual", 3)}
    frame = _frame(result)
    frame = frame[frame.measure.isin(list(columns))]
    rows = {
        attack: {
            name: _pick(frame, 1, digits, attack=attack, measure=measure)
            for measure, (name, digits) in columns.items()
            if (frame.measure == measure).any()
        }
        for attack in frame.attack.unique()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("against the original")


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
        return cells | {"score": row["reason"], "chance": NOTHING, "p": NOTHING, "also": NOTHING}
    also = {"auc": "AUC", "mae": "MAE", "spearman": "Spearman"}
    return cells | {
        "score": f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
        "chance": f"{row['chance']:.3f} [{row['chance_low']:.3f}, {row['chance_high']:.3f}]",
        "p": f"{row['p']:.3f}",
        "also": ", ".join(f"{also[k]} {row[k]:.3g}" for k in also if k in row) or NOTHING,
    }


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
