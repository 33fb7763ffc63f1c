"""A broken notebook fails both runners, and a changed output fails nbval: the tests can fail."""

import nbformat
import pytest

from authoring.build import clean
from authoring.running import execute
from authoring.sources import make_chapter, read_source, to_text

SOURCE = """# %% [markdown]
# # A small notebook

# %% tags=["parameters"]
profile = "auto"
device = "auto"

# %% tags=["nbval-check-output"]
print("the answer is", 6 * 7)

# %%
import random
print(random.random())
"""
EXPLORE = '''
# %%
import matplotlib.pyplot as plt
from nbnet_lib.course.exploring import explore


def view(n=1):
    """A line."""
    if n == 1:
        raise ValueError("the view cannot be drawn")
    figure, axis = plt.subplots(figsize=(1, 1))
    return figure


explore(view, n=(0, 5))
'''


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An executed notebook."""
    plain, target = read(SOURCE, tmp_path_factory.mktemp("made"))
    target.write_text(to_text(clean(execute(plain, {}).notebook, plain)), encoding="utf-8")
    return target


def read(source, folder):
    """Return the notebook of a source, and where to store it."""
    path = folder / "01_small.py"
    path.write_text(source)
    return read_source(path), path.with_suffix(".ipynb")


def test_a_good_notebook_passes_both(good, papermill, nbval):
    assert papermill(good).good
    assert nbval(good).good


def test_an_error_in_the_first_view_of_an_explorer_fails_both(tmp_path, papermill, nbval):
    plain, broken = read(SOURCE + EXPLORE, tmp_path)
    broken.write_text(to_text(plain), encoding="utf-8")
    for outcome in (papermill(broken), nbval(broken)):
        assert not outcome.good
        assert "the view cannot be drawn" in outcome.text


def test_a_changed_output_fails_nbval_where_it_is_tagged(good, nbval, tmp_path):
    notebook = nbformat.read(good, as_version=4)
    notebook.cells[-1].outputs[0].text = "0.5\n"  # random and not tagged: may differ
    notebook.cells[2].outputs[0].text = "the answer is 43\n"
    changed = tmp_path / "changed.ipynb"
    nbformat.write(notebook, changed)
    outcome = nbval(changed)
    assert not outcome.good and "1 failed" in outcome.text
    assert "the answer is 43" in outcome.text and "the answer is 42" in outcome.text


HALF = """
# %%
from nbnet_lib.course.checking import check


def cosine(a, b):
    ### BEGIN SOLUTION
    return undefined_name
    ### END SOLUTION


check("1.1", cosine)
"""


def test_a_chapter_of_a_half_solved_exercise_still_runs(papermill, tmp_path):
    """Before, while and after: a learner's own bug is a [FAIL] line and stops nothing."""
    plain, _ = read(SOURCE + HALF, tmp_path)
    for name, notebook in {"FAIL": plain, "----": make_chapter(plain, "01")}.items():
        target = tmp_path / f"half{name}.ipynb"
        nbformat.write(notebook, target)
        outcome = papermill(target)
        assert outcome.good, outcome.text
        text = (tmp_path / "papermill" / f"half{name}.out.ipynb").read_text()
        assert f"[{name}] " in text and ("it stopped with NameError" in text) == (name == "FAIL")
