"""Each rule for stored chapters can complain: a good chapter is damaged in one thing at a time."""

import json

import nbformat
import pytest

from course_checks import base
from nbnet_lib.course import rules
from nbnet_lib.course.notebooks import WIDGET_VIEW
from nbnet_lib.course.rules import RULES, Chapter, complaints, read_chapter
from nbnet_lib.course.source import make_chapter, read_source, to_text
from nbnet_lib.errors import NbnetError

SOURCE = """# %% [markdown] tags=["slide"]
# # 07 A made chapter
#
# **Why?** What you will learn: little.
#
# | Time | You need | Exercises |
# |---|---|---|
# | Time | 5 minutes | |
# | You need | nothing | |
# | Exercises | 7.1 | |
#
# It costs `$5`. [Next](08_next.ipynb)

# %% tags=["parameters"]
profile = "auto"  # a remark
seed = 7
device = "auto"

# %% tags=["nbval-check-output", "slide"]
print("profile laptop")

# %% [markdown]
# ### Exercise 7.1 ★★ made

# %%
def twice(x):
    ### BEGIN SOLUTION
    a_long_line_of_a_solution = x + x
    return a_long_line_of_a_solution
    ### END SOLUTION


check("7.1", twice)

# %%
explore(view, n=(0, 5))
quiz("07")

# %% [markdown] tags=["slide"]
# ## What can go wrong

# %% [markdown] tags=["subslide"]
# ## For those who defend

# %% [markdown] tags=["fragment"]
# ## Stretch

# %% [markdown] tags=["notes"]
# ## Quiz

# %% [markdown] tags=["slide"]
# ## Summary

# %% [markdown] tags=["slide"]
# ## References
"""
PICTURE = {"image/png": "aGVsbG8="}


@pytest.fixture
def good(tmp_path, monkeypatch):
    """A small chapter 07 that keeps every rule, as it lies on disk."""
    made = base.Exercise("7.1", "made", 2, ("twice",), ("a", "b"), lambda fn: "right")
    monkeypatch.setattr(rules, "load_all", lambda: {"7.1": made, "8.1": made})
    for folder in ("solutions", "chapters"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "08_next.ipynb").write_text("")
    (tmp_path / "solutions" / "08_next.py").write_text("")
    source = tmp_path / "solutions" / "07_made.py"
    source.write_text(SOURCE, encoding="utf-8")
    plain = read_source(source)
    solution = nbformat.from_dict(json.loads(json.dumps(plain)))
    for count, cell in enumerate(rules.code_cells(solution), 1):
        cell.execution_count = count
        text = {2: "profile laptop\n", 3: "[PASS] 7.1\n", 4: "[----] quiz 07: 0 of 4 right\n"}
        if count in text:
            cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text=text[count]))
    for _ in range(4):
        about = {"image/png": {"alt": "a curve"}}
        cell.outputs.append(nbformat.v4.new_output("display_data", PICTURE, metadata=about))
    (tmp_path / "solutions" / "07_made.ipynb").write_text(to_text(solution), encoding="utf-8")
    starter = to_text(make_chapter(plain, "07"))
    (tmp_path / "chapters" / "07_made.ipynb").write_text(starter, encoding="utf-8")
    return read_chapter(source)


def test_a_good_chapter_keeps_all_rules(good):
    assert complaints(good) == []


def cells(notebook):
    return rules.code_cells(notebook)


def stream(name, text):
    return nbformat.v4.new_output("stream", name=name, text=text)


def replace(old, new):
    """Change the text of the source, as read."""

    def damage(chapter: Chapter):
        assert any(old in cell.source for cell in chapter.plain.cells)
        for cell in chapter.plain.cells:
            cell.source = cell.source.replace(old, new)

    return damage


def untag(tag):
    def damage(chapter: Chapter):
        for cell in chapter.plain.cells:
            cell.metadata["tags"] = [t for t in cell.metadata.get("tags", []) if t != tag]

    return damage


def on_code(which, number, change):
    return lambda chapter: change(cells(getattr(chapter, which))[number])


def store(which, number, output):
    return on_code(which, number, lambda cell: cell.outputs.append(output))


def set_count(value):
    return lambda cell: cell.update(execution_count=value)


def append_source(text):
    return lambda cell: cell.update(source=cell.source + text)


def same_ids(chapter):
    chapter.starter.cells[1].id = chapter.starter.cells[0].id


ERROR = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
WIDGET = nbformat.v4.new_output("display_data", {WIDGET_VIEW: {}})
LARGE = stream("stdout", "x" * (rules.MOST_BYTES + 1))
HOME = stream("stdout", "read /ho" + "me/somebody/x")

