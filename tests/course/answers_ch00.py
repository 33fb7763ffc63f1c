"""Chapter 00: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np

from course_checks.ch00 import SITUATIONS

RIGHT, SLIPS, OPEN = {}, {}, {}


LETTERS = {key: letter for key, (letter, _) in SITUATIONS.items()}

RIGHT["0.1"] = [
    lambda side, numbers: side * side * 3 / (4 * numbers),
    lambda side, numbers: (
        np.zeros((side, side, 3), np.uint8).nbytes / np.zeros(numbers, np.float32).nbytes
    ),
    lambda side, numbers: np.float32(side**2 * 24) / np.float32(numbers * 32),
]

SLIPS["0.1"] = [
    (lambda s, n: s * s / (4 * n), "three colours"),
    (lambda s, n: 4 * n / (s * s * 3), "turn the division"),
    (lambda s, n: s * s * 3 / n, "four bytes"),
    (lambda s, n: s * s / n, "three bytes a pixel, and four"),
    (lambda s, n: s * 3 / (4 * n), "side * side"),
    (lambda s, n: s * 3 / n, "side * side"),
    (lambda s, n: s * s * 3 / (32 * n), "bits"),
    (lambda s, n: s * s * 3 / (8 * n), "float64"),
    (lambda s, n: 1.0, "bytes of the picture"),
    (lambda s, n: [s, n], "expected one number"),
]

RIGHT["0.2"] = [
    LETTERS,
    {key.upper(): f" {letter.lower()} " for key, letter in LETTERS.items()},
    dict(reversed(LETTERS.items())),
]

SLIPS["0.2"] = [
    (["G"] * 6, "expected a dict"),
    ({**LETTERS, "g": "G"}, "no 'g'"),
    ({key: LETTERS[key] for key in "abc"}, "no answer yet for d"),
    ({**LETTERS, "c": None}, "no answer yet for c"),
    ({**LETTERS, "e": "yes"}, "one of G, C, M"),
]

OPEN["0.2"] = [{}, dict.fromkeys("abcdef")]
