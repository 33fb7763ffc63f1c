"""A result as one HTML page: no network, no scripts, images inside, light, dark and on paper.

The text of the page is in `report.html.jinja`; its tables come from `tables`, its figures from
`plots`. The template escapes everything: a decoder named ``<script>`` is text. On top, the page's
own content security policy allows nothing but its inline style and its embedded images.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from nbnet_lib import __version__
from nbnet_lib.evaluate import plots, tables
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.invariance import Profile
from nbnet_lib.evaluate.result import ORIGINAL, Judgement, Measure, Result, percent
from nbnet_lib.files import atomic_path

_ROW_LABELS = {ORIGINAL: "original pictures"}
LARGEST_SVG = 250_000  # bytes; a figure of more strokes is smaller as pixels


def write_report(result: Result, path: str | os.PathLike[str], command: str = "") -> Path:
    """Write the result as one HTML page with tables, figures and the numbers to save from it.

    The same result makes the same page, byte by byte.

    Args:
        result: from `run_protocol`.
        path: the ``.html`` file to make or replace.
        command: what was typed, printed at the end.

    Raises:
        NbnetError: the folder cannot be written to.
    """
    with _figures_closed():
        html = _rendered(
            "report.html.jinja", **_context(result), command=command, version=__version__
        )
    content = html.encode("utf-8", "replace")  # a file name may hold half a surrogate pair
    with atomic_path(path, needed=len(content)) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def _rendered(name: str, **values: Any) -> str:
    environment = Environment(
        loader=FunctionLoader(
            lambda part: (resources.files(__package__) / part).read_text(encoding="utf-8")
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        body_rows=_body_rows,
        data_uri=lambda text: _data_uri("application/octet-stream", text.encode()),
        header_rows=_header_rows,
        image=_image,
        judge_facts=_judge_facts,
        kinds=_kinds,
        percent=percent,
    )
    return environment.get_template(name).render(**values)


def write_profile(profile: Profile, path: str | os.PathLike[str], command: str = "") -> Path:
    """Write an invariance profile as a page (``.html``), or its figure as ``.png`` or ``.svg``.

    Args:
        profile: from `profile_encoder`.
        path: the file to make or replace.
        command: what was typed, printed at the end of the page.

    Raises:
        NbnetError: the folder cannot be written to.
    """
    kind = Path(path).suffix.removeprefix(".")
    with _figures_closed():
        figure = plots.profile_plot(profile)
        if kind == "html":
            page = {"drawn": figure, "command": command, "version": __version__}
            html = _rendered("profile.html.jinja", **_profile_context(profile), **page)
            content = html.encode("utf-8", "replace")
        else:
            content = _saved(figure, kind)
    with atomic_path(path, needed=len(content)) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def _profile_context(profile: Profile) -> dict[str, Any]:
    far = profile.fars[-1]

    cell = tables.estimate_cell
    rates = {
        f"{row.name}: {row.what}":
        {"TAR": cell(row.tar[far]), "% of plain": cell(row.kept[far]),
         "FAR": cell(row.far[far], digits=2)}
        | {f"TAR of {key}": cell(p[row.name].tar[far]) for key, p in profile.beside.items()}
        for row in profile.rates
    }  # fmt: skip
    groups = {
        (row.by, row.group, row.name): {
            "people": str(row.people),
            "TAR": cell(row.tar[far]),
            "FAR": cell(row.far[far], digits=2),
        }
        for row in profile.groups
    }
    weights = profile.weights.largest() if profile.weights else {}
    listed = {name: {"weight": cell(weight, 1, 2)} for name, weight in weights.items()}
    return {
        "title": f"What {profile.encoder} looks at",
        "profile": profile,
        "far": far,
        "rates": pd.DataFrame.from_dict(rates, orient="index").rename_axis("changed"),
        "groups": pd.DataFrame.from_dict(groups, orient="index"),
        "weights": pd.DataFrame.from_dict(listed, orient="index").rename_axis("difference of"),
        "agreement": {name: cell(value, 1, 2) for name, value in profile.agreement.items()},
        "attached": json.dumps(profile.to_dict(), indent=1),
    }


@contextmanager
def _figures_closed() -> Iterator[None]:
    """Close what is drawn in the block, and leave the caller's figures open."""
    before = set(plt.get_fignums())
    try:
        with plt.ioff():
            yield
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def _context(result: Result) -> dict[str, Any]:
    """Return what the template prints: figures are drawn here, and there made into images."""
    attachments = {"result.json": result.to_json(), "measures.csv": result.to_csv()}
    if result.per_identity is not None:
        attachments["people.csv"] = result.per_identity.to_csv(index=False, lineterminator="\n")
    far = min(result.fars)
    several = len(result.protocol["trials"]) > 1
    of_trials = " of the first trial" if isinstance(result.impostor, ScoreHistogram) else ""
    curves = _curves(result)
    return {
        "title": f"{'Attack on' if result.decoders else 'Verification with'} {result.encoder}",
        "result": result,
        "tables": {key: table for key, (_, table) in tables.tables(result.to_dict()).items()},
        "spread": tables.spread_text(result.protocol["spread"]),
        "far": far,
        "judge_names": [f"{name} ({judge.encoder})" for name, judge in result.judges.items()],
        "gap_note": tables.GAP_NOTE,
        "attachments": attachments,
        "rates_figure": _rates_figure(result, far) if result.decoders else None,
        "judges_figure": plots.judges_plot(_panels(result, far), far) if result.judges else None,
        "judge_figures": {
            name: _scores_figure(judge, result.decoders, result.fars)
            for name, judge in result.judges.items()
        },
        "of_trials": (of_trials or " of all trials") if several else "",
        "curves": list(curves),
        "scores_figure": _scores_figure(result, result.decoders, result.fars),
        "roc_figure": plots.roc_plot(curves, result.impostor).figure,
        "det_figure": plots.det_plot(curves, result.impostor).figure,
        "cmc_figures": list(_cmc_figures(result)),
        "strip_figures": {
            name: plots.reconstruction_strip(
                strip.originals,
                strip.reconstructions,
                strip.scores,
                each=len(strip.scores) // 3,
                threshold=strip.threshold,
            )
            for name, strip in result.strips.items()
        },
        "suspects_figure": plots.pairs_plot(result.suspects.pictures)
        if result.suspects and result.suspects.pairs
        else None,
        "leakage_figures": list(_leakage_figures(result)),
    }