DAMAGE = [
    ("executed", "execution counts", on_code("solution", 1, set_count(None))),
    ("executed", "execution counts", on_code("solution", 2, set_count(7))),
    ("executed", "an error", store("solution", 2, ERROR)),
    ("executed", "stderr", store("solution", 2, stream("stderr", "50 %"))),
    ("executed", "laptop", on_code("solution", 1, lambda c: c.update(outputs=[]))),
    ("passed", "0 times", on_code("solution", 2, lambda c: c.update(outputs=[]))),
    ("passed", "did not pass", store("solution", 2, stream("stdout", "[FAIL] twice"))),
    ("passed", "did not pass", store("solution", 2, stream("stdout", "[----] 7.1 not"))),
    ("starter_is_empty", "was run", on_code("starter", 2, set_count(3))),
    ("starter_is_empty", "was run", store("starter", 2, stream("stdout", "x"))),
    (
        "no_solution_in_starter",
        "holds a line",
        on_code("starter", 2, append_source("\n    a_long_line_of_a_solution = x + x")),
    ),
    ("no_solution_in_starter", "a marker", on_code("starter", 1, append_source("\n" + rules.END))),
    ("no_solution_in_starter", "left open", on_code("starter", 2, lambda c: c.update(source="1"))),
    (
        "pictures_have_alternatives",
        "lacks alternative text, after",
        on_code("solution", 3, lambda c: c.outputs[-1].update(metadata={})),
    ),
    (
        "pictures_have_alternatives",
        "lacks alternative text, after",
        on_code("solution", 3, lambda c: c.outputs[-1].metadata["image/png"].update(alt=" ")),
    ),
    ("pictures_have_alternatives", "in the text", replace("**Why?**", "![ ](x.png)")),
    ("pictures_have_alternatives", "in the text", replace("**Why?**", '<img src="x.png">')),
    (
        "pictures_have_alternatives",
        "3 pictures",
        on_code("solution", 3, lambda c: c.outputs.pop()),
    ),
    ("no_widget_data", "widget", store("solution", 3, WIDGET)),
    ("no_widget_data", "widget", lambda c: c.solution.metadata.update(widgets={})),
    ("small", "bytes", store("solution", 3, LARGE)),
    ("same_on_every_machine", "a path", store("solution", 3, HOME)),
    ("same_on_every_machine", "metadata", lambda c: c.starter.metadata.update(author="me")),
    ("same_on_every_machine", "the same id", same_ids),
    ("has_its_parts", "does not begin", replace("# 07 A made", "# A made")),
    ("has_its_parts", "'What you will learn'", replace("What you will learn", "")),
    ("has_its_parts", "'| You need |'", replace("| You need |", "|")),
    *[("has_its_parts", f"{h!r}", replace(h, "## Other")) for h in rules.HEADINGS],
    ("has_its_parts", "no explore", replace("explore(", "explored(")),
    ("has_its_parts", "no quiz", replace('quiz("07")', 'quiz("06")')),
    ("has_its_parts", "nbval-check-output", untag("nbval-check-output")),
    ("parameters_are_the_same", "parameters are", replace("seed = 7", "seed = 8")),
    ("parameters_are_the_same", "parameters are", untag("parameters")),
    ("enough_slides", "3 cells", untag("slide")),
    (
        "enough_slides",
        "the title cell",
        lambda chapter: chapter.plain.cells[0].metadata.update(tags=[]),
    ),
    ("plain_text", "LaTeX", replace("**Why?**", "$x^2$")),
    ("plain_text", "long dash", replace("**Why?**", "why \u2014 not")),
    ("plain_text", "emoji", replace("**Why?**", "\U0001f600")),
    ("links_lead_somewhere", "from solutions", replace("**Why?**", "[x](../guides/no.md)")),
    ("links_lead_somewhere", "no link to the next", replace("08_next.ipynb", "07_made.ipynb")),
    ("exercises_are_as_registered", "expected '### Exercise", replace("★★ made", "★ made")),
    ("exercises_are_as_registered", "expected '### Exercise", replace("★★ made", "★★ other")),
    ("exercises_are_as_registered", "0 headings", replace("### Exercise", "### Task")),
    ("exercises_are_as_registered", "checks for []", replace('check("7.1"', 'print("7.1"')),
]


@pytest.mark.filterwarnings("ignore")  # nbformat warns of what was damaged here
@pytest.mark.parametrize(("name", "part", "damage"), DAMAGE)
def test_a_rule_complains(good, name, part, damage):
    damage(good)
    told = list(RULES[name](good))
    assert any(part in text for text in told), told


def test_complaints_name_chapter_and_rule(good):
    replace("seed = 7", "seed = 8")(good)
    assert [c.partition(": ")[0] for c in complaints(good)] == ["07_made, parameters_are_the_same"]


def test_every_rule_was_made_to_complain():
    assert {name for name, _, _ in DAMAGE} == set(RULES)


def test_what_is_missing_is_told(good, tmp_path):
    source = tmp_path / "solutions" / "07_made.py"
    (tmp_path / "chapters" / "07_made.ipynb").write_text("{")
    with pytest.raises(NbnetError, match=r"chapters/07_made.ipynb is not a notebook"):
        read_chapter(source)
    (tmp_path / "solutions" / "07_made.ipynb").unlink()
    with pytest.raises(NbnetError, match=r"solutions/07_made.ipynb is missing"):
        read_chapter(source)
