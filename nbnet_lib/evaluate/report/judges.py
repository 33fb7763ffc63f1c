"""The part of a report in which other recognisers judge the attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nbnet_lib.evaluate import plots, tables
from nbnet_lib.evaluate.report.blocks import Block, Facts, Figure, Heading, Paragraph, Table
from nbnet_lib.evaluate.result import ORIGINAL, Judgement, Measure, Result, percent


def judges_blocks(
    result: Result, found: dict, interval: Callable[[Measure], tuple[float, float, float]]
) -> Iterator[Block]:
    """Yield the figure of target and judges side by side, then the numbers of each judge.

    Args:
        result: with judges.
        found: its tables.
        interval: from a measure to (value, low, high) as figures draw it.
    """
    yield Paragraph(
        "Reconstructions made from the target's templates, shown to recognisers that are not "
        f"attacked. {tables.GAP_NOTE}."
    )
    far = min(result.fars)
    figure = plots.judges_plot(_panels(result, far, interval), far)
    yield Figure(
        figure,
        f"TAR of every attack at FAR {percent(far)} by the target and by each judge; the same "
        "numbers are in the tables below.",
        f"TAR at FAR {percent(far)}, each recogniser at its own threshold. The distance between "
        "the markers of a row is the gap.",
    )
    for name, judge in result.judges.items():
        yield Heading(f"Judge {name}: {judge.encoder}")
        yield Facts(_facts(judge))
        spread = tables.spread_text(result.protocol["spread"])
        # One below the other: side by side they would be wider than the page.
        for kind in tables.KINDS.values():
            table = found[f"judge:{name}"][1][kind]
            yield Table(
                table[(table != tables.NOTHING).any(axis=1)],
                f"{kind}: TAR in percent and gap in percentage points; {spread}.",
            )
        if judge.impostor is not None and ORIGINAL in judge.scores:
            yield _histogram(result, name, judge)
        if f"identification:{name}" in found:
            yield Table(
                found[f"identification:{name}"][1],
                f"Identification rates in percent by the judge `{name}` in its own gallery of the "
                "same originals.",
            )


def _panels(
    result: Result, far: float, interval: Callable[[Measure], tuple[float, float, float]]
) -> dict[str, dict[str, dict[str, tuple[float, float, float]]]]:
    """Return {panel: {row: {recogniser: (value, low, high)}}}."""
    who = {"": f"target ({result.encoder})"}
    who |= {name: f"{name} ({judge.encoder})" for name, judge in result.judges.items()}
    attacks = dict.fromkeys(row.attack for row in result.measures if row.measure == "tar")
    panels: dict[str, dict[str, dict[str, tuple[float, float, float]]]] = {}
    for kind, title in (("type1", "type-I (same picture)"), ("type2", "type-II (other pictures)")):
        panel = panels[title] = {}
        for attack in attacks:
            # As in the tables: genuine comparisons, too, are of different pictures.
            own = ORIGINAL if attack == ORIGINAL and kind == "type2" else kind
            label = "original pictures" if attack == ORIGINAL else attack
            skip = attack == ORIGINAL and kind == "type1"
            panel[label] = {
                text: interval(result.get("tar", attack, own, far, judge=judge))
                for judge, text in who.items()
                if not skip
            }
    return panels


def _facts(judge: Judgement) -> dict[str, str]:
    names = {"what": "Network", "data": "Trained on", "training_data": "Trained on"}
    facts = {names[key]: str(judge.card[key]) for key in names if key in judge.card}
    error = next((row for row in judge.measures if row.key[:2] == (ORIGINAL, "eer")), None)
    if error is not None:
        facts["Equal error rate on originals"] = f"{100 * error.value:.2f} %"
    for what, faces in judge.faces.items():
        facts[f"No face found in {what}"] = f"{faces['missed']:,} of {faces['asked']:,}"
    return facts


def _histogram(result: Result, name: str, judge: Judgement) -> Figure:
    attack = result.decoders[-1]
    shown = {"genuine": judge.scores[ORIGINAL]["genuine"], "impostor": judge.impostor}
    shown |= judge.scores[attack]
    thresholds = {far: judge.get("threshold", far=far).value for far in result.fars}
    return Figure(
        plots.score_histogram(shown, thresholds).figure,
        f"Histograms of the scores that the judge {name} gives originals and the attack {attack}, "
        "with its own thresholds.",
        f"Scores by the judge `{name}`, of originals and of the attack `{attack}`; vertical lines "
        "are its own thresholds.",
    )
