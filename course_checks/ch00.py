"""Checks of chapter 00, Before you start."""

from __future__ import annotations

from course_checks.base import Answer, check_choices, exercise


@exercise(
    "0.1 ★ how much smaller is a template",
    "count the bytes of the picture, count the bytes of the template, divide",
    "side * side * 3 bytes against 4 * numbers bytes; the picture stands on top",
)
def _shrinkage(shrinkage: Answer) -> str:
    for side, numbers in ((64, 128), (160, 128), (112, 512)):
        want = side * side * 3 / (4 * numbers)
        shrinkage.compare(
            shrinkage.call(side, numbers, returns="a number").number(),
            want,
            {
                "a picture has three colours, so three bytes a pixel": want / 3,
                "that is template by picture; turn the division round": 1 / want,
                "a float32 takes four bytes, so the template has 4 * numbers bytes": want * 4,
                "three bytes a pixel, and four bytes for each number of the template": want * 4 / 3,
                "the picture has side * side pixels; a number takes four bytes": want * 4 / side,
                "the picture has side * side pixels, not side": want / side,
                "bytes on both sides, not bits on one": (want / 8, want * 8),
                "float32 takes four bytes; eight would be float64": want / 2,
                "do not round": round(want),
            },
            "bytes of the picture divided by bytes of the template",
            tolerance=1e-3,
        )
    return "a template is far too small to hold the picture; it holds the person"


# situation: the right letter, and what to say to every other one.
SITUATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "a": (
        "G",
        {
            "C": "whose consent? Nobody was photographed: these people do not exist",
            "M": "no system of anybody else takes part; nobody has to give a mandate",
            "B": "no person and no foreign system takes part: whom would you ask?",
            "S": "teaching with people who do not exist is what this course is for",
        },
    ),
    "b": (
        "S",
        {
            "G": "that it lies open does not make it yours: it is the biometric data of customers",
            "C": "you would have to read and keep the file to ask them; report it and stop",
            "M": "nobody asked you to test this; found data is reported, not used",
            "B": "asking leave after such a find looks like a threat; report it and stop",
        },
    ),
    "c": (
        "B",
        {
            "G": "it attacks somebody's system with somebody's templates: both have to agree first",
            "C": "the colleagues agree, but whose system is it? A test needs its owner's mandate",
            "M": "the owner agrees, but the templates belong to 20 people, who must agree too "
            "and be free to say no",
            "S": "a test with a mandate and volunteers is how such systems get better",
        },
    ),
    "d": (
        "G",
        {
            "C": "yours is the only consent there is to give, and you give it",
            "M": "your own computer and software that anybody may run: there is no other owner",
            "B": "your own face on your own computer: you are the person and the owner",
            "S": "a private trial with your own face harms nobody",
        },
    ),
    "e": (
        "M",
        {
            "G": "the people do not exist, the server does: testing it is its owner's decision",
            "C": "the pictures show nobody, so there is nobody to consent; whose server is it?",
            "B": "the pictures show nobody, so nobody can consent; one permission is missing",
            "S": "with the owner's mandate this is an ordinary test",
        },
    ),
    "f": (
        "C",
        {
            "G": "public is not free: a face template of a real person is biometric data, "
            "wherever the picture was found",
            "M": "the owner of the website cannot agree in the place of the people in the pictures",
            "B": "no system is attacked here; it is the people whose agreement is missing",
            "S": "a study with people who agreed is possible: the agreement is what is missing",
        },
    ),
}


@exercise(
    "0.2 ★★ may I?",
    "ask two things of each: is there a real person in it, and is there somebody else's system "
    "in it?",
    "nobody real and nothing foreign: G; a real person: C; a foreign system: M; both: B; and "
    "data that you were never meant to have: S",
)
def _may_i(verdict: Answer) -> str:
    check_choices(
        verdict,
        {situation: (right,) for situation, (right, _) in SITUATIONS.items()},
        "GCMBS",
        lambda situation, letter: SITUATIONS[situation][1][letter],
        lambda value: str(value).strip().upper(),
    )
    return "the person and the owner of the system: ask both, every time"
