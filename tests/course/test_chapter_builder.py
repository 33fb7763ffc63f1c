"""From one source to solution and starter: cutting, stable output, drift."""

import json

import nbformat
import pytest

from authoring.build import build_all, clean
from authoring.sources import (
    WIDGET_VIEW,
    chapter_sources,
    course_root,
    cut_solution,
    make_chapter,
    read_source,
    to_text,
)
from nbnet_lib.errors import NbnetError

SOURCE = '''# %% [markdown]
# # A tiny chapter

# %% tags=["parameters"]
profile = "auto"

# %%
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    y = x + x
    return y
    ### END SOLUTION


print("double:", double(2))

# %%
### BEGIN SOLUTION
a = 1
b = a + 1
### END SOLUTION
print(profile)
b
'''


@pytest.fixture
def tiny(tmp_path):
    """A course of one chapter."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "01_tiny.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (
            "def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n\n\nf(1)",
            "def f(x):\n    return None  # your code\n\n\nf(1)",
        ),
        (
            "### BEGIN SOLUTION\nanswer = {\n  'A': 1}\nother = 3\n### END SOLUTION\nprint(answer)",
            "answer = None  # your code\nother = None  # your code\nprint(answer)",
        ),
        ("x = 1  # BEGIN", "x = 1  # BEGIN"),
    ],
)
def test_a_solution_is_cut_to_an_unfinished_line(text, cut):
    assert cut_solution(text, "here") == cut


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("### BEGIN SOLUTION\nx = 1", "each ### BEGIN"),
        ("x = 1\n### END SOLUTION", "each ### BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "each ### BEGIN"),
        ("### BEGIN SOLUTION\nprint(1)\n### END SOLUTION", "assigns no name"),
    ],
)
def test_bad_markers_are_refused(text, part):
    with pytest.raises(NbnetError, match=part):
        cut_solution(text, "02, cell 3")


def test_ids_follow_the_text_and_not_the_position(tiny):
    source = tiny / "solutions" / "01_tiny.py"
    before = [cell.id for cell in read_source(source).cells]
    source.write_text(SOURCE.replace("# %%\n### BEGIN", "# %%\nnew = 1\n\n# %%\n### BEGIN"))
    after = [cell.id for cell in read_source(source).cells]
    assert len(set(after)) == len(after) == len(before) + 1
    assert [i for i in after if i in before] == before
    source.write_text(SOURCE + "\n# %%\n1\n\n# %%\n1\n")
    ids = [cell.id for cell in read_source(source).cells]
    assert len(set(ids)) == len(ids)


def test_a_source_without_parameters_is_refused(tiny):
    source = tiny / "solutions" / "01_tiny.py"
    source.write_text(SOURCE.replace(' tags=["parameters"]', ""))
    with pytest.raises(NbnetError, match="'parameters'"):
        read_source(source)


def test_a_starter_has_no_solution_and_no_outputs(tiny):
    plain = read_source(tiny / "solutions" / "01_tiny.py")
    text = to_text(make_chapter(plain, "01"))
    assert "SOLUTION" not in text and "y = x + x" not in text and text.count("# your code") == 3
    chapter = nbformat.reads(text, as_version=4)
    assert all(not c.outputs and c.execution_count is None for c in chapter.cells if "outputs" in c)
    assert any("y = x + x" in cell.source for cell in plain.cells)  # the given one stays whole


def test_widgets_and_stderr_are_not_stored(tiny):
    plain = read_source(tiny / "solutions" / "01_tiny.py")
    run = nbformat.from_dict(json.loads(json.dumps(plain)))
    run.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    cell = run.cells[2]
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="one "),
        nbformat.v4.new_output("stream", name="stderr", text="50 %"),
        nbformat.v4.new_output("stream", name="stdout", text="two"),
        nbformat.v4.new_output("display_data", {WIDGET_VIEW: {}, "text/plain": "VBox()"}),
        nbformat.v4.new_output("display_data", {"text/plain": "kept"}),
    ]
    cleaned = clean(run, plain)
    assert [o.get("text", o.get("data")) for o in cleaned.cells[2].outputs] == [
        "one two",
        {"text/plain": "kept"},
    ]
    assert "widgets" not in cleaned.metadata
    assert [c.execution_count for c in cleaned.cells if c.cell_type == "code"] == [1, 2, 3]


def test_build_writes_both_and_check_finds_no_drift(tiny):
    report = build_all(root=tiny)
    assert report["written"] == ["solutions/01_tiny.ipynb", "chapters/01_tiny.ipynb"]
    solution = nbformat.read(tiny / "solutions" / "01_tiny.ipynb", as_version=4)
    code = [c for c in solution.cells if c.cell_type == "code"]
    assert code[1].outputs[0].text == "double: 4\n"
    assert code[2].outputs[0].text == "laptop\n"  # the profile it was built in
    assert code[2].outputs[1].data["text/plain"] == "2"
    assert build_all(root=tiny, check=True)["checked"] == report["written"]


def damage(tiny, what):
    solution, chapter = (tiny / f / "01_tiny.ipynb" for f in ("solutions", "chapters"))
    source = tiny / "solutions" / "01_tiny.py"
    if what == "source":
        source.write_text(SOURCE.replace("x + x", "2 * x"))
    elif what in ("chapter", "solution"):
        path = {"chapter": chapter, "solution": solution}[what]
        path.write_text(path.read_text().replace("Twice", "Thrice"))
    elif what == "unexecuted":
        notebook = nbformat.read(solution, as_version=4)
        notebook.cells[-1].execution_count = None
        nbformat.write(notebook, solution)
    elif what == "missing":
        chapter.unlink()
    elif what == "stray":
        (tiny / "chapters" / "09_old.ipynb").write_text(chapter.read_text())
    elif what == "broken":
        solution.write_text("{")


@pytest.mark.parametrize(
    ("what", "part"),
    [
        ("source", "solutions/01_tiny.ipynb differs from its source in cell 3"),
        ("chapter", "chapters/01_tiny.ipynb differs"),
        ("solution", "solutions/01_tiny.ipynb is not what"),
        ("unexecuted", "not executed"),
        ("missing", "chapters/01_tiny.ipynb is missing"),
        ("stray", "chapters/09_old.ipynb has no source"),
        ("broken", "solutions/01_tiny.ipynb is not a notebook"),
    ],
)
def test_drift_names_the_file(tiny, what, part):
    plain = read_source(tiny / "solutions" / "01_tiny.py")
    (tiny / "chapters").mkdir()
    (tiny / "chapters" / "01_tiny.ipynb").write_text(to_text(make_chapter(plain, "01")))
    (tiny / "solutions" / "01_tiny.ipynb").write_text(to_text(clean(plain, plain)))
    build_all(root=tiny, check=True)
    damage(tiny, what)
    with pytest.raises(NbnetError, match=part):
        build_all(root=tiny, check=True)


def test_a_failing_cell_is_named(tiny):
    source = tiny / "solutions" / "01_tiny.py"
    source.write_text(SOURCE + "\n# %%\nundefined_name + 1\n")
    with pytest.raises(NbnetError, match=r"01_tiny.py: cell .*undefined_name"):
        build_all(root=tiny)
    assert not (tiny / "solutions" / "01_tiny.ipynb").exists()


def test_prose_can_change_without_execution_and_code_cannot(tiny):
    source, solution = (tiny / "solutions" / f"01_tiny.{kind}" for kind in ("py", "ipynb"))
    with pytest.raises(NbnetError, match="01_tiny.ipynb is missing"):
        build_all(root=tiny, execute=False)
    plain = read_source(source)
    run = nbformat.from_dict(json.loads(json.dumps(plain)))
    run.cells[2].outputs = [nbformat.v4.new_output("stream", name="stdout", text="kept\n")]
    solution.write_text(to_text(clean(run, plain)))
    source.write_text(SOURCE.replace("A tiny chapter", "Another title"))
    build_all(root=tiny, execute=False)
    built = nbformat.read(solution, as_version=4)
    assert built.cells[0].source == "# Another title" and built.cells[2].outputs[0].text == "kept\n"
    build_all(root=tiny, check=True)
    source.write_text(SOURCE.replace("x + x", "2 * x"))
    with pytest.raises(NbnetError, match="code of 01_tiny.ipynb differs"):
        build_all(root=tiny, execute=False)


def test_chapters_are_picked_by_number_or_name(tiny):
    (tiny / "solutions" / "02_next.py").write_text(SOURCE)
    assert [s.stem for s in chapter_sources(tiny)] == ["01_tiny", "02_next"]
    for only in (["2"], ["02"], ["2", "02_next"]):
        assert [s.stem for s in chapter_sources(tiny, only)] == ["02_next"]
    with pytest.raises(NbnetError, match="no chapter '03'"):
        chapter_sources(tiny, ["03"])


def test_a_folder_without_sources_is_refused(tmp_path):
    with pytest.raises(NbnetError, match="no solutions/NN_title.py found in"):
        course_root(tmp_path)
