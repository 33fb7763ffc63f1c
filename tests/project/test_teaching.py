"""The instructors' guide: its minutes add up, and what it names exists."""

import re

import pytest

import course_checks as checks

GUIDE = "guides/teach_this_course.md"
CHAPTERS = [f"{number:02d}" for number in range(12)]
# "0.1 %" and "0.35" are numbers, "10.4" is an exercise.
EXERCISE = re.compile(r"(?<![\w.])((?:\d|1[01])\.\d)(?![\d]| ?%)")


@pytest.fixture(scope="module")
def guide(root):
    return (root / GUIDE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def exercises():
    return set(checks.load_all())


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def schedules(guide: str) -> list[tuple[list[list[str]], int]]:
    """Return the rows and the stated total of every table of minutes."""
    found = re.findall(
        r"^\| minutes \| what \| how \|\n\|[-|]+\|\n((?:\|.*\n)+)\n\*\*Total: (\d+) minutes\*\*$",
        guide,
        re.M,
    )
    assert len(found) == guide.count("| minutes | what | how |") == guide.count("**Total: ")
    return [([cells(line) for line in rows.splitlines()], int(total)) for rows, total in found]


def chapter_table(guide: str) -> list[list[str]]:
    head = "| chapter | reading | exercises | talk and quiz | computing | total |\n"
    assert guide.count(head) == 1
    rows = guide.partition(head)[2].partition("\n\n")[0].splitlines()[1:]
    return [cells(row) for row in rows]


def sections(guide: str) -> dict[str, str]:
    """Return the text of each "### Chapter NN: title"."""
    body = guide.partition("\n## Chapter by chapter\n")[2].partition("\n## ")[0]
    parts = re.split(r"^### Chapter (\d\d): ", body, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def minutes_of_exercises(guide: str) -> dict[str, int]:
    lines = re.findall(r"^\*\*Exercises\*\*: (.*)$", guide, re.M)
    return {n: int(m) for line in lines for n, m in re.findall(r"(\d+\.\d) \((\d+)", line)}


def test_each_schedule_lasts_as_long_as_it_says(guide):
    found = schedules(guide)
    assert [total for _, total in found] == [210, 420, 420, 420]
    for rows, total in found:
        assert sum(int(minutes) for minutes, _, _ in rows) == total
        assert any("break" in what for _, what, _ in rows)


def test_rows_of_a_schedule_name_one_chapter_and_its_exercises(guide):
    lasting = minutes_of_exercises(guide)
    for rows, _ in schedules(guide):
        for minutes, what, how in rows:
            named = re.findall(r"chapter (\d\d)", what)
            if not named:
                assert not EXERCISE.findall(how), f"exercises without a chapter: {what}"
                continue
            assert len(named) == 1
            done = set(EXERCISE.findall(how))
            assert all(int(n.partition(".")[0]) == int(named[0]) for n in done), how
            assert sum(lasting[n] for n in done) <= 0.75 * int(minutes), f"too full: {how}"


def test_the_table_of_chapters_adds_up(guide, root):
    rows = chapter_table(guide)
    titles = {name: text.splitlines()[0] for name, text in sections(guide).items()}
    assert [row[0] for row in rows] == [f"{n} {titles[n]}" for n in CHAPTERS] + ["all"]
    numbers = [[int(cell) for cell in row[1:]] for row in rows]
    for row in numbers:
        assert sum(row[:-1]) == row[-1]
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]
    lasting = minutes_of_exercises(guide)
    for chapter, row in zip(CHAPTERS, numbers, strict=False):
        own = [m for n, m in lasting.items() if int(n.partition(".")[0]) == int(chapter)]
        assert sum(own) == row[1], f"exercises of chapter {chapter}"
        (source,) = (root / "solutions").glob(f"{chapter}_*.py")
        assert f"# # {chapter} {titles[chapter]}\n" in source.read_text(encoding="utf-8")


def test_every_exercise_is_there_and_no_other(guide, exercises):
    assert set(minutes_of_exercises(guide)) == exercises
    assert set(EXERCISE.findall(guide)) == exercises


def test_each_chapter_has_questions_misconceptions_and_stalls(guide):
    found = sections(guide)
    assert list(found) == CHAPTERS
    for chapter, text in found.items():
        questions, _, rest = text.partition("**Ask**")[2].partition("**They believe**")
        answers = re.findall(r"^\d\. \*.+?\?\*\s+\S.+?(?=^\d\. |\Z)", questions, re.M | re.S)
        assert len(answers) >= 3, f"questions of chapter {chapter}"
        believed, _, stalls = rest.partition("**Stalls**:")
        replies = re.findall(r'^- ".+?" Say: \S', believed, re.M | re.S)
        assert 3 <= len(replies) == believed.count("\n- ") <= 5, f"misconceptions of {chapter}"
        assert stalls.strip(), f"chapter {chapter}"


def test_the_rubric_is_that_of_the_chapter(guide, root):
    source = (root / "solutions" / "11_real_systems.py").read_text(encoding="utf-8")
    rubric = guide.partition("\n## The rubric, to print\n")[2]
    rows = [line for line in rubric.splitlines() if line.startswith("|")]
    assert len(rows) == 7
    for row in rows:
        assert f"# {row}\n" in source, row
