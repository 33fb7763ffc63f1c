"""Exercises of chapter 11: translation, the price of a leak, the day of the leak, the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from course_checks.base import Answer, check_choices, close, describe, exercise, short


@exercise(
    "11.1 ★★ translate",
    "fit on a (what goes in) and b (what should come out), then apply the fit to the stolen "
    "templates; bring the rows to length 1 at the end",
    "weights, bias = ridge(a, b); guessed = stolen @ weights + bias; divide by "
    "np.linalg.norm(guessed, axis=1, keepdims=True)",
)
def _translate(translate: Answer) -> str:
    rng = np.random.default_rng(50)
    code = rng.normal(size=(360, 8))  # what both recognisers see of each picture
    into_a, into_b = rng.normal(size=(8, 12)), rng.normal(size=(8, 10))
    # Noise that does not average out keeps the answer from being exact; offsets ask for a bias.
    a = _unit(code @ into_a + 0.8 + 0.1 * rng.normal(size=(360, 12)))
    b = _unit(code @ into_b - 1.5 + 0.1 * rng.normal(size=(360, 10)))
    fitted, stolen, truth = slice(0, 300), a[300:], b[300:]
    made = translate.call(a[fitted], b[fitted], stolen, returns="templates of B")
    got = made.array().astype(np.float64)
    why = {
        (60, 12): "what comes out belongs to recogniser B: fit from a to b, not from b to a",
        (300, 10): "translate the stolen templates, not those that the map was fitted on",
        (10, 60): "one row a template: transpose",
    }.get(got.shape, "")
    translate.expect(got.shape == (60, 10), f"expected shape [60, 10], got {list(got.shape)}", why)
    translate.expect(np.isfinite(got).all(), "the result holds NaN or infinity")
    length = np.linalg.norm(got, axis=1)
    why = "divide each row by its norm (axis=1, keepdims=True)"
    if np.allclose(np.linalg.norm(got, axis=0), 1, atol=1e-3):
        why = "the columns have length 1, not the rows: axis=1"
    elif close(float(np.linalg.norm(got)), 1.0, 1e-3):
        why = "the whole array has length 1, not each row: axis=1, keepdims=True"
    translate.expect(
        np.allclose(length, 1, atol=1e-3),
        f"rows have length {length.min():.2f} to {length.max():.2f}, not 1",
        why,
    )
    constant = np.ones_like(truth) * b[fitted].mean(axis=0)
    line = _line(a[fitted], b[fitted], stolen)
    reached, best, blind = (
        float((_unit(x) * truth).sum(axis=1).mean()) for x in (got, line, constant)
    )
    why = "fit the line on a and b, then apply it to stolen"
    if abs(reached - blind) < 0.01:
        why = "everybody gets the same template: does the result depend on stolen?"
    translate.expect(
        reached > best - 0.02,
        f"mean cosine to the true templates: expected {best:.2f}, got {reached:.2f}",
        why,
    )
    return f"mean cosine to the true templates {reached:.2f}, for people outside the fit"


def _line(a: np.ndarray, b: np.ndarray, new: np.ndarray) -> np.ndarray:
    middle, mean = a.mean(axis=0), b.mean(axis=0)
    return (new - middle) @ np.linalg.lstsq(a - middle, b - mean, rcond=None)[0] + mean


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@exercise(
    "11.2 ★★ what a leak costs",
    "three factors: how many templates can still be used, whether the picture opens the "
    "account, and whether at least one of the tries slips past the detection",
    "all tries are caught with probability detected ** tries; the expected number is "
    "templates * (1 - revoked) * tar * (1 - detected ** tries)",
)
def _cost(accounts_lost: Answer) -> str:
    cases = [(1000, 0.4, 3, 0.5, 0.2), (50_000, 0.9, 1, 0.8, 0.0), (10, 0.6, 5, 0.0, 0.5)]
    for case in cases:
        n, tar, tries, pad, gone = case
        slips_past = 1 - pad**tries
        opened = n * (1 - gone) * tar  # by templates that are not revoked, without detection
        want = opened * slips_past
        accounts_lost.compare(
            accounts_lost.call(*case, returns="a number").number(),
            want,
            {
                "a recogniser that refuses a picture refuses it again: only being caught is "
                "decided anew at each try, so tar stands outside of the power": (
                    n * (1 - gone) * (1 - (1 - tar * (1 - pad)) ** tries)
                ),
                "tries do not multiply: an account falls once. How likely is it that all tries "
                "are caught?": opened * (1 - pad) * tries,
                "the picture gets through where at least one try is not caught: "
                "1 - detected ** tries, not (1 - detected) ** tries": opened * (1 - pad) ** tries,
                "that is the probability that at least one try is caught": (
                    opened * (1 - (1 - pad) ** tries)
                ),
                "detected is the share that is caught": opened * pad**tries,
                "the number of tries plays no part yet": opened * (1 - pad),
                "detection plays no part yet": opened,
                "revoked templates open nothing": n * tar * slips_past,
                "revoked is the share that is lost to the attacker: 1 - revoked": (
                    n * gone * tar * slips_past
                ),
                "that is the chance for one account; how many are there?": want / n,
            },
            tolerance=1e-3,
            case=f"{n:,} templates, tar {tar}, {tries} tries, detected {pad}, revoked {gone}",
        )
    return "tries help against detection only, and revoked templates open nothing"


_PLAN = {  # measure: the right times, and the hint for every other one
    "A": ({"hours"}, "the box is what turns a leak into faces; each hour it answers is worth "
          "pairs"),
    "B": ({"never"}, "is it true? Chapter 10 says otherwise, and people decide by what they hear"),
    "C": ({"hours"}, "what can be done before a single template is replaced?"),
    "D": ({"never"}, "who will say then what was taken, since when, and by whom?"),
    "E": ({"days", "hours"}, "the law gives a term, and it is counted from becoming aware"),
    "F": ({"days"}, "it takes a while, and it is the only step that makes what leaked worthless"),
    "G": ({"never"}, "what is out is out, and a system that promises it is fixed is believed"),
}  # fmt: skip
_TIMES = {"hour": "hours", "day": "days", "no": "never", "week": "days", "weeks": "days"}


@exercise(
    "11.3 ★ first hours, next days, never",
    "for each: does it stop the damage now, repair it, or destroy evidence or trust?",
    "three of the seven should never be done; closing the box and a second factor cannot wait",
)
def _day(plan: Answer) -> str:
    def read(value: Any) -> str:
        text = str(value).strip().lower()
        return _TIMES.get(text, text)

    check_choices(
        plan,
        {measure: times for measure, (times, _) in _PLAN.items()},
        ("hours", "days", "never"),
        lambda measure, when: _PLAN[measure][1],
        read,
    )
    return "close, keep the evidence, tell, replace; never soothe and never erase"


_TEXTS = ("recogniser", "finding")
_RATES = {"honest": "honest", "type1": "type1", "type2": "type2", "judge_type2": "judge type2"}
_LISTS = ("limits", "advice")
_PICTURES = ("synth", "drawn", "photo", "artificial", "rendered", "computer", "generated")


@exercise(
    "11.4 ★★★ the report",
    "every number stands in the audit's print; take all of them at one FAR, and write each "
    "with its interval as (rate, low, high)",
    'facts[0.001]["type2"] is such a triple already; the judge has one, too: '
    'facts[0.001]["judge type2"]',
)
def _report(report: Answer, facts: Answer) -> str:
    page, audit = report.entries(), facts.value
    wanted = (*_TEXTS, "far", "people", "questions", *_RATES, *_LISTS)
    lacks = f"lacks {', '.join(key for key in wanted if key not in page)}"
    report.expect(lacks == "lacks ", lacks, "a page without them cannot be judged")
    entries = {key: Answer(key, page[key]) for key in wanted}
    _check_words(entries)
    far = entries["far"].number()
    percent = close(far, 0.1) or close(far, 1.0)
    entries["far"].expect(not percent, f"got {far:g}", "as a share: 0.1 % is 0.001")
    by_far = {key: rows for key, rows in audit.items() if isinstance(key, float)}
    rows = next((rows for key, rows in by_far.items() if close(far, key)), None)
    known = ", ".join(f"{key:g}" for key in by_far)
    entries["far"].expect(rows, f"got {far:g}", f"the audit measured at {known}")
    pictures = {"that is how many pictures; the interval is over people": audit["pictures"]}
    entries["people"].compare(entries["people"].number(), audit["people"], pictures)
    entries["questions"].compare(entries["questions"].number(), audit["questions"], {})
    others = [other for other in by_far.values() if other is not rows]
    for key, row in _RATES.items():
        _check_rate(entries[key], row, rows or {}, others)
    return (
        f"facts agree with the audit at FAR {100 * far:g} %; style and advice are for a colleague "
        "with the rubric"
    )


def _check_words(entries: Mapping[str, Answer]) -> None:
    for key in _TEXTS:
        text = entries[key].value
        least = 40 if key == "finding" else 3
        entries[key].expect(
            isinstance(text, str) and len(text.strip()) >= least,
            f"expected a text of {least} characters or more, got {describe(text)}",
        )
    has_number = any(letter.isdigit() for letter in entries["finding"].value)
    entries["finding"].expect(has_number, "no number in it", "say how often, compared to what")
    for key in _LISTS:
        sentences = entries[key].value
        entries[key].expect(
            isinstance(sentences, list | tuple),
            f"expected a list of sentences, got {describe(sentences)}",
        )
        entries[key].expect(
            len(sentences) >= 2
            and all(isinstance(text, str) and len(text.strip()) >= 15 for text in sentences),
            "expected two sentences at least",
            "what, exactly?",
        )
    limits = " ".join(entries["limits"].value).lower()
    entries["limits"].expect(
        any(word in limits for word in _PICTURES),
        "they do not say what kind of pictures were used",
        "may the owner carry the number over to photographs of customers?",
    )


def _check_rate(
    entry: Answer, row: str, rows: Mapping[str, Any], others: list[Mapping[str, Any]]
) -> None:
    triple = entry.array().astype(np.float64).ravel()
    alone = f"got {short(triple[0]) if triple.size else 'nothing'} alone"
    entry.expect(triple.size != 1, alone, "give its interval: (rate, low, high)")
    entry.expect(triple.size == 3, f"expected (rate, low, high), got {describe(entry.value)}")
    if triple.max() > 1.5:
        triple = triple / 100  # percent
    rate, low, high = triple
    outside = f"{rate:.3f} is not within [{low:.3f}, {high:.3f}]"
    entry.expect(low <= rate <= high, outside, "the order is rate, low, high")

    def agrees(with_row: Any) -> bool:
        return bool(np.abs(triple - np.asarray(with_row, np.float64)).max() <= 0.02)

    twin = next((other for other in rows if other != row and agrees(rows[other])), None)
    if any(agrees(other[row]) for other in others):
        why = "that is the rate at another FAR than the one that the report names"
    elif twin is not None:
        why = f"that is the row {twin!r}"
    elif abs(rate - rows[row][0]) <= 0.02:
        why = "the rate is right, its interval is not"
    else:
        why = "look at the print of the audit again"
    want = "{:.3f} [{:.3f}, {:.3f}]".format(*rows[row])
    found = f"expected {want}, got {rate:.3f} [{low:.3f}, {high:.3f}]"
    entry.expect(agrees(rows[row]), found, why)
