"""Every notebook of both folders runs from top to bottom through papermill, quick profile.

(And through nbval: pytest collects the two folders themselves, see pyproject.toml.) Here a chapter
is one whose exercises are all unfinished, a solution one whose exercises are all solved.
"""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted([*ROOT.glob("solutions/*.ipynb"), *ROOT.glob("chapters/*.ipynb")])
CHECK = re.compile(r'^(?:\w+ = )?check\(\s*"', re.MULTILINE)


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_papermill(notebook, papermill, tmp_path):
    outcome = papermill(notebook)
    assert outcome.good, outcome.text[-3000:]
    done = nbformat.read(tmp_path / "papermill" / f"{notebook.stem}.out.ipynb", as_version=4)
    code = [c for c in done.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    text = "\n".join(o.text for c in code for o in c.outputs if o.output_type == "stream")
    exercises = sum(len(CHECK.findall(c.source)) for c in code)
    mark = "[PASS]" if notebook.parent.name == "solutions" else "[----]"
    first = notebook.stem.startswith("00")
    assert exercises >= (2 if first else 3)
    assert text.count(mark) == exercises and "[FAIL]" not in text
    assert "profile quick" in text
    pictures = [o for c in code for o in c.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= (2 if first else 4)
    assert all(o.metadata["image/png"]["alt"] for o in pictures)
