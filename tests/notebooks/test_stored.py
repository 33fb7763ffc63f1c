"""The committed notebooks: made by the generator, executed, small, and without traps."""

import re
from pathlib import Path

import nbformat
import pytest

from authoring.build import build_all
from authoring.rules import RULES, read_chapter, without_code
from course_checks import CHAPTERS, load_all
from nbnet_lib.course.quizzes import load_quiz

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def chapters():
    """Each chapter, read when first asked for."""
    seen = {}

    def get(source):
        if source not in seen:
            seen[source] = read_chapter(source)
        return seen[source]

    return get


def test_there_are_twelve_chapters():
    assert [int(s.stem[:2]) for s in SOURCES] == list(CHAPTERS) == list(range(12))


def test_no_notebook_differs_from_its_source():
    assert len(build_all(root=ROOT, check=True)["checked"]) == 2 * len(SOURCES)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_a_chapter_keeps_every_rule(source, rule, chapters):
    assert list(RULES[rule](chapters(source))) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
@pytest.mark.parametrize("folder", ["solutions", "chapters"])
def test_a_stored_notebook_is_valid(folder, source):
    path = ROOT / folder / f"{source.stem}.ipynb"
    nbformat.validate(nbformat.read(path, as_version=4))
    assert "noqa" not in path.read_text(encoding="utf-8")


def test_thirty_exercises_and_twelve_quizzes():
    exercises = load_all()
    assert len(exercises) >= 30
    for chapter in CHAPTERS:
        of_it = [n for n in exercises if int(n.partition(".")[0]) == chapter]
        assert of_it == [f"{chapter}.{i}" for i in range(1, len(of_it) + 1)]
        assert len(of_it) >= (2 if chapter == 0 else 3)
        assert len(load_quiz(chapter)) >= 4


CONFIRMED = {"95.20", "58.05", "96.58", "92.84", "85.48", "14.71"}


def test_the_papers_confirmed_numbers_stand_in_chapter_10(chapters):
    source = next(s for s in SOURCES if s.stem.startswith("10_"))
    prose = without_code(chapters(source).prose)
    assert CONFIRMED <= set(re.findall(r"(\d+\.\d\d) %", prose))