def _rates_figure(result: Result, far: float) -> Any:
    rows = {}
    for name in dict.fromkeys(row.attack for row in result.measures if row.measure == "tar"):
        kinds = ("original",) if name == ORIGINAL else ("type1", "type2")
        rows[_ROW_LABELS.get(name, name)] = {
            k: _interval(result.get("tar", name, k, far)) for k in kinds
        }
    axes = plots.interval_plot(rows, f"TAR at FAR {percent(far)}")
    plots.percent_axis(axes.xaxis)
    return axes.figure


def _interval(row: Measure) -> plots.Interval:
    if row.low is not None and row.high is not None:
        return _whisker(row.value, row.low, row.high)
    half = math.nan if row.sd is None else row.sd
    return row.value, row.value - half, row.value + half


def _whisker(value: float, low: float, high: float) -> plots.Interval:
    """Return value and ends; a percentile interval of very few draws need not hold the value."""
    return value, min(low, value), max(high, value)


def _panels(result: Result, far: float) -> dict[str, dict[str, dict[str, plots.Interval]]]:
    """Return {panel: {row: {recogniser: (value, low, high)}}}."""
    recognisers = {"": f"target ({result.encoder})"}
    recognisers |= {name: f"{name} ({judge.encoder})" for name, judge in result.judges.items()}
    attacks = dict.fromkeys(row.attack for row in result.measures if row.measure == "tar")

    def rates(attack: str, kind: str) -> dict[str, plots.Interval]:
        if attack == ORIGINAL:
            if kind == "type1":
                return {}
            kind = ORIGINAL  # as in the tables: genuine comparisons, too, are of other pictures
        return {
            text: _interval(result.get("tar", attack, kind, far, judge=judge))
            for judge, text in recognisers.items()
        }

    return {
        title: {_ROW_LABELS.get(attack, attack): rates(attack, kind) for attack in attacks}
        for kind, title in (
            ("type1", "type-I (same picture)"),
            ("type2", "type-II (other pictures)"),
        )
    }


