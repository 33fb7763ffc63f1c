"""Each rule for stored chapters can complain: a good chapter is damaged in one thing at a time."""

import json

import nbformat
import pytest

from authoring import rules
from authoring.rules import RULES, Chapter, complaints, read_chapter
from authoring.sources import WIDGET_VIEW, read_source, to_text
from course_checks import base
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
    """A small chapter 07 that keeps every rule, as it is stored."""
    made = [base.Exercise(n, "made", 2, ("twice",), ("a", "b"), str) for n in ("7.1", "8.1")]
    monkeypatch.setattr(rules, "load_all", lambda: {e.number: e for e in made})
    monkeypatch.setattr(rules, "CHAPTERS", {7: "A made chapter"})
    for folder in ("solutions", "chapters"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "08_next.ipynb").write_text("")
    (tmp_path / "solutions" / "08_next.py").write_text("")
    source = tmp_path / "solutions" / "07_made.py"
    source.write_text(SOURCE, encoding="utf-8")
    solution = nbformat.from_dict(json.loads(json.dumps(read_source(source))))
    printed = ["", "profile laptop\n", "[PASS] 7.1\n", "[----] quiz 07: 0 of 4 right\n"]
    for cell, text in zip(code_cells(solution), printed, strict=True):
        cell.outputs.append(stream("stdout", text))
    for _ in range(4):
        about = {"image/png": {"alt": "a curve"}}
        cell.outputs.append(nbformat.v4.new_output("display_data", PICTURE, metadata=about))
    (tmp_path / "solutions" / "07_made.ipynb").write_text(to_text(solution), encoding="utf-8")
    return read_chapter(source)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def stream(name, text):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_a_good_chapter_keeps_all_rules(good):
    assert complaints(good) == []


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


def outputs(number, change):
    """Change the outputs of a code cell of the solution."""
    return lambda chapter: change(code_cells(chapter.solution)[number].outputs)


def store(number, output):
    return outputs(number, lambda stored: stored.append(output))


WIDGET = nbformat.v4.new_output("display_data", {WIDGET_VIEW: {}})
HOME = stream("stdout", "/ho" + "me/somebody/file")
LARGE = stream("stdout", "x" * rules.MAX_BYTES)
DAMAGE = [
    ("executed", "an error", store(2, nbformat.v4.new_output("error", ename="E"))),
    ("executed", "stderr", store(2, stream("stderr", "50 %"))),
    ("executed", "laptop", outputs(1, list.clear)),
    ("passed", "0 times", outputs(2, list.clear)),
    ("passed", "did not pass", store(2, stream("stdout", "[FAIL] twice"))),
    (
        "no_solution_in_starter",
        "holds a line",
        replace("quiz(", "    a_long_line_of_a_solution = x + x\nquiz("),
    ),
    (
        "pictures_have_alternatives",
        "1 pictures lack",
        outputs(3, lambda o: o[-1].update(metadata={})),
    ),
    ("pictures_have_alternatives", "in the text", replace("**Why?**", '<img src="x.png">')),
    ("pictures_have_alternatives", "3 pictures", outputs(3, list.pop)),
    ("no_widget_data", "widget", store(3, WIDGET)),
    ("small", "bytes", store(3, LARGE)),
    ("same_on_every_machine", "a path", store(3, HOME)),
    ("has_its_parts", "does not begin", replace("A made", "Another")),
    ("has_its_parts", "'What you will learn'", replace("What you will learn", "")),
    ("has_its_parts", "'## Quiz'", replace("## Quiz", "## Other")),
    ("has_its_parts", "no explore", replace("explore(", "explored(")),
    ("has_its_parts", "no quiz", replace('quiz("07")', 'quiz("06")')),
    ("has_its_parts", "nbval-check-output", untag("nbval-check-output")),
    ("parameters_are_the_same", "parameters are", replace("seed = 7", "seed = 8")),
    ("enough_slides", "3 cells", untag("slide")),
    ("enough_slides", "the title cell", lambda c: c.plain.cells[0].metadata.update(tags=[])),
    ("plain_text", "LaTeX", replace("**Why?**", "$x^2$")),
    ("plain_text", "long dash", replace("**Why?**", "why \u2014 not")),
    ("links_lead_somewhere", "from solutions", replace("**Why?**", "[x](../guides/no.md)")),
    ("links_lead_somewhere", "no link to the next", replace("08_next.ipynb", "07_made.ipynb")),
    ("exercises_are_as_registered", "expected '### Exercise", replace("★★ made", "★ made")),
    ("exercises_are_as_registered", "0 headings", replace("### Exercise", "### Task")),
    ("exercises_are_as_registered", "checks for []", replace('check("7.1"', 'print("7.1"')),
]


@pytest.mark.parametrize(("name", "part", "damage"), DAMAGE)
def test_a_rule_complains(good, name, part, damage):
    damage(good)
    found = list(RULES[name](good))
    assert any(part in text for text in found), found


def test_complaints_name_chapter_and_rule(good):
    replace("seed = 7", "seed = 8")(good)
    assert [c.partition(": ")[0] for c in complaints(good)] == ["07_made, parameters_are_the_same"]


def test_every_rule_was_made_to_complain():
    assert {name for name, _, _ in DAMAGE} == set(RULES)


@pytest.mark.parametrize(("content", "message"), [("{", "not a notebook"), (None, "missing")])
def test_a_solution_that_cannot_be_read_is_named(good, tmp_path, content, message):
    stored = tmp_path / "solutions" / "07_made.ipynb"
    stored.write_text(content) if content else stored.unlink()
    with pytest.raises(NbnetError, match=f"solutions/07_made.ipynb is {message}"):
        read_chapter(stored.with_suffix(".py"))
