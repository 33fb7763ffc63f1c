"""Quizzes: the shipped ones are sound, and they can be clicked, typed and read without a kernel."""

import importlib
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from course_checks import CHAPTERS
from nbnet_lib.course.progress import read_progress
from nbnet_lib.course.quizzes import FOLDER, LETTERS, Quiz, load_quiz, quiz
from nbnet_lib.errors import NbnetError

module = importlib.import_module("nbnet_lib.course.quizzes")
MADE = """
questions:
  - ask: Is `a < b` shown & escaped?
    options:
      - {text: "no <b>", why: "It is not bold."}
      - {text: "yes", why: "`html` is escaped.", right: true}
  - ask: Two?
    options:
      - {text: "2", why: "It is.", right: true}
      - {text: "3", why: "That is three."}
      - {text: "4", why: "That is four."}
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A quiz of two questions as chapter 03, its progress kept; right are b and a."""
    (tmp_path / "ch03.yaml").write_text(MADE, encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setenv("NBNET_PROGRESS", str(tmp_path / "progress.json"))
    load_quiz.cache_clear()
    yield tmp_path / "ch03.yaml"
    load_quiz.cache_clear()


def kept():
    return read_progress()["quizzes"]


def test_clicks_answer_and_say_why(made):
    shown = quiz("03")
    assert not shown and len(shown.buttons) == 2
    assert shown.buttons[0].options == ("a", "b") and shown.buttons[0].value is None
    shown.buttons[0].value = "a"
    assert "Not quite" in shown._remarks[0].value and "It is not bold." in shown._remarks[0].value
    assert shown._remarks[1].value == "" and "0 of 2 right" in shown._score.value
    assert kept() == {}  # not all are answered yet
    shown.buttons[1].value = "c"
    assert "That is four." in shown._remarks[1].value
    assert kept()["03"]["tries"] == 1 and not kept()["03"]["passed"]
    shown.buttons[1].value = "a"
    shown.buttons[0].value = "b"
    assert "Right" in shown._remarks[0].value and "<code>html</code>" in shown._remarks[0].value
    assert shown and "[PASS] quiz 03: 2 of 2 right" in shown._score.value
    assert kept()["03"]["passed"]
    shown.buttons[0].value = None  # taken back by hand: what was given stays
    assert shown.right == 2


def test_typed_answers_are_judged_one_by_one(made, capsys):
    assert not quiz("03", "ac")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "[FAIL] question 1, a: It is not bold.",
        "[FAIL] question 2, c: That is four.",
        "[----] quiz 03: 0 of 2 right",
    ]
    assert kept()["03"] == {"tries": 1, "passed": None}
    for answers in ("ba", "(B), a", ["b", "a"]):
        assert quiz("3", answers)
    assert "[PASS] quiz 03: 2 of 2 right" in capsys.readouterr().out
    assert kept()["03"]["passed"] and kept()["03"]["tries"] == 2
    assert quiz(3, "ba")


@pytest.mark.parametrize(
    ("answers", "part"),
    [
        ("b", "expected 2 letters, got 1"),
        ("ca", "question 1: expected a letter from a to b, got c"),
    ],
)
def test_bad_letters_are_refused(made, answers, part, capsys):
    assert not quiz("03", answers)
    assert part in capsys.readouterr().out
    assert kept() == {}


def test_the_stored_output_can_be_read_without_a_kernel(made):
    InteractiveShell.instance()
    with capture_output() as captured:
        quiz("03")
    pages = [o.data["text/html"] for o in captured.outputs if "text/html" in o.data]
    pages = [p for p in pages if "<ol" in p]
    assert len(pages) == 2 and pages[1].startswith('<ol start="2">')
    assert "<code>a &lt; b</code> shown &amp; escaped?" in pages[0] and "no &lt;b&gt;" in pages[0]
    assert '<ol type="a"><li>2</li><li>3</li><li>4</li></ol>' in pages[1]
    assert all(why not in "".join(pages) for why in ("It is not bold", "That is three"))
    assert 'quiz("03", "...")' in captured.stdout
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("chapter", ["12", "x", None])
def test_an_unknown_quiz_names_those_there_are(chapter):
    with pytest.raises(NbnetError, match="there is no quiz .*: there are 0"):
        quiz(chapter)


def test_there_are_twelve():
    assert sorted(p.name for p in FOLDER.iterdir()) == [f"ch{i:02d}.yaml" for i in CHAPTERS]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_shipped_quiz_is_sound(chapter):
    questions = load_quiz(chapter)
    assert 4 <= len(questions) <= 6
    for question in questions:
        assert question.ask.rstrip().endswith(("?", ":", "."))
        assert 3 <= len(question.options) <= 4
        assert sum(option.right for option in question.options) == 1
        texts = [option.text for option in question.options]
        whys = [option.why for option in question.options]
        assert len(set(texts)) == len(texts) and len(set(whys)) == len(whys)
        assert all(len(why) > 15 for why in whys)
        for text in (question.ask, *texts, *whys):
            assert not re.search("[\u2013\u2014\U0001f000-\U0001ffff$]", text), text
    assert len({question.right for question in questions}) >= 2  # not always the same letter


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_shipped_quiz_is_passed_by_its_right_letters_and_not_by_its_length(chapter, capsys):
    questions = load_quiz(chapter)
    letters = "".join(question.right for question in questions)
    assert quiz(chapter, letters)
    assert "[FAIL]" not in capsys.readouterr().out
    shown = Quiz(f"{chapter:02d}", questions)
    shown.answer("".join(LETTERS[(LETTERS.index(x) + 1) % 3] for x in letters))
    assert shown.right <= 1
    # Who always takes the longest answer must not pass.
    longest = [max(q.options, key=lambda o: len(o.text)).right for q in questions]
    assert not all(longest)
