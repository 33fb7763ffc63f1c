"""A quiz at the end of each chapter: ``quiz("02")`` asks, a click answers and says why.

The questions are in ``course_checks/quizzes/chNN.yaml``; a wrong option has its own explanation,
because it stands for a misconception. They are shown as ordinary text, so that they can be read
without a kernel; the buttons below each need one. ``quiz("02", "bdac")`` answers without buttons.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import ipywidgets as widgets
import yaml
from IPython.display import HTML, display

import course_checks
from nbnet_lib.course.progress import record
from nbnet_lib.errors import NbnetError

FOLDER = Path(course_checks.__file__).parent / "quizzes"
LETTERS = "abcdef"
_REMARK = "margin:0 0 .6em 2.3em;max-width:44em"


@dataclass(frozen=True)
class Option:
    """One answer to choose: its text, why it is right or wrong, and which of the two."""

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question with up to six options, one of them right."""

    ask: str
    options: tuple[Option, ...]

    @property
    def right(self) -> str:
        """The letter of the right option."""
        return LETTERS[[option.right for option in self.options].index(True)]

    def judge(self, letter: str) -> tuple[bool, str]:
        """Return whether ``letter`` is right, and the sentence that goes with it."""
        option = self.options[LETTERS.index(letter)]
        return option.right, option.why


def quiz(chapter: str | int, answers: str | None = None) -> Quiz:
    """Show the quiz of a chapter, with buttons; or judge ``answers`` at once.

    Args:
        chapter: its number, such as ``"02"``.
        answers: a letter for each question, such as ``"bdac"``; None shows the buttons.

    Returns:
        the quiz, true once every question was answered correctly.

    Raises:
        NbnetError: there is no such quiz.
    """
    made = Quiz(chapter_name(chapter), load_quiz(chapter))
    if answers is None:
        made.show()
    else:
        made.answer(answers)
    return made


def chapter_name(chapter: str | int) -> str:
    """Return the two digits of a chapter's number, or the text itself where it is none."""
    text = str(chapter).strip()
    return text.zfill(2) if text.isdigit() else text


@lru_cache
def load_quiz(chapter: str | int) -> tuple[Question, ...]:
    """Read the questions of a chapter.

    Raises:
        NbnetError: there are none.
    """
    path = FOLDER / f"ch{chapter_name(chapter)}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem[2:] for p in FOLDER.glob("ch[0-9][0-9].yaml")))
        raise NbnetError(f"there is no quiz {chapter!r}: there are {known}")
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["questions"]
    return tuple(
        Question(entry["ask"].strip(), tuple(_option(**option) for option in entry["options"]))
        for entry in entries
    )


def _option(text: str, why: str, right: bool = False) -> Option:
    return Option(str(text).strip(), why.strip(), right)


class Quiz:
    """The questions of one chapter and what has been answered so far; made by `quiz`."""

    def __init__(self, chapter: str, questions: tuple[Question, ...]) -> None:
        self.chapter = chapter
        self.questions = questions
        self.given: dict[int, str] = {}
        self._score = widgets.HTML()
        self._remarks: list[widgets.HTML] = []
        self.buttons: list[widgets.ToggleButtons] = []

    def __bool__(self) -> bool:
        return self.right == len(self.questions)

    @property
    def right(self) -> int:
        """How many questions are answered correctly now."""
        return sum(self.questions[i].judge(letter)[0] for i, letter in self.given.items())

    def answer(self, letters: str) -> None:
        """Judge one letter for each question and print a line for each."""
        letters = re.sub(r"[^a-z]", "", "".join(letters).lower())  # "B, d a c" is forgiven
        if len(letters) != len(self.questions):
            print(
                f"[FAIL] quiz {self.chapter}: expected {len(self.questions)} letters, "
                f"got {len(letters)}"
            )
            return
        for number, (question, letter) in enumerate(zip(self.questions, letters, strict=True), 1):
            if letter not in LETTERS[: len(question.options)]:
                last = LETTERS[len(question.options) - 1]
                print(f"[FAIL] question {number}: expected a letter from a to {last}, got {letter}")
                self.given.pop(number - 1, None)
                continue
            self.given[number - 1] = letter
            right, why = question.judge(letter)
            print(f"[{'PASS' if right else 'FAIL'}] question {number}, {letter}: {why}")
        self._done()
        print(self._score_line())

    def show(self) -> None:
        """Show each question as text and, below it, a row of buttons."""
        for i, question in enumerate(self.questions):
            buttons = widgets.ToggleButtons(
                options=LETTERS[: len(question.options)],
                value=None,
                description="answer",
                tooltips=[option.text for option in question.options],
                style={"button_width": "3em", "description_width": "5em"},
                layout=widgets.Layout(width="auto"),
            )
            remark = widgets.HTML()
            buttons.observe(lambda change, i=i: self._clicked(i, change["new"]), names="value")
            self.buttons.append(buttons)
            self._remarks.append(remark)
            # Plain text: a widget would be gone where there is no kernel.
            display(HTML(question_html(i + 1, question)))
            display(widgets.VBox([buttons, remark]))
        display(self._score)
        print(f'Click a letter for each question, or answer with quiz("{self.chapter}", "...").')

    def _clicked(self, i: int, letter: str | None) -> None:
        if letter is None:
            return
        self.given[i] = letter
        right, why = self.questions[i].judge(letter)
        mark = "Right" if right else "Not quite"
        text = f"<b>{mark}.</b> {as_html(why)}"
        self._remarks[i].value = f'<div style="{_REMARK}">{text}</div>'
        self._done()
        self._score.value = f"<b>{html.escape(self._score_line())}</b>"

    def _done(self) -> None:
        if len(self.given) == len(self.questions):
            record("quizzes", self.chapter, passed=bool(self))

    def _score_line(self) -> str:
        mark = "PASS" if self else "----"
        return f"[{mark}] quiz {self.chapter}: {self.right} of {len(self.questions)} right"

    def _ipython_display_(self) -> None:
        """Nothing: a quiz that ends a cell has been shown already."""


def question_html(number: int, question: Question) -> str:
    """Return a question and its options as an ordered list."""
    options = "".join(f"<li>{as_html(option.text)}</li>" for option in question.options)
    return (
        f'<ol start="{number}"><li><p>{as_html(question.ask)}</p>'
        f'<ol type="a">{options}</ol></li></ol>'
    )


def as_html(plain: str) -> str:
    """Return a plain text as HTML; what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(plain, quote=False))
