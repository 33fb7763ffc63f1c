"""From a result to its report: which tables and figures stand where on the page."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt

from nbnet_lib.evaluate import plots, tables
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.report.blocks import Block, Figure, Note, Paragraph, Row, Section, Table
from nbnet_lib.evaluate.report.judges import judges_blocks
from nbnet_lib.evaluate.report.page import write_page
from nbnet_lib.evaluate.result import ORIGINAL, Measure, Result, percent


def write_report(result: Result, path: str | os.PathLike[str], command: str = "") -> Path:
    """Write the result as one HTML page with tables, figures and the numbers to save from it.

    Args:
        result: from `run_protocol`; one read back with `Result.from_dict` gives tables only.
        path: the ``.html`` file to make or replace.
        command: what was typed, printed at the end.

    Raises:
        NbnetError: the folder cannot be written to.
    """
    protocol = result.protocol
    attachments = {"result.json": result.to_json(), "measures.csv": result.to_csv()}
    if result.per_identity is not None:
        attachments["people.csv"] = result.per_identity.to_csv(index=False, lineterminator="\n")
    with _figures_closed():
        return write_page(
            path,
            f"{'Attack on' if result.decoders else 'Verification with'} {result.encoder}",
            list(_sections(result)),
            subtitle=protocol["source"],
            facts={
                "Recogniser": result.encoder,
                "Attacks": ", ".join(result.decoders) or "none",
                "Judges": ", ".join(f"{name} ({j.encoder})" for name, j in result.judges.items())
                or "none",
                "Protocol": protocol["name"],
                "Pictures": f"{protocol['pictures']:,} of {protocol['identities']:,} people",
                "Spread": tables.spread_text(protocol["spread"]),
                "Method": result.interval["method"],
                "Resamples, seed": f"{result.interval['resamples']:,}, {result.seed}",
            },
            command=command,
            attachments=attachments,
        )


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


def _sections(result: Result) -> Iterator[Section]:
    found = tables.tables(result.to_dict())
    if "attack" in found and result.decoders:
        yield Section("Accepted as the person", list(_attack(result, found)))
    if result.judges:
        yield Section("Other recognisers judge", list(judges_blocks(result, found, _interval)))
    yield Section("Verification", list(_verification(result, found)))
    if "identification" in found:
        yield Section("Identification", list(_identification(result, found)))
    if result.strips or "quality" in found:
        yield Section("Pictures", list(_pictures(result, found)))
    if result.leakage:
        yield Section("What templates tell besides", list(_leakage(result, found)))


def _attack(result: Result, found: dict) -> Iterator[Block]:
    spread = tables.spread_text(result.protocol["spread"])
    yield Paragraph(
        "How often the recogniser accepts a reconstruction as the person whose template leaked. "
        "Thresholds were set on comparisons of original pictures; reconstructions had no say. "
        "The row `original` is what honest users get with another picture of themselves."
    )
    for name, how in result.trained.items():
        yield Paragraph(f"{name}: {how}.")
    yield Paragraph(
        "An attack that fails is no proof of safety: a longer training, more pictures or another "
        "loss may succeed."
    )
    yield Table(found["attack"][1], f"TAR in percent; {spread}.")
    far = min(result.fars)
    rows = {}
    for name in dict.fromkeys(row.attack for row in result.measures if row.measure == "tar"):
        kinds = ("original",) if name == ORIGINAL else ("type1", "type2")
        label = "original pictures" if name == ORIGINAL else name
        rows[label] = {k: _interval(result.get("tar", name, k, far)) for k in kinds}
    axes = plots.interval_plot(rows, f"TAR at FAR {percent(far)}")
    axes.xaxis.set_major_formatter(lambda share, _: percent(round(share, 6)))
    yield Figure(
        axes.figure,
        f"TAR of every attack at FAR {percent(far)} with intervals; the same numbers are "
        "in the table above.",
        f"TAR at FAR {percent(far)}; whiskers: "
        + ("one standard deviation." if _trials(result) else "95 % intervals."),
    )
    if "paired" in found:
        yield Table(
            found["paired"][1],
            "Differences on the same targets, percentage points; intervals draw the same people "
            "for both, p by sign flips over people.",
        )


def _trials(result: Result) -> bool:
    return result.protocol["spread"] == "trials"


def _interval(row: Measure) -> tuple[float, float, float]:
    if row.low is not None and row.high is not None:
        return _whisker(row.value, row.low, row.high)
    if row.sd is not None:
        return row.value, row.value - row.sd, row.value + row.sd
    return row.value, math.nan, math.nan


def _whisker(value: float, low: float, high: float) -> tuple[float, float, float]:
    """Return value and ends; a percentile interval of very few draws need not hold the value."""
    return value, min(low, value), max(high, value)


def _verification(result: Result, found: dict) -> Iterator[Block]:
    yield Table(found["verification"][1], "The recogniser on original pictures, without an attack.")
    for note in result.notes:
        yield Note(f"{note[0].upper()}{note[1:]}.")
    if result.impostor is None or ORIGINAL not in result.scores:
        return
    genuine = result.scores[ORIGINAL]["genuine"]
    thresholds = {far: result.get("threshold", far=far).value for far in result.fars}
    attack = result.decoders[-1] if result.decoders else None
    shown = {"genuine": genuine, "impostor": result.impostor}
    if attack:
        shown |= result.scores[attack]
    yield Figure(
        plots.score_histogram(shown, thresholds).figure,
        "Histograms of genuine and impostor scores"
        + (f" and of type-I and type-II scores of {attack}" if attack else "")
        + ", with the thresholds.",
        "Scores of originals"
        + (f" and of the attack `{attack}`" if attack else "")
        + f"{_which(result)}; each area is 1. Vertical lines are thresholds.",
    )
    curves = {"genuine": genuine}
    if len(result.decoders) == 1 and attack:
        curves |= result.scores[attack]
    else:
        curves |= {f"{name}, type-II": result.scores[name]["type2"] for name in result.decoders}
    yield Row(
        [
            Figure(
                plots.roc_plot(curves, result.impostor).figure,
                f"ROC curves: TAR over FAR on a log axis for {', '.join(curves)}.",
                f"ROC{_which(result)}. The impostors are comparisons of originals for all curves.",
            ),
            Figure(
                plots.det_plot(curves, result.impostor).figure,
                f"DET curves: FNMR over FMR on normal-deviate axes for {', '.join(curves)}.",
                f"DET{_which(result)}. For an attack, FNMR is the share of reconstructions that "
                "are refused.",
            ),
        ]
    )


def _which(result: Result) -> str:
    """Return what the curves are of, where there are several trials."""
    if len(result.protocol["trials"]) == 1:
        return ""
    return _first(result) if isinstance(result.impostor, ScoreHistogram) else " of all trials"


def _first(result: Result) -> str:
    return "" if len(result.protocol["trials"]) == 1 else " of the first trial"


def _identification(result: Result, found: dict) -> Iterator[Block]:
    yield Paragraph(
        "Probes are looked for in a gallery of original pictures. Rank-k counts probes whose "
        "person is among the k most alike; DIR asks for rank 1 and a score above a threshold that "
        "people outside the gallery pass at the FAR."
    )
    yield Table(
        found["identification"][1],
        f"Identification rates in percent; {tables.spread_text(result.protocol['spread'])}.",
    )
    figures = []
    for probes in dict.fromkeys(probes for _, probes in result.cmc):
        curves = {attack: rates for (attack, of), rates in result.cmc.items() if of == probes}
        if ORIGINAL in curves:  # last, so that an attack looks the same in every figure
            curves["original pictures"] = curves.pop(ORIGINAL)
        if max(len(rates) for rates in curves.values()) > 1:
            figures.append(
                Figure(
                    plots.cmc_plot(curves).figure,
                    f"CMC of the probes {probes}, rank-k rate over k, for {', '.join(curves)}.",
                    f"CMC of the probes `{probes}`{_first(result)}: the share whose person is "
                    "among the first k.",
                )
            )
    if figures:
        yield Row(figures)


def _pictures(result: Result, found: dict) -> Iterator[Block]:
    if result.strips:
        yield Paragraph(
            "Originals above reconstructions: the best, the median and the worst by type-I score, "
            "chosen by the score and never by hand. Bold scores are accepted at the strictest FAR. "
            "A high score is not a likeness, and a likeness is not a high score."
        )
    for name, strip in result.strips.items():
        figure = plots.reconstruction_strip(
            strip.originals,
            strip.reconstructions,
            strip.scores,
            each=len(strip.scores) // 3,
            threshold=strip.threshold,
        )
        yield Figure(
            figure,
            f"Originals above the reconstructions of {name}: best, median and worst by type-I "
            f"score ({strip.scores.max():.2f} to {strip.scores.min():.2f}).",
            f"`{name}`; scores below the pictures.",
        )
    if "quality" in found:
        yield Table(
            found["quality"][1],
            "Reconstruction against its original; means with 95 % intervals over identities. "
            "The perceptual distance is built like LPIPS but is not LPIPS.",
        )


def _leakage(result: Result, found: dict) -> Iterator[Block]:
    yield Paragraph(
        "Linear probes were trained on the templates of some people and asked about others. What "
        "lies above chance can be read from a template; what does not may still be read by a "
        "stronger probe. The attributes are parameters of a graphics model, not facts about people."
    )
    table = found["leakage"][1].drop(columns="also")  # see the JSON
    yield Table(table, "Score with 95 % interval over identities; chance from shuffled labels.")
    for measure in dict.fromkeys(row["measure"] for row in result.leakage if row["measure"]):
        rows = [row for row in result.leakage if row["measure"] == measure]
        axes = plots.interval_plot(
            {r["attribute"]: {"probe": _whisker(r["score"], r["low"], r["high"])} for r in rows},
            measure,
            reference={r["attribute"]: (r["chance_low"], r["chance_high"]) for r in rows},
        )
        yield Figure(
            axes.figure,
            f"{measure} of the probe for {', '.join(r['attribute'] for r in rows)}, with the "
            "range of chance in grey; the same numbers are in the table above.",
            f"{measure} of linear probes; grey: 95 % of the scores with shuffled labels.",
        )
