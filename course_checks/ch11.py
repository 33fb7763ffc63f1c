"""Exercises of chapter 11: translation, the price of a leak, the day of the leak, the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from course_checks.base import (
    Answer,
    Wrong,
    array,
    check_choices,
    close,
    describe,
    exercise,
    number,
    short,
)


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
    raw = translate.call(a[fitted], b[fitted], stolen, returns="templates of B")
    got = translate.array(raw)
    if got.shape == (60, 12):
        raise translate.wrong(
            "got templates as long as those of recogniser A, expected [60, 10]",
            "what comes out belongs to recogniser B: fit from a to b, not from b to a",
        )
    if got.shape == (300, 10):
        raise translate.wrong(
            "got 300 templates, expected 60",
            "translate the stolen templates, not those that the map was fitted on",
        )
    if got.shape == (10, 60):
        raise translate.wrong(
            "expected shape [60, 10], got [10, 60]", "one row a template: transpose"
        )
    got = translate.array(raw, (60, 10)).astype(np.float64)
    if not np.isfinite(got).all():
        raise translate.wrong("the result holds NaN or infinity")
    length = np.linalg.norm(got, axis=1)
    if not np.allclose(length, 1, atol=1e-3):
        why = "divide each row by its norm (axis=1, keepdims=True)"
        if np.allclose(np.linalg.norm(got, axis=0), 1, atol=1e-3):
            why = "the columns have length 1, not the rows: axis=1"
        elif close(float(np.linalg.norm(got)), 1.0, 1e-3):
            why = "the whole array has length 1, not each row: axis=1, keepdims=True"
        raise translate.wrong(
            f"rows have length {length.min():.2f} to {length.max():.2f}, not 1", why
        )
    reached = float((got * truth).sum(axis=1).mean())
    best = float((_line(a[fitted], b[fitted], stolen) * truth).sum(axis=1).mean())
    if reached > best - 0.02:
        return f"mean cosine to the true templates {reached:.2f}, for people outside the fit"
    shuffled = float((_unit(np.ones_like(truth) * b[fitted].mean(axis=0)) * truth).sum(1).mean())
    why = "fit the line on a and b, then apply it to stolen"
    if abs(reached - shuffled) < 0.01:
        why = "everybody gets the same template: does the result depend on stolen?"
    raise translate.wrong(
        f"mean cosine to the true templates: expected {best:.2f}, got {reached:.2f}", why
    )


def _line(a: np.ndarray, b: np.ndarray, new: np.ndarray) -> np.ndarray:
    middle, mean = a.mean(axis=0), b.mean(axis=0)
    weights = np.linalg.lstsq(a - middle, b - mean, rcond=None)[0]
    return _unit((new - middle) @ weights + mean)


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
        want = n * (1 - gone) * tar * (1 - pad**tries)
        raw = accounts_lost.call(*case, returns="a number")
        got = accounts_lost.number(raw)
        if close(got, want, 1e-3):
            continue
        usable = n * (1 - gone)
        slips = {
            "a recogniser that refuses a picture refuses it again: only being caught is decided "
            "anew at each try, so tar stands outside of the power": usable
            * (1 - (1 - tar * (1 - pad)) ** tries),
            "tries do not multiply: an account falls once. How likely is it that all tries are "
            "caught?": usable * tar * (1 - pad) * tries,
            "the picture gets through where at least one try is not caught: 1 - detected ** tries, "
            "not (1 - detected) ** tries": usable * tar * (1 - pad) ** tries,
            "that is the probability that at least one try is caught": usable
            * tar
            * (1 - (1 - pad) ** tries),
            "detected is the share that is caught": usable * tar * pad**tries,
            "the number of tries plays no part yet": usable * tar * (1 - pad),
            "detection plays no part yet": usable * tar,
            "revoked templates open nothing": n * tar * (1 - pad**tries),
            "revoked is the share that is lost to the attacker: 1 - revoked": n
            * gone
            * tar
            * (1 - pad**tries),
            "that is the chance for one account; how many are there?": want / n,
        }
        why = next((text for text, value in slips.items() if close(got, value, 1e-3)), "")
        raise accounts_lost.wrong(
            f"{n:,} templates, tar {tar}, {tries} tries, detected {pad}, revoked {gone}: "
            f"expected {want:,.1f}, got {short(got)}",
            why,
        )
    return "tries help against detection only, and revoked templates open nothing"


_PLAN = {
    "A": {"hours"},
    "B": {"never"},
    "C": {"hours"},
    "D": {"never"},
    "E": {"days", "hours"},  # 72 hours are three days
    "F": {"days"},
    "G": {"never"},
}
_PLAN_HINTS = {
    "A": "the box is what turns a leak into faces; each hour it answers is worth pairs",
    "B": "is it true? Chapter 10 says otherwise, and people decide by what they are told",
    "C": "what can be done before a single template is replaced?",
    "D": "who will say then what was taken, since when, and by whom?",
    "E": "the law gives a term, and it is counted from becoming aware",
    "F": "it takes a while, and it is the only step that makes what leaked worthless",
    "G": "what is out is out, and a system that promises it is mended is believed",
}
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
        plan, _PLAN, ("hours", "days", "never"), lambda measure, when: _PLAN_HINTS[measure], read
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
    page = report.entries()
    wanted = (*_TEXTS, "far", "people", "questions", *_RATES, *_LISTS)
    missing = [key for key in wanted if key not in page]
    if missing:
        raise report.wrong(f"lacks {', '.join(missing)}", "a page without them cannot be judged")
    _check_words(page)
    far = number("far", page["far"])
    if close(far, 0.1) or close(far, 1.0):
        raise Wrong("far", f"got {far:g}", "as a share: 0.1 % is 0.001")
    rows = next(
        (rows for key, rows in facts.value.items() if _is_far(key) and close(far, key)), None
    )
    if rows is None:
        known = ", ".join(f"{key:g}" for key in facts.value if _is_far(key))
        raise Wrong("far", f"got {far:g}", f"the audit measured at {known}")
    for key in ("people", "questions"):
        got = number(key, page[key])
        if not close(got, facts.value[key]):
            why = ""
            if key == "people" and close(got, facts.value["pictures"]):
                why = "that is how many pictures; the interval is over people"
            raise Wrong(key, f"expected {facts.value[key]}, got {short(got)}", why)
    others = [other for key, other in facts.value.items() if _is_far(key) and other is not rows]
    for key, row in _RATES.items():
        _check_rate(key, page[key], row, rows, others)
    return (
        f"facts agree with the audit at FAR {100 * far:g} %; style and advice are for a colleague "
        "with the rubric"
    )


def _is_far(key: Any) -> bool:
    return isinstance(key, float)


def _check_words(report: Mapping[str, Any]) -> None:
    for key in _TEXTS:
        text = report[key]
        least = 40 if key == "finding" else 3
        if not isinstance(text, str) or len(text.strip()) < least:
            raise Wrong(key, f"expected a text of {least} characters or more, got {describe(text)}")
    if not any(letter.isdigit() for letter in report["finding"]):
        raise Wrong("finding", "no number in it", "say how often, compared to what")
    for key in _LISTS:
        sentences = report[key]
        if isinstance(sentences, str) or not isinstance(sentences, list | tuple):
            raise Wrong(key, f"expected a list of sentences, got {describe(sentences)}")
        if len(sentences) < 2 or not all(
            isinstance(text, str) and len(text.strip()) >= 15 for text in sentences
        ):
            raise Wrong(key, "expected two sentences at least", "what, exactly?")
    limits = " ".join(report["limits"]).lower()
    if not any(word in limits for word in _PICTURES):
        raise Wrong(
            "limits",
            "they do not say what kind of pictures were used",
            "may the owner carry the number over to photographs of customers?",
        )


def _check_rate(
    key: str, given: Any, row: str, rows: Mapping[str, Any], others: list[Mapping[str, Any]]
) -> None:
    triple = array(key, given).astype(np.float64).ravel()
    if triple.size == 1:
        raise Wrong(key, f"got {short(triple[0])} alone", "give its interval: (rate, low, high)")
    if triple.size != 3:
        raise Wrong(key, f"expected (rate, low, high), got {describe(given)}")
    if triple.max() > 1.5:
        triple = triple / 100  # percent
    rate, low, high = triple
    if not low <= rate <= high:
        raise Wrong(
            key, f"{rate:.3f} is not within [{low:.3f}, {high:.3f}]", "the order is rate, low, high"
        )

    def agrees(with_row: Any) -> bool:
        return bool(np.abs(triple - np.asarray(with_row, np.float64)).max() <= 0.02)

    if agrees(rows[row]):
        return
    want = "{:.3f} [{:.3f}, {:.3f}]".format(*rows[row])
    why = "look at the print of the audit again"
    twin = next((other for other in rows if other != row and agrees(rows[other])), None)
    if any(agrees(other[row]) for other in others):
        why = "that is the rate at another FAR than the one that the report names"
    elif twin is not None:
        why = f"that is the row {twin!r}"
    elif abs(rate - rows[row][0]) <= 0.02:
        why = "the rate is right, its interval is not"
    raise Wrong(key, f"expected {want}, got {rate:.3f} [{low:.3f}, {high:.3f}]", why)
