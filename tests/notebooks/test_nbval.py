"""Every notebook of both folders runs through nbval; tagged cells of solutions are compared."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted([*ROOT.glob("solutions/*.ipynb"), *ROOT.glob("chapters/*.ipynb")])


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_nbval(notebook, nbval):
    outcome = nbval(notebook)
    assert outcome.status == 0, outcome.text[-3000:]