def _scores_figure(measured: Result | Judgement, decoders: list[str], fars: list[float]) -> Any:
    """Draw the scores of originals and of the last attack, by the target or by a judge."""
    shown = {"genuine": measured.scores[ORIGINAL]["genuine"], "impostor": measured.impostor}
    shown |= measured.scores[decoders[-1]] if decoders else {}
    thresholds = {far: measured.get("threshold", far=far).value for far in fars}
    return plots.score_histogram(shown, thresholds).figure


def _curves(result: Result) -> dict[str, Any]:
    genuine = {"genuine": result.scores[ORIGINAL]["genuine"]}
    if len(result.decoders) == 1:
        return genuine | result.scores[result.decoders[0]]
    return genuine | {f"{d}, type-II": result.scores[d]["type2"] for d in result.decoders}


def _cmc_figures(result: Result) -> Iterator[tuple[str, list[str], Any]]:
    """Yield (probe set, attacks, figure)."""
    for probes in dict.fromkeys(probes for _, probes in result.cmc):
        curves = {attack: rates for (attack, of), rates in result.cmc.items() if of == probes}
        if ORIGINAL in curves:  # last, so that an attack looks the same in every figure
            curves["original pictures"] = curves.pop(ORIGINAL)
        if max(len(rates) for rates in curves.values()) > 1:
            yield probes, list(curves), plots.cmc_plot(curves).figure


def _leakage_figures(result: Result) -> Iterator[tuple[str, list[str], Any]]:
    """Yield (measure, attributes, figure)."""
    for measure in dict.fromkeys(row["measure"] for row in result.leakage if row["measure"]):
        rows = {row["attribute"]: row for row in result.leakage if row["measure"] == measure}
        axes = plots.interval_plot(
            {a: {"probe": _whisker(r["score"], r["low"], r["high"])} for a, r in rows.items()},
            measure,
            reference={a: (r["chance_low"], r["chance_high"]) for a, r in rows.items()},
        )
        yield measure, list(rows), axes.figure


def _judge_facts(judge: Judgement) -> dict[str, str]:
    names = {"what": "Network", "data": "Trained on", "training_data": "Trained on"}
    facts = {names[key]: str(judge.card[key]) for key in names if key in judge.card}
    error = next((row for row in judge.measures if row.key[:2] == (ORIGINAL, "eer")), None)
    if error is not None:
        facts["Equal error rate on originals"] = f"{100 * error.value:.2f} %"
    for what, faces in judge.faces.items():
        facts[f"No face found in {what}"] = f"{faces['missed']:,} of {faces['asked']:,}"
    return facts


def _kinds(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (kind, its columns) of a judge's table, rows without a number left out."""
    for kind in tables.KINDS.values():
        yield kind, table[kind][(table[kind] != tables.NOTHING).any(axis=1)]


def _header_rows(table: pd.DataFrame) -> list[list[tuple[str, int]]]:
    """Return the header of a table, a list of (text, number of columns below it) per level."""
    *upper, last = (table.columns.get_level_values(i) for i in range(table.columns.nlevels))
    groups = [[(text, len(list(same))) for text, same in groupby(level)] for level in upper]
    return [*groups, [(text, 1) for text in last]]


def _body_rows(table: pd.DataFrame) -> Iterator[tuple[Any, Any]]:
    """Yield (row headers, cells) of each row."""
    return zip(table.index.to_frame().to_numpy(), table.to_numpy(), strict=True)


def _image(figure: Figure) -> dict[str, Any]:
    """Return a figure as the page shows it: SVG for curves, PNG for pictures and huge curves."""
    photographic = bool(figure.findobj(match=AxesImage))  # keeps its colours on a dark screen
    svg = b"" if photographic else _saved(figure, "svg")
    if svg and len(svg) <= LARGEST_SVG:
        uri = _data_uri("image/svg+xml", svg)
    else:
        uri = _data_uri("image/png", _saved(figure, "png"))
    width = round(96 * figure.get_figwidth())  # CSS pixels: an inch is 96
    return {"uri": uri, "width": width, "photographic": photographic}


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    # No date and fixed ids: the same numbers make the same file.
    with matplotlib.rc_context({"svg.hashsalt": "nbnet", "svg.fonttype": "path"}):
        figure.savefig(
            buffer,
            format=kind,
            dpi=100,
            metadata={"Date": None} if kind == "svg" else {"Software": None},
        )
    return buffer.getvalue()


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
